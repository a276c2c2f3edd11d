"""Search for the minimum of a function that is costly, has kinks and long narrow valleys, by adapting a covariance.

CMA-ES after Hansen 2016 (arXiv:1604.00772), with equal numbers named as there: candidates are drawn from a normal
distribution; the better half of them moves its mean and shapes its covariance. A local least-squares search
(:func:`polish`) takes the last steps.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass
class Distribution:
    """The normal distribution that candidates are drawn from, and what it has learned of the way it went.

    Attributes:
        mean: shape (n,).
        sigma: overall step.
        covariance: shape (n, n), relative to ``sigma`` squared.
    """

    mean: Array
    sigma: float
    covariance: Array
    _path: Array = field(init=False)
    _step_path: Array = field(init=False)

    def __post_init__(self) -> None:
        self._path = np.zeros(len(self.mean))
        self._step_path = np.zeros(len(self.mean))

    def draw(self, count: int, random: np.random.Generator) -> Array:
        """Candidates, shape (count, n)."""
        spread, axes = self._axes()
        return self.mean + self.sigma * (random.normal(size=(count, len(self.mean))) * spread) @ axes.T

    def learn(self, ranked: Array) -> None:
        """Take up the better half of a generation of candidates, best first, shape (half, n)."""
        half, n = ranked.shape
        weights = np.log(half + 0.5) - np.log(np.arange(1, half + 1))
        weights /= weights.sum()
        mu = 1 / (weights**2).sum()
        # Rates of learning, Hansen 2016, Table 1.
        c_path = (4 + mu / n) / (n + 4 + 2 * mu / n)
        c_sigma = (mu + 2) / (n + mu + 5)
        c_one = 2 / ((n + 1.3) ** 2 + mu)
        c_mu = min(1 - c_one, 2 * (mu - 2 + 1 / mu) / ((n + 2) ** 2 + mu))
        damping = 1 + 2 * max(0.0, np.sqrt((mu - 1) / (n + 1)) - 1) + c_sigma
        spread, axes = self._axes()
        moves = (ranked - self.mean) / self.sigma
        move = weights @ moves
        self._step_path = (1 - c_sigma) * self._step_path
        self._step_path += np.sqrt(c_sigma * (2 - c_sigma) * mu) * (axes @ ((axes.T @ move) / spread))
        self._path = (1 - c_path) * self._path + np.sqrt(c_path * (2 - c_path) * mu) * move
        self.covariance = (
            (1 - c_one - c_mu) * self.covariance
            + c_one * np.outer(self._path, self._path)
            + c_mu * (moves.T * weights) @ moves
        )
        expected = np.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n**2))
        length = float(np.linalg.norm(self._step_path))
        self.mean = self.mean + self.sigma * move
        self.sigma *= float(np.exp(min(1.0, c_sigma / damping * (length / expected - 1))))

    def _axes(self) -> tuple[Array, Array]:
        variance, axes = np.linalg.eigh((self.covariance + self.covariance.T) / 2)
        return np.sqrt(np.maximum(variance, 1e-12)), axes


def minimise(
    objective: Callable[[Array], Array],
    start: Array,
    scale: Array,
    limits: Array,
    generations: int,
    seed: int,
    report: Callable[[int, float], None] = lambda generation, value: None,
) -> tuple[Array, float]:
    """The best point found and its value.

    Args:
        objective: takes candidates, shape (count, n), and gives their values, shape (count,).
        start: where to begin; it is one of the first candidates.
        scale: standard deviations of the first generation.
        limits: lowest and highest values, shape (2, n); candidates beyond are moved to them, at a price.
        generations: how many generations.
        seed: of the random numbers.
        report: told the number of each generation and the best value so far.
    """
    random = np.random.default_rng(seed)
    n = len(start)
    count = 4 * (2 + int(np.log(n) * 2))
    known = Distribution(start / scale, 1.0, np.eye(n))
    best, lowest = start, float("inf")
    for generation in range(generations):
        drawn = known.draw(count, random)
        if generation == 0:
            drawn[0] = start / scale
        inside = np.clip(drawn * scale, *limits)
        values = objective(inside)
        if values.min() < lowest:
            best, lowest = inside[values.argmin()], float(values.min())
        order = np.argsort(values + ((drawn - inside / scale) ** 2).sum(axis=1))
        known.learn(drawn[order[: count // 2]])
        report(generation, lowest)
    return best, lowest


def polish(
    residuals: Callable[[Array], Array], start: Array, scale: Array, limits: Array, rounds: int
) -> tuple[Array, float]:
    """The least sum of squares near ``start`` and where it is: Levenberg–Marquardt, all differences computed at once.

    Args:
        residuals: takes candidates, shape (count, n), and gives residuals, shape (count, m).
        start: where to begin.
        scale: a large change of each coordinate, shape (n,); differences are taken over 0.002 of it.
        limits: lowest and highest values, shape (2, n).
        rounds: at most so many steps; it ends before when no damping improves.
    """
    here, damping, difference = start, 1.0, 2e-3
    missed = residuals(here[None])[0]
    for _ in range(rounds):
        slopes = ((residuals(here + difference * np.diag(scale)) - missed) / difference).T
        curvature, gradient = slopes.T @ slopes, slopes.T @ missed
        diagonal = np.diag(curvature) + 1e-3 * np.trace(curvature) / len(here)
        dampings = damping * 10.0 ** np.arange(-2, 6)
        steps = [-np.linalg.solve(curvature + value * np.diag(diagonal), gradient) for value in dampings]
        tried = np.clip(here + np.clip(steps, -0.6, 0.6) * scale, *limits)
        found = residuals(tried)
        best = int((found**2).sum(axis=1).argmin())
        if not (found[best] ** 2).sum() < (missed**2).sum():
            break
        here, missed, damping = tried[best], found[best], max(dampings[best], 1e-6)
    return here, float((missed**2).sum())
