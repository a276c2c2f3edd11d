"""Every recorded value is held against what was true while it was read.

The values of an event are read one after the other, and each carries the time at which it was there: it was true at
some moment between that of the one before and its own. Exposures are known digit by digit.
"""

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from flowlab.config import InstrumentConfig
from tests.storm.ledger import Ledger
from tests.support import Document

#: Clocks of threads: a reading may be older than the time of the one before says, when two threads read at once.
_SLACK_S = 0.25
#: Of the first value of an event it is not known when its reading began.
_LONGEST_READING_S = 10.0
_LATEST_SHOTS = 48
_LATEST_CURRENTS = 14
#: Of one current; and the seconds that a conversion may be noted behind the time of a spectrum: clocks are read apart.
_READINGS, _LATE_NOTE_S = 5, 0.01


class Window(NamedTuple):
    """When a value was read."""

    begin_s: float
    end_s: float


#: What was true in a window: lowest and highest.
Range = Callable[[Ledger, Window], tuple[float, float]]


@dataclass(frozen=True)
class Check:
    """How a value of a key is judged: it must be in the range, or off it by no more than its instrument resolves."""

    true: Range
    absolute: float = 1e-9
    relative: float = 0.0

    def is_right(self, value: float, ledger: Ledger, window: Window) -> bool:
        """Whether the value can be a reading of what was true."""
        low, high = self.true(ledger, window)
        slack = self.absolute + self.relative * max(abs(low), abs(high))
        return low - slack <= value <= high + slack


@dataclass
class Audit:
    """What an audit found.

    Attributes:
        values: how many were compared, by data key.
        wrong: those that were not true, in words.
        unknown: those that the driver itself says it does not know.
    """

    values: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)

    def note(self, key: str, complaint: str | None) -> None:
        """Count a value, and what is wrong with it."""
        self.values[key] += 1
        if complaint is not None:
            self.wrong.append(complaint)


def _one(name: str) -> Range:
    return lambda ledger, window: ledger.range_of(name, *window)


def _sum(*names: str) -> Range:
    def ranged(ledger: Ledger, window: Window) -> tuple[float, float]:
        lows, highs = zip(*(ledger.range_of(name, *window) for name in names), strict=True)
        return sum(lows), sum(highs)

    return ranged


def _inverse(true: Range, factor: float) -> Range:
    def ranged(ledger: Ledger, window: Window) -> tuple[float, float]:
        low, high = true(ledger, window)
        return (factor / high if high else math.inf), (factor / low if low else math.inf)

    return ranged


def checks(config: InstrumentConfig) -> dict[str, Check]:
    """For each data key of the lab that an instrument on a wire tells; tolerances are what the instruments resolve."""
    pumps = ("cadmium_pump", "selenium_pump")
    flow = _sum(*(f"{pump}.rate_ml_min" for pump in pumps))
    found = {
        "solvent_pump_rate_ml_min": Check(_one("solvent_pump.rate_ml_min"), 6e-4),
        "solvent_pump_pressure_bar": Check(_one("pressure_bar"), 1.0),
        "pressure_pressure_bar": Check(_one("pressure_bar"), 1.0),
        "selector_port": Check(_one("selector.port")),
        "led_is_on": Check(_one("led.on")),
        "spectrometer_shutter_open": Check(_one("light.open")),
        "fluorometer_detector_c": Check(_one("detector.temperature_c"), 0.05),
        "ring_current_ma": Check(_one("ring.current_ma"), 0.02),
        "beam_shutter_open": Check(_one("beam.open")),
        "sample_stage_x": Check(_one("stage.x_mm"), 2e-3),
        "sample_stage_z": Check(_one("stage.z_mm"), 2e-3),
        "reactor_flow_ml_min": Check(flow, relative=2e-3),
        "reactor_residence_time_s": Check(_inverse(flow, 60 * config.flow_path.reaction_ml), relative=2e-3),
    }
    for pump in pumps:
        found[f"{pump}_rate_ml_min"] = Check(_one(f"{pump}.rate_ml_min"), relative=2e-3)
        found[f"{pump}_content_ml"] = Check(_one(f"{pump}.content_ml"), 4e-3)
    for heater, own in (("nucleation", "reactor_nucleation"), ("growth", "reactor_growth")):
        controller = f"{heater}_heater"
        temperature, setpoint = (
            Check(_one(f"{controller}.temperature_c"), 0.25),
            Check(_one(f"{controller}.setpoint_c")),
        )
        found |= {f"{controller}_temperature_c": temperature, f"{own}_c": temperature}
        found |= {f"{controller}_setpoint_c": setpoint, f"{own}_setpoint_c": setpoint}
        found[f"{controller}_output_percent"] = Check(_one(f"{controller}.output_percent"), 3.0)
    return found


def audit(documents: Iterable[Document], config: InstrumentConfig, ledger: Ledger, into: Audit) -> None:
    """Hold the documents of a run against the ledger.

    Args:
        documents: of the run.
        config: the lab.
        ledger: reaches from before the run to behind its end.
        into: what is found is added there.
    """
    known = checks(config)
    scans: dict[str, int] = {}
    for name, document in documents:
        if name == "descriptor":
            for device, own in document["configuration"].items():
                scans[device] = own["data"].get(f"{device}_scans", 0)
        elif name == "event":
            _audit_event(document, known, scans, ledger, into)


def _audit_event(
    event: dict[str, Any], known: dict[str, Check], scans: dict[str, int], ledger: Ledger, into: Audit
) -> None:
    data, times = event["data"], event["timestamps"]
    for key in known.keys() & data.keys():
        before = [at for at in times.values() if at < times[key]]
        begin_s = max(before, default=times[key] - _LONGEST_READING_S) - _SLACK_S
        window = Window(begin_s, times[key] + _SLACK_S)
        into.note(key, _reading(key, data[key], known[key], ledger, window))
    for device in ("spectrometer", "fluorometer"):
        if f"{device}_counts" in data:
            into.note(f"{device}_counts", _spectrum(device, data, times, scans[device], ledger))
    for device in ("incident", "transmitted"):
        key = f"{device}_current_a"
        if key in data and math.isnan(data[key]) and data[f"{device}_why"]:
            into.unknown[key] += 1
        elif key in data:
            into.note(key, _current(device, data, times[key], ledger))


def _reading(key: str, value: float, check: Check, ledger: Ledger, window: Window) -> str | None:
    """What is wrong with a reading."""
    if check.is_right(float(value), ledger, window):
        return None
    low, high = check.true(ledger, window)
    return f"{key} = {value:g}, but from {window.begin_s} to {window.end_s} it was {low:g}…{high:g}"


def _current(device: str, data: Any, at_s: float, ledger: Ledger) -> str | None:
    """What is wrong with a current: it has to be the mean of readings that were made, and its error their scatter."""
    mean_a, err_a = data[f"{device}_current_a"], data[f"{device}_current_err_a"]
    values = [shot.data.item() for shot in ledger.shots_before(device, at_s + _LATE_NOTE_S, _LATEST_CURRENTS)]
    for few in itertools.combinations(values, _READINGS):
        same = math.isclose(statistics.fmean(few), mean_a, rel_tol=2e-6)
        if same and math.isclose(statistics.stdev(few) / math.sqrt(_READINGS), err_a, rel_tol=1e-3, abs_tol=1e-18):
            return None
    return f"{device}_current_a = {mean_a:g} ± {err_a:g} at {at_s} is no mean of {_READINGS} readings"


def _spectrum(device: str, data: Any, times: Any, scans: int, ledger: Ledger) -> str | None:
    """What is wrong with a spectrum: it has to be the mean of so many whole scans, to the last digit."""
    key = f"{device}_counts"
    shots = ledger.shots_before(device, times[key] + _LATE_NOTE_S, _LATEST_SHOTS)
    total = np.asarray(data[key]) * scans
    made = np.array([shot.data for shot in shots])
    share, *_ = np.linalg.lstsq(made.T, total, rcond=None)
    chosen = [shot for shot, of_it in zip(shots, share, strict=True) if round(of_it) == 1]
    if len(chosen) != scans:
        return f"{key} at {times[key]} is no sum of {scans} scans"
    taken = np.array([shot.data for shot in chosen])
    if not np.allclose(taken.sum(axis=0), total, rtol=0, atol=1e-6):
        return f"{key} at {times[key]} differs from the scans that were taken"
    if not np.allclose(taken.std(axis=0, ddof=1) / np.sqrt(scans), data[f"{device}_counts_err"], rtol=1e-9):
        return f"{device}_counts_err at {times[key]} is not that of the scans that were taken"
    lit = {shot.lit for shot in chosen}
    if lit != {bool(data[f"{device}_shutter_open"])}:
        return f"{device}_shutter_open at {times[key]} is {data[f'{device}_shutter_open']}, but the light was {lit}"
    return None
