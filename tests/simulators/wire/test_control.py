"""The control port tells the truth and injects faults; to anything else it says what is allowed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlab.errors import BadInputError, FlowlabError
from simulators.wire.address import PortInUseError
from simulators.wire.bench import Bench
from simulators.wire.control import ControlPort
from tests.simulators.benches import bench, pass_time, place, say

Answer = dict[str, Any]


@asynccontextmanager
async def control_port(a_bench: Bench) -> AsyncIterator[ControlPort]:
    control = ControlPort(a_bench)
    await a_bench.open(any_port=True)
    await control.open("127.0.0.1:0")
    try:
        yield control
    finally:
        await control.close()
        await a_bench.close()


async def ask(control: ControlPort, *lines: bytes) -> list[Answer]:
    reader, writer = await asyncio.open_connection(*place(control.address))
    try:
        writer.write(b"".join(lines))
        return [json.loads(await asyncio.wait_for(reader.readline(), 30)) for _ in lines]
    finally:
        writer.close()


def answers(a_bench: Bench, *requests: Any) -> list[Answer]:
    """What is answered to each request: bytes as they are, anything else as JSON."""
    lines = [r if isinstance(r, bytes) else json.dumps(r).encode() + b"\n" for r in requests]

    async def play() -> list[Answer]:
        async with control_port(a_bench) as control:
            return await ask(control, *lines)

    return asyncio.run(play())


def test_it_tells_what_instruments_do_not() -> None:
    a_bench = bench()
    say(a_bench.instruments["cadmium_pump"], b"diameter 13.35\rirate 1 ml/min\rirun\r")
    pass_time(a_bench, 3.0)
    (truth,) = answers(a_bench, {"truth": True})
    assert truth["pumps"]["cadmium_pump"]["rate_ml_min"] == pytest.approx(4.0)
    assert truth["heaters"]["growth_heater"] == {"power_w": 0.0, "temperature_c": pytest.approx(23.0)}
    assert set(truth["instruments"]) == set(a_bench.instruments)
    pump = truth["instruments"]["cadmium_pump"]
    assert (pump["state"], pump["told_diameter_mm"], pump["infuse_rate_ml_min"]) == ("infusing", 13.35, 1.0)
    assert "species" in truth


def test_it_tells_what_was_true_since_it_was_asked_before() -> None:
    a_bench = bench()
    first, second = answers(a_bench, {"ledger": True}, {"ledger": True})
    assert first["names"] == second["names"]
    assert [len(state) for state in first["states"]] == [1 + len(first["names"])]
    assert (first["shots"], first["full"]) == ([], False)


def test_it_tells_how_many_replies_were_spoilt_on_cables() -> None:
    (truth,) = answers(bench(), {"truth": True})
    told = {name for name, own in truth["instruments"].items() if "spoilt" in own}
    assert told == set(truth["instruments"]) - {"sample_stage", "beam_shutter", "ring", "pilatus", "eiger"}


def test_each_fault_does_what_it_says_and_none_clears_them() -> None:
    a_bench = bench()
    sensor = {"fault": "sensor_break", "device": "growth_heater"}
    stall = {"fault": "stall", "device": "selenium_pump"}
    _, before, _, _, faulty, _, _, after = answers(
        a_bench,
        {"fault": "none", "device": "growth_heater"},
        {"truth": True},
        sensor,
        stall,
        {"truth": True},
        sensor | {"fault": "none"},
        stall | {"fault": "none"},
        {"truth": True},
    )
    seen = [
        (truth["instruments"]["growth_heater"]["sensor_break"], truth["instruments"]["selenium_pump"]["faults"])
        for truth in (before, faulty, after)
    ]
    assert seen == [(False, []), (True, ["stall"]), (False, [])]


@pytest.mark.parametrize(
    ("request_", "allowed"),
    [
        (b"what?\n", '{"truth": true}'),
        (b"\n", '{"truth": true}'),
        (b"\xff\xfe\n", '{"truth": true}'),
        ([1, 2], '{"truth": true}'),
        ({"truth": False}, '{"truth": true}'),
        ({"truth": True, "and": 1}, '{"truth": true}'),
        ({"fault": "stall"}, '"device": DEVICE'),
        (
            {"fault": "cut", "device": "cadmium_pump", "chance": 1},
            "no option 'chance'; it takes probability (default 1)",
        ),
        ({"fault": "cut", "device": "cadmium_pump", "probability": "x"}, "'x' is not a number"),
        ({"fault": "cut", "device": "cadmium_pump", "probability": 2}, "probability = 2 is outside 0…1"),
        ({"fault": "stall", "device": "cadmium_pump", "x": 2}, "it takes nothing"),
        ({"fault": "stall", "device": "valve"}, "cadmium_pump, selenium_pump, nucleation_heater"),
        (
            {"fault": "sensor_break", "device": "cadmium_pump"},
            "stall, clog, leak, unplug, silence, garble, cut, lose, delay, duplicate, none",
        ),
        (
            {"fault": "stall", "device": "growth_heater"},
            "sensor_break, loop_break, over_range, runaway, unplug, silence, garble, cut, lose, delay, duplicate, none",
        ),
        (
            {"fault": "stall", "device": "spectrometer"},
            "lamp_out, lamp_drift, bubble, unplug, silence, garble, cut, lose, delay, duplicate, none",
        ),
    ],
)
def test_what_is_not_allowed_is_answered_by_what_is(request_: Any, allowed: str) -> None:
    refused, truth = answers(bench(), request_, {"truth": True})
    assert refused["ok"] is False
    assert allowed in refused["error"]
    assert "\n" not in refused["error"]
    assert "pumps" in truth


def test_an_address_that_another_program_took_is_said_and_the_line_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    a_bench = bench()
    unplug = json.dumps({"fault": "unplug", "device": "cadmium_pump"}).encode() + b"\n"
    mend = unplug.replace(b"unplug", b"none")

    def taken(*_: Any, **__: Any) -> NoReturn:
        raise PortInUseError("cadmium_pump: cannot listen on 127.0.0.1:50101: Address already in use")

    async def play() -> None:
        async with control_port(a_bench) as control:
            with monkeypatch.context() as patched:
                patched.setattr("simulators.wire.line.own_address", taken)
                assert (await ask(control, unplug))[0]["error"].startswith("cadmium_pump: cannot listen on")
            assert await ask(control, mend) == [{"ok": True}]
            _, writer = await asyncio.open_connection(*place(a_bench.addresses["cadmium_pump"]))
            writer.close()

    asyncio.run(play())


def test_a_line_without_end_is_refused() -> None:
    assert "too long" in answers(bench(), b"x" * 200_000 + b"\n")[0]["error"]


def test_clients_do_not_wait_for_one_another() -> None:
    async def play() -> None:
        async with control_port(bench()) as control:
            _, idle = await asyncio.open_connection(*place(control.address))
            idle.write(b'{"truth"')
            assert "pumps" in (await ask(control, b'{"truth": true}\n'))[0]
            idle.close()

    asyncio.run(play())


@given(st.lists(st.binary().map(lambda data: data.replace(b"\n", b"") + b"\n"), max_size=5))
def test_garbage_is_answered_line_by_line(lines: list[bytes]) -> None:
    assert all(answer["ok"] is False for answer in answers(bench(), *lines))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999", "0.0.0.0:50100"])
def test_an_address_that_is_none_is_named(address: str) -> None:
    with pytest.raises(BadInputError, match=r"^simulation\.control"):
        asyncio.run(ControlPort(bench()).open(address))


def test_a_taken_port_is_named() -> None:
    async def play() -> None:
        async with control_port(bench()) as control:
            with pytest.raises(FlowlabError, match=f"^control port: cannot listen on {control.address}: "):
                await ControlPort(bench()).open(control.address)

    asyncio.run(play())
