"""The settings of a reduction as values: made once at the beginning of a run."""

from dataclasses import dataclass

import numpy as np

from flowlab.analysis.saxs.correct import Quantity
from flowlab.analysis.saxs.geometry import Geometry, geometry
from flowlab.analysis.saxs.integrate import Integrator
from flowlab.analysis.saxs.poni import Poni, read_poni, write_poni
from flowlab.config import PoniSettings, SaxsSettings


@dataclass(frozen=True)
class Recipe:
    """What every frame of a run is reduced with.

    Attributes:
        thickness_mm: of the liquid.
        factor: of the absolute scale; None: arbitrary units.
        background_share: of the solvent's scattering that is subtracted.
        sizes_from_per_nm: lowest q that is fitted for sizes.
    """

    thickness_mm: Quantity
    factor: Quantity | None = None
    background_share: float = 1.0
    sizes_from_per_nm: float = 0.0


def recipe(settings: SaxsSettings, xray_path_mm: float | None) -> Recipe:
    """The recipe that an instrument file gives.

    Args:
        settings: of the file.
        xray_path_mm: its flow path's; taken where ``settings`` gives no thickness.

    Raises:
        ValueError: neither gives a thickness.
    """
    thickness_mm = settings.thickness_mm or xray_path_mm
    if thickness_mm is None:
        raise ValueError("neither saxs.thickness_mm nor flow_path.xray_path_mm is given")
    factor = None if settings.scale is None else Quantity(settings.scale.value, settings.scale.err)
    return Recipe(
        Quantity(thickness_mm, settings.thickness_err_mm),
        factor,
        settings.background_share,
        settings.sizes_from_per_nm,
    )


def poni_of(settings: PoniSettings) -> Poni:
    """The place of the detector.

    Raises:
        BadInputError: settings that a poni file may not have.
    """
    return read_poni(write_poni(Poni(**settings.model_dump())))


def seen_by(settings: SaxsSettings) -> Geometry:
    """What each pixel sees, without those that are not used; takes about a second for the first detector.

    Raises:
        BadInputError: the detector is not known, pyFAI is not installed, or a mask lies outside.
    """
    seen = geometry(poni_of(settings.poni), polarization=settings.polarization)
    if settings.beam_stop_mm is not None:
        seen = seen.without_beam_stop(settings.beam_stop_mm)
    masked = np.zeros(seen.shape, dtype=bool)
    for part in settings.masked:
        masked[part.rows[0] : part.rows[1], part.columns[0] : part.columns[1]] = True
    return seen.without(masked)


def integrator_of(settings: SaxsSettings) -> Integrator:
    """What turns the detector's frames into curves.

    Raises:
        BadInputError: see :func:`seen_by`; or no pixel sees the range of q.
    """
    low, high = settings.q_low_per_nm, settings.q_high_per_nm
    q_range = None if low is None or high is None else (low, high)
    return Integrator(seen_by(settings), settings.bins, q_range, settings.saturated_at)
