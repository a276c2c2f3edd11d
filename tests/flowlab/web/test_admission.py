"""Who is let in to look at the page, and who is not."""

import asyncio
import contextlib
import json
import socket
import time

import httpx
import pytest
from starlette.requests import HTTPConnection
from websockets.asyncio import client as asynchronous
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import flowlab
from flowlab.daemon.tokens import Role, Tokens
from flowlab.web.access import Guard, RefusedViewerError
from tests.flowlab.watch.hub import Hub
from tests.flowlab.web.test_wire import decode
from tests.flowlab.web.viewing import (
    PROXIED,
    Screen,
    address,
    answers,
    ended,
    fetched,
    looked_at,
    looking,
    opened,
    refused,
    told,
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    one = Hub(tmp_path_factory.mktemp("admission") / "runs")
    yield one
    one.close()


@pytest.fixture(scope="module")
def web(tmp_path_factory, hub):
    with looked_at(tmp_path_factory.mktemp("admission"), hub) as one:
        yield one


def test_whoever_is_on_this_machine_may_look(web):
    with opened(web) as viewer:
        viewer.send('{"token": null}')
        hello = {"type": "hello", "name": "(loopback)", "role": "viewer", "version": flowlab.__version__}
        assert told(viewer) == {**hello, "control": True}


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
@pytest.mark.parametrize("header", [None, *PROXIED])
def test_whoever_has_a_token_is_told_what_it_allows(web, role, header):
    with opened(web, additional_headers=[header] if header else []) as viewer:
        viewer.send(json.dumps({"token": web.tokens[role]}))
        hello = told(viewer)
        assert (hello["type"], hello["name"], hello["role"]) == ("hello", role, role)


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("expired", "the token of late has expired; flowlab tokens new makes another"),
        ("nobody's", "the token is not known here"),
        ("\ud800", "the token is not known here"),
        ("ä" * 100, "the token is not known here"),
    ],
)
def test_a_token_that_is_worth_nothing_is_refused_in_words(web, token, why):
    with opened(web) as viewer:
        viewer.send(json.dumps({"token": web.tokens.get(token, token)}))
        assert refused(viewer) == (why, 1008)
    assert f"refused: a viewer from 127.0.0.1: {why}" in web.log


def until_refused(viewer):
    """Why a viewer has to go, who had been let in."""
    while (message := told(viewer))["type"] == "picture":
        pass
    return message["why"], ended(viewer)


def test_whose_token_is_removed_has_to_go_and_nobody_else(web):
    guest = web.kept.new("guest", Role.OPERATOR, None)
    with looking(web, guest) as leaves, looking(web, "operator") as stays, looking(web) as here:
        web.kept.remove("guest")
        assert until_refused(leaves) == ("the token is not known here", 1008)
        for viewer in (stays, here):
            for _ in range(3):
                assert told(viewer)["type"] == "picture"
    with opened(web) as again:
        again.send(json.dumps({"token": guest}))
        assert refused(again) == ("the token is not known here", 1008)


@pytest.mark.parametrize("header", PROXIED)
def test_whoever_comes_through_a_proxy_needs_a_token(web, header):
    with opened(web, additional_headers=[header]) as viewer:
        viewer.send('{"token": null}')
        assert refused(viewer) == ("whoever looks from elsewhere needs a token; flowlab tokens new makes one", 1008)


@pytest.mark.parametrize("client", [("192.0.2.7", 50000), ("2001:db8::7", 50000), None])
def test_so_does_whoever_comes_from_another_address(tmp_path, client):
    """Told by the address that the server saw: nothing of this test is to be reached from other machines."""
    tokens = Tokens(tmp_path)
    token = tokens.new("eva", Role.VIEWER, None)
    connection = HTTPConnection({"type": "websocket", "client": client, "headers": [(b"host", b"lab:80")]})
    with pytest.raises(RefusedViewerError, match="whoever looks from elsewhere needs a token") as caught:
        Guard(tokens).viewer(connection, None)
    assert caught.value.code == 1008
    assert Guard(tokens).viewer(connection, token).role == "viewer"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1:1", "https://evil.example:80"])
def test_a_page_of_another_server_is_refused_before_anything_is_said(web, origin):
    with pytest.raises(InvalidStatus) as caught, opened(web, origin=origin):
        pass
    assert caught.value.response.status_code == 403
    assert "a page of another server may not ask this one" in web.log


def test_its_own_page_is_let_in(web):
    with looking(web, origin=web.url):
        pass


def test_a_name_that_is_not_its_own_is_not_answered_to(web):
    for name, known in (("evil.example", False), ("localhost", True)):
        sock = socket.create_connection(("127.0.0.1", httpx.URL(web.url).port), 10)
        with contextlib.ExitStack() as stack:
            if not known:
                stack.callback(sock.close)
                caught = stack.enter_context(pytest.raises(InvalidStatus))
            stack.enter_context(connect(f"ws://{name}/api/v1/live", sock=sock, compression=None))
        assert known or caught.value.response.status_code == 403


NONSENSE = ["", "null", "[]", "1", "token", "{", '{"token": 5}', '{"token": ["a"]}', "[" * 4000, "9" * 4090, "x" * 4097]


@pytest.mark.parametrize("said", [*NONSENSE, b"", b"\x00\xff", b'{"token": null}'])
def test_whoever_does_not_say_who_they_are_is_sent_away(web, said):
    with opened(web) as viewer:
        viewer.send(said)
        assert refused(viewer) == ('the first message is {"token": null}, or a token', 1008)
    assert "Traceback" not in web.log


def test_nothing_huge_is_listened_to(web):
    with opened(web) as viewer:
        with contextlib.suppress(ConnectionClosed):
            viewer.send("x" * 1_000_000)
        assert ended(viewer) == 1009
    assert "Traceback" not in web.log


def test_whoever_says_nothing_is_sent_away_and_holds_up_nobody(web):
    with opened(web) as silent, looking(web) as viewer:
        Screen(viewer).until(answers)
        began = time.monotonic()
        assert refused(silent) == ("nothing was said", 1008)
        assert time.monotonic() - began < 10


def test_whoever_says_more_is_let_go(web):
    with looking(web) as viewer:
        viewer.send("more")
        assert ended(viewer) == 1013
    assert "Traceback" not in web.log


def test_something_is_said_though_nothing_happens(web):
    with looking(web) as viewer:
        screen = Screen(viewer)
        screen.until(answers)
        while screen.changed[-1]:
            screen.take()
        assert screen.changed[-1] == set()


def test_at_most_200_look_and_a_place_that_is_left_is_free(web):
    async def look(stack: contextlib.AsyncExitStack) -> tuple[asynchronous.ClientConnection, dict]:
        # Without a limit to what waits here: behind it an end of the connection would not be seen.
        options = {"compression": None, "ping_interval": None, "max_queue": None, "close_timeout": 1}
        one = await stack.enter_async_context(asynchronous.connect(address(web), **options))
        await one.send('{"token": null}')
        return one, decode(await one.recv())

    async def many() -> None:
        async with contextlib.AsyncExitStack() as stack:
            found = [await look(stack) for _ in range(200)]
            assert {hello["type"] for _, hello in found} == {"hello"}
            one, message = await look(stack)
            assert message["why"] == "200 look already; close a page that nobody looks at"
            with pytest.raises(ConnectionClosed) as caught:
                await one.recv()
            assert caught.value.rcvd.code == 1013
            pictures = await asyncio.gather(*(one.recv() for one, _ in found))
            assert {decode(data)["type"] for data in pictures} == {"picture"}
            await found[0][0].close()
            async with asyncio.timeout(10):
                while (await look(stack))[1]["type"] != "hello":
                    await asyncio.sleep(0.05)

    asyncio.run(many())


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("saxs/0", 404), ("saxs/-1", 422), ("saxs/x", 422), ("saxs/99999999999", 422), ("spectra?panel=nan", 422),
        ("spectra?panel=x", 422), ("nothing", 404),
    ],
)  # fmt: skip
def test_what_is_not_there_or_no_question_is_refused_in_words(web, path, status):
    answer = web.ask("GET", f"/api/v1/run/{path}")
    assert (answer.status_code, list(answer.json())) == (status, ["detail"])


def test_a_run_that_is_not_there_has_no_spectra(web):
    found = fetched(web, "/api/v1/run/spectra")
    assert (found["run"], found["wavelength_nm"], found["items"]) == (None, None, [])


def test_spectra_are_for_those_who_may_look(web):
    for header in PROXIED:
        assert web.ask("GET", "/api/v1/run/spectra", headers=dict([header])).status_code == 401
    assert web.ask("GET", "/api/v1/run/spectra", "expired").status_code == 401
    assert fetched(web, "/api/v1/run/spectra", "viewer", headers=dict(PROXIED))["items"] == []


def test_the_schema_has_what_can_be_fetched(web):
    paths = web.ask("GET", "/api/v1/openapi.json").json()["paths"]
    for path in ("/api/v1/run/spectra", "/api/v1/run/saxs/{point}"):
        assert "application/octet-stream" in paths[path]["get"]["responses"]["200"]["content"]
