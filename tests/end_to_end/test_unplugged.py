"""Each instrument of the whole lab unplugged in the midst of a scan: named, all else safe, what was taken readable."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowlab.daemon.latches import Latches
from flowlab.daemon.session import Session
from flowlab.process import ChildFailedError
from flowlab.stream import Message
from tests.end_to_end.labs import frames_in_file, lab, lab_file, newest_run, spectra_in_file, streams, unsafe
from tests.end_to_end.test_interlocks import SCAN, when

#: A pump whose line is dead runs on: at this speed its syringe is not empty before it is plugged in again.
SPEED = 150.0
FRAMES = {
    "nucleation_c": [60.0],
    "growth_c": 60.0,
    "residence_time_s": 14.0,
    "detectors": ["saxs"],
    "frames": {"frames": 4, "background_frames": 1, "wash_volumes": 1.0},
}
EPICS = {"sample_stage", "beam_shutter", "ring", "pilatus"}
HEATERS = {"nucleation_heater", "growth_heater"}


@contextlib.contextmanager
def whole_lab(folder: Path) -> Iterator[Session]:
    file = lab_file(folder / "lab.toml")
    with Session(str(file), folder / "data", simulate=True, speed=SPEED, seed=3) as session:
        yield session


def check_unplugged(
    session: Session, device: str, plan: str, scan: dict[str, Any], stream: str, lost: set[str]
) -> tuple[ChildFailedError, list[Message]]:
    """A run in which a device is unplugged ends, names it, and leaves all but what is lost with it safe.

    Args:
        session: of the whole lab.
        device: that is unplugged, at the first event of ``stream``.
        plan: that runs.
        scan: its parameters.
        stream: see there.
        lost: what is on the same line, and so cannot be made safe any more.

    Returns:
        How it ended, and its documents.
    """
    before, _ = newest_run(session) if list(session.store.journals()) else (None, [])
    with pytest.raises(ChildFailedError) as failure:
        session.run(plan, scan, when(stream, lambda: lab(session).ask(fault="unplug", device=device)))
    truth = lab(session).ask(truth=True)
    lab(session).ask(fault="none", device=device)
    told = str(failure.value)
    assert (failure.value.exit_code, "\n" in told) == (1, False)
    assert any(
        told.startswith((f"{name}: ", f"interlock high_pressure: pressure.pressure_bar cannot be read: {name}: "))
        for name in lost
    ), told
    assert unsafe(truth) <= lost
    _, _, not_safe = told.partition("NOT SAFE: ")
    # What by its nature needs nothing to be safe may be lost and be safe.
    assert all(name in not_safe for name in unsafe(truth)), told
    folder, messages = newest_run(session)
    assert folder != before
    assert [m.name for m in messages[:1]] == ["start"]
    assert streams(messages)
    return failure.value, messages


def check_stopped(messages: list[Message], named: set[str], status: str = "fail") -> None:
    """The journal ends with a stop document that names one of these."""
    stop = messages[-1]
    assert (stop.name, stop.doc["exit_status"]) == ("stop", status)
    assert any(name in stop.doc["reason"] for name in named), stop.doc["reason"]


@pytest.mark.timeout(240)
def test_what_a_scan_of_spectra_uses_ends_it_when_it_is_unplugged(tmp_path):
    with whole_lab(tmp_path) as session:
        for device, lost in (
            ("cadmium_pump", {"cadmium_pump"}),
            ("selenium_pump", {"selenium_pump"}),
            ("growth_heater", HEATERS),  # one line: whichever is asked first finds it dead
            ("spectrometer", {"spectrometer"}),
        ):
            _, messages = check_unplugged(session, device, "temperature_scan", SCAN, "primary", lost)
            check_stopped(messages, lost)
            folder, _ = newest_run(session)
            spectra = sum(stream == "primary" for stream, _ in streams(messages))
            assert spectra_in_file(folder, spectra) == spectra >= 1


@pytest.mark.timeout(240)
def test_what_an_interlock_reads_ends_the_run_when_it_is_unplugged(tmp_path):
    """Nobody would see a clogged line any more."""
    with whole_lab(tmp_path) as session:
        scan = SCAN | {"growth_offsets_c": 20 * [0.0, -10.0]}  # longer than an interlock bears to be blind
        failure, messages = check_unplugged(
            session, "solvent_pump", "temperature_scan", scan, "primary", {"solvent_pump"}
        )
        assert str(failure).startswith("interlock high_pressure: pressure.pressure_bar cannot be read: solvent_pump: ")
        check_stopped(messages, {"solvent_pump"}, "abort")
        assert list(Latches(session.store.root, session.config.name).all()) == ["high_pressure"]


@pytest.mark.timeout(240)
def test_what_the_plan_does_not_use_does_not_end_it_but_is_told_not_to_be_safe(tmp_path):
    unused = ("selector", "fluorometer", "eiger")

    with whole_lab(tmp_path) as session:

        def unplug() -> None:
            for device in unused:
                lab(session).ask(fault="unplug", device=device)

        with pytest.raises(
            ChildFailedError, match=r"^the plan ended; NOT SAFE: selector: .*; .*fluorometer: .*; eiger: "
        ) as f:
            session.run("temperature_scan", SCAN, when("primary", unplug))
        assert f.value.exit_code == 1
        assert unsafe(lab(session).ask(truth=True)) == set()
        folder, messages = newest_run(session)
        assert (messages[-1].name, messages[-1].doc["exit_status"]) == ("stop", "success")
        assert sum(stream == "primary" for stream, _ in streams(messages)) == len(SCAN["growth_offsets_c"])
        assert spectra_in_file(folder, len(SCAN["growth_offsets_c"])) == len(SCAN["growth_offsets_c"])


@pytest.mark.timeout(240)
def test_what_a_scan_of_frames_uses_ends_it_when_it_is_unplugged(tmp_path):
    with whole_lab(tmp_path) as session:
        for device, lost in (
            ("incident", {"incident"}),
            ("transmitted", {"transmitted"}),
            ("ring", EPICS),  # one server: the shutter is with it, and stays open
        ):
            failure, messages = check_unplugged(session, device, "nucleation_scan", FRAMES, "saxs", lost)
            check_stopped(messages, lost)
            folder, _ = newest_run(session)
            frames = sum(stream == "saxs" for stream, _ in streams(messages))
            assert frames_in_file(folder, "saxs", frames) >= frames >= 1
            if device == "ring":
                assert "NOT SAFE: beam_shutter: " in str(failure)
