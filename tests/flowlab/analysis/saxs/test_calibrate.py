import re
from dataclasses import replace

import numpy as np
import pytest

from flowlab.analysis.saxs.calibrate import SILVER_BEHENATE_NM, calibrate
from flowlab.analysis.saxs.geometry import geometry
from flowlab.errors import BadInputError
from tests.flowlab.analysis.saxs.frames import SMALL, frame

SEEN = geometry(SMALL).without_beam_stop(3.0)


def rings(spacing_nm=SILVER_BEHENATE_NM, level=300.0, count=5):
    q = SEEN.q_per_nm
    mean = level * (0.3 * np.exp(-q / 2) + 0.02)
    for n in range(1, count + 1):
        mean = mean + level / n * np.exp(-0.5 * ((q - 2 * np.pi * n / spacing_nm) / 0.025) ** 2)
    return mean


def test_the_place_is_found_within_its_errors_from_a_guess_that_is_far_off():
    guess = replace(SMALL, distance_m=0.31, poni1_m=0.0365, poni2_m=0.0275)
    found = calibrate(frame(SEEN, rings()), guess, SEEN.masked)
    assert found.poni is not None, found.why
    assert found.rings == (1, 2, 3, 4, 5)
    for value, truth, err in [
        (found.poni.distance_m, SMALL.distance_m, found.distance_err_m),
        (found.poni.poni1_m, SMALL.poni1_m, found.poni1_err_m),
        (found.poni.poni2_m, SMALL.poni2_m, found.poni2_err_m),
    ]:
        assert abs(value - truth) < 4 * err + 2e-6  # 2 µm: a hundredth of a pixel
    assert found.q_relative_err < 1e-4
    assert found.residual_per_nm < 2e-3
    assert (found.poni.rot1_rad, found.poni.wavelength_m) == (0.0, SMALL.wavelength_m)


def test_tilt_is_refined_where_it_is_asked_for():
    truth = replace(SMALL, rot1_rad=0.05, rot2_rad=-0.04)
    seen = geometry(truth).without_beam_stop(3.0)
    q = seen.q_per_nm
    mean = 100 + sum(2000 * np.exp(-0.5 * ((q - 2 * np.pi * n / SILVER_BEHENATE_NM) / 0.025) ** 2) for n in range(1, 8))
    found = calibrate(frame(seen, mean), replace(truth, rot1_rad=0.045, rot2_rad=-0.035), seen.masked, tilt=True)
    assert found.poni is not None, found.why
    assert (found.poni.rot1_rad, found.poni.rot2_rad) == pytest.approx((0.05, -0.04), abs=3e-3)


@pytest.mark.parametrize(
    ("mean", "words"),
    [
        (rings(count=0), "no ring"),
        (rings(level=0.002), "no ring|too few"),
        (rings(count=1), "1 rings|not equally spaced"),
        (rings(spacing_nm=3.41), "only every 2. ring"),
    ],
)
def test_a_frame_that_does_not_tell_is_refused(mean, words):
    found = calibrate(frame(SEEN, mean), SMALL, SEEN.masked)
    assert found.poni is None
    assert re.search(words, found.why)


def test_a_frame_of_another_detector_is_refused():
    with pytest.raises(BadInputError, match="integers, not"):
        calibrate(np.zeros((5, 5), dtype=np.int32), SMALL)
    with pytest.raises(BadInputError, match="layers"):
        calibrate(frame(SEEN, rings()), SMALL, spacing_nm=0.0)
