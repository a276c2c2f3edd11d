"""Plans on a RunEngine with the drivers of the simulated lab: real wires, real documents."""

import itertools
from pathlib import Path

import event_model
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky.simulators import check_limits

from devices.errors import LimitError, LinkError
from flowlab.bench import Bench
from flowlab.conditions import Conditions
from flowlab.config import load_instrument
from flowlab.config.instrument import ClockSettings
from flowlab.daemon.reasons import ours
from flowlab.grid import grid_of
from plans.residence_time_scan import residence_time_scan
from plans.spectra import Judgement, SteadyCriterion, take_when_steady
from plans.temperature_scan import temperature_scan
from tests.engines import run_engine
from tests.instruments import UV_VIS
from tests.simulators.benches import served
from tests.support import is_safe

SPEED = 300.0
QUICK = SteadyCriterion(flush_volumes=1.2, most_spectra=4)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The shipped instrument with a steady lamp and no bubbles: plant time, and so drift, runs on while wires wait."""
    shipped = Path(UV_VIS).read_text(encoding="utf-8")
    table = "[simulation.settings]\n"
    assert table in shipped
    file = tmp_path_factory.mktemp("lab") / "steady.toml"
    file.write_text(shipped.replace(table, table + "light = { lamp_drift = 0.0, bubbles_per_ml = 0.0 }\n"), "utf-8")
    with served(str(file), "--any-port", "--speed", str(SPEED)) as lab:
        yield lab


@pytest.fixture(scope="module")
def bench(lab):
    config = load_instrument(UV_VIS).model_copy(update={"clock": ClockSettings(speed=SPEED)})
    with Bench(config, "simulated-flow", lab.addresses) as bench:
        bench.connect()
        bench.make_safe()
        yield bench


@pytest.fixture(scope="module")
def engine():
    with run_engine() as engine:
        yield engine


class Runner:
    """Runs plans and keeps the documents of the last run."""

    def __init__(self, engine: RunEngine, bench: Bench):
        self.engine = engine
        self.bench = bench
        self.documents: list[tuple[str, dict]] = []

    def __call__(self, plan, watch=lambda name, doc: None, **parameters) -> list[tuple[str, dict]]:
        self.documents = []

        def take(name, doc):
            self.documents.append((name, doc))
            watch(name, doc)

        token = self.engine.subscribe(take)
        try:
            self.engine(plan(self.bench.devices["reactor"], self.bench.devices["spectrometer"], **parameters))
        finally:
            self.engine.unsubscribe(token)
        return self.documents


@pytest.fixture
def run(engine, bench):
    return Runner(engine, bench)


def primary(documents, key):
    return [
        doc["data"][key]
        for name, doc in documents
        if name == "event" and "steady" in doc["data"] and _stream(documents, doc) == "primary"
    ]


def planned(documents):
    return grid_of(documents[0][1]).places()


def _stream(documents, event):
    return next(d["name"] for n, d in documents if n == "descriptor" and d["uid"] == event["descriptor"])


def test_a_temperature_scan_visits_its_points_in_the_order_of_the_paper_and_ends_safe(run, lab):
    documents = run(
        temperature_scan,
        nucleation_c=[60.0, 70.0],
        growth_offsets_c=[0.0, -10.0],
        residence_time_s=14.0,
        steady=QUICK,
    )
    points = zip(
        primary(documents, "reactor_nucleation_setpoint_c"),
        primary(documents, "reactor_growth_setpoint_c"),
        strict=True,
    )
    assert list(points) == [(60.0, 60.0), (60.0, 50.0), (70.0, 70.0), (70.0, 60.0)] == planned(documents)
    assert primary(documents, "reactor_residence_time_s") == pytest.approx([14.0] * 4, rel=1e-3)
    streams = [d["name"] for n, d in documents if n == "descriptor"]
    assert streams[:2] == ["dark", "reference"]
    assert documents[0][1]["num_points"] == 4
    assert is_safe(lab.ask(truth=True))
    for name, doc in documents:
        validator = event_model.schema_validators[event_model.DocumentNames[name]]
        validator.validate(event_model.sanitize_doc(doc))


def test_the_same_growth_temperatures_can_be_given_for_every_panel(run):
    documents = run(temperature_scan, nucleation_c=[60.0, 65.0], growth_c=[50.0], residence_time_s=14.0, steady=QUICK)
    assert primary(documents, "reactor_growth_setpoint_c") == [50.0, 50.0]
    assert planned(documents) == [(60.0, 50.0), (65.0, 50.0)]


def test_a_residence_time_scan_sets_the_flow(run):
    documents = run(residence_time_scan, temperatures_c=[40.0], residence_times_s=[4.5, 14.0], steady=QUICK)
    assert primary(documents, "reactor_residence_time_s") == pytest.approx([4.5, 14.0], rel=1e-3)
    assert planned(documents) == [(40.0, 4.5), (40.0, 14.0)]
    assert primary(documents, "reactor_flow_ml_min") == pytest.approx([60 * 0.4 / 4.5, 60 * 0.4 / 14], rel=1e-3)


def test_every_event_carries_the_history_of_the_plug_in_the_cell(run, lab):
    """Against the plant's truth, asked while the flow runs: it may have gone on a little since.

    At this speed a busy machine needs plant seconds to ask a pump; slow plugs are told all the same within 3 %.
    """
    seen = []

    def look(name, doc):
        if name == "event" and "steady" in doc["data"]:
            seen.append((doc["data"], lab.ask(truth=True)["cell"]))

    run(residence_time_scan, look, temperatures_c=[60.0, 70.0], residence_times_s=[140.0], steady=QUICK)
    assert seen
    for told, truth in seen:
        assert told["reactor_optical_plug_why"] == ""
        assert told["reactor_optical_plug_residence_s"] == pytest.approx(truth["residence_s"], rel=0.03)
        assert told["reactor_optical_plug_age_s"] == pytest.approx(truth["age_s"], rel=0.05)
        assert told["reactor_optical_plug_nucleation_c"] == pytest.approx(truth["nucleation_c"], abs=1.0)
        assert told["reactor_optical_plug_growth_c"] == pytest.approx(truth["growth_c"], abs=1.0)


def test_dark_is_dark_and_reference_is_bright(run, bench):
    documents = run(residence_time_scan, temperatures_c=[40.0], residence_times_s=[45.0], steady=QUICK)
    first = {_stream(documents, doc): doc["data"]["spectrometer_counts"] for name, doc in documents if name == "event"}
    assert first["dark"].max() < 2000
    assert first["reference"].max() > 20_000
    assert np.all(np.diff(bench.devices["spectrometer"].wavelength_nm.get()) > 0)


def test_a_point_is_steady_when_two_spectra_agree_and_says_so_when_they_do_not(run, bench):
    documents = run(residence_time_scan, temperatures_c=[40.0], residence_times_s=[45.0], steady=QUICK)
    assert primary(documents, "steady") == [True]
    spectrometer = bench.devices["spectrometer"]

    def brighter(name, doc):
        if name == "event" and "spectra" in doc["data"]:
            spectrometer.set_integration_ms(10.0 + doc["data"]["spectra"])

    few = QUICK.model_copy(update={"most_spectra": 3})
    documents = run(residence_time_scan, brighter, temperatures_c=[40.0], residence_times_s=[45.0], steady=few)
    spectrometer.set_integration_ms(10.0)
    assert primary(documents, "steady") == [False]
    assert primary(documents, "spectra") == [3]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"nucleation_c": [400.0], "growth_offsets_c": [0.0], "residence_time_s": 14.0}, "set point 400 °C is outside"),
        ({"nucleation_c": [60.0, 400.0], "growth_offsets_c": [0.0], "residence_time_s": 14.0}, "set point 400"),
        ({"nucleation_c": [60.0], "growth_c": [5.0], "residence_time_s": 14.0}, "growth_heater: set point 5 °C"),
        ({"nucleation_c": [60.0], "growth_c": [50.0], "residence_time_s": 1e-3}, "residence time 0.001 s is outside"),
        ({"nucleation_c": [60.0] * 3000, "growth_c": [50.0], "residence_time_s": 14.0}, "mL of cadmium, but"),
        ({"nucleation_c": [60.0, 350.0], "growth_c": [50.0], "residence_time_s": 2.0}, "mL of cadmium may flow"),
    ],
)
def test_a_scan_that_is_not_allowed_moves_nothing_and_opens_no_run(run, lab, parameters, message):
    before = lab.ask(truth=True)["instruments"]["nucleation_heater"]["working_set_point_c"]
    with pytest.raises(LimitError, match=message):
        run(temperature_scan, **parameters)
    assert run.documents == []
    assert lab.ask(truth=True)["instruments"]["nucleation_heater"]["working_set_point_c"] == before
    assert is_safe(lab.ask(truth=True))


def test_a_scan_without_a_shutter_is_refused_before_anything_moves(run, lab, bench, monkeypatch):
    spectrometer = bench.devices["spectrometer"]
    without = spectrometer.settings.model_copy(update={"shutter_message": 0})
    monkeypatch.setattr(spectrometer, "settings", without)
    with pytest.raises(LimitError, match="shutter_message is 0.* no dark spectrum") as failure:
        run(residence_time_scan, temperatures_c=[40.0], residence_times_s=[45.0], steady=QUICK)
    assert "\n" not in str(failure.value)
    assert run.documents == []
    assert is_safe(lab.ask(truth=True))


def test_a_point_is_charged_the_flow_that_runs_while_its_heaters_may_still_move(bench):
    reactor = bench.devices["reactor"]
    fast, slow = Conditions(250.0, 250.0, 2.0), Conditions(260.0, 280.0, 100.0)
    oven, volume_ml = bench.devices["growth_heater"], reactor.path.reaction_ml
    settling_s, moving_s = oven.limit_s(0.0), oven.limit_s(30.0)
    assert reactor.heating_ml(None, slow) == pytest.approx(settling_s * volume_ml / 100.0)
    # 14 s is the fastest flow while heaters move; then they settle once more, at the flow of the point.
    assert reactor.heating_ml(fast, slow) == pytest.approx((moving_s / 14.0 + settling_s / 100.0) * volume_ml)
    assert reactor.heating_ml(slow, fast) == pytest.approx((moving_s / 100.0 + settling_s / 2.0) * volume_ml)
    same = Conditions(260.0, 250.0, 100.0)
    assert reactor.heating_ml(slow, same) == pytest.approx(moving_s / 100.0 * volume_ml)


def test_that_all_still_flows_is_checked_behind_each_spectrum_and_before_it_is_recorded(bench):
    reactor, spectrometer = bench.devices["reactor"], bench.devices["spectrometer"]
    messages = take_when_steady(reactor, spectrometer, Judgement(), QUICK)
    before = list(itertools.takewhile(lambda message: message.command != "create", messages))
    assert [message.obj for message in before if message.command == "trigger"] == [spectrometer, reactor]


@pytest.mark.parametrize("growth", [{}, {"growth_c": [50.0], "growth_offsets_c": [0.0]}, {"growth_c": []}])
def test_growth_temperatures_are_given_in_one_way(bench, growth):
    reactor, spectrometer = bench.devices["reactor"], bench.devices["spectrometer"]
    with pytest.raises(ValueError, match="either as growth_offsets_c or as growth_c"):
        list(temperature_scan(reactor, spectrometer, nucleation_c=[60.0], residence_time_s=14.0, **growth))


def test_blueskys_own_limit_check_understands_the_plan(bench):
    reactor, spectrometer = bench.devices["reactor"], bench.devices["spectrometer"]
    with pytest.raises(LimitError, match="set point 400"):
        check_limits(
            temperature_scan(reactor, spectrometer, nucleation_c=[400.0], growth_c=[50.0], residence_time_s=14.0)
        )


def test_a_lost_line_in_mid_scan_fails_the_run_and_leaves_the_rest_safe(run, lab):
    def unplug(name, doc):
        if name == "event" and "steady" in doc["data"]:
            lab.ask(fault="unplug", device="selenium_pump")

    with pytest.raises(Exception) as failure:  # noqa: PT011  bluesky wraps it, and makes of it what it likes
        run(residence_time_scan, unplug, temperatures_c=[60.0], residence_times_s=[45.0, 50.0, 60.0], steady=QUICK)
    assert isinstance(ours(failure.value), LinkError)
    assert "selenium_pump" in str(ours(failure.value))
    assert run.documents[-1][1]["exit_status"] == "fail"
    lab.ask(fault="none", device="selenium_pump")
    truth = lab.ask(truth=True)
    assert truth["instruments"]["nucleation_heater"]["working_set_point_c"] == 20.0
    assert truth["pumps"]["cadmium_pump"]["rate_ml_min"] == 0
