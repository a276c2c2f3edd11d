"""An Ocean HDX speaks the Ocean Binary Protocol; seabreeze as it is shipped reads it."""

import contextlib
import hashlib
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seabreeze.pyseabreeze.devices import SeaBreezeDevice
from seabreeze.pyseabreeze.exceptions import SeaBreezeError
from seabreeze.pyseabreeze.transport import IPv4Transport, IPv4TransportHandle

from simulators.wire.bench import Bench
from simulators.wire.ocean import OceanHdx
from tests.instruments import UV_VIS
from tests.simulators.benches import Served, bench, converse, pass_time, place, say, served

REQUEST_ACK, ANSWER, ACKNOWLEDGED, REFUSED = 4, 1, 3, 9


def message(kind: int, payload: bytes = b"", *, flags: int = 0, error: int = 0, md5: bool = False) -> bytes:
    """A message put together by the data sheet, apart from the simulator's own code."""
    immediate = payload if len(payload) <= 16 else b""
    rest = b"" if immediate else payload
    head = bytes.fromhex("c1c0 0011") + struct.pack("<HHLL", flags, error, kind, 77) + bytes(6)
    head += bytes((md5, len(immediate))) + immediate.ljust(16, b"\0") + struct.pack("<L", len(rest) + 20)
    checksum = hashlib.md5(head + rest, usedforsecurity=False).digest() if md5 else bytes(16)
    return head + rest + checksum + bytes.fromhex("c5c4c3c2")


SET_TIME, SPECTRUM, LAMP = 0x00110010, 0x00101000, 0x00110410
EIGHT_MS = struct.pack("<L", 8000)
DIALOGUE = [
    (message(0x101), message(0x101, b"\x08", flags=ANSWER)),
    (message(0x100), message(0x100, b"HDX00001", flags=ANSWER)),
    (message(0xE01), message(0xE01, b"\x03\x20", flags=ANSWER)),
    (message(0xE01, flags=REQUEST_ACK), message(0xE01, b"\x03\x20", flags=ACKNOWLEDGED)),
    (message(0x101, md5=True), message(0x101, b"\x08", flags=ANSWER, md5=True)),
    (message(SET_TIME, EIGHT_MS, flags=REQUEST_ACK), message(SET_TIME, flags=ACKNOWLEDGED)),
    (message(SET_TIME, EIGHT_MS), b""),
    (message(0x00110000), message(0x00110000, EIGHT_MS, flags=ANSWER)),
    (message(SET_TIME, struct.pack("<L", 5999)), message(SET_TIME, flags=REFUSED, error=6)),
    (message(SET_TIME, struct.pack("<L", 10_000_001)), message(SET_TIME, flags=REFUSED, error=6)),
    (message(SET_TIME, b"\x40"), message(SET_TIME, flags=REFUSED, error=5)),
    (message(LAMP, b"\x02"), message(LAMP, flags=REFUSED, error=6)),
    (message(LAMP, b"\x01", flags=REQUEST_ACK), message(LAMP, flags=ACKNOWLEDGED)),
    (message(0x00180100), message(0x00180100, b"\x04", flags=ANSWER)),
    (message(0x00180101, b"\x00"), message(0x00180101, struct.pack("<f", 198.5), flags=ANSWER)),
    (message(0x00180101, b"\x04"), message(0x00180101, flags=REFUSED, error=12)),
    (message(0x00181101, b"\x00"), message(0x00181101, struct.pack("<f", 1.0), flags=ANSWER)),
    (message(0x00123456), message(0x00123456, flags=REFUSED, error=2)),
    (message(0x101, bytes(17)), message(0x101, flags=REFUSED, error=5)),
    (message(0x00110110, b"\x07"), message(0x00110110, flags=REFUSED, error=6)),
    (message(0x00110110, b"\xff"), b""),
    (message(SPECTRUM), message(SPECTRUM, flags=REFUSED, error=7)),
    (message(0x00110110, b"\x00"), b""),
    (message(SPECTRUM, b"\x00"), message(SPECTRUM, flags=REFUSED, error=5)),
]


def spectrometer_on(a_bench: Bench) -> OceanHdx:
    spectrometer = a_bench.instruments["spectrometer"]
    assert isinstance(spectrometer, OceanHdx)
    return spectrometer


def counts(spectrometer: OceanHdx) -> np.ndarray:
    answer = say(spectrometer, message(SPECTRUM))
    assert len(answer) == 64 + 2 * 2068
    return np.frombuffer(answer[44:-20], "<u2").astype(float)


@pytest.mark.parametrize("how", ["whole", "bytes", "trailing"])
def test_it_answers_by_the_data_sheet(how: str) -> None:
    converse(spectrometer_on(bench()), DIALOGUE, how)


def test_the_bytes_that_set_8_ms_are_the_quoted_ones() -> None:
    quoted = bytes.fromhex("c1c0 0011 0400 0000 10001100")
    assert message(SET_TIME, EIGHT_MS, flags=REQUEST_ACK).startswith(quoted)


def broken(at: int, value: int) -> bytes:
    changed = bytearray(message(0x101, md5=True))
    changed[at] = value
    return bytes(changed)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (broken(45, 0xAA), 3),  # a checksum byte
        (broken(3, 0x33), 1),  # protocol version
        (broken(22, 0x05), 8),  # checksum type
        (broken(42, 0x10), 4),  # bytes remaining: a megabyte
        (broken(40, 0x02), 5),  # bytes remaining: not even the footer
        (broken(23, 0x11), 5),  # more immediate data than there is room for
        (broken(63, 0x00), 1),  # footer
    ],
)
def test_a_message_that_is_none_is_refused_and_the_next_one_answered(request_: bytes, error: int) -> None:
    spectrometer = spectrometer_on(bench())
    answered = say(spectrometer, request_ + message(0x101))
    refused, answer = answered[:-64], answered[-64:]
    assert struct.unpack_from("<HH", refused, 4) == (REFUSED, error)
    assert answer == message(0x101, b"\x08", flags=ANSWER)


def test_a_spectrum_takes_its_integration_time_and_shows_the_end_of_it() -> None:
    a_bench = bench()
    spectrometer = spectrometer_on(a_bench)
    spectrometer.receive(message(SPECTRUM))
    reply = spectrometer.next_reply()
    assert reply is not None
    assert reply.takes_s == pytest.approx(0.010)
    a_bench.plant.light.shutter_open = False
    assert np.frombuffer(reply.compute()[44:-20], "<u2").max() < 2000


def test_after_a_change_of_integration_time_two_spectra_are_stale() -> None:
    spectrometer = spectrometer_on(bench())
    brightest = [counts(spectrometer).max()]
    say(spectrometer, message(SET_TIME, struct.pack("<L", 6000)))
    assert spectrometer.truth()["stale_spectra"] == 2
    brightest += [counts(spectrometer).max() for _ in range(3)]
    assert spectrometer.truth()["stale_spectra"] == 0
    dark = 1450
    assert brightest[1] == pytest.approx(brightest[0], rel=0.02)
    assert brightest[2] == pytest.approx(brightest[0], rel=0.02)
    assert brightest[3] - dark == pytest.approx(0.6 * (brightest[0] - dark), rel=0.02)


def test_the_lamp_goes_off_and_on() -> None:
    a_bench = bench()
    spectrometer = spectrometer_on(a_bench)
    bright = counts(spectrometer)
    say(spectrometer, message(LAMP, b"\x00"))
    assert counts(spectrometer).max() < 2000 < bright.max()
    say(spectrometer, message(LAMP, b"\x01"))
    assert counts(spectrometer).max() == pytest.approx(bright.max(), rel=0.02)


def test_what_flows_through_the_cell_is_seen() -> None:
    a_bench = bench()
    spectrometer = spectrometer_on(a_bench)
    before = counts(spectrometer)
    for name in ("cadmium_pump", "selenium_pump"):
        say(a_bench.instruments[name], b"diameter 26.7\rirate 1 ml/min\rirun\r")
    pass_time(a_bench, 60.0)
    wavelength_nm = a_bench.plant.light.wavelength_nm
    uv = (wavelength_nm > 260) & (wavelength_nm < 280)
    assert np.mean(counts(spectrometer)[uv]) < 0.75 * np.mean(before[uv])


@given(st.lists(st.one_of(st.binary(), st.sampled_from([sent for sent, _ in DIALOGUE]), st.just(b"\xc1\xc0\x00\x11"))))
def test_garbage_never_raises_and_is_got_over(pieces: list[bytes]) -> None:
    spectrometer = spectrometer_on(bench())
    for piece in pieces:
        say(spectrometer, piece)
    spectrometer.hang_up()
    assert say(spectrometer, message(0x101)) == message(0x101, b"\x08", flags=ANSWER)


@pytest.fixture(scope="module")
def process() -> Iterator[Served]:
    with served(UV_VIS, "--any-port") as running:
        yield running


@contextlib.contextmanager
def opened(address: str) -> Iterator[SeaBreezeDevice]:
    """The spectrometer as seabreeze has it, without its multicast search."""
    host, port = place(address)
    IPv4Transport.register_model("HDX", ipv4_address=host, ipv4_port=port)
    handle = IPv4TransportHandle(host, port)
    device = SeaBreezeDevice(handle)
    try:
        device.open()
        yield device
    finally:
        handle.socket.close()  # seabreeze closes only a socket that it never connected
        device.close()
        del IPv4Transport.devices_ip_port[(host, port)]


def test_unmodified_seabreeze_reads_spectra(process: Served) -> None:
    with opened(process.addresses["spectrometer"]) as device:
        assert (device.model, device.serial_number) == ("HDX", "HDX00001")
        spectrometer = device.f.spectrometer
        wavelength_nm = np.asarray(spectrometer.get_wavelengths())
        assert wavelength_nm.shape == (2068,)
        assert wavelength_nm[[0, -1]] == pytest.approx([198.5, 800.0], abs=0.1)
        spectrometer.set_integration_time_micros(10_000)
        spectrometer.set_trigger_mode(0)
        bright = spectrometer.get_intensities()
        assert bright.shape == (2068,)
        assert 20_000 < bright.max() < 65_535
        spectrometer.set_integration_time_micros(6_000)
        faint = [spectrometer.get_intensities().max() for _ in range(3)]
        assert faint[0] > 0.9 * bright.max()
        assert faint[2] < 0.7 * bright.max()
        assert process.ask(truth=True)["instruments"]["spectrometer"]["integration_ms"] == 6.0
        assert device.f.nonlinearity_coefficients.get_nonlinearity_coefficients() == [1.0] + 7 * [0.0]
        assert device.f.multicast.get_multicast_enable_state(0)


def test_seabreeze_sees_the_dark_when_the_lamp_is_off(process: Served) -> None:
    with opened(process.addresses["spectrometer"]) as device:
        transport = device._transport  # seabreeze has no lamp for this model, but carries the message
        transport.write(message(LAMP, b"\x00", flags=REQUEST_ACK))
        assert transport.read() == message(LAMP, flags=ACKNOWLEDGED)
        assert device.f.spectrometer.get_intensities().max() < 2000
        assert process.ask(truth=True)["instruments"]["spectrometer"]["lamp_on"] is False
        transport.write(message(LAMP, b"\x01"))
        assert device.f.spectrometer.get_intensities().max() > 20_000


def test_unmodified_seabreeze_is_refused_what_does_not_exist(process: Served) -> None:
    # seabreeze waits for more behind a refusal, and then may tell only of that.
    refused = pytest.raises((SeaBreezeError, TimeoutError))
    with opened(process.addresses["spectrometer"]) as device, refused:
        device._transport.protocol.query(0x00180101, 9)
