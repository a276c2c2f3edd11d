"""A size distribution without a form, as smooth as the errors allow, with bands: Tikhonov beside least squares.

Least squares with shares that are not negative (NNLS) gives the lowest χ² that any distribution reaches, in a few
spikes that noise has placed. Of all the distributions that describe the curve as well as its errors ask, Tikhonov's
takes the smoothest: the least

    χ²(x) + λ·Σ(x_{i−1} − 2·x_i + x_{i+1})²,   x ≥ 0,

with the largest λ at which χ² exceeds the least one by 1, as one σ of a parameter does. (Morozov's rule, χ² equal to
the number of bins, smooths by what the least χ² happens to be below it: too much for sizes below q·R ≈ 5.)
Populations nearer than the data can tell apart come out as one: what is smooth here need not be so in truth, as what is
spiky there need not. What is believed of numbers of populations is in :mod:`flowlab.analysis.saxs.sizes`.

Bands are by Monte Carlo: the curve and what the penalty asks for are both drawn, with the errors of the bins and with
the bend that λ allows, and solved again (randomize-then-optimize; Bardsley et al., SIAM J. Sci. Comput. 36 (2014)
A1895). Curves drawn alone, a plain bootstrap, would show how far noise moves the smooth answer, not how far the truth
may be from it: most of what can be wrong in a distribution leaves no trace in the curve.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from flowlab.analysis.saxs.curve import Array, Curve
from flowlab.analysis.saxs.spheres import RADII_NM, Spheres

#: Curves drawn for the bands, and from where the random numbers come: the same curve always gives the same bands.
DRAWN = 100
_SEED = 1
_FEWEST_BINS = 12
#: χ² of the background alone exceeds that with spheres by more than this where spheres are seen.
_SEEN = 10.0
#: The least χ² may exceed the number of bins by so many of its σ.
_FIT_SIGMA = 6.0
_ROUNDS_PER_COLUMN = 10
#: Powers of ten of λ, in units in which the kernel's columns have norm 1, and how finely they are searched.
_POWERS, _BISECTIONS = (-10.0, 6.0), 12
_BAND = (0.15865, 0.84135)  # one sigma


@dataclass(frozen=True)
class Distribution:
    """Shares of the volume between radii.

    Attributes:
        edges_nm: shape (boxes + 1,).
        spiky: by least squares, adding up to 1.
        smooth: by Tikhonov, adding up to 1.
        low, high: its band, one sigma of the noise.
        radius_nm, radius_err_nm: median of ``smooth``, by volume, and one sigma; None where ``why`` says so.
        width, width_err: σ of ln R of ``smooth``, from its quantiles: smoothing widens what is narrow.
        relative_chi2: χ² per bin of ``smooth``.
        least_chi2: of ``spiky``: no distribution of spheres has less.
        why: how it was smoothed, or why there is none.
    """

    edges_nm: Array
    spiky: Array
    smooth: Array
    low: Array
    high: Array
    radius_nm: float | None
    radius_err_nm: float | None
    width: float | None
    width_err: float | None
    relative_chi2: float
    least_chi2: float
    why: str


class DistributionAnalysis:
    """Distributions of spheres from curves on one q axis, on a constant background of either sign.

    Args:
        q_per_nm: of every curve.
        radii_nm: lowest and highest radius.
        drawn: curves for the bands; 0 for no bands.

    Raises:
        ValueError: an axis or a range that cannot be one; see :class:`~flowlab.analysis.saxs.spheres.Spheres`.
    """

    def __init__(self, q_per_nm: Array, radii_nm: tuple[float, float] = RADII_NM, drawn: int = DRAWN):
        self._spheres = Spheres(q_per_nm, radii_nm)
        self._drawn = drawn
        boxes = len(self._spheres.boxes[1])
        # A distribution ends within its range: beyond the edges it is zero.
        self._bend = np.diff(np.eye(boxes + 4), 2, axis=0)[:, 2:-2]

    def distribution(self, curve: Curve) -> Distribution:
        """The distribution that a curve asks for.

        Raises:
            ValueError: the curve is on another q axis.
        """
        if not np.array_equal(curve.q_per_nm, self._spheres.q_per_nm):
            raise ValueError("the curve is not on the q axis of this analysis")
        usable = curve.usable
        bins = int(usable.sum())
        if bins < _FEWEST_BINS:
            return self._nothing(f"{bins} usable bins are too few")
        boxes = self._spheres.boxes[1]
        inverse_err = 1 / curve.err[usable]
        rows: Array = boxes[:, usable] * inverse_err
        scale = float(np.linalg.norm(rows)) / len(rows) ** 0.5
        flat: Array = inverse_err / float(np.sqrt(inverse_err @ inverse_err))
        kernel = np.concatenate([rows / scale, np.stack([flat, -flat])]).T
        y = curve.intensity[usable] * inverse_err
        try:
            return self._solved(kernel, y, bins)
        except RuntimeError:  # scipy's search may go round in circles
            return self._nothing("the search for a distribution does not end")

    def _solved(self, kernel: Array, y: Array, bins: int) -> Distribution:
        boxes = len(self._bend[0])
        spiky, rest = _nnls(kernel, y)
        least = rest**2
        flat = kernel[:, boxes]
        if not float(np.sum((y - (flat @ y) * flat) ** 2)) - least > _SEEN:
            return self._nothing("nothing that scatters as spheres do stands out of the background")
        if least > bins + _FIT_SIGMA * np.sqrt(2 * bins):
            return self._nothing(f"no distribution of spheres fits: the least χ² per bin is {least / bins:.3g}")
        allowed = least + max(1.0, least / bins)
        # The kernel has far fewer directions than bins: turned into them, each solution is quicker and the same.
        turn, small = np.linalg.qr(kernel)
        seen = turn.T @ y
        lost = float(np.sum((y - turn @ seen) ** 2))
        low, high = _POWERS
        amount = float(spiky[:boxes].sum())

        def system(power: float) -> Array:
            bend = np.zeros((len(self._bend), kernel.shape[1]))
            bend[:, :boxes] = 10 ** (power / 2) * np.sqrt(allowed) / amount * self._bend
            return np.concatenate([small, bend])

        aim = np.concatenate([seen, np.zeros(len(self._bend))])
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            tried = _nnls(system(middle), aim)[0]
            if float(np.sum((small @ tried - seen) ** 2)) + lost <= allowed:
                low = middle
            else:
                high = middle
        chosen = system(low)
        smooth = _nnls(chosen, aim)[0]
        chi2 = float(np.sum((small @ smooth - seen) ** 2)) + lost
        if not smooth[:boxes].sum() > 0:
            return self._nothing("nothing that scatters as spheres do stands out of the background")
        # Errors that are too small for any distribution are made as large as the misfit.
        noise = np.random.default_rng(_SEED).normal(0, max(1.0, np.sqrt(least / bins)), (self._drawn, len(aim)))
        drawn = [_shares(_nnls(chosen, aim + one)[0][:boxes]) for one in noise]
        shares = _shares(smooth[:boxes])
        band = np.quantile(drawn, _BAND, axis=0) if drawn else np.full((2, boxes), np.nan)
        edges = np.exp(self._spheres.boxes[0])
        middles = np.array([_middle(edges, each) for each in drawn if each.any()])
        radius_err, width_err = middles.std(axis=0) if len(middles) else (float("nan"), float("nan"))
        radius, width = _middle(edges, shares)
        return Distribution(
            edges,
            _shares(spiky[:boxes]),
            shares,
            np.minimum(band[0], shares),
            np.maximum(band[1], shares),
            radius,
            float(radius_err),
            width,
            float(width_err),
            chi2 / bins,
            least / bins,
            f"the smoothest with a χ² per bin of {chi2 / bins:.2f}; the least is {least / bins:.2f}",
        )

    def _nothing(self, why: str) -> Distribution:
        edges = np.exp(self._spheres.boxes[0])
        none = np.full(len(edges) - 1, np.nan)
        nan = float("nan")
        return Distribution(edges, none, none, none, none, None, None, None, None, nan, nan, why)


def _nnls(rows: Array, y: Array) -> tuple[Array, float]:
    found, rest = nnls(rows, y, maxiter=_ROUNDS_PER_COLUMN * rows.shape[1])
    return found, float(rest)


def _shares(volume: Array) -> Array:
    total = float(volume.sum())
    return volume / total if total > 0 else volume


def _middle(edges_nm: Array, shares: Array) -> tuple[float, float]:
    """Median radius by volume, and half of what lies between the quantiles of ±1σ in ln R.

    Moments would hang on the wings: the volume of the smallest particles hardly scatters, and is hardly known.
    """
    sums = np.concatenate([[0.0], np.cumsum(shares)])
    low, median, high = np.interp([_BAND[0], 0.5, _BAND[1]], sums / sums[-1], np.log(edges_nm))
    return float(np.exp(median)), float((high - low) / 2)
