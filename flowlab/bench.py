"""The bench: the devices that a configuration names, built from their classes, with what they share.

This is the surface of flowlab that drivers see: a clock, the configuration, and a place for things that
several devices use together, a serial line for instance. Detectors put their files into its folder for frames.
"""

import importlib
import threading
from collections.abc import Callable, Container
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self, TypeVar

from flowlab.clock import Clock
from flowlab.config import DeviceEntry, InstrumentConfig, Model
from flowlab.config.load import ConfigError, validate
from flowlab.errors import FlowlabError

T = TypeVar("T")


class Closable(Protocol):
    """What is closed when the bench is."""

    def close(self) -> None: ...  # noqa: D102


class DeviceClass(Protocol):
    """What a class must offer to be named in a configuration."""

    #: The model of the device's own settings.
    Settings: ClassVar[type[Model]]

    def __call__(self, name: str, entry: DeviceEntry, settings: Any, bench: "Bench") -> "BuiltDevice":
        """Make the device; nothing is opened and nothing moves."""
        ...


class BuiltDevice(Protocol):
    """What flowlab asks of every device, beyond bluesky's protocols."""

    name: str

    def connect(self) -> None:
        """Open what leads to the instrument and check that it is the one that was configured."""
        ...

    def make_safe(self) -> None:
        """Bring the instrument into its safe state and check that it is there."""
        ...

    def close(self) -> None:
        """Close what :meth:`connect` opened; nothing moves."""
        ...


def load_object(reference: str, where: str) -> Any:
    """Load ``module:name`` as a configuration names it.

    Raises:
        ConfigError: there is no such module or name, or a library that it needs is not installed.
    """
    module, _, name = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{where}: {reference!r} cannot be loaded: there is no module {error.name!r}; is its extra installed?"
        ) from None
    except ImportError as error:
        raise ConfigError(f"{where}: {reference!r} cannot be loaded: {error}") from None
    except AttributeError:
        raise ConfigError(f"{where}: {reference!r} cannot be loaded: {module} has no {name}") from None


def load_device_class(reference: str, where: str) -> DeviceClass:
    """Load the class of a device as a configuration names it.

    Raises:
        ConfigError: as :func:`load_object`, or what is there is no class with a model of its settings.
    """
    found = load_object(reference, where)
    settings = getattr(found, "Settings", None)
    if not (isinstance(found, type) and isinstance(settings, type) and issubclass(settings, Model)):
        raise ConfigError(f"{where}: {reference!r} is no class of a device: it must be a class with Settings")
    return found  # type: ignore[return-value]  # it has Settings; how it is called cannot be seen before it is


class Bench:
    """Builds the devices of a configuration; use as a context to have them closed.

    Args:
        config: the instrument.
        source: the file it was read from, for messages.
        addresses: where devices really are, when that is only known at run time (simulators on free ports).
        frames: folder for the files of detectors; None where nothing is measured.
        at_once: build every device now. Otherwise each is built when :meth:`device` is first asked for it, and what is
            wrong with one shows only then: for the safe state, where none waits for the libraries of another.

    Attributes:
        devices: those that are built.

    Raises:
        ConfigError: a class cannot be loaded, or a device's settings are not allowed.
    """

    def __init__(
        self,
        config: InstrumentConfig,
        source: str = "config",
        addresses: dict[str, str] | None = None,
        frames: Path | None = None,
        *,
        at_once: bool = True,
    ):
        self.config = config
        self._source = source
        self._addresses = addresses or {}
        self.frames = frames
        self.clock = Clock(config.clock.speed)
        self.devices: dict[str, Any] = {}
        self._shared: dict[str, Closable] = {}
        self._sharing = threading.Lock()
        self._places: dict[tuple[str, object], str] = {}
        for name in config.build_order() if at_once else ():
            self.device(name)

    def device(self, name: str) -> Any:
        """A device by its name; it and what it is made of are built when they are first asked for.

        Raises:
            ConfigError: its class cannot be loaded, or its settings are not allowed.
        """
        if name not in self.devices:
            for part in self.config.devices[name].part_names():
                self.device(part)
            self.devices[name] = self._build(name)
        return self.devices[name]

    def _build(self, name: str) -> BuiltDevice:
        entry, source = self.config.devices[name], self._source
        if name in self._addresses:
            entry = entry.model_copy(update={"address": self._addresses[name]})
        cls = load_device_class(entry.class_, f"{source}: devices.{name}.class")
        settings = validate(cls.Settings, entry.settings, source, ("devices", name, "settings"))
        self._take_place(name, entry, settings, source)
        try:
            return cls(name, entry, settings, self)
        except ValueError as error:
            raise ConfigError(f"{source}: devices.{name}: {error}") from None

    def _take_place(self, name: str, entry: DeviceEntry, settings: Model, source: str) -> None:
        """Refuse two devices at one address, unless each is another unit of that line."""
        if entry.address is None:
            return
        unit: object = getattr(settings, "unit", None)
        other = self._places.setdefault((entry.address, unit), name)
        if other != name:
            which = "" if unit is None else f", unit {unit},"
            raise ConfigError(
                f"{source}: devices.{name}: is at {entry.address}{which} as {other} is; two instruments on one line "
                "need different units, others different addresses"
            )

    def share(self, key: str, make: Callable[[], T]) -> T:
        """Something several devices use together, made when it is first asked for and closed with the bench."""
        with self._sharing:
            if key not in self._shared:
                self._shared[key] = make()  # type: ignore[assignment]  # every T here is Closable
            return self._shared[key]  # type: ignore[return-value]

    def connect(self) -> None:
        """Connect every device, in the order in which they are built.

        Raises:
            FlowlabError: one cannot be reached or is not what was configured.
        """
        for device in self.devices.values():
            device.connect()

    def make_safe(self, only: Container[str] | None = None) -> dict[str, FlowlabError | None]:
        """Bring every device of ``safe_state`` into its safe state, in that order, whatever fails on the way.

        Args:
            only: names of devices; the others are left alone. None: all of them.

        Returns:
            For each device None, or the error that kept it from being safe.
        """
        return {name: self.make_one_safe(name) for name in self.config.safe_state if only is None or name in only}

    def make_one_safe(self, name: str, on_built: Callable[[], None] = lambda: None) -> FlowlabError | None:
        """Bring a device into its safe state; one that is not built yet is built first.

        Args:
            name: of the device.
            on_built: called when the device is built, and its own call is about to begin.

        Returns:
            None, or the error that kept it from being safe.
        """
        try:
            device = self.device(name)
            on_built()
            device.make_safe()
        except FlowlabError as error:
            return error
        except Exception as error:  # noqa: BLE001  whatever it is, those behind it are made safe too
            return FlowlabError(f"{name}: {in_words(error)}")
        return None

    def close(self) -> None:
        """Close devices, then what they share; nothing moves."""
        for device in reversed(self.devices.values()):
            device.close()
        shared, self._shared = self._shared, {}
        with ThreadPoolExecutor() as threads:  # most of closing a line is waiting
            closing = [threads.submit(link.close) for link in shared.values()]
        for link in closing:
            link.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def in_words(error: Exception) -> str:
    """What happened, for a message of one line; of a group, all that is in it."""
    if isinstance(error, ExceptionGroup):
        return "; ".join(in_words(part) for part in error.exceptions)
    return str(error) if isinstance(error, FlowlabError) else repr(error)
