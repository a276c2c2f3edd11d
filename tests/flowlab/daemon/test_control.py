"""The control socket, over real sockets: any client is answered, and none can take it down or hold up another."""

import json
import socket
import stat
import threading
import time

import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowlab.daemon.asking import ask
from flowlab.daemon.control import MAX_CALLS_OF_ONE, MAX_NESTING, MAX_REQUEST_BYTES, ControlSocket, parse_request
from flowlab.errors import BadInputError, FlowlabError
from tests.flowlab.daemon.desks import Served, spectra


@pytest.fixture
def served(tmp_path):
    served = Served(tmp_path)
    yield served
    served.close()


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    served = Served(tmp_path_factory.mktemp("fuzzed"))
    yield served
    served.close()


def request(method, **params):
    return json.dumps({"method": method, "params": params}).encode()


def wait_until(condition):
    limit = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.005)


def test_a_client_of_either_kind_is_answered_with_its_own_envelope(served):
    with served.client(zmq.REQ) as client:
        client.send(request("ping"))
        assert client.recv_json()["manager_state"] == "idle"
    with served.client() as client:
        client.send_multipart([b"7", b"", request("ping")])
        *envelope, answer = client.recv_multipart()
        assert (envelope, json.loads(answer)["success"]) == ([b"7", b""], True)
        client.send(request("ping"))
        assert json.loads(client.recv())["success"]


def test_a_run_can_be_ended_while_items_wait_to_be_looked_at(served):
    served.tell(served.desk.looking.clear)
    with served.client() as slow:
        for number in range(MAX_CALLS_OF_ONE + 1):
            slow.send_multipart([b"%d" % number, b"", request("queue_item_add", item=spectra())])
        number, _, answer = slow.recv_multipart()
        assert (number, json.loads(answer)["msg"][:14]) == (b"%d" % MAX_CALLS_OF_ONE, "too many calls")
        slow.send_multipart([b"abort", b"", request("re_abort")])
        assert slow.recv_multipart()[0] == b"abort"
        assert ask(served.address, "ping")["items_in_queue"] == 0
        with pytest.raises(FlowlabError, match="no plan runs"):
            ask(served.address, "re_abort")
        served.tell(served.desk.looking.set)
        added = {slow.recv_multipart()[0] for _ in range(MAX_CALLS_OF_ONE)}
        assert len(added) == MAX_CALLS_OF_ONE
    assert ask(served.address, "status")["items_in_queue"] == MAX_CALLS_OF_ONE


def test_a_client_that_goes_away_before_its_answer_is_no_trouble(served):
    served.tell(served.desk.looking.clear)
    with served.client() as hasty:
        hasty.send_multipart([b"", request("queue_item_add", item=spectra())])
        wait_until(lambda: served.desk.looks == 1)
    served.tell(served.desk.looking.set)
    assert ask(served.address, "ping")["success"]


def test_a_client_that_takes_no_answers_holds_up_nobody(served):
    with served.client() as deaf:
        deaf.rcvhwm = 1
        for _ in range(2000):
            deaf.send_multipart([b"", request("plans_allowed")])
        assert ask(served.address, "ping")["success"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "is JSON; this is not"),
        (b"\xff\xfe", "no UTF-8"),
        (b"ping", "is JSON; this is not"),
        (b'"ping"', "an object with a method"),
        (b"[]", "an object with a method"),
        (b"{}", "an object with a method"),
        (b'{"method": 1}', "an object with a method"),
        (b'{"method": "ping", "params": []}', "params must be an object"),
        (b'{"method": "ping", "params": {}, "id": 1}', "method and params only, not id"),
        (b'{"method": "ping", "method": "re_halt"}', "'method' is there twice"),
        (b'{"method": "ping", "params": {"x": NaN}}', "NaN is no number in JSON"),
        (b'{"method": "ping", "params": {"x": -Infinity}}', "-Infinity is no number in JSON"),
        (b'{"method": "ping", "params": {"x": 1e999}}', "1e999 is too large a number"),
        (b'{"method": "ping", "params": {"x": ' + b"9" * 5000 + b"}}", "is JSON; this is not"),
        (b'{"method": "ping", "params": {"x": "\\ud800"}}', "half of a surrogate pair"),
        (b'{"method": "ping", "params": {"x": ' + b"[" * 40 + b"]" * 40 + b"}}", "nested 32 deep"),
        (b"[" * 500_000, "nested 32 deep"),
        (b'{"method":' * 90_000, "nested 32 deep"),
    ],
)
def test_what_is_no_request_is_answered_with_why(fuzzed, text, why):
    with fuzzed.client(zmq.REQ) as client:
        client.send(text)
        answer = client.recv_json()
    assert (answer["success"], answer["kind"]) == (False, "bad_input")
    assert why in answer["msg"]
    assert ask(fuzzed.address, "ping")["success"]


def test_a_request_may_be_nested_as_deep_as_is_said():
    deep = MAX_NESTING - 2  # the request and its params are two
    text = '{"method": "ping", "params": {"x": ' + "[" * deep + "]" * deep + "}}"
    assert parse_request(text.encode())[0] == "ping"
    with pytest.raises(BadInputError, match="nested"):
        parse_request(text.replace("[", "[[", 1).replace("]", "]]", 1).encode())


_FRAMES = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=100).map(str.encode),
    st.builds(lambda text, end: text[:end], st.just(request("queue_item_add", item=spectra())), st.integers(0, 120)),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=9), inside, max_size=4),
        max_leaves=12,
    ).map(lambda value: json.dumps({"method": "queue_item_add", "params": value}).encode()),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=st.lists(_FRAMES, min_size=1, max_size=12))
def test_whatever_comes_the_next_ping_is_answered(fuzzed, frames):
    with fuzzed.client() as client:
        client.send_multipart(frames)
        client.send_multipart([b"mine", b"", request("ping")])
        while (answer := client.recv_multipart())[0] != b"mine" or len(answer) != 3:
            assert not json.loads(answer[-1])["success"]
        assert json.loads(answer[-1])["success"]


def test_a_request_that_is_too_large_costs_its_sender_the_connection_and_nobody_else(served):
    with served.client() as client:
        client.send_multipart([b"", b" " * (MAX_REQUEST_BYTES + 1)])
        assert not client.poll(200)
    assert ask(served.address, "ping")["success"]


def test_what_does_not_speak_0mq_is_no_trouble(tmp_path):
    served = Served(tmp_path, "tcp://127.0.0.1:*")
    host, port = served.address.removeprefix("tcp://").split(":")
    assert int(port) > 0
    for said in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 100, b"\xff" + b"\x00" * 8 + b"\x7f", b""):
        with socket.create_connection((host, int(port))) as other:
            other.sendall(said)
        assert ask(served.address, "ping")["success"]
    served.close()


def test_an_answer_that_cannot_be_sent_is_told(served):
    served.desk.facts = lambda: {"temperature_c": float("nan")}
    with pytest.raises(FlowlabError, match="fault in flowlab: the answer cannot be sent"):
        ask(served.address, "flowlab_status")
    assert ask(served.address, "ping")["success"]


def test_the_socket_is_for_its_owner_alone(served, tmp_path):
    path = tmp_path / "run" / "control"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


class Unasked:
    """What is served where nobody asks."""


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("tcp://0.0.0.0:5000", "only addresses of this machine"),
        ("tcp://*:5000", "only addresses of this machine"),
        ("tcp://192.168.1.2:5000", "served without keys; make some with: flowlab keys new NAME"),
        ("tcp://[::]:5000", "only addresses of this machine"),
        ("tcp://eth0:5000", "only addresses of this machine"),
        ("tcp://127.0.0.1", "is no address"),
        ("tcp://127.0.0.1:70000", "is no address"),
        ("inproc://control", "is no address"),
        ("ipc://@flowlab", "must be an absolute one"),
        ("ipc:///tmp/" + "x" * 103, "the path has 108 bytes, a socket's may have 107; take a shorter one"),
    ],
)
def test_an_address_that_may_not_be_served_is_refused(address, why):
    with pytest.raises(BadInputError, match=why):
        ControlSocket(Unasked(), address)


def test_an_address_of_other_machines_is_served_with_keys():
    bound_before = []

    def secure(it):
        bound_before.append(it.getsockopt_string(zmq.LAST_ENDPOINT))

    with ControlSocket(Unasked(), "tcp://0.0.0.0:*", secure=secure) as control:
        assert control.address.startswith("tcp://0.0.0.0:")
    assert bound_before == [""]


def test_who_has_the_keys_is_answered_and_who_has_not_is_not(tmp_path):
    server, client = zmq.curve_keypair(), zmq.curve_keypair()

    def serve_with_keys(it):
        it.curve_server = True
        it.curve_publickey, it.curve_secretkey = server

    def ask_with_keys(it):
        it.curve_serverkey = server[0]
        it.curve_publickey, it.curve_secretkey = client

    served = Served(tmp_path, "tcp://127.0.0.1:*", serve_with_keys)
    assert ask(served.address, "ping", secure=ask_with_keys)["success"]
    # It is refused while it waits for the answer, or before it could ask: then there is nobody to send it to.
    with pytest.raises(FlowlabError, match="no answer to ping within|ping could not be asked within"):
        ask(served.address, "ping", limit_s=0.2)
    served.close()


def test_two_daemons_cannot_have_one_address(served, tmp_path):
    with pytest.raises(FlowlabError, match="another flowlab answers there"):
        ControlSocket(Unasked(), served.address)
    assert ask(served.address, "ping")["success"]
    with (
        ControlSocket(Unasked(), "tcp://127.0.0.1:*") as control,
        pytest.raises(FlowlabError, match="cannot be served: Address already in use"),
    ):
        ControlSocket(Unasked(), control.address)


def test_a_socket_that_a_killed_daemon_left_is_taken_and_anything_else_left_alone(tmp_path):
    path = tmp_path / "control"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    with ControlSocket(Unasked(), f"ipc://{path}"):
        pass
    path.unlink(missing_ok=True)
    path.write_text("the only copy")
    with pytest.raises(FlowlabError, match="something else is there"):
        ControlSocket(Unasked(), f"ipc://{path}")
    assert path.read_text() == "the only copy"


def test_who_asks_is_told_whether_it_was_wrong_or_failed(served):
    with pytest.raises(BadInputError, match="there is no method 'x'"):
        ask(served.address, "x")
    with pytest.raises(FlowlabError, match="no plan is paused") as failed:
        ask(served.address, "re_resume")
    assert failed.value.exit_code == 1
    with pytest.raises(BadInputError, match="cannot be sent"):
        ask(served.address, "flowlab_preflight", {"plan": "spectra", "parameters": {"num": float("nan")}})


def test_who_asks_where_no_daemon_is_is_told_what_to_do(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        for address in (f"ipc://{tmp_path}/control", f"tcp://127.0.0.1:{port}"):
            with pytest.raises(FlowlabError, match="no flowlab daemon at .*; start one with: flowlab up"):
                ask(address, "ping")
    for address in ("control", "tcp://127.0.0.1:*", "tcp://127.0.0.1:0"):
        with pytest.raises(BadInputError, match="is no address"):
            ask(address, "ping")


def test_who_asks_does_not_wait_for_ever(served):
    served.tell(served.desk.looking.clear)
    with pytest.raises(FlowlabError, match=r"no answer to queue_item_add within 0\.2 s; whether it was done is not"):
        ask(served.address, "queue_item_add", {"item": spectra()}, limit_s=0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(FlowlabError, match="no answer to ping within"):
            ask(f"tcp://127.0.0.1:{silent.getsockname()[1]}", "ping", limit_s=0.2)
    served.tell(served.desk.looking.set)


@pytest.mark.parametrize("said", [b"hello", b"[1]", b"\xff", b"[" * 100_000])
def test_what_answers_something_else_is_no_daemon(said):
    with zmq.Context() as context, context.socket(zmq.REP) as other:
        other.linger = 0
        port = other.bind_to_random_port("tcp://127.0.0.1")
        answering = threading.Thread(target=lambda: (other.recv(), other.send(said)))
        answering.start()
        with pytest.raises(FlowlabError, match="what answers there is no flowlab daemon"):
            ask(f"tcp://127.0.0.1:{port}", "ping")
        answering.join()
