import numpy as np
import pytest

from flowlab.analysis.areas import band_area, family_areas
from flowlab.analysis.axis import Axis
from flowlab.analysis.features import find_features
from flowlab.analysis.tracks import Tracker
from flowlab.analysis.verdict import KnownFamily, judge_panel
from tests.flowlab.analysis.spectra import WAVELENGTH, band, crystal, spectrum

AXIS = Axis(WAVELENGTH)
FAMILIES = [KnownFamily("CdSe-403", 403.0, 3.0), KnownFamily("CdSe-437", 437.0, 3.0)]


def true_area(height: float, fwhm_ev: float) -> float:
    energy = np.linspace(-1.0, 1.0, 20_001)
    return float(np.trapezoid(height * np.exp(-4 * np.log(2) * (energy / fwhm_ev) ** 2), energy))


@pytest.mark.parametrize("noise", [3e-4, 1e-3, 3e-3])
@pytest.mark.parametrize("exciton_nm", [470.0, 490.0, 510.0, 540.0, 570.0])
@pytest.mark.parametrize(("height", "fwhm_ev"), [(0.10, 0.117), (0.06, 0.10), (0.20, 0.12)])
def test_areas_of_clusters_beside_crystals_are_as_sure_as_they_say(height, fwhm_ev, exciton_nm, noise):
    value, truth = crystal(exciton_nm) + band(437.0, height, fwhm_ev), true_area(height, fwhm_ev)
    share, relative = [], []
    for seed in range(12):
        features = find_features(spectrum(value, noise, seed), AXIS)
        found = band_area(min(features, key=lambda feature: abs(feature.wavelength_nm - 437.0)), features)
        share.append(abs(found.value_ev - truth) / found.err_ev)
        relative.append(found.err_ev / found.value_ev)
    # A neighbour's share is the same in all of these: it does not average out.
    assert sum(s < 2 for s in share) >= 11
    if exciton_nm > 530.0:
        assert np.median(relative) < 0.1 + noise / height, "and it is not covered by being large"


def test_areas_are_told_of_families_only_by_family_and_spectrum():
    tracker = Tracker()
    for i in range(6):
        value = crystal(540.0 - 6 * i) + band(437.0, 0.1 + 0.02 * i, 0.117) + band(403.0, 0.06, 0.11)
        tracker.follow(i, find_features(spectrum(value, 5e-4, i), AXIS))
    found = family_areas(tracker.tracks, judge_panel(tracker.tracks, FAMILIES))
    rows = [(one.family, one.panel, one.index) for one in found]
    assert rows == sorted(rows)
    of_437 = [one for one in found if one.family == "CdSe-437"]
    assert [one.index for one in of_437] == list(range(6))
    areas = np.array([one.area.value_ev for one in of_437])
    expected = np.array([true_area(0.1 + 0.02 * i, 0.117) for i in range(6)])
    assert areas == pytest.approx(expected, rel=0.1)
    assert family_areas([], {}) == []
