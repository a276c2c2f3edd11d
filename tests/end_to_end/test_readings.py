"""What the shipped lab's instruments say, heard beside the documents: of the daemon that is idle, and in a run."""

import threading
import time

from flowlab.config import load_instrument
from flowlab.daemon.session import Session
from flowlab.stream import GaugeReading, Readings, ReadingsSubscriber
from tests.daemons import LIMIT_S, daemon
from tests.end_to_end.labs import lab_file

#: What has no value before something was measured, or flows.
LATER = {"residence", "light", "emission", "incident", "transmitted"}
#: So slow that liquid flows for several seconds.
SLOW = 60.0
SHORT = {"temperatures_c": [40.0], "residence_times_s": [40.0], "steady": {"flush_volumes": 1.2, "most_spectra": 4}}


def settled(subscriber: ReadingsSubscriber) -> Readings:
    """The first readings in which everything was read once."""
    end = time.monotonic() + LIMIT_S
    readings: Readings | None = None
    while time.monotonic() < end:
        readings = subscriber.receive(1.0) or readings
        if readings is not None and all(gauge.why != "not read yet" for gauge in readings.gauges):
            return readings
    raise AssertionError(f"not everything was read: {readings}")


def by_name(readings: Readings) -> dict[str, GaugeReading]:
    return {gauge.name: gauge for gauge in readings.gauges}


def test_a_daemon_that_is_idle_tells_what_its_instruments_say_in_the_order_of_the_file(tmp_path):
    config = load_instrument("simulated-flow")
    with daemon(tmp_path / "state") as running:
        with ReadingsSubscriber(running.status()["addresses"]["documents"]) as subscriber:
            readings = settled(subscriber)
            now = by_name(readings)
            assert list(now) == list(config.gauges)
            assert {name for name, gauge in now.items() if gauge.value is None} == LATER
            assert {name for name, gauge in now.items() if gauge.why is not None} == LATER
            assert all(gauge.units for name, gauge in now.items() if name not in (*LATER, "selector", "lamp", "beam"))
            assert (now["selector"].value, now["beam"].value) == ("solvent", False)
            assert [lock.name for lock in readings.interlocks] == list(config.interlocks)
            assert (readings.instrument, readings.speed) == ("simulated-flow", config.clock.speed)
            running.simulators(fault="unplug", device="growth_heater")  # a line that two heaters share
            while by_name(settled(subscriber))["growth"].value is not None:
                pass
        running.end()


def test_in_a_run_of_a_session_the_same_is_told(tmp_path):
    heard: list[dict[str, GaugeReading]] = []
    over = threading.Event()

    def listen(address: str) -> None:
        with ReadingsSubscriber(address) as subscriber:
            while not over.is_set():
                if (readings := subscriber.receive(0.2)) is not None:
                    heard.append(by_name(readings))

    file = str(lab_file(tmp_path / "lab.toml"))
    with Session(file, tmp_path / "data", simulate=True, speed=SLOW, seed=3) as session:
        listening = threading.Thread(target=listen, args=(session.documents,))
        listening.start()
        try:
            session.run("residence_time_scan", SHORT, lambda message: None)
        finally:
            over.set()
            listening.join()
    assert any(gauges["cadmium"].value and gauges["flow"].value and gauges["residence"].value for gauges in heard)
    assert any(gauges["light"].value is not None for gauges in heard)
    assert heard[-1]["cadmium"].left is not None
    assert heard[-1]["cadmium"].left < 50.0
