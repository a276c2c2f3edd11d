"""Each interlock of the shipped lab tripped by a fault, in whole runs: all of it safe, latched, and told why."""

import contextlib
import re
import shlex
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowlab.daemon.latches import LatchedError, Latches
from flowlab.daemon.session import Session, Watcher
from flowlab.process import ChildFailedError
from flowlab.stream import Message
from tests.end_to_end.labs import SPEED, images, lab, lab_file, newest_run, streams, unsafe
from tests.flowlab.cli.test_cli import flowlab
from tests.simulators.benches import Served

SCAN = {
    "nucleation_c": [60.0],
    "growth_offsets_c": [0.0, -10.0, 0.0, -10.0, 0.0, -10.0],
    "residence_time_s": 14.0,
    "steady": {"flush_volumes": 1.2, "most_spectra": 4},
    "blank_c": None,
}
HOTTER = r"\.temperature_c is \d+(?:\.\d+)?"
RESERVOIR = '"nothing to refill from"\nconcentration_mmol_l = 20.0\nreservoir_ml = 0.001'
HOT_SCAN = SCAN | {"nucleation_c": [200.0]}


def when(stream: str, do: Callable[[], object]) -> Callable[[Message], None]:
    """Watches a run; does it once, at the first event of a stream."""
    names: dict[str, str] = {}
    done: list[bool] = []

    def watch(message: Message) -> None:
        if message.name == "descriptor":
            names[message.doc["uid"]] = message.doc["name"]
        elif message.name == "event" and names[message.doc["descriptor"]] == stream and not done:
            done.append(True)
            do()

    return watch


def ignore(message: Message) -> None:
    pass


@contextlib.contextmanager
def session_with(folder: Path, *replacements: tuple[str, str]) -> Iterator[tuple[Session, Path]]:
    """A session on the lab with other words, and its file."""
    file = lab_file(folder / "lab.toml", *replacements)
    with Session(str(file), folder / "data", simulate=True, speed=SPEED, seed=3) as session:
        yield session, file


def check_aborted(session: Session, name: str, reading: str, plan: str, scan: dict[str, Any], watch: Watcher) -> None:
    """A run that an interlock ends: named in one line, with its reading; told in the stop document."""
    with pytest.raises(ChildFailedError, match=rf"^interlock {name}: {reading}; the plan was aborted; ") as failure:
        session.run(plan, scan, watch)
    assert failure.value.exit_code == 1
    assert str(failure.value).endswith("; the instrument is safe")
    assert "\n" not in str(failure.value)
    assert unsafe(lab(session).ask(truth=True)) == set()
    _, messages = newest_run(session)
    stop = messages[-1]
    assert (stop.name, stop.doc["exit_status"]) == ("stop", "abort")
    assert re.match(f"interlock {name}: {reading}$", stop.doc["reason"])


FAULTS = [
    # Name, scan, device, fault, its options, what was read. 40 bar are below the 50 at which the pumps give up.
    ("high_pressure", SCAN, "cadmium_pump", "clog", {"severity": 170.0}, r"pressure\.pressure_bar is .*, above 25"),
    ("lamp_failure", SCAN, "spectrometer", "lamp_out", {}, r"spectrometer\.light_level is 14.*, below 2000"),
    ("over_temperature", SCAN, "nucleation_heater", "runaway", {}, rf"nucleation_heater{HOTTER}, above 370"),
    (
        "zero_flow_while_hot",
        HOT_SCAN,
        "growth_heater",
        "runaway",
        {},
        rf"reactor\.flow_ml_min is 0, below 0\.01 and growth_heater{HOTTER}, above 150",
    ),
]


@pytest.mark.timeout(180)
def test_each_ends_the_run_makes_everything_safe_and_stays_latched_until_it_is_acknowledged(tmp_path):
    with session_with(tmp_path, ("for_s = 1800.0", "for_s = 20.0")) as (session, file):
        for name, scan, device, fault, options, reading in FAULTS:
            begin = when("reference", lambda: lab(session).ask(fault=fault, device=device, **options))  # noqa: B023
            check_aborted(session, name, reading, "temperature_scan", scan, begin)
            if fault == "runaway":  # what no program can do: a welded relay heats on, and a cut-out must end that
                truth = lab(session).ask(truth=True)
                assert truth["instruments"][device]["output"] == 0.0
                assert truth["heaters"][device]["temperature_c"] > 370.0
            lab(session).ask(fault="none", device=device)
            latches = Latches(session.store.root, session.config.name)
            assert next(iter(latches.all())) == name
            check_refused_until_acknowledged(session, file, name)
            for later in latches.all():  # a heater that runs away goes on to trip others
                latches.acknowledge(later, "anna")


def check_refused_until_acknowledged(session: Session, file: Path, name: str) -> None:
    """No run begins; ``flowlab interlocks`` tells why, and acknowledges."""
    folder, _ = newest_run(session)
    if name == FAULTS[0][0]:  # once: each starts processes
        with pytest.raises(
            ChildFailedError, match=rf"^interlock {name} tripped at .*: .*; find the cause, then "
        ) as refused:
            session.run("temperature_scan", SCAN, ignore)
        assert newest_run(session)[0] == folder
        told = shlex.split(str(refused.value).rpartition(": ")[2])
        assert told[0] == "flowlab"
        listed = flowlab(*told[1:])
        assert listed.returncode == 0, listed.stderr
        assert "TRIPPED" not in listed.stdout
        return
    latches = Latches(session.store.root, session.config.name)
    with pytest.raises(LatchedError, match=f"flowlab interlocks --ack {name} -c {re.escape(str(file))} --data "):
        latches.check(str(file))
    latches.acknowledge(name, "anna")


FRAMES = {
    "nucleation_c": [60.0],
    "growth_c": 60.0,
    "residence_time_s": 14.0,
    "detectors": ["saxs"],
    # An exposure that lasts: the beam can go in its midst.
    "frames": {"frames": 3, "background_frames": 1, "wash_volumes": 1.0, "exposure_s": 60.0},
}
SMALL = [
    ("volume_ml = 50.0\ninner_diameter_mm = 26.7", "volume_ml = 36.0\ninner_diameter_mm = 24.0"),
    ('"cadmium oleate in octadecene"\nconcentration_mmol_l = 20.0\nreservoir_ml = 1000.0', RESERVOIR),
    ('"trioctylphosphine selenide in octadecene"\nconcentration_mmol_l = 20.0\nreservoir_ml = 1000.0', RESERVOIR),
    ('wash = "solvent_pump"\n', 'wash = "solvent_pump"\n[devices.reactor.settings]\nreserve_ml = 4.0\n'),
    ("below = 0.4 }", "below = 3.5 }"),
]


#: Real seconds between two looks at the plant: a simulator that is asked without end answers its instruments late.
LOOK_EVERY_S = 0.005


def until(lab: Served, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The plant's truth, once something holds in it."""
    while not holds(truth := lab.ask(truth=True)):
        threading.Event().wait(LOOK_EVERY_S)
    return truth


class Dump:
    """Loses the beam in the midst of an exposure, and gives it back a while later; what the plant was meanwhile."""

    LASTS_S = 400.0

    def __init__(self, lab: Served, *, back: bool):
        self.lab = lab
        self.back = back
        self.during: list[dict[str, Any]] = []
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        dumped = until(self.lab, lambda truth: truth["instruments"]["pilatus"]["state"] == "Acquire")
        self.lab.ask(fault="dump", device="ring")
        while self.back and (truth := self.lab.ask(truth=True))["time_s"] < dumped["time_s"] + self.LASTS_S:
            self.during.append(truth)
            threading.Event().wait(LOOK_EVERY_S)
        if self.back:
            self.lab.ask(fault="none", device="ring")


@pytest.mark.timeout(180)
def test_frames_wait_for_the_beam_while_the_chemistry_goes_on_until_reagent_runs_low(tmp_path):
    with session_with(tmp_path, *SMALL) as (session, _):
        dump = Dump(lab(session), back=True)
        outcome = session.run("nucleation_scan", FRAMES, when("saxs", dump.thread.start))
        dump.thread.join()
        assert outcome.problems == []
        check_held(session, dump)
        # The beam does not come back: the reagents flow on.
        dump = Dump(lab(session), back=False)
        reading = r"reactor\.reagent_left_ml is .*, below 3\.5"
        check_aborted(session, "low_reagent", reading, "nucleation_scan", FRAMES, when("saxs", dump.thread.start))
        dump.thread.join()


def check_held(session: Session, dump: Dump) -> None:
    """Every frame of the run was taken with beam, none meanwhile, and nothing else knew of it."""
    truth = lab(session).ask(truth=True)
    assert unsafe(truth) == set()
    _, messages = newest_run(session)
    assert messages[-1].doc["exit_status"] == "success"
    events = streams(messages)
    (hold,) = [data for stream, data in events if stream == "holds"]
    assert hold["hold_interlock"] == "beam_loss"
    assert re.match(r"ring\.current_ma is 0, below 50$", hold["hold_reason"])
    frames = [data for stream, data in events if stream == "saxs"]
    first, again, last = (data["incident_current_a"] / 1.35e-5 for data in frames)
    assert first == pytest.approx(1.0, rel=0.1)
    assert 0.5 < again < 1.1  # from 50 mA on there is beam; the ring may still be filling up
    assert last == pytest.approx(1.0, rel=0.1)
    # One was taken again, in a file of its own; stock consumers count a file's frames by its events.
    datums = [m.doc for m in messages if m.name == "stream_datum"]
    assert [(d["indices"]["start"], d["indices"]["stop"]) for d in datums][-3:] == [(0, 1), (0, 1), (1, 2)]
    files = [m.doc["uri"].removeprefix("file://localhost") for m in messages if m.name == "stream_resource"][-2:]
    sums = [int(image[image > 0].sum()) for path in files for image in images(path)]
    assert len(sums) == 4  # of which the second is the spoilt one
    assert sums[1] < 0.9 * min(sums[0], sums[2], sums[3])
    for plant in dump.during:
        assert [pump["rate_ml_min"] for pump in plant["pumps"].values()] == pytest.approx([0.857] * 2, rel=1e-3)
        assert [heater["temperature_c"] for heater in plant["heaters"].values()] == pytest.approx([60.0] * 2, abs=1.0)
    assert len({plant["instruments"]["pilatus"]["frames"] for plant in dump.during}) <= 2  # the one under way ended
