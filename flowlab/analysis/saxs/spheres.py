"""Scattering of spheres: alone, and spread in radius; computed once on grids of radii.

A population of volume fraction φ and radius R scatters

    I(q) = φ·Δρ²·V·P(qR),   V = 4π/3·R³,   P = [3·(sin x − x·cos x)/x³]²,   x = qR

(Rayleigh 1910; Guinier & Fournet 1955). Δρ² and 4π/3 are left out here: amplitudes are volume fractions in an
arbitrary unit, and the distributions are of volume. Dilute: particles do not see each other.
"""

from functools import cached_property

import numpy as np

from flowlab.analysis.saxs.curve import Array

#: Radii that are looked for, in nm, and the ratio of one to the next in the fit without a form.
RADII_NM = (0.4, 4.0)
_GRID_RATIO = 1.02
#: A distribution is a sum over radii as close as this, out to where its weight is 1e-7: cut off earlier, the sum
#: jumps as the cut passes from node to node, and a search stops at every jump.
_FINE_RATIO = 1.005
_WINGS = 5.5
_BOXES_PER_RADIUS = 2
#: Widths (σ of ln R) of a log-normal population.
WIDTHS = (0.01, 0.5)


def sphere(q_per_nm: Array, radius_nm: Array) -> tuple[Array, Array]:
    """R³·P(qR) and its derivative by ln R, both of shape (radii, q)."""
    x = np.multiply.outer(radius_nm, q_per_nm)
    sin_x = np.sin(x)
    safe = np.where(x > 1e-2, x, 1.0)
    sinc = np.where(x > 1e-2, sin_x / safe, 1 - x * x / 6)
    # 3·(sin x − x·cos x)/x³, by its series where the difference would cancel
    form = np.where(x > 1e-2, 3 * (sinc - np.cos(x)) / (safe * safe), 1 - x * x / 10)
    volume = (radius_nm**3)[:, None]
    # x·f' = 3·sin x/x − 3·f, so d(R³f²)/d ln R = R³·f·(6·sin x/x − 3·f)
    return volume * form * form, volume * form * (6 * sinc - 3 * form)


class Spheres:
    """Curves of spheres on one q axis, made ready for many measurements.

    Args:
        q_per_nm: shape (bins,), positive.
        radii_nm: lowest and highest radius of a population.

    Raises:
        ValueError: an axis or a range of radii that cannot be one.
    """

    def __init__(self, q_per_nm: Array, radii_nm: tuple[float, float] = RADII_NM):
        low, high = radii_nm
        if not 0 < low < high < np.inf:
            raise ValueError(f"radii from {low!r} to {high!r} nm are no range")
        if q_per_nm.ndim != 1 or not np.all(q_per_nm > 0) or not np.all(np.isfinite(q_per_nm)):
            raise ValueError("q must be a list of positive numbers")
        self.q_per_nm = q_per_nm
        self.radii_nm: Array = low * _GRID_RATIO ** np.arange(round(np.log(high / low) / np.log(_GRID_RATIO)) + 1)

    @cached_property
    def curves(self) -> Array:
        """Curve of each radius of the grid, shape (radii, bins)."""
        return sphere(self.q_per_nm, self.radii_nm)[0]

    @cached_property
    def _fine(self) -> tuple[Array, Array]:
        reach = np.exp(4 * WIDTHS[1])  # what lies beyond is cut at both ends of the grid only
        low, high = float(np.log(self.radii_nm[0] / reach)), float(np.log(self.radii_nm[-1] * reach))
        log_radius: Array = np.arange(low, high, float(np.log(_FINE_RATIO)), dtype=np.float64)
        return log_radius, sphere(self.q_per_nm, np.exp(log_radius))[0]

    def spread(self, log_radius: float, width: float) -> tuple[Array, Array, Array]:
        """Curve of a log-normal distribution of volume, and its derivatives by ln R and by ln(width).

        Args:
            log_radius: ln of the median radius by volume, in nm.
            width: σ of ln R, within :data:`WIDTHS`.
        """
        nodes, curves = self._fine
        first, last = np.searchsorted(nodes, [log_radius - _WINGS * width, log_radius + _WINGS * width])
        t = (nodes[first:last] - log_radius) / width
        weight = np.exp(-0.5 * t * t)
        weight /= weight.sum()
        # d ln w/d ln R = t/σ; d ln w/d ln σ = t² less its mean, since the weights always sum to one
        square = t * t
        weights = np.stack([weight, weight * t / width, weight * (square - weight @ square)])
        curve, by_radius, by_width = weights @ curves[first:last]
        return curve, by_radius, by_width

    @cached_property
    def spread_starts(self) -> tuple[Array, Array]:
        """Where a search for a spread population may start: (ln R, width) of each, and its curve."""
        widths = (0.04, 0.08, 0.16, 0.32)
        places = [(float(np.log(radius)), width) for width in widths for radius in self.radii_nm[::2]]
        return np.array(places), np.stack([self.spread(*place)[0] for place in places])

    @cached_property
    def boxes(self) -> tuple[Array, Array]:
        """Edges of boxes in ln R that cover the range, shape (boxes + 1,), and the curve of each, filled evenly.

        Any distribution is nearly a sum of them; they are twice as wide as the grid's steps.
        """
        edges = np.log(self.radii_nm[::_BOXES_PER_RADIUS])
        inside = (np.arange(8) + 0.5) / 8
        nodes = edges[:-1, None] + np.diff(edges)[:, None] * inside
        curves = sphere(self.q_per_nm, np.exp(nodes.ravel()))[0]
        return edges, curves.reshape(len(edges) - 1, 8, -1).mean(axis=1)
