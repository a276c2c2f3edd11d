"""How right the sizes are on made-up curves: two populations and single broad ones, over many seeds.

Curves are relative: every bin has the same relative error, as numbers of "noise in per cent" are usually meant. What
can be told apart depends on how far q reaches, so each figure names its axis.
"""

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import erf, sqrt

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import Row, show
from flowlab.analysis.saxs.curve import Curve
from flowlab.analysis.saxs.distribution import DistributionAnalysis
from flowlab.analysis.saxs.sizes import DECISIVE, SizeAnalysis, Sizes

Array = NDArray[np.float64]

#: The two populations in equal parts, and how near their radii must come out.
TWO_NM, NEAR_NM = (0.87, 1.02), 0.01
#: Mean radius and widths of single populations.
BROAD_NM, WIDTHS = 0.945, (0.04, 0.06, 0.08, 0.10, 0.15, 0.20)
FORMS = ("log-normal", "normal", "Schulz")
#: Background, as a share of the strongest intensity.
LEVEL = 1e-3
AXES: dict[str, Array] = {
    "0.3–5 nm⁻¹, 100 bins": np.linspace(0.3, 5.0, 100),
    "0.3–5 nm⁻¹, 300 bins": np.linspace(0.3, 5.0, 300),
    "0.1–7 nm⁻¹, 200 bins": np.linspace(0.1, 7.0, 200),
}


def intensity(q_per_nm: Array, radii_nm: Array, volume: Array) -> Array:
    """Σ φ·R³·P(qR), written out apart from the analysis."""
    x = np.multiply.outer(radii_nm, q_per_nm)
    form = 3 * (np.sin(x) - x * np.cos(x)) / x**3
    return (volume * radii_nm**3) @ form**2


def population(radius_nm: float, width: float, form: str) -> tuple[Array, Array]:
    """Radii and volumes of a distribution with this mean and relative width."""
    if width == 0:
        return np.array([radius_nm]), np.ones(1)
    r = np.linspace(max(1 - 6 * width, 0.02), 1 + 8 * width, 800)
    match form:
        case "log-normal":
            volume = np.exp(-0.5 * (np.log(r) / width) ** 2) / r
        case "normal":
            volume = np.exp(-0.5 * ((r - 1) / width) ** 2)
        case _:
            k = 1 / width**2 - 1
            volume = np.exp(k * np.log(r) - (k + 1) * (r - 1))
    return radius_nm * r, volume / volume.sum()


def measured(q_per_nm: Array, mean: Array, noise: float, seed: int) -> Curve:
    """A curve with a relative error in each bin."""
    mean = mean / mean.max() + LEVEL
    err = noise * mean
    drawn = np.random.default_rng(seed).normal(mean, err)
    return Curve(q_per_nm, drawn, err, np.ones(len(q_per_nm), dtype=np.int64))


def two(q_per_nm: Array, noise: float, seed: int) -> Curve:
    """Both populations, in equal parts by volume."""
    return measured(q_per_nm, intensity(q_per_nm, np.array(TWO_NM), np.array([0.5, 0.5])), noise, seed)


def broad(q_per_nm: Array, noise: float, seed: int, width: float, form: str = "log-normal") -> Curve:
    """A single population."""
    return measured(q_per_nm, intensity(q_per_nm, *population(BROAD_NM, width, form)), noise, seed)


@dataclass(frozen=True)
class Marks:
    """What came out of as many curves.

    Attributes:
        kinds: how often each answer was given.
        decided: share of the curves with ΔBIC ≤ −10: for two.
        near: share in which both radii of the model of two are within 0.01 nm.
        median_bic: of ΔBIC.
        worst_nm: how far the radii are off in 95 % of the curves.
    """

    kinds: Counter[str]
    decided: float
    near: float
    median_bic: float
    worst_nm: float


def marked(axis: Array, draw: Callable[[int], Curve], seeds: range) -> Marks:
    """Analyse a curve for each seed."""
    analysis = SizeAnalysis(axis)
    found = [analysis.sizes(draw(seed)) for seed in seeds]
    bic = np.array([np.inf if each.delta_bic is None else each.delta_bic for each in found])
    off = np.array([_off_nm(each) for each in found])
    return Marks(
        Counter(each.kind for each in found),
        float(np.mean(bic <= -DECISIVE)),
        float(np.mean(off <= NEAR_NM)),
        float(np.median(bic)),
        float(np.quantile(off, 0.95, method="higher")),
    )


def _off_nm(found: Sizes) -> float:
    """How far the worse radius of the model of two is off; infinite where it has another number of them."""
    radii = () if found.several is None else tuple(p.radius_nm for p in found.several.populations)
    return max(abs(a - b) for a, b in zip(radii, TWO_NM, strict=True)) if len(radii) == len(TWO_NM) else np.inf


def rows(seeds: range) -> list[Row]:
    """Figures for two populations, then for single ones, at 0.2 and 1 % noise."""
    table: list[Row] = []
    count = len(seeds)
    for name, axis in AXES.items():
        for noise in (0.002, 0.01):
            marks = marked(axis, lambda seed, a=axis, n=noise: two(a, n, seed), seeds)
            what = f"{100 * noise:g} %, {name}"
            goal = f"median ΔBIC {marks.median_bic:+.0f}"
            table += [
                Row(f"two: ΔBIC for two; {what}", marks.decided, "", goal),
                Row("     both radii within 0.01 nm", marks.near, "", f"95 %: {marks.worst_nm:.3f} nm off"),
                Row("     called several", marks.kinds["several"] / count, "", ""),
                Row("     called unknown", marks.kinds["unknown"] / count, "", "neither is wrong"),
            ]
    for name, axis in AXES.items():
        for noise in (0.002, 0.01):
            all_of: Counter[str] = Counter()
            decided = 0.0
            for width in WIDTHS:
                for form in FORMS:
                    marks = marked(axis, lambda s, a=axis, n=noise, w=width, f=form: broad(a, n, s, w, f), seeds)
                    all_of += marks.kinds
                    decided += marks.decided / len(WIDTHS) / len(FORMS)
            total = count * len(WIDTHS) * len(FORMS)
            what = f"{100 * noise:g} %, {name}"
            table += [
                Row(f"one broad: called several; {what}", all_of["several"], "", f"0 of {total}: 4–20 %, 3 forms"),
                Row("     ΔBIC for two, held back by the other test", decided, "", "share"),
                Row("     called spread", all_of["spread"] / total, "", "share"),
                Row("     called unknown", all_of["unknown"] / total, "", "share"),
            ]
    return table


def distribution_rows(seeds: range) -> list[Row]:
    """How often the band holds a log-normal truth, where that is more than a hundredth of its top."""
    axis = AXES["0.3–5 nm⁻¹, 100 bins"]
    analysis = DistributionAnalysis(axis)
    table: list[Row] = []
    for radius, width, noise in ((0.945, 0.1, 0.002), (0.945, 0.2, 0.01), (2.0, 0.2, 0.01)):
        held: list[float] = []
        off: list[float] = []
        for seed in seeds:
            mean = intensity(axis, *population(radius, width, "log-normal"))
            found = analysis.distribution(measured(axis, mean, noise, seed))
            z = np.log(found.edges_nm / radius) / width
            truth = np.diff([0.5 * (1 + erf(one / sqrt(2))) for one in z])
            high = truth > 0.01 * truth.max()
            held.append(float(np.mean(((found.low <= truth) & (truth <= found.high))[high])))
            off.append(((found.radius_nm or np.nan) - radius) / (found.radius_err_nm or np.nan))
        what = f"{radius:g} nm, {100 * width:g} %, {100 * noise:g} % noise"
        table.append(
            Row(f"band holds the truth; {what}", float(np.mean(held)), "", "0.68 if one sigma held everywhere")
        )
        table.append(Row("     median radius off, rms", float(np.sqrt(np.mean(np.square(off)))), "σ", "1"))
    return table


def main() -> None:
    """Print the table."""
    asked = argparse.ArgumentParser(description="How right the sizes of SAXS are on made-up curves.")
    asked.add_argument("--seeds", type=int, default=100, help="of each kind of curve")
    wanted = asked.parse_args()
    show(rows(range(wanted.seeds)) + distribution_rows(range(wanted.seeds)))


if __name__ == "__main__":
    main()
