"""Rate constants from made-up heights: recovered within their errors, or said to be open."""

from dataclasses import replace

import numpy as np
import pytest

from flowlab.analysis.kinetic_parameters import ParameterSet
from flowlab.analysis.kinetic_window import predict_window
from flowlab.analysis.kinetics import Heights, KineticFit, NoFit, Residuals, fit_kinetics
from flowlab.analysis.monomer import Chain, Conditions

FAMILY = "CdSe-437"
CHAIN = Chain((FAMILY,), (30.0, 61.0, 92.0))
PARAMETERS = ParameterSet(CHAIN, (280.0, 260.0))
#: Nucleation takes half at 280 °C; ln k; energies; uptake; ln of the family's factor.
TRUTH = np.array([0.0, 250.0, np.log(0.8), np.log(0.5), 90.0, 70.0, np.log(80.0), np.log(30.0)])
LIMIT = 0.005


def grid(nucleation_c, growth_c, residence_s) -> Conditions:
    return Conditions(*np.array(np.meshgrid(nucleation_c, growth_c, residence_s, indexing="ij")).reshape(3, -1))


SAMPLES = grid([260.0, 275.0, 290.0, 305.0], [240.0, 260.0, 280.0], [1.5, 4.5, 14.0])


def measured(conditions: Conditions = SAMPLES, seed: int = 0, noise: float = 1.0, truth=TRUTH) -> Heights:
    """Heights with a scatter of a tenth; what is below the limit is not found."""
    random = np.random.default_rng(seed)
    height = PARAMETERS.heights(truth, conditions)
    err = np.full(height.shape, 0.001)
    height = height * (1 + 0.1 * noise * random.standard_normal(height.shape))
    height += noise * err * random.standard_normal(height.shape)
    return Heights(np.where(height < LIMIT, 0, height), err, np.array([LIMIT]))


def fitted(conditions: Conditions, heights: Heights) -> KineticFit:
    fit = fit_kinetics(CHAIN, conditions, heights)
    assert isinstance(fit, KineticFit)
    return fit


def true_value(name: str) -> float:
    it = dict(zip(PARAMETERS.names, TRUTH, strict=True))
    if name.startswith("nucleation"):
        return 280.0
    return it[name] if name.startswith("E") else float(np.exp(it[name]))


@pytest.fixture(scope="module")
def fit() -> KineticFit:
    return fitted(SAMPLES, measured(noise=0.0))


def test_parameters_are_recovered_within_their_intervals_over_seeds():
    held, told = 0, 0
    for seed in range(4):
        found = fitted(SAMPLES, measured(seed=seed))
        assert 0.4 < found.misfit < 2.0
        assert found.probability > 1e-3
        for parameter in found.told:
            if parameter.interval is not None:
                told += 1
                held += parameter.interval[0] <= true_value(parameter.name) <= parameter.interval[1]
    assert told >= 24
    assert held / told >= 0.85  # of 95 % intervals


def test_heights_without_scatter_give_the_parameters_back(fit):
    assert fit.best == pytest.approx(TRUTH, rel=0.02, abs=0.02)
    assert fit.misfit < 0.01
    assert fit.typical_error < 0.005
    assert fit.heights(SAMPLES) == pytest.approx(PARAMETERS.heights(TRUTH, SAMPLES), rel=0.02)


def test_the_jacobian_is_that_of_the_residuals(fit):
    residuals: Residuals = fit.residuals
    at = TRUTH + 0.1
    step = 1e-5
    central = [(residuals(at + d) - residuals(at - d)) / (2 * step) for d in step * np.eye(len(at))]
    assert residuals.jacobian(at) == pytest.approx(np.array(central).T, rel=1e-4, abs=1e-4)


def test_one_growth_temperature_leaves_the_energies_open_and_says_so():
    samples = grid([260.0, 270.0, 280.0, 290.0, 305.0], [260.0], [1.5, 4.5, 14.0])
    told = {parameter.name: parameter for parameter in fitted(samples, measured(samples)).told}
    for name in ("E(nuclei → CdSe-437)", "E(CdSe-437 → crystals)"):
        assert told[name].value is None
        assert told[name].interval is None
        assert told[name].why
    assert told["k(nuclei → CdSe-437)"].value is not None


def test_what_was_sought_and_not_found_counts():
    samples = grid([290.0, 305.0, 320.0], [240.0, 260.0, 280.0], [4.5, 14.0])
    heights = measured(samples, noise=0.0)
    gone = samples.nucleation_c == 320.0
    assert np.all(heights.height[gone] > 0)
    without = replace(heights, height=np.where(gone[:, None], np.nan, heights.height))
    absent = replace(heights, height=np.where(gone[:, None], 0, heights.height))
    hot = Conditions(np.array([320.0]), np.array([260.0]), np.array([14.0]))
    assert fitted(samples, absent).heights(hot)[0, 0] < 0.5 * fitted(samples, without).heights(hot)[0, 0]


@pytest.mark.parametrize(
    ("samples", "spoil", "why"),
    [
        (SAMPLES, lambda height: 0 * height, "found in 0 samples"),
        (SAMPLES, lambda height: np.nan * height, "found in 0 samples"),
        (SAMPLES, lambda height: -height, "found in 0 samples"),
        (grid([275.0, 290.0], [260.0], [4.5, 7.0, 14.0]), lambda height: height, "too few for 8 parameters"),
        (grid([280.0], [240.0, 260.0, 280.0], [1.5, 4.5, 14.0]), lambda height: height, "one nucleation temperature"),
        (grid([np.nan], [260.0], [4.5, 14.0]), lambda height: np.abs(height), "found in 0 samples"),
        (grid([], [], []), lambda height: height, "found in 0 samples"),
    ],
)  # fmt: skip
def test_too_little_is_refused_with_a_reason(samples, spoil, why):
    known = len(samples) > 0 and bool(np.all(np.isfinite(samples.nucleation_c)))
    heights = measured(samples) if known else Heights(*np.ones((2, len(samples), 1)), np.array([LIMIT]))
    found = fit_kinetics(CHAIN, samples, replace(heights, height=spoil(heights.height)))
    assert isinstance(found, NoFit)
    assert why in found.why


def test_samples_that_say_nothing_change_nothing(fit):
    odd = [(np.nan, 260.0, 4.5), (280.0, np.inf, 4.5), (280.0, 260.0, -1.0), (280.0, 260.0, 0.0)]
    conditions = Conditions(
        *(np.concatenate([column, [*more, 280.0 if i < 2 else 4.5, 280.0 if i < 2 else 4.5]])
          for i, (column, more) in enumerate(zip(
              (SAMPLES.nucleation_c, SAMPLES.growth_c, SAMPLES.residence_s), zip(*odd, strict=True), strict=True)))
    )  # fmt: skip
    heights = measured(noise=0.0)
    spoilt = Heights(
        np.concatenate([heights.height, np.array([[0.1, 0.1, 0.1, 0.1, -0.2, np.inf]]).T]),
        np.concatenate([heights.height_err, np.full((6, 1), 0.001)]),
        heights.detectable,
    )
    assert fitted(conditions, spoilt).best == pytest.approx(fit.best, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "scatter"),
    [
        ({"height": np.ones((3, 1))}, 0.1),
        ({"detectable": np.array([0.0])}, 0.1),
        ({"detectable": np.array([np.nan])}, 0.1),
        ({}, 0.0),
    ],
)
def test_what_cannot_be_fitted_at_all_is_an_error(change, scatter):
    with pytest.raises(ValueError, match="shape|above 0"):
        fit_kinetics(CHAIN, SAMPLES, replace(measured(), **change), scatter)


def test_the_window_of_the_truth_is_predicted_with_its_uncertainty():
    samples = grid([250.0, 265.0, 280.0, 295.0, 310.0, 325.0], [240.0, 280.0], [4.5, 14.0])
    found = predict_window(fitted(samples, measured(samples, seed=3)), FAMILY, 14.0)
    assert found.low is not None
    assert found.low.at_c is not None
    assert found.low.interval_c is not None
    at = np.arange(230.0, 345.0, 0.25)
    truth = PARAMETERS.heights(TRUTH, Conditions(at, np.full(len(at), 280.0), np.full(len(at), 14.0)))[:, 0]
    edge = float(at[np.argmax(truth >= LIMIT)])
    width = found.low.interval_c[1] - found.low.interval_c[0]
    assert 0.1 < width < 10.0
    assert abs(found.low.at_c - edge) < 2 * width
    assert found.growth == "T_growth = 280 °C"
    assert found.no_window == 0.0


def test_an_edge_that_lies_too_far_is_not_told(fit):
    found = predict_window(fit, FAMILY, 14.0)
    assert found.high is not None
    assert found.high.at_c is None
    assert "beyond" in str(found.high.why)


def test_a_family_that_is_too_weak_has_no_window(fit):
    heights = fit.residuals.heights
    blind = replace(fit, residuals=replace(fit.residuals, heights=replace(heights, detectable=np.array([9.0]))))
    found = predict_window(blind, FAMILY, 14.0)
    assert (found.low, found.high) == (None, None)
    assert found.no_window == 1.0


@pytest.mark.parametrize(
    ("family", "residence_s"), [("CdSe-467", 14.0), (FAMILY, 0.0), (FAMILY, np.nan), (FAMILY, np.inf)]
)
def test_windows_of_nothing_are_refused(fit, family, residence_s):
    with pytest.raises(ValueError, match="the fit has|residence time"):
        predict_window(fit, family, residence_s)
