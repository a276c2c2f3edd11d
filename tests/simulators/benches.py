"""Benches for tests: the shipped instrument with other settings, on a clock that stands; and as a process."""

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flowlab.clock import Clock
from flowlab.config import InstrumentConfig, load_instrument
from simulators.wire.bench import Bench
from simulators.wire.instrument import Instrument
from tests.instruments import UV_VIS


class StandingClock(Clock):
    """Shows the time it is set to; every wait takes ``wait_real_s`` real seconds."""

    def __init__(self, wait_real_s: float = 0.0):
        super().__init__()
        self.time_s = 0.0
        self.wait_real_s = wait_real_s

    def now_s(self) -> float:
        return self.time_s

    def real_s(self, plant_s: float) -> float:
        return self.wait_real_s


def shipped(**settings: dict[str, Any]) -> InstrumentConfig:
    """The shipped instrument file; keywords name devices and give settings of theirs."""
    config = load_instrument(UV_VIS)
    devices = {
        name: entry.model_copy(update={"settings": entry.settings | settings.get(name, {})})
        for name, entry in config.devices.items()
    }
    return config.model_copy(update={"devices": devices})


def bench(clock: Clock | None = None, **settings: dict[str, Any]) -> Bench:
    return Bench(shipped(**settings), clock or StandingClock())


def say(instrument: Instrument, data: bytes, *, by_bytes: bool = False) -> bytes:
    """Give an instrument bytes; return all it answers, exposures without their wait."""
    answered = b""
    for piece in [data[i : i + 1] for i in range(len(data))] if by_bytes else [data]:
        instrument.receive(piece)
        while (reply := instrument.next_reply()) is not None:
            answered += reply.compute()
    return answered


def converse(instrument: Instrument, dialogue: Sequence[tuple[bytes, bytes]], how: str) -> None:
    """Hold a whole dialogue: request by request, byte by byte, or with each next request trailing."""
    if how == "trailing":
        assert say(instrument, b"".join(sent for sent, _ in dialogue)) == b"".join(said for _, said in dialogue)
        return
    for sent, said in dialogue:
        assert (sent, say(instrument, sent, by_bytes=how == "bytes")) == (sent, said)


def place(address: str) -> tuple[str, int]:
    """Host and port of ``socket://127.0.0.1:50101`` or ``127.0.0.1:50100``."""
    parts = urlsplit(address if "//" in address else f"//{address}")
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def hear(sock: socket.socket, length: int) -> bytes:
    """So many bytes of a connection, or what there is until it ends."""
    heard = b""
    while len(heard) < length and (piece := sock.recv(length - len(heard))):
        heard += piece
    return heard


@dataclass
class Served:
    """A running process of simulators."""

    process: subprocess.Popen[str]
    addresses: dict[str, str]
    control: str

    def ask(self, **request: Any) -> dict[str, Any]:
        """One request to the control port."""
        with socket.create_connection(place(self.control), timeout=30) as sock, sock.makefile("rw") as file:
            file.write(json.dumps(request) + "\n")
            file.flush()
            return json.loads(file.readline())

    def connect(self, device: str) -> socket.socket:
        return socket.create_connection(place(self.addresses[device]), timeout=30)


@contextlib.contextmanager
def served(*arguments: str) -> Iterator[Served]:
    """Run ``python -m simulators``; end it by closing its standard input."""
    command = [sys.executable, "-m", "simulators", *arguments, "--until-eof"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = json.loads(process.stdout.readline() or "{}")
        assert said, process.stderr.read()
        yield Served(process, said["ready"]["addresses"], said["ready"]["control"])
        _, complaints = process.communicate(timeout=30)
        assert (process.returncode, complaints) == (0, ""), complaints


def pass_time(of: Bench, plant_s: float) -> None:
    """Advance the plant by whole steps."""
    for _ in range(round(plant_s / of.plant.STEP_S)):
        of.plant.advance(of.plant.STEP_S)
