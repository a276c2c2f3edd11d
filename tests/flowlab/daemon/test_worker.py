"""The worker as a process, without any instrument."""

import queue
import threading
import time
from pathlib import Path

import bluesky.plan_stubs as bps
from ophyd import Signal

from benchmarks.ticks import instrument
from flowlab.config import Model, load_instrument
from flowlab.daemon.latches import Latches
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


class Gauge:
    """Shows the number in a file."""

    class Settings(Model):
        file: str

    class _Reading(Signal):
        def get(self, **_):
            return float(Path(self.file).read_text())

    def __init__(self, name, entry, settings, bench):
        self.name = name
        self.pressure_bar = self._Reading(name="pressure_bar")
        self.pressure_bar.file = settings.file

    def connect(self):
        pass

    def close(self):
        pass

    def make_safe(self):
        pass


def gauged(folder: Path) -> tuple[Path, Path]:
    """An instrument of one gauge, with an interlock; and the file that holds what it shows."""
    shown = folder / "pressure"
    shown.write_text("1.0")
    path = instrument(folder / "gauge.toml", "gauge")
    device = f"[devices.gauge]\nclass = '{__name__}:Gauge'\nsettings = {{ file = '{shown}' }}\n"
    when = "[{ device = 'gauge', signal = 'pressure_bar', above = 5.0 }]"
    lock = f"[interlocks.high]\nwhen = {when}\naction = 'safe'\nevery_s = 0.01\n"
    path.write_text(path.read_text().replace("[devices]\n", f"{device}{lock}"))
    return path, shown


def test_an_interlock_that_tripped_while_nothing_ran_is_watched_again_once_it_is_acknowledged(tmp_path):
    path, shown = gauged(tmp_path)
    told: queue.Queue = queue.Queue()
    latches = Latches(tmp_path / "runs", load_instrument(str(path)).name)
    run = {"do": "run", "plan": "ticks", "parameters": {}, "metadata": {}}

    def until(*kinds):
        while True:
            message = told.get(timeout=60)
            if found := next((kind for kind in kinds if kind in message), None):
                return found, message
            assert "ended" not in message

    proxy = Proxy()
    spec = {"config": str(path), "data": str(tmp_path / "runs"), "documents_in": proxy.inward}
    with Child("worker", "flowlab.daemon.worker", spec, tmp_path / "log", listen=told.put) as worker:
        worker.order({"do": "open"})
        until("opened")
        shown.write_text("9.0")
        until("rested")
        shown.write_text("1.0")
        worker.order(run)
        assert "tripped at" in until("failed")[1]["failed"]
        latches.acknowledge("high", "anna")
        worker.order(run)
        assert until("done", "failed")[0] == "done"
        shown.write_text("9.0")
        assert until("tripped", "ended")[0] == "tripped"
        worker.cut()
        until("ended")
    proxy.close()
