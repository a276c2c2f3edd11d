"""What a plan would do, before it does it: its messages are walked through, and nothing is connected.

Where a plan decides by what it measures, it is given nothing to go by, and goes the longest way: a sample that never
gets steady. So what is told is at most.
"""

from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bluesky.utils import Msg

from flowlab.bench import Bench
from flowlab.config import InstrumentConfig
from flowlab.daemon.plans import Plan
from flowlab.errors import BadInputError
from flowlab.foresight import Foreseeable, Foreseen, Foresight

#: More messages than any plan has that ends.
_MOST_MESSAGES = 2_000_000


@dataclass
class Step:
    """One step of a plan.

    Attributes:
        does: in words.
        seconds: at most, plant seconds.
        volumes_ml: at most, by reagent.
        takes: how many spectra or frames, at most.
        highest_c: the highest set point of a heater; None where none is set.
    """

    does: str
    seconds: float = 0.0
    volumes_ml: dict[str, float] = field(default_factory=dict)
    takes: Counter[str] = field(default_factory=Counter)
    highest_c: float | None = None

    def add(self, foreseen: Foreseen) -> None:
        """Count something more into this step."""
        self.seconds += foreseen.seconds
        _add(self.volumes_ml, foreseen.volumes_ml)
        self.takes.update([foreseen.takes] if foreseen.takes else [])
        self.highest_c = _higher(self.highest_c, foreseen.temperature_c)

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "does": self.does,
            "seconds_at_most": round(self.seconds, 1),
            "volumes_ml_at_most": {name: round(volume, 3) for name, volume in self.volumes_ml.items()},
            "takes_at_most": dict(self.takes),
        }


@dataclass(frozen=True)
class Preflight:
    """What a plan would do.

    Attributes:
        plan: its name.
        steps: in order.
        points: how many its runs would measure; None where it does not say so.
        available_ml: of each reagent, by the configuration: full syringes and reservoirs.
    """

    plan: str
    steps: list[Step]
    points: int | None
    available_ml: dict[str, float]

    @property
    def total(self) -> Step:
        """All steps together."""
        total = Step("in all")
        for step in self.steps:
            total.seconds += step.seconds
            _add(total.volumes_ml, step.volumes_ml)
            total.takes.update(step.takes)
            total.highest_c = _higher(total.highest_c, step.highest_c)
        return total

    def missing(self) -> dict[str, tuple[float, float]]:
        """What there is not enough of: needed and available ml, by reagent."""
        return {
            name: (needed, self.available_ml[name])
            for name, needed in self.total.volumes_ml.items()
            if name in self.available_ml and needed > self.available_ml[name]
        }

    def check(self) -> None:
        """Refuse a plan for which there is too little.

        Raises:
            BadInputError: it says what is needed and what there is.
        """
        for reagent, (needed_ml, available_ml) in self.missing().items():
            raise BadInputError(
                f"{self.plan} may need {needed_ml:.1f} mL of {reagent}, but by the configuration there are "
                f"{available_ml:g} mL in syringe and reservoir; ask for less, or fill up and say so in the "
                "configuration"
            )

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        total = self.total
        return {
            "plan": self.plan,
            "points": self.points,
            "highest_c": total.highest_c,
            "steps": [step.facts() for step in self.steps],
            "total": total.facts(),
            "available_ml": self.available_ml,
        }


def preflight(
    config: InstrumentConfig, source: str, plan_name: str, parameters: dict[str, Any], first_point: int = 0
) -> Preflight:
    """Reckon what a plan would do on an instrument.

    Args:
        config: the instrument.
        source: file of the configuration, for messages.
        plan_name: as the configuration has it.
        parameters: what the plan is asked for.
        first_point: how many points are left out because an earlier run has them.

    Raises:
        BadInputError: the plan or its parameters are not allowed; the plan itself says so.
    """
    plan = Plan(config, plan_name, source)
    with Bench(config, source) as bench:
        return preflight_on(bench, plan, parameters, first_point)


def preflight_on(bench: Bench, plan: Plan, parameters: dict[str, Any], first_point: int = 0) -> Preflight:
    """As :func:`preflight`, with devices that are there already, connected to nothing."""
    steps, points = walk(plan(bench, parameters, first_point), bench)
    return Preflight(plan.name, steps, points, _available(bench.config))


def walk(plan: Generator[Msg, Any, Any], bench: Bench) -> tuple[list[Step], int | None]:
    """The steps of a plan whose devices are not connected, and how many points its start documents tell of."""
    accounts = {name: device.foresight() for name, device in bench.devices.items() if isinstance(device, Foreseeable)}
    steps: list[Step] = []
    points: int | None = None
    answer: Any = None
    for _ in range(_MOST_MESSAGES):
        try:
            message = plan.send(answer)
        except StopIteration:
            return steps, points
        answer = _answer(message)
        if message.command == "open_run" and (of := message.kwargs.get("num_points")) is not None:
            points = (points or 0) + of
        foreseen = _foresee(message, accounts)
        if foreseen is None:
            continue
        if foreseen.does or not steps:
            steps.append(Step(foreseen.does))
        steps[-1].add(foreseen)
    plan.close()
    raise BadInputError(f"the plan does not end within {_MOST_MESSAGES} messages")


def _foresee(message: Msg, accounts: dict[str, Foresight]) -> Foreseen | None:
    root = getattr(message.obj, "root", message.obj)
    account = accounts.get(getattr(root, "name", ""))
    if account is None or message.command not in ("set", "trigger", "stop"):
        return None
    part = "" if root is message.obj else str(message.obj.dotted_name)
    return account.take(message.command, part, message.args[0] if message.command == "set" else None)


def _answer(message: Msg) -> Any:
    """What a plan is told: of a reading nothing that it could go by."""
    if message.command == "read":
        return {message.obj.name: {"value": np.zeros(1), "timestamp": 0.0}}
    return [] if message.command in ("stage", "unstage") else None


def _higher(one_c: float | None, other_c: float | None) -> float | None:
    return max((value_c for value_c in (one_c, other_c) if value_c is not None), default=None)


def _add(to: dict[str, float], more: Mapping[str, float]) -> None:
    for name, value in more.items():
        to[name] = to.get(name, 0.0) + value


def _available(config: InstrumentConfig) -> dict[str, float]:
    """What stands ready of each reagent when syringes are full, by the configuration."""
    available = {name: reagent.reservoir_ml for name, reagent in config.reagents.items()}
    for entry in config.devices.values():
        syringe, reagent = entry.settings.get("syringe"), entry.settings.get("reagent")
        if syringe in config.syringes and reagent in available:
            available[reagent] += config.syringes[syringe].volume_ml
    return available
