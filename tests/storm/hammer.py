"""Drivers with the weakest protocols are asked as fast as they answer, over cables that spoil nearly every other reply.

Nothing is moved meanwhile, but pumps run: what a reply should have said is known to its last digit. A scan asks a few
hundred times; what happens once in thousands of replies is found here.
"""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devices.errors import DeviceError
from flowlab.bench import Bench
from flowlab.config import load_instrument
from flowlab.config.instrument import ClockSettings
from tests.simulators.benches import served
from tests.storm.audit import Audit, Window, checks
from tests.storm.campaign import lab_file
from tests.storm.ledger import Ledger

SPEED = 20.0
#: What is asked of each device, by the data key that it is recorded under.
_ASKED = {
    "cadmium_pump": {"rate_ml_min": "ask_rate_ml_min", "content_ml": "ask_content_ml"},
    "selenium_pump": {"rate_ml_min": "ask_rate_ml_min", "content_ml": "ask_content_ml"},
    "solvent_pump": {"rate_ml_min": "ask_rate_ml_min", "pressure_bar": "ask_pressure_bar"},
    "selector": {"port": "ask_position"},
    "nucleation_heater": {"temperature_c": "ask_temperature_c", "setpoint_c": "ask_setpoint_c"},
}
_RUNNING = {"cadmium_pump": 0.857, "solvent_pump": 0.5, "selector": 3}
_SLACK_S = 0.05

#: Data key, value, and when it was asked for.
Told = tuple[str, float, Window]


@dataclass
class Hammered:
    """What came of it: an audit, replies spoilt by device and fault, errors by class."""

    audit: Audit = field(default_factory=Audit)
    spoilt: dict[str, Counter[str]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)


def _ask_on(device: Any, end_s: float, told: list[Told], errors: Counter[str]) -> None:
    """Ask one device until a time."""
    while time.monotonic() < end_s:
        for key, ask in _ASKED[device.name].items():
            begin_s = time.time() - _SLACK_S
            try:
                value = getattr(device, ask)()
            except DeviceError as error:
                errors[type(error).__name__] += 1
            else:
                told.append((f"{device.name}_{key}", float(value), Window(begin_s, time.time() + _SLACK_S)))


def hammer(folder: Path, seconds: float, *, probability: float = 0.3, faults: tuple[str, ...]) -> Hammered:
    """Ask for so many real seconds, each fault striking that share of the replies."""
    file = lab_file(folder / "hammer.toml", reply_within_s=0.05)
    config = load_instrument(str(file)).model_copy(update={"clock": ClockSettings(speed=SPEED)})
    found = Hammered()
    told: list[Told] = []
    with (
        served(str(file), "--any-port", "--speed", str(SPEED)) as lab,
        Bench(config, str(file), lab.addresses) as bench,
        Ledger(lab) as ledger,
    ):
        for name in _ASKED:
            bench.devices[name].connect()
        for name, value in _RUNNING.items():
            bench.devices[name].set(value).wait(60)
        for name in _ASKED:
            for fault in faults:
                lab.ask(fault=fault, device=name, probability=probability)
        asks = [(bench.devices[name], time.monotonic() + seconds, told, found.errors) for name in _ASKED]
        threads = [threading.Thread(target=_ask_on, args=ask, name=f"hammer {ask[0].name}") for ask in asks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in _ASKED:
            lab.ask(fault="none", device=name)
            bench.devices[name].make_safe()
        ledger.take()
        known = checks(config)
        for key, value, window in told:
            right = known[key].is_right(value, ledger, window)
            found.audit.note(key, None if right else f"{key} = {value:g}, {known[key].true(ledger, window)}")
        found.spoilt = ledger.spoilt
    return found
