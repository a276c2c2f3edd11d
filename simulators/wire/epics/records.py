"""What every simulated EPICS device is: process variables that show the plant and act on it."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any

from caproto import (
    AlarmSeverity,
    AlarmStatus,
    ChannelChar,
    ChannelData,
    ChannelDouble,
    ChannelEnum,
    ChannelInteger,
    ChannelString,
)
from pydantic import Field

from flowlab.config import DeviceEntry, InstrumentConfig
from flowlab.errors import BadInputError
from simulators.plant.plant import Plant
from simulators.plant.xray import Endstation
from simulators.wire.instrument import BenchSettings, Simulated, bench_settings

#: What a device does when a client writes: takes the value, returns what the variable holds then.
Put = Callable[[Any], Any]


class RecordSettings(BenchSettings):
    """What every EPICS device has among its settings.

    Attributes:
        prefix: what the names of its process variables begin with.
    """

    prefix: Annotated[str, Field(min_length=1)]


class Records(Simulated):
    """One device on an EPICS server. See :class:`Simulated` for the arguments.

    Attributes:
        channels: its process variables by their whole names.
    """

    def __init__(self, name: str, entry: DeviceEntry, config: InstrumentConfig, plant: Plant):
        super().__init__(name, entry, config, plant)
        self.prefix = bench_settings(RecordSettings, name, entry, config).prefix
        self.channels: dict[str, ChannelData] = {}
        self._told: dict[str, Any] = {}
        if plant.xray is None:
            raise BadInputError(
                f"{config.name}: devices.{name} is on the X-ray side, of which there is none: "
                "give [simulation.settings.xray]"
            )
        self._xray: Endstation = plant.xray

    @abstractmethod
    def readings(self) -> dict[str, Any]:
        """What the device's variables hold now, by their names without prefix; those that change by themselves."""

    def alarms(self) -> dict[str, bool]:
        """Which of them are in a major alarm; the others are in none."""
        return {}

    async def publish(self) -> None:
        """Write what changed since the last time, so that clients that watch are told."""
        alarms = self.alarms()
        for suffix, value in self.readings().items():
            now = value, alarms.get(suffix, False)
            if self._told.get(suffix) != now:
                self._told[suffix] = now
                alarm: dict[str, Any] = {}
                if suffix in alarms:
                    alarm["status"] = AlarmStatus.STATE if now[1] else AlarmStatus.NO_ALARM
                    alarm["severity"] = AlarmSeverity.MAJOR_ALARM if now[1] else AlarmSeverity.NO_ALARM
                await self.channels[self.prefix + suffix].write(value, verify_value=False, **alarm)

    # Kinds of process variables.

    def _double(self, suffix: str, value: float, put: Put | None = None, **metadata: Any) -> None:
        self._add(suffix, _Double(self, put, value=float(value), **metadata))

    def _integer(self, suffix: str, value: int, put: Put | None = None, **metadata: Any) -> None:
        self._add(suffix, _Integer(self, put, value=value, **metadata))

    def _choice(self, suffix: str, choices: tuple[str, ...], value: str, put: Put | None = None) -> None:
        """A variable with named states; ``put`` takes and returns a name."""
        self._add(suffix, _Choice(self, put, value=value, enum_strings=choices))

    def _text(self, suffix: str, value: str, put: Put | None = None, length: int = 256) -> None:
        """A text as areaDetector has it: a waveform of characters."""
        self._add(suffix, _Text(self, put, value=value, max_length=length))

    def _word(self, suffix: str, value: str, put: Put | None = None) -> None:
        """A short text, as fields and names of ports are."""
        self._add(suffix, _Word(self, put, value=value))

    def _add(self, suffix: str, channel: ChannelData) -> None:
        self.channels[self.prefix + suffix] = channel


class _Settable:
    """A process variable that a client may write when the device takes it, and otherwise only read."""

    def __init__(self, device: Records, put: Put | None, **kwargs: Any):
        super().__init__(**kwargs)
        self._device = device
        self._put = put

    def check_access(self, hostname: str, username: str) -> Any:
        access = super().check_access(hostname, username)  # type: ignore[misc]
        return access if self._put is not None else access & ~access.WRITE

    async def verify_value(self, data: Any) -> Any:
        """Have the device take what a client wrote: its limits are the device's business, not caproto's."""
        if self._put is not None:
            data = self._put(data)
            await self._device.publish()  # what follows from it is there before the client hears that it is done
        return data


class _Double(_Settable, ChannelDouble): ...


class _Integer(_Settable, ChannelInteger): ...


class _Choice(_Settable, ChannelEnum):
    async def verify_value(self, data: Any) -> Any:
        """Clients write a state's name or its number; what is neither changes nothing."""
        name = await ChannelEnum.verify_value(self, data)
        return await super().verify_value(name if name in self.enum_strings else self.value)


class _Text(_Settable, ChannelChar): ...


class _Word(_Settable, ChannelString): ...
