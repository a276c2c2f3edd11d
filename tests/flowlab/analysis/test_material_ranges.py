"""Every material's bands are found where they can be: from the deep ultraviolet to the near infrared."""

import numpy as np
import pytest

from flowlab.analysis.absorbance import Absorbance
from flowlab.analysis.axis import SEARCH_NM, Axis
from flowlab.analysis.features import find_features
from flowlab.analysis.series import SeriesAnalysis
from flowlab.config import load_material
from flowlab.live.knowledge import knowledge_of
from tests.flowlab.analysis.spectra import HC, band, crystal, spectrum

#: Wavelengths of instruments: arrays of silicon and of InGaAs, the latter with few and wide pixels, and a scanning one.
SILICON = np.linspace(198.5, 900.0, 2068)
INGAAS_256 = np.linspace(900.0, 1700.0, 256)
EXTENDED_256 = np.linspace(900.0, 2500.0, 256)
EXTENDED_512 = np.linspace(900.0, 2200.0, 512)
SCANNING = np.arange(250.0, 2501.0, 1.0)
#: Material, its instrument, and where a band is looked for: both ends of its range, and between.
PLACES = [
    *(("CdSe", SILICON, at) for at in (330.0, 437.0, 572.0, 720.0)),
    *(("CdTe", SILICON, at) for at in (330.0, 449.0, 740.0)),
    *(("CdS", SILICON, at) for at in (300.0, 311.0, 323.0, 450.0, 720.0)),
    *(("ZnSe", SILICON, at) for at in (290.0, 299.0, 305.0, 345.0, 720.0)),
    *(("InP", SILICON, at) for at in (330.0, 386.0, 720.0)),
    *(("PbS", SCANNING, at) for at in (600.0, 850.0, 1300.0, 1800.0, 2000.0)),
    *(("PbS", INGAAS_256, at) for at in (1000.0, 1250.0, 1500.0)),
    *(("InSb", SCANNING, at) for at in (900.0, 1250.0, 2000.0)),
    *(("InSb", EXTENDED_256, at) for at in (1250.0, 1750.0, 2000.0)),
    *(("InSb", EXTENDED_512, at) for at in (1250.0, 1500.0, 1750.0)),
]


def axis_of(material: str, wavelength: np.ndarray) -> Axis:
    return Axis(wavelength, load_material(material).search_nm)


@pytest.mark.parametrize(("material", "wavelength", "at"), PLACES)
def test_a_band_is_found_with_its_place_and_width_everywhere_in_the_material_s_range(material, wavelength, at):
    axis = axis_of(material, wavelength)
    for fwhm_ev in (0.08, 0.13, 0.2):
        (found,) = find_features(spectrum(band(at, 0.3, fwhm_ev, wavelength)), axis)
        assert abs(found.wavelength_nm - at) < 3 * found.position_err_nm
        assert found.position_err_nm < 0.005 * at
        assert found.fwhm_ev == pytest.approx(fwhm_ev, rel=0.05)
        assert found.height == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize(
    ("material", "wavelength", "outside"),
    [("CdSe", SILICON, (305.0, 790.0)), ("ZnSe", SILICON, (260.0, 790.0)), ("PbS", SCANNING, (500.0, 2300.0))],
)
def test_outside_the_material_s_range_nothing_is_looked_for(material, wavelength, outside):
    for at in outside:
        assert find_features(spectrum(band(at, 0.3, 0.1, wavelength)), axis_of(material, wavelength)) == []


@pytest.mark.parametrize("at", [700.0, 850.0, 890.0, 1690.0, 1710.0, 1750.0, 1900.0])
def test_outside_the_measured_axis_nothing_is_found(at):
    """Of such a band the spectrometer sees a flank."""
    for seed in range(5):
        found = find_features(spectrum(band(at, 0.5, 0.15, INGAAS_256), seed=seed), axis_of("PbS", INGAAS_256))
        assert all(INGAAS_256[0] < f.wavelength_nm < INGAAS_256[-1] for f in found)


def test_where_the_lamp_gives_no_light_nothing_is_found():
    plain = spectrum(band(345.0, 0.3, 0.1, SILICON) + band(299.0, 0.3, 0.1, SILICON))
    usable = SILICON > 310.0
    dark_blue = Absorbance(np.where(usable, plain.value, 0.0), np.where(usable, plain.err, np.inf), usable)
    (found,) = find_features(dark_blue, axis_of("ZnSe", SILICON))
    assert found.wavelength_nm == pytest.approx(345.0, abs=0.5)


@pytest.mark.parametrize("step_nm", [3.0, 4.0, 6.0, 10.0])
def test_pixels_too_wide_for_a_band_show_none_and_raise_nothing(step_nm):
    wavelength = np.arange(200.0, 1000.0, step_nm)
    for at in (299.0, 345.0, 450.0, 600.0):
        found = find_features(spectrum(band(at, 0.3, 0.1, wavelength)), axis_of("ZnSe", wavelength))
        assert all(abs(f.wavelength_nm - at) < 1.0 for f in found)


@pytest.mark.parametrize(
    ("material", "wavelength", "first_nm", "step_nm", "fwhm_ev"),
    [
        ("PbS", INGAAS_256, 1150.0, 12.0, 0.13),
        ("PbS", SCANNING, 1650.0, 15.0, 0.11),
        ("PbS", SCANNING, 700.0, 8.0, 0.17),
        ("InSb", EXTENDED_512, 1500.0, 15.0, 0.12),
        ("InSb", EXTENDED_256, 1300.0, 12.0, 0.12),
        ("CdS", SILICON, 340.0, 3.0, 0.17),
        ("ZnSe", SILICON, 350.0, 3.0, 0.17),
    ],
)
def test_an_exciton_that_moves_is_followed_in_every_range(material, wavelength, first_nm, step_nm, fwhm_ev):
    places = first_nm + step_nm * np.arange(10)
    analysis = SeriesAnalysis(wavelength, knowledge_of(load_material(material)))
    random = np.random.default_rng(4)
    for at in places:
        value = band(at, 0.3, fwhm_ev, wavelength) + 0.4 * crystal(HC / (HC / at + 0.25), 0.3, wavelength)
        assert analysis.absorbance(0.0, value + random.normal(0, 5e-4, len(wavelength))).usable
    judged = analysis.verdicts()
    (track,) = [t for t in analysis.tracks if (judged[t.id].kind, judged[t.id].transition) == ("nc", "E1")]
    seen = {s.index: s.feature.wavelength_nm for s in track.sightings}
    assert len(seen) >= 9
    assert [seen[i] for i in seen] == pytest.approx([places[i] for i in seen], rel=0.004)


@pytest.mark.parametrize(
    "family", [f for name in ("ZnSe", "CdS", "InP") for f in load_material(name).families], ids=lambda f: f.name
)
def test_a_family_that_stands_is_named_also_in_the_ultraviolet(family):
    material = load_material(family.name.split("-")[0])
    analysis = SeriesAnalysis(SILICON, knowledge_of(material))
    random = np.random.default_rng(5)
    for i in range(8):
        value = (0.1 + 0.02 * i) * (band(family.wavelength_nm, 1.0, 0.1, SILICON) + np.exp((HC / SILICON - 4.8) / 0.2))
        analysis.absorbance(0.0, value + random.normal(0, 5e-4, len(SILICON)))
    judged = analysis.verdicts()
    (found,) = [judged[t.id] for t in analysis.tracks if judged[t.id].kind == "msc"]
    assert (found.family, found.transition) == (family.name, "E1")


def test_a_range_that_is_not_given_is_the_one_that_is_documented():
    assert load_material("CdSe").search_nm == SEARCH_NM == (330.0, 720.0)
