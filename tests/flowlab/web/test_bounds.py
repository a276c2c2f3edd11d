"""What a request has to keep to before anybody looks at what it asks for."""

import socket

import pytest

from flowlab.errors import BadInputError, FlowlabError
from flowlab.process import Child
from tests.flowlab.web.served import served


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    with served(tmp_path_factory.mktemp("web"), names=["lab.example"], body_bytes=10_000) as one:
        yield one


def raw(web, request: bytes) -> bytes:
    """What comes back for these bytes, until the connection is closed."""
    with socket.create_connection(("127.0.0.1", int(web.url.rpartition(":")[2])), 10) as sock:
        sock.sendall(request)
        answer = b""
        while part := sock.recv(65536):
            answer += part
        return answer


@pytest.mark.parametrize(
    "host", ["127.0.0.1:80", "localhost", "LOCALHOST:1", "[::1]:80", "lab.example", "lab.example:80"]
)
def test_it_answers_to_its_own_names(web, host):
    assert web.ask("GET", "/api/v1/status", "viewer", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["lab.example", "Lab.Example:80"])
def test_whoever_asks_under_the_name_of_a_proxy_may_be_anywhere(web, host):
    assert web.ask("GET", "/api/v1/status", headers={"Host": host}).status_code == 401


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", "[::2]", "@localhost", ""],
)
@pytest.mark.parametrize("path", ["/healthz", "/api/v1/status", "/api/v1/events", "/nothing"])
def test_a_name_that_points_here_but_is_not_its_own_is_not_answered_to(web, host, path):
    answer = web.ask("GET", path, "admin", headers={"Host": host})
    assert answer.status_code == 403
    assert "this server is not called" in answer.json()["detail"]
    assert "this server is not called" in web.log


@pytest.mark.parametrize("hosts", [b"", b"Host: localhost\r\nHost: evil.example\r\n"])
def test_a_request_without_one_name_is_refused(web, hosts):
    answer = raw(web, b"GET /healthz HTTP/1.1\r\n" + hosts + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_server_may_not_ask_but_may_link(web, site):
    for mode in ("cors", "no-cors"):
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
        assert web.ask("GET", "/api/v1/status", headers=headers).status_code == 403
    linked = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
    assert web.ask("GET", "/api/v1/status", headers=linked).status_code == 200
    assert web.ask("POST", "/api/v1/queue/stop", "admin", headers=linked).status_code == 403


def test_no_other_server_is_given_leave_to_read(web):
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    for method in ("OPTIONS", "GET"):
        answer = web.ask(method, "/api/v1/status", headers=asked)
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_every_answer_says_what_a_browser_may_do_with_it(web):
    for path in ("/healthz", "/metrics", "/api/v1/status", "/api/v1/openapi.json", "/nothing"):
        headers = web.ask("GET", path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "Server" not in headers


def test_a_request_that_is_too_long_is_refused_however_it_comes(web):
    def pieces():
        for _ in range(30):
            yield b"x" * 1000

    for content in (b"x" * 10_001, pieces()):
        answer = web.ask("POST", "/api/v1/queue", "admin", content=content)
        assert (answer.status_code, answer.json()) == (413, {"detail": "the request is too long; at most 10000 bytes"})
    body = {"plan": "scan", "parameters": {"temperature_c": "x" * 5000}}
    assert web.ask("POST", "/api/v1/queue", "admin", json=body).status_code == 201
    promised = b"POST /api/v1/queue HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"
    assert raw(web, promised).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("length", [b"-1", b"x", b"1_0", b"1, 2"])
def test_a_length_that_is_no_number_is_refused(web, length):
    answer = raw(web, b"POST /api/v1/queue HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + length + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


def refusal(tmp_path, **settings) -> FlowlabError:
    """Why it does not start."""
    settings = {"control": f"ipc://{tmp_path}/control", **settings}
    with Child("web", "flowlab.web", settings, tmp_path / "log") as child, pytest.raises(FlowlabError) as caught:
        child.wait_for("ready", 30)
    return caught.value


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.invalid"])  # noqa: S104  it is refused
def test_other_machines_cannot_ask_where_no_token_tells_them_apart(tmp_path, host):
    for tokens in ({}, {"tokens": str(tmp_path / "none")}):
        error = refusal(tmp_path, host=host, **tokens)
        assert isinstance(error, BadInputError)
        assert f"HTTP at {host} could be asked from other machines, and there is no token" in str(error)


def test_an_expired_token_is_none(tmp_path, web):
    only_expired = tmp_path / "tokens"
    only_expired.mkdir()
    (only_expired / "late.json").write_bytes((web.folder / "tokens" / "late.json").read_bytes())
    assert "there is no token" in str(refusal(tmp_path, host="0.0.0.0", tokens=str(only_expired)))  # noqa: S104


def test_what_it_cannot_be_told_is_refused_in_words(tmp_path):
    assert "prot: Extra inputs are not permitted" in str(refusal(tmp_path, prot=1))


def test_a_port_that_is_taken_is_told(tmp_path, web):
    taken = int(web.url.rpartition(":")[2])
    assert f"HTTP cannot be served at 127.0.0.1:{taken}: " in str(refusal(tmp_path, port=taken))
