"""Frames as they are reduced to be looked at, beside a slow and obvious version."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as some

from flowlab.watch.scattering import reduced

DTYPES = ["<u1", "<u2", "<u4", "<u8", "<i1", "<i2", "<i4", "<i8", ">u2", ">i4"]


def reduced_slowly(frame):
    step = math.ceil(max(frame.shape) / 128)
    rows, columns = (math.ceil(size / step) for size in frame.shape)
    mean = np.full((rows, columns), np.nan)
    for i in range(rows):
        for j in range(columns):
            block = frame[i * step : (i + 1) * step, j * step : (j + 1) * step].ravel().tolist()
            seen = [count for count in block if 0 <= count < np.iinfo(frame.dtype).max]
            if seen:
                mean[i, j] = math.fsum(seen) / len(seen)
    most = max([1.0, *mean[~np.isnan(mean)]])
    return np.where(np.isnan(mean), 0, 1 + 254 * np.log1p(np.nan_to_num(mean)) / math.log1p(most)), most


frames = st.sampled_from(DTYPES).flatmap(
    lambda dtype: some.arrays(dtype, st.tuples(st.integers(1, 140), st.integers(1, 140)), fill=st.just(3))
)


@given(frames)
@example(np.zeros((1, 1000), np.int32))
@example(np.full((129, 3), 7, np.uint16))
@example(np.full((300, 257), -1, np.int32))
def test_it_is_what_the_slow_version_finds(frame):
    given_as = frame.copy()
    pixels, most = reduced(frame)
    expected, counts = reduced_slowly(frame)
    assert pixels.dtype == np.uint8
    assert pixels.shape == expected.shape
    assert max(pixels.shape) <= 128
    assert np.abs(pixels - expected).max() <= 0.501
    assert ((pixels == 0) == (expected == 0)).all()
    assert most == pytest.approx(counts, abs=0.5, rel=1e-9)
    assert (frame == given_as).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_masked_pixels_are_dark_and_count_for_nothing(dtype):
    frame = np.full((256, 256), 20, dtype)
    frame[:2, :2] = np.iinfo(dtype).max
    frame[2, 2] = np.iinfo(dtype).max
    if frame.dtype.kind == "i":
        frame[4:6, 4:6] = -2
    frame[100, 100] = 100
    pixels, most = reduced(frame)
    assert pixels.shape == (128, 128)
    assert pixels[0, 0] == 0
    assert pixels[1, 1] == pixels[60, 60] > 0
    assert (pixels[2, 2] == 0) == (frame.dtype.kind == "i")
    assert (pixels[50, 50], most) == (255, 40)


@pytest.mark.parametrize("value", [0, 2**31 - 1])
def test_a_frame_that_is_dark_or_masked_all_over(value):
    pixels, most = reduced(np.full((619, 487), value, np.int32))
    assert set(pixels.ravel().tolist()) == {1 if value == 0 else 0}
    assert most == 1


@pytest.mark.parametrize("shape", [(619, 487), (195, 487), (1, 1280), (2167, 2070), (128, 128), (129, 128)])
def test_no_part_of_a_detector_is_left_out(shape):
    for corner in ((0, 0), (-1, -1), (0, -1), (-1, 0)):
        frame = np.zeros(shape, np.uint32)
        frame[corner] = 1_000_000
        pixels, _ = reduced(frame)
        assert pixels[corner] == pixels.max() == 255
