"""The shipped lab with four syringe pumps, addresses 1 to 4, on one serial line; the reactor has the first two."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from devices.harvard import PhdUltra
from devices.links import Line, shared_line
from flowlab.bench import Bench
from flowlab.config import load_instrument
from flowlab.config.instrument import ClockSettings
from flowlab.config.paths import find_config
from tests.simulators.benches import Served, served

PUMPS = ("cadmium_pump", "selenium_pump", "third_pump", "fourth_pump")
SPEED = 100.0
_ADDRESS = "socket://127.0.0.1:50101"
_MORE = """
[devices.{name}]
class = "devices.harvard:PhdUltra"
address = "{address}"
simulator = "simulators.wire.harvard:PhdUltra"
[devices.{name}.settings]
unit = {unit}
syringe = "glass_50ml"
reagent = "cadmium"
highest_ml_min = 20.0
refill_ml_min = 20.0
"""


def bus_file(path: Path) -> Path:
    """Write the configuration."""
    text = find_config("instruments", "simulated-flow").read_text(encoding="utf-8")
    text = text.replace("socket://127.0.0.1:50102", _ADDRESS)
    for unit, name in enumerate(PUMPS[:2], 1):
        table = f"[devices.{name}.settings]\n"
        assert text.count(table) == 1
        text = text.replace(table, f"{table}unit = {unit}\n")
    more = "".join(_MORE.format(name=name, unit=unit, address=_ADDRESS) for unit, name in enumerate(PUMPS[2:], 3))
    after = '"selenium_pump", "solvent_pump"'
    assert text.count(after) == 1
    text = text.replace(after, '"selenium_pump", "third_pump", "fourth_pump", "solvent_pump"')
    before, reactor, behind = text.partition("[devices.reactor]\n")
    path.write_text(before + more + reactor + behind, encoding="utf-8")
    return path


@contextlib.contextmanager
def bus_lab(file: Path) -> Iterator[tuple[Served, Bench]]:
    """The simulated lab of that file, and a bench connected to what of it a scan needs."""
    with served(str(file), "--any-port", "--speed", str(SPEED)) as lab:
        config = load_instrument(str(file)).model_copy(update={"clock": ClockSettings(speed=SPEED)})
        with Bench(config, "bus", lab.addresses) as bench:
            for name in (*PUMPS, "nucleation_heater", "growth_heater", "spectrometer"):
                bench.devices[name].connect()
            yield lab, bench


def bus(bench: Bench) -> Line:
    """The line of the pumps."""
    pump: PhdUltra = bench.devices[PUMPS[0]]
    return shared_line(bench, pump.address, pump.name, pump.settings)


@dataclass
class Reading:
    """What one pump told in one round."""

    rate_ml_min: float
    content_ml: float


def one_round(bench: Bench) -> dict[str, Reading]:
    """Ask each pump for rate and content."""
    pumps = [bench.devices[name] for name in PUMPS]
    return {pump.name: Reading(pump.ask_rate_ml_min(), pump.ask_content_ml()) for pump in pumps}


@dataclass
class Polled:
    """Asks all four pumps for rate and content, round after round, while it is a context.

    Attributes:
        rounds: what each told, by its name; only whole rounds.
        times_s: when each round was whole.
    """

    bench: Bench
    every_s: float = 0.2
    rounds: list[dict[str, Reading]] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    failure: Exception | None = None

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poll the pumps")

    def _run(self) -> None:
        try:
            due_s = time.monotonic()
            while not self._ended.wait(max(due_s - time.monotonic(), 0.0)):
                due_s += self.every_s
                self.rounds.append(one_round(self.bench))
                self.times_s.append(time.monotonic())
        except Exception as error:  # noqa: BLE001  it is raised where the polling ends
            self.failure = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self.failure is not None and error is None:
            raise self.failure
