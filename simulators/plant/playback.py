"""A measured absorption series in place of chemistry and optics: real spectra through the whole chain.

Each column of the file belongs to a time; the spectrometer sees the column whose time is nearest to the
residence time of the plug in its cell. Outside the measured wavelengths no light passes, as behind a filter.
"""

from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline

from flowlab.storage.series import read_series
from simulators.plant.parts import Array, PlugHistory


class Playback:
    """Serves a measured series as absorbance.

    Args:
        path: see :func:`flowlab.storage.series.read_series`.

    Raises:
        BadInputError: the file is no such series.
    """

    def __init__(self, path: Path):
        self._path = path
        self._series = read_series(path)
        # A spline, because straight lines between the measured points would show as bands in the second derivative.
        self._spectra = CubicSpline(self._series.wavelength_nm, self._series.absorbance, axis=1, extrapolate=False)

    def absorbance(self, plug: PlugHistory, wavelength_nm: Array) -> Array:
        """Absorbance of the column that belongs to a plug; 0 for solvent; nan outside the measured range."""
        column = self._column(plug)
        values: Array = self._spectra(wavelength_nm)[0 if column is None else column]
        return values if column is not None else np.where(np.isnan(values), np.nan, 0.0)

    def _column(self, plug: PlugHistory) -> int | None:
        if not plug.concentration_mmol_l or plug.residence_s <= 0:
            return None
        return int(np.argmin(np.abs(np.log(self._series.time_s / plug.residence_s))))

    def truth(self, plug: PlugHistory) -> dict[str, object]:
        """Which column is shown."""
        column = self._column(plug)
        return {"playback": self._path.name, "column": None if column is None else self._series.labels[column]}
