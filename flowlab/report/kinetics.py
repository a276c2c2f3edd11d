"""Runs of a flow reactor, together: heights of families in their samples, and the kinetics fitted to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowlab.analysis.kinetic_window import PredictedWindow, predict_window
from flowlab.analysis.kinetics import LEAST_HEIGHTS, Heights, KineticFit, NoFit, fit_kinetics
from flowlab.analysis.monomer import Chain, Conditions
from flowlab.analysis.quantities import units_per_particle
from flowlab.analysis.sizing import size
from flowlab.config import Material
from flowlab.errors import BadInputError
from flowlab.live.knowledge import curve_of
from flowlab.report.load import RunData, load_journal
from flowlab.stream import StoredRun

Array = NDArray[np.float64]

_CONDITIONS = {
    "_nucleation_setpoint_c": "nucleation temperatures",
    "_growth_setpoint_c": "growth temperatures",
    "_residence_time_s": "residence times",
}
#: A band is detected at five times its error.
_DETECTED_SIGMA = 5.0
#: A pump doses no better: residence times within this share are one.
_SAME_TIME = 0.02


@dataclass(frozen=True)
class Samples:
    """Of one or several runs.

    Attributes:
        sources: names of the runs.
        conditions: of each sample.
        height: of each family of the material, shape (samples, families); 0 where it was sought and not found, nan
            where that was left undecided or the spectrum was of no use.
        height_err: one sigma.
    """

    sources: tuple[str, ...]
    conditions: Conditions
    height: Array
    height_err: Array


@dataclass(frozen=True)
class Kinetics:
    """What is told of the kinetics.

    Attributes:
        material: its name.
        samples: what was measured.
        left_out: families that are not in the chain, and why.
        fit: the fit.
        window: predicted, of the family that accumulates; None where that is not in the chain.
        found: nucleation temperatures at which that family was found at the window's residence time.
        not_found: at which it would have been found, and was not.
    """

    material: str
    samples: Samples
    left_out: tuple[str, ...]
    fit: KineticFit
    window: PredictedWindow | None
    found: tuple[float, ...]
    not_found: tuple[float, ...]


def kinetics_of(
    stored: Sequence[StoredRun], material: Material, scatter: float, residence_s: float | None = None
) -> Kinetics:
    """Fit the stepwise model to runs, and predict where the material's family accumulates.

    Args:
        stored: runs, analysed anew as the material.
        material: with families, a sizing curve and formula units per volume.
        scatter: relative, of heights, from sample to sample.
        residence_s: for the window; that of most samples when not given.

    Raises:
        BadInputError: a run cannot be read or does not tell its conditions, the material lacks what is needed, or
            the runs hold too little.
    """
    units = _units(material)
    runs = {one: load_journal(one.journal, material) for one in _once(stored)}
    _check_apart(runs)
    samples = _together([_samples(one, run, material) for one, run in runs.items()])
    kept, left_out = _chosen(samples, material)
    if not kept:
        raise BadInputError(
            f"{_named(samples)}: no rate constants: no family of {material.name} was found in {LEAST_HEIGHTS} samples "
            "or more, and oftener than it was left undecided"
        )
    chain = _chain([material.families[f].name for f in kept], [units[f] for f in kept])
    height, err = samples.height[:, kept], samples.height_err[:, kept]
    detectable = [_DETECTED_SIGMA * float(np.median(err[height[:, f] > 0, f])) for f in range(len(kept))]
    if not min(detectable) > 0:
        raise BadInputError(f"{_named(samples)}: its heights have no errors, so what could be detected is not known")
    fit = fit_kinetics(chain, samples.conditions, Heights(height, err, np.array(detectable)), scatter)
    if isinstance(fit, NoFit):
        raise BadInputError(f"{_named(samples)}: no rate constants: {fit.why}")
    family = material.accumulating_family
    if family not in chain.families:
        return Kinetics(material.name, samples, left_out, fit, None, (), ())
    window = predict_window(fit, family, residence_s or _usual_time(fit.residuals.conditions.residence_s))
    found, missing = _found(samples, [f.name for f in material.families].index(family), window.residence_s)
    return Kinetics(material.name, samples, left_out, fit, window, found, missing)


def _once(stored: Sequence[StoredRun]) -> list[StoredRun]:
    """Each run; one that is named twice would count twice."""
    folders = [one.folder.resolve() for one in stored]
    for i, folder in enumerate(folders):
        if folder in folders[:i]:
            raise BadInputError(f"{stored[i].folder}: is named twice; each run counts once")
    return list(stored)


def _check_apart(runs: Mapping[StoredRun, RunData]) -> None:
    """Refuse a run whose points another has, because it resumes it."""
    for one, run in runs.items():
        for other, earlier in runs.items():
            if earlier.start["uid"] in run.earlier:
                raise BadInputError(
                    f"{other.folder}: its points are among those of {one.folder}, which resumes it; name that one only"
                )


def _named(samples: Samples) -> str:
    return ", ".join(samples.sources)


def _units(material: Material) -> list[float]:
    """Formula units in a particle of each family, by the sizing curve."""
    if not material.families:
        raise BadInputError(f"{material.name} has no families of clusters: {material.no_families or 'none are known'}")
    found = list[float]()
    for family in material.families:
        units = units_per_particle(size(family.wavelength_nm, 0.0, curve_of(material)), material.units_per_nm3)
        found.append(np.nan if units is None else units.value)
    if not np.any(np.isfinite(found)):
        why = material.no_sizing or "it takes a sizing curve that holds for clusters, and units_per_nm3"
        raise BadInputError(f"{material.name}: how much monomer its clusters hold is not known: {why}")
    return found


def _samples(stored: StoredRun, run: RunData, material: Material) -> Samples:
    columns = [_condition(stored, run, ending, name) for ending, name in _CONDITIONS.items()]
    places = {family.name: i for i, family in enumerate(material.families)}
    height = np.zeros((len(run.spectra), len(places)))
    err = np.zeros_like(height)
    for track in run.tracks:
        rows = np.asarray(track["spectrum"], int)
        if track["kind"] == "msc" and track["transition"] == "E1" and track["family"] in places:
            height[rows, places[track["family"]]] = track["height"]
            err[rows, places[track["family"]]] = track["height_err"]
    for track in run.tracks:
        if track["kind"] == "unknown":
            for i, family in enumerate(material.families):
                near = np.abs(np.asarray(track["wavelength_nm"]) - family.wavelength_nm) <= family.tolerance_nm
                rows = np.asarray(track["spectrum"], int)[near]
                height[rows, i] = np.where(height[rows, i] > 0, height[rows, i], np.nan)
    height[[not s["usable"] for s in run.spectra]] = np.nan
    return Samples((stored.folder.name,), Conditions(*columns), height, err)


def _condition(stored: StoredRun, run: RunData, ending: str, name: str) -> Array:
    """A condition of each spectrum; what a plug had on its way has other keys."""
    keys = [key for key in run.conditions if key.endswith(ending)]
    if len(keys) != 1 or len(run.conditions[keys[0]]) != len(run.spectra):
        raise BadInputError(f"{stored.journal}: does not tell the {name} of its spectra")
    try:
        return np.asarray(run.conditions[keys[0]], float)
    except (TypeError, ValueError):
        raise BadInputError(f"{stored.journal}: the {name} of its spectra are no numbers") from None


def _together(parts: Sequence[Samples]) -> Samples:
    conditions = [(c.nucleation_c, c.growth_c, c.residence_s) for c in (part.conditions for part in parts)]
    return Samples(
        tuple(source for part in parts for source in part.sources),
        Conditions(*(np.concatenate(column) for column in zip(*conditions, strict=True))),
        np.concatenate([part.height for part in parts]),
        np.concatenate([part.height_err for part in parts]),
    )


def _chosen(samples: Samples, material: Material) -> tuple[list[int], tuple[str, ...]]:
    """Families of the chain, from the smallest; and of the others, why not."""
    units = _units(material)
    kept, left_out = list[int](), list[str]()
    for i in sorted(range(len(units)), key=lambda i: material.families[i].wavelength_nm):
        found, undecided = int(np.sum(samples.height[:, i] > 0)), int(np.sum(np.isnan(samples.height[:, i])))
        name = material.families[i].name
        if found < LEAST_HEIGHTS:
            left_out.append(f"{name} was found in {found} of {len(samples.height)} samples; it takes {LEAST_HEIGHTS}")
        elif found < undecided:
            left_out.append(f"{name} was found in {found} samples, and left undecided in {undecided}")
        elif not np.isfinite(units[i]):
            left_out.append(f"{name} has no size: how much monomer it holds is not known")
        elif kept and units[i] <= units[kept[-1]]:
            left_out.append(f"{name} holds no more monomer than the family before it")
        else:
            kept.append(i)
    return kept, tuple(left_out)


def _chain(families: list[str], units: list[float]) -> Chain:
    """A nucleus has half the units of the first family; crystals begin one more step of the last size away."""
    nucleus = units[0] / 2
    last = units[-1] - (units[-2] if len(units) > 1 else nucleus)
    return Chain(tuple(families), (nucleus, *units, units[-1] + last))


def _usual_time(residence_s: Array) -> float:
    """The residence time of most samples; of several, the longest."""
    near = [int(np.sum(np.abs(residence_s / t - 1) <= _SAME_TIME)) for t in residence_s]
    most = [t for t, count in zip(residence_s, near, strict=True) if count == max(near)]
    # Read back from pumps, it has digits that mean nothing.
    return float(f"{max(most):.3g}")


def _found(samples: Samples, family: int, residence_s: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Nucleation temperatures at which a family was found at any growth temperature, and at which it was not."""
    here = np.abs(samples.conditions.residence_s / residence_s - 1) <= _SAME_TIME
    at, height = samples.conditions.nucleation_c[here], samples.height[here, family]
    found = np.unique(at[height > 0])
    undecided = np.unique(at[np.isnan(height)])
    missing = np.setdiff1d(np.unique(at), np.union1d(found, undecided))
    return tuple(map(float, found)), tuple(map(float, missing))
