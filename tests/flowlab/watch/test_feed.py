"""The picture as it is fed over real sockets: joined late, cut off, and with garbage on the line."""

import contextlib
import threading
import time
from functools import partial

import pytest
import zmq

from flowlab.config import load_material
from flowlab.live import Analyzer
from flowlab.stream import (
    RAW,
    READINGS,
    RESULTS,
    Message,
    Readings,
    ReadingsPublisher,
    ReplayService,
    RunStore,
    earlier_documents,
)
from flowlab.watch.feed import Feed
from tests.flowlab.watch.histories import history, picture_of
from tests.flowlab.watch.hub import Hub, at, liquids
from tests.flowlab.watch.test_picture import OF_A_RUN, same
from tests.resumed_runs import scan_in_runs
from tests.saxs_runs import RADII, series
from tests.support import PANELS, documents_of_a_run, documents_of_a_scan


@pytest.fixture
def hub(tmp_path):
    one = Hub(tmp_path / "runs")
    yield one
    one.close()


def until(feed: Feed, condition, limit_s: float = 30.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end
        if not feed.take():
            feed.wait(0.05)


def quiet(feed: Feed) -> None:
    """Until there is nothing more to be taken."""
    feed.take()
    until(feed, lambda: not feed.take())


def ended(feed: Feed, points: int):
    sections = feed.picture.sections
    return lambda: (
        sections.get("run") is not None
        and sections.get("run")["stopped"] is not None
        and len(sections.get("points")) == points
        and sections.get("window") is not None
        and sections.get("window")["final"]
    )


def log(feed: Feed) -> str:
    return "\n".join(line["text"] for line in feed.picture.sections.get("log"))


@pytest.mark.parametrize("behind", [0, 1, 5, 18])
def test_the_newest_run_that_is_analysed_is_found_behind_those_that_only_moved_liquids(hub, behind):
    older = at(0, documents_of_a_scan({270.0: PANELS[270.0]}, seed=3))
    scan = at(2, documents_of_a_scan(PANELS, clusters=(270.0,)))
    hub.record([*older, *liquids(1), *scan])
    for number in range(behind):
        hub.record(liquids(3 + number))
    with hub.feed() as feed:
        until(feed, ended(feed, 10))
        assert feed.picture.run_uid == scan[0][1]["uid"]
        assert older[0][1]["uid"][:8] not in log(feed)


def test_where_nobody_ran_anything_nothing_is_shown_and_what_comes_is(hub):
    with hub.feed() as feed:
        quiet(feed)
        assert feed.picture.run_uid is None
        hub.record(liquids(0))
        until(feed, lambda: "made_up ended well" in log(feed))
        hub.record(at(1, documents_of_a_scan(PANELS)))
        until(feed, ended(feed, 10))


def test_runs_beyond_those_that_are_looked_at_stay_unseen(hub):
    hub.record(at(0, documents_of_a_scan({270.0: PANELS[270.0]})))
    for number in range(21):
        hub.record(liquids(1 + number))
    with hub.feed() as feed:
        quiet(feed)
        assert feed.picture.run_uid is None


@pytest.mark.parametrize("share", [0.2, 0.6, 1.0])
def test_who_joins_late_sees_what_who_was_there_sees(hub, tmp_path, share):
    documents = list(documents_of_a_scan(PANELS, clusters=(270.0,)))
    middle = round(share * len(documents))
    with hub.feed() as early:
        quiet(early)
        hub.record(documents[:middle])
        with hub.feed() as late:
            quiet(late)
            hub.record(documents[middle:])
            for feed in (early, late):
                until(feed, ended(feed, 10))
            whole = picture_of(history(RunStore(tmp_path / "other"), documents))
            for feed in (early, late):
                for name in OF_A_RUN:
                    assert same(feed.picture.sections.get(name), whole.sections.get(name)), name


def test_a_run_that_goes_on_with_others_is_shown_whole(hub):
    *before, last = scan_in_runs(PANELS, (2, 7), clusters=(270.0,))
    hub.analyzer = Analyzer(load_material, hub.frames, partial(earlier_documents, hub.store))
    for number, documents in enumerate((*before, last)):
        hub.record(at(number, documents))
    with hub.feed() as feed:
        until(feed, ended(feed, 10))
        points = feed.picture.sections.get("points")
        assert all(feed.picture.spectrum(point["uid"]) is not None for point in points)


def test_frames_are_shown_where_there_is_a_folder_of_them(hub):
    hub.record(at(0, series(hub.store.frames, {190.0: RADII[190.0]})))
    with hub.feed() as feed, hub.feed(frames=False) as without:
        until(feed, lambda: feed.picture.sections.get("frame") is not None)
        assert feed.picture.sections.get("frame")["pixels"].any()
        until(without, lambda: len(without.picture.sections.get("saxs_points")) == 1)
        quiet(without)
        assert without.picture.sections.get("frame") is None


def test_documents_go_on_when_the_replay_service_is_back(hub):
    documents = list(documents_of_a_scan(PANELS, clusters=(270.0,)))
    address = hub.replay.address
    with hub.feed() as feed:
        quiet(feed)
        hub.record(documents[:7])
        until(feed, lambda: len(feed.picture.sections.get("points")) >= 1)
        hub.replay.close()
        hub.record(documents[7:10])  # heard without it
        until(feed, lambda: len(feed.picture.sections.get("points")) == 4)
        hub.record(documents[10:])
        hub.record(liquids(1))  # the first document of a run is fetched
        until(feed, lambda: "documents are missing here; they are recorded" in log(feed))
        hub.replay = ReplayService(hub.store, address)
        until(feed, ended(feed, 10))
        until(feed, lambda: "made_up ended well" in log(feed))
    assert log(feed).count("documents are missing") == 1


def test_a_feed_that_begins_before_there_is_a_replay_service_begins_when_there_is(hub):
    hub.record(at(0, documents_of_a_scan(PANELS)))
    address = hub.replay.address
    hub.replay.close()
    with hub.feed() as feed:
        assert not feed.take()
        assert "does not answer" in log(feed)
        hub.replay = ReplayService(hub.store, address)
        until(feed, ended(feed, 10))


@contextlib.contextmanager
def line(hub):
    """Where anybody may say something."""
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        socket.linger = 1000
        socket.connect(hub.proxy.inward)
        yield socket


GARBAGE = [
    b"", b"raw", b"raw ", b"raw event", b"raw event \xc1", b"raw start \x93\xa1x\x00\x80", b"results stop \x80",
    b"heartbeat-raw \x00", b"heartbeat-raw heartbeat \x81\xa1x\xff", b"heartbeat-results heartbeat \x81\xa1y\x05",
    READINGS, READINGS + b" \xc1", READINGS + b" \x80", b"\x00" * 1000, b"raw start " + b"\x91" * 5000,
]  # fmt: skip


def test_garbage_on_the_line_is_passed_over(hub):
    with hub.feed() as feed, line(hub) as socket:
        quiet(feed)
        documents = list(documents_of_a_scan(PANELS))
        for number, document in enumerate(documents):
            for said in GARBAGE:
                socket.send(said)
            socket.send_multipart([GARBAGE[number % len(GARBAGE)], b"more"])
            hub.record([document])
        until(feed, ended(feed, 10))
        assert len(feed.picture.sections.get("points")) == 10


def test_documents_that_make_no_sense_are_left_out_and_told(hub):
    """They are in the journal, and well formed; what is in them is not what it should be."""
    with hub.feed() as feed:
        quiet(feed)
        hub.record(at(0, documents_of_a_scan({270.0: PANELS[270.0]})))
        until(feed, lambda: len(feed.picture.sections.get("points")) == 5)
        shown = feed.picture.run_uid
        broken = list(documents_of_a_run(1))
        hub.record([("start", {**broken[0][1], "analysis": "absorbance"}), *broken[1:]])
        until(feed, lambda: "a start of run" in log(feed))
        assert "cannot be shown: AttributeError" in log(feed)
        assert (feed.picture.run_uid, len(feed.picture.sections.get("points"))) == (shown, 5)
        scan = at(1, documents_of_a_scan(PANELS))
        for name, doc in scan:
            if name == "event" and doc["seq_num"] == 3:
                doc["data"] = {**doc["data"], "spec_counts": "many", "spec_counts_err": "many"}
        hub.record(scan)
        until(feed, lambda: (feed.picture.sections.get("run") or {}).get("stopped") and feed.picture.run_uid != shown)
        assert "cannot be shown: ValueError" in log(feed)
        assert feed.picture.sections.get("spectrum")["index"] == 9


def test_an_analysis_that_is_heard_of_before_its_run_is_shown(hub, tmp_path):
    """What is heard over two sockets keeps no order between them."""
    documents = list(documents_of_a_scan(PANELS, clusters=(270.0,)))
    heard = history(hub.store, documents)
    with hub.feed() as feed:
        feed._begun = True  # as one that was there before
        results, raw = ([m for of, m in heard if of == of_analysis] for of_analysis in (True, False))
        send(hub, feed, RESULTS, results)
        until(feed, lambda: raw[0].doc["uid"] in feed._analyses)
        assert feed.picture.sections.get("points") == []
        send(hub, feed, RAW, raw)
        until(feed, ended(feed, 10))


def send(hub, feed: Feed, prefix: bytes, messages: list[Message]) -> None:
    """Publish once it is known that somebody listens: until something was heard."""
    for position, message in enumerate(messages):
        hub.publishers[prefix].send(message.run_uid, position + 1, message.to_bytes())


def readings(time_s: float) -> Readings:
    return Readings(time=time_s, instrument="made-up", speed=1.0, gauges=[], interlocks=[])


def test_readings_are_shown_and_are_gone_when_they_are_old(hub):
    publisher = ReadingsPublisher(hub.proxy.inward)
    with hub.feed() as feed:
        quiet(feed)

        def come():
            publisher.send(readings(5.0))
            return feed.picture.sections.get("readings") is not None

        until(feed, come)
        assert feed.picture.sections.get("readings")["instrument"] == "made-up"

        def gone():  # however late the last of them came
            feed._heard -= 31.0
            return feed.picture.sections.get("readings") is None

        until(feed, gone)
    publisher.close()


def test_what_is_shown_of_a_busy_line_grows_step_by_step(hub):
    """Whoever looks meanwhile need not wait for the end."""
    hub.record(at(0, documents_of_a_scan({250.0 + i: PANELS[270.0] for i in range(20)})))
    seen = set()
    with hub.feed() as feed:
        while feed.take() or not seen:
            if feed.picture.sections.get("run") is not None:
                seen.add(feed.picture.sections.get("run")["points_done"])
    assert len(seen) > 1


def test_each_document_is_news_though_nothing_follows_from_it(hub):
    """Or whoever looks would be told of it with the next thing only."""
    (name, start), *others = documents_of_a_scan({270.0: [550.0] * 3})
    scan = [(name, {**start, "material": "none"}), *others]  # of which nothing can be analysed
    with hub.feed() as feed:
        quiet(feed)
        hub.record(scan)
        shown = (None, None)
        while not (feed.picture.sections.get("run") or {}).get("stopped"):
            news = feed.take()
            before, shown = shown, (feed.picture.sections.get("run"), feed.picture.sections.get("spectrum"))
            assert news or all(one is other for one, other in zip(before, shown, strict=True))
            if not news:
                feed.wait(5.0)


def test_a_feed_waits_for_what_comes(hub):
    with hub.feed() as feed:
        quiet(feed)
        began = time.monotonic()
        timer = threading.Timer(0.3, hub.record, [liquids(0)])
        timer.start()
        while "made_up" not in log(feed):
            feed.wait(5.0)
            feed.take()
        assert 0.2 < time.monotonic() - began < 4
        timer.join()


def test_closing_twice_is_harmless(hub):
    feed = hub.feed()
    feed.close()
    feed.close()
