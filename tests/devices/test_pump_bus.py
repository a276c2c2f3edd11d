"""Four syringe pumps on one serial line, all of them polled, while a scan runs on two of them."""

import pytest

from plans.residence_time_scan import residence_time_scan
from plans.spectra import SteadyCriterion
from tests.devices.pump_bus import PUMPS, Polled, bus, bus_file, bus_lab
from tests.engines import run_engine

RESIDENCE_TIMES_S = [10.0, 7.0, 5.0]
QUICK = SteadyCriterion(flush_volumes=1.0, most_spectra=2)


@pytest.fixture
def lab_and_bench(tmp_path):
    with bus_lab(bus_file(tmp_path / "bus.toml")) as both:
        yield both


def test_a_scan_on_two_pumps_of_a_bus_loses_no_reply_while_all_four_are_polled(lab_and_bench):
    lab, bench = lab_and_bench
    bench.devices["third_pump"].set(0.125).wait(10.0)
    documents: list[tuple[str, dict]] = []
    before = bus(bench).traffic.failed
    with run_engine() as engine, Polled(bench) as polled:
        plan = residence_time_scan(
            bench.devices["reactor"],
            bench.devices["spectrometer"],
            temperatures_c=[40.0],
            residence_times_s=RESIDENCE_TIMES_S,
            steady=QUICK,
        )
        engine(plan, lambda name, doc: documents.append((name, doc)))
    events = [doc["data"] for name, doc in documents if name == "event" and "steady" in doc["data"]]
    flows = {round(event["reactor_flow_ml_min"], 3) for event in events}
    assert flows == {round(60 * bench.devices["reactor"].path.reaction_ml / s, 3) for s in RESIDENCE_TIMES_S}
    assert documents[-1][1]["exit_status"] == "success"
    # Each pump told its own: another's reply would be another number.
    assert len(polled.rounds) > len(events)
    for name, rate_ml_min in (("third_pump", 0.125), ("fourth_pump", 0.0)):
        assert {told[name].rate_ml_min for told in polled.rounds} == {rate_ml_min}
    assert {told["fourth_pump"].content_ml for told in polled.rounds} == {50.0}
    contents = [told["third_pump"].content_ml for told in polled.rounds]
    assert contents == sorted(contents, reverse=True)
    assert contents[-1] < contents[0]
    scanned = {round(told["cadmium_pump"].rate_ml_min, 4) for told in polled.rounds}
    assert scanned <= {0.0} | {round(flow / 2, 4) for flow in _flows(bench)}
    assert len(scanned) > 1
    traffic = bus(bench).traffic
    assert traffic.requests > 6 * len(polled.rounds)
    assert traffic.failed == before == 0
    assert set(lab.ask(truth=True)["pumps"]) == set(PUMPS)
    assert not any(bench.make_safe()[name] for name in PUMPS)


def _flows(bench):
    """Every total flow that the scan has: its points', and what flows while the heaters move and of the blank."""
    reactor = bench.devices["reactor"]
    times_s = {*RESIDENCE_TIMES_S, reactor.settings.heating_residence_s}
    return [60 * reactor.path.reaction_ml / s for s in times_s]


def test_a_line_counts_what_it_carried_and_what_was_lost(lab_and_bench):
    lab, bench = lab_and_bench
    pump, traffic = bench.devices["fourth_pump"], bus(bench).traffic
    requests, failed, carried = traffic.requests, traffic.failed, traffic.carried_bytes
    assert pump.ask_rate_ml_min() == 0
    assert (traffic.requests > requests, traffic.failed, traffic.carried_bytes > carried) == (True, failed, True)
    lab.ask(fault="garble", device="fourth_pump", probability=0.5)
    while traffic.failed == failed:
        assert pump.ask_rate_ml_min() == 0
    lab.ask(fault="none", device="fourth_pump")
