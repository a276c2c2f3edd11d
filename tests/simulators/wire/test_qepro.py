"""A QE Pro speaks the Ocean Binary Protocol; seabreeze as it is shipped reads it through pyusb."""

import struct
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seabreeze.pyseabreeze import transport
from seabreeze.pyseabreeze.devices import SeaBreezeDevice
from seabreeze.pyseabreeze.exceptions import SeaBreezeError
from seabreeze.pyseabreeze.features.thermoelectric import ThermoElectricFeatureOBP
from seabreeze.pyseabreeze.transport import USBTransport

from devices.links.usb_over_tcp import UsbOverTcp
from flowlab.config.load import ConfigError
from flowlab.errors import BadInputError
from simulators.wire.bench import Bench
from simulators.wire.qepro import OceanQePro
from tests.devices.hdx import Spectrometer, with_emission
from tests.simulators.benches import StandingClock, pass_time, place, say
from tests.simulators.wire.test_ocean import REQUEST_ACK, message

SPECTRUM, SET_TIME = 0x00100928, 0x00110010
TRANSCRIPT = Path(__file__).parents[2] / "transcripts" / "ocean_qepro.toml"


def simulated(**simulated: Any) -> tuple[Bench, OceanQePro]:
    bench = Bench(with_emission(simulated=simulated), StandingClock())
    instrument = bench.instruments["emission"]
    assert isinstance(instrument, OceanQePro)
    return bench, instrument


def spectrum(instrument: OceanQePro) -> tuple[tuple[int, ...], np.ndarray]:
    answer = say(instrument, message(SPECTRUM))
    assert len(answer) == 64 + 32 + 4 * 1044
    return struct.unpack_from("<LQLHB", answer, 44), np.frombuffer(answer[44 + 32 : -20], "<u4")


def test_a_spectrum_has_its_number_its_time_and_its_integration_time_before_it():
    bench, instrument = simulated()
    (count, ticks_us, integration_us, _, trigger), counts = spectrum(instrument)
    pass_time(bench, 10.0)
    (next_count, next_ticks_us, *_), _ = spectrum(instrument)
    assert (integration_us, trigger, counts.max() < 2**18) == (10_000, 0, True)
    assert next_count == count + 1
    assert next_ticks_us - ticks_us == pytest.approx(10e6, abs=2)


def test_three_spectra_are_stale_after_a_change_unless_the_buffer_is_emptied():
    _, instrument = simulated()
    say(instrument, message(SET_TIME, struct.pack("<L", 50_000)))
    assert [spectrum(instrument)[0][2] for _ in range(5)] == [10_000] * 3 + [50_000] * 2
    say(instrument, message(SET_TIME, struct.pack("<L", 20_000)))
    assert instrument.truth()["stale_spectra"] == 3
    for kind in (0x00100000, 0x00100830, 0x00100902):
        say(instrument, message(kind))
    assert spectrum(instrument)[0][2] == 20_000


def test_the_cooler_follows_its_set_point_while_it_is_on():
    bench, instrument = simulated()
    say(instrument, message(0x00420011, struct.pack("<f", -10.0)))
    pass_time(bench, 60.0)
    assert instrument.truth()["cooler_on"] is False
    assert bench.plant.luminescence.cooler.temperature_c == pytest.approx(23.0)
    say(instrument, message(0x00420010, b"\x01"))
    pass_time(bench, 120.0)
    temperature_c = struct.unpack_from("<f", say(instrument, message(0x00420004)), 24)[0]
    assert temperature_c == pytest.approx(-10.0, abs=0.1)
    assert bench.truth()["luminescence"]["detector_c"] == pytest.approx(temperature_c)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -60.0, 51.0])
def test_a_set_point_that_no_cooler_has_is_refused(value):
    _, instrument = simulated()
    answer = say(instrument, message(0x00420011, struct.pack("<f", value)))
    assert struct.unpack_from("<HH", answer, 4) == (9, 6)


@pytest.mark.parametrize(
    ("fault", "options"), [("lamp_out", {}), ("lamp_drift", {"per_h": 36.0}), ("bubble", {}), ("cooler_out", {})]
)
def test_each_of_its_faults_shows_and_goes(fault, options):
    bench, instrument = simulated()
    path = bench.plant.luminescence
    say(instrument, message(0x00420011, struct.pack("<f", -10.0)) + message(0x00420010, b"\x01"))
    say(instrument, message(0x00110410, b"\x01"))
    pass_time(bench, 100.0)

    def state() -> tuple[float, bool, float]:
        return round(path.led_level, 1), bench.plant.light.bubble, round(path.cooler.temperature_c)

    before = state()
    instrument.faults[fault](True, **options)
    pass_time(bench, 50.0)
    assert state() != before
    instrument.faults[fault](False)
    pass_time(bench, 100.0)
    assert state() == before
    with pytest.raises(BadInputError, match="per_h"):
        instrument.faults["lamp_drift"](True, per_h=-1.0)


@given(st.lists(st.one_of(st.binary(), st.just(message(SPECTRUM)), st.just(b"\xc1\xc0\x00\x11")), max_size=6))
def test_garbage_never_raises_and_is_got_over(pieces: list[bytes]) -> None:
    _, instrument = simulated()
    for piece in pieces:
        say(instrument, piece)
    instrument.hang_up()
    assert say(instrument, message(0x101)) == message(0x101, b"\x08", flags=1)


def test_properties_of_the_path_come_from_the_file_and_are_checked():
    def bench(**properties: float) -> Bench:
        config = with_emission()
        assert config.simulation is not None
        settings = config.simulation.settings | {"luminescence": properties}
        simulation = config.simulation.model_copy(update={"settings": settings})
        return Bench(config.model_copy(update={"simulation": simulation}), StandingClock())

    assert bench(led_nm=450.0).plant.luminescence.properties.led_nm == 450.0
    with pytest.raises(ConfigError, match="there is no property 'led'; allowed: led_nm, "):
        bench(led=450.0)


class Recorded(Spectrometer):
    """Remembers what it was sent."""

    def __init__(self) -> None:
        super().__init__(with_emission(), "emission", 1.0)
        self.heard = b""
        receive = self.instrument.receive

        def listen(data: bytes) -> None:
            self.heard += data
            receive(data)

        self.instrument.receive = listen


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    server = Recorded()
    yield server
    server.close()


@pytest.fixture
def device(recorded: Recorded) -> Iterator[SeaBreezeDevice]:
    """The spectrometer as seabreeze has it, found by its own search for devices."""
    host, port = place(recorded.address)
    backend = UsbOverTcp(host, port, 0x2457, 0x4004, (0x01, 0x81), 5.0)
    transport._pyusb_backend_instances["over tcp"] = backend
    (handle,) = USBTransport.list_devices(pyusb_backend="over tcp")
    del transport._pyusb_backend_instances["over tcp"]
    found = SeaBreezeDevice(handle)
    found.open()
    yield found
    found.close()


def test_unmodified_seabreeze_reads_spectra_over_usb(recorded: Recorded, device: SeaBreezeDevice) -> None:
    assert (device.model, device.serial_number) == ("QEPRO", "QEP00001")
    feature = device.f.spectrometer
    wavelength_nm = np.asarray(feature.get_wavelengths())
    assert wavelength_nm.shape == (1044,)
    assert wavelength_nm[[0, -1]] == pytest.approx([350.0, 1099.6], abs=0.1)
    feature.set_trigger_mode(0)
    recorded.plant.luminescence.led_on = True
    feature.set_integration_time_micros(100_000)
    levels = [feature.get_intensities().max() for _ in range(4)]
    assert levels[3] - 1200 == pytest.approx(10 * (levels[2] - 1200), rel=0.05)
    cooler = ThermoElectricFeatureOBP(device._transport.protocol, 0)
    cooler.set_temperature_setpoint_degrees_celsius(-10.0)
    cooler.enable_tec(True)
    assert recorded.plant.luminescence.cooler.setpoint_c == -10.0
    assert recorded.plant.luminescence.cooler.enabled
    assert cooler.read_temperature_degrees_celsius() < 24.0


def test_unmodified_seabreeze_sends_the_bytes_of_the_transcript(recorded: Recorded, device: SeaBreezeDevice) -> None:
    feature = device.f.spectrometer
    cooler = ThermoElectricFeatureOBP(device._transport.protocol, 0)
    feature.get_wavelengths()
    feature.set_integration_time_micros(100_000)
    cooler.set_temperature_setpoint_degrees_celsius(-10.0)
    cooler.enable_tec(True)
    cooler.read_temperature_degrees_celsius()
    feature.get_intensities()
    dialogues = tomllib.loads(TRANSCRIPT.read_text("utf-8"))["dialogue"]
    sent = {bytes.fromhex(exchange["sent_hex"]) for dialogue in dialogues for exchange in dialogue["exchange"]}
    heard = {recorded.heard[i : i + 64] for i in range(0, len(recorded.heard), 64)}
    assert message(SET_TIME, struct.pack("<L", 100_000), flags=REQUEST_ACK).replace(b"\x4d", b"\0", 1) in sent & heard
    kinds = {struct.unpack_from("<L", request, 8)[0] for request in sent & heard}
    assert kinds == {0x101, 0x00110010, 0x00180101, 0x00420010, 0x00420011, 0x00420004, SPECTRUM}


def test_unmodified_seabreeze_is_refused_what_does_not_exist(device: SeaBreezeDevice) -> None:
    with pytest.raises((SeaBreezeError, OSError)):
        device._transport.protocol.query(0x00180101, 9)
