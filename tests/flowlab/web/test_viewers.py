"""Those who look: what they are told, and that none of them is in another's way."""

import asyncio
import contextlib
import socket
import threading
import time

import httpx
import numpy as np
import pytest

from flowlab.web.access import Guard
from flowlab.web.gallery import Gallery
from flowlab.web.status import SELDOM_S
from flowlab.web.viewers import Viewers, Waiting
from tests.flowlab.watch.histories import history, picture_of
from tests.flowlab.watch.hub import at
from tests.flowlab.watch.test_picture import OF_A_RUN
from tests.flowlab.web.served import Served
from tests.flowlab.web.test_wire import alike
from tests.flowlab.web.viewing import (
    SECTIONS,
    Screen,
    alike_pictures,
    answers,
    ended,
    fetched,
    looked_at,
    looking,
    opened,
    told,
    wait_until,
)
from tests.joint_runs import joint_run
from tests.saxs_runs import RADII
from tests.support import PANELS, documents_of_a_scan


def test_the_first_picture_is_whole_and_those_behind_it_tell_what_has_changed(web, hub):
    scan = list(documents_of_a_scan(PANELS, clusters=(270.0,)))
    hub.record(scan[:-3])
    with looking(web) as first:
        screen = Screen(first)
        screen.take()
        assert screen.changed == [SECTIONS]
        screen.until(lambda sections: answers(sections) and len(sections["points"]) == 8)
        screen.changed.clear()
        hub.record(scan[-3:])
        screen.until(lambda sections: sections["window"]["final"])
        told_of = set().union(*screen.changed)
        assert told_of <= {"run", "spectrum", "points", "tracks", "window", "log", "status"}
        assert told_of >= {"run", "spectrum", "points", "tracks", "window", "log"}
        with looking(web) as second:
            other = Screen(second)
            other.take()
            assert other.changed == [SECTIONS]
            for name in OF_A_RUN:
                assert alike_pictures(other.sections[name], screen.sections[name]), name
    whole = picture_of(history(type(hub.store)(hub.store.root.parent / "other"), scan))
    for name in OF_A_RUN:
        assert alike(whole.sections.get(name), screen.sections[name]), name


def test_status_and_queue_are_told_when_they_change(web):
    web.tell_daemon("test_set", queue_uid="1")
    with looking(web, "operator") as viewer:
        screen = Screen(viewer)
        screen.until(answers)
        assert screen.sections["queue"] == {"items": [], "running": None, "history": []}
        answer = web.ask("POST", "/api/v1/queue", "operator", json={"plan": "scan"})
        assert answer.status_code == 201
        web.tell_daemon("test_set", queue_uid="2")
        screen.until(lambda sections: sections["queue"]["items"])
        assert screen.sections["queue"]["items"][0]["name"] == "scan"
        screen.until(lambda sections: "operator queued a plan" in [line["text"] for line in sections["log"]])


def test_a_daemon_that_is_gone_is_told_and_so_is_that_it_is_back(web):
    with looking(web) as viewer:
        screen = Screen(viewer)
        screen.until(answers)
        assert screen.sections["status"]["lost"] is None
        web.daemon.kill()
        web.daemon.close()
        screen.until(lambda sections: sections["status"]["lost"])
        assert screen.sections["status"]["facts"] is None
        web.start_daemon()
        web.daemon.wait_for("ready", 30)
        screen.until(lambda sections: sections["status"]["facts"])
        assert screen.sections["status"]["lost"] is None
        screen.until(lambda sections: "the daemon answers again" in [line["text"] for line in sections["log"]])
        assert any("the daemon does not answer" in line["text"] for line in screen.sections["log"])


def test_what_was_known_when_nobody_looked_is_not_told_as_if_it_were_so_now(web):
    with looking(web) as viewer:
        Screen(viewer).until(answers)
    web.daemon.kill()
    web.daemon.close()
    wait_until(lambda: web.ask("GET", "/healthz").status_code == 503)
    with looking(web) as viewer:
        screen = Screen(viewer)
        screen.until(lambda sections: "status" in sections)
        assert screen.sections["status"]["facts"] is None
        screen.until(lambda sections: sections["status"]["lost"])
    web.start_daemon()


def test_where_there_is_no_daemon_documents_tell_how_things_stand(tmp_path, hub):
    scan = list(documents_of_a_scan(PANELS))
    with looked_at(tmp_path, hub, control=None) as web, opened(web) as viewer:
        viewer.send('{"token": null}')
        assert told(viewer)["control"] is False
        screen = Screen(viewer)
        hub.record(scan[:10])
        screen.until(lambda sections: (sections.get("status") or {"facts": None})["facts"])
        screen.until(lambda sections: sections["status"]["facts"]["state"] == "running")
        hub.record(scan[10:])
        screen.until(lambda sections: sections["status"]["facts"]["state"] == "idle")
        assert screen.sections["queue"] is None


def lazy_viewer(sock: socket.socket) -> socket.socket:
    """One that says who it is and then reads nothing."""
    sock.sendall(
        b"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert sock.recv(12) == b"HTTP/1.1 101"
    said = b'{"token": null}'
    sock.sendall(bytes([0x81, 0x80 | len(said)]) + bytes(4) + said)
    return sock


def test_those_who_come_and_go_leave_nobody_waiting(web):
    """Each that stays is told, whoever leaves at that moment; when all have gone only the log has the daemon asked."""

    def come_and_go() -> None:
        for _ in range(8):
            with looking(web):
                pass

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(8):
        with looking(web) as viewer:
            screen = Screen(viewer)
            screen.take()
            assert screen.changed == [SECTIONS]
            screen.take()
    for thread in threads:
        thread.join()
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: only_the_log_asks(web))
    assert only_the_log_asks(web)


def asked(web: Served) -> int:
    """How often the daemon was asked how it is."""
    return web.tell_daemon("test_count")["count"].get("flowlab_status", 0)


def only_the_log_asks(web: Served) -> bool:
    before, began = asked(web), time.monotonic()
    threading.Event().wait(2.0)
    return asked(web) - before <= (time.monotonic() - began) / SELDOM_S + 1


def test_what_changes_while_nobody_looks_is_in_the_log(web):
    for state in ("running", "paused", "idle"):
        web.tell_daemon("test_set", state=state)
        before = asked(web)
        wait_until(lambda before=before: asked(web) >= before + 2)  # what was answered first has been heard then
    web.daemon.kill()
    web.daemon.close()
    wait_until(lambda: web.ask("GET", "/healthz").status_code == 503)
    with looking(web) as viewer:
        screen = Screen(viewer)
        screen.until(lambda sections: any("does not answer" in line["text"] for line in sections.get("log", [])))
    web.start_daemon()
    told = [line["text"].partition(":")[0] for line in screen.sections["log"]]
    assert told[-5:] == ["idle", "running", "paused", "idle", "the daemon does not answer"]


def test_whoever_leaves_as_something_comes_leaves_nobody_behind_who_tells_it_to_others(hub):
    async def story() -> None:
        with contextlib.closing(Gallery(hub.feed, alone=True)) as gallery:
            viewers = Viewers(gallery, None, None, Guard(None))
            for steps in range(6):  # of what goes on at once, between the news and the leaving
                waiting: Waiting = asyncio.Queue(50)
                viewers._join(waiting)
                await waiting.get()
                while not viewers._news._waiters:  # type: ignore[attr-defined]
                    await asyncio.sleep(0)
                viewers._news.set()
                for _ in range(steps):
                    await asyncio.sleep(0)
                viewers._leave(waiting)
            telling = {task for task in asyncio.all_tasks() if task.get_name() == "for viewers"}
            _, left = await asyncio.wait(telling | {asyncio.create_task(asyncio.sleep(0))}, timeout=5)
            assert left == set()

    asyncio.run(story())


def test_all_are_sent_home_when_it_ends(web):
    with contextlib.ExitStack() as stack:
        viewers = [stack.enter_context(looking(web)) for _ in range(5)]
        for viewer in viewers:
            Screen(viewer).take()
        silent = stack.enter_context(opened(web))
        lazy = stack.enter_context(socket.create_connection(("127.0.0.1", httpx.URL(web.url).port), 10))
        lazy_viewer(lazy)
        began = time.monotonic()
        assert web.web.close(10) == 0
        assert time.monotonic() - began < 5
        assert {ended(viewer) for viewer in viewers} <= {1001, 1012}
        ended(silent)
    assert "Traceback" not in web.log


def test_it_ends_in_time_though_the_replay_service_is_gone(web, hub):
    hub.replay.close()
    hub.record(at(9, documents_of_a_scan({270.0: [550.0]})))
    with looking(web) as viewer:
        Screen(viewer).until(lambda sections: sections.get("log"))
        assert web.web.close(15) == 0


@pytest.fixture
def joint(hub):
    points = {(310.0, 270.0): RADII[260.0]}
    hub.record(joint_run(hub.store.root, PANELS, points))


def test_spectra_and_curves_of_earlier_points_can_be_fetched(web, hub, joint):
    with looking(web) as viewer:
        screen = Screen(viewer)
        screen.until(lambda sections: (sections.get("run") or {}).get("stopped") and len(sections["points"]) == 10)
        screen.until(lambda sections: sections["saxs"])
    run = screen.sections["run"]["uid"]
    everything = fetched(web, "/api/v1/run/spectra")
    assert (everything["type"], everything["run"], len(everything["items"])) == ("spectra", run, 10)
    assert np.array_equal(everything["wavelength_nm"], screen.sections["axis"]["wavelength_nm"])
    panel = fetched(web, "/api/v1/run/spectra?panel=310")
    assert [item["index"] for item in panel["items"]] == [5, 6, 7, 8, 9]
    assert {item["panel"] for item in panel["items"]} == {310.0}
    newest = screen.sections["spectrum"]
    for key in ("index", "panel", "coordinate", "absorbance", "absorbance_err"):
        assert alike_pictures(panel["items"][-1][key], newest[key])
    assert fetched(web, "/api/v1/run/spectra?panel=1")["items"] == []
    curve = fetched(web, f"/api/v1/run/saxs/{screen.sections['saxs']['point']}")
    assert curve.pop("type") == "saxs"
    assert alike_pictures(curve, screen.sections["saxs"])
