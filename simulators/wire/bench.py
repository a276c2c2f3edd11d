"""The whole simulated bench: one plant, the instruments that act on it, and the lines they are reached over."""

import contextlib
import importlib
import inspect
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field

from flowlab.clock import Clock
from flowlab.config import DeviceEntry, InstrumentConfig, load_material
from flowlab.errors import BadInputError
from simulators.plant.chemistry import CadmiumSelenide
from simulators.plant.feed import Bottles, Feed, Selector
from simulators.plant.fluidics import FlowReactor
from simulators.plant.heater import BlockProperties, HeaterBlock
from simulators.plant.hydraulics import HydraulicProperties
from simulators.plant.light import LightPath, LightProperties, pixel_wavelengths
from simulators.plant.luminescence import PIXELS as LUMINESCENCE_PIXELS
from simulators.plant.luminescence import CadmiumSelenideEmission, LuminescencePath, LuminescenceProperties, NoEmission
from simulators.plant.optics import CadmiumSelenideAbsorption
from simulators.plant.parts import Absorber, Chemistry, Emitter
from simulators.plant.plant import Plant
from simulators.plant.scattering import CadmiumSelenideScattering
from simulators.plant.syringe import SyringeDrive
from simulators.plant.xray import Endstation, XrayProperties
from simulators.settings import PlantSettings
from simulators.wire.address import SERVERS, Address
from simulators.wire.instrument import BenchSettings, Fault, Simulated, bench_settings
from simulators.wire.ledger import Ledger
from simulators.wire.ocean import OceanHdx
from simulators.wire.qepro import OceanQePro
from simulators.wire.server import MakeServer, Server

T = TypeVar("T")

#: Real seconds of a step: shorter ones cost a busy machine much. Above 200 plant seconds per second they are shorter
#: nevertheless, for with longer steps of the plant scans wait longer for their conditions (at 0.4 s, twice as long);
#: but not so short that a machine that fell behind would never catch up.
_USUAL_STEP_S, _LONGEST_STEP_PLANT_S, _SHORTEST_STEP_S = 1e-3, 0.2, 2.5e-4


class LoadedSyringe(BenchSettings):
    """Which syringe is on a pump, what it holds, and above which pressure the pump stalls."""

    syringe: str
    reagent: str
    stall_bar: Annotated[float, Field(gt=0)] = 50.0


class PlumbedFeed(BenchSettings):
    """Which bottle a pump draws from, or which valve selects it, and above which pressure the pump stalls."""

    reagent: str
    valve: str | None = None
    stall_bar: Annotated[float, Field(gt=0)] = 400.0


class PlumbedValve(BenchSettings):
    """How many ports a valve has, and which bottle is at which of them."""

    positions: Annotated[int, Field(ge=2, le=40)] = 10
    ports: dict[str, str] = Field(default_factory=dict)


def step_s(speed: float) -> float:
    """Plant seconds of a step of the plant, at ``speed`` plant seconds per second."""
    usual_s = min(_USUAL_STEP_S * speed, _LONGEST_STEP_PLANT_S)
    return max(Plant.STEP_S, usual_s, _SHORTEST_STEP_S * speed)


class Bench:
    """Plant, instruments and servers of an instrument file.

    Args:
        config: the instrument file.
        clock: tells plant time.
        playback: a file of recorded spectra that the flow cell shows instead of what the chemistry makes.

    Raises:
        BadInputError: the file does not describe a bench that can be simulated; one line that names the key.

    Attributes:
        plant: what really happens.
        instruments: by the name of their device.
        servers: each of them once.
        ledger: keeps what was true, once that is asked for.
    """

    def __init__(self, config: InstrumentConfig, clock: Clock, playback: Path | None = None):
        simulation = config.simulation
        if simulation is None:
            raise BadInputError(f"{config.name}: there is no [simulation] table: this instrument is real")
        simulated = {name: entry for name, entry in config.devices.items() if entry.simulator is not None}
        classes = {name: _simulator(name, entry, config) for name, entry in simulated.items()}
        settings = PlantSettings.read(simulation.settings, config.name)
        chemistry = CadmiumSelenide()
        absorber = _absorber(config, chemistry, playback)
        endstation = _endstation(config, simulation.seed, settings, chemistry)
        self.plant = _plant(config, simulation.seed, settings, classes, absorber, endstation)
        self.instruments = {name: cls(name, simulated[name], config, self.plant) for name, cls in classes.items()}
        self.ledger = Ledger(self._measurable)
        self.plant.note = self.ledger.note
        self._clock = clock
        self._step_s = step_s(clock.speed)
        self._seed = simulation.seed
        self._faulty: dict[str, set[str]] = {name: set() for name in classes}
        self._server_of = self._connect(config, simulated)
        self.servers = list(dict.fromkeys(self._server_of.values()))

    def _connect(self, config: InstrumentConfig, simulated: Mapping[str, DeviceEntry]) -> dict[str, Server]:
        """A server for each address, by the devices there."""
        at: dict[Address, list[str]] = defaultdict(list)
        for name, entry in simulated.items():
            where = f"{config.name}: devices.{name}.address"
            if entry.address is None:
                raise BadInputError(f"{where} is missing: its simulator has to listen somewhere")
            at[Address.parse(entry.address, where)].append(name)
        servers: dict[str, Server] = {}
        for address, names in at.items():
            serve: MakeServer = _load(SERVERS[address.scheme])
            instruments = [self.instruments[name] for name in names]
            server = serve(address, instruments, self._clock, self.advance, self._seed)
            servers.update(dict.fromkeys(names, server))
        return servers

    @property
    def addresses(self) -> dict[str, str]:
        """Where each device is reached."""
        return {name: str(server.address) for name, server in self._server_of.items()}

    @property
    def idle_s(self) -> float:
        """Real seconds since the last client of any instrument left; 0 while one is there."""
        return min((server.clients.idle_s for server in self.servers), default=math.inf)

    async def open(self, any_port: bool = False) -> None:
        """Listen on the configured addresses, or with ``any_port`` on ports that the system chooses.

        Raises:
            PortInUseError: an address is taken; none is left open.
        """
        try:
            for server in self.servers:
                if any_port:
                    server.address = server.address.at_port(0)
                await server.open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Cut every connection and free the addresses."""
        for server in self.servers:
            await server.close()

    def advance(self) -> None:
        """Bring the plant up to now, and let instruments say what they say by themselves."""
        self.plant.advance_to(self._clock.now_s(), self._step_s)
        self.ledger.keep()
        for server in self.servers:
            server.speak()

    def _measurable(self) -> dict[str, float]:
        """That of the plant, and what controllers have of their own."""
        told = self.plant.measurable()
        for name in self.plant.heaters:
            own = self.instruments[name].truth()
            told[f"{name}.setpoint_c"] = own["working_set_point_c"]
            told[f"{name}.output_percent"] = 100 * own["output"]
        return told

    def truth(self) -> dict[str, Any]:
        """The plant as it is, and for each instrument what it alone knows and which faults it was given."""
        self.advance()
        instruments = {
            name: instrument.truth() | self._server_of[name].truth_of(name) | {"faults": sorted(self._faulty[name])}
            for name, instrument in self.instruments.items()
        }
        return self.plant.truth() | {"instruments": instruments}

    def faults_of(self, device: str) -> dict[str, Fault]:
        """The faults that can be injected into a device: its own and those of its cable."""
        return self.instruments[device].faults | self._server_of[device].faults_of(device)

    def possible_faults(self) -> dict[str, dict[str, dict[str, float]]]:
        """Which faults each device can have, each with its options and their defaults."""
        return {
            device: {name: _options(switch) for name, switch in self.faults_of(device).items()}
            for device in self.instruments
        }

    async def inject(self, fault: str, device: str, options: Mapping[str, Any] | None = None) -> None:
        """Set one fault of a device, or clear all of them with ``none``.

        Args:
            fault: its name.
            device: as the configuration names it.
            options: numbers, by name; those that are left out have their defaults.

        Raises:
            BadInputError: there is no such device, it cannot have that fault, or not with these options.
        """
        if device not in self.instruments:
            raise BadInputError(f"there is no device {device!r}; there are {', '.join(self.instruments)}")
        faults = self.faults_of(device)
        if fault not in (*faults, "none"):
            raise BadInputError(f"{device} cannot have the fault {fault!r}; it can have {', '.join([*faults, 'none'])}")
        chosen = _checked(options or {}, {} if fault == "none" else _options(faults[fault]), f"{device}: {fault}")
        self.advance()
        if fault == "none":
            for switch in faults.values():
                switch(False)
        else:
            faults[fault](True, **chosen)
        self._faulty[device] = set() if fault == "none" else self._faulty[device] | {fault}
        await self._server_of[device].settle()


def _options(switch: Fault) -> dict[str, float]:
    """What a fault takes, with the defaults."""
    taken = inspect.signature(switch).parameters.values()
    return {option.name: option.default for option in taken if option.kind is option.KEYWORD_ONLY}


def _checked(options: Mapping[str, Any], known: Mapping[str, float], where: str) -> dict[str, float]:
    allowed = ", ".join(f"{name} (default {value:g})" for name, value in known.items()) or "nothing"
    chosen: dict[str, float] = {}
    for name, value in options.items():
        if name not in known:
            raise BadInputError(f"{where}: there is no option {name!r}; it takes {allowed}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise BadInputError(f"{where}: {name} = {value!r} is not a number; it takes {allowed}")
        chosen[name] = float(value)
    return chosen


def _simulator(name: str, entry: DeviceEntry, config: InstrumentConfig) -> type[Simulated]:
    """The class that a device's ``simulator`` names."""
    found = None
    with contextlib.suppress(ImportError, AttributeError):
        found = _load(str(entry.simulator))
    if not (isinstance(found, type) and issubclass(found, Simulated)):
        where = f"{config.name}: devices.{name}.simulator"
        raise BadInputError(f"{where} = {entry.simulator!r}: there is no such simulator")
    return found


def _load(reference: str) -> Any:
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _absorber(config: InstrumentConfig, chemistry: Chemistry, playback: Path | None) -> Absorber:
    if playback is not None:
        # Imported only when it is asked for: it reads whatever kind of file was recorded.
        return importlib.import_module("simulators.plant.playback").Playback(playback)
    material = load_material(config.material)
    if material.sizing is None:
        raise BadInputError(f"{config.name}: material = {config.material!r}: it has no sizing curve to simulate by")
    return CadmiumSelenideAbsorption(chemistry, material, config.flow_path.optical_path_mm)


def _endstation(
    config: InstrumentConfig, seed: int, settings: PlantSettings, chemistry: Chemistry
) -> Callable[[FlowReactor], Endstation] | None:
    """Makes the X-ray side, if the settings have one."""
    if settings.xray is None:
        return None
    if config.flow_path.xray_total_ml is None:
        where = f"{config.name}: simulation.settings.xray"
        raise BadInputError(f"{where}: flow_path has no X-ray cell: xray_transfer_ml, xray_cell_ml, xray_path_mm")
    properties, scatterer = XrayProperties(**settings.xray), CadmiumSelenideScattering(chemistry)
    return lambda reactor: Endstation(reactor, scatterer, properties, seed)


def _plant(
    config: InstrumentConfig,
    seed: int,
    settings: PlantSettings,
    classes: Mapping[str, type[Simulated]],
    absorber: Absorber,
    endstation: Callable[[FlowReactor], Endstation] | None,
) -> Plant:
    """The parts that the instruments need, put together."""
    block = BlockProperties(**settings.block)
    drives = {name: _drive(name, config) for name, cls in classes.items() if cls.part == "syringe"}
    heaters = {name: HeaterBlock(block) for name, cls in classes.items() if cls.part == "heater"}
    for role, name in (("nucleation", settings.nucleation), ("growth", settings.growth)):
        _known(heaters, name, f"{config.name}: simulation.settings.{role}")
    bottles = Bottles(config.reagents)
    valves = {name: _valve(name, config, bottles) for name, cls in classes.items() if cls.part == "valve"}
    feeds = {name: _feed(name, config, bottles, valves) for name, cls in classes.items() if cls.part == "feed"}
    light = LightPath(pixel_wavelengths(OceanHdx.WAVELENGTH_COEFFICIENTS), LightProperties(**settings.light), seed)
    second = None
    if any(cls.part == "luminescence" for cls in classes.values()):
        grid = pixel_wavelengths(OceanQePro.WAVELENGTH_COEFFICIENTS, LUMINESCENCE_PIXELS)
        second = LuminescencePath(grid, _emitter(absorber), LuminescenceProperties(**settings.luminescence), seed)
    return Plant(
        config.flow_path,
        drives,
        heaters,
        settings.nucleation,
        settings.growth,
        light,
        absorber,
        feeds,
        valves,
        HydraulicProperties(**settings.hydraulics),
        second,
        endstation,
    )


def _emitter(absorber: Absorber) -> Emitter:
    """What emits is what absorbs."""
    return CadmiumSelenideEmission(absorber) if isinstance(absorber, CadmiumSelenideAbsorption) else NoEmission()


def _drive(name: str, config: InstrumentConfig) -> SyringeDrive:
    loaded = bench_settings(LoadedSyringe, name, config.devices[name], config)
    where = f"{config.name}: devices.{name}.settings"
    syringe = _known(config.syringes, loaded.syringe, f"{where}.syringe")
    reagent = _known(config.reagents, loaded.reagent, f"{where}.reagent")
    return SyringeDrive(syringe, reagent, loaded.reagent, loaded.stall_bar)


def _valve(name: str, config: InstrumentConfig, bottles: Bottles) -> Selector:
    plumbed = bench_settings(PlumbedValve, name, config.devices[name], config)
    ports: dict[int, str] = {}
    for port, bottle in plumbed.ports.items():
        where = f"{config.name}: devices.{name}.settings.ports.{port}"
        if not port.isdecimal() or not 1 <= int(port) <= plumbed.positions:
            raise BadInputError(f"{where}: there is no such port; they are 1…{plumbed.positions}")
        if bottle in bottles:  # others are names of places that nothing comes from: waste, a sample
            ports[int(port)] = bottle
    return Selector(plumbed.positions, ports)


def _feed(name: str, config: InstrumentConfig, bottles: Bottles, valves: Mapping[str, Selector]) -> Feed:
    plumbed = bench_settings(PlumbedFeed, name, config.devices[name], config)
    where = f"{config.name}: devices.{name}"
    if plumbed.valve is not None:
        return Feed(bottles, _known(valves, plumbed.valve, f"{where}.simulated.valve"), plumbed.stall_bar)
    if plumbed.reagent not in bottles:
        raise BadInputError(f"{where}.settings.reagent = {plumbed.reagent!r}: there is no bottle of that")
    return Feed(bottles, plumbed.reagent, plumbed.stall_bar)


def _known(table: Mapping[str, T], name: str, where: str) -> T:
    if name not in table:
        raise BadInputError(f"{where} = {name!r}: there is none of that name; there are {', '.join(table) or 'none'}")
    return table[name]
