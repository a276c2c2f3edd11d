"""A line admits one client, as a port does; what is half said when it leaves is forgotten."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest

from flowlab.errors import BadInputError, FlowlabError
from simulators.wire.address import Address
from simulators.wire.bench import Bench
from tests.simulators.benches import StandingClock, bench, place
from tests.simulators.wire.test_ocean import SPECTRUM, message

VERSION = b"\nPHD ULTRA 3.0.5\r\n:"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def opened(clock: StandingClock | None = None) -> AsyncIterator[Bench]:
    a_bench = bench(clock)
    await a_bench.open(any_port=True)
    try:
        yield a_bench
    finally:
        await a_bench.close()


@asynccontextmanager
async def client(a_bench: Bench, device: str) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection(*place(a_bench.addresses[device]))
    try:
        yield reader, writer
    finally:
        writer.close()


async def ask(streams: Streams, request: bytes, length: int) -> bytes:
    reader, writer = streams
    writer.write(request)
    return await asyncio.wait_for(reader.readexactly(length), 30)


async def ends(streams: Streams) -> bool:
    """Wait for the connection to be closed or cut by the other end, without a further byte."""
    try:
        return await asyncio.wait_for(streams[0].read(), 30) == b""
    except ConnectionError:
        return True


def scenario(play: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    """Run a coroutine as a test."""

    def test() -> None:
        asyncio.run(play())

    return test


@scenario
async def test_a_second_client_is_refused_while_the_first_is_served() -> None:
    async with opened() as a_bench, client(a_bench, "cadmium_pump") as first:
        assert await ask(first, b"ver\r", len(VERSION)) == VERSION
        async with client(a_bench, "cadmium_pump") as second:
            second[1].write(b"irate max\r")
            assert await ends(second)
        assert await ask(first, b"ver\r", len(VERSION)) == VERSION
        async with client(a_bench, "selenium_pump") as other:
            assert await ask(other, b"ver\r", len(VERSION)) == VERSION
        assert a_bench.truth()["instruments"]["cadmium_pump"]["infuse_rate_ml_min"] is None


@scenario
async def test_a_client_that_leaves_frees_the_line_at_once() -> None:
    async with opened() as a_bench:
        for _ in range(20):
            async with client(a_bench, "cadmium_pump") as streams:
                assert await ask(streams, b"ver\r", len(VERSION)) == VERSION


@scenario
async def test_a_request_that_was_half_sent_is_forgotten_with_its_client() -> None:
    async with opened() as a_bench:
        async with client(a_bench, "cadmium_pump") as first:
            assert await ask(first, b"\r", 2) == b"\n:"
            first[1].write(b"irate 5 ml/min")
        async with client(a_bench, "cadmium_pump") as second:
            assert await ask(second, b"ver\r", len(VERSION)) == VERSION


@scenario
async def test_an_exposure_ends_with_its_client_and_those_behind_it_wait() -> None:
    clock = StandingClock(wait_real_s=1000.0)
    async with opened(clock) as a_bench:
        async with client(a_bench, "spectrometer") as first:
            assert await ask(first, message(0x101), 64) == message(0x101, b"\x08", flags=1)
            first[1].write(message(SPECTRUM) + message(0x101))
        clock.wait_real_s = 0.0
        async with client(a_bench, "spectrometer") as second:
            answer = await ask(second, message(SPECTRUM) + message(0x101), 64 + 2 * 2068 + 64)
            assert answer[-64:] == message(0x101, b"\x08", flags=1)


@scenario
async def test_both_controllers_on_a_line_are_reached_over_one_connection() -> None:
    async with opened() as a_bench, client(a_bench, "growth_heater") as streams:
        assert a_bench.addresses["growth_heater"] == a_bench.addresses["nucleation_heater"]
        for loopback in (bytes.fromhex("01 08 00 00 12 34 ED 7C"), bytes.fromhex("02 08 00 00 12 34 ED 4F")):
            assert await ask(streams, loopback, 8) == loopback


@scenario
async def test_the_plant_is_brought_up_to_now_before_a_request_is_handled() -> None:
    clock = StandingClock()
    async with opened(clock) as a_bench, client(a_bench, "cadmium_pump") as streams:
        reader, writer = streams
        assert await ask(streams, b"diameter 26.7\rirate 6 ml/min\rirun\r", 6) == b"\n:\n:\n>"
        clock.time_s = 60.05
        writer.write(b"ivolume\r")
        volume, unit = (await asyncio.wait_for(reader.readuntil(b"\r"), 30)).split()
        assert (float(volume), unit) == (pytest.approx(6.0, abs=0.011), b"ml")


@scenario
async def test_a_pump_speaks_unasked_when_it_reached_its_target() -> None:
    clock = StandingClock()
    async with opened(clock) as a_bench, client(a_bench, "cadmium_pump") as streams:
        request = b"diameter 26.7\rirate 6 ml/min\rtvolume 1 ml\rirun\r"
        assert await ask(streams, request, 8) == b"\n:\n:\n:\n>"
        clock.time_s = 20.0
        a_bench.advance()
        assert await ask(streams, b"", 3) == b"\nT*"


@scenario
async def test_unplugging_cuts_and_refuses_until_it_is_plugged_in_again() -> None:
    async with opened() as a_bench:
        async with client(a_bench, "nucleation_heater") as streams:
            loopback = bytes.fromhex("01 08 00 00 12 34 ED 7C")
            assert await ask(streams, loopback, 8) == loopback
            await a_bench.inject("unplug", "growth_heater")
            assert await ends(streams)
        address = a_bench.addresses["nucleation_heater"]
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*place(address))
        await a_bench.inject("none", "growth_heater")
        assert a_bench.addresses["nucleation_heater"] == address
        async with client(a_bench, "nucleation_heater") as streams:
            assert await ask(streams, loopback, 8) == loopback


@scenario
async def test_a_silent_instrument_neither_hears_nor_answers() -> None:
    async with opened() as a_bench, client(a_bench, "growth_heater") as streams:
        await a_bench.inject("silence", "nucleation_heater")
        first, second = bytes.fromhex("01 08 00 00 12 34 ED 7C"), bytes.fromhex("02 08 00 00 12 34 ED 4F")
        assert await ask(streams, first + second, 8) == second
        await a_bench.inject("none", "nucleation_heater")
        assert await ask(streams, first, 8) == first


@scenario
async def test_a_bad_cable_spoils_what_arrives_and_late_replies_do_arrive() -> None:
    request, reply = b"ver\r", b"\nPHD ULTRA 3.0.5\r\n:"
    async with opened() as a_bench, client(a_bench, "cadmium_pump") as streams:
        await a_bench.inject("duplicate", "cadmium_pump")
        assert await ask(streams, request, 2 * len(reply)) == reply + reply
        await a_bench.inject("delay", "cadmium_pump", {"delay_s": 0.05})
        assert await ask(streams, request, 2 * len(reply)) == reply + reply
        await a_bench.inject("none", "cadmium_pump")
        assert await ask(streams, request, len(reply)) == reply


@scenario
async def test_an_address_that_is_taken_is_named_with_its_device() -> None:
    async with opened() as a_bench:
        other = bench()
        for line in other.servers:
            line.address = Address("socket", "127.0.0.1", 0)
        taken = place(a_bench.addresses["growth_heater"])
        other.servers[2].address = Address("socket", *taken)
        with pytest.raises(FlowlabError, match=rf"^nucleation_heater, growth_heater: .*{taken[1]}.*--any-port$"):
            await other.open()
        with pytest.raises(ConnectionRefusedError):  # what had been opened is closed again
            await asyncio.open_connection(*place(other.addresses["cadmium_pump"]))


@pytest.mark.parametrize("text", ["/dev/ttyUSB0", "socket://127.0.0.1", "socket://127.0.0.1:x", "udp://127.0.0.1:1"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match=r"devices\.pump\.address = .*socket://127\.0\.0\.1:PORT"):
        Address.parse(text, "devices.pump.address")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.7", "lab.example.org"])  # noqa: S104
def test_other_machines_cannot_reach_it(host: str) -> None:
    with pytest.raises(BadInputError, match="this machine only"):
        Address.parse(f"socket://{host}:50101", "devices.pump.address")
