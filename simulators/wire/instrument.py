"""What every simulated instrument is, and what a line expects of one: bytes in, replies out.

No socket, no asyncio, no clock.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import ConfigDict

from flowlab.config import DeviceEntry, InstrumentConfig, Model
from flowlab.config.load import validate
from simulators.plant.plant import Plant

#: The part of the plant that an instrument acts on and that has to be there before it.
Part = Literal["syringe", "feed", "valve", "heater", "light", "luminescence"]
#: Sets a fault (True) or clears it (False). What else it takes are numbers with a default, by keyword only; a
#: value that is not allowed is a :class:`flowlab.errors.BadInputError`.
Fault = Callable[..., None]


class BenchSettings(Model):
    """What a simulator reads of a device's settings; the driver's own keys beside them are not its business."""

    model_config = ConfigDict(extra="ignore")


S = TypeVar("S", bound=BenchSettings)


def bench_settings(model: type[S], name: str, entry: DeviceEntry, config: InstrumentConfig) -> S:
    """The facts of the bench that stand in the settings of device ``name``.

    Raises:
        ConfigError: a value does not fit; the message names the key.
    """
    return validate(model, entry.settings | entry.simulated, config.name, ("devices", name, "settings"))


@dataclass(frozen=True)
class Reply:
    """What an instrument says to one request.

    Attributes:
        compute: gives the bytes, none when the instrument stays silent; called when the reply is due, not before.
        takes_s: plant seconds from the request to the reply.
    """

    compute: Callable[[], bytes]
    takes_s: float = 0.0

    @classmethod
    def at_once(cls, data: bytes) -> "Reply":
        """A reply that is known already."""
        return cls(lambda: data)


class Simulated(ABC):
    """One simulated instrument, whatever wire it is on.

    Args:
        name: of the device in the configuration.
        entry: the device's table in the configuration, for the instrument's own settings.
        config: the whole instrument file, likewise.
        plant: what the instrument acts on and measures.

    Attributes:
        part: what the plant must have for it; None when it finds all it needs there, or needs nothing.
        faults: the faults that this instrument can have by itself, by the name under which they are
            injected. A subclass adds its own; the wire adds those of the cable.
    """

    part: ClassVar[Part | None] = None

    def __init__(self, name: str, entry: DeviceEntry, config: InstrumentConfig, plant: Plant):
        self.name = name
        self.faults: dict[str, Fault] = {}
        self._plant = plant

    @abstractmethod
    def truth(self) -> dict[str, Any]:
        """What only the instrument knows of itself, for the control port."""


class Instrument(Simulated):
    """An instrument on a line: see :class:`Simulated` for the arguments."""

    def __init__(self, name: str, entry: DeviceEntry, config: InstrumentConfig, plant: Plant):
        super().__init__(name, entry, config, plant)
        self._buffer = bytearray()

    def receive(self, data: bytes) -> None:
        """Take bytes as they come: a part of a request, one, or several."""
        self._buffer += data

    @abstractmethod
    def next_reply(self) -> Reply | None:
        """Handle the next whole request that was received; None when there is none."""

    def unasked(self) -> bytes:
        """What the instrument says by itself since this was last called."""
        return b""

    def hang_up(self) -> None:
        """Forget what was received of a request: the client has gone."""
        self._buffer.clear()
