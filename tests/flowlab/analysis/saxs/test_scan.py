from dataclasses import replace

import numpy as np
import pytest

from flowlab.analysis.saxs.correct import Quantity
from flowlab.analysis.saxs.recipe import Recipe, poni_of, recipe, seen_by
from flowlab.analysis.saxs.scan import Measured, SaxsScan, add_up
from flowlab.analysis.saxs.spheres import sphere
from flowlab.config import PoniSettings, SaxsSettings
from flowlab.errors import BadInputError
from tests.flowlab.analysis.saxs.frames import SMALL, counted

Q = np.linspace(0.2, 5.0, 400)
PIXELS = np.full(400, 500)
RECIPE = Recipe(Quantity(1.0, 0.0))
SOLVENT = 30.0 + 40.0 * np.exp(-Q)
SPHERES = 400.0 * sphere(Q, np.array([0.94]))[0][0] / 0.94**3


def frame(mean, seed, *, flux=1.0, passed=0.9, exposure_s=1.0, err=5e-4):
    """A frame of so many counts per pixel at flux 1 and exposure 1 s."""
    curve = counted(Q, mean * flux * exposure_s, PIXELS, seed)
    return Measured(curve, exposure_s, Quantity(flux, err * flux), Quantity(flux * passed, err * flux * passed))


def scan(**more):
    found = SaxsScan(replace(RECIPE, **more))
    for seed in range(4):
        found.take_open(frame(0 * Q, 10 + seed, passed=1.0))
        found.take_background(frame(SOLVENT, 20 + seed))
    return found


def test_frames_of_one_state_add_up_whatever_the_flux():
    frames = [
        frame(SOLVENT, seed, flux=flux, exposure_s=t) for seed, (flux, t) in enumerate([(1.0, 1), (0.5, 2), (0.8, 4)])
    ]
    added = add_up(frames)
    assert added.used == (0, 1, 2)
    total = added.total
    assert total.exposure_s == 7
    assert total.incident.value == pytest.approx((1.0 + 1.0 + 3.2) / 7)
    assert np.allclose(total.curve.intensity, sum(f.curve.intensity for f in frames))
    assert np.allclose(total.curve.err**2, sum(f.curve.err**2 for f in frames))
    rate = total.curve.intensity / (total.exposure_s * total.incident.value)
    assert np.mean(((rate - SOLVENT) / (total.curve.err / 5.2)) ** 2) == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize("odd", [0, 1, 2, 3])
def test_the_frame_that_differs_is_left_out(odd):
    frames = [frame(SOLVENT, seed) for seed in range(4)]
    frames[odd] = frame(SOLVENT + 3 * SPHERES / 100 + 2.0, 9)
    added = add_up(frames)
    assert added.used == tuple(i for i in range(4) if i != odd)
    assert added.why == f"frame {odd + 1}: differs from the others"


def test_frames_that_agree_are_never_left_out():
    assert all(add_up([frame(SOLVENT, 10 * run + i) for i in range(5)]).used == (0, 1, 2, 3, 4) for run in range(40))


def test_a_level_that_the_monitors_missed_by_a_per_cent_is_an_error_of_the_level():
    flux = [1.0, 1.012, 0.99]
    frames = [replace(frame(SOLVENT, i, flux=f), incident=Quantity(1.0, 5e-4)) for i, f in enumerate(flux)]
    added = add_up([replace(f, transmitted=Quantity(0.9, 4e-4)) for f in frames])
    assert added.used == (0, 1, 2)
    assert added.total.incident.relative_err == pytest.approx(np.std(flux) * 1.5 / np.sqrt(3), rel=0.2)


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([], "no frame was taken"),
        ([frame(SOLVENT, 1), frame(2 * SOLVENT, 2)], "2 frames of one state do not agree"),
        ([frame(SOLVENT, 1, flux=1e-9, err=1e6)], "no beam behind the sample"),
    ],
)
def test_where_nothing_can_be_believed_it_says_why(frames, words):
    added = add_up(frames)
    assert added.total is None
    assert words in added.why


def test_a_point_is_the_sample_without_its_solvent():
    point = scan().point([frame(SOLVENT + SPHERES, seed, flux=0.9) for seed in range(3)])
    curve = point.reduced.curve
    difference = (curve.intensity - SPHERES / 0.9) / curve.err
    assert np.mean(difference**2) == pytest.approx(1.0, abs=0.3)
    assert point.transmission.quantity.value == pytest.approx(0.9, abs=2e-3)
    assert point.mean_radius.radius_nm == pytest.approx(0.94, abs=5 * point.mean_radius.radius_err_nm)


def test_a_bragg_peak_does_not_spoil_the_radius():
    layers = 300 * np.exp(-0.5 * ((Q - 1.84) / 0.03) ** 2)
    plain, mixed = (
        scan().point([frame(SOLVENT + SPHERES + more, seed) for seed in range(3)]) for more in (0.0, layers)
    )
    assert len(mixed.peaks) == 1
    assert mixed.mean_radius.radius_nm == pytest.approx(plain.mean_radius.radius_nm, abs=5e-3)


def test_what_no_spheres_describe_has_no_radius():
    point = scan().point([frame(SOLVENT + 100 * Q**2, seed) for seed in range(3)])
    assert point.reduced.curve is not None
    assert point.mean_radius is None


@pytest.mark.parametrize(
    ("kept", "one", "words"),
    [
        (("take_background",), frame(SOLVENT, 1), "no frame of the open beam"),
        (("take_open",), frame(SOLVENT, 1), "no background was taken before it"),
        (
            ("take_open", "take_background"),
            replace(frame(SOLVENT, 1), incident=None),
            "before the sample is not measured",
        ),
        (("take_open", "take_background"), replace(frame(SOLVENT, 1), transmitted=None), "are not measured"),
        (("take_open", "take_background"), frame(SOLVENT, 1, passed=1.2), "above 1"),
    ],
)
def test_what_is_missing_is_named(kept, one, words):
    found = SaxsScan(RECIPE)
    for name in kept:
        getattr(found, name)(frame(0 * Q if name == "take_open" else SOLVENT, 5, passed=1.0 if "open" in name else 0.9))
    assert words in found.point([one]).reduced.why


SETTINGS = {
    "poni": {
        "detector": "Detector",
        "distance_m": 0.35,
        "poni1_m": 0.034,
        "poni2_m": 0.029,
        "wavelength_m": 1e-10,
        "settings": SMALL.settings,
    }
}


def test_the_recipe_takes_the_path_of_the_cell_where_no_thickness_is_given():
    settings = SaxsSettings.model_validate({**SETTINGS, "thickness_err_mm": 0.02, "scale": {"value": 3.0, "err": 0.1}})
    found = recipe(settings, 1.5)
    assert (found.thickness_mm, found.factor) == (Quantity(1.5, 0.02), Quantity(3.0, 0.1))
    assert recipe(settings.model_copy(update={"thickness_mm": 0.7}), 1.5).thickness_mm == Quantity(0.7, 0.02)
    with pytest.raises(ValueError, match="neither"):
        recipe(settings, None)


def test_beam_stop_and_rectangles_are_masked():
    more = {"beam_stop_mm": 3.0, "masked": [{"rows": [0, 50], "columns": [90, 100]}]}
    open_, masked = (seen_by(SaxsSettings.model_validate({**SETTINGS, **m})).masked for m in ({}, more))
    assert not open_.any()
    assert masked[:50, 90:100].all()
    assert masked[113, 96]  # where the beam is
    assert masked.sum() == pytest.approx(500 + np.pi * 10**2, rel=0.05)


@pytest.mark.parametrize("settings", [{"splineFile": "/etc/passwd"}, {"pixel1": "/etc/passwd"}])
def test_the_detector_takes_numbers_only(settings):
    with pytest.raises(BadInputError, match="poni: "):
        poni_of(PoniSettings.model_validate({**SETTINGS["poni"], "settings": settings}))
