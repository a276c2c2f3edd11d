"""The worker as a process, without any device."""

import threading
import time

import bluesky.plan_stubs as bps

from benchmarks.ticks import instrument
from flowlab.process import Child
from flowlab.stream import Proxy


def slow_to_begin():
    time.sleep(0.7)  # longer than from one beat to the next
    yield from bps.null()


def test_a_plan_that_is_slow_to_begin_has_not_waited_since_the_computer_was_switched_on(tmp_path):
    path = instrument(tmp_path / "nothing.toml", "nothing")
    path.write_text(path.read_text().replace("benchmarks.ticks:ticks", f"{__name__}:slow_to_begin"))
    told, done, over = [], threading.Event(), threading.Event()

    def listen(message):
        told.append(message)
        if "done" in message:
            done.set()
        elif "ended" in message:
            over.set()

    proxy = Proxy()
    spec = {"config": str(path), "data": str(tmp_path / "runs"), "documents_in": proxy.inward}
    with Child("worker", "flowlab.daemon.worker", spec, tmp_path / "log", listen=listen) as worker:
        worker.order({"do": "open"})
        worker.order({"do": "run", "plan": "ticks", "parameters": {}, "metadata": {}})
        assert done.wait(60), told
        worker.cut()
        assert over.wait(60)
    proxy.close()
    waits = [message["beat"]["for_s"] for message in told if "beat" in message]
    assert waits, told
    assert max(waits) < 5.0
