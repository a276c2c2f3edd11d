from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad
from scipy.optimize import least_squares

from flowlab.analysis.saxs.curve import Curve
from flowlab.analysis.saxs.guinier import guinier
from flowlab.analysis.saxs.populations import Fit
from flowlab.analysis.saxs.sizes import DECISIVE, SizeAnalysis, Sizes
from flowlab.analysis.saxs.spheres import Spheres, sphere
from tests.flowlab.analysis.saxs.frames import counted

Q = np.linspace(0.3, 5.0, 100)
ANALYSIS = SizeAnalysis(Q)
#: Counts of the strongest bin: half a second, and some minutes, of a strong beam.
SHORT, LONG, VERY_LONG = 3e3, 3e5, 3e6


@cache
def _of(radius, width, form):
    """A population of volume: narrow, log-normal, Gaussian or Schulz."""
    if width == 0:
        return sphere(Q, np.array([radius]))[0][0]
    r = np.linspace(radius * max(1 - 6 * width, 0.02), radius * (1 + 8 * width), 1500)
    if form == "log-normal":
        weight = np.exp(-0.5 * (np.log(r / radius) / width) ** 2) / r
    elif form == "normal":
        weight = np.exp(-0.5 * ((r / radius - 1) / width) ** 2)
    else:
        k = 1 / width**2 - 1
        weight = np.exp(k * np.log(r / radius) - (k + 1) * (r / radius - 1))
    return (weight / weight.sum()) @ sphere(Q, r)[0]


def particles(*populations, counts=LONG, seed=0, level=0.02) -> Curve:
    """Counts of populations (radius, width, share[, form]) on a constant background."""
    mean = sum(share * _of(radius, width, *(form or ["log-normal"])) for radius, width, share, *form in populations)
    pixels = np.maximum((Q * 100).astype(int), 1)
    mean = (mean / np.max(mean) + level) * counts / 100
    return counted(Q, mean, pixels, seed)


def test_the_form_factor_is_the_integral_over_a_sphere():
    for q, radius in [(0.3, 0.9), (2.0, 0.94), (4.7, 1.02), (5.0, 3.0)]:
        # F = ∫ 4πr²·sin(qr)/(qr) dr over the sphere
        amplitude = quad(lambda r, q=q: 4 * np.pi * r * r * np.sinc(q * r / np.pi), 0, radius)[0]
        volume = 4 * np.pi / 3 * radius**3
        expected = amplitude**2 / volume / (4 * np.pi / 3)
        assert sphere(np.array([q]), np.array([radius]))[0][0, 0] == pytest.approx(expected, rel=1e-9)


@given(st.floats(1e-4, 6.0), st.floats(0.4, 4.0))
def test_the_derivative_is_the_slope(q, radius):
    at = np.array([q])
    step = 1e-5
    up, down = (sphere(at, np.array([radius * np.exp(s)]))[0][0, 0] for s in (step, -step))
    value, slope = (rows[0, 0] for rows in sphere(at, np.array([radius])))
    assert slope == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-6 * (radius**3))
    assert 0 <= value <= radius**3


@pytest.mark.parametrize("width", [0.01, 0.05, 0.2, 0.5])
def test_a_spread_population_is_the_integral_over_its_distribution(width):
    found, by_radius, by_width = Spheres(Q).spread(np.log(1.1), width)
    t = np.linspace(-8, 8, 4001)
    weight = np.exp(-0.5 * t * t)
    expected = (weight / weight.sum()) @ sphere(Q, 1.1 * np.exp(width * t))[0]
    assert found == pytest.approx(expected, rel=2e-5)
    step = 1e-4
    for slope, shift in ((by_radius, (step, 0.0)), (by_width, (0.0, step))):
        up = Spheres(Q).spread(np.log(1.1) + shift[0], width * np.exp(shift[1]))[0]
        down = Spheres(Q).spread(np.log(1.1) - shift[0], width * np.exp(-shift[1]))[0]
        assert slope == pytest.approx((up - down) / (2 * step), rel=5e-3, abs=1e-4 * float(np.abs(slope).max()))


def _slowly(curve: Curve, columns, start) -> float:
    """χ² of a fit that searches everything with finite differences, as one would write it first."""

    def residual(p):
        rows = np.stack([*columns(p), np.ones_like(Q)], axis=1) / curve.err[:, None]
        y = curve.intensity / curve.err
        return y - rows @ np.linalg.lstsq(rows, y, rcond=None)[0]

    return float(min(2 * least_squares(residual, p, x_scale=0.05).cost for p in start))


@pytest.mark.parametrize(
    "populations",
    [[(0.94, 0, 1)], [(0.94, 0, 0.5), (1.02, 0, 0.5)], [(0.94, 0.1, 1)], [(0.87, 0, 0.5), (1.3, 0, 0.5)]],
)
def test_the_fits_reach_the_least_chi2_that_a_slow_search_finds(populations):
    curve = particles(*populations)
    fit = Fit(curve, ANALYSIS.spheres, porod=False)
    narrow = fit.narrow(2)
    one = _slowly(curve, lambda p: sphere(Q, np.exp(p))[0], [np.log([radius]) for radius in (0.85, 0.95, 1.2)])
    assert narrow[0].chi2 <= one + 0.1
    spread = fit.spread(narrow[0].populations[0])
    assert spread is not None
    wide = _slowly(
        curve,
        lambda p: [ANALYSIS.spheres.spread(p[0], float(np.clip(np.exp(p[1]), 0.01, 0.5)))[0]],
        [np.log([radius, width]) for radius in (0.9, 1.0, 1.1) for width in (0.02, 0.1, 0.2)],
    )
    assert spread.chi2 <= wide + 0.1
    if len(populations) == 2:
        two = _slowly(curve, lambda p: sphere(Q, np.exp(p))[0], [np.log([p[0] for p in populations])])
        assert narrow[1].chi2 <= two + 1.0  # the valley is long and flat


@pytest.mark.parametrize("radius", [0.87, 0.94, 1.02])
def test_the_radius_of_one_narrow_population_is_found_within_its_error(radius):
    found = [ANALYSIS.sizes(particles((radius, 0, 1), seed=seed)) for seed in range(12)]
    assert sum(each.kind == "narrow" for each in found) >= 7
    assert {each.kind for each in found} <= {"narrow", "unknown"}
    radii = [each.one.populations[0] for each in found if each.one is not None]
    off = np.array([p.radius_nm - radius for p in radii])
    assert np.abs(off).max() < 5e-3
    assert np.sqrt(np.mean((off / [p.radius_err_nm for p in radii]) ** 2)) == pytest.approx(1.0, abs=0.6)


@pytest.mark.parametrize("radius", [0.87, 0.94, 1.0])
def test_half_a_second_gives_the_radius_but_not_whether_it_is_narrow(radius):
    found = ANALYSIS.sizes(particles((radius, 0, 1), counts=SHORT))
    assert found.kind == "unknown"
    assert "noise" in found.why
    assert found.populations == ()
    assert found.one is not None
    assert found.one.populations[0].radius_nm == pytest.approx(radius, abs=0.01)


@pytest.mark.parametrize(
    "truth",
    [
        (0.94, 0.05, 1.0),
        (0.94, 0.1, 1.0),
        (0.94, 0.1, 1.0, "normal"),
        (0.94, 0.1, 1.0, "Schulz"),
        (1.2, 0.2, 1.0, "Schulz"),
        (2.0, 0.1, 1.0),
        (2.0, 0.1, 1.0, "normal"),
    ],
)
@pytest.mark.parametrize("counts", [SHORT, LONG, VERY_LONG])
def test_one_spread_population_is_never_taken_for_several(truth, counts):
    found = [ANALYSIS.sizes(particles(truth, counts=counts, seed=seed)) for seed in range(6)]
    assert {each.kind for each in found} <= {"spread", "unknown"}
    widths = [each.one.populations[0].width for each in found if each.one is not None]
    if counts > SHORT:
        assert np.mean(widths) == pytest.approx(truth[1], rel=0.15)


def test_the_fit_without_a_form_splits_one_population_and_is_not_believed():
    found = ANALYSIS.sizes(particles((2.0, 0.1, 1.0), counts=LONG))
    middle = found.distribution
    maxima = (middle[1:-1] > middle[:-2]) & (middle[1:-1] > middle[2:])
    assert maxima.sum() > 1
    assert found.kind == "spread"
    assert len(found.populations) == 1
    assert middle.sum() == pytest.approx(1.0)


def test_a_wide_population_of_larger_particles_is_told_from_narrow_ones():
    found = [ANALYSIS.sizes(particles((2.0, 0.1, 1.0), counts=VERY_LONG, seed=seed)) for seed in range(8)]
    decided = [each for each in found if each.kind == "spread"]
    assert len(decided) >= 6
    assert all(each.kind == "unknown" for each in found if each not in decided)
    for each in decided:
        (only,) = each.populations
        assert only.radius_nm == pytest.approx(2.0, abs=5 * only.radius_err_nm)
        assert only.width == pytest.approx(0.1, abs=5 * only.width_err)
        assert each.delta_bic is not None
        assert each.delta_bic >= DECISIVE


def test_populations_far_enough_apart_are_told_apart_where_the_noise_permits():
    truth = ((0.87, 0, 0.5), (1.3, 0, 0.5))
    for seed in range(5):
        found = ANALYSIS.sizes(particles(*truth, counts=10 * VERY_LONG, seed=seed))
        assert found.kind == "several"
        assert [p.radius_nm for p in found.populations] == pytest.approx([0.87, 1.3], abs=0.01)
        assert [p.share for p in found.populations] == pytest.approx([0.5, 0.5], abs=0.05)
    assert ANALYSIS.sizes(particles(*truth, counts=SHORT)).kind == "unknown"


def test_neighbouring_families_cannot_be_told_from_one_spread_population_and_that_is_said():
    for share, width in ((0.3, 0.037), (0.5, 0.041)):
        found = ANALYSIS.sizes(particles((0.94, 0, 1 - share), (1.02, 0, share), counts=10 * VERY_LONG))
        assert found.kind == "unknown"
        assert "alike" in found.why
        assert found.one is not None
        only = found.one.populations[0]
        assert only.width == pytest.approx(width, abs=0.005)
        assert only.radius_nm == pytest.approx(0.94 * (1 - share) + 1.02 * share, abs=0.004)


def test_where_one_family_is_known_the_other_follows():
    knowing = SizeAnalysis(Q, known_nm=(0.94,))
    for share in (0.3, 0.5):
        found = knowing.sizes(particles((0.94, 0, 1 - share), (1.02, 0, share), counts=VERY_LONG))
        assert found.kind == "unknown"  # it is an assumption still
        assert found.several is not None
        first, second = found.several.populations
        assert (first.radius_nm, first.radius_err_nm) == (pytest.approx(0.94), 0.0)
        assert second.radius_nm == pytest.approx(1.02, abs=max(5 * second.radius_err_nm, 1e-3))
        assert second.radius_err_nm < 0.02
        assert second.share == pytest.approx(share, abs=0.1)


def test_the_nucleation_series_of_the_paper_is_followed():
    """0.87 at 190 °C; 0.94 from 200; a shoulder at 1.02 from 230, full at 240; growth from 250."""
    truth = {
        190: [(0.87, 0, 1)],
        200: [(0.94, 0, 1)],
        220: [(0.94, 0, 1)],
        230: [(0.94, 0, 0.7), (1.02, 0, 0.3)],
        240: [(0.94, 0, 0.5), (1.02, 0, 0.5)],
        250: [(1.10, 0.08, 1)],
        280: [(1.30, 0.1, 1)],
    }
    found: dict[int, Sizes] = {t: ANALYSIS.sizes(particles(*p, counts=LONG, seed=t)) for t, p in truth.items()}
    one = {t: each.one.populations[0] for t, each in found.items() if each.one is not None}
    assert [found[t].kind for t in (190, 200, 220)] == ["narrow"] * 3
    assert [one[t].radius_nm for t in (190, 200, 220)] == pytest.approx([0.87, 0.94, 0.94], abs=0.005)
    # then wider, and larger at every step
    assert all(one[t].width > 0.03 for t in (230, 240, 250, 280))
    radii = [one[t].radius_nm for t in (220, 230, 240, 250, 280)]
    assert np.all(np.diff(radii) > 0.01)


def test_what_is_no_sphere_is_not_given_a_size():
    flat = counted(Q, np.full(100, 1e3), np.full(100, 100))
    found = ANALYSIS.sizes(flat)
    assert (found.kind, found.populations, found.one) == ("unknown", (), None)
    assert "stands out" in found.why
    wavy = counted(Q, 1e4 * (1.5 + np.cos(4 * Q)), np.full(100, 100))
    found = ANALYSIS.sizes(wavy)
    assert found.kind == "unknown"
    assert found.populations == ()
    assert "χ²" in found.why or "stands out" in found.why


def test_bins_without_a_value_have_no_weight():
    curve = particles((0.94, 0, 1))
    hole = (Q > 1.0) & (Q < 1.5)
    holed = Curve(Q, np.where(hole, np.nan, curve.intensity), np.where(hole, np.nan, curve.err), curve.pixels)
    found, full = ANALYSIS.sizes(holed), ANALYSIS.sizes(curve)
    assert found.one is not None
    assert full.one is not None
    assert found.one.populations[0].radius_nm == pytest.approx(full.one.populations[0].radius_nm, abs=2e-3)
    nothing = Curve(Q, np.full(100, np.nan), np.full(100, np.nan), curve.pixels)
    assert "too few" in ANALYSIS.sizes(nothing).why


@given(st.floats(1e-3, 1e3))
@settings(max_examples=15, deadline=None)
def test_the_unit_of_intensity_does_not_matter(scale):
    curve = particles((0.94, 0.1, 1))
    plain, scaled = ANALYSIS.sizes(curve), ANALYSIS.sizes(curve.scaled(scale))
    assert plain.one is not None
    assert scaled.one is not None
    assert scaled.one.populations[0].radius_nm == pytest.approx(plain.one.populations[0].radius_nm, rel=1e-4)
    assert scaled.kind == plain.kind


_VALUES = st.floats(-1e6, 1e6) | st.sampled_from([0.0, np.nan, np.inf, 1e-12, 1e12])


@given(arrays(float, 100, elements=_VALUES), arrays(float, 100, elements=st.floats(1e-3, 1e3)), st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_curve_gets_an_answer(intensity, err, porod):
    analysis = SizeAnalysis(Q, porod=porod, known_nm=(0.94,))
    found = analysis.sizes(Curve(Q, intensity, err, np.ones(100, dtype=int)))
    assert found.why
    assert (found.kind == "unknown") == (found.populations == ())
    for population in found.populations:
        assert 0.4 <= population.radius_nm <= 4.0
        assert np.isfinite(population.radius_err_nm)


def test_a_background_in_q_to_the_minus_four_is_fitted_where_it_is_asked_for():
    plain = particles((0.94, 0, 1))
    decay = 0.5 * float(np.nanmax(plain.intensity)) * (Q / Q[0]) ** -4
    curve = Curve(Q, plain.intensity + decay, plain.err, plain.pixels)
    found = SizeAnalysis(Q, porod=True).sizes(curve)
    assert found.one is not None
    assert found.one.populations[0].radius_nm == pytest.approx(0.94, abs=0.005)
    without = ANALYSIS.sizes(curve)
    assert without.kind == "unknown"


def test_a_floor_under_the_errors_makes_the_answer_more_careful():
    curve = particles((0.94, 0, 1), counts=VERY_LONG)
    careful = SizeAnalysis(Q, relative_floor=0.02).sizes(curve)
    assert ANALYSIS.sizes(curve).kind == "narrow"
    assert careful.kind == "unknown"
    assert careful.one is not None
    assert careful.one.populations[0].radius_err_nm > 3e-4


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Spheres(Q, (2.0, 1.0)), "no range"),
        (lambda: Spheres(Q - 1.0), "positive"),
        (lambda: SizeAnalysis(Q, relative_floor=-1.0), "relative error"),
        (lambda: SizeAnalysis(Q, known_nm=(9.0,)), "known radii"),
        (lambda: SizeAnalysis(Q + 0.1).sizes(particles((0.94, 0, 1))), "not on the q axis"),
    ],
)
def test_what_cannot_be_analysed_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_guinier_gives_the_radius_of_a_sphere_as_far_as_the_law_holds():
    q = np.linspace(0.1, 5.0, 200)
    mean = 100 * sphere(q, np.array([0.94]))[0][0]
    found = guinier(counted(q, mean, np.full(200, 1000)))
    assert found.radius_nm == pytest.approx(0.94, rel=0.03)
    assert found.radius_err_nm is not None
    assert found.radius_err_nm < 0.01
    rising = guinier(Curve(q, 1 + q, np.full(200, 0.01), np.full(200, 1)))
    assert rising.radius_nm is None
    assert "does not fall" in rising.why
    assert guinier(Curve(q, 0 * q, np.full(200, 1.0), np.full(200, 1))).radius_nm is None
