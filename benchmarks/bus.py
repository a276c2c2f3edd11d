"""Four syringe pumps on one serial line, all of them asked for rate and content while a scan runs on two of them."""

import tempfile
import time
from pathlib import Path

from benchmarks.table import Row, quantile
from plans.residence_time_scan import residence_time_scan
from tests.devices.pump_bus import PUMPS, Polled, bus, bus_file, bus_lab
from tests.engines import run_engine

RATE_PER_S, BAUD, BITS = 5.0, 115_200, 10
RESIDENCE_TIMES_S = [14.0, 7.6, 4.5, 3.0] * 2


def rows() -> list[Row]:
    """The rate that is reached, what was lost, and how much of a real line's time that takes."""
    with tempfile.TemporaryDirectory() as folder, bus_lab(bus_file(Path(folder) / "bus.toml")) as (_, bench):
        line, reactor, spectrometer = bus(bench), bench.devices["reactor"], bench.devices["spectrometer"]
        before = line.traffic.carried_bytes
        begin = time.perf_counter()
        with run_engine() as engine, Polled(bench, every_s=1 / RATE_PER_S) as polled:
            engine(
                residence_time_scan(reactor, spectrometer, temperatures_c=[60.0], residence_times_s=RESIDENCE_TIMES_S)
            )
        took = time.perf_counter() - begin
        traffic = line.traffic
        unsafe = [name for name, error in bench.make_safe().items() if name in PUMPS and error is not None]
    if unsafe:
        raise SystemExit(f"not safe: {', '.join(unsafe)}")
    waits = [after - at for at, after in zip(polled.times_s, polled.times_s[1:], strict=False)]
    busy = (traffic.carried_bytes - before) * BITS / BAUD / took
    return [
        Row(
            "serial bus, 4 pumps while a scan runs: rounds of readings",
            len(polled.rounds) / took,
            "1/s",
            f"≥ {RATE_PER_S:g} 1/s",
            higher_is_better=True,
            missing=traffic.failed,
        ),
        Row("serial bus: longest wait from one round to the next", max(waits), "s", "-"),
        Row("serial bus: median wait", quantile(waits, 0.5), "s", f"{1 / RATE_PER_S:g} s"),
        Row("serial bus: requests sent, replies lost", traffic.requests, "requests", "0 lost", missing=traffic.failed),
        Row(f"serial bus: share of the time of a line of {BAUD} baud", busy, "", "< 1"),
    ]
