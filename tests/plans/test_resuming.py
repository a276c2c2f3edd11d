"""Scans that are begun at a later point, on a RunEngine with devices that do nothing."""

import functools
import itertools
import threading
from collections import Counter
from typing import Any

import bluesky.plan_stubs as bps
import pytest
from bluesky.utils import RunEngineInterrupted
from hypothesis import given
from hypothesis import strategies as st

import devices  # noqa: F401  before a RunEngine imports ophyd
from flowlab.conditions import Conditions
from flowlab.grid import Grid, grid_of
from flowlab.stream.resumed import Document, complete_points, until_complete
from plans.scan import scan
from plans.spectra import record
from tests.engines import run_engine

GRID = Grid((250.0,), (250.0, 260.0, 270.0, 280.0))
POINTS = [Conditions(nucleation, growth, 14.0) for growth, nucleation in GRID.places()]
#: What makes a point; beside it there are events before the first, on the way, and of holds.
PARTS = {"primary": 1, "frames": 3, "emission": 1}


class Done:
    """A status that is done."""

    done = success = True

    def add_callback(self, callback) -> None:
        callback(self)

    def exception(self, timeout=None) -> None:
        return None


class Part:
    """Can be set to anything."""

    parent = None

    def __init__(self, name: str):
        self.name = name
        self.was_set: list[Any] = []

    def set(self, value) -> Done:
        self.was_set.append(value)
        return Done()


class Reactor(Part):
    """Tells the point that it was set to."""

    class path:  # noqa: N801
        reaction_ml = 0.4

    def __init__(self):
        super().__init__("reactor")
        self.flush, self.refill, self.reagent = (Part(name) for name in ("flush", "refill", "reagent"))
        self.stops = 0

    def heating_ml(self, before, after) -> float:
        return 10.0 if before is None else 1.0

    def charged_ml(self, value, volume_ml) -> float:
        return volume_ml

    def check_value(self, value) -> None: ...

    def stop(self, success=False) -> None:
        self.stops += 1

    def read(self):
        return {"point": {"value": POINTS.index(self.was_set[-1]) if self.was_set else -1, "timestamp": 0.0}}

    def describe(self):
        return {"point": {"source": "test", "dtype": "integer", "shape": []}}

    def read_configuration(self):
        return {}

    describe_configuration = read_configuration


class Counted:
    """So many events of a stream at each point; and some that do not count."""

    def __init__(self, reactor: Reactor, stream: str, count: int):
        self._reactor, self._stream, self._count = reactor, stream, count

    def check(self) -> None: ...

    def analysis(self):
        return {"kind": "none"}

    def point_events(self):
        return {self._stream: self._count}

    def prelude_ml(self):
        return [5.0]

    def prelude(self):
        yield from record([self._reactor], f"dark of {self._stream}")

    def point_ml(self, point):
        return 2.0

    def at_point(self):
        yield from record([self._reactor], "approach")
        for _ in range(self._count):
            yield from record([self._reactor], "holds")
            yield from record([self._reactor], self._stream)

    def finish(self):
        yield from bps.null()


def plan(reactor: Reactor, first_point: int = 0):
    measurements = [Counted(reactor, stream, count) for stream, count in PARTS.items()]
    metadata = {"plan_name": "made_up"}
    yield from scan(reactor, GRID, conditions, ["point"], measurements, metadata, first_point)  # type: ignore[arg-type]


def conditions(growth: float, nucleation: float) -> Conditions:
    return Conditions(nucleation, growth, 14.0)


@functools.cache
def documents_of(first_point: int, paused_behind: tuple[int, ...] = ()) -> list[Document]:
    """Documents of a scan that is paused, and goes on, behind each of these documents."""
    documents: list[Document] = []
    with run_engine() as engine:

        def take(name, doc):
            documents.append((name, doc))
            if len(documents) in paused_behind:
                asked = threading.Thread(target=engine.request_pause)  # at once; not from within the engine's own loop
                asked.start()
                asked.join(0.05)

        engine.subscribe(take)
        going = functools.partial(engine, plan(Reactor(), first_point))
        while True:
            try:
                going()
            except RunEngineInterrupted:
                going = engine.resume
            else:
                return documents


def events(documents: list[Document]) -> list[tuple[int, str, int]]:
    """Point, stream and number of each event that makes a point."""
    streams = {doc["uid"]: doc["name"] for name, doc in documents if name == "descriptor"}
    told = [(doc["data"]["point"], streams[doc["descriptor"]], doc["seq_num"]) for n, doc in documents if n == "event"]
    return [event for event in told if event[1] in PARTS]


def slowly_counted(documents: list[Document], first_point: int = 0) -> int:
    """Points whose events are all there, one behind the other, each event looked for in all documents."""
    found = set(events(documents))

    def whole(point: int) -> bool:
        return all(sum(event[:2] == (point, stream) for event in found) >= n for stream, n in PARTS.items())

    return len(list(itertools.takewhile(whole, range(first_point, len(POINTS)))))


@given(st.data())
def test_a_scan_that_is_cut_anywhere_and_resumed_has_each_point_exactly_once(data):
    cuts: list[list[Document]] = []
    first = 0
    while first < len(POINTS) and len(cuts) < 5:
        documents = documents_of(first)
        end = data.draw(st.integers(1, len(documents)))
        done = complete_points(documents[:end])
        assert done == slowly_counted(documents[:end], first)
        cuts.append(until_complete(documents[:end], done))
        first += done
    if first < len(POINTS):
        cuts.append(documents_of(first))
    counted = Counter((point, stream) for documents in cuts for point, stream, _ in events(documents))
    assert counted == {(point, stream): n for point in range(len(POINTS)) for stream, n in PARTS.items()}


@pytest.mark.parametrize("paused_behind", [(12,), (20,), (24, 31), (30, 40, 41, 50)])
def test_events_that_are_repeated_after_a_pause_do_not_count_twice(paused_behind):
    documents = documents_of(0, paused_behind)
    assert len(documents) > len(documents_of(0))
    for end in range(1, len(documents) + 1):
        assert complete_points(documents[:end]) == slowly_counted(documents[:end])
    assert complete_points(documents) == len(POINTS)


def test_a_resumed_scan_measures_first_what_comes_first_and_asks_for_reagent_for_what_is_left():
    whole, rest = documents_of(0), documents_of(3)
    assert whole[0][1]["num_points"] == 4
    assert "first_point" not in whole[0][1]
    assert (rest[0][1]["num_points"], rest[0][1]["first_point"]) == (1, 3)
    assert grid_of(whole[0][1]) == grid_of(rest[0][1]) == GRID
    assert whole[0][1]["point_events"] == rest[0][1]["point_events"] == PARTS
    streams = [[doc["name"] for name, doc in documents if name == "descriptor"] for documents in (whole, rest)]
    assert streams[0] == streams[1]
    reactor = Reactor()
    with run_engine() as engine:
        engine(plan(reactor, first_point=2))
    # 5 mL before the first point for each measurement; heating from cold for the first point that is visited.
    assert [round(ml) for ml in reactor.reagent.was_set[0]] == [5, 5, 5, 10 + 6 + 3, 1 + 6 + 3]
    assert reactor.was_set == POINTS[2:]
    assert reactor.stops


@pytest.mark.parametrize("first_point", [-1, 4])
def test_a_scan_of_which_nothing_is_left_is_refused_before_anything_moves(first_point):
    with pytest.raises(ValueError, match=f"first_point is {first_point}, but the scan has 4 points"):
        next(plan(Reactor(), first_point))
