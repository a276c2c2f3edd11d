"""Emission spectra on a RunEngine with the drivers of the simulated lab: what is lit when, what each event tells."""

import event_model
import numpy as np
import pytest
from bluesky.utils import Msg

from devices.errors import LimitError, LinkError
from flowlab.bench import Bench
from flowlab.config import load_instrument
from flowlab.config.instrument import ClockSettings
from flowlab.daemon.reasons import ours
from plans.emission import Emission
from plans.residence_time_scan import residence_time_scan
from plans.spectra import SteadyCriterion
from tests.engines import run_engine
from tests.instruments import with_fluorometer
from tests.simulators.benches import served
from tests.support import is_safe

SPEED = 200.0
SCAN = {"temperatures_c": [40.0], "residence_times_s": [14.0, 20.0], "steady": SteadyCriterion(flush_volumes=1.2)}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return str(with_fluorometer(tmp_path_factory.mktemp("lab") / "lab.toml"))


@pytest.fixture(scope="module")
def lab(file):
    with served(file, "--any-port", "--speed", str(SPEED)) as lab:
        yield lab


@pytest.fixture(scope="module")
def bench(lab, file):
    config = load_instrument(file).model_copy(update={"clock": ClockSettings(speed=SPEED)})
    with Bench(config, "lab", lab.addresses) as bench:
        bench.connect()
        bench.make_safe()
        yield bench


@pytest.fixture
def devices(bench):
    yield [bench.devices[name] for name in ("reactor", "spectrometer", "fluorometer", "led")]
    assert all(error is None for error in bench.make_safe().values())


@pytest.fixture(scope="module")
def engine():
    with run_engine() as engine:
        yield engine


@pytest.fixture
def run(engine, devices):
    """Runs the scan and returns its documents; those of a run that failed are in ``run.documents``."""

    def run(watch=lambda stream, data: None, **parameters):
        run.documents = documents = []

        def take(name, doc):
            documents.append((name, doc))
            if name == "event":
                watch(stream_of(documents, doc), doc["data"])

        token = engine.subscribe(take)
        try:
            engine(residence_time_scan(*devices, **{**SCAN, **parameters}))
        finally:
            engine.unsubscribe(token)
        return documents

    run.documents = []
    return run


def stream_of(documents, event):
    return next(d["name"] for n, d in documents if n == "descriptor" and d["uid"] == event["descriptor"])


def events(documents, stream):
    return [doc["data"] for name, doc in documents if name == "event" and stream_of(documents, doc) == stream]


def told(message: Msg) -> tuple:
    return message.command, message.obj.name.removesuffix("_shutter_open"), *message.args[:1]


BACK = [("set", "led", False), ("set", "spectrometer", True)]


def test_the_lamp_is_shut_out_and_the_led_is_on_for_no_longer_than_its_spectrum(devices):
    messages = list(Emission(*devices, flush_volumes=0.0).at_point())
    assert [told(m) for m in messages if m.command in ("set", "trigger")] == [
        ("set", "spectrometer", False),
        ("set", "led", False), ("trigger", "fluorometer"), ("trigger", "reactor"),
        ("set", "led", True), ("trigger", "fluorometer"), ("trigger", "reactor"),
        *BACK,
    ]  # fmt: skip


@pytest.mark.parametrize("at", [2, 6, 20])
def test_however_it_ends_the_led_is_off_before_the_lamp_is_let_in(devices, at):
    plan = Emission(*devices, flush_volumes=0.0).at_point()
    for _ in range(at):
        plan.send(None)
    left = []
    with pytest.raises(RuntimeError, match="the beam is gone"):
        left.append(plan.throw(RuntimeError("the beam is gone")))
        while True:
            left.append(plan.send(None))
    assert [told(m) for m in left if m.command == "set"] == BACK


def test_a_cell_that_nothing_else_looks_at_is_flushed_first(devices):
    first = next(Emission(*devices, flush_volumes=1.5).at_point())
    assert (first.command, first.obj.name, first.args) == ("set", "reactor_flush", (1.5,))


def test_a_scan_takes_emission_beside_absorption_and_each_event_tells_the_plug_in_the_cell(run, lab, devices):
    truths = []

    def look(stream, data):
        if stream == "emission":
            truths.append(lab.ask(truth=True)["cell"])

    documents = run(look, detectors=["uv-vis", "pl"])
    for name, doc in documents:
        validator = event_model.schema_validators[event_model.DocumentNames[name]]
        validator.validate(event_model.sanitize_doc(doc))
    dark, lit = events(documents, "emission_dark"), events(documents, "emission")
    assert (len(dark), len(lit), len(events(documents, "primary"))) == (3, 2, 2)
    assert [d["led_is_on"] for d in dark + lit] == [False] * 3 + [True] * 2
    assert [d["reactor_residence_time_s"] for d in lit] == pytest.approx([14.0, 20.0], rel=1e-3)
    for data, truth in zip(lit, truths, strict=True):
        assert data["reactor_optical_plug_why"] == ""
        assert data["reactor_optical_plug_residence_s"] == pytest.approx(truth["residence_s"], rel=0.03)
        assert data["reactor_optical_plug_age_s"] == pytest.approx(truth["age_s"], rel=0.05)
        assert data["reactor_optical_plug_growth_c"] == pytest.approx(truth["growth_c"], abs=1.0)
    assert documents[0][1]["analysis"]["kind"] == "absorbance"
    assert documents[0][1]["analysis"]["luminescence"]["plug"] == "reactor_optical_plug"
    truth = lab.ask(truth=True)
    assert is_safe(truth)
    assert not truth["luminescence"]["led_on"]
    assert truth["instruments"]["spectrometer"]["lamp_on"]


def test_no_light_of_the_lamp_is_in_the_spectra_and_the_leds_is_in_the_lit_ones_only(run, devices):
    documents = run(residence_times_s=[14.0], detectors=["pl"])
    axis = devices[2].wavelength_nm.get()
    led, lamp = (axis > 400) & (axis < 410), (axis > 580) & (axis < 620)
    fluorometer = devices[2]
    devices[1].shutter_open.set(True).wait(10)
    fluorometer.trigger().wait(60)
    with_lamp = fluorometer.counts.get()
    dark, lit = (events(documents, stream)[-1]["fluorometer_counts"] for stream in ("emission_dark", "emission"))
    assert np.median(with_lamp[lamp]) > np.median(dark[lamp]) + 500  # the plant lets it in
    assert np.ptp([np.median(dark[lamp]), np.median(dark[-100:]), np.median(dark[led])]) < 10
    assert np.median(lit[led]) > np.median(dark[led]) + 5000
    assert np.median(lit[-100:]) == pytest.approx(np.median(dark[-100:]), abs=10)


def test_emission_with_a_lamp_that_cannot_be_shut_out_is_refused_before_anything_moves(run, lab, bench, monkeypatch):
    spectrometer = bench.devices["spectrometer"]
    without = spectrometer.settings.model_copy(update={"shutter_message": 0})
    monkeypatch.setattr(spectrometer, "settings", without)
    with pytest.raises(LimitError, match="there is no shutter"):
        run(detectors=["pl"])
    assert run.documents == []
    assert is_safe(lab.ask(truth=True))


def test_a_fluorometer_that_is_unplugged_ends_the_scan_and_its_led_is_not_lit_any_more_when_it_is_back(run, lab, bench):
    """Worst of all: while the LED is on. Nobody can switch it off then, and the bench says so."""

    def unplug(stream, data):
        if stream == "emission":
            lab.ask(fault="unplug", device="fluorometer")

    with pytest.raises(Exception) as failure:  # noqa: PT011  bluesky wraps it, and makes of it what it likes
        run(unplug, detectors=["pl"])
    assert isinstance(ours(failure.value), LinkError)
    assert "fluorometer" in str(ours(failure.value))
    assert run.documents[-1][1]["exit_status"] == "fail"
    truth = lab.ask(truth=True)
    assert is_safe(truth)
    assert truth["luminescence"]["led_on"]
    assert {name for name, error in bench.make_safe().items() if error is not None} == {"led", "fluorometer"}
    lab.ask(fault="none", device="fluorometer")
    assert all(error is None for error in bench.make_safe().values())
    assert not lab.ask(truth=True)["luminescence"]["led_on"]
