"""Made-up sizes on both sides, and what is said of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlab.analysis.joint import Absorbed, Scattered, common_ratio, compare
from flowlab.analysis.sizing import SizingCurve, size

CDSE = SizingCurve("Yu 2003, CdSe", (1.6122e-9, -2.6575e-6, 1.6242e-3, -0.4277, 41.57), (350.0, 680.0), 0.10)


def absorbed(wavelength_nm: float, name: str = "exciton", err_nm: float = 0.3) -> Absorbed:
    return Absorbed(name, wavelength_nm, size(wavelength_nm, err_nm, CDSE))


def scattered(diameter_nm: float, err_nm: float = 0.02, width: float = 0.05) -> Scattered:
    return Scattered(diameter_nm, err_nm, width)


def test_a_cluster_of_known_diameter_agrees_with_spheres_of_that_size():
    (found,) = compare([scattered(1.88)], [absorbed(437.0, "CdSe-437")])
    assert found.agreement == "agree"
    assert found.difference_nm == pytest.approx(1.88 - 1.855, abs=2e-3)
    assert found.difference_err_nm == pytest.approx(math.hypot(0.02, 0.1855), rel=0.02)  # the curve's is the largest
    assert found.why == "SAXS 1.88 ± 0.02 nm (width 5 %), CdSe-437 1.85 ± 0.00 (fit) ± 0.19 (curve): agree"


@pytest.mark.parametrize(
    ("diameter_nm", "agreement", "words"),
    [(2.0, "agree", "agree"), (2.7, "differ", "larger by 0.85 nm"), (1.1, "differ", "smaller by 0.75 nm"),
     (2.35, "unknown", "undecided")],
)  # fmt: skip
def test_what_is_beyond_the_errors_is_named(diameter_nm, agreement, words):
    (found,) = compare([scattered(diameter_nm)], [absorbed(437.0, "CdSe-437")])
    assert found.agreement == agreement
    assert words in found.why


def test_one_side_without_a_diameter_decides_nothing_and_says_why():
    (found,) = compare([], [absorbed(520.0)], no_saxs="the noise is too high")
    assert (found.agreement, found.difference_nm, found.sigma) == ("unknown", None, None)
    assert "the noise is too high" in found.why
    (found,) = compare([scattered(2.0)], [], no_absorption="its spectrum could not be used: saturated")
    assert found.agreement == "unknown"
    assert "saturated" in found.why
    (found,) = compare([scattered(6.0)], [absorbed(700.0)])
    assert found.agreement == "unknown"
    assert "holds from 350 to 680 nm only" in found.why
    (found,) = compare([], [])
    assert (found.scattered, found.absorbed, found.agreement) == (None, None, "unknown")


def test_one_size_for_a_mixture_lies_between_and_contradicts_neither():
    found = compare([scattered(2.6, 0.01)], [absorbed(380.0, "CdSe-380"), absorbed(560.0)])
    assert [one.agreement for one in found] == ["unknown", "unknown"]
    assert all("one size for all" in one.why for one in found)
    alone = compare([scattered(2.6, 0.01)], [absorbed(380.0, "CdSe-380")])
    assert alone[0].agreement == "differ"


def test_populations_are_compared_with_their_own_particles_and_one_that_is_left_is_named():
    populations = [scattered(1.84), scattered(2.60), scattered(5.5)]
    found = compare(populations, [absorbed(437.0, "CdSe-437"), absorbed(527.0)])
    assert [one.scattered for one in found] == populations
    assert [one.agreement for one in found] == ["agree", "agree", "unknown"]
    assert "absorption shows no such particles" in found[2].why


def test_no_population_is_lost_where_absorption_gives_no_diameter():
    populations = [scattered(1.84), scattered(5.5)]
    found = compare(populations, [absorbed(700.0)])
    assert [one.scattered for one in found if one.scattered is not None] == populations
    assert {one.agreement for one in found} == {"unknown"}


def conditions(wavelengths, factors):
    pairs = [(absorbed(w), factor) for w, factor in zip(wavelengths, factors, strict=True)]
    return [
        one
        for particles, factor in pairs
        for one in compare([scattered(factor * (particles.size.diameter_nm or 0), 0.01)], [particles])
    ]


WAVELENGTHS = (480.0, 500.0, 520.0, 540.0)


def test_one_factor_in_all_conditions_is_the_curves_and_another_in_one_of_them_is_not():
    found = common_ratio(conditions(WAVELENGTHS, [1.08] * 4))
    assert found.common is True
    assert found.mean == pytest.approx(1.08, rel=1e-3)
    found = common_ratio(conditions(WAVELENGTHS, [1.08, 1.08, 0.98, 1.08]))
    assert found.common is False
    assert (found.lowest_is, found.lowest) == (2, pytest.approx(0.98))
    assert "no common factor" in found.why
    assert found.err is not None
    assert found.err > 0.01  # their scatter, not the errors of the fits


def test_two_conditions_tell_nothing_of_a_factor():
    found = common_ratio(conditions(WAVELENGTHS[:2], [1.0, 1.0]))
    assert (found.mean, found.common, found.conditions) == (None, None, 2)
    assert "too few" in found.why


_NUMBERS = st.floats(0.1, 20.0) | st.sampled_from([math.nan, math.inf])


@given(
    st.lists(st.tuples(st.floats(0.1, 20.0), st.floats(0.0, 5.0) | st.just(math.nan)), max_size=3),
    st.lists(st.tuples(st.floats(300.0, 800.0), _NUMBERS), max_size=3),
)
def test_whatever_comes_nothing_is_decided_without_both_and_every_answer_has_its_reason(populations, bands):
    found = compare([scattered(d, err) for d, err in populations], [absorbed(w, err_nm=err) for w, err in bands])
    assert len(found) >= max(1, len(bands))
    for one in found:
        assert one.why
        known = one.sigma is not None
        assert (one.agreement == "unknown") or known
        assert known == (one.difference_nm is not None) == (one.difference_err_nm is not None)
        if one.difference_nm is not None and one.difference_err_nm is not None:
            assert np.isfinite(one.difference_nm)
            assert one.difference_err_nm > 0
    common_ratio(found)
