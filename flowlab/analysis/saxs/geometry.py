"""What each pixel sees: q, solid angle, polarization, and whether it is used. Made once, before the first frame."""

from dataclasses import dataclass, replace
from math import cos

import numpy as np
from numpy.typing import NDArray

from flowlab.analysis.saxs.poni import Poni, integrator
from flowlab.errors import BadInputError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Share of the polarization in the orbital plane less that across it, of an undulator behind a monochromator.
POLARIZATION = 0.98


@dataclass(frozen=True)
class Geometry:
    """What each pixel sees; all arrays have the detector's shape (rows, columns).

    Attributes:
        q_per_nm: momentum transfer q = 4π·sin(θ)/λ at the pixel's centre.
        solid_angle: of the pixel, relative to a pixel at the point of normal incidence: cos³ of the incidence.
        polarization: share of the scattered light that the polarization leaves, after Kahn et al.,
            J. Appl. Cryst. 15 (1982) 330.
        masked: pixels that are never used: gaps, dead ones, beam stop.
        beam_mm: from the sample along the direct beam to the detector's plane.
        unit_solid_angle_sr: of a pixel at the point of normal incidence.
        wavelength_nm: of the X-rays.
    """

    q_per_nm: Array
    solid_angle: Array
    polarization: Array
    masked: Mask
    beam_mm: float
    unit_solid_angle_sr: float
    wavelength_nm: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the detector."""
        rows, columns = self.q_per_nm.shape
        return rows, columns

    def without(self, pixels: Mask) -> "Geometry":
        """The same with further pixels masked.

        Raises:
            BadInputError: the mask is not of the detector's shape.
        """
        if pixels.shape != self.shape or pixels.dtype != np.bool_:
            raise BadInputError(f"a mask of this detector is bool {self.shape}, not {pixels.dtype} {pixels.shape}")
        return replace(self, masked=self.masked | pixels)

    def without_beam_stop(self, radius_mm: float) -> "Geometry":
        """The same with a round beam stop masked, centred on the direct beam.

        A holder, or a stop that is not centred, is given to :meth:`without`.

        Raises:
            BadInputError: the radius is not positive.
        """
        if not 0 < radius_mm < np.inf:
            raise BadInputError(f"a beam stop of radius {radius_mm!r} mm masks nothing; give a positive radius")
        # A stop just before the detector covers what is scattered by less than its radius: r = L·tan 2θ.
        two_theta = 2 * np.arcsin(self.q_per_nm * self.wavelength_nm / (4 * np.pi))
        return self.without(self.beam_mm * np.tan(two_theta) <= radius_mm)


def geometry(poni: Poni, masked: Mask | None = None, polarization: float = POLARIZATION) -> Geometry:
    """What each pixel sees, by pyFAI: takes about a second for the first detector.

    Args:
        poni: where the detector stands.
        masked: further pixels not to use; those that pyFAI knows of the detector are masked anyway.
        polarization: from −1 (vertical) to 1 (horizontal); 0 is an unpolarized laboratory source.

    Raises:
        BadInputError: pyFAI is not installed or does not know the detector, the mask does not fit, the factor
            is outside its range.
    """
    if not -1 <= polarization <= 1:
        raise BadInputError(f"a polarization factor lies between -1 and 1, not at {polarization!r}")
    by_pyfai = integrator(poni)
    plate = by_pyfai.detector
    shape = tuple(int(n) for n in plate.shape)
    built_in = plate.mask
    pixel_m = float(plate.pixel1), float(plate.pixel2)
    found = Geometry(
        q_per_nm=np.asarray(by_pyfai.array_from_unit(shape=shape, unit="q_nm^-1"), dtype=np.float64),
        solid_angle=np.asarray(by_pyfai.solidAngleArray(shape), dtype=np.float64),
        polarization=np.asarray(by_pyfai.polarization(shape, factor=polarization), dtype=np.float64),
        masked=np.zeros(shape, dtype=bool) if built_in is None else np.asarray(built_in) != 0,
        beam_mm=1e3 * poni.distance_m / (cos(poni.rot1_rad) * cos(poni.rot2_rad)),
        unit_solid_angle_sr=pixel_m[0] * pixel_m[1] / poni.distance_m**2,
        wavelength_nm=poni.wavelength_nm,
    )
    return found if masked is None else found.without(masked)
