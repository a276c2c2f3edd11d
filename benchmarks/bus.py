"""Four syringe pumps on one serial line, all of them asked for rate and content while a scan runs on two of them."""

import itertools
import statistics
import tempfile
from pathlib import Path

from benchmarks.table import Row
from plans.residence_time_scan import residence_time_scan
from tests.devices.pump_bus import PUMPS, Polled, bus, bus_file, bus_lab, one_round
from tests.engines import run_engine

RATE_PER_S = 5.0
#: Of a serial line; and bits for each byte, with start and stop.
BAUDS, BITS = (115_200, 9600), 10
RESIDENCE_TIMES_S = [14.0, 7.6, 4.5, 3.0] * 2


def rows() -> list[Row]:
    """The rate that is reached, what was lost, and how long a real line is busy with one round."""
    with tempfile.TemporaryDirectory() as folder, bus_lab(bus_file(Path(folder) / "bus.toml")) as (_, bench):
        line, reactor, spectrometer = bus(bench), bench.devices["reactor"], bench.devices["spectrometer"]
        with run_engine() as engine, Polled(bench, every_s=1 / RATE_PER_S) as polled:
            engine(
                residence_time_scan(reactor, spectrometer, temperatures_c=[60.0], residence_times_s=RESIDENCE_TIMES_S)
            )
        for name in PUMPS:
            bench.devices[name].set(1.0).wait()
        one_round(bench)
        before = line.traffic.carried_bytes
        one_round(bench)
        round_bytes = line.traffic.carried_bytes - before
        unsafe = [name for name, error in bench.make_safe().items() if name in PUMPS and error is not None]
    if unsafe:
        raise SystemExit(f"not safe: {', '.join(unsafe)}")
    waits = [after - at for at, after in itertools.pairwise(polled.times_s)]
    lost = line.traffic.failed
    return [
        Row(
            "bus of 4 pumps, scan on 2: rounds of readings", 1 / statistics.fmean(waits), "1/s", "≥ 5 Hz", missing=lost
        ),
        Row("bus of 4 pumps: longest wait between two rounds", max(waits) * 1e3, "ms", "-"),
        Row("bus of 4 pumps: requests sent", line.traffic.requests, "requests", "0 lost", missing=lost),
        *(
            Row(f"bus of 4 pumps: a round on a line of {baud} baud", 1e3 * round_bytes * BITS / baud, "ms", "≤ 200 ms")
            for baud in BAUDS
        ),
    ]
