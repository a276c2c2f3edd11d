"""A series of absorption spectra that somebody else computed: the same bands, tracks and verdicts as for counts."""

import numpy as np
from numpy.typing import NDArray

from flowlab.analysis.absorbance import Absorbance, is_negative
from flowlab.analysis.noise import bridged, estimated_noise
from flowlab.analysis.scan import ScanAnalysis, SpectrumResult
from flowlab.analysis.spoilt import flicker

Array = NDArray[np.float64]

_LEAST_KNOWN = 0.5
_LEAST_RANGE = 1e-9
#: Both sides of the smoothing of a band in the middle.
_LEAST_SPAN_NM = 50.0


class SeriesAnalysis(ScanAnalysis):
    """A :class:`ScanAnalysis` that takes absorbance instead of counts."""

    _AGAINST_REFERENCE = False  # the baseline of a file may be anywhere

    def absorbance(
        self, panel: float, value: Array, err: Array | None = None, why: str | None = None
    ) -> SpectrumResult:
        """Take in the next spectrum.

        Args:
            panel: coordinate on the slow axis; a new one begins new tracks.
            value: absorbance, nan where it is not known.
            err: one sigma; estimated from the spectrum itself when it is None.
            why: why it cannot be used, where that is known already.
        """
        return self._take(panel, why or self._usable(value, err))

    def _usable(self, value: Array, err: Array | None) -> Absorbance | str:
        """A spectrum that can be searched, or why it cannot."""
        filled, usable = bridged(value)
        known = np.flatnonzero(usable)
        # Spectrometers see farther than lamps shine: what is missing at either end is not missed.
        first, last = (int(known[0]), int(known[-1])) if len(known) else (0, 0)
        span_nm = float(self.axis.wavelength_nm[last] - self.axis.wavelength_nm[first])
        if len(known) and span_nm < _LEAST_SPAN_NM:
            return (
                f"it spans {span_nm:.0f} nm; a band is not told from what is beneath it in less than {_LEAST_SPAN_NM:g}"
            )
        if len(known) < _LEAST_KNOWN * (last - first + 1):
            return f"only {len(known)} of {len(value)} pixels can be used"
        if np.ptp(filled[usable]) < _LEAST_RANGE:
            return "the same value at every pixel"
        if err is None:
            noise = estimated_noise(filled, usable, self.axis.pixel_nm)
            return Absorbance(np.where(usable, filled, 0.0), np.where(usable, noise, np.inf), usable)
        usable &= np.isfinite(err) & (err > 0)
        found = Absorbance(np.where(usable, filled, 0.0), np.where(usable, err, np.inf), usable)
        if not usable.any():
            return "no pixel has an error"
        if (why := flicker(found, self.axis)) is not None:
            return why
        if is_negative(found, self.axis.searched):
            return "it lets more light through than the reference: that was no blank"
        return found
