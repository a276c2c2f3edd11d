"""What the drivers of EPICS instruments have in common: process variables at an address, asked within time limits.

Every reading asks the server; values that a monitor left behind are not used. A server that is gone, one that is
silent, and one that refuses, are told apart.
"""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar

from caproto import CaprotoError, ErrorResponseReceived
from caproto.threading.client import DeadCircuitError, ThreadingClientException
from ophyd import Device, Signal
from ophyd.signal import EpicsSignalBase
from ophyd.utils import DisconnectedError, ReadOnlyError
from ophyd.utils.epics_pvs import AlarmSeverity
from pydantic import Field

from devices.base import Instrument
from devices.errors import InstrumentFaultError, LinkError, RefusedError, ReplyError, ReplyTimeoutError
from devices.links.channel_access import ChannelAccess, parse_address
from flowlab.bench import Bench
from flowlab.config import DeviceEntry, Model

#: What ophyd and caproto raise when a server is gone.
_LOST = (DisconnectedError, DeadCircuitError, ThreadingClientException)

T = TypeVar("T", bound=Device | Signal)


class EpicsSettings(Model):
    """What every EPICS instrument needs to be told."""

    prefix: Annotated[str, Field(min_length=1, description="what the names of its process variables begin with")]
    connect_within_s: Annotated[float, Field(gt=0)] = Field(
        default=5.0, description="real seconds in which all of its process variables are found"
    )
    reply_within_s: Annotated[float, Field(gt=0)] = Field(
        default=2.0, description="real seconds in which a reading or writing is answered"
    )

    @property
    def unit(self) -> str:
        """What tells devices at one address apart."""
        return self.prefix


class EpicsInstrument(Instrument):
    """Base of the drivers. Its clients, ophyd's own devices and signals, are made when they are first needed.

    Args:
        name: as the configuration names it.
        entry: its table in the configuration; ``address`` is ``ca://host:port``.
        settings: of its own.
        bench: what it shares with others: the client of that address.

    Raises:
        ValueError: the address is not of that form.
    """

    def __init__(self, name: str, entry: DeviceEntry, settings: EpicsSettings, bench: Bench):
        parse_address(entry.address)
        super().__init__(name, entry, bench)
        self._epics = settings
        self._bench = bench
        self._clients: dict[str, Any] = {}
        self._found: set[str] = set()
        self._making = threading.Lock()

    def client(self, key: str, make: Callable[[ChannelAccess], T], wanted: tuple[str, ...] | None = None) -> T:
        """Something of ophyd's that speaks to the instrument, made when it is first asked for, and connected.

        Args:
            key: under which it is remembered.
            make: makes it, given the client of the address for what is :class:`Lazy`.
            wanted: its attributes that must be there; all of its signals by default.

        Raises:
            LinkError: process variables were not found in time.
        """
        with self._making:
            address = str(self.address)
            access = self._bench.share(address, lambda: ChannelAccess(address))
            if key not in self._clients:
                with access.making():
                    made = make(access)
                    signals = signals_of(made, wanted)
                self._clients[key] = made, signals
            made, signals = self._clients[key]
        if not all(signal.connected for signal in signals):
            access.look_again()
            self._wait_for(signals, lost=key in self._found)
            self._found.add(key)
        return made

    def _wait_for(self, signals: list[Any], *, lost: bool) -> None:
        """Wait until signals are connected: those that were found once and lost since, not for long."""
        end_s = time.monotonic() + (self._epics.reply_within_s if lost else self._epics.connect_within_s)
        missing: list[str] = []
        for signal in signals:
            try:
                signal.wait_for_connection(timeout=max(end_s - time.monotonic(), 0.01))
            except (TimeoutError, CaprotoError, DisconnectedError):
                missing.append(signal.pvname)
        if missing:
            which = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
            if lost:
                raise LinkError(f"{self.name}: the server at {self.address} is gone, which had {which}")
            raise LinkError(
                f"{self.name}: no server at {self.address} has {which}; "
                "is it running, and are address and prefix right?"
            )

    def ask(self, signal: Any, what: str, *, as_string: bool | None = None) -> Any:
        """The value that a process variable has now.

        Raises:
            LinkError: the server is gone.
            ReplyTimeoutError: it does not answer.
            ReplyError: what it answers is no value.
            InstrumentFaultError: the server itself does not know: its alarm says that the value is invalid.
        """
        with self._telling(signal, f"asked for {what}"):
            value = signal.get(
                as_string=as_string,
                use_monitor=False,
                timeout=self._epics.reply_within_s,
                connection_timeout=self._epics.reply_within_s,
            )
        if value is None:
            raise ReplyError(f"{self.name}: asked for {what} ({signal.pvname}), got nothing")
        if signal.alarm_severity == AlarmSeverity.INVALID:
            raise InstrumentFaultError(
                f"{self.name}: {what} ({signal.pvname}) is {value!r}, but in an invalid alarm: the server does not know"
            )
        return value

    def ask_number(self, signal: Any, what: str) -> float:
        """The number that a process variable has now; of a state, its number.

        Raises:
            DeviceError: as :meth:`ask`; what is no finite number is a :class:`devices.errors.ReplyError`.
        """
        value = self.ask(signal, what, as_string=False)
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise ReplyError(f"{self.name}: asked for {what} ({signal.pvname}), got {value!r}")
        return number

    def tell(self, signal: Any, value: Any, what: str, *, wait: bool = True) -> None:
        """Write a process variable.

        Args:
            signal: which.
            value: what.
            what: for messages.
            wait: until the server says that it is done. A record that moves something says so at the end.

        Raises:
            LinkError: the server is gone.
            ReplyTimeoutError: it does not answer.
            RefusedError: it refuses.
        """
        with self._telling(signal, f"set {what} to {value!r}"):
            signal.put(
                value,
                wait=wait,
                timeout=self._epics.reply_within_s,
                connection_timeout=self._epics.reply_within_s,
            )

    @contextlib.contextmanager
    def _telling(self, signal: Any, what: str) -> Iterator[None]:
        """Make errors of ophyd and caproto ours."""
        which = f"{self.name}: {what} ({getattr(signal, 'setpoint_pvname', signal.pvname)})"
        try:
            yield
        except (ReadOnlyError, ErrorResponseReceived) as error:
            raise RefusedError(f"{which}: refused: {error}") from None
        except (TimeoutError, DisconnectedError, CaprotoError, OSError) as error:
            lost = not signal.connected or isinstance(error, _LOST)
            if isinstance(error, TimeoutError) and not lost:
                raise ReplyTimeoutError(f"{which}: no answer within {self._epics.reply_within_s:g} s") from None
            if lost or isinstance(error, OSError):  # of the socket
                raise LinkError(f"{which}: the server at {self.address} is gone") from None
            raise ReplyError(f"{which}: {error!r}") from None

    def wire_s(self, times: float = 1.0) -> float:
        """Plant seconds that pass while so many replies are waited for at most."""
        return times * self._epics.reply_within_s * self.clock.speed

    def close(self) -> None:
        """Let go of the process variables; the client of the address is closed with the bench."""
        super().close()
        while self._clients:
            self._clients.popitem()[1][0].destroy()


class Lazy(Device):
    """Mixed in before a class of ophyd's areaDetector: signals that are made later speak through its client, too.

    Args:
        access: the client.
    """

    #: Not here: what must be there is waited for when the device is connected, and the rest is told by its errors.
    lazy_wait_for_connection = False

    def __init__(self, *args: Any, access: ChannelAccess, **kwargs: Any):
        self._access = access
        super().__init__(*args, **kwargs)

    def _instantiate_component(self, attr: str) -> Any:
        with self._access.making():
            return super()._instantiate_component(attr)


def signals_of(made: Device | Signal, wanted: tuple[str, ...] | None = None) -> list[Any]:
    """The EPICS signals of a device: those at the attributes that are wanted, or all that are there."""
    if not isinstance(made, Device):
        return [made]
    if wanted is not None:
        return [_signal_at(made, path) for path in wanted]
    return [walk.item for walk in made.walk_signals() if isinstance(walk.item, EpicsSignalBase)]


def _signal_at(made: Any, path: str) -> Any:
    """The signal at ``part.part.signal``; it is not waited for here."""
    *parts, last = path.split(".")
    for part in parts:
        made = getattr(made, part)
        made.lazy_wait_for_connection = False
    return getattr(made, last)
