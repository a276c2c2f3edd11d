"""PHD ULTRA pumps on one bus, in both dialects: targets, counters, stalls, and replies that a bad cable spoils."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from devices.errors import DeviceError, InstrumentFaultError, LimitError, NotReachedError, ReplyError
from devices.harvard import PhdUltra
from devices.links import Line
from flowlab.bench import Bench
from flowlab.config import load_instrument
from flowlab.config.instrument import ClockSettings
from tests.devices.conftest import bench_at
from tests.instruments import UV_VIS
from tests.simulators.benches import Served, served

T = TypeVar("T")

WAIT_S = 60.0
SPEED = 100.0
PUMPS = [f"pump_{unit}" for unit in range(1, 5)]
SHIPPED = Path(UV_VIS)
PUMP = """
[devices.pump_{unit}]
class = "devices.harvard:PhdUltra"
address = "socket://127.0.0.1:50120"
simulator = "simulators.wire.harvard:PhdUltra"
[devices.pump_{unit}.settings]
unit = {unit}
syringe = "glass_50ml"
reagent = "cadmium"
highest_ml_min = 20.0
refill_ml_min = 20.0
dispense_ml_min = 5.0
reply_within_s = 0.1
attempts = 5
{settings}
[devices.pump_{unit}.simulated]
{simulated}
"""
VARIANTS = {
    "as the manual has it": ('dialect = "colon"\nat_sign = "behind"\nstatus_flags = 5', 'before_text = "prompt"'),
    "as its siblings are": ('dialect = "plain"\nat_sign = "before"\nstatus_time = "ms"', 'before_text = "address"'),
    "without its status": ('cross_check = "repeat"\nstatus_flags = 6', "status_flags = 5"),
}


@pytest.fixture(scope="module", params=VARIANTS)
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped instrument with four more pumps on one bus."""
    settings, simulated = VARIANTS[request.param]
    text = SHIPPED.read_text("utf-8").replace('"spectrometer"]\n', f'"spectrometer", {str(PUMPS)[1:-1]}]\n', 1)
    before, plans, rest = text.partition("[plans.temperature_scan]")
    tables = "".join(PUMP.format(unit=unit, settings=settings, simulated=simulated) for unit in range(1, 5))
    path = tmp_path_factory.mktemp("harvard") / "bus.toml"
    path.write_text(before + tables + plans + rest, "utf-8")
    return path


@pytest.fixture(scope="module")
def lab(file: Path) -> Iterator[Served]:
    with served(str(file), "--any-port", "--speed", str(SPEED), "--seed", "7") as lab:
        yield lab


@pytest.fixture(scope="module")
def connected(file: Path, lab: Served) -> Iterator[Bench]:
    config = load_instrument(str(file)).model_copy(update={"clock": ClockSettings(speed=SPEED)})
    with Bench(config, "bus", lab.addresses) as bench:
        for name in PUMPS:
            bench.devices[name].connect()
        yield bench


@pytest.fixture
def bench(connected: Bench, lab: Served) -> Iterator[Bench]:
    """With something in its syringes; safe again after each test."""
    for name in PUMPS:
        if connected.devices[name].ask_content_ml() < 30.0:
            connected.devices[name].refill().wait(WAIT_S)
    yield connected
    for name in PUMPS:
        lab.ask(fault="none", device=name)
        connected.devices[name].make_safe()


@pytest.fixture
def pump(bench: Bench) -> PhdUltra:
    return bench.devices["pump_1"]


def truth(lab: Served, name: str = "pump_1") -> dict:
    """What the pump really does, and what it has counted."""
    told = lab.ask(truth=True)
    return told["pumps"][name] | told["instruments"][name]


def counted(lab: Served, name: str, counter: str) -> float:
    return truth(lab, name)[f"{counter}_ml"]


def until(bench: Bench, condition, limit_s: float = 3000.0) -> bool:
    return bench.clock.wait_until(condition, every_s=1.0, limit_s=limit_s)


def test_each_pump_of_a_bus_runs_at_its_own_rate(bench, lab):
    rates = dict(zip(PUMPS, (0.1, 0.2, 0.5, 1.0), strict=True))
    for name, rate in rates.items():
        bench.devices[name].set(rate).wait(WAIT_S)
    assert {name: truth(lab, name)["rate_ml_min"] for name in PUMPS} == rates
    assert {name: bench.devices[name].ask_rate_ml_min() for name in PUMPS} == rates


def test_it_is_told_what_syringe_it_has_and_that_settings_are_not_to_be_kept(lab, pump):
    assert (truth(lab)["told_diameter_mm"], truth(lab)["nvram"]) == (26.7, "off")
    writes = truth(lab)["nvram_writes"]
    pump.set(1.0)
    pump.set(2.0)
    assert truth(lab)["nvram_writes"] == writes


def test_it_dispenses_a_volume_and_stops_by_itself(bench, lab, pump):
    before = truth(lab)["content_ml"]
    status = pump.dispense.set(1.5)
    assert truth(lab)["rate_ml_min"] == 5.0
    status.wait(WAIT_S)
    assert before - truth(lab)["content_ml"] == pytest.approx(1.5, abs=1e-4)
    assert (truth(lab)["state"], truth(lab)["target_ml"]) == ("target_reached", None)
    pump.set(1.0).wait(WAIT_S)
    assert truth(lab)["rate_ml_min"] == 1.0


def test_what_it_says_unasked_at_its_target_spoils_nothing(bench, lab, pump):
    status = pump.start_dispense(0.5)
    while not status.done:
        for name in PUMPS:
            assert bench.devices[name].ask_rate_ml_min() in (0.0, 5.0)
    status.wait(WAIT_S)
    assert truth(lab)["state"] == "target_reached"


@pytest.mark.parametrize("volume", [0.0, -1.0, 51.0, float("nan")])
def test_a_volume_that_it_cannot_dispense_is_refused_before_it_moves(lab, pump, volume):
    before = truth(lab)["content_ml"]
    with pytest.raises(LimitError, match="pump_1: volume"):
        pump.dispense.set(volume)
    assert (truth(lab)["rate_ml_min"], truth(lab)["content_ml"]) == (0.0, before)


def test_a_refill_is_followed_while_it_runs(bench, lab, pump):
    pump.start_dispense(2.0).wait(WAIT_S)
    status = pump.refill()
    low_ml = counted(lab, "pump_1", "withdrawn")
    told_ml = pump.ask_withdrawn_ml()
    assert low_ml - 1e-5 <= told_ml <= counted(lab, "pump_1", "withdrawn") + 1e-5
    status.wait(WAIT_S)
    assert truth(lab)["content_ml"] == pytest.approx(50.0, abs=0.05)
    assert (pump.ask_infused_ml(), pump.ask_withdrawn_ml()) == (0.0, 0.0)


def test_a_stall_is_found_by_asking_for_anything(bench, lab, pump):
    for ask in (pump.ask_rate_ml_min, pump.ask_infused_ml, pump.ask_withdrawn_ml, lambda: pump.set(2.0)):
        pump.set(1.0).wait(WAIT_S)
        lab.ask(fault="stall", device="pump_1")
        assert until(bench, lambda: truth(lab)["state"] == "stalled")
        with pytest.raises(InstrumentFaultError, match="pump_1: has stalled"):
            ask()
        lab.ask(fault="none", device="pump_1")
        pump.make_safe()


def test_a_stall_on_the_way_to_a_target_ends_the_waiting(bench, lab, pump):
    status = pump.start_dispense(20.0)
    lab.ask(fault="stall", device="pump_1")
    with pytest.raises(InstrumentFaultError, match="pump_1: has stalled"):
        status.wait(WAIT_S)


def test_a_pump_that_turns_at_another_rate_than_it_shows_is_noticed(pump, monkeypatch):
    if pump.settings.cross_check == "repeat":
        read = {"cross_check": "status", "status_flags": 5}
        monkeypatch.setattr(pump, "settings", pump.settings.model_copy(update=read))
    fl_s, slower = "16666666667", "15666666667"
    monkeypatch.setattr(pump, "_status", lambda text: PhdUltra._status(pump, text.replace(fl_s, slower)))
    with pytest.raises(NotReachedError, match="pump_1: shows 1 mL/min, but its status .* says otherwise"):
        pump.set(1.0)


def test_a_status_of_another_form_is_shown_with_what_to_do(pump, monkeypatch):
    flags = 11 - pump.settings.status_flags
    other = {"cross_check": "status", "status_flags": flags if pump.settings.cross_check == "status" else 6}
    monkeypatch.setattr(pump, "settings", pump.settings.model_copy(update=other))
    with pytest.raises(
        NotReachedError, match="pump_1: .*status '1666.* says otherwise; .* see status_flags and cross_check"
    ):
        pump.set(1.0)
    with pytest.raises(ReplyError, match="pump_1: asked .*status.* flags"):
        pump.ask_infused_ml()


def test_four_pumps_on_one_bus_can_be_polled_at_5_hz(bench, lab, monkeypatch):
    """What a poll says on the wire, at 115200 baud, and 4 ms for a pump to answer, must fit into 0.2 s."""
    exchanges: list[int] = []
    ask = Line.ask

    def counting(self, request, decode, device):
        longest = 0

        def decode_counted(data: bytes):
            nonlocal longest
            longest = max(longest, len(data))
            return decode(data)

        reply = ask(self, request, decode_counted, device)
        exchanges.append(len(request) + longest)
        return reply

    for name in PUMPS:
        bench.devices[name].set(1.0).wait(WAIT_S)
        bench.devices[name].read()
    monkeypatch.setattr(Line, "ask", counting)
    for name in PUMPS:
        bench.devices[name].read()
    takes_s = sum(exchanges) * 10 / 115200 + 0.004 * len(exchanges)
    assert len(exchanges) >= 4 * 4
    assert takes_s < 0.2, (len(exchanges), sum(exchanges))


BAD_CABLES = [
    {"garble": 0.3},
    {"garble": 0.1, "cut": 0.05, "lose": 0.05, "duplicate": 0.1},
    {"duplicate": 0.5, "garble": 0.05},
]


def heard(ask: Callable[[], T]) -> T | DeviceError:
    """What is told, or the error."""
    try:
        return ask()
    except DeviceError as error:
        return error


@pytest.mark.parametrize("faults", BAD_CABLES, ids=lambda faults: " ".join(faults))
def test_no_wrong_value_is_believed_on_a_bad_cable(bench, lab, faults):
    """Each value is held against the truth before and after it; what cannot be read is an error that names the pump."""
    taken, refused = 0, 0
    for name, rate in (("pump_1", 0.3), ("pump_2", 0.0)):
        pump = bench.devices[name]
        pump.set(rate).wait(WAIT_S)
        # A counter that runs is believed as far as flows in 0.2 s: see devices.harvard.
        runs = 20.0 if rate and pump.settings.cross_check == "repeat" else rate
        for fault, probability in faults.items():
            lab.ask(fault=fault, device=name, probability=probability)
        for _ in range(7):
            for what in ("infused", "withdrawn", "rate"):
                before = truth(lab, name) | {"rate_ml": rate}
                told = heard({"rate": pump.ask_rate_ml_min}.get(what) or getattr(pump, f"ask_{what}_ml"))
                after = truth(lab, name) | {"rate_ml": rate}
                if isinstance(told, DeviceError):
                    assert name in str(told)
                    refused += 1
                    continue
                slack_ml = 1e-4 + runs / 60 * 0.2 if what == "infused" else 1e-4
                assert before[f"{what}_ml"] - slack_ml <= told <= after[f"{what}_ml"] + slack_ml, what
                taken += 1
        lab.ask(fault="none", device=name)
    assert taken > 3 * refused


def test_a_pump_is_stopped_through_a_bad_cable(bench, lab, pump):
    for _ in range(4):
        pump.set(0.1).wait(WAIT_S)
        lab.ask(fault="garble", device="pump_1", probability=0.3)
        error = heard(pump.make_safe)
        assert error is None or "pump_1" in str(error)
        assert truth(lab)["rate_ml_min"] == 0.0
        lab.ask(fault="none", device="pump_1")


class OneBehind:
    """A pump whose replies are one behind, as after one that came twice, until nobody asks for a while."""

    def __init__(self, stale: bytes, replies: dict[bytes, bytes]):
        self._pending = stale
        self._replies = replies
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            while True:
                connection.settimeout(0.02 if self._pending else None)
                try:
                    request = connection.recv(1024)
                except TimeoutError:
                    connection.sendall(self._pending)
                    self._pending = b""
                    continue
                if not request:
                    return
                reply = self._replies[request]
                connection.sendall(self._pending or reply)
                self._pending = reply if self._pending else b""

    def close(self) -> None:
        self._listener.close()
        self._thread.join()


@pytest.mark.parametrize("stale", [b"\n3 ml/min\r\n>", b"\n3 ml\r\n>"])
@pytest.mark.parametrize("cross_check", ["status", "repeat"])
def test_replies_that_are_one_behind_are_brought_back_into_step(stale, cross_check):
    status = b"\n16666666667 720 12000000000000 I..TI.\r\n>"
    server = OneBehind(stale, {b"ivolume\r": b"\n12 ml\r\n>", b"status\r": status})
    settings = {"cross_check": cross_check, "reply_within_s": 0.2}
    try:
        with bench_at({"cadmium_pump": server.address}, cadmium_pump=settings) as bench:
            assert bench.devices["cadmium_pump"].ask_infused_ml() == 12.0
    finally:
        server.close()
