"""Pixel detectors where they stand: shape, gaps, dead pixels, beam stop, and what each pixel sees of a scattered beam.

A pixel is (row, column); row 0 and column 0 are at one corner, and the place of the beam is counted in pixels from
that corner, so that the middle of pixel (0, 0) is at (0.5, 0.5). The detectors stand square to the beam.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from simulators.plant.parts import Array

HC_KEV_NM = 1.239841984


@dataclass(frozen=True)
class AreaDetector:
    """A detector and where it stands.

    Attributes:
        rows, columns: its shape in pixels.
        pixel_mm: edge of a pixel.
        distance_mm: sample to detector.
        beam_row, beam_column: where the beam would hit it, in pixels from the corner.
        gap_rows: rows without pixels, between modules, as (first, one past the last).
        arm_along_rows: the beam stop's arm leads to row 0; otherwise to column 0.
        beam_stop_mm: radius of the beam stop's shadow.
        efficiency: share of photons that are counted at 12.4 keV: silicon of 320 µm (Pilatus3) or 450 µm (Eiger2).
        highest: a pixel counts no further than this.
        dtype: of a frame.
        gap_value, dead_value: what is sent for pixels that are not there, and for those that do not count.
    """

    rows: int
    columns: int
    pixel_mm: float
    distance_mm: float
    beam_row: float
    beam_column: float
    gap_rows: tuple[tuple[int, int], ...]
    arm_along_rows: bool
    beam_stop_mm: float
    efficiency: float
    highest: int
    dtype: DTypeLike
    gap_value: int
    dead_value: int

    DEAD_PIXELS = 25
    ARM_MM = 0.8
    #: Counts per pixel and second without any beam: 0.07 in an hour (Dectris on the Eiger).
    DARK_PER_S = 2e-5

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return self.rows, self.columns

    def moved(self, distance_mm: float, rows: float, columns: float) -> "AreaDetector":
        """The same detector, farther by ``distance_mm``, the beam on it moved by ``rows`` and ``columns`` pixels."""
        return replace(
            self,
            distance_mm=self.distance_mm + distance_mm,
            beam_row=self.beam_row + rows,
            beam_column=self.beam_column + columns,
        )

    def offsets_mm(self) -> tuple[Array, Array]:
        """From the beam to the middle of each row, shape (rows, 1), and of each column, shape (1, columns)."""
        down = (np.arange(self.rows, dtype=np.float64) + 0.5 - self.beam_row) * self.pixel_mm
        across = (np.arange(self.columns, dtype=np.float64) + 0.5 - self.beam_column) * self.pixel_mm
        return down[:, None], across[None, :]

    def gaps(self) -> NDArray[np.bool_]:
        """Where there are no pixels."""
        found = np.zeros(self.shape, bool)
        for first, end in self.gap_rows:
            found[first:end] = True
        return found

    def dead(self) -> NDArray[np.bool_]:
        """Pixels that do not count: always the same ones."""
        places = np.random.default_rng(self.rows).choice(self.rows * self.columns, self.DEAD_PIXELS, replace=False)
        found = np.zeros(self.shape, bool)
        found.ravel()[places] = True
        return found & ~self.gaps()

    def shadow(self) -> NDArray[np.bool_]:
        """Pixels behind the beam stop and its arm."""
        down, across = self.offsets_mm()
        along, aside = (down, across) if self.arm_along_rows else (across, down)
        return (np.hypot(down, across) < self.beam_stop_mm) | ((along < 0) & (np.abs(aside) < self.ARM_MM / 2))


_PILATUS: dict[str, Any] = {"dtype": np.int32, "gap_value": -1, "dead_value": -2, "highest": 2**20 - 1}
_EIGER: dict[str, Any] = {
    "dtype": np.uint32, "gap_value": 2**32 - 1, "dead_value": 2**32 - 1, "highest": 2**32 - 2,
    "pixel_mm": 0.075, "distance_mm": 900.0, "beam_stop_mm": 1.1, "efficiency": 0.84,
}  # fmt: skip

#: Each of them covers 0.1 to 5 nm⁻¹ at 12.4 keV. Three modules with 17 rows between them; one module, whose gaps
#: between chips the detector fills in itself (512 × 1028 pixels; 514 × 1030 was the first Eiger's); two such modules
#: with 38 rows between them.
DETECTORS = {
    "pilatus-300k": AreaDetector(
        rows=619, columns=487, pixel_mm=0.172, distance_mm=1100.0, beam_row=92.3, beam_column=241.6,
        gap_rows=((195, 212), (407, 424)), arm_along_rows=True, beam_stop_mm=1.5, efficiency=0.74, **_PILATUS,
    ),
    "eiger2-500k": AreaDetector(
        rows=512, columns=1028, beam_row=251.4, beam_column=52.7, gap_rows=(), arm_along_rows=False, **_EIGER
    ),
    "eiger2-1m": AreaDetector(
        rows=1062, columns=1028, beam_row=61.8, beam_column=509.2, gap_rows=((512, 550),), arm_along_rows=True, **_EIGER
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Pixels:
    """What each pixel of a detector sees; every array has the detector's shape.

    Attributes:
        q_per_nm: momentum transfer at its middle, 4π/λ·sin θ.
        acceptance_sr: solid angle × polarization × efficiency; 0 behind the beam stop, in gaps and in dead pixels.
        counting: pixels that count.
    """

    q_per_nm: Array
    acceptance_sr: Array
    counting: NDArray[np.bool_]


def look_through(detector: AreaDetector, energy_kev: float, horizontal: float) -> Pixels:
    """What each pixel sees.

    Args:
        detector: where it stands.
        energy_kev: of the photons.
        horizontal: polarization (I_h − I_v)/(I_h + I_v); 1 when the field lies along the rows.
    """
    down, across = detector.offsets_mm()
    radius_mm = np.hypot(down, across)
    two_theta = np.arctan2(radius_mm, detector.distance_mm)
    cos = np.cos(two_theta)
    solid_angle = (detector.pixel_mm / detector.distance_mm) ** 2 * cos**3
    cos_2chi = (across**2 - down**2) / np.maximum(radius_mm, 1e-9) ** 2
    polarization = 0.5 * (1 + cos**2 - horizontal * cos_2chi * (1 - cos**2))
    counting = ~(detector.gaps() | detector.dead())
    acceptance = solid_angle * polarization * detector.efficiency * (counting & ~detector.shadow())
    q_per_nm = 4 * np.pi * energy_kev / HC_KEV_NM * np.sin(two_theta / 2)
    return Pixels(q_per_nm, acceptance, counting)
