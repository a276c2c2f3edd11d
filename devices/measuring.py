"""What drivers of instruments that measure have in common: work in a thread of its own, and data keys with units."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

from ophyd.status import DeviceStatus

from devices.base import Instrument
from devices.errors import DeviceError
from flowlab.bench import Bench
from flowlab.config import DeviceEntry


class MeasuringInstrument(Instrument):
    """Measures in a thread of its own, one thing at a time.

    Attributes:
        UNITS: unit of each reading and setting, by the name of its signal.
    """

    UNITS: ClassVar[Mapping[str, str]] = {}

    def __init__(self, name: str, entry: DeviceEntry, bench: Bench):
        super().__init__(name, entry, bench)
        self._work: threading.Thread | None = None
        #: Set when what is being measured is given up; work looks at it.
        self._given_up = threading.Event()

    def start(self, work: Callable[[], None], what: str) -> DeviceStatus:
        """Do something after what is being done; done when that is.

        Args:
            work: raises :class:`DeviceError` when it fails.
            what: for the message of any other error, and the name of the thread.
        """
        self._join()
        self._given_up.clear()
        # A plan stops what it used; a status that did would join the thread that it is told by.
        status = DeviceStatus(self, call_stop_on_failure=False)

        def run() -> None:
            try:
                work()
            except DeviceError as error:
                status.set_exception(error)
            except Exception as error:  # noqa: BLE001  without an end of its status, a plan would wait for ever
                status.set_exception(DeviceError(f"{self.name}: asked for {what}: {error!r}"))
            else:
                status.set_finished()

        self._work = threading.Thread(target=run, name=f"{self.name}: {what}", daemon=True)
        self._work.start()
        return status

    def _end_work(self) -> None:
        """Give up what is being done, and wait for its end."""
        self._given_up.set()
        self._join()

    def _join(self, limit_s: float | None = None) -> None:
        if self._work is not None:
            self._work.join(limit_s)
            self._work = None

    def describe(self) -> Any:
        """Data keys with units."""
        return self._with_units(cast("dict[str, Any]", super().describe()))

    def describe_configuration(self) -> Any:
        """Data keys of the configuration with units."""
        return self._with_units(cast("dict[str, Any]", super().describe_configuration()))

    def _with_units(self, keys: dict[str, Any]) -> dict[str, Any]:
        for attribute, units in self.UNITS.items():
            if (key := keys.get(f"{self.name}_{attribute}")) is not None:
                key["units"] = units
                key["source"] = f"{type(self).__name__} at {self.address}"
        return keys
