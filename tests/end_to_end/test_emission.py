"""A whole run with absorption and emission: the band against the plant's truth, in documents, file and words."""

import h5py
import numpy as np
import pytest

from flowlab.daemon.session import Session
from flowlab.process import ChildFailedError
from flowlab.report.load import load_run
from flowlab.report.words import answer, details
from tests.end_to_end.labs import lab, newest_run, streams
from tests.end_to_end.test_interlocks import when
from tests.instruments import with_fluorometer
from tests.support import is_safe

SCAN = {
    "temperatures_c": [280.0],
    "residence_times_s": [14.0, 8.0],
    "detectors": ["uv-vis", "pl"],
    "steady": {"flush_volumes": 1.5, "most_spectra": 4},
    "blank_c": None,
}
COLD = SCAN | {"temperatures_c": [30.0], "detectors": ["pl"]}
SPEED = 300.0


@pytest.mark.timeout(180)
def test_the_emission_is_where_the_plant_has_it_and_an_unplugged_fluorometer_is_named(tmp_path):
    file = with_fluorometer(tmp_path / "lab.toml")
    with Session(str(file), tmp_path / "data", simulate=True, speed=SPEED, seed=3) as session:
        truths, bands = [], []

        def watch(message):
            data = message.doc["data"] if message.name == "event" else {}
            if data.get("led_is_on"):
                truths.append(lab(session).ask(truth=True)["luminescence"])
            if "emission_event" in data:
                bands.append(data)

        outcome = session.run("residence_time_scan", SCAN, watch)
        assert outcome.problems == []
        assert is_safe(truth := lab(session).ask(truth=True))
        assert not truth["luminescence"]["led_on"]
        _check_bands(bands, truths)
        _check_file_and_words(outcome.stored, bands)

        unplug = when("emission_dark", lambda: lab(session).ask(fault="unplug", device="fluorometer"))
        with pytest.raises(
            ChildFailedError, match=r"^(led: )?fluorometer: .*; NOT SAFE: led: .*; fluorometer: "
        ) as failure:
            session.run("residence_time_scan", COLD, unplug)
        assert (failure.value.exit_code, "\n" in str(failure.value)) == (1, False)
        truth = lab(session).ask(truth=True)
        assert is_safe(truth)
        assert not truth["luminescence"]["led_on"]
        _, messages = newest_run(session)
        assert (messages[-1].name, messages[-1].doc["exit_status"]) == ("stop", "fail")
        assert {stream for stream, _ in streams(messages)} == {"emission_dark"}


def _check_bands(bands, truths) -> None:
    assert len(bands) == len(truths) == 2
    for band, truth in zip(bands, truths, strict=True):
        assert band["why"] == ""
        # The plant's detector is less sensitive to the blue, which nobody corrects for: response_err_nm is for that.
        err_nm = 3 * band["band_wavelength_err_nm"] + band["band_response_err_nm"]
        assert err_nm < 1.5
        assert abs(band["band_wavelength_nm"] - truth["emission_nm"]) < err_nm
        assert band["band_fwhm_nm"] == pytest.approx(truth["emission_fwhm_nm"], rel=0.02)
        assert band["plug_nucleation_c"] == pytest.approx(280.0, abs=1.0)
        assert band["plug_why"] == ""


def _check_file_and_words(stored, bands) -> None:
    with h5py.File(stored.nexus) as file:
        entry = file["entry"]
        assert entry.attrs["default"] == "data"
        assert entry["experiment_type"][()] == b"transmission spectroscopy"
        assert entry["data/absorbance"].shape[0] == entry["emission/emission"].shape[0] == 2
        assert np.array_equal(entry["emission/emission"][0], bands[0]["counts"])
        assert entry["instrument/detector_fluorometer/acquisition/fluorometer_saturated_counts"][()] == 200_000
        assert entry["conditions_emission/fluorometer_detector_c"].attrs["units"] == "°C"
    run = load_run(stored)
    first, last = (f"{band['band_wavelength_nm']:.0f} nm" for band in bands)
    assert answer(run).endswith(f"PL: emission at {first} at 14 s, {last} at 8 s.")
    assert sum("emission at" in sentence for sentence in details(run)) == 2
