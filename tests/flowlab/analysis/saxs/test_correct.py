import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlab.analysis.saxs.correct import Quantity, Shot, Transmission, reduced, transmission
from flowlab.analysis.saxs.curve import Curve
from flowlab.analysis.saxs.standards import WATER_PER_CM, carbon_per_cm, from_carbon, from_water
from tests.flowlab.analysis.saxs.frames import counted

Q = np.linspace(0.1, 3.0, 60)
PIXELS = np.full(60, 400)
THICK = Quantity(1.5, 0.01)
SIGNAL, CELL, DARK = 0.9 * np.exp(-Q), 0.6 / (1 + Q), 0.05


def exact(value: float) -> Quantity:
    return Quantity(value, 0.0)


def shot(seed, signal, passed=0.6, seconds=10.0, flux=2.0, dark=0.0):
    mean = (signal + CELL) * passed * flux * seconds + dark * seconds
    return Shot(counted(Q, mean, PIXELS, seed), seconds, exact(flux), Transmission(exact(passed), "given"))


def test_transmission_is_the_ratio_of_ratios_with_all_four_errors():
    found = transmission(Quantity(2.0, 0.02), Quantity(0.9, 0.009), Quantity(1.0, 0.01), Quantity(0.75, 0.0075))
    assert found.quantity is not None
    assert found.quantity.value == pytest.approx(0.6)
    assert found.quantity.relative_err == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("readings", "words"),
    [
        ((exact(1), exact(0.9), exact(1), exact(0.5)), "above 1"),
        ((exact(0), exact(0.9), exact(1), exact(0.5)), "no beam"),
        ((exact(1), Quantity(0.01, 0.01), exact(1), exact(0.5)), "transmitted beam.*no beam"),
        ((exact(1), exact(0.1), exact(float("nan")), exact(0.5)), "open"),
        ((exact(1), exact(0.1), exact(1), exact(-0.5)), "transmitted beam, open"),
    ],
)
def test_a_transmission_that_cannot_be_is_refused(readings, words):
    found = transmission(*readings)
    assert found.quantity is None
    assert re.search(words, found.why)


def test_an_open_beam_within_its_noise_of_one_is_a_transmission():
    found = transmission(Quantity(1.0, 0.01), Quantity(1.01, 0.01), exact(1.0), exact(1.0))
    assert found.quantity is not None
    assert found.quantity.value == pytest.approx(1.01)


def _many(make):
    return np.array([make(seed) for seed in range(300)])


def test_the_sample_comes_out_as_it_went_in_and_its_error_is_its_scatter():
    dark = [(counted(Q, np.full(60, DARK * 50.0), PIXELS, 10_000 + seed), 50.0) for seed in range(300)]

    def one(seed):
        sample = shot(2 * seed, SIGNAL, 0.5, 10.0, 2.0, DARK)
        background = shot(2 * seed + 1, 0.0, 0.7, 20.0, 1.0, DARK)
        found = reduced(sample, background, THICK, dark[seed], exact(3.0))
        assert found.curve is not None
        return found.curve.intensity, found.curve.err

    values, errors = np.moveaxis(_many(one), 1, 0)
    assert np.allclose(values.mean(axis=0), SIGNAL * 3.0 / 1.5, atol=4 * errors.mean() / np.sqrt(300))
    assert np.median(values.std(axis=0) / errors.mean(axis=0)) == pytest.approx(1.0, abs=0.05)


def test_errors_that_all_bins_share_are_kept_apart():
    sample = replace(shot(0, SIGNAL), transmission=Transmission(Quantity(0.6, 0.006), "given"))
    found = reduced(sample, shot(1, 0.0), THICK, factor=Quantity(3.0, 0.06))
    plain = reduced(shot(0, SIGNAL), shot(1, 0.0), exact(1.5), factor=exact(3.0))
    assert found.curve is not None
    assert plain.curve is not None
    assert np.allclose(found.curve.err, plain.curve.err)
    assert plain.shared_err is not None
    assert (plain.shared_err == 0).all()
    assert found.shared_err is not None
    # 1 % of what the sample's curve was before the background went
    assert np.median(found.shared_err / (0.01 * (SIGNAL + CELL) * 3.0 / 1.5)) == pytest.approx(1.0, abs=0.02)
    assert found.scale_relative_err == pytest.approx(np.hypot(0.02, 0.01 / 1.5))
    assert found.unit == "cm⁻¹"
    assert reduced(sample, shot(1, 0.0), THICK).unit == "a.u./mm"


@given(st.floats(0.1, 50.0), st.floats(0.01, 1.0), st.floats(0.1, 100.0))
def test_exposure_flux_and_transmission_do_not_change_the_result(seconds, passed, flux):
    def ideal(signal, t, p, f):
        mean = (signal + CELL) * p * f * t
        curve = Curve(Q, mean, np.sqrt(mean), PIXELS)
        return Shot(curve, t, exact(f), Transmission(exact(p), "given"))

    found = reduced(ideal(SIGNAL, seconds, passed, flux), ideal(0.0, 1.0, 0.9, 1.0), exact(2.0))
    assert found.curve is not None
    assert found.curve.intensity == pytest.approx(SIGNAL / 2.0)


def test_a_bin_that_is_empty_in_either_curve_is_empty_in_the_result():
    sample, background = shot(0, SIGNAL), shot(1, 0.0)
    hole = background.curve.intensity.copy()
    hole[7] = np.nan
    found = reduced(sample, replace(background, curve=replace(background.curve, intensity=hole)), THICK)
    assert found.curve is not None
    assert np.isnan(found.curve.intensity[7])
    assert not found.curve.usable[7]
    assert found.curve.usable.sum() == 59


GOOD = shot(0, SIGNAL)
OTHER_Q = replace(GOOD, curve=replace(GOOD.curve, q_per_nm=Q + 0.1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sample": replace(GOOD, exposure_s=0.0)}, "sample: an exposure"),
        ({"sample": replace(GOOD, incident=Quantity(0.001, 0.01))}, "no beam"),
        ({"background": replace(GOOD, transmission=Transmission(None, "not measured"))}, "background: not measured"),
        ({"sample": replace(GOOD, transmission=Transmission(exact(1.2), ""))}, "not above 0 and at most 1"),
        ({"sample": replace(GOOD, transmission=Transmission(exact(-0.2), ""))}, "not above 0 and at most 1"),
        ({"background": OTHER_Q}, "same q"),
        ({"dark": (OTHER_Q.curve, 1.0)}, "dark and sample"),
        ({"dark": (GOOD.curve, -1.0)}, "dark: an exposure"),
        ({"dark": (GOOD.curve, GOOD.exposure_s)}, "dark: it is as bright as the background: was the shutter closed?"),
        ({"thickness_mm": exact(0.0)}, "thickness"),
        ({"factor": exact(float("nan"))}, "scale factor"),
        ({"background_share": 1.5}, "share of 1.5"),
    ],
)
def test_what_cannot_be_reduced_says_why(change, words):
    found = reduced(**{"sample": GOOD, "background": shot(1, 0.0), "thickness_mm": THICK, **change})
    assert found.curve is None
    assert words in found.why


def test_the_level_of_water_is_that_of_its_compressibility():
    # dΣ/dΩ(0) = (ρ_e·r_e)²·kT·χ_T: 10 electrons a molecule, 998.2 kg/m³, χ_T 4.59e-10 /Pa at 20 °C
    electrons_per_cm3 = 10 * 0.9982 / 18.015 * 6.02214e23
    expected = (electrons_per_cm3 * 2.81794e-13) ** 2 * 1.380649e-23 * 293.15 * 4.59e-10 * 1e6
    assert pytest.approx(expected, rel=0.01) == WATER_PER_CM.value


def _standard(level, seed=0, counts=50.0):
    q = np.linspace(0.05, 3.0, 300)
    mean = counts * level(q)
    return counted(q, np.nan_to_num(mean, nan=1e-3), np.full(300, 300), seed)


def test_water_and_glassy_carbon_give_the_factor_that_went_in():
    water = from_water(_standard(lambda q: 0.01632 + 0 * q))
    carbon = from_carbon(_standard(carbon_per_cm))
    for found in (water, carbon):
        assert found.quantity is not None
        assert found.quantity.value == pytest.approx(1 / 50.0, abs=4 * found.quantity.err)
        assert found.quantity.relative_err < 0.03
    assert carbon.quantity is not None
    assert carbon.quantity.relative_err > 0.025  # the certificate's own


def test_carbon_is_what_the_certificate_says():
    found = carbon_per_cm(np.array([0.0827568, 1.09655, 2.4740200, 0.05, 2.6]))
    assert found[:3] == pytest.approx([34.93338, 22.472101, 4.463604])
    assert np.isnan(found[3:]).all()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (from_water(_standard(lambda q: 0.01632 * (1 + 0.3 * q))), "changes by"),
        (from_water(_standard(lambda q: 0 * q + 1e-9, counts=0.0)), "does not stand out"),
        (from_water(_standard(lambda q: 0.01632 + 0 * q, counts=0.1)), "noisy|stand out"),
        (from_water(_standard(lambda q: 0.01632 + 0 * q).between(0.0, 0.5)), "only 0 usable bins"),
        (from_carbon(_standard(lambda q: 30 * np.exp(-q))), "changes by"),
        (from_carbon(_standard(carbon_per_cm).between(2.6, 3.0)), "0 bins lie there"),
    ],
)
def test_a_standard_that_is_none_gives_no_factor(found, words):
    assert found.quantity is None
    assert re.search(words, found.why)
