"""Eurotherm 3216 temperature controllers over Modbus RTU; several may share one RS-485 line.

Source: 3200 series engineering manual HA028651, §15.5 (parameter addresses). Each value stands there as a
scaled integer, and at twice its address from 0x8000 on once more as an IEEE float.

Set points go to the *remote* set point only (register 26), never to 2, 24 or 25: those are kept in
memory that wears out after 100 000 writes. The controller uses the remote set point only while it is
refreshed every few seconds, and otherwise falls back to its local one: leave the local set point at a
safe temperature on the panel, and the oven cools by itself when this program or the line dies. Connecting
reads the local set point, which is never written, and refuses one that is too hot.
"""

import math
import threading
from typing import Annotated

from pydantic import Field, model_validator

from devices.base import Refresher
from devices.errors import InstrumentFaultError, NotReachedError
from devices.protocols import eurotherm, modbus
from devices.temperature import TemperatureController, TemperatureSettings
from flowlab.bench import Bench
from flowlab.config import DeviceEntry

PROCESS_VALUE = 1
WORKING_OUTPUT = 4
WORKING_SET_POINT = 5
SET_POINT_SELECT = 15  # 0: local set point 1 is in use, 1: local set point 2
LOCAL_SET_POINTS = 24  # and 25
REMOTE_SET_POINT = 26
STATUS = 75
_IEEE = 0x8000
_LARGEST = 0x7FFF


class EurothermSettings(TemperatureSettings):
    """A controller as it is wired and configured."""

    unit: Annotated[int, Field(ge=1, le=254)] = Field(description="address on the RS-485 line")
    decimals: Annotated[int, Field(ge=0, le=2)] = Field(
        default=1, description="as set in the controller: 1 makes 2500 mean 250.0 °C"
    )
    check_decimals: bool = Field(
        default=True,
        description="compare decimals with the controller's own when connecting; false for one without IEEE region",
    )
    local_highest_c: float | None = Field(
        default=None,
        description="highest local set point, to which the controller falls back by itself, that counts as safe; "
        "without it safe_c",
    )
    refresh_every_s: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="real seconds between refreshes of the remote set point; the manual wants less than 5"
    )
    select_register: Annotated[int, Field(ge=0)] = Field(
        default=276,
        description="register that selects the remote set point when 1 is written; 0: it is selected on the panel",
    )

    @model_validator(mode="after")
    def _registers_hold_the_highest(self) -> "EurothermSettings":
        if self.highest_c * 10**self.decimals > _LARGEST:
            raise ValueError(
                f"highest_c {self.highest_c:g} with decimals {self.decimals} is more than the controller's registers "
                f"hold: {_LARGEST / 10**self.decimals:g} at most"
            )
        return self


class Eurotherm3216(TemperatureController[EurothermSettings]):
    """A heater behind a 3216: set it to a temperature in °C; it is there when it has settled."""

    Settings = EurothermSettings

    def __init__(self, name: str, entry: DeviceEntry, settings: EurothermSettings, bench: Bench):
        self._scale = 10**settings.decimals
        super().__init__(name, entry, settings, bench)
        self._refresher: Refresher | None = None
        self._sending = threading.Lock()
        self._held_c: float | None = None

    # What is asked of the controller.

    def ask_temperature_c(self) -> float:
        """Process value.

        Raises:
            InstrumentFaultError: the controller says that its sensor or loop is broken or over range, or that
                it is in manual mode.
        """
        self._check_health()
        return self._ask_value(PROCESS_VALUE)

    def ask_setpoint_c(self) -> float:
        """The set point that the controller works towards."""
        return self._ask_value(WORKING_SET_POINT)

    def ask_output_percent(self) -> float:
        """Working output."""
        return self._ask_value(WORKING_OUTPUT)

    def _ask_value(self, register: int) -> float:
        """One of the values 1…5. All are asked for at once: no answer to another question looks like this one."""
        values = self._read_registers(PROCESS_VALUE, WORKING_SET_POINT)
        return values[register - PROCESS_VALUE] / self._scale

    def _check_health(self) -> None:
        bits = self._read_registers(STATUS, 1)[0]
        self._raise_fault(bits, eurotherm.fault(bits))
        if bits >> eurotherm.REMOTE_FAILED & 1 and self._refresher is not None:
            raise InstrumentFaultError(f"{self.name}: fell back to its local set point; refreshes come too late")

    def _check_obeys(self) -> None:
        bits = self._read_registers(STATUS, 1)[0]
        self._raise_fault(bits, eurotherm.fault(bits, [eurotherm.MANUAL]))

    def _raise_fault(self, bits: int, fault: str | None) -> None:
        if fault is not None:
            raise InstrumentFaultError(f"{self.name}: {fault} (status 0x{bits & 0xFFFF:04x})")

    # What it is told.

    def _send_setpoint(self, value_c: float, *, safe: bool = False) -> None:
        """Send a set point, keep it refreshed, and read back that the controller works towards it."""
        with self._sending:
            if self._held_c is not None:
                # If this write fails, what is refreshed meanwhile must not be the hotter of the two.
                self._held_c = min(self._held_c, value_c)
            self._write_register(REMOTE_SET_POINT, round(value_c * self._scale))
            self._held_c = value_c
        if self._refresher is None:
            if self.settings.select_register:
                self._write_register(self.settings.select_register, 1)
            self._refresher = Refresher(self, self.refresh, self.settings.refresh_every_s)
        working = self.ask_setpoint_c()
        if abs(working - value_c) > 0.51 / self._scale:
            raise NotReachedError(f"{self.name}: was set to {value_c:g} °C but works towards {working:g} °C")

    # Connection.

    def connect(self) -> None:
        """Open the line and check that the controller is the one that was configured; sets nothing.

        Raises:
            InstrumentFaultError: it reports a fault, its decimals are others than the configured ones, or the
                local set point, to which it falls back by itself, is too hot.
        """
        temperature_c = self.ask_temperature_c()
        if self.settings.check_decimals:
            self._check_decimals(temperature_c)
        self._check_local_setpoint()

    def _check_decimals(self, temperature_c: float) -> None:
        """Hold the scaled temperature against the controller's IEEE copy: wrong decimals show as a factor of ten.

        The copy is read between two scaled temperatures, since a heater that heats is elsewhere by the next reply.
        """
        true_c = modbus.ieee(self._read_registers(_IEEE + 2 * PROCESS_VALUE, 2))
        low_c, high_c = sorted((temperature_c, self.ask_temperature_c()))
        if not math.isclose(min(max(true_c, low_c), high_c), true_c, rel_tol=0.05, abs_tol=1.0):
            raise InstrumentFaultError(
                f"{self.name}: is at {true_c:.4g} °C by its own count, which decimals = {self.settings.decimals} makes "
                f"{temperature_c:.4g} °C; give decimals as they are set in the controller"
            )

    def _check_local_setpoint(self) -> None:
        s = self.settings
        highest_c = s.safe_c if s.local_highest_c is None else s.local_highest_c
        selected = self._read_registers(SET_POINT_SELECT, 1)[0]
        local_c = self._read_registers(LOCAL_SET_POINTS, 2)[selected == 1] / self._scale
        if local_c > highest_c:
            raise InstrumentFaultError(
                f"{self.name}: its local set point is {local_c:g} °C, to which it heats by itself when this program "
                f"or the line dies; set SP{1 + (selected == 1)} on its panel to {highest_c:g} °C or less, or allow "
                "more with local_highest_c"
            )

    def close(self) -> None:
        """Stop refreshing the set point: the controller falls back to its local one."""
        if self._refresher is not None:
            self._refresher.close()
            self._refresher = None
        super().close()

    def _read_registers(self, register: int, count: int) -> list[int]:
        unit = self.settings.unit
        return self._line.ask(
            modbus.read_request(unit, register, count), lambda data: modbus.decode_read(data, unit, count), self.name
        )

    def _write_register(self, register: int, value: int) -> None:
        unit = self.settings.unit
        self._line.ask(
            modbus.write_request(unit, register, value),
            lambda data: modbus.decode_write(data, unit, register, value),
            self.name,
        )

    def refresh(self) -> None:
        """Send the remote set point again, so that the controller goes on using it."""
        with self._sending:
            if self._held_c is not None:
                self._write_register(REMOTE_SET_POINT, round(self._held_c * self._scale))
