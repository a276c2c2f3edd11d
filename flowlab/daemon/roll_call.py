"""A roll call: each device is connected and read, and what was connected is left safe. No plan runs.

Nothing is set but what connecting sets (a pump stops, a LED goes off) and what the safe state does.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flowlab.bench import Bench, in_words
from flowlab.daemon.session import undisturbed
from flowlab.errors import BadInputError, FlowlabError


@dataclass(frozen=True)
class Reading:
    """What was read of a device.

    Attributes:
        value: None when there is none yet, because nothing was measured.
        units: "" for what has none.
    """

    value: Any
    units: str

    def facts(self) -> dict[str, Any]:
        """For JSON, which knows no nan and no infinity."""
        return {"value": _plain(self.value), "units": self.units}


@dataclass
class Answer:
    """What became of one device.

    Attributes:
        name: as the configuration has it.
        kind: its class.
        address: None for one that is made of others.
        readings: of its own, without those of its parts, by name without the device's.
        configuration: likewise.
        failure: why it is not connected, or could not be read.
        safe: whether it was left safe; None for one that has no safe state of its own, or was never connected.
    """

    name: str
    kind: str
    address: str | None
    readings: dict[str, Reading] = field(default_factory=dict)
    configuration: dict[str, Reading] = field(default_factory=dict)
    failure: str | None = None
    safe: bool | None = None

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "class": self.kind,
            "address": self.address,
            "readings": {name: reading.facts() for name, reading in self.readings.items()},
            "configuration": {name: reading.facts() for name, reading in self.configuration.items()},
            "failure": self.failure,
            "safe": self.safe,
        }


def called(bench: Bench, name: str | None) -> list[str]:
    """Names of the devices to connect for one of them, or for all: parts before what is made of them.

    Raises:
        BadInputError: there is no device of that name.
    """
    order = bench.config.build_order()
    if name is None:
        return order
    if name not in order:
        raise BadInputError(f"{bench.config.name} has no device {name!r}; there are {', '.join(order)}")
    wanted = {name}
    for candidate in reversed(order):
        if candidate in wanted:
            wanted.update(bench.config.devices[candidate].part_names())
    return [candidate for candidate in order if candidate in wanted]


def call(bench: Bench, name: str | None, tell: Callable[[Answer], None]) -> list[Answer]:
    """Connect devices, read them, and leave what was connected in its safe state.

    One that fails does not keep the others from being called. What was never connected is left alone: it may be
    another instrument than the one that was configured.

    Args:
        bench: the devices.
        name: one of them, which is called with its parts; None: all.
        tell: called with each answer as it comes; whether it was left safe is not known then.

    Returns:
        All answers.

    Raises:
        BadInputError: there is no device of that name.
    """
    answers: dict[str, Answer] = {}
    connected: set[str] = set()
    names = called(bench, name)
    try:
        for each in names:
            entry = bench.config.devices[each]
            answer = answers[each] = Answer(each, type(bench.devices[each]).__name__, entry.address)
            failed = [part for part in entry.part_names() if answers[part].failure]
            if failed:
                answer.failure = f"{each}: was not tried, for {', '.join(failed)} failed"
            else:
                _connect_and_read(bench.devices[each], answer, connected)
            tell(answer)
    finally:
        with undisturbed():
            outcome = bench.make_safe(connected)
    for each, error in outcome.items():
        answers[each].safe = error is None
        if error is not None:
            answers[each].failure = "; ".join(filter(None, [answers[each].failure, f"NOT SAFE: {error}"]))
    return list(answers.values())


def _connect_and_read(device: Any, answer: Answer, connected: set[str]) -> None:
    begun = time.time()
    try:
        device.connect()
        connected.add(answer.name)
        answer.readings = _own(answer.name, device.read(), device.describe(), begun)
        answer.configuration = _own(answer.name, device.read_configuration(), device.describe_configuration(), 0.0)
    except FlowlabError as error:
        answer.failure = str(error)
    except Exception as error:  # noqa: BLE001  whatever it is, the others are called too
        answer.failure = f"{answer.name}: {in_words(error)}"


def _own(name: str, readings: dict[str, Any], keys: dict[str, Any], begun: float) -> dict[str, Reading]:
    """The device's own readings; those that are older than the call were never taken."""
    return {
        key.removeprefix(f"{name}_"): Reading(
            reading["value"] if reading["timestamp"] >= begun else None, keys[key].get("units") or ""
        )
        for key, reading in readings.items()
        if key.startswith(f"{name}_")
    }


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
