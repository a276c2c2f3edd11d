import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowlab.analysis.saxs.curve import Curve, joined
from flowlab.analysis.saxs.geometry import geometry
from flowlab.analysis.saxs.integrate import Integrator
from flowlab.analysis.saxs.poni import Poni, integrator
from flowlab.errors import BadInputError
from tests.flowlab.analysis.saxs.frames import SMALL, TILTED, counted, frame

SEEN = geometry(TILTED).without_beam_stop(3.0)
MEAN = 40 * np.exp(-SEEN.q_per_nm) + 2


def _slowly(counts, seen, bins, low, high, bad):
    """I, σ and pixels of each bin by a loop over the pixels."""
    total, weight, pixels = np.zeros(bins), np.zeros(bins), np.zeros(bins, dtype=int)
    for at in np.ndindex(counts.shape):
        q = seen.q_per_nm[at]
        if seen.masked[at] or bad[at] or not low <= q < high:
            continue
        i = min(int((q - low) / ((high - low) / bins)), bins - 1)
        total[i] += int(counts[at])
        weight[i] += seen.solid_angle[at] * float(seen.polarization[at])
        pixels[i] += 1
    weight[pixels == 0] = np.nan
    return total / weight, np.sqrt(np.maximum(total, 1)) / weight, pixels


def test_i_of_q_is_the_mean_of_the_pixels_of_each_bin():
    counts = frame(SEEN, MEAN)
    counts[100, 20:60] = -2  # dead in this frame only
    counts[150, 90] = 5000  # saturated
    found = Integrator(SEEN, 64, (0.2, 4.0), saturated_at=4000).curve(counts)
    value, err, pixels = _slowly(counts, SEEN, 64, 0.2, 4.0, (counts < 0) | (counts >= 4000))
    assert np.array_equal(found.pixels, pixels)
    assert np.allclose(found.intensity, value, rtol=1e-12, equal_nan=True)
    assert np.allclose(found.err, err, rtol=1e-12, equal_nan=True)


@pytest.mark.parametrize("dead", [0, 300])
def test_a_frame_of_a_million_pixels_gives_what_pyfai_gives(dead):
    poni = Poni("Eiger2_1M", 0.5, 0.04, 0.038, 0.01, -0.02, 0.3, 1e-10)
    seen = geometry(poni, polarization=0.98).without_beam_stop(2.0)
    random = np.random.default_rng(1)
    # at least one count in each pixel: below, pyFAI's variance of a pixel is one
    counts = (1 + random.poisson(20 * np.exp(-seen.q_per_nm) + 1)).astype(np.uint32)
    counts[seen.masked] = 2**32 - 1
    counts.ravel()[random.integers(0, counts.size, dead)] = 2**32 - 1
    ours = Integrator(seen, 1000).curve(counts)
    theirs = integrator(poni).integrate1d_ng(
        counts,
        1000,
        unit="q_nm^-1",
        polarization_factor=0.98,
        error_model="poisson",
        method=("no", "csr", "cython"),
        mask=seen.masked,
        dummy=float(2**32 - 1),
        delta_dummy=300.0,
    )
    assert np.array_equal(ours.pixels, theirs.count.astype(int))
    assert np.allclose(ours.q_per_nm, theirs.radial, rtol=1e-12)
    assert np.allclose(ours.intensity, theirs.intensity, rtol=1e-6)
    assert np.allclose(ours.err, theirs.sigma, rtol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "marks"),
    [("u4", [2**32 - 1]), ("u2", [65535]), ("i4", [-1, -2, -(2**31)]), ("u8", [2**64 - 1]), (">u4", [2**32 - 1])],
)
def test_marks_of_every_kind_of_frame_are_left_out_without_a_trace(dtype, marks):
    through = Integrator(SEEN, 50)
    clean = frame(SEEN, MEAN)
    clean[SEEN.masked] = 0
    marked = clean.astype(dtype)
    where = np.random.default_rng(0).choice(clean.size, 500, replace=False)
    marked.ravel()[where] = np.resize(np.array(marks, dtype=dtype), 500)
    hidden = np.zeros(clean.size, dtype=bool)
    hidden[where] = True
    low, high = through.q_per_nm[0], through.q_per_nm[-1]
    step = (high - low) / 49
    low, high = low - step / 2, high + step / 2
    value, err, pixels = _slowly(clean, SEEN, 50, low, high, hidden.reshape(clean.shape))
    found = through.curve(marked)
    assert np.abs(found.pixels - pixels).sum() <= 2  # a pixel on an edge of the range
    inner = found.pixels == pixels
    assert np.allclose(found.intensity[inner], value[inner], equal_nan=True)
    assert np.allclose(found.err[inner], err[inner], equal_nan=True)


def test_a_frame_leaves_nothing_behind_for_the_next():
    through = Integrator(SEEN, 50)
    counts = frame(SEEN, MEAN)
    before = through.curve(counts)
    through.curve(np.full_like(counts, -1))
    after = through.curve(counts)
    assert np.array_equal(before.intensity, after.intensity, equal_nan=True)
    assert np.array_equal(before.pixels, after.pixels)


def test_empty_bins_are_nan_and_never_zero_but_bins_without_counts_are_zero():
    through = Integrator(SEEN, 50, (0.2, 30.0))
    found = through.curve(np.zeros(SEEN.shape, dtype=np.uint32))
    outside = found.q_per_nm > SEEN.q_per_nm.max() + 1
    assert np.isnan(found.intensity[outside]).all()
    assert np.isnan(found.err[outside]).all()
    assert (found.pixels[outside] == 0).all()
    inside = found.pixels > 0
    assert (found.intensity[inside] == 0).all()
    assert (found.err[inside] > 0).all()
    nothing = through.curve(np.full(SEEN.shape, 2**32 - 1, dtype=np.uint32))
    assert np.isnan(nothing.intensity).all()
    assert (nothing.pixels == 0).all()


@given(st.integers(0, 2**31), st.integers(0, 2**32 - 2))
@settings(max_examples=20, deadline=None)
def test_sums_are_exact_however_bright_the_frame_is(seed, brightest):
    counts = np.random.default_rng(seed).integers(0, brightest, SEEN.shape, dtype=np.uint32, endpoint=True)
    through = Integrator(SEEN, 3)
    found = through.curve(counts)
    total = found.intensity * (through.curve(np.ones_like(counts)).intensity ** -1) * found.pixels
    bins = np.searchsorted(through.q_per_nm + np.diff(through.q_per_nm)[0] / 2, SEEN.q_per_nm, side="right").ravel()
    exact = [int(counts.ravel()[(bins == i) & ~SEEN.masked.ravel()].astype(object).sum()) for i in range(3)]
    assert total == pytest.approx(np.array(exact, dtype=float), rel=1e-9)


def test_the_error_is_the_scatter_even_where_less_than_a_count_falls_into_a_pixel():
    seen = geometry(SMALL)
    through = Integrator(seen, 40)
    found = [through.curve(frame(seen, 0.05 * np.ones(seen.shape), seed)) for seed in range(200)]
    many = found[0].pixels > 300
    scatter = np.std([curve.intensity for curve in found], axis=0)[many]
    expected = np.sqrt(np.mean([curve.err**2 for curve in found], axis=0))[many]
    assert np.median(scatter / expected) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Integrator(SEEN, 0), "at least one bin"),
        (lambda: Integrator(SEEN, 10, (3.0, 1.0)), "is no range"),
        (lambda: Integrator(SEEN, 10, (50.0, 60.0)), "no unmasked pixel"),
        (lambda: Integrator(SEEN, 10, saturated_at=0), "positive number of counts"),
        (lambda: Integrator(SEEN.without(np.ones(SEEN.shape, dtype=bool)), 10), "every pixel"),
        (lambda: Integrator(SEEN, 10).curve(np.zeros((3, 3), dtype=np.uint32)), "integers, not"),
        (lambda: Integrator(SEEN, 10).curve(np.zeros(SEEN.shape)), "float64"),
    ],
)
def test_what_cannot_be_integrated_is_refused(make, words):
    with pytest.raises(BadInputError, match=words):
        make()


def test_joined_bins_are_weighted_by_pixels_and_keep_their_counts():
    q = np.linspace(0.1, 5, 1000)
    pixels = 20 * (np.arange(1000) % 50 + 1)
    curve = counted(q, np.full(1000, 0.4), pixels)
    edges = np.linspace(0.0, 6.0, 13)
    wide = joined(curve, edges)
    counts = curve.intensity * pixels
    for i in range(12):
        inside = (q >= edges[i]) & (q < edges[i + 1])
        if inside.any():
            assert wide.intensity[i] == pytest.approx(counts[inside].sum() / pixels[inside].sum())
            assert wide.q_per_nm[i] == pytest.approx(np.average(q[inside], weights=pixels[inside]))
    assert np.isnan(wide.intensity[-1])
    assert wide.pixels.sum() == pixels.sum()
    # no bias: weights of counted errors would favour low counts
    assert wide.intensity[:10] == pytest.approx(0.4, abs=0.01)


def test_joined_leaves_out_what_is_not_usable():
    curve = Curve(np.array([1.0, 2.0]), np.array([np.nan, 5.0]), np.array([np.nan, 1.0]), np.array([0, 4]))
    assert joined(curve, np.array([0.5, 2.5])).intensity.tolist() == [5.0]
