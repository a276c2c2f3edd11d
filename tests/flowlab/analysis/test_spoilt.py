"""Bubbles, lamps and spikes: what shows no sample is marked with its reason, and what only looks odd is not."""

import numpy as np
import pytest

from flowlab.analysis.absorbance import Counts
from flowlab.analysis.scan import Knowledge, ScanAnalysis, SpectrumResult
from flowlab.analysis.series import SeriesAnalysis
from flowlab.analysis.spoilt import without_spikes
from flowlab.analysis.verdict import KnownFamily
from tests.flowlab.analysis.spectra import DARK, WAVELENGTH, band, crystal, spectrum

KNOWLEDGE = Knowledge("CdSe", [KnownFamily("CdSe-437", 437.0, 3.0)], None, "CdSe-437")
CLEAR = 0.0 * WAVELENGTH
SCANS, LIGHT, ELECTRONS = 8, 20_000.0, 2.5
#: A lamp is brightest in the middle; where it gives little, noise is high.
LAMP = LIGHT * (0.08 + 0.92 * np.exp(-(((WAVELENGTH - 540.0) / 110.0) ** 2)))


def exposed(absorbance: np.ndarray, seed: int, passed=1.0, light: float = 1.0, dark: float = 1500.0) -> Counts:
    """Mean and standard error of scans, as a spectrometer gives them; ``passed`` is for each scan, or for all."""
    random = np.random.default_rng(seed)
    mean = light * LAMP * 10.0**-absorbance
    scans = np.array([random.poisson(ELECTRONS * mean * share) for share in np.broadcast_to(passed, SCANS)]) / ELECTRONS
    scans = dark + scans + random.normal(0, 5.5, scans.shape)
    return Counts(scans.mean(axis=0), scans.std(axis=0, ddof=1) / np.sqrt(SCANS))


def scan() -> ScanAnalysis:
    analysis = ScanAnalysis(WAVELENGTH, KNOWLEDGE)
    analysis.take_dark(DARK)
    analysis.take_reference(exposed(CLEAR, 999))
    return analysis


def growing(i: int, step_nm: float = 5.0) -> np.ndarray:
    return crystal(500.0 + step_nm * i) + band(437.0, 0.08, 0.117)


def marked(results: list[SpectrumResult]) -> dict[int, str]:
    return {r.index: r.why or "" for r in results if not r.usable}


def told(analysis: ScanAnalysis) -> dict[tuple[str, str | None, str | None], list[int]]:
    verdicts = analysis.verdicts()
    return {
        (v.kind, v.transition, v.family): [s.index for s in t.sightings]
        for t in analysis.tracks
        for v in [verdicts[t.id]]
        if v.transition == "E1"
    }


SPOILT = {
    "a bubble that sits": (
        {"passed": 0.25},
        "75 % of the reference's light is lost at all wavelengths alike: a bubble",
    ),
    "a small bubble that sits": ({"passed": 0.6}, "40 % of the reference's light is lost at all wavelengths alike"),
    "a bubble in one scan": ({"passed": [1, 1, 1, 0.25, 1, 1, 1, 1]}, "its scans differ in all pixels at once, by 10."),
    "a bubble in most scans": ({"passed": [0.25] * 6 + [1, 1]}, "a bubble passed the cell, or the lamp flickers"),
    "a lamp that flickers": ({"passed": [1, 0.9, 1, 0.85, 0.95, 1, 0.9, 0.8]}, "or the lamp flickers"),
    "a lamp that goes off": ({"passed": [1, 1, 1, 1, 1, 0, 0, 0]}, "or the lamp flickers"),
    "a lamp that is off": ({"light": 0.0}, "no light comes through at any wavelength: the lamp is off"),
    "a lamp that is off, and a dark level that drifted": ({"light": 0.0, "dark": 1512.0}, "no light comes through"),
    "a lamp that is dimmed": ({"light": 0.7}, "30 % of the reference's light is lost at all wavelengths alike"),
}


@pytest.mark.parametrize(("fault", "why"), SPOILT.values(), ids=list(SPOILT))
@pytest.mark.parametrize("at", [[0], [5], [3, 4, 5, 6]])
def test_a_spectrum_without_the_sample_s_light_is_marked_and_breaks_no_track(fault, why, at):
    analysis, step_nm = scan(), 5.0 if len(at) == 1 else 2.0
    results = [analysis.spectrum(1.0, exposed(growing(i, step_nm), i, **(fault if i in at else {}))) for i in range(12)]
    assert list(marked(results)) == at
    assert all(why in reason for reason in marked(results).values())
    rest = [i for i in range(12) if i not in at]
    assert told(analysis) == {("nc", "E1", None): rest, ("msc", "E1", "CdSe-437"): rest}


def test_a_lamp_that_was_dimmed_after_the_reference_is_told_until_the_next_reference():
    analysis = scan()
    dimmed = [analysis.spectrum(1.0, exposed(growing(i), i, light=0.7)) for i in range(6)]
    assert list(marked(dimmed)) == list(range(6))
    analysis.take_reference(exposed(CLEAR, 998, light=0.7))
    again = [analysis.spectrum(1.0, exposed(growing(i), i, light=0.7)) for i in range(6)]
    assert marked(again) == {}


@pytest.mark.parametrize("strength", [0.3, 1.0, 3.0, 8.0])
@pytest.mark.parametrize("exciton_nm", [450.0, 560.0, 640.0, 760.0, 900.0])
def test_a_sample_that_absorbs_strongly_is_not_marked(strength, exciton_nm):
    """Also where it absorbs at each wavelength that is measured: its exciton is beyond the red end."""
    value = crystal(exciton_nm, strength)
    analysis = scan()
    lit = int((value < 2.0).sum()) > 0.05 * len(WAVELENGTH)
    results = [analysis.spectrum(1.0, exposed(value, i)) for i in range(4)]
    assert marked(results) == {} if lit else all("no light" in why for why in marked(results).values())


@pytest.mark.parametrize("exciton_nm", [560.0, 640.0, 780.0])
def test_a_dilution_is_not_marked_however_large(exciton_nm):
    factors = [1.0, 0.1, 1.3, 0.02, 2.0, 0.5, 3.0, 1.0, 0.3, 2.5]
    analysis = scan()
    results = [analysis.spectrum(1.0, exposed(f * crystal(exciton_nm + i), i)) for i, f in enumerate(factors)]
    assert marked(results) == {}


def test_a_lamp_that_drifts_by_some_per_cent_and_changes_its_colour_is_not_marked():
    analysis = scan()
    tilt = (WAVELENGTH - 540.0) / 300.0
    results = []
    for i in range(30):
        drifted = growing(i % 10) - np.log10(1 + 0.03 * np.sin(i / 4) - 0.05 * i / 30 + 0.02 * np.cos(i / 5) * tilt)
        results.append(analysis.spectrum(float(i // 10), exposed(drifted, i)))
    assert marked(results) == {}


@pytest.mark.parametrize("power", [1.0, 2.0, 4.0])
def test_particles_that_scatter_are_no_bubble(power):
    analysis = scan()
    results = [analysis.spectrum(1.0, exposed(growing(i) + 0.1 * i * (450 / WAVELENGTH) ** power, i)) for i in range(8)]
    assert marked(results) == {}


@pytest.mark.parametrize("light", [0.002, 0.005, 0.02])
def test_noise_is_no_flicker_however_high(light):
    analysis = ScanAnalysis(WAVELENGTH, KNOWLEDGE)
    analysis.take_dark(DARK)
    analysis.take_reference(exposed(CLEAR, 999, light=light))
    results = [analysis.spectrum(1.0, exposed(growing(i), i, light=light)) for i in range(8)]
    assert marked(results) == {}


@pytest.mark.parametrize("pixels", [3, 5, 9])
def test_noise_that_the_spectrometer_smoothed_is_no_flicker(pixels):
    analysis = ScanAnalysis(WAVELENGTH, KNOWLEDGE)
    analysis.take_dark(DARK)

    def smoothed(counts: Counts) -> Counts:
        kernel = np.ones(pixels) / pixels
        mean = np.convolve(np.pad(counts.mean, pixels // 2, mode="edge"), kernel, mode="valid")
        return Counts(mean, counts.err / np.sqrt(pixels))

    analysis.take_reference(smoothed(exposed(CLEAR, 999, light=0.01)))
    results = [analysis.spectrum(1.0, smoothed(exposed(growing(i), i, light=0.01))) for i in range(8)]
    assert marked(results) == {}


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ({"passed": [1, 1, 0.25, 1, 1, 1, 1, 1]}, "the reference spectrum before it cannot be used: its scans differ"),
        ({"light": 0.0}, "the reference spectrum before it has no light: the lamp was off, or the shutter closed"),
    ],
)
def test_a_reference_without_its_light_spoils_what_follows_until_the_next(spoil, why):
    analysis = scan()
    analysis.take_reference(exposed(CLEAR, 998, **spoil))
    result = analysis.spectrum(1.0, exposed(growing(0), 1))
    assert not result.usable
    assert (result.why or "").startswith(why)
    analysis.take_reference(exposed(CLEAR, 997))
    assert analysis.spectrum(1.0, exposed(growing(1), 2)).usable


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("counts", [900.0, 30_000.0])
def test_a_cosmic_ray_in_one_scan_changes_no_band(width, counts):
    clean, hit = scan(), scan()
    before = clean.spectrum(1.0, exposed(growing(4), 3))
    sample = exposed(growing(4), 3)
    mean, err = sample.mean.copy(), sample.err.copy()
    for at_nm in (400.0, 437.0, 440.0, 520.0):
        at = int(np.argmin(np.abs(WAVELENGTH - at_nm)))
        mean[at : at + width] += counts / SCANS
        err[at : at + width] = np.hypot(err[at : at + width], counts / SCANS)
    after = hit.spectrum(1.0, Counts(mean, err))
    assert after.usable
    assert len(after.features) == len(before.features)
    for one, other in zip(after.features, before.features, strict=True):
        assert one.wavelength_nm == pytest.approx(other.wavelength_nm, abs=2 * other.wavelength_err_nm)
        assert one.height == pytest.approx(other.height, abs=2 * other.height_err)
        assert one.wavelength_err_nm == pytest.approx(other.wavelength_err_nm, rel=0.1)


def test_noise_bands_and_lines_are_no_spikes():
    for seed in range(20):
        plain = spectrum(growing(0), seed=seed)
        assert without_spikes(plain) is plain
    line = 0.3 * np.exp(-0.5 * ((WAVELENGTH - 486.0) / 0.9) ** 2)
    lined = spectrum(growing(0) + line)
    assert np.array_equal(without_spikes(lined).value, lined.value)


def test_only_the_pixels_of_a_spike_are_changed():
    for width, height in ((1, 0.3), (2, 0.3), (1, -0.2), (2, 0.02)):
        plain = spectrum(growing(0))
        value = plain.value.copy()
        value[700 : 700 + width] += height
        value[2] = value[-3] = 0.9
        repaired = without_spikes(type(plain)(value, plain.err, plain.usable)).value
        assert np.abs(repaired - plain.value).max() < 5e-3
        assert {*np.flatnonzero(repaired != value)} == {2, *range(700, 700 + width), len(value) - 3}


def series(*, offset: list[float]) -> tuple[SeriesAnalysis, dict[int, str]]:
    analysis = SeriesAnalysis(WAVELENGTH, KNOWLEDGE)
    random = np.random.default_rng(6)
    results = [
        analysis.absorbance(1.0, growing(i, 2.5) + each + random.normal(0, 5e-4, len(WAVELENGTH)))
        for i, each in enumerate(offset)
    ]
    return analysis, marked(results)


def test_in_files_a_bubble_is_what_comes_and_goes():
    analysis, why = series(offset=[0.0, 0.0, 0.0, 0.6, 0.0, 0.0, 0.3, 0.3, 0.0, 0.0])
    assert list(why) == [3, 6, 7]
    assert "75 % of the light of the spectrum before it is lost at all wavelengths alike" in why[3]
    rest = [0, 1, 2, 4, 5, 8, 9]
    assert told(analysis) == {("nc", "E1", None): rest, ("msc", "E1", "CdSe-437"): rest}


@pytest.mark.parametrize("level", [-1.0, 0.05, 0.7, 2.5])
def test_in_files_a_baseline_may_be_anywhere(level):
    assert series(offset=[level] * 8)[1] == {}
    assert series(offset=[level + 0.04 * (-1) ** i for i in range(8)])[1] == {}


def test_in_files_a_baseline_that_is_another_from_somewhere_on_costs_two_spectra():
    assert list(series(offset=[0.0] * 4 + [0.3] * 6)[1]) == [4, 5]
    assert list(series(offset=[0.3] * 4 + [0.0] * 6)[1]) == []


def test_in_files_a_lamp_that_is_off_is_marked():
    analysis = SeriesAnalysis(WAVELENGTH, KNOWLEDGE)
    random = np.random.default_rng(7)
    results = []
    for i in range(8):
        value = growing(i) + random.normal(0, 5e-4, len(WAVELENGTH))
        if i == 4:  # what is left of the counts is noise
            value = np.log10(LAMP / np.abs(random.normal(3.0, 2.0, len(WAVELENGTH))).clip(0.1))
        results.append(analysis.absorbance(1.0, value))
    assert list(marked(results)) == [4]
    assert "the light of the spectrum before it is gone at all wavelengths" in (results[4].why or "")


def test_errors_that_are_larger_than_the_noise_tell_of_a_flicker_in_files_too():
    analysis = SeriesAnalysis(WAVELENGTH, KNOWLEDGE)
    random = np.random.default_rng(8)
    value = growing(0) + random.normal(0, 1e-3, len(WAVELENGTH))
    assert analysis.absorbance(1.0, value, np.full(len(WAVELENGTH), 1e-3)).usable
    assert analysis.absorbance(1.0, value, np.full(len(WAVELENGTH), 3e-3)).usable
    assert "its scans differ" in (analysis.absorbance(1.0, value, np.full(len(WAVELENGTH), 0.02)).why or "")


def test_a_bubble_over_another_sample_than_before_is_told_by_the_red_end():
    """From panel to panel all bands may change."""
    analysis = SeriesAnalysis(WAVELENGTH, KNOWLEDGE)
    random = np.random.default_rng(9)

    def take(panel: float, value: np.ndarray) -> bool:
        return analysis.absorbance(panel, value + random.normal(0, 5e-4, len(WAVELENGTH))).usable

    assert take(260.0, crystal(560.0, 0.5))
    assert not take(270.0, crystal(450.0, 0.1) + 0.6)
    assert take(270.0, crystal(452.0, 0.1))
    assert not take(280.0, crystal(600.0, 1.0) + 0.6)
    assert take(280.0, crystal(600.0, 1.0))
