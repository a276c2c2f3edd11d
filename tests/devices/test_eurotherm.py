"""The 3216's driver against parts that nobody here wrote, on a tapped line, and on a bad one."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from pymodbus import FramerType
from pymodbus.client import ModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from devices.errors import DeviceError, InstrumentFaultError, NotReachedError, RefusedError
from devices.eurotherm import Eurotherm3216, EurothermSettings
from flowlab.bench import Bench
from tests.devices.conftest import bench_at
from tests.simulators.benches import Served, place

WAIT_S = 60.0
NAME = "growth_heater"
UNIT = 2
WORN_OUT = {2, 24, 25}
WRITE_REMOTE = bytes((UNIT, 6, 0, 26))
QUICK = {"reply_within_s": 2.0, "refresh_every_s": 0.02}


def crc16(data: bytes) -> bytes:
    """As the Modbus specification has it, written apart from driver and simulator."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
    return struct.pack("<H", crc)


class Tap:
    """Passes everything between one client and ``address`` on, and keeps what the client says."""

    def __init__(self, address: str):
        self._target = place(address)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self.said = bytearray()
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            near, _ = self._listener.accept()
            far = socket.create_connection(self._target)
            self._ends += [near, far]
            back = threading.Thread(target=self._copy, args=(far, near, None))
            self._threads.append(back)
            back.start()
            self._copy(near, far, self.said)

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket, kept: bytearray | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                if kept is not None:
                    kept += data
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def requests(self) -> list[tuple[int, int, int, int]]:
        """Unit, function, register and value or count of each request; all of them are eight bytes long."""
        frames = [bytes(self.said[i : i + 8]) for i in range(0, len(self.said), 8)]
        assert all(crc16(frame[:-2]) == frame[-2:] for frame in frames)
        return [struct.unpack(">BBHH", frame[:-2]) for frame in frames]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._ends:
            end.close()


def known(lab: Served) -> dict:
    return lab.ask(truth=True)["instruments"][NAME]


@pytest.mark.parametrize(("baudrate", "quiet_s"), [(9600, 4.01e-3), (19200, 2.005e-3), (115200, 1.75e-3)])
def test_between_two_messages_it_is_silent_for_3_5_characters_but_1_75_ms_at_least(baudrate, quiet_s):
    settings = EurothermSettings(unit=1, decimals=1, highest_c=360.0, baudrate=baudrate)
    assert settings.quiet_s == pytest.approx(quiet_s, rel=1e-3)


def test_a_ramp_writes_only_the_remote_set_point_and_never_what_wears_out(free_lab):
    """A ramp of set points with refreshes between them: told by the bytes on the line and by the controller's count."""
    tap = Tap(free_lab.addresses[NAME])
    set_points = [40.0 + 2 * i for i in range(40)]
    try:
        with bench_at({NAME: tap.address}, growth_heater=QUICK) as bench:
            heater = bench.devices[NAME]
            heater.connect()
            for value in set_points:
                heater.set(value)
                seen = len(tap.said)
                assert bench.clock.wait_until(  # a refresh on the way
                    lambda seen=seen: WRITE_REMOTE in tap.said[seen:], every_s=0.005 * bench.clock.speed, limit_s=1e5
                )
            heater.make_safe()
    finally:
        tap.close()
    requests = tap.requests()
    assert {(unit, function) for unit, function, _, _ in requests} == {(UNIT, 3), (UNIT, 6)}
    written = [(register, value) for _, function, register, value in requests if function == 6]
    assert {register for register, _ in written} == {26, 276}
    assert not WORN_OUT & {register for register, _ in written}
    remote = [value for register, value in written if register == 26]
    assert list(dict.fromkeys(remote)) == [round(10 * value) for value in set_points] + [200]
    assert len(remote) >= 2 * len(set_points)  # set points and refreshes
    assert [register for register, _ in written].count(276) == 1
    assert known(free_lab)["memory_writes"] == {"2": 0, "24": 0, "25": 0}


@pytest.mark.parametrize(
    ("fault", "words", "bit"),
    [
        ("sensor_break", "the sensor is broken", 5),
        ("over_range", "the temperature is over range", 10),
        ("loop_break", "the loop is broken: full power does not heat", 6),
    ],
)
def test_each_fault_is_an_error_and_not_a_temperature(free_lab, fault, words, bit):
    with bench_at(free_lab.addresses, growth_heater={"reply_within_s": 2.0}) as bench:
        heater = bench.devices[NAME]
        heater.connect()
        free_lab.ask(fault=fault, device=NAME)
        try:
            with pytest.raises(InstrumentFaultError, match=f"{NAME}: {words} ") as failure:
                heater.set(300.0).wait(WAIT_S)
            assert int(str(failure.value).rpartition("0x")[2].rstrip(")"), 16) >> bit & 1
            heater.make_safe()  # lowering the set point is possible all the same
        finally:
            free_lab.ask(fault="none", device=NAME)
        assert bench.clock.wait_until(lambda: known(free_lab)["status"] == 0, every_s=1, limit_s=1e5)
        assert heater.ask_temperature_c() < 400


SPOILT = ["garble", "cut", "lose", "delay", "duplicate"]


def test_a_bad_cable_ends_in_right_values_or_errors_and_never_in_wrong_ones(free_lab):
    """The set point that is read is compared with the controller's, the temperature with the block's range."""
    wrong: list[tuple[float, float]] = []
    right = failed = 0
    with bench_at(free_lab.addresses, growth_heater={"reply_within_s": 2.0}) as bench:
        heater = bench.devices[NAME]
        heater.make_safe()
        heater._line._settings = heater.settings.model_copy(update={"reply_within_s": 0.05})
        try:
            for fault in SPOILT:
                options = {"delay_s": 0.08} if fault == "delay" else {}
                free_lab.ask(fault=fault, device=NAME, probability=0.05, **options)
            for i in range(30):
                value = 30.0 + i / 10
                try:
                    heater._send_setpoint(value)
                    setpoint_c, temperature_c = heater.ask_setpoint_c(), heater.ask_temperature_c()
                except DeviceError:
                    failed += 1
                    continue
                right += 1
                if not (known(free_lab)["working_set_point_c"] == setpoint_c == value and 15 < temperature_c < 350):
                    wrong.append((value, setpoint_c))
        finally:
            free_lab.ask(fault="none", device=NAME)
            heater._line._settings = heater.settings
        heater.make_safe()
    assert wrong == []
    assert right > 5
    assert right + failed == 30


class ForeignController:
    """pymodbus's own server with the registers that a 3216 has; RTU frames over TCP."""

    def __init__(self, registers: dict[int, int]):
        blocks = [
            SimData(address, values=value, datatype=DataType.REGISTERS) for address, value in sorted(registers.items())
        ]
        self._device = SimDevice(UNIT, simdata=blocks)
        self._started: Future[str] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        self.address = self._started.result(30)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._server = ModbusTcpServer(self._device, framer=FramerType.RTU, address=("127.0.0.1", 0))
        await self._server.serve_forever(background=True)
        assert self._server.transport is not None
        port = self._server.transport.sockets[0].getsockname()[1]
        self._started.set_result(f"socket://127.0.0.1:{port}")
        await self._stop.wait()
        await self._server.shutdown()

    def read(self, *registers: int) -> list[int]:
        async def values() -> list[int]:
            return [(await self._server.async_getValues(UNIT, 3, register))[0] for register in registers]

        return asyncio.run_coroutine_threadsafe(values(), self._loop).result(30)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


@pytest.fixture
def foreign() -> Iterator[tuple[ForeignController, Bench]]:
    high, low = struct.unpack(">2H", struct.pack(">f", 23.4))
    registers = {1: 234, 2: 200, 3: 0, 4: 125, 5: 500, 15: 0, 24: 200, 25: 200, 26: 0, 75: 0, 276: 0}
    controller = ForeignController(registers | {0x8002: high, 0x8003: low})
    try:
        with bench_at({NAME: controller.address}) as bench:
            yield controller, bench
    finally:
        controller.close()


def test_the_driver_reads_and_writes_a_foreign_server_of_modbus(foreign):
    controller, bench = foreign
    heater: Eurotherm3216 = bench.devices[NAME]
    heater.connect()
    assert (heater.ask_temperature_c(), heater.ask_setpoint_c(), heater.ask_output_percent()) == (23.4, 50.0, 12.5)
    heater._send_setpoint(50.0)
    assert controller.read(26, 276) == [500, 1]
    assert controller.read(2, 24, 25) == [200, 200, 200]


def test_the_driver_notices_a_foreign_server_that_takes_a_set_point_and_does_nothing(foreign):
    _, bench = foreign
    with pytest.raises(NotReachedError, match="was set to 60 °C but works towards 50 °C"):
        bench.devices[NAME]._send_setpoint(60.0)


def test_the_driver_understands_the_exceptions_of_a_foreign_server(foreign):
    _, bench = foreign
    with pytest.raises(RefusedError, match=f"{NAME}: .*illegal"):
        bench.devices[NAME]._read_registers(999, 1)


def test_a_foreign_client_reads_and_writes_the_simulated_controller(free_lab):
    host, port = place(free_lab.addresses[NAME])
    with ModbusTcpClient(host, port=port, framer=FramerType.RTU, timeout=5) as client:
        assert client.read_holding_registers(24, count=2, device_id=UNIT).registers == [200, 200]
        assert client.write_register(26, 305, device_id=UNIT).registers == [305]
        assert client.write_register(276, 1, device_id=UNIT).registers == [1]
        assert client.read_holding_registers(5, count=1, device_id=UNIT).registers == [305]
        assert client.read_input_registers(5, count=1, device_id=UNIT).registers == [305]
        assert client.write_registers(26, [200], device_id=UNIT).count == 1
        floats = client.read_holding_registers(0x8000 + 2 * 24, count=2, device_id=UNIT)
        assert client.convert_from_registers(floats.registers, client.DATATYPE.FLOAT32) == 20.0
        for refused in (
            client.read_holding_registers(7, count=1, device_id=UNIT),
            client.write_register(1, 0, device_id=UNIT),
        ):
            assert refused.isError()
            assert refused.exception_code == 2
        assert client.write_register(26, 32767, device_id=UNIT).exception_code == 3


def test_the_checksum_of_the_tap_is_that_of_the_handbook():
    assert crc16(bytes.fromhex("01 03 00 01 00 01")) == bytes.fromhex("D5 CA")
