from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from flowlab.analysis.saxs.curve import Array, Curve
from flowlab.analysis.saxs.distribution import Distribution, DistributionAnalysis
from flowlab.analysis.saxs.porod import porod
from flowlab.analysis.saxs.spheres import Spheres, sphere

Q = np.linspace(0.3, 5.0, 100)
ANALYSIS = DistributionAnalysis(Q, drawn=40)
BOXES = Spheres(Q).boxes[1]


def curve(radius, width, noise=0.01, seed=0, q=Q, level=0.02) -> Curve:
    """Log-normal spheres with a relative error in each bin."""
    t = np.linspace(-5, 5, 401)
    weight = np.exp(-0.5 * t * t)
    mean = (weight / weight.sum()) @ sphere(q, radius * np.exp(width * t))[0]
    mean = mean / mean.max() + level
    err = noise * mean
    return Curve(q, np.random.default_rng(seed).normal(mean, err), err, np.ones(len(q), dtype=np.int64))


@cache
def found(radius, width, noise, seed) -> Distribution:
    return ANALYSIS.distribution(curve(radius, width, noise, seed))


@pytest.mark.parametrize(("radius", "width", "noise"), [(0.95, 0.1, 0.002), (0.95, 0.2, 0.01), (2.0, 0.2, 0.01)])
def test_median_and_width_of_a_distribution_come_out_with_errors_that_hold(radius, width, noise):
    many = [found(radius, width, noise, seed) for seed in range(6)]
    off = np.array([((each.radius_nm or 0) - radius) / (each.radius_err_nm or 1) for each in many])
    assert np.sqrt(np.mean(off**2)) < 2.5
    assert np.mean([each.width for each in many if each.width]) == pytest.approx(width, rel=0.35)


@pytest.mark.parametrize(
    ("radius", "width", "noise", "least"), [(0.95, 0.1, 0.002, 0.3), (0.95, 0.2, 0.01, 0.5), (2.0, 0.2, 0.01, 0.68)]
)
def test_the_band_holds_the_truth_about_as_often_as_one_sigma_should(radius, width, noise, least):
    held: list[float] = []
    for seed in range(6):
        each = found(radius, width, noise, seed)
        truth = np.diff(norm.cdf(np.log(each.edges_nm / radius) / width))
        inside = (each.low <= truth) & (truth <= each.high)
        held.append(float(inside[truth > 3e-3].mean()))
    assert np.mean(held) > least


def test_it_is_smooth_where_least_squares_is_spiky_and_describes_the_curve_as_well():
    each = found(0.95, 0.2, 0.01, 1)
    assert np.count_nonzero(each.spiky) < 12 < np.count_nonzero(each.smooth)
    for shares in (each.spiky, each.smooth):
        assert shares.sum() == pytest.approx(1.0)
    assert each.least_chi2 <= each.relative_chi2 <= each.least_chi2 + 1.5 / 100
    assert np.all(each.low <= each.smooth)
    assert np.all(each.smooth <= each.high)


def _slowly(one: Curve, weight: Array, strength: float) -> float:
    """What is minimised, written out: χ² with the best background, and the bend."""
    rest = one.intensity - weight @ BOXES
    level = np.sum(rest / one.err**2) / np.sum(1 / one.err**2)
    padded = np.concatenate([[0, 0], weight, [0, 0]])
    bend = padded[:-2] - 2 * padded[1:-1] + padded[2:]
    return float(np.sum(((rest - level) / one.err) ** 2) + strength * np.sum(bend**2))


def test_no_smoother_distribution_describes_the_curve_as_well():
    """Along any line from the answer, bend or χ² rises: it is the least of their sum for some λ."""
    one = curve(0.95, 0.2, 0.01, 1)
    each = found(0.95, 0.2, 0.01, 1)
    rows = np.stack([each.smooth @ BOXES, np.ones_like(Q)]) / one.err
    amount = float(np.linalg.lstsq(rows.T, one.intensity / one.err, rcond=None)[0][0])
    weight = amount * each.smooth
    rng = np.random.default_rng(0)
    tries = [np.maximum(weight * (1 + 0.05 * rng.normal(size=len(weight))), 0) for _ in range(30)]
    strengths = np.logspace(-6, 12, 73) / amount**2
    best = [s for s in strengths if all(_slowly(one, weight, s) <= _slowly(one, other, s) for other in tries)]
    assert best


def test_the_same_curve_has_the_same_bands():
    one = curve(0.95, 0.2)
    first, second = ANALYSIS.distribution(one), ANALYSIS.distribution(one)
    assert np.array_equal(first.low, second.low)
    assert np.array_equal(first.high, second.high)


@given(st.floats(1e-6, 1e6))
@settings(max_examples=8, deadline=None)
def test_the_unit_of_intensity_does_not_matter(scale):
    plain, scaled = (DistributionAnalysis(Q, drawn=0).distribution(curve(0.95, 0.2).scaled(s)) for s in (1.0, scale))
    assert scaled.radius_nm == pytest.approx(plain.radius_nm, rel=1e-4)
    assert scaled.smooth == pytest.approx(plain.smooth, abs=1e-3)


def test_what_no_spheres_describe_has_no_distribution_and_a_reason():
    wavy = Curve(Q, 1.5 + np.cos(4 * Q), np.full(100, 0.01), np.ones(100, dtype=np.int64))
    each = ANALYSIS.distribution(wavy)
    assert each.radius_nm is None
    assert "χ²" in each.why or "stands out" in each.why
    few = Curve(Q, np.where(Q < 4.7, np.nan, 1.0), np.full(100, 0.01), np.ones(100, dtype=np.int64))
    assert "too few" in ANALYSIS.distribution(few).why
    with pytest.raises(ValueError, match="not on the q axis"):
        ANALYSIS.distribution(curve(1.0, 0.1, q=Q + 0.1))


_VALUES = st.floats(-1e6, 1e6) | st.sampled_from([0.0, np.nan, np.inf, 1e-12, 1e12])


@given(arrays(float, 100, elements=_VALUES), arrays(float, 100, elements=st.floats(1e-3, 1e3)))
@settings(max_examples=25, deadline=None)
def test_any_curve_gets_an_answer(intensity, err):
    one = Curve(Q, intensity, err, np.ones(100, dtype=np.int64))
    each = DistributionAnalysis(Q, drawn=2).distribution(one)
    assert each.why
    assert (each.radius_nm is None) == bool(np.isnan(each.smooth).all())
    answer = porod(one, 3.0, 0.1)
    assert answer.why
    assert answer.exponent is None or 1.0 < answer.exponent < 7.0


@pytest.mark.parametrize(
    ("radius", "width", "reach"), [(3.0, 0.15, 5.0), (3.0, 0.02, 5.0), (4.0, 0.2, 5.0), (1, 0.2, 15)]
)
def test_smooth_spheres_fall_by_the_fourth_power_with_the_constant_of_their_surface(radius, width, reach):
    q = np.linspace(0.3, reach, 100)
    t = np.linspace(-5, 5, 401)
    weight = np.exp(-0.5 * t * t) / np.exp(-0.5 * t * t).sum()
    radii = radius * np.exp(width * t)
    # ⟨R³·9/2·(qR)⁻⁴⟩ over the highest intensity, to which curves are drawn
    constant = 4.5 * (weight @ (1 / radii)) / (weight @ sphere(q, radii)[0]).max()
    for seed in range(4):
        answer = porod(curve(radius, width, 0.01, seed, q, 1e-4), radius, width)
        assert answer.exponent is not None
        assert answer.exponent_err is not None
        assert answer.exponent == pytest.approx(4.0, abs=3 * answer.exponent_err)
        assert answer.exponent_err < 0.15
        assert answer.constant == pytest.approx(constant, abs=3.5 * (answer.constant_err or 0))


def test_another_power_is_told_and_has_no_porod_constant():
    q = np.linspace(0.3, 5.0, 200)
    mean = (q / 1.0) ** -2.7
    rough = Curve(q, np.random.default_rng(0).normal(mean, 0.01 * mean), 0.01 * mean, np.ones(200, dtype=np.int64))
    answer = porod(rough, 4.0, 0.1)
    assert answer.exponent == pytest.approx(2.7, abs=3 * (answer.exponent_err or 0))
    assert (answer.constant, answer.constant_err) == (None, None)
    assert "not the power of smooth surfaces" in answer.why


def test_where_q_does_not_reach_the_surfaces_there_is_no_porod_law():
    answer = porod(curve(0.94, 0.1), 0.94, 0.1)
    assert answer.exponent is None
    assert "q ends at 5" in answer.why
    drowned = porod(curve(4.0, 0.2, 0.01, 0, Q, 0.1), 4.0, 0.2)
    assert drowned.exponent is None
    assert "background" in drowned.why
