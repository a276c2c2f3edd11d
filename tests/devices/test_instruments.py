"""Drivers against the simulated lab: real processes, real wires, compared with what the plant really does."""

import contextlib
from urllib.parse import urlsplit

import numpy as np
import pytest
from bluesky import protocols
from bluesky.protocols import check_supports
from pydantic import ValidationError

from devices.errors import (
    DeviceError,
    InstrumentFaultError,
    LimitError,
    LinkError,
    NotReachedError,
    ReplyTimeoutError,
)
from devices.eurotherm import EurothermSettings
from flowlab.conditions import Conditions
from tests.devices.conftest import bench_at
from tests.devices.test_line import Scripted
from tests.instruments import UV_VIS
from tests.simulators.benches import served
from tests.support import HEATERS, SerialAdapter, is_safe

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
    assert all(key["units"] for key in described.values() if key["dtype"] == "number")
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


def test_a_reservoir_that_holds_less_than_is_missing_is_emptied(bench, lab, monkeypatch):
    pump = bench.devices["selenium_pump"]
    pump.set(2.0).wait(WAIT_S)
    assert bench.clock.wait_until(lambda: pump.ask_content_ml() < 49, every_s=1, limit_s=600)
    pump.set(0).wait(WAIT_S)
    content_ml = pump.ask_content_ml()
    monkeypatch.setattr(pump, "reservoir_ml", 0.5)
    pump.refill().wait(WAIT_S)
    assert pump.reservoir_ml == 0
    assert pump.ask_content_ml() == pytest.approx(content_ml + 0.5, abs=0.01)
    pump.refill().wait(WAIT_S)
    assert pump.ask_content_ml() == pytest.approx(content_ml + 0.5, abs=0.01)


def test_a_refill_that_was_broken_off_does_not_end_the_next_run(bench, lab):
    pump = bench.devices["cadmium_pump"]
    pump.set(2.0).wait(WAIT_S)
    assert bench.clock.wait_until(lambda: pump.ask_content_ml() < 45, every_s=1, limit_s=600)
    status = pump.refill()
    pump.set(1.0).wait(WAIT_S)
    with pytest.raises(NotReachedError, match="gave up waiting"):
        status.wait(WAIT_S)
    known = lab.ask(truth=True)["instruments"]["cadmium_pump"]
    assert (known["state"], known["target_ml"]) == ("infusing", None)


def test_a_target_that_is_left_on_a_pump_is_cleared_when_it_is_connected(bench, lab):
    pump = bench.devices["cadmium_pump"]
    pump._tell("tvolume 1 ml")
    pump.connect()
    assert lab.ask(truth=True)["instruments"]["cadmium_pump"]["target_ml"] is None


def test_what_a_pump_says_unasked_is_not_taken_for_its_word_that_it_stands():
    scripted = Scripted([b"\nT*", *3 * [b"\n26.7 mm\r\n>"]] * 3)
    try:
        with bench_at({"cadmium_pump": scripted.address}) as bench, pytest.raises(NotReachedError, match="was stopped"):
            bench.devices["cadmium_pump"].make_safe()
    finally:
        scripted.close()


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


def test_a_heating_element_that_is_dead_is_a_broken_loop(bench, lab):
    heater = bench.devices["growth_heater"]
    lab.ask(fault="loop_break", device="growth_heater")
    try:
        with pytest.raises(InstrumentFaultError, match="growth_heater: the loop is broken"):
            heater.set(300.0).wait(WAIT_S)
    finally:
        lab.ask(fault="none", device="growth_heater")


def test_a_heater_in_manual_mode_is_neither_healthy_nor_safe(free_lab):
    with bench_at(free_lab.addresses) as bench:
        heater = bench.devices["growth_heater"]
        heater.connect()
        heater._write_register(273, 1)
        try:
            with pytest.raises(InstrumentFaultError, match="growth_heater: is in manual mode.* panel"):
                heater.ask_temperature_c()
            error = bench.make_safe()["growth_heater"]
            assert "manual mode" in str(error)
        finally:
            heater._write_register(273, 0)
        heater.make_safe()


def test_after_a_failed_attempt_to_be_safe_it_is_the_safe_set_point_that_is_repeated(free_lab):
    quick = {"reply_within_s": 0.2, "refresh_every_s": 0.2}
    with bench_at(free_lab.addresses, nucleation_heater=quick, growth_heater=quick) as bench:
        heater = bench.devices["growth_heater"]
        heater.set(80.0)
        free_lab.ask(fault="silence", device="growth_heater")
        with pytest.raises(ReplyTimeoutError):
            heater.make_safe()
        free_lab.ask(fault="none", device="growth_heater")
        assert bench.clock.wait_until(
            lambda: settings("growth_heater", free_lab)["working_set_point_c"] == 20.0,
            every_s=0.1 * bench.clock.speed,
            limit_s=20 * bench.clock.speed,
        )
        assert settings("growth_heater", free_lab)["remote_valid"]


@pytest.mark.parametrize(("selected", "panel"), [(0, "SP1"), (1, "SP2")])
def test_a_local_set_point_that_is_hot_is_refused_and_left_alone(free_lab, selected, panel):
    with bench_at(free_lab.addresses) as bench:
        heater = bench.devices["growth_heater"]
        heater._write_register(24 + selected, 800)
        heater._write_register(15, selected)
        try:
            with pytest.raises(InstrumentFaultError, match=f"growth_heater: its local set point is 80 °C.* {panel} "):
                heater.connect()
            assert settings("growth_heater", free_lab)["local_set_point_c"] == 80.0
            heater.settings = heater.settings.model_copy(update={"local_highest_c": 80.0})
            heater.connect()
        finally:
            heater._write_register(24 + selected, 200)
            heater._write_register(15, 0)


@pytest.mark.parametrize("decimals", [0, 2])
def test_decimals_that_are_not_the_controllers_are_noticed_before_anything_is_set(free_lab, decimals):
    wrong = {"decimals": decimals, "highest_c": 300.0}
    with bench_at(free_lab.addresses, growth_heater=wrong) as bench:
        with pytest.raises(InstrumentFaultError, match="growth_heater: is at .* by its own count"):
            bench.devices["growth_heater"].connect()
        heater = bench.devices["growth_heater"]
        heater.settings = heater.settings.model_copy(update={"check_decimals": False, "local_highest_c": 300.0})
        heater.connect()


def test_a_highest_temperature_that_the_registers_cannot_hold_is_refused():
    with pytest.raises(ValidationError, match=r"327\.67 at most"):
        EurothermSettings(unit=1, decimals=2, highest_c=360.0)


def test_a_heater_that_does_not_get_there_is_given_up_on(free_lab):
    with bench_at(free_lab.addresses, growth_heater={"settle_for_s": 0.0}) as bench:
        heater = bench.devices["growth_heater"]
        heater.settings = heater.settings.model_copy(update={"slowest_c_per_s": 1e6})
        status = heater.set(15.0)  # the room is warmer
        with pytest.raises(NotReachedError, match="15 °C not reached within"):
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


def test_one_seed_gives_one_noise():
    """Dark spectra: the only ones that do not depend on how fast wires and machine are."""

    def dark(seed: int) -> np.ndarray:
        with served(UV_VIS, "--any-port", "--seed", str(seed)) as lab, bench_at(lab.addresses) as bench:
            spectrometer = bench.devices["spectrometer"]
            spectrometer.connect()
            spectrometer.shutter_open.set(False).wait(WAIT_S)
            spectrometer.trigger().wait(WAIT_S)
            return spectrometer.counts.get()

    first, again, other = dark(3), dark(3), dark(4)
    assert (first == again).all()
    assert (first != other).any()


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


#: Slow, so that at the speed of these tests the syringes last, however busy the machine is.
CONDITIONS = Conditions(60.0, 50.0, 140.0)


def test_the_reactor_turns_conditions_into_temperatures_and_rates(bench, lab):
    reactor = bench.devices["reactor"]
    reactor.set(CONDITIONS).wait(WAIT_S)
    reading = {key.removeprefix("reactor_"): value["value"] for key, value in reactor.read().items()}
    assert reading["nucleation_setpoint_c"] == 60.0
    assert reading["growth_setpoint_c"] == 50.0
    assert reading["residence_time_s"] == pytest.approx(140.0, rel=1e-3)
    truth = lab.ask(truth=True)
    for pump in ("cadmium_pump", "selenium_pump"):
        assert truth["pumps"][pump]["rate_ml_min"] == pytest.approx(0.4 * 60 / 140 / 2, rel=1e-3)


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
    with pytest.raises(LimitError, match="this takes 5000.5 mL of cadmium"):
        bench.devices["reactor"].reagent.set([20.0] * 500)


def test_more_than_a_syringe_holds_between_two_refills_is_refused(bench):
    with pytest.raises(LimitError, match="100.5 mL of cadmium may flow .* holds 50 mL"):
        bench.devices["reactor"].reagent.set([10.0, 200.0])


def test_what_is_accepted_up_front_is_refilled_later_and_what_is_refused_moves_nothing(bench, lab, monkeypatch):
    reactor, pumps = bench.devices["reactor"], [bench.devices[f"{name}_pump"] for name in ("cadmium", "selenium")]
    for pump in pumps:
        pump.set(2.0).wait(WAIT_S)
    for pump in pumps:
        assert bench.clock.wait_until(lambda pump=pump: pump.ask_content_ml() < 48, every_s=1, limit_s=600)
        pump.set(0).wait(WAIT_S)
    content_ml = pumps[1].ask_content_ml()
    monkeypatch.setattr(pumps[1], "reservoir_ml", 1.0)
    needed_ml = 2 * (content_ml + 1.2)  # with the reserve, more than syringe and reservoir hold
    for refuses in (lambda: reactor.reagent.set([needed_ml]), lambda: reactor.refill.set(needed_ml)):
        with pytest.raises(LimitError, match="of selenium, but"):
            refuses()
        assert lab.ask(truth=True)["instruments"]["cadmium_pump"]["state"] == "idle"
    enough_ml = 2 * (content_ml + 0.2)
    reactor.reagent.set([enough_ml]).wait(WAIT_S)
    reactor.refill.set(enough_ml).wait(WAIT_S)
    assert min(pump.ask_content_ml() for pump in pumps) >= enough_ml / 2 + reactor.settings.reserve_ml


def test_a_flush_without_flow_is_an_error(bench):
    with pytest.raises(InstrumentFaultError, match="cadmium_pump, selenium_pump does not run"):
        bench.devices["reactor"].flush.set(1.0)


def test_a_flush_that_a_syringe_does_not_hold_is_refused(bench):
    reactor = bench.devices["reactor"]
    reactor.set(CONDITIONS).wait(WAIT_S)
    with pytest.raises(LimitError, match="mL of cadmium, but its syringe holds"):
        reactor.flush.set(400.0)


def test_a_flush_ends_when_one_of_two_pumps_stops_and_so_does_what_comes_after_it(bench):
    reactor, pump = bench.devices["reactor"], bench.devices["selenium_pump"]
    reactor.set(CONDITIONS).wait(WAIT_S)
    status = reactor.flush.set(60.0)
    pump.set(0).wait(WAIT_S)
    with pytest.raises(InstrumentFaultError, match="reactor: selenium_pump ran at .* now at 0 mL/min"):
        status.wait(WAIT_S)
    reactor.set(CONDITIONS).wait(WAIT_S)
    reactor.flush.set(0.1).wait(WAIT_S)
    reactor.trigger().wait(WAIT_S)
    pump.set(0).wait(WAIT_S)
    with pytest.raises(InstrumentFaultError, match="selenium_pump ran at"):
        reactor.trigger()


def test_whatever_goes_wrong_in_a_watch_ends_it_with_an_error(bench):
    def fail() -> bool:
        raise ZeroDivisionError("out of the blue")

    status = bench.devices["cadmium_pump"].watch(fail, what="a miracle", every_s=1, limit_s=1e9)
    with pytest.raises(DeviceError, match="cadmium_pump: waiting for a miracle: .*out of the blue"):
        status.wait(WAIT_S)


@pytest.mark.parametrize("paused", [True, False])
def test_giving_up_a_wait_is_a_failure_unless_the_plan_is_paused(bench, paused):
    pump = bench.devices["cadmium_pump"]
    status = pump.watch(lambda: False, what="a miracle", every_s=1, limit_s=1e9)
    pump.give_up_watching(success=paused)
    if paused:
        status.wait(WAIT_S)
    else:
        with pytest.raises(NotReachedError, match="cadmium_pump: gave up waiting for a miracle"):
            status.wait(WAIT_S)


def test_what_goes_wrong_in_one_device_keeps_no_other_from_being_made_safe(free_lab, monkeypatch):
    def fail() -> None:
        raise ZeroDivisionError("out of the blue")

    with bench_at(free_lab.addresses) as bench:
        bench.connect()
        reactor = bench.devices["reactor"]
        reactor.set(CONDITIONS).wait(WAIT_S)
        monkeypatch.setattr(bench.devices["nucleation_heater"], "make_safe", fail)
        with pytest.raises(ExceptionGroup, match="not everything could be made safe") as failure:
            reactor.stop()
        assert list(map(str, failure.value.exceptions)) == ["nucleation_heater: ZeroDivisionError('out of the blue')"]
        assert not any(pump["rate_ml_min"] for pump in free_lab.ask(truth=True)["pumps"].values())
        bench.devices["cadmium_pump"].set(1.0).wait(WAIT_S)
        outcome = bench.make_safe()
        assert str(outcome.pop("nucleation_heater")) == "nucleation_heater: ZeroDivisionError('out of the blue')"
        assert not any(outcome.values())
        monkeypatch.undo()
        bench.make_safe()
    assert is_safe(free_lab.ask(truth=True))


def test_pumps_are_stopped_though_the_heaters_serial_adapter_was_pulled_out(free_lab):
    where = urlsplit(free_lab.addresses["growth_heater"])
    adapter = SerialAdapter(str(where.hostname), int(where.port or 0))
    with contextlib.ExitStack() as stack:
        stack.callback(adapter.pull_out)
        bench = stack.enter_context(bench_at(free_lab.addresses | dict.fromkeys(HEATERS, adapter.path)))
        bench.connect()
        bench.devices["reactor"].set(CONDITIONS).wait(WAIT_S)
        adapter.pull_out()
        outcome = bench.make_safe()
        assert all(isinstance(outcome.pop(heater), LinkError) for heater in HEATERS)
        assert not any(outcome.values())
    assert not any(pump["rate_ml_min"] for pump in free_lab.ask(truth=True)["pumps"].values())


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
