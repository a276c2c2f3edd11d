"""The transport against a listener that answers as a script says: late, cut, spoilt, not at all."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from devices.errors import LinkError, RefusedError, ReplyError, ReplyTimeoutError, SilentError
from devices.links import Line, LineSettings
from devices.protocols import harvard, modbus
from tests.support import SerialAdapter

SETTINGS = LineSettings(reply_within_s=0.2, attempts=3)


class Scripted:
    """Answers each request it hears with the next piece of its script; None closes the connection.

    A piece of (seconds, bytes) is said so much later, whatever is asked meanwhile; a list of pieces one after another.
    """

    def __init__(self, script: list[bytes | tuple[float, bytes] | list[tuple[float, bytes]] | None]):
        self._script = iter(script)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self.heard: list[bytes] = []
        self._late = threading.Event()  # never set: lateness is a matter of time
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                while data := connection.recv(1024):
                    self.heard.append(data)
                    answer = next(self._script, b"")
                    if answer is None:
                        break
                    pieces = answer if isinstance(answer, list) else [answer]
                    for piece in pieces:
                        delay_s, said = piece if isinstance(piece, tuple) else (0.0, piece)
                        self._late.wait(delay_s)
                        connection.sendall(said)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def scripted() -> Iterator[Callable[..., tuple[Scripted, Line]]]:
    made: list[tuple[Scripted, Line]] = []

    def make(*script: bytes | None) -> tuple[Scripted, Line]:
        server = Scripted(list(script))
        made.append((server, Line(server.address, SETTINGS)))
        return made[-1]

    yield make
    for server, line in made:
        line.close()
        server.close()


def ask(line: Line) -> harvard.Reply:
    return line.ask(b"ver\r", lambda data: harvard.decode(data, lines=1), "pump")


GOOD = b"\nPHD ULTRA 3.0.5\r\n:"


def test_a_good_reply_needs_one_request(scripted):
    server, line = scripted(GOOD)
    assert ask(line).lines == ("PHD ULTRA 3.0.5",)
    assert server.heard == [b"ver\r"]


def test_a_reply_that_does_not_come_is_asked_for_again(scripted):
    server, line = scripted(b"", GOOD)
    assert ask(line).lines == ("PHD ULTRA 3.0.5",)
    assert server.heard == [b"ver\r"] * 2


def test_a_spoilt_reply_is_asked_for_again_and_the_rest_of_it_is_thrown_away(scripted):
    _, line = scripted(b"\nPHD \xff\xff 3.0.5\r\n:", GOOD)
    assert ask(line).lines == ("PHD ULTRA 3.0.5",)


def test_an_answer_that_comes_after_its_time_limit_is_not_taken_for_the_answer_to_the_next_question(scripted):
    process_value, output = (bytes.fromhex(text) for text in ("01 03 02 09 C4 BF 87", "01 03 02 01 AF F9 A8"))
    server, _ = scripted((1.3, process_value), (0.1, process_value), output)
    line = Line(server.address, LineSettings(reply_within_s=1.0))
    try:
        read = [
            line.ask(modbus.read_request(1, register), lambda data: modbus.decode_read(data, 1), "heater")
            for register in (1, 4)
        ]
    finally:
        line.close()
    assert read == [[2500], [431]]
    assert server.heard == [modbus.read_request(1, 1)] * 2 + [modbus.read_request(1, 4)]


def test_a_serial_adapter_that_is_pulled_out_is_a_lost_line(scripted):
    server, _ = scripted(GOOD)
    adapter = SerialAdapter("127.0.0.1", int(server.address.rpartition(":")[2]))
    line = Line(adapter.path, SETTINGS)
    try:
        assert ask(line).lines == ("PHD ULTRA 3.0.5",)
        adapter.pull_out()
        with pytest.raises(LinkError, match="pump: "):
            ask(line)
    finally:
        line.close()
        adapter.pull_out()


def test_after_a_few_attempts_it_gives_up_and_says_who_was_asked_what(scripted):
    _, line = scripted(b"\nPHD", b"\nPHD", b"\nPHD", GOOD)
    with pytest.raises(ReplyTimeoutError, match=r"pump: asked b'ver\\r' at socket://.*, got only b'\\nPHD'"):
        ask(line)


def test_a_device_that_says_nothing_is_asked_once_only_until_it_speaks_again(scripted):
    """Those beside it on the line, and whoever makes them safe, wait for it each time."""
    server, line = scripted(b"", b"", b"", b"", GOOD, b"", GOOD)
    for asked_in_all in (3, 4):
        with pytest.raises(SilentError, match="got nothing"):
            ask(line)
        assert len(server.heard) == asked_in_all
    assert ask(line).lines == ("PHD ULTRA 3.0.5",)
    assert ask(line).lines == ("PHD ULTRA 3.0.5",)
    assert len(server.heard) == 7


def test_only_garbage_is_an_error_that_shows_it(scripted):
    _, line = scripted(b"xyz", b"xyz", b"xyz")
    with pytest.raises(ReplyError, match="got b'xyz'"):
        ask(line)


def test_a_refusal_is_not_asked_twice(scripted):
    server, line = scripted(b"\nCommand error: ver\r\n   Unknown command\r\n:", GOOD)
    with pytest.raises(RefusedError, match="pump: asked .* Unknown command"):
        ask(line)
    assert len(server.heard) == 1


def test_a_line_that_breaks_once_is_opened_again(scripted):
    _, line = scripted(None, GOOD)
    assert ask(line).lines == ("PHD ULTRA 3.0.5",)


def test_a_line_that_breaks_again_and_again_is_lost(scripted):
    _, line = scripted(None, None, None)
    with pytest.raises(LinkError, match="pump: the line .* is lost"):
        ask(line)


def test_a_line_that_is_not_there_is_said_so_at_once():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(LinkError, match="pump: cannot open .* is it switched on"):
        ask(Line(f"socket://127.0.0.1:{port}", SETTINGS))


@pytest.mark.parametrize("address", ["/dev/there-is-no-such-tty", "socket://", "nonsense://x", ""])
def test_an_address_that_cannot_be_one_is_a_link_error(address):
    with pytest.raises(LinkError, match="cannot open"):
        ask(Line(address, SETTINGS))


def test_a_second_copy_of_a_reply_is_not_taken_for_the_answer_to_the_next_question(scripted):
    """The copy comes a little later than the reply, the answer to the second question later still."""
    process_value, output = (bytes.fromhex(text) for text in ("01 03 02 09 C4 BF 87", "01 03 02 01 AF F9 A8"))
    server, _ = scripted([(0.0, process_value), (0.03, process_value)], output)
    line = Line(server.address, LineSettings(reply_within_s=0.5, quiet_s=0.1))
    try:
        read = [
            line.ask(modbus.read_request(1, register), lambda data: modbus.decode_read(data, 1), "heater")
            for register in (1, 4)
        ]
    finally:
        line.close()
    assert read == [[2500], [431]]


def test_a_line_that_is_hushed_drops_a_second_copy_before_it_asks_again(scripted, monkeypatch):
    monkeypatch.setattr("devices.links.line._COPY_WITHIN_S", 0.1)
    garbled, right = b"\n0.51 ml/min\r\n:", b"\n0.50 ml/min\r\n:"
    server, _ = scripted([(0.0, garbled), (0.03, garbled)], right)
    line = Line(server.address, LineSettings(reply_within_s=0.5))
    try:
        first = ask(line)
        line.hush()
        second = ask(line)
    finally:
        line.close()
    assert (first, second) == (harvard.decode(garbled, 0, 1), harvard.decode(right, 0, 1))
