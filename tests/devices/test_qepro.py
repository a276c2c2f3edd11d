"""The QE Pro's driver, and the LED that hangs on it, against the simulated spectrometer."""

import collections
import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from bluesky import protocols
from bluesky.protocols import check_supports

from devices.errors import DeviceError, LimitError, LinkError, NotReachedError, RefusedError, ReplyError
from devices.ocean import OceanQePro
from flowlab.bench import Bench
from flowlab.config.instrument import ClockSettings
from flowlab.config.load import ConfigError
from tests.devices.conftest import bench_at
from tests.devices.hdx import Hdx, Spectrometer, with_emission
from tests.simulators.benches import shipped

WAIT_S = 60.0
SPEED = 100.0
STEP_S = 2.0  # plant seconds from message to message
SCATTER = slice(60, 90)  # pixels around 405 nm


def build(server: Spectrometer, **settings: Any) -> Bench:
    config = with_emission(**settings).model_copy(update={"clock": ClockSettings(speed=SPEED)})
    return Bench(config, "with emission", {"emission": server.address})


@pytest.fixture
def serve() -> Iterator[Callable[..., Spectrometer]]:
    """Starts a simulated QE Pro with these settings of its own."""
    with contextlib.ExitStack() as stack:

        def start(**simulated: Any) -> Spectrometer:
            server = Spectrometer(with_emission(simulated=simulated), "emission", STEP_S)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def server(serve) -> Spectrometer:
    return serve()


@pytest.fixture
def bench(server) -> Iterator[Bench]:
    with build(server) as bench:
        bench.devices["emission"].connect()
        yield bench


@pytest.fixture
def emission(bench) -> Any:
    assert isinstance(bench.devices["emission"], OceanQePro)
    return bench.devices["emission"]


def take(device: Any) -> np.ndarray:
    device.trigger().wait(WAIT_S)
    return device.counts.get()


def test_it_is_a_detector_for_bluesky(emission):
    for protocol in (protocols.Readable, protocols.Triggerable, protocols.Stoppable):
        check_supports(emission, protocol)
    keys = emission.describe() | emission.describe_configuration()
    units = {name.removeprefix("emission_"): key.get("units") for name, key in keys.items()}
    assert units["counts"] == units["light_level"] == "counts"
    assert units["detector_c"] == units["detector_setpoint_c"] == "°C"
    assert (units["integration_ms"], units["wavelength_nm"], units["tick_us"]) == ("ms", "nm", "us")
    assert emission.serial_number.get() == "QEP00001"
    assert emission.wavelength_nm.get()[[0, -1]] == pytest.approx([350.0, 1099.6], abs=0.1)


def test_a_spectrum_waits_until_the_detector_is_cold(emission, server):
    server.plant.luminescence.cooler.temperature_c = 23.0
    counts = take(emission)
    assert counts.shape == emission.counts_err.get().shape == (1044,)
    assert emission.detector_setpoint_c.get() == -10.0
    assert emission.detector_c.get() == pytest.approx(-10.0, abs=0.5)
    assert emission.detector_c.get() == pytest.approx(server.plant.luminescence.cooler.temperature_c, abs=0.5)


def test_the_light_is_off_until_it_is_switched_on_and_off_when_it_is_safe(emission, server):
    dark = take(emission)
    assert not emission.shutter_open.get()
    assert dark[SCATTER].max() < 1500
    emission.shutter_open.set(True).wait(WAIT_S)
    assert server.plant.luminescence.led_on
    lit = take(emission)
    assert lit[SCATTER].max() > 5000
    assert emission.light_level.get() == pytest.approx(np.sort(lit)[-104:].mean())
    emission.make_safe()
    assert not server.plant.luminescence.led_on
    assert not emission.shutter_open.get()


@pytest.mark.parametrize("acquire", ["request", "buffer"])
@pytest.mark.parametrize("light_lags", [False, True])
def test_no_scan_that_was_under_way_when_the_light_was_switched_is_in_a_spectrum(serve, acquire, light_lags):
    server = serve(light_lags=light_lags)
    with build(server, settings={"acquire": acquire}) as bench:
        emission, led = bench.devices["emission"], bench.devices["excitation"]
        emission.connect()
        for on in (False, True, False, True):
            led.set(on).wait(WAIT_S)
            assert bool(take(emission)[SCATTER].max() > 5000) is on
            assert emission.counts_err.get()[SCATTER].max() < 200, "its scans are alike"


def test_scans_that_lag_behind_the_light_are_in_a_spectrum_that_throws_none_away(serve):
    server = serve(light_lags=True)
    with build(server, settings={"stale_reads": 0}) as bench:
        emission, led = bench.devices["emission"], bench.devices["excitation"]
        emission.connect()
        take(emission)
        led.set(True).wait(WAIT_S)
        assert take(emission)[SCATTER].max() < 1500


def test_a_fresh_process_makes_it_safe_without_anything_else(server):
    server.plant.luminescence.led_on = True
    with build(server) as bench:
        bench.devices["emission"].make_safe()
        assert not server.plant.luminescence.led_on
        assert not server.plant.luminescence.cooler.enabled, "what is to be safe does not depend on a cooler"


@pytest.mark.parametrize("acquire", ["request", "buffer"])
def test_every_spectrum_has_the_integration_time_that_was_set(server, acquire):
    with build(server, settings={"acquire": acquire, "stale_reads": 0}) as bench:
        emission = bench.devices["emission"]
        emission.connect()
        emission.shutter_open.set(True).wait(WAIT_S)
        levels = []
        for integration_ms in (20.0, 40.0, 10.0):
            emission.integration_ms.set(integration_ms).wait(WAIT_S)
            assert server.instrument.truth()["integration_ms"] == integration_ms
            levels.append(take(emission)[SCATTER].max() - 1200)
        assert levels == pytest.approx([levels[0], 2 * levels[0], levels[0] / 2], rel=0.03)


def test_a_spectrometer_that_gives_only_old_spectra_is_an_error(emission, server):
    take(emission)
    server.instrument._under_way_us = collections.deque([8_000] * 50)
    with pytest.raises(ReplyError, match="asked for a new spectrum of 20000 us, got old ones"):
        take_without_retry(emission)


def take_without_retry(device: Any) -> np.ndarray:
    device.settings = device.settings.model_copy(update={"attempts": 1})
    return take(device)


def test_the_same_spectrum_is_not_taken_twice(emission, server):
    take(emission)
    kept: list[bytes] = []
    plain = server.instrument._exposed

    def exposed(exposure_us: int) -> bytes:
        if not kept or len(kept) > 2:
            kept.clear()
            kept.append(plain(exposure_us))
        else:
            kept.append(kept[0])
        return kept[0]

    server.instrument._exposed = exposed
    assert (take(emission) > 0).all()
    assert emission.counts_err.get().max() > 0.0, "scans that are copies have no scatter"


@pytest.mark.parametrize(("ceiling", "flagged"), [(200_000, True), (2**18 - 1, False)])
def test_saturated_pixels_are_counted_from_the_ceiling_that_is_set(server, ceiling, flagged):
    with build(server, settings={"saturated_counts": ceiling}) as bench:
        emission = bench.devices["emission"]
        emission.connect()
        emission.shutter_open.set(True).wait(WAIT_S)
        emission.integration_ms.set(2000.0).wait(WAIT_S)
        assert take(emission).max() == 200_000
        assert (emission.saturated_pixels.get() > 3) is flagged


@pytest.mark.parametrize("value", [7.9, float("nan"), 1.6e6])
def test_integration_times_outside_the_limits_are_refused_before_anything_is_sent(emission, server, value):
    before = server.instrument.truth()["integration_ms"]
    with pytest.raises(LimitError, match="integration time"):
        emission.integration_ms.set(value)
    with pytest.raises(TypeError, match="is set, not put"):
        emission.integration_ms.put(30.0)
    assert server.instrument.truth()["integration_ms"] == before == emission.integration_ms.get()


def test_a_set_point_that_was_reached_is_told_and_one_outside_the_limits_refused(emission, server):
    emission.cooling.set(-15.0).wait(WAIT_S)
    assert server.plant.luminescence.cooler.temperature_c == pytest.approx(-15.0, abs=0.5)
    take(emission)
    assert emission.detector_setpoint_c.get() == -15.0
    with pytest.raises(LimitError, match="detector temperature -30 °C is outside -25…20 °C"):
        emission.cooling.set(-30.0)
    assert server.plant.luminescence.cooler.setpoint_c == -15.0


def test_a_detector_that_does_not_become_cold_takes_no_spectrum(server):
    server.instrument.faults["cooler_out"](True)
    with build(server, settings={"cool_within_s": 20.0}) as bench:
        emission = bench.devices["emission"]
        emission.connect()
        too_warm = r"emission: the detector is at 2\d\.\d\d °C, not at -10 °C, after 20 s"
        with pytest.raises(NotReachedError, match=too_warm):
            take(emission)
        with pytest.raises(NotReachedError, match="-12 °C of the detector not reached within 20 s"):
            emission.cooling.set(-12.0).wait(WAIT_S)


def test_being_made_safe_ends_the_wait_for_the_cold(server):
    server.instrument.faults["cooler_out"](True)
    with build(server, settings={"cool_within_s": 1e6}) as bench:
        emission = bench.devices["emission"]
        emission.connect()
        status = emission.trigger()
        emission.make_safe()
        with pytest.raises(NotReachedError, match="given up"):
            status.wait(WAIT_S)


def test_averaging_that_another_program_left_on_is_switched_off(serve):
    server = serve(averaged_before=8)
    with build(server) as bench:
        bench.devices["emission"].connect()
        assert (server.instrument.truth()["averaged"], server.instrument.truth()["boxcar"]) == (1, 0)


@pytest.mark.parametrize("line", ["lamp", "single_strobe", "continuous_strobe"])
def test_a_led_is_switched_by_the_line_to_which_it_is_wired(serve, line):
    server = serve(light_line=line)
    with build(server, line=line) as bench:
        bench.devices["emission"].connect()
        led = bench.devices["excitation"]
        server.plant.luminescence.led_on = True
        led.connect()
        assert not server.plant.luminescence.led_on, "it is off when it is connected"
        check_supports(led, protocols.Movable)
        led.set(True).wait(WAIT_S)
        assert server.plant.luminescence.led_on
        assert led.read()["excitation_is_on"]["value"] is True
        assert led.describe()["excitation_is_on"]["source"] == "LightSwitch on a line of emission"
        led.make_safe()
        assert not server.plant.luminescence.led_on
        assert led.read()["excitation_is_on"]["value"] is False


def test_after_a_loss_of_power_everything_is_as_it_was_set(emission, server, bench):
    bench.devices["excitation"].set(True).wait(WAIT_S)
    emission.integration_ms.set(40.0).wait(WAIT_S)

    def lose_power(reply: bytes) -> None:
        server.plant.luminescence.led_on = False
        server.plant.luminescence.cooler.enabled = False
        server.plant.luminescence.cooler.temperature_c = 23.0
        server.instrument._integration_us = 10_000
        server.spoil = lambda reply: reply

    server.spoil = lose_power
    assert take(emission)[SCATTER].max() > 10_000
    assert emission.shutter_open.get()
    assert emission.detector_c.get() == pytest.approx(-10.0, abs=0.5)
    assert server.instrument.truth()["integration_ms"] == 40.0


DIALECTS = [
    ({"checksums": False}, {"checksum": False}, "it knows no such checksum .*; without them: checksum = false"),
    ({"returns_numbers": False}, {"numbered": False}, "none of them to request|does not answer"),
    ({"tells_lines": False, "processes": False}, {}, None),
]


@pytest.mark.parametrize(("simulated", "settings", "otherwise"), DIALECTS)
def test_what_differs_from_firmware_to_firmware_is_a_setting(serve, simulated, settings, otherwise):
    server = serve(**simulated)
    with build(server, settings=settings) as bench:
        emission = bench.devices["emission"]
        emission.connect()
        emission.shutter_open.set(True).wait(WAIT_S)
        assert take(emission)[SCATTER].max() > 5000
        bench.devices["excitation"].set(True).wait(WAIT_S)
        assert bench.devices["excitation"].ask_is_on()
    if otherwise is not None:
        with build(server, settings={"reply_within_s": 0.3}) as bench, pytest.raises(DeviceError, match=otherwise):
            bench.devices["emission"].connect()


def test_a_line_that_reads_otherwise_is_an_error(emission, server):
    server.instrument._light = lambda on: None
    with pytest.raises(NotReachedError, match="light on was set to 1 but reads 0"):
        emission.shutter_open.set(True)
    assert not emission.shutter_open.get()


def test_a_refused_set_point_is_an_error_with_its_reason(server):
    server.instrument.COLDEST_C = 0.0
    with (
        build(server) as bench,
        pytest.raises(RefusedError, match=r"emission: refused detector temperature .*not allowed"),
    ):
        bench.devices["emission"].connect()


ON_USB = """
from devices.errors import LinkError
from flowlab.bench import Bench
from tests.devices.hdx import with_emission

with Bench(with_emission(), "nobody", {"emission": "usb://NOBODY"}) as bench:
    try:
        bench.devices["emission"].connect()
    except LinkError as error:
        print(error)
"""


def test_nobody_on_usb_is_a_lost_link():
    # In a process of its own: what a USB library opens, it keeps.
    said = subprocess.run([sys.executable, "-c", ON_USB], capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.startswith("emission: cannot open usb://NOBODY: "), said.stderr
    assert "is it switched on" in said.stdout


def test_nobody_at_a_port_is_a_lost_link():
    with Bench(with_emission(), "nobody", {"emission": "usb+tcp://127.0.0.1:1"}) as bench, pytest.raises(LinkError):
        bench.devices["emission"].connect()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:5000", "usb+tcp://127.0.0.1", "/dev/ttyUSB0", None])
def test_an_address_of_another_kind_is_refused(address):
    config = with_emission()
    entry = config.devices["emission"].model_copy(update={"address": address})
    config = config.model_copy(update={"devices": config.devices | {"emission": entry}})
    with pytest.raises(ConfigError, match="usb://SERIAL or usb"):
        Bench(config, "with emission")


@pytest.mark.parametrize(
    ("settings", "complaint"), [({"detector_c": -26.0}, "its own limits"), ({"integration_ms": 5.0}, "integration_ms")]
)
def test_settings_that_contradict_one_another_are_refused(settings, complaint):
    with pytest.raises(ConfigError, match=complaint):
        Bench(with_emission(settings=settings), "with emission")


@pytest.mark.parametrize("parts", [{}, {"spectrometer": "reactor"}, {"spectrometer": ["emission"]}])
def test_a_light_hangs_on_a_spectrometer(parts):
    config = with_emission()
    entry = config.devices["excitation"].model_copy(update={"parts": parts})
    config = config.model_copy(update={"devices": config.devices | {"excitation": entry}})
    with pytest.raises(ConfigError, match="spectrometer"):
        Bench(config, "with emission")


@pytest.mark.parametrize(("before", "settings"), [(0, {}), (64, {"metadata_bytes": 64})])
def test_an_hdx_may_send_metadata_before_its_pixels(before, settings):
    server = Hdx(metadata_bytes=before)
    try:
        with bench_at({"spectrometer": server.address}, spectrometer=settings) as bench:
            bench.devices["spectrometer"].connect()
            assert take(bench.devices["spectrometer"]).max() > 20_000
        wrong = pytest.raises(ReplyError, match="bytes are no spectrum of 2068 pixels")
        with bench_at({"spectrometer": server.address}, spectrometer={"metadata_bytes": 64 - before}) as bench, wrong:
            bench.devices["spectrometer"].connect()
            take(bench.devices["spectrometer"])
    finally:
        server.close()


def test_an_hdx_may_be_on_usb():
    config = shipped()
    entry = config.devices["spectrometer"].model_copy(update={"address": "usb+tcp://127.0.0.1:57458"})
    config = config.model_copy(update={"devices": config.devices | {"spectrometer": entry}})
    server = Spectrometer(config, "spectrometer")
    try:
        with Bench(config, "on USB", {"spectrometer": server.address}) as bench:
            bench.devices["spectrometer"].connect()
            assert take(bench.devices["spectrometer"]).shape == (2068,)
            assert bench.devices["spectrometer"].serial_number.get() == "HDX00001"
    finally:
        server.close()


def test_the_light_level_of_an_hdx_tells_a_lamp_that_went_out():
    server = Hdx()
    try:
        with bench_at({"spectrometer": server.address}) as bench:
            spectrometer = bench.devices["spectrometer"]
            spectrometer.connect()
            take(spectrometer)
            assert spectrometer.light_level.get() > 20_000
            server.instrument.faults["lamp_out"](True)
            take(spectrometer)
            assert spectrometer.light_level.get() < 2_000
    finally:
        server.close()
