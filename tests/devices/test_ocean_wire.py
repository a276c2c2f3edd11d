"""Spectrometers over real processes and bad cables: nothing wrong is accepted, and what was lost comes back."""

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import DeviceError, LinkError, NotReachedError, RefusedError, ReplyError, ReplyTimeoutError
from devices.ocean import OceanQePro
from devices.protocols import obp
from flowlab.bench import Bench
from flowlab.config import load_instrument
from flowlab.config.instrument import ClockSettings
from simulators.wire.cable import Cable
from tests.devices.conftest import SPEED, bench_at
from tests.devices.hdx import Hdx, Spectrometer, with_emission
from tests.instruments import UV_VIS
from tests.simulators.benches import Served, served
from tests.simulators.wire.test_ocean import message

WAIT_S = 60.0
SHIPPED = Path(UV_VIS)
SECOND_PATH = """
[devices.emission]
class = "devices.ocean:OceanQePro"
address = "usb+tcp://127.0.0.1:57458"
simulator = "simulators.wire.qepro:OceanQePro"
[devices.emission.settings]
integration_ms = 20.0
scans = 2
reply_within_s = 0.5
attempts = 1
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped instrument with a QE Pro."""
    text = SHIPPED.read_text("utf-8").replace("safe_state = [", 'safe_state = ["emission", ')
    path = tmp_path_factory.mktemp("emission") / "emission.toml"
    path.write_text(text + SECOND_PATH, "utf-8")
    return path


@pytest.fixture(scope="module")
def lab(file: Path) -> Iterator[Served]:
    with served(str(file), "--any-port", "--speed", str(SPEED)) as lab:
        yield lab


@pytest.fixture
def emission(file: Path, lab: Served) -> Iterator[OceanQePro]:
    config = load_instrument(str(file)).model_copy(update={"clock": ClockSettings(speed=SPEED)})
    with Bench(config, "emission", lab.addresses) as bench:
        bench.devices["emission"].connect()
        yield bench.devices["emission"]
        lab.ask(fault="none", device="emission")
        bench.devices["emission"].make_safe()
        assert not lab.ask(truth=True)["luminescence"]["led_on"]


def test_it_takes_spectra_of_a_process(emission, lab):
    emission.shutter_open.set(True).wait(WAIT_S)
    emission.trigger().wait(WAIT_S)
    truth = lab.ask(truth=True)["luminescence"]
    assert truth["led_on"]
    assert emission.detector_c.get() == pytest.approx(truth["detector_c"], abs=0.3)
    assert emission.counts.get().max() > 5000


def test_unplugged_is_a_lost_link_and_it_comes_back_as_it_was(emission, lab):
    emission.shutter_open.set(True).wait(WAIT_S)
    lab.ask(fault="unplug", device="emission")
    with pytest.raises(LinkError, match="emission: "):
        emission.trigger().wait(WAIT_S)
    lab.ask(fault="none", device="emission")
    emission.trigger().wait(WAIT_S)
    assert emission.counts.get().max() > 5000


def test_what_could_not_be_made_safe_comes_back_dark(emission, lab):
    emission.shutter_open.set(True).wait(WAIT_S)
    lab.ask(fault="unplug", device="emission")
    with pytest.raises(LinkError, match="emission: "):
        emission.make_safe()
    lab.ask(fault="none", device="emission")
    assert lab.ask(truth=True)["luminescence"]["led_on"], "nobody could tell it"
    emission.trigger().wait(WAIT_S)
    assert not lab.ask(truth=True)["luminescence"]["led_on"]
    assert not emission.shutter_open.get()


def test_a_long_exposure_is_not_waited_for_to_be_safe(lab, file):
    config = load_instrument(str(file))  # at the speed of real hardware, an exposure of 100 s takes 100 s
    entry = config.devices["emission"]
    entry = entry.model_copy(update={"settings": entry.settings | {"stale_reads": 0, "integration_ms": 1e5}})
    config = config.model_copy(update={"devices": config.devices | {"emission": entry}, "clock": ClockSettings()})
    with Bench(config, "emission", lab.addresses) as bench:
        emission = bench.devices["emission"]
        emission.connect()
        emission.shutter_open.set(True).wait(WAIT_S)
        status = emission.trigger()
        emission.make_safe()
        with pytest.raises(NotReachedError, match="emission: the exposure was given up"):
            status.wait(WAIT_S)
        assert not lab.ask(truth=True)["luminescence"]["led_on"]


def test_silence_is_a_timeout_and_not_a_hang(emission, lab):
    lab.ask(fault="silence", device="emission")
    with pytest.raises(ReplyTimeoutError, match="emission: asked for .*, got nothing in time"):
        emission.trigger().wait(WAIT_S)


def test_a_led_that_fails_shows_in_the_light_level(emission, lab):
    emission.shutter_open.set(True).wait(WAIT_S)
    emission.trigger().wait(WAIT_S)
    bright = emission.light_level.get()
    lab.ask(fault="lamp_out", device="emission")
    emission.trigger().wait(WAIT_S)
    assert emission.light_level.get() < 0.7 * bright


def test_a_second_client_is_a_lost_link(emission, file, lab):
    config = load_instrument(str(file))
    with Bench(config, "emission", lab.addresses) as other, pytest.raises(LinkError, match="emission: "):
        other.devices["emission"].connect()


class Spoiler:
    """Spoils replies as a bad cable does; remembers what the detector really saw."""

    def __init__(self, server: Spectrometer, seed: int):
        self.server = server
        self.seen: list[np.ndarray] = []
        self._cable = Cable(f"{seed}")
        self._word = np.dtype("<u4" if server.instrument.part == "luminescence" else "<u2")
        self._plain: Callable[[int], bytes] = server.instrument._exposed
        server.instrument._exposed = self._expose

    def _expose(self, exposure_us: int) -> bytes:
        payload = self._plain(exposure_us)
        self.seen.append(np.frombuffer(payload[0 if self._word.itemsize == 2 else 32 :], self._word))
        return payload

    def begin(self) -> None:
        for fault in ("garble", "cut", "lose", "duplicate"):
            self._cable.faults[fault](True, probability=0.02)
        self._cable.faults["delay"](True, probability=0.02, delay_s=0.15)
        self.server.spoil = self._carry

    def _carry(self, reply: bytes) -> bytes:
        carried = b""
        for after_s, piece in self._cable.carry(reply):
            threading.Event().wait(after_s)
            carried += piece
        return carried

    def really_saw(self, mean: np.ndarray) -> bool:
        """Whether a spectrum is the mean of two exposures that were made, one after the other."""
        newest = [counts.astype(float) for counts in self.seen[-30:]]
        return any(np.array_equal((one + other) / 2, mean) for one, other in itertools.combinations(newest, 2))


# With these seeds a wrong spectrum is accepted when checksums and numbers are left out.
@pytest.mark.parametrize(("model", "seed"), [("hdx", 2), ("hdx", 4), ("hdx", 5), ("qepro", 3)])
def test_nothing_wrong_is_accepted_over_a_bad_cable(model, seed):
    patient: dict[str, Any] = {"reply_within_s": 0.1, "attempts": 5, "scans": 2}
    if model == "hdx":
        server: Spectrometer = Hdx()
        bench = bench_at({"spectrometer": server.address}, spectrometer=patient)
    else:
        config = with_emission(settings=patient).model_copy(update={"clock": ClockSettings(speed=100.0)})
        server = Spectrometer(config, "emission", 2.0)
        bench = Bench(config, "bad cable", {"emission": server.address})
    spoiler = Spoiler(server, seed)
    outcomes: list[str] = []
    try:
        with bench:
            device = bench.devices["spectrometer" if model == "hdx" else "emission"]
            device.connect()
            device.shutter_open.set(True).wait(WAIT_S)
            spoiler.begin()
            for _ in range(12):
                try:
                    device.trigger().wait(WAIT_S)
                except DeviceError as error:
                    outcomes.append(type(error).__name__)
                    continue
                assert spoiler.really_saw(device.counts.get())
                outcomes.append("spectrum")
            server.spoil = lambda reply: reply
            device.trigger().wait(WAIT_S)
            assert spoiler.really_saw(device.counts.get())
    finally:
        server.close()
    assert outcomes.count("spectrum") > 3


PIXELS = np.arange(64, dtype="<u2").tobytes()
ANSWER = message(0x00101000, PIXELS, flags=1, md5=True)  # to request 77


@given(st.integers(0, 8 * len(ANSWER) - 1))
def test_no_single_bit_that_turns_is_overlooked(bit):
    assert obp.read_answer(ANSWER, 0x00101000, 77).payload == PIXELS
    garbled = bytearray(ANSWER)
    garbled[bit // 8] ^= 1 << bit % 8
    try:
        assert obp.read_answer(bytes(garbled), 0x00101000, 77) is None
    except (ReplyError, RefusedError):
        return


@given(st.binary(max_size=200), st.booleans())
def test_whatever_comes_it_is_a_reply_of_another_or_an_error(data, begins_right):
    for piece in (data, obp.START + b"\x00\x11" + data if begins_right else data):
        try:
            assert obp.read_answer(piece, 0x101, 1) is None
        except (ReplyError, RefusedError):
            continue
