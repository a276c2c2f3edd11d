"""Whether two spectra taken one after the other differ by more than their noise."""

import numpy as np
from numpy.typing import NDArray

_WINDOW = 32


def drift(
    counts_a: NDArray[np.float64],
    counts_a_err: NDArray[np.float64],
    counts_b: NDArray[np.float64],
    counts_b_err: NDArray[np.float64],
) -> float:
    """Change between two spectra in units of the noise of a pixel.

    The difference is averaged over windows of 32 pixels, in which noise averages out and a change of the
    sample does not; what noise leaves in the averages is subtracted. 0 means no change beyond noise.

    Args:
        counts_a: first spectrum, shape (pixels,).
        counts_a_err: its standard errors.
        counts_b: second spectrum.
        counts_b_err: its standard errors.

    Returns:
        rms change / rms noise; nan when there is no window to average over.
    """
    usable = len(counts_a) // _WINDOW * _WINDOW
    if usable == 0:
        return float("nan")
    difference = (counts_b - counts_a)[:usable].reshape(-1, _WINDOW).mean(axis=1)
    variance = (counts_a_err**2 + counts_b_err**2)[:usable].reshape(-1, _WINDOW).mean(axis=1)
    noise = float(variance.mean())
    change = float((difference**2).mean()) - noise / _WINDOW  # E[mean of noise]² = σ²/n
    if noise <= 0:
        return 0.0 if change <= 0 else float("inf")
    return float(np.sqrt(max(change, 0.0) / noise))
