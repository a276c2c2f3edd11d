"""A detector behind SIMPLON's HTTP interface: asks, sets and reads back, and gives the commands.

Source: SIMPLON 1.8 API documentation, document version 3.2.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from devices.errors import DeviceError, InstrumentFaultError, NotReachedError, RefusedError, ReplyError
from devices.links.rest import Rest
from devices.protocols import simplon
from devices.protocols.simplon import Module, Parameter, Task

T = TypeVar("T")

#: A set point and its read-back differ by no more than this share: exposure times are multiples of a clock's period.
_CLOSE = 1e-3
#: Real seconds between two attempts to abort.
_BETWEEN_ABORTS_S = 0.02


class Simplon:
    """Nothing is opened before the first request.

    Args:
        device: for messages.
        base: where the detector is, ``http://10.42.41.10:80``.
        version: of the interface.
        reply_within_s: real seconds for a reply, where a command takes no longer.
    """

    def __init__(self, device: str, base: str, version: str, reply_within_s: float):
        self._device, self._version, self._reply_within_s = device, version, reply_within_s
        self._rest = Rest(device, base, reply_within_s)

    def check_version(self) -> None:
        """Refuse a detector of another version.

        Raises:
            ReplyError: it is one.
        """
        body = self._rest.get(simplon.version_resource("detector"))
        found = self._read("its version", lambda: simplon.decode_version(body))
        if found != self._version:
            raise ReplyError(f"{self._device}: speaks SIMPLON {found}, not {self._version}; set api = {found!r}")

    def get(self, key: str, module: Module = "detector", task: Task = "config") -> Parameter:
        """Ask for a parameter.

        Raises:
            DeviceError: there is no such parameter, or no right reply.
        """
        body = self._rest.get(simplon.resource(module, self._version, task, key))
        return self._read(key, lambda: simplon.decode_parameter(body))

    def set(self, key: str, value: float | str, module: Module = "detector") -> None:
        """Set a parameter and read it back.

        Raises:
            RefusedError: the detector does not take it.
            NotReachedError: it has another value now.
        """
        body = self._rest.put(simplon.resource(module, self._version, "config", key), simplon.encode_value(value))
        self._read(f"setting {key}", lambda: simplon.decode_changed(body))
        self.check(key, value, module)

    def check(self, key: str, value: float | str, module: Module = "detector") -> None:
        """Check that a parameter still has the value that it was set to.

        Raises:
            NotReachedError: it has another.
        """
        found = self.get(key, module)
        if isinstance(value, str):
            same = found.value == value
        else:
            is_number = self._read(key, lambda: simplon.as_number(found))
            same = abs(is_number - value) <= _CLOSE * abs(value)
        if not same:
            raise NotReachedError(f"{self._device}: {key} was set to {value!r} but is {found.value!r:.60}")

    def command(self, name: str, within_s: float | None = None) -> bytes:
        """Give a command; what it replies.

        Args:
            name: of the command.
            within_s: real seconds for it.
        """
        return self._rest.put(simplon.resource("detector", self._version, "command", name), within_s=within_s)

    def state(self) -> str:
        """What the detector does; see :data:`devices.protocols.simplon.STATES`."""
        found = self.get("state", task="status")
        return self._read("state", lambda: simplon.as_state(found))

    def bring_to_rest(self) -> str:
        """Abort what the detector does, if it does something.

        Returns:
            Its state.

        Raises:
            NotReachedError: it goes on.
            RefusedError: it cannot be aborted, again and again.
        """
        end_s = time.monotonic() + self._reply_within_s
        while (state := self.state()) not in ("na", "idle", "error"):
            try:
                self.command("abort")
            except RefusedError:  # while it loads a configuration it cannot: that is soon over
                if time.monotonic() > end_s:
                    raise
                time.sleep(_BETWEEN_ABORTS_S)
                continue
            if (state := self.state()) not in simplon.AT_REST:
                raise NotReachedError(f"{self._device}: was aborted but is in the state {state}")
            break
        return state

    def initialize(self, within_s: float) -> None:
        """Initialize the detector, which takes up to two minutes.

        Raises:
            InstrumentFaultError: it is not at rest afterwards.
        """
        self.command("initialize", within_s)
        if (state := self.state()) not in ("idle", "ready"):
            raise InstrumentFaultError(f"{self._device}: was initialized but is in the state {state}")

    def arm(self, within_s: float) -> int:
        """Load the configuration and arm the detector.

        Returns:
            Number of the series.
        """
        body = self.command("arm", within_s)
        return self._read("arm", lambda: simplon.decode_series(body))

    def open_stream(self, form: str) -> None:
        """Have frames sent, ``cbor`` or ``legacy``; versions before 1.8 have the latter alone."""
        if tuple(map(int, self._version.split(".")[:2])) >= (1, 8):
            self.set("format", form, "stream")
        elif form != "legacy":
            raise DeviceError(f"{self._device}: SIMPLON {self._version} has no {form} stream; set stream = 'legacy'")
        self.set("header_detail", "basic", "stream")
        self.set("mode", "enabled", "stream")

    def check_high_voltage(self) -> None:
        """Refuse to go on without the sensor's voltage.

        Raises:
            InstrumentFaultError: it is not ready.
        """
        found = self.get("high_voltage/state", task="status")
        state = self._read("high voltage", lambda: simplon.as_text(found))
        if state.upper() != "READY":
            raise InstrumentFaultError(f"{self._device}: its high voltage is {state!r:.40}, not READY")

    def number(self, key: str) -> float:
        """A parameter of the configuration that is a number."""
        found = self.get(key)
        return self._read(key, lambda: simplon.as_number(found))

    def count(self, key: str, highest: int = 2**63, module: Module = "detector", task: Task = "config") -> int:
        """A parameter that is a whole number from 0."""
        found = self.get(key, module, task)
        return self._read(key, lambda: simplon.as_count(found, highest))

    def text(self, key: str) -> str:
        """A parameter of the configuration that is a text."""
        found = self.get(key)
        return self._read(key, lambda: simplon.as_text(found))

    def _read(self, what: str, decode: Callable[[], T]) -> T:
        try:
            return decode()
        except ReplyError as error:
            raise ReplyError(f"{self._device}: asked for {what}: {error}") from None
