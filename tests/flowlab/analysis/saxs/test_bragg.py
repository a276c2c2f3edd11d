import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from flowlab.analysis.saxs.bragg import BraggPeak, find_peaks, local_snr
from flowlab.analysis.saxs.curve import Curve
from flowlab.analysis.saxs.mesophase import lamellae, melting
from tests.flowlab.analysis.saxs.frames import counted

Q = np.linspace(0.1, 5.0, 1000)
PIXELS = np.maximum(1, Q * 600).astype(int)
D_NM = 3.41


def background(q):
    """What Palencia's precursor shows besides: decay from the beam stop, a broad maximum, a plateau."""
    return 0.5 + 0.004 * q**-4 + 30 * np.exp(-0.5 * ((q - 0.25) / 0.07) ** 2) + 3 * np.exp(-0.3 * q * q)


def precursor(heights=(1.0, 0.3), seed=0, counts=20.0, sigma=0.03, d_nm=D_NM) -> Curve:
    mean = background(Q)
    for n, height in enumerate(heights, 1):
        mean = mean + height * np.exp(-0.5 * ((Q - 2 * np.pi * n / d_nm) / sigma) ** 2)
    return counted(Q, counts * mean, PIXELS, seed).scaled(1 / counts)


@pytest.mark.parametrize("counts", [1.0, 20.0, 1000.0, 1e5])
def test_no_peak_is_found_on_the_background_alone_however_long_it_was_counted(counts):
    assert not any(find_peaks(precursor((), seed, counts)) for seed in range(8))


def test_the_peaks_of_the_precursor_are_found_and_their_errors_are_their_scatter():
    found = [find_peaks(precursor(seed=seed)) for seed in range(40)]
    assert all(len(peaks) == 2 for peaks in found)
    for n, height in ((1, 1.0), (2, 0.3)):
        peaks = [each[n - 1] for each in found]
        off = np.array([peak.q_per_nm - 2 * np.pi * n / D_NM for peak in peaks])
        assert np.std(off) == pytest.approx(np.mean([peak.q_err_per_nm for peak in peaks]), rel=0.35)
        assert abs(off.mean()) < 4 * np.std(off) / np.sqrt(40)
        heights = np.array([peak.height for peak in peaks])
        assert heights.mean() == pytest.approx(height, rel=0.02)
        assert heights.std() == pytest.approx(np.mean([peak.height_err for peak in peaks]), rel=0.35)
        assert np.mean([peak.fwhm_per_nm for peak in peaks]) == pytest.approx(2.355 * 0.03, rel=0.03)


def test_the_height_over_its_error_is_that_of_a_plain_fit_in_each_window():
    curve = precursor(counts=5.0)
    holed = Curve(Q, np.where(np.abs(Q - 2.5) < 0.02, np.nan, curve.intensity), curve.err, curve.pixels)
    sigma = 0.03
    fast = local_snr(holed, sigma)
    half = round(4 * sigma / (Q[1] - Q[0]))
    for i in (300, 355, 480, 490, 731):
        near = [j for j in range(i - half, i + half + 1) if holed.usable[j]]
        x = (Q[near] - Q[i]) / sigma
        columns = np.stack([np.ones_like(x), x, x * x, np.exp(-0.5 * x * x)], axis=1) / holed.err[near, None]
        y = holed.intensity[near] / holed.err[near]
        solved, _, _, _ = np.linalg.lstsq(columns, y, rcond=None)
        chi2 = float(np.sum((y - columns @ solved) ** 2)) / (len(near) - 4)
        err = np.sqrt(np.linalg.inv(columns.T @ columns)[3, 3] * max(chi2, 1.0))
        assert fast[i] == pytest.approx(solved[3] / err, rel=1e-5, abs=1e-6)


def test_a_gap_in_the_curve_makes_no_peak():
    curve = precursor(())
    gap = (Q > 1.7) & (Q < 1.95)
    holed = Curve(
        Q, np.where(gap, np.nan, curve.intensity), np.where(gap, np.nan, curve.err), np.where(gap, 0, curve.pixels)
    )
    assert find_peaks(holed) == []
    assert find_peaks(Curve(Q, np.full(1000, np.nan), np.full(1000, np.nan), PIXELS)) == []


@given(st.floats(0.01, 100.0))
@settings(max_examples=10, deadline=None)
def test_scaling_changes_no_position(scale):
    plain, scaled = find_peaks(precursor()), find_peaks(precursor().scaled(scale))
    assert [p.q_per_nm for p in scaled] == pytest.approx([p.q_per_nm for p in plain], rel=1e-6)
    assert [p.height for p in scaled] == pytest.approx([p.height * scale for p in plain], rel=1e-4)


@given(
    arrays(float, 200, elements=st.floats(-1e6, 1e6) | st.sampled_from([0.0, np.nan, 1e12])),
    arrays(float, 200, elements=st.floats(1e-3, 1e3)),
)
@settings(max_examples=30, deadline=None)
def test_any_curve_has_peaks_or_none(intensity, err):
    q = np.linspace(0.1, 5.0, 200)
    for found in find_peaks(Curve(q, intensity, err, np.ones(200, dtype=int))):
        assert q[0] < found.q_per_nm < q[-1]
        assert found.height > 0
        assert np.isfinite([found.q_err_per_nm, found.height_err, found.fwhm_per_nm]).all()


def peak(q: float, err: float = 1e-3) -> BraggPeak:
    return BraggPeak(q, err, 0.07, 1.0, 0.01, 100.0)


def test_the_order_of_the_precursor_is_lamellar_with_its_spacing():
    found = lamellae(find_peaks(precursor()))
    assert found.kind == "lamellar"
    assert found.orders == (1, 2)
    assert found.d_nm == pytest.approx(D_NM, abs=3 * (found.d_err_nm or 0))
    assert found.d_err_nm is not None
    assert found.d_err_nm < 0.01


def test_the_printed_positions_are_lamellar():
    found = lamellae([peak(1.84, 5e-3), peak(3.69, 5e-3)])  # printed to 0.01
    assert found.kind == "lamellar"
    assert found.d_nm == pytest.approx(3.41, abs=0.01)


@pytest.mark.parametrize(
    ("peaks", "kind", "words"),
    [
        ([], "none", "no Bragg peak"),
        ([peak(1.84)], "unknown", "one peak"),
        ([peak(1.84), peak(1.84 * 3**0.5)], "unknown", "not whole multiples"),  # hexagonal
        ([peak(1.84), peak(1.84 * 2**0.5), peak(3.68)], "unknown", "not whole multiples"),  # a stranger beside
        ([peak(1.84), peak(5.52)], "unknown", "not whole multiples"),  # the second order is missing
        ([peak(1.84), peak(3.75)], "unknown", "not whole multiples"),
        ([peak(1.84), peak(3.68), peak(5.52)], "lamellar", "orders 1, 2, 3"),
    ],
)
def test_what_peaks_tell_and_what_they_do_not(peaks, kind, words):
    found = lamellae(peaks)
    assert found.kind == kind
    assert words in found.why
    assert (found.d_nm is None) == (kind != "lamellar")


def test_melting_is_followed_as_in_the_paper():
    series = [(25.0, precursor((1.0, 0.3), 1)), (50.0, precursor((0.4, 0.1), 2)), (100.0, precursor((), 3))]
    found = melting(series)
    assert [(m.temperature_c, m.state) for m in found] == [(25.0, "present"), (50.0, "weaker"), (100.0, "gone")]
    for entry, truth in zip(found, (1.0, 0.4, 0.0), strict=True):
        assert entry.height is not None
        assert entry.height_err is not None
        assert abs(entry.height - truth) < 4 * entry.height_err


def test_a_peak_that_moves_as_it_warms_is_still_followed():
    found = melting([(25.0, precursor()), (50.0, precursor((0.4, 0.1), 2, d_nm=3.45))])
    assert found[1].state == "weaker"
    assert found[1].height == pytest.approx(0.4, abs=0.05)


def test_noise_that_could_hide_the_peak_is_not_called_melting():
    found = melting([(25.0, precursor((1.0, 0.3), 1, 1.0)), (100.0, precursor((), 3, 0.05))])
    assert found[1].state == "unknown"
    assert "hide" in found[1].why


def test_a_series_without_any_peak_says_so():
    found = melting([(25.0, precursor((), 1)), (50.0, precursor((), 2))])
    assert {m.state for m in found} == {"unknown"}
    assert "no curve" in found[0].why
