import pytest

from flowlab.config import InstrumentConfig, SaxsSettings
from flowlab.config.load import ConfigError, load_instrument, validate

PONI = {"detector": "Pilatus300k", "distance_m": 1.1, "poni1_m": 0.0159, "poni2_m": 0.0416, "wavelength_m": 1e-10}


def test_only_the_detectors_place_is_needed():
    settings = SaxsSettings.model_validate({"poni": PONI})
    assert (settings.bins, settings.scale, settings.thickness_mm, settings.background_share) == (500, None, None, 1.0)
    assert SaxsSettings.model_validate(settings.model_dump(mode="json", exclude_none=True)) == settings


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ({"poni": {**PONI, "distance_m": 0.0}}, "saxs.poni.distance_m = 0.0"),
        ({"poni": {**PONI, "wavelength_m": 1.0}}, "saxs.poni.wavelength_m = 1.0"),
        ({"poni": {**PONI, "distance_mm": 1.0}}, "distance_mm"),
        ({"poni": {"detector": "Pilatus300k"}}, "this key is missing"),
        ({"q_low_per_nm": 0.1}, "q_low_per_nm and q_high_per_nm go together"),
        ({"q_low_per_nm": 5.0, "q_high_per_nm": 0.1}, "is no range"),
        ({"q_low_per_nm": 0.1, "q_high_per_nm": 5.0, "sizes_from_per_nm": 6.0}, "above the highest q"),
        ({"masked": [{"rows": [5, 5], "columns": [0, 3]}]}, "hold no pixel"),
        ({"masked": [{"rows": [5], "columns": [0, 3]}]}, "saxs.masked.0.rows"),
        ({"scale": {"value": 1.0}}, "saxs.scale.err: this key is missing"),
        ({"background_share": 1.5}, "saxs.background_share = 1.5"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_that_names_it(spoil, words):
    with pytest.raises(ConfigError) as refused:
        validate(SaxsSettings, {"poni": PONI, **spoil}, "lab.toml", ("saxs",))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_instrument_without_an_xray_cell_must_give_the_thickness():
    shipped = load_instrument("simulated-flow").model_dump(by_alias=True)
    path = {
        key: value for key, value in shipped["flow_path"].items() if not key.startswith("xray") and "_ml" not in key
    }
    path |= {
        key: shipped["flow_path"][key] for key in ("mixer_ml", "nucleation_ml", "growth_ml", "transfer_ml", "cell_ml")
    }
    without = {**shipped, "flow_path": path}
    with pytest.raises(ConfigError, match=r"saxs\.thickness_mm is not given"):
        validate(InstrumentConfig, {**without, "saxs": {"poni": PONI}}, "lab.toml")
    found = validate(InstrumentConfig, {**without, "saxs": {"poni": PONI, "thickness_mm": 0.8}}, "lab.toml")
    assert found.saxs.thickness_mm == 0.8
