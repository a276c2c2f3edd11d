"""Drivers against the simulated lab: real processes, real wires, compared with what the plant really does."""

import numpy as np
import pytest
from bluesky import protocols
from bluesky.protocols import check_supports

from devices.errors import (
    InstrumentFaultError,
    LimitError,
    LinkError,
    NotReachedError,
    ReplyTimeoutError,
)
from flowlab.conditions import Conditions
from tests.devices.conftest import bench_at

WAIT_S = 60.0


def settings(heater: str, lab) -> dict:
    """What the controller is set to, without what it measures."""
    known = lab.ask(truth=True)["instruments"][heater]
    return {key: value for key, value in known.items() if key != "reading_c"}


def test_every_device_passes_blueskys_protocol_checks(bench):
    for device in bench.devices.values():
        check_supports(device, protocols.Readable)
    for name in ("cadmium_pump", "nucleation_heater", "reactor"):
        check_supports(bench.devices[name], protocols.Movable)
        check_supports(bench.devices[name], protocols.Stoppable)
        check_supports(bench.devices[name], protocols.Checkable)
    check_supports(bench.devices["spectrometer"], protocols.Triggerable)
    check_supports(bench.devices["nucleation_heater"], protocols.Locatable)


@pytest.mark.parametrize("name", ["cadmium_pump", "nucleation_heater", "reactor"])
def test_every_number_has_a_unit_and_every_set_point_its_limits(bench, name):
    described = bench.devices[name].describe()
    assert all(key["units"] for key in described.values())
    limited = [key for key in described.values() if "limits" in key]
    assert limited
    assert all(key["limits"]["control"]["low"] < key["limits"]["control"]["high"] for key in limited)


def test_a_pump_runs_at_the_rate_it_is_set_to_and_stops(bench, lab):
    pump = bench.devices["cadmium_pump"]
    pump.set(0.857).wait(WAIT_S)
    assert pump.ask_rate_ml_min() == pytest.approx(0.857, rel=1e-3)
    assert lab.ask(truth=True)["pumps"]["cadmium_pump"]["rate_ml_min"] == pytest.approx(0.857, rel=1e-3)
    pump.set(0).wait(WAIT_S)
    assert lab.ask(truth=True)["pumps"]["cadmium_pump"]["rate_ml_min"] == 0


@pytest.mark.parametrize("rate", [21.0, -1.0, float("nan"), 1e-9])
def test_a_rate_outside_the_limits_is_refused_before_anything_is_sent(bench, lab, rate):
    with pytest.raises(LimitError, match="cadmium_pump: rate"):
        bench.devices["cadmium_pump"].set(rate)
    assert lab.ask(truth=True)["pumps"]["cadmium_pump"]["rate_ml_min"] == 0


def test_a_syringe_is_refilled_from_its_reservoir_and_counted_anew(bench, lab):
    pump = bench.devices["selenium_pump"]
    pump.set(2.0).wait(WAIT_S)
    assert bench.clock.wait_until(lambda: pump.ask_content_ml() < 49, every_s=1, limit_s=600)
    pump.refill().wait(WAIT_S)
    assert pump.ask_content_ml() == pytest.approx(50.0, abs=0.05)
    truth = lab.ask(truth=True)["pumps"]["selenium_pump"]
    assert truth["content_ml"] == pytest.approx(50.0, abs=0.05)
    assert truth["reservoir_ml"] == pytest.approx(pump.reservoir_ml, abs=0.1)


def test_a_reservoir_that_holds_too_little_is_said_before_anything_moves(bench, lab, monkeypatch):
    pump = bench.devices["selenium_pump"]
    pump.set(2.0).wait(WAIT_S)
    assert bench.clock.wait_until(lambda: pump.ask_content_ml() < 49, every_s=1, limit_s=600)
    monkeypatch.setattr(pump, "reservoir_ml", 0.5)
    with pytest.raises(LimitError, match="0.5 mL of selenium are left"):
        pump.refill()
    assert lab.ask(truth=True)["pumps"]["selenium_pump"]["rate_ml_min"] == pytest.approx(2.0, rel=1e-3)


def test_a_stalled_pump_is_an_error_that_names_it(bench, lab):
    pump = bench.devices["cadmium_pump"]
    pump.set(1.0).wait(WAIT_S)
    lab.ask(fault="stall", device="cadmium_pump")
    try:
        with pytest.raises(InstrumentFaultError, match="cadmium_pump: has stalled"):
            bench.clock.wait_until(lambda: pump.ask_rate_ml_min() < 0, every_s=1, limit_s=600)
    finally:
        lab.ask(fault="none", device="cadmium_pump")


def test_a_heater_settles_at_its_set_point(bench, lab):
    heater = bench.devices["growth_heater"]
    heater.set(60.0).wait(WAIT_S)
    assert heater.locate()["setpoint"] == 60.0
    assert lab.ask(truth=True)["heaters"]["growth_heater"]["temperature_c"] == pytest.approx(60.0, abs=0.6)


def test_memory_that_wears_out_is_never_written(bench, lab):
    for value in (40.0, 41.0, 42.0, 43.0):
        bench.devices["growth_heater"].set(value)
    bench.devices["growth_heater"].make_safe()
    assert settings("growth_heater", lab)["memory_writes"] in ({}, {"2": 0, "24": 0, "25": 0})


@pytest.mark.parametrize("value", [361.0, 14.0, float("nan"), float("inf")])
def test_a_temperature_outside_the_limits_is_refused_before_anything_is_sent(bench, lab, value):
    before = settings("nucleation_heater", lab)
    with pytest.raises(LimitError, match="nucleation_heater: set point"):
        bench.devices["nucleation_heater"].set(value)
    assert settings("nucleation_heater", lab) == before


def test_a_broken_sensor_is_an_error_and_not_a_temperature(bench, lab):
    lab.ask(fault="sensor_break", device="growth_heater")
    try:
        with pytest.raises(InstrumentFaultError, match="growth_heater: the sensor is broken"):
            bench.devices["growth_heater"].ask_temperature_c()
    finally:
        lab.ask(fault="none", device="growth_heater")


def test_a_heater_that_does_not_get_there_is_given_up_on(free_lab):
    with bench_at(free_lab.addresses, growth_heater={"settle_for_s": 0.0, "settle_within_c": 0.001}) as bench:
        heater = bench.devices["growth_heater"]
        heater.settings = heater.settings.model_copy(update={"slowest_c_per_s": 1e6})
        status = heater.set(120.0)
        with pytest.raises(NotReachedError, match="120 °C not reached within"):
            status.wait(WAIT_S)
        heater.make_safe()


def test_the_controller_falls_back_by_itself_when_its_driver_is_gone(free_lab):
    """The simulated controller's window is 5 real seconds, as the manual has it."""
    with bench_at(free_lab.addresses) as bench:
        bench.devices["growth_heater"].set(80.0)
        assert settings("growth_heater", free_lab)["working_set_point_c"] == 80.0
    with bench_at(free_lab.addresses) as other:
        other.clock.wait_until(
            lambda: settings("growth_heater", free_lab)["working_set_point_c"] == 20.0,
            every_s=20,
            limit_s=20 * other.clock.speed,
        )
        assert settings("growth_heater", free_lab)["working_set_point_c"] == 20.0


def test_a_spectrum_is_the_mean_of_scans_with_its_error(bench):
    spectrometer = bench.devices["spectrometer"]
    spectrometer.trigger().wait(WAIT_S)
    counts, err = spectrometer.counts.get(), spectrometer.counts_err.get()
    assert counts.shape == err.shape == spectrometer.wavelength_nm.get().shape == (2068,)
    assert counts.max() > 20_000
    # Shot noise of 2.5 electrons per count, 8 scans.
    bright = counts > 20_000
    assert np.median(err[bright] / np.sqrt(counts[bright] / 2.5 / 8)) == pytest.approx(1.0, abs=0.2)


def test_a_closed_shutter_gives_a_dark_spectrum(bench):
    spectrometer = bench.devices["spectrometer"]
    spectrometer.shutter_open.set(False).wait(WAIT_S)
    spectrometer.trigger().wait(WAIT_S)
    assert spectrometer.counts.get().max() < 3000
    spectrometer.shutter_open.set(True).wait(WAIT_S)
    spectrometer.trigger().wait(WAIT_S)
    assert spectrometer.counts.get().max() > 20_000


def test_spectra_after_a_change_of_integration_time_are_of_the_new_one(bench):
    spectrometer = bench.devices["spectrometer"]
    spectrometer.trigger().wait(WAIT_S)
    before = spectrometer.counts.get()
    spectrometer.set_integration_ms(20.0)
    spectrometer.trigger().wait(WAIT_S)
    after = spectrometer.counts.get()
    middle = slice(900, 1200)
    assert np.median((after[middle] - 1450) / (before[middle] - 1450)) == pytest.approx(2.0, rel=0.02)
    with pytest.raises(LimitError, match="integration time 1 ms"):
        spectrometer.set_integration_ms(1.0)
    spectrometer.set_integration_ms(10.0)


def test_saturated_pixels_are_counted(bench):
    spectrometer = bench.devices["spectrometer"]
    spectrometer.set_integration_ms(100.0)
    spectrometer.trigger().wait(WAIT_S)
    assert spectrometer.saturated_pixels.get() > 100
    spectrometer.set_integration_ms(10.0)


def test_a_spectrometer_that_goes_silent_is_a_timeout_and_not_a_hang(free_lab):
    with bench_at(free_lab.addresses, spectrometer={"reply_within_s": 0.3, "attempts": 1}) as bench:
        bench.devices["spectrometer"].connect()
        free_lab.ask(fault="silence", device="spectrometer")
        try:
            with pytest.raises(ReplyTimeoutError, match="spectrometer: asked for spectrum"):
                bench.devices["spectrometer"].trigger().wait(WAIT_S)
        finally:
            free_lab.ask(fault="none", device="spectrometer")


def test_a_spectrometer_that_is_unplugged_is_a_lost_link_and_comes_back(free_lab):
    with bench_at(free_lab.addresses, spectrometer={"reply_within_s": 0.5}) as bench:
        spectrometer = bench.devices["spectrometer"]
        spectrometer.connect()
        free_lab.ask(fault="unplug", device="spectrometer")
        with pytest.raises(LinkError, match="spectrometer: "):
            spectrometer.trigger().wait(WAIT_S)
        free_lab.ask(fault="none", device="spectrometer")
        spectrometer.trigger().wait(WAIT_S)
        assert spectrometer.counts.get().max() > 20_000


def test_an_unplugged_pump_is_a_lost_link(free_lab):
    with bench_at(free_lab.addresses) as bench:
        pump = bench.devices["cadmium_pump"]
        pump.connect()
        free_lab.ask(fault="unplug", device="cadmium_pump")
        try:
            with pytest.raises(LinkError, match="cadmium_pump: "):
                pump.ask_rate_ml_min()
        finally:
            free_lab.ask(fault="none", device="cadmium_pump")


CONDITIONS = Conditions(60.0, 50.0, 14.0)


def test_the_reactor_turns_conditions_into_temperatures_and_rates(bench, lab):
    reactor = bench.devices["reactor"]
    reactor.set(CONDITIONS).wait(WAIT_S)
    reading = {key.removeprefix("reactor_"): value["value"] for key, value in reactor.read().items()}
    assert reading["nucleation_setpoint_c"] == 60.0
    assert reading["growth_setpoint_c"] == 50.0
    assert reading["residence_time_s"] == pytest.approx(14.0, rel=1e-3)
    truth = lab.ask(truth=True)
    for pump in ("cadmium_pump", "selenium_pump"):
        assert truth["pumps"][pump]["rate_ml_min"] == pytest.approx(0.4 * 60 / 14 / 2, rel=1e-3)


def test_a_flush_lets_the_asked_volume_through_by_the_pumps_own_count(bench, lab):
    reactor = bench.devices["reactor"]
    reactor.set(CONDITIONS).wait(WAIT_S)

    def content() -> float:
        return sum(pump["content_ml"] for pump in lab.ask(truth=True)["pumps"].values())

    before = content()
    reactor.flush.set(2.0).wait(WAIT_S)
    assert before - content() >= 2.0 * bench.config.flow_path.total_ml * 0.99


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        (Conditions(400.0, 50.0, 14.0), "nucleation_heater: set point 400"),
        (Conditions(60.0, 500.0, 14.0), "growth_heater: set point 500"),
        (Conditions(60.0, 50.0, 0.01), "residence time 0.01 s is outside"),
        (Conditions(60.0, 50.0, 1e6), "residence time 1e.06 s is outside"),
        (Conditions(60.0, 50.0, float("nan")), "residence time nan"),
    ],
)
def test_conditions_that_are_not_allowed_move_nothing(bench, lab, conditions, message):
    before = lab.ask(truth=True)["instruments"]
    with pytest.raises(LimitError, match=message):
        bench.devices["reactor"].set(conditions)
    after = lab.ask(truth=True)["instruments"]
    assert [after[h]["working_set_point_c"] for h in ("nucleation_heater", "growth_heater")] == [
        before[h]["working_set_point_c"] for h in ("nucleation_heater", "growth_heater")
    ]
    assert lab.ask(truth=True)["pumps"]["cadmium_pump"]["rate_ml_min"] == 0


def test_more_reagent_than_there_is_is_refused(bench):
    with pytest.raises(LimitError, match="this takes 5000.0 mL of cadmium"):
        bench.devices["reactor"].reagent.set(10_000.0)


def test_a_flush_without_flow_is_an_error(bench):
    with pytest.raises(InstrumentFaultError, match="no pump runs"):
        bench.devices["reactor"].flush.set(1.0)


def test_stopping_the_reactor_makes_it_safe_even_when_a_part_is_lost(free_lab):
    with bench_at(free_lab.addresses) as bench:
        bench.connect()
        reactor = bench.devices["reactor"]
        reactor.set(CONDITIONS).wait(WAIT_S)
        free_lab.ask(fault="unplug", device="cadmium_pump")
        with pytest.raises(ExceptionGroup, match="not everything could be made safe"):
            reactor.stop()
        free_lab.ask(fault="none", device="cadmium_pump")
    truth = free_lab.ask(truth=True)
    assert truth["instruments"]["nucleation_heater"]["working_set_point_c"] == 20.0
    assert truth["pumps"]["selenium_pump"]["rate_ml_min"] == 0
