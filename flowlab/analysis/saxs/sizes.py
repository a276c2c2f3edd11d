"""How large the particles are, and whether they come in one size, in several, or spread: with ``unknown`` as an answer.

A fit without a form (non-negative least squares, as the Monte Carlo of McSAS is in effect) splits one spread
population into several peaks: quantisation that is not there. Here it is shown but not believed. What is believed is
a comparison: n narrow populations against one, spread by a log-normal law,

    ΔBIC = BIC(best of two or three narrow) − BIC(best of one, narrow or spread);

beyond 10 either way it decides (Kass & Raftery, J. Am. Stat. Assoc. 90 (1995) 773: "very strong").
Several populations are claimed only if, besides, no distribution with a single maximum fits. Small spheres seen up to
q·R ≈ 5 often leave it open at any noise that a beamline reaches: two neighbouring families and one population
of a few per cent in width scatter alike to within a thousandth. Then mean radius and width are still known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from scipy.optimize import nnls

from flowlab.analysis.saxs.curve import Array, Curve
from flowlab.analysis.saxs.guinier import Guinier, guinier
from flowlab.analysis.saxs.populations import Fit, Model, Population
from flowlab.analysis.saxs.spheres import RADII_NM, Spheres

#: ΔBIC that decides.
DECISIVE = 10.0
#: A population is narrow when a width (σ of ln R) of this much can be excluded: neighbouring families of magic sizes,
#: 8 % apart in radius and mixed in equal parts, have 0.04 together.
NARROW_WIDTH = 0.03
#: χ² may exceed the degrees of freedom by so many of its σ.
_FIT_SIGMA = 6.0
_MOST_NARROW = 3
_FEWEST_BINS = 12
_ROUNDS_PER_COLUMN = 10
_SIGMA = 3.0


@dataclass(frozen=True)
class Sizes:
    """What a curve says of sizes.

    Attributes:
        kind: ``narrow``: one narrow population; ``spread``: one, wider; ``several``: narrow ones; ``unknown``.
        why: what decided, or what is missing.
        populations: the peaks of the distribution, by volume; empty unless ``kind`` is known.
        delta_bic: see the module; None where no second population has a share above zero.
        one: the best single population, whatever the kind; None if there are no particles to be seen.
        several: the best two or three narrow ones, whatever the kind.
        relative_chi2: χ² per degree of freedom of the better of both; nan without particles.
        edges_nm, distribution: the fit without a form, shares of the volume between radii; for the eye only. nan where
            its search does not end.
        guinier: radius from low q alone.
    """

    kind: Literal["narrow", "spread", "several", "unknown"]
    why: str
    populations: tuple[Population, ...]
    delta_bic: float | None
    one: Model | None
    several: Model | None
    relative_chi2: float
    edges_nm: Array
    distribution: Array
    guinier: Guinier


class SizeAnalysis:
    """Sizes from curves on one q axis.

    Args:
        q_per_nm: of every curve; about a hundred bins are enough (``joined`` makes them).
        radii_nm: lowest and highest radius that is looked for.
        porod: whether a background in q⁻⁴ is left besides a constant one: parasitic scattering, large aggregates.
        relative_floor: least relative error of a bin: what background subtraction and geometry cannot do better.
        known_nm: radii of narrow populations that other curves of the same series have shown. Among the models of
            several populations are then those with one radius given and one free, which are much better determined.

    Raises:
        ValueError: an axis or a range of radii that cannot be one, or a floor below zero.
    """

    def __init__(
        self,
        q_per_nm: Array,
        radii_nm: tuple[float, float] = RADII_NM,
        porod: bool = False,
        relative_floor: float = 0.0,
        known_nm: Sequence[float] = (),
    ):
        if not relative_floor >= 0:
            raise ValueError(f"a relative error of {relative_floor!r} is none")
        if any(not radii_nm[0] < known < radii_nm[1] for known in known_nm):
            raise ValueError(f"known radii lie between {radii_nm[0]:g} and {radii_nm[1]:g} nm")
        self.spheres = Spheres(q_per_nm, radii_nm)
        self._porod = porod
        self._floor = relative_floor
        self._known = tuple(known_nm)

    def sizes(self, curve: Curve) -> Sizes:
        """What a curve says of sizes.

        Raises:
            ValueError: the curve is on another q axis.
        """
        if not np.array_equal(curve.q_per_nm, self.spheres.q_per_nm):
            raise ValueError("the curve is not on the q axis of this analysis")
        err = np.hypot(curve.err, self._floor * curve.intensity) if self._floor else curve.err
        curve = Curve(curve.q_per_nm, curve.intensity, err, curve.pixels)
        if curve.usable.sum() < _FEWEST_BINS:
            return self._nothing(f"{int(curve.usable.sum())} usable bins are too few")
        fit = Fit(curve, self.spheres, self._porod)
        narrow = fit.narrow(_MOST_NARROW)
        if not narrow or fit.nothing().bic - narrow[0].bic < DECISIVE:
            return self._nothing("nothing that scatters as spheres do stands out of the background")
        spread = fit.spread(narrow[0].populations[0])
        one = _best([narrow[0], spread]) or narrow[0]
        several = _best([*narrow[1:], *(fit.beside(known) for known in self._known)])
        if one is spread and several is not None and several.bic - one.bic >= DECISIVE:
            # Before one population is preferred, the other side gets a second chance to find its best pair.
            several = _best([several, fit.pair_like(one.populations[0])])
        edges, distribution, background = _without_form(fit)
        kind, why = _verdict(fit, one, several, narrow[0])
        best = _best([one, several]) or one
        told: dict[str, tuple[Population, ...]] = {"several": several.populations if several else (), "unknown": ()}
        return Sizes(
            kind=kind,
            why=why,
            populations=told.get(kind, one.populations),
            delta_bic=None if several is None else several.bic - one.bic,
            one=one,
            several=several,
            relative_chi2=best.chi2 / max(fit.bins - best.parameters, 1),
            edges_nm=edges,
            distribution=distribution,
            guinier=guinier(curve, background, one.populations[0].radius_nm),
        )

    def _nothing(self, why: str) -> Sizes:
        none = Guinier(None, None, why)
        edges = np.exp(self.spheres.boxes[0])
        return Sizes("unknown", why, (), None, None, None, float("nan"), edges, np.zeros(len(edges) - 1), none)


def _best(models: Sequence[Model | None]) -> Model | None:
    """The one with the lowest BIC."""
    return min((model for model in models if model is not None), key=lambda model: model.bic, default=None)


def _without_form(fit: Fit) -> tuple[Array, Array, float]:
    """Edges and volume of boxes by non-negative least squares, and the constant background beside them."""
    edges, curves = fit.spheres.boxes
    solved = _nonnegative(fit, curves * fit.inverse_err)
    if solved is None:
        return np.exp(edges), np.full(len(curves), np.nan), 0.0
    weight = solved[0]
    volume, background = weight[: len(curves)], weight[len(curves) :]
    total = float(volume.sum())
    constant = float(background[0] - background[len(fit.background)])
    return np.exp(edges), volume / total if total > 0 else volume, constant


def _nonnegative(fit: Fit, rows: Array) -> tuple[Array, float] | None:
    """Weights of these curves, then of the background with either sign, and χ²; None where the search does not end."""
    norm = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    # a background may have either sign after a subtraction
    columns = np.concatenate([rows / norm[:, None], fit.background, -fit.background])
    try:
        weight, rest = nnls(columns.T, fit.weighted, maxiter=_ROUNDS_PER_COLUMN * len(columns))
    except RuntimeError:
        return None  # the columns are nearly alike: scipy may go round in circles
    weight[: len(rows)] /= norm
    return weight, float(rest) ** 2


def _single_peaked(fit: Fit, near: Model, enough: float) -> bool:
    """Whether a distribution of any form with a single maximum fits with a χ² of ``enough`` or less.

    Rising up to a box and falling from it, a distribution is a sum with positive weights of all stretches that end
    there and all that begin there. Maxima are tried from the middle of the populations outwards.
    """
    edges, curves = fit.spheres.boxes
    rows = curves * fit.inverse_err
    place = np.log([population.radius_nm for population in near.populations])
    first, last = np.clip(np.searchsorted(edges, [place[0], place[-1]]) - 1, 0, len(rows) - 1)
    tried = sorted(range(int(first), int(last) + 1), key=lambda box: abs(box - (first + last) / 2))
    for top in tried:
        up = np.cumsum(rows[: top + 1][::-1], axis=0)
        down = np.cumsum(rows[top:], axis=0)
        solved = _nonnegative(fit, np.concatenate([up, down]))
        if solved is None or solved[1] <= enough:  # what cannot be computed is not excluded
            return True
    return False


def _verdict(
    fit: Fit, one: Model, several: Model | None, narrow: Model
) -> tuple[Literal["narrow", "spread", "several", "unknown"], str]:
    delta = np.inf if several is None else several.bic - one.bic
    best = several if several is not None and delta < 0 else one
    if not fit.describes(best, _FIT_SIGMA):
        relative = best.chi2 / max(fit.bins - best.parameters, 1)
        return "unknown", f"neither one population of spheres nor a few narrow ones fit: χ² per bin is {relative:.3g}"
    compared = "no second population has a share" if several is None else f"ΔBIC {delta:+.1f}"
    if several is not None and delta <= -DECISIVE:
        if _single_peaked(fit, several, several.chi2 + DECISIVE):
            return "unknown", f"not one log-normal population ({compared}), but one peak of another form would fit"
        if all(p.share > _SIGMA * p.share_err for p in several.populations) and _apart(several):
            return "several", f"{_words(several)}: better than one, spread ({compared})"
        return "unknown", f"not one population ({compared}), but its parts are not told apart: {_words(several)}"
    wide = fit.chi2_at(NARROW_WIDTH, narrow.populations[0])
    too_wide = wide is not None and wide - min(one.chi2, narrow.chi2) >= DECISIVE
    width, width_err = one.populations[0].width, one.populations[0].width_err
    if delta > 0 and too_wide and width < NARROW_WIDTH:
        return "narrow", f"{_words(one)}: a width of {100 * NARROW_WIDTH:.0f} % or more does not fit ({compared})"
    if delta >= DECISIVE and width - _SIGMA * width_err > NARROW_WIDTH:
        return "spread", f"{_words(one)}: better than narrow ones ({compared})"
    if not too_wide and width - _SIGMA * width_err <= NARROW_WIDTH:
        return "unknown", f"the noise is too high to tell a narrow population from a spread one; at {_words(one)}"
    alike = "" if several is None else f" and {_words(several)}"
    return "unknown", f"{_words(one)}{alike} describe the curve alike ({compared})"


def _apart(model: Model) -> bool:
    """Whether radii differ by more than their errors allow to doubt."""
    ordered = model.populations
    return all(
        b.radius_nm - a.radius_nm > _SIGMA * float(np.hypot(a.radius_err_nm, b.radius_err_nm))
        for a, b in pairwise(ordered)
    )


def _words(model: Model) -> str:
    def one(p: Population) -> str:
        width = f", width {100 * p.width:.1f} %" if p.width else ""
        share = f" ({100 * p.share:.0f} %)" if len(model.populations) > 1 else ""
        return f"{p.radius_nm:.3f} ± {p.radius_err_nm:.3f} nm{width}{share}"

    return " and ".join(one(p) for p in model.populations)
