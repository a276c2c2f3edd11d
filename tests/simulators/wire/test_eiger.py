"""The simulated Eiger2 and the web server that it stands on, asked byte by byte."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import cbor2
import numpy as np
import pytest
import zmq

from flowlab.config import load_instrument
from flowlab.errors import BadInputError
from simulators.wire.address import PortInUseError
from simulators.wire.bench import Bench
from simulators.wire.eiger import Eiger
from simulators.wire.eiger_messages import Cbor, Legacy, Shot, compress, pixels_of
from simulators.wire.eiger_sender import Sender
from simulators.wire.http import WebReply
from tests.devices.eiger_lab import NAME, eiger_file
from tests.simulators.benches import Served, StandingClock, place, served

SMALL = 'detector = "eiger2-500k"\nfresh_every = 1000'
CONFIG = "/detector/api/1.8.0/config"
COMMAND = "/detector/api/1.8.0/command"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    file = eiger_file(tmp_path_factory.mktemp("eiger") / "lab.toml", simulated=SMALL, exposure_s=0.1)
    with served(str(file), "--any-port", "--speed", "20") as lab:
        yield lab


def ask(lab: Served, request: bytes) -> tuple[int, bytes]:
    """Status and body of what is said to these bytes, by which the connection ends."""
    with socket.create_connection(place(lab.addresses[NAME].partition("?")[0]), timeout=30) as sock:
        sock.sendall(request)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
        heard = b"".join(iter(lambda: sock.recv(65536), b""))
    head, _, body = heard.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body


def put(lab: Served, path: str, value: object = None) -> tuple[int, bytes]:
    body = b"" if value is None else json.dumps({"value": value}).encode()
    return ask(lab, f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


def get(lab: Served, path: str) -> tuple[int, bytes]:
    return ask(lab, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


def state(lab: Served) -> str:
    return json.loads(get(lab, "/detector/api/1.8.0/status/state")[1])["value"]


@pytest.fixture
def idle(lab: Served) -> Served:
    lab.ask(fault="none", device=NAME)
    if state(lab) != "idle":
        assert put(lab, f"{COMMAND}/initialize")[0] == 200
    return lab


# The web server


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 100_000 + b"\r\n\r\n", 431),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + b"a" * 70_000, 413),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"DELETE /detector/api/1.8.0/config/count_time HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    ],
)
def test_what_is_no_request_is_refused(idle, request_, status):
    assert ask(idle, request_)[0] == status


def test_a_request_may_come_in_pieces_and_several_over_one_connection(idle):
    request = b"GET /detector/api/version HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(place(idle.addresses[NAME].partition("?")[0]), timeout=30) as sock:
        for byte in request + request:
            sock.sendall(bytes([byte]))
        sock.shutdown(socket.SHUT_WR)
        heard = b"".join(iter(lambda: sock.recv(65536), b""))
    assert heard.count(b'{"value": "1.8.0"') == 2


def test_unplugged_it_refuses_connections_and_comes_back_at_the_same_ports(idle):
    idle.ask(fault="unplug", device=NAME)
    with pytest.raises(ConnectionRefusedError):
        get(idle, "/detector/api/version")
    idle.ask(fault="none", device=NAME)
    assert get(idle, "/detector/api/version")[0] == 200
    stream = idle.addresses[NAME].partition("=")[2]
    with socket.create_connection(("127.0.0.1", int(stream)), timeout=30):
        pass


def test_two_instruments_at_one_web_address_are_refused(tmp_path: Path):
    file = eiger_file(tmp_path / "two.toml", simulated=SMALL, exposure_s=0.1)
    text = file.read_text("utf-8")
    table = text[text.index(f"[devices.{NAME}]") : text.index("\n[simulation]\n")]
    other = table.replace(f"[devices.{NAME}", "[devices.other")
    text = text.replace(table, f"{table}\n{other}")
    file.write_text(text.replace('safe_state = ["', 'safe_state = ["other", "'), "utf-8")
    with pytest.raises(BadInputError, match="at an http address there is one instrument"):
        Bench(load_instrument(str(file)), StandingClock())


def test_a_stream_port_that_is_taken_is_an_error_that_says_what_to_do():
    async def open_twice() -> None:
        first, second = Sender("eiger"), Sender("eiger")
        try:
            port = first.open("127.0.0.1", 0)
            second.open("127.0.0.1", port)
        finally:
            await first.close()
            await second.close()

    with pytest.raises(PortInUseError, match="eiger: cannot listen on 127.0.0.1:.*change stream_port"):
        asyncio.run(open_twice())


# The detector


def test_before_it_is_initialized_only_its_state_is_there(tmp_path: Path):
    file = eiger_file(tmp_path / "new.toml", simulated=SMALL, exposure_s=0.1)
    eiger = Bench(load_instrument(str(file)), StandingClock()).instruments[NAME]
    assert isinstance(eiger, Eiger)

    async def talk() -> list[WebReply]:
        await eiger.open("127.0.0.1", any_port=True, clock=StandingClock(), advance=lambda: None)
        try:
            asked = [("GET", "status/state"), ("GET", "config/count_time"), ("PUT", "command/arm")]
            asked += [("PUT", "command/initialize"), ("GET", "status/state"), ("GET", "config/count_time")]
            return [await eiger.answer(method, f"/detector/api/1.8.0/{what}", b"") for method, what in asked]
        finally:
            await eiger.close()

    before, missing, refused, initialized, after, there = asyncio.run(talk())
    assert [json.loads(reply.body)["value"] for reply in (before, after)] == ["na", "idle"]
    assert missing == WebReply(404, b"Parameter count_time does not exist")
    assert (refused.status, initialized, there.status) == (400, WebReply(200, b""), 200)


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("count_time", 0.25, 200),
        ("count_time", 1, 200),  # documentation, page 8
        ("count_time", -1.0, 400),
        ("count_time", "long", 400),
        ("count_time", True, 400),
        ("nimages", 1.5, 400),
        ("compression", "zip", 400),
        ("x_pixels_in_detector", 5, 400),
        ("no_such_key", 5, 404),
    ],
)
def test_parameters_are_checked(idle, key, value, status):
    found, body = put(idle, f"{CONFIG}/{key}", value)
    assert found == status
    if status == 200:
        assert key in json.loads(body)
        assert json.loads(get(idle, f"{CONFIG}/{key}")[1])["value"] == pytest.approx(value)


def test_the_frame_time_follows_the_count_time(idle):
    put(idle, f"{CONFIG}/count_time", 0.25)
    changed = json.loads(put(idle, f"{CONFIG}/count_time", 2.0)[1])
    assert {"bit_depth_image", "countrate_correction_count_cutoff", "frame_count_time"} <= set(changed)
    assert json.loads(get(idle, f"{CONFIG}/frame_time")[1])["value"] > 2.0
    put(idle, f"{CONFIG}/frame_time", 0.005)
    assert json.loads(get(idle, f"{CONFIG}/count_time")[1])["value"] < 0.005
    assert json.loads(get(idle, f"{CONFIG}/bit_depth_image")[1])["value"] == 16


def test_commands_in_the_wrong_state_are_refused(idle):
    assert put(idle, f"{COMMAND}/trigger") == (400, b"trigger is not possible in the state idle")
    assert put(idle, f"{COMMAND}/dance")[0] == 404
    assert put(idle, f"{COMMAND}/arm", 3)[0] == 400
    assert "sequence id" in json.loads(put(idle, f"{COMMAND}/arm")[1])
    assert state(idle) == "ready"
    assert put(idle, f"{CONFIG}/count_time", 0.1)[0] == 400
    assert put(idle, f"{COMMAND}/disarm")[0] == 200
    assert state(idle) == "idle"


def test_a_series_is_a_start_its_frames_and_an_end(idle):
    for module, key, value in (
        ("stream", "format", "cbor"), ("stream", "mode", "enabled"), ("detector", "compression", "none"),
        ("detector", "count_time", 0.1), ("detector", "nimages", 2), ("detector", "ntrigger", 1),
    ):  # fmt: skip
        assert put(idle, f"/{module}/api/1.8.0/config/{key}", value)[0] == 200
    context = zmq.Context()
    try:
        stream = context.socket(zmq.PULL)
        stream.connect(f"tcp://127.0.0.1:{idle.addresses[NAME].partition('=')[2]}")
        put(idle, f"{COMMAND}/arm")
        put(idle, f"{COMMAND}/trigger")
        messages = []
        while not messages or messages[-1]["type"] != "end":
            assert stream.poll(20_000)
            messages.append(cbor2.loads(stream.recv()))
    finally:
        context.destroy(linger=0)
    assert [message["type"] for message in messages] == ["start", "image", "image", "end"]
    assert len({message["series_id"] for message in messages}) == 1
    assert [message["image_id"] for message in messages[1:3]] == [0, 1]
    start = messages[0]
    assert (start["image_size_y"], start["image_size_x"], start["image_dtype"]) == (512, 1028, "uint32")
    array = messages[1]["data"]["threshold_1"].value
    pixels = np.frombuffer(array[1].value, "<u4").reshape(array[0])
    assert pixels.sum(where=pixels != 2**32 - 1) == idle.ask(truth=True)["xray"]["exposed"][-1]["counts"]
    assert state(idle) == "idle"  # it disarms by itself


def test_counts_stop_at_the_cut_off_and_pixels_without_data_have_the_largest_number():
    counts = np.array([[0, 7, 70_000, 2**32 - 1]], np.uint32)
    assert pixels_of(counts, 16, 500).tolist() == [[0, 7, 500, 65535]]
    assert pixels_of(counts, 32, 90_000).tolist() == [[0, 7, 70_000, 2**32 - 1]]


@pytest.mark.parametrize("dtype", ["<u2", "<u4"])
@pytest.mark.parametrize("noise", [False, True])
def test_dectris_own_decompression_reads_what_is_sent(dtype, noise):
    """Also where LZ4 gains nothing, and a bare block must be one all the same."""
    dectris = pytest.importorskip("dectris.compression", reason="needs dectris-compression")
    image = np.random.default_rng(1).integers(0, 2**16 if noise else 3, (100, 70)).astype(dtype)
    shot = Shot(1, 0, image, 0.0, 0.1)
    size = image.dtype.itemsize
    for algorithm in ("bslz4", "lz4"):
        found = dectris.decompress(compress(image, algorithm), algorithm, elem_size=size)
        np.testing.assert_array_equal(np.frombuffer(found, dtype).reshape(image.shape), image)
        (message,) = Cbor().image(shot, algorithm)
        tag = cbor2.loads(message)["data"]["threshold_1"].value[1].value.value
        found = dectris.decompress(tag[2], tag[0], elem_size=tag[1])
        np.testing.assert_array_equal(np.frombuffer(found, dtype).reshape(image.shape), image)
    found = dectris.decompress(Legacy().image(shot, "bslz4")[2], "bslz4", elem_size=size)
    np.testing.assert_array_equal(np.frombuffer(found, dtype).reshape(image.shape), image)


def test_a_bare_block_of_what_does_not_compress_is_made_of_literals():
    image = np.random.default_rng(1).integers(0, 2**32, (100, 70)).astype("<u4")
    block = Legacy().image(Shot(1, 0, image, 0.0, 0.1), "lz4")[2]
    assert block[0] == 0xF0
    length, at = 15, 1
    while True:
        length, at = length + block[at], at + 1
        if block[at - 1] != 255:
            break
    assert (length, block[at:]) == (image.nbytes, image.tobytes())
