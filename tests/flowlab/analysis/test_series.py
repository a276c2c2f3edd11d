"""What must not change the answer of a series of absorbance, does not."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flowlab.analysis.scan import Knowledge
from flowlab.analysis.series import SeriesAnalysis
from flowlab.analysis.verdict import KnownFamily
from tests.flowlab.storage.spectra.files import NM, growing

ROWS = growing(6, cluster=0.1)
KNOWLEDGE = Knowledge("CdSe", [KnownFamily("CdSe-437", 437.0, 3.0)], None, "CdSe-437")


def analysed(rows: np.ndarray) -> SeriesAnalysis:
    analysis = SeriesAnalysis(NM, KNOWLEDGE)
    for row in rows:
        analysis.absorbance(0.0, row)
    return analysis


def told(analysis: SeriesAnalysis) -> list[tuple[str, str | None, list[int]]]:
    verdicts = analysis.verdicts()
    return [(verdicts[t.id].kind, verdicts[t.id].family, [s.index for s in t.sightings]) for t in analysis.tracks]


def positions(analysis: SeriesAnalysis) -> np.ndarray:
    return np.array([s.feature.wavelength_nm for t in analysis.tracks for s in t.sightings])


def heights(analysis: SeriesAnalysis) -> np.ndarray:
    return np.array([s.feature.height for t in analysis.tracks for s in t.sightings])


PLAIN = analysed(ROWS)


def test_a_cluster_and_an_exciton_are_told_apart_from_absorbance_alone():
    assert ("msc", "CdSe-437", list(range(6))) in told(PLAIN)
    assert ("nc", None, list(range(6))) in told(PLAIN)


@given(factor=st.floats(0.01, 30.0), offset=st.floats(-2.0, 2.0))
@settings(max_examples=25)
def test_another_unit_of_absorbance_or_another_baseline_changes_heights_only(factor, offset):
    # Kept below what is taken for the spectrometer's ceiling, and above its rounding.
    other = analysed(factor * ROWS + offset)
    assert told(other) == told(PLAIN)
    assert np.allclose(positions(other), positions(PLAIN), atol=1e-3)
    assert np.allclose(heights(other), factor * heights(PLAIN), rtol=1e-3)


@example(holes=[114], spectrum=1)  # a band that takes many steps to settle
@given(holes=st.lists(st.integers(10, len(NM) - 10), max_size=3), spectrum=st.integers(0, 5))
@settings(max_examples=25)
def test_missing_pixels_move_no_band_by_more_than_its_error(holes, spectrum):
    rows = ROWS.copy()
    rows[spectrum, holes] = np.nan
    other = analysed(rows)
    assert [t[:2] for t in told(other)] == [t[:2] for t in told(PLAIN)]
    if positions(other).shape == positions(PLAIN).shape:
        assert np.allclose(positions(other), positions(PLAIN), atol=0.5)
