"""The instrument file: which devices there are, by class and address, and how they are put together."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from flowlab.config.apparatus import FlowPath, Reagent, Syringe
from flowlab.config.daemon import DaemonSettings
from flowlab.config.gauges import Gauge
from flowlab.config.interlocks import Interlock
from flowlab.config.model import Model, SchemaVersion
from flowlab.config.saxs import SaxsSettings

#: How long a device may take to become safe before those behind it go on: instruments answer within tenths of a second,
#: and a line that is silent is asked three times for a second each. Flow must not wait that long for a heater.
SAFE_WITHIN_S = 3.0

_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def _reference(text: str) -> str:
    if not _REFERENCE.fullmatch(text):
        raise ValueError("is not of the form 'package.module:Name'")
    return text


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("must be lower case letters, digits and _, beginning with a letter")
    return text


Reference = Annotated[str, AfterValidator(_reference)]
Name = Annotated[str, AfterValidator(_name)]


class ClockSettings(Model):
    """How fast the plant runs."""

    speed: Annotated[float, Field(gt=0, le=2000)] = 1.0


class DeviceEntry(Model):
    """One device: its driver's class, its address on a wire, the devices it is made of, its own settings."""

    class_: Reference = Field(alias="class")
    address: str | None = Field(default=None, description="pyserial URL: /dev/ttyUSB0, COM3, socket://127.0.0.1:50101")
    simulator: Reference | None = Field(default=None, description="the wire server that stands in for it")
    parts: dict[str, Name | list[Name]] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    safe_within_s: Annotated[float, Field(gt=0)] = Field(
        default=SAFE_WITHIN_S,
        description="real seconds that the devices behind it in safe_state wait for this one to be safe; then it is "
        "told as not known. More for what is slow by nature, a large valve for instance",
    )
    simulated: dict[str, Any] = Field(
        default_factory=dict, description="what only the simulator needs to know: panel settings, for instance"
    )

    def part_names(self) -> list[str]:
        """Names of the devices this one is made of, in the order they are given."""
        return [name for part in self.parts.values() for name in ([part] if isinstance(part, str) else part)]


class PlanEntry(Model):
    """A plan that may be run on this instrument, and which devices it is given."""

    function: Reference
    devices: dict[str, Name] = Field(default_factory=dict)


class SimulationSettings(Model):
    """The simulators' process: present only when the instrument is simulated."""

    module: str = Field(description="run as python -m MODULE")
    control: str = Field(default="127.0.0.1:0", description="host:port of the control port; port 0: any free one")
    seed: int = Field(default=1, ge=0)
    settings: dict[str, Any] = Field(default_factory=dict, description="the plant's own, checked by the simulators")


class InstrumentConfig(Model):
    """A whole instrument file."""

    schema_version: SchemaVersion = Field(alias="schema")
    name: str
    description: str = ""
    material: str
    clock: ClockSettings = ClockSettings()
    flow_path: FlowPath
    syringes: dict[Name, Syringe] = Field(default_factory=dict)
    reagents: dict[Name, Reagent] = Field(default_factory=dict)
    devices: dict[Name, DeviceEntry]
    plans: dict[Name, PlanEntry] = Field(default_factory=dict)
    interlocks: dict[Name, Interlock] = Field(default_factory=dict)
    gauges: dict[Name, Gauge] = Field(default_factory=dict, description="what is shown all the time, in that order")
    safe_state: list[Name] = Field(default_factory=list, description="devices in the order in which they are made safe")
    daemon: DaemonSettings = DaemonSettings()
    saxs: SaxsSettings | None = Field(default=None, description="how frames are reduced; without it they are kept only")
    simulation: SimulationSettings | None = None

    @model_validator(mode="after")
    def _references_exist(self) -> "InstrumentConfig":
        known = ", ".join(sorted(self.devices))
        wanted = [(f"devices.{name}.parts", part) for name, d in self.devices.items() for part in d.part_names()]
        wanted += [(f"plans.{name}.devices", part) for name, p in self.plans.items() for part in p.devices.values()]
        wanted += [("safe_state", name) for name in self.safe_state]
        wanted += [
            (f"interlocks.{name}", device)
            for name, lock in self.interlocks.items()
            for device in (*(condition.device for condition in lock.when), *lock.holds)
        ]
        wanted += [(f"gauges.{name}", gauge.device) for name, gauge in self.gauges.items()]
        for where, name in wanted:
            if name not in self.devices:
                raise ValueError(f"{where} names the device {name!r}; there are {known}")
        self.build_order()
        return self

    @model_validator(mode="after")
    def _every_instrument_is_made_safe(self) -> "InstrumentConfig":
        left_out = [name for name, d in self.devices.items() if d.address is not None and name not in self.safe_state]
        if left_out:
            raise ValueError(
                f"safe_state leaves out {', '.join(left_out)}: name every device that has an address, heaters first"
            )
        return self

    @model_validator(mode="after")
    def _real_hardware_runs_in_real_time(self) -> "InstrumentConfig":
        if self.simulation is None and self.clock.speed != 1.0:
            raise ValueError(
                f"clock.speed is {self.clock.speed:g}, but without a [simulation] table the hardware is real: 1"
            )
        return self

    @model_validator(mode="after")
    def _saxs_knows_the_thickness(self) -> "InstrumentConfig":
        if self.saxs is not None and self.saxs.thickness_mm is None and self.flow_path.xray_path_mm is None:
            raise ValueError("saxs.thickness_mm is not given, and flow_path has no xray_path_mm to take instead")
        return self

    def build_order(self) -> list[str]:
        """Names of the devices, each after the ones it is made of.

        Raises:
            ValueError: devices are made of one another in a circle.
        """
        order: list[str] = []
        waiting = dict(self.devices)
        while waiting:
            ready = [name for name, d in waiting.items() if all(part in order for part in d.part_names())]
            if not ready:
                raise ValueError(f"devices are made of one another in a circle: {', '.join(sorted(waiting))}")
            for name in ready:
                order.append(name)
                del waiting[name]
        return order
