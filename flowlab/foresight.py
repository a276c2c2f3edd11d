"""What a device would do, reckoned without touching it: the answer to "how long, and how much of what?"."""

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True)
class Foreseen:
    """What one message to a device would bring about.

    Attributes:
        does: in words, for a step of its own: ``go to 280 °C …``; empty for what belongs to the step before.
        takes: what is counted within a step: ``spectrum``; empty for nothing.
        seconds: plant seconds it takes at most.
        volumes_ml: what is used at most, by reagent.
        temperature_c: the highest set point that something is heated to; None where nothing is.
    """

    does: str = ""
    takes: str = ""
    seconds: float = 0.0
    volumes_ml: dict[str, float] = field(default_factory=dict)
    temperature_c: float | None = None


class Foresight(Protocol):
    """Goes along with a plan's messages to one device and remembers how the device would stand."""

    def take(self, command: str, part: str, value: Any) -> Foreseen | None:
        """What a message would bring about; None for one that costs nothing worth telling.

        Args:
            command: of the message: ``set``, ``trigger``, ``stop``.
            part: of the device that it is for; empty for the device itself.
            value: that is set; None for other commands.
        """
        ...


@runtime_checkable
class Foreseeable(Protocol):
    """A device of which it can be reckoned what it would do."""

    name: str

    def foresight(self) -> Foresight:
        """A new account of what it would do, from the safe state on."""
        ...
