"""The shipped instrument with a continuous feed, a selector valve in front of it and a pressure gauge."""

from pathlib import Path

import ophyd  # noqa: F401  imported here, as it starts threads that stay

from flowlab.bench import Bench
from flowlab.config import load_instrument
from flowlab.config.instrument import ClockSettings
from tests.devices.conftest import SPEED
from tests.instruments import UV_VIS

SHIPPED = Path(UV_VIS)

FEED = """
[devices.feed_pump]
class = "devices.knauer:AzuraCompact"
address = "socket://127.0.0.1:50110"
simulator = "simulators.wire.knauer:AzuraCompact"
[devices.feed_pump.settings]
reagent = "cadmium"
highest_ml_min = 10.0
highest_bar = 100
pressure_unit_bar = {unit_bar}
pressure_agrees_bar = 1.0
reply_within_s = 0.1
attempts = 5
{settings}
[devices.feed_pump.simulated]
valve = "selector"
{simulated}

[devices.gauge]
class = "devices.pressure:PressureSensor"
parts = {{ gauge = "feed_pump" }}
[devices.gauge.settings]
highest_bar = 400.0
"""

VALVE = """
[devices.selector]
class = "devices.vici:MultipositionValve"
address = "socket://127.0.0.1:50111"
simulator = "simulators.wire.vici:MultipositionValve"
[devices.selector.settings]
dialect = "{dialect}"
positions = 10
ports = {{ 1 = "solvent", 2 = "cadmium", 10 = "waste" }}
reply_within_s = 0.1
attempts = 5
{settings}
"""


def write(
    folder: Path,
    *,
    unit_bar: float = 1.0,
    feed: str = "",
    simulated: str = "",
    dialect: str = "eut",
    valve: str = "",
    hydraulics: str = "resistance_bar_min_ml = 2.0, back_pressure_bar = 5.0",
) -> Path:
    """An instrument file with both; keywords are lines of TOML that go into their settings."""
    text = SHIPPED.read_text("utf-8").replace('"spectrometer"]\n', '"spectrometer", "feed_pump", "selector"]\n', 1)
    text = text.replace("[simulation.settings]\n", f"[simulation.settings]\nhydraulics = {{ {hydraulics} }}\n")
    before, plans, rest = text.partition("[plans.temperature_scan]")
    feed_table = FEED.format(unit_bar=unit_bar, settings=feed, simulated=simulated)
    path = folder / "feeds.toml"
    path.write_text(before + feed_table + VALVE.format(dialect=dialect, settings=valve) + plans + rest, "utf-8")
    return path


def bench_at(file: Path, addresses: dict[str, str]) -> Bench:
    config = load_instrument(str(file)).model_copy(update={"clock": ClockSettings(speed=SPEED)})
    return Bench(config, "feeds", addresses)
