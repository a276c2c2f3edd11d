"""Interlocks: when they trip, and how acquisition waits."""

import itertools
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import pytest
from ophyd import Component as Cpt
from ophyd import Device, Signal
from ophyd.status import DeviceStatus
from pydantic import ValidationError

from flowlab.clock import Clock
from flowlab.config.interlocks import Condition, Interlock
from flowlab.daemon.holding import BlindError, holding
from flowlab.daemon.interlocks import WatchedInterlock, judge, verdict
from flowlab.errors import FlowlabError
from tests.engines import run_engine
from tests.simulators.benches import StandingClock

HOT = {"device": "oven", "signal": "temperature_c", "above": 200.0}
DRY = {"device": "pump", "signal": "rate_ml_min", "below": 0.1}


def interlock(*when: dict[str, Any], **more: Any) -> Interlock:
    return Interlock.model_validate({"when": list(when), "action": "safe", "every_s": 0.002} | more)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"when": []}, "at least 1 item"),
        ({"when": [{"device": "oven", "signal": "temperature_c"}]}, "give either above or below"),
        ({"when": [HOT | {"below": 1.0}]}, "give either above or below"),
        ({"when": [HOT], "action": "hold"}, "holds names the devices that wait"),
        ({"when": [HOT], "holds": ["detector"]}, "holds names the devices that wait"),
        ({"when": [HOT], "for_s": -1.0}, "greater than or equal to 0"),
    ],
)
def test_an_interlock_that_says_nothing_or_too_much_is_refused(wrong, message):
    with pytest.raises(ValidationError, match=message):
        Interlock.model_validate({"action": "safe"} | wrong)


def fails() -> float:
    raise FlowlabError("no reply")


@pytest.mark.parametrize(
    ("reading", "holds", "words"),
    [
        (lambda: 200.5, True, "oven.temperature_c is 200.5, above 200"),
        (lambda: 200.0, False, "oven.temperature_c is 200"),
        (lambda: float("nan"), None, "oven.temperature_c has no value"),
        (lambda: None, None, "oven.temperature_c cannot be read"),
        (fails, None, "oven.temperature_c cannot be read: no reply"),
        (lambda: 1 / 0, None, "oven.temperature_c cannot be read: ZeroDivisionError"),
    ],
)
def test_a_condition_holds_or_not_or_is_not_known(reading, holds, words):
    judgement = judge(Condition.model_validate(HOT), reading)
    assert judgement.holds is holds
    assert judgement.words.startswith(words)


@pytest.mark.parametrize(
    ("oven", "pump", "unknown", "trips"),
    [
        (250.0, 0.0, "trips", True),
        (250.0, 1.0, "trips", False),
        (150.0, 0.0, "trips", False),
        (float("nan"), 0.0, "trips", True),
        (float("nan"), 1.0, "trips", False),
        (float("nan"), 0.0, "passes", False),
        (float("nan"), float("nan"), "trips", True),
    ],
)
def test_all_conditions_must_hold_and_what_is_not_known_counts_as_configured(oven, pump, unknown, trips):
    lock = interlock(HOT | {"unknown": unknown}, DRY)
    judgements = [judge(condition, lambda v=value: v) for condition, value in zip(lock.when, (oven, pump), strict=True)]
    found = verdict(lock, judgements)
    assert (found is not None) == trips
    if found is not None:
        assert found.known == (oven == oven and pump == pump)


class Lab:
    """A bench whose one device reads what it is given."""

    def __init__(self) -> None:
        self.value: float | Exception = 20.0
        self.devices = {"oven": SimpleNamespace(temperature_c=SimpleNamespace(get=self._read))}
        self.clock = Clock()
        self.config = SimpleNamespace(name="lab")

    def _read(self) -> float:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def watched(self, on_trip: Callable[[str, str], None], **more: Any) -> WatchedInterlock:
        return WatchedInterlock("heat", interlock(HOT, **more), self, on_trip)  # type: ignore[arg-type]


def test_it_trips_once_and_stays_tripped():
    lab, trips, tripped = Lab(), [], threading.Event()
    watched = lab.watched(lambda name, reason: (trips.append((name, reason)), tripped.set()))
    watched.start()
    try:
        assert not trips
        lab.value = 250.0
        assert tripped.wait(20)
        lab.value = 20.0
        assert not lab.clock.wait_until(lambda: watched.tripped is None, every_s=0.002, limit_s=0.1)
    finally:
        watched.close()
    assert trips == [("heat", "oven.temperature_c is 250, above 200")]


def test_what_holds_from_the_beginning_has_tripped_when_it_has_started():
    lab, trips = Lab(), []
    lab.value = 250.0
    watched = lab.watched(lambda name, reason: trips.append(name))
    watched.start()
    watched.wait_for_first_look()
    watched.close()
    assert trips == ["heat"]


@pytest.mark.parametrize(("readings", "trips"), [([250.0, 20.0], []), ([250.0], ["heat"])])
def test_only_what_lasts_trips_an_interlock_that_waits(readings, trips):
    lab, seen, tripped = Lab(), itertools.cycle(readings), []
    lab.clock = StandingClock()
    enough = threading.Event()

    def read() -> float:  # a second passes with each look
        lab.clock.time_s += 1.0
        if lab.clock.time_s > 20.0:
            enough.set()
        return next(seen)

    lab.devices["oven"].temperature_c.get = read
    watched = lab.watched(lambda name, reason: tripped.append(name), for_s=1.5)
    watched.start()
    assert enough.wait(20)
    watched.close()
    assert tripped == trips


@pytest.mark.parametrize(("blind_s", "trips"), [(60.0, []), (0.0, ["oven.temperature_c cannot be read: no reply"])])
def test_readings_that_fail_for_a_moment_trip_nothing(blind_s, trips):
    lab, seen, looks = Lab(), [], itertools.count()
    enough = threading.Event()

    def read() -> float:
        if next(looks) == 5:
            enough.set()
        raise FlowlabError("no reply")

    lab.devices["oven"].temperature_c.get = read
    watched = lab.watched(lambda name, reason: seen.append(reason), blind_s=blind_s)
    watched.start()
    assert enough.wait(20)
    watched.close()
    assert seen == trips


def test_readings_that_fail_now_and_then_trip_nothing_though_they_are_many():
    """Each that succeeds between them says that all is well."""
    lab, seen, looks = Lab(), [], itertools.count()
    enough = threading.Event()

    def read() -> float:
        if next(looks) == 20:
            enough.set()
        if next(looks) % 4 == 1:
            raise OSError("spoilt")
        return 20.0

    lab.devices["oven"].temperature_c.get = read
    watched = lab.watched(lambda name, reason: seen.append(reason), blind_s=0.5)
    watched.start()
    assert enough.wait(20)
    watched.close()
    assert not seen


def test_ending_does_not_wait_for_a_reading_that_hangs_and_it_trips_nothing_any_more():
    lab, seen = Lab(), []
    asked, answer = threading.Event(), threading.Event()

    def read() -> float:
        asked.set()
        assert answer.wait(20)
        return 250.0

    lab.devices["oven"].temperature_c.get = read
    watched = lab.watched(lambda name, reason: seen.append(name))
    watched.start()
    assert asked.wait(20)
    watched.end()
    answer.set()  # only now: ending has not waited
    watched.close()
    assert not seen


class Detector(Device):
    """Counts its exposures; what happens during each is given."""

    frames = Cpt(Signal, value=0)

    def __init__(self, during: Callable[[int], None]):
        super().__init__(name="detector")
        self._during = during

    def trigger(self) -> DeviceStatus:
        number = int(self.frames.get()) + 1
        self.frames.put(number)
        self._during(number)
        status = DeviceStatus(self)
        status.set_finished()
        return status


def run(lab: Lab, during: Callable[[int], None], points: int = 2, **more: Any) -> list[tuple[str, dict[str, Any]]]:
    """Documents of a plan that takes points with a detector that is held while the oven is hot."""
    detector, documents = Detector(during), []
    watched = lab.watched(lambda name, reason: None, action="hold", holds=["detector"], **more)
    watched.start()
    watched.wait_for_first_look()

    @bpp.run_decorator()
    def plan():
        for _ in range(points):
            yield from bps.trigger_and_read([detector])

    with run_engine() as engine:
        engine.subscribe(lambda name, doc: documents.append((name, doc)))
        try:
            engine(holding(plan(), [watched]))
        finally:
            watched.close()
    return documents


def events(documents: list[tuple[str, dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    streams = {doc["uid"]: doc["name"] for name, doc in documents if name == "descriptor"}
    found: dict[str, list[dict[str, Any]]] = {stream: [] for stream in streams.values()}
    for name, doc in documents:
        if name == "event":
            found[streams[doc["descriptor"]]].append(doc["data"])
    return found


def test_without_a_hold_a_plan_is_what_it_was():
    assert events(run(Lab(), lambda number: None)) == {"primary": [{"detector_frames": 1}, {"detector_frames": 2}]}


def test_a_frame_during_which_the_hold_began_is_taken_again_when_it_is_over():
    lab = Lab()

    def during(number: int) -> None:
        if number == 2:  # the beam goes, and comes back a while later
            lab.value = 250.0
            threading.Timer(0.3, lambda: setattr(lab, "value", 20.0)).start()
            threading.Event().wait(0.1)

    found = events(run(lab, during))
    assert found["primary"] == [{"detector_frames": 1}, {"detector_frames": 3}]
    (hold,) = found["holds"]
    assert hold["hold_interlock"] == "heat"
    assert hold["hold_reason"] == "oven.temperature_c is 250, above 200"
    assert hold["hold_s"] > 0


def test_nothing_is_acquired_while_it_holds():
    lab = Lab()
    lab.value = 250.0
    timer = threading.Timer(0.1, lambda: setattr(lab, "value", 20.0))
    timer.start()
    seen: list[object] = []
    found = events(run(lab, lambda number: seen.append(lab.value)))
    assert seen == [20.0, 20.0]
    assert len(found["holds"]) == 1


def test_a_frame_that_was_over_before_the_next_look_is_taken_again_too():
    """The beam is looked at once a minute, and after each frame."""
    lab = Lab()

    def during(number: int) -> None:
        if number == 2:
            lab.value = 250.0
            threading.Timer(0.1, lambda: setattr(lab, "value", 20.0)).start()

    found = events(run(lab, during, every_s=60.0))
    assert found["primary"] == [{"detector_frames": 1}, {"detector_frames": 3}]
    assert len(found["holds"]) == 1


def test_a_hold_whose_reading_does_not_come_back_ends_the_plan():
    lab = Lab()

    def during(number: int) -> None:
        lab.value = FlowlabError("no reply")

    with pytest.raises(BlindError, match=r"^interlock heat: oven.temperature_c cannot be read: no reply; nothing is"):
        run(lab, during, blind_s=0.05)


def test_a_hold_whose_reading_fails_for_a_moment_only_holds():
    lab = Lab()

    def during(number: int) -> None:
        if number == 1:
            lab.value = FlowlabError("no reply")
            threading.Timer(0.1, lambda: setattr(lab, "value", 20.0)).start()

    found = events(run(lab, during, blind_s=60.0))
    assert found["primary"] == [{"detector_frames": 2}, {"detector_frames": 3}]
    assert found["holds"][0]["hold_reason"] == "oven.temperature_c cannot be read: no reply"
