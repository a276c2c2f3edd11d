"""Questions to a control socket that answers late, out of turn, nonsense, or only to those it knows."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import zmq
import zmq.asyncio

from flowlab.daemon.admission import secure
from flowlab.daemon.keys import Keys
from flowlab.errors import BadInputError
from flowlab.web.control import ControlClient, NoDaemonError, RefusedError, SilentDaemonError, TooBusyError

Answer = Callable[[dict], Awaitable[bytes | None]]


@contextlib.asynccontextmanager
async def asked(answer: Answer, guarded: Keys | None = None, **options) -> AsyncIterator[ControlClient]:
    """A client before a socket that answers so, each question when it can."""
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.ROUTER)
    socket.linger = 0
    guard = secure(socket, guarded) if guarded else None
    socket.bind("tcp://127.0.0.1:*")
    under_way: set[asyncio.Task] = set()

    async def reply(envelope: list[bytes], question: bytes) -> None:
        said = await answer(json.loads(question))
        if said is not None:
            await socket.send_multipart([*envelope, said])

    async def serve() -> None:
        while True:
            *envelope, question = await socket.recv_multipart()
            task = asyncio.create_task(reply(envelope, question))
            under_way.add(task)
            task.add_done_callback(under_way.discard)

    serving = asyncio.create_task(serve())
    client = ControlClient(socket.last_endpoint.decode().rstrip("\0"), options.pop("limit_s", 1.0), **options)
    try:
        yield client
    finally:
        client.close()
        tasks = [serving, *under_way]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        socket.close()
        if guard is not None:
            guard.close()
        context.term()


def yes(**facts) -> bytes:
    return json.dumps({"success": True, "msg": "", **facts}).encode()


def test_each_question_gets_its_own_answer_though_they_come_out_of_turn():
    async def late(question: dict) -> bytes:
        number = question["params"]["number"]
        await asyncio.sleep(0.02 * (20 - number))
        return yes(number=number)

    async def story() -> None:
        async with asked(late) as client:
            answers = await asyncio.gather(*(client.ask("count", number=i) for i in range(20)))
            assert [answer["number"] for answer in answers] == list(range(20))

    asyncio.run(story())


def test_a_late_answer_is_never_taken_for_the_next_ones():
    async def first_late(question: dict) -> bytes:
        if question["method"] == "slow":
            await asyncio.sleep(0.4)
        return yes(method=question["method"])

    async def story() -> None:
        async with asked(first_late, limit_s=0.2) as client:
            with pytest.raises(SilentDaemonError, match="did not answer within 0.2 s"):
                await client.ask("slow")
            for _ in range(10):
                assert await client.ask("quick") == {"method": "quick"}
                await asyncio.sleep(0.05)
            assert await client.ask("slow", limit_s=2.0) == {"method": "slow"}

    asyncio.run(story())


def test_what_stops_something_does_not_wait_for_its_turn():
    async def stuck(question: dict) -> bytes | None:
        return None if question["method"] == "queue_item_add" else yes()

    async def story() -> None:
        async with asked(stuck, limit_s=0.3) as client:
            many = [asyncio.create_task(client.ask("queue_item_add", limit_s=1.0)) for _ in range(32)]
            await asyncio.sleep(0.05)
            with pytest.raises(TooBusyError, match="32 questions are under way already"):
                await client.ask("queue_get")
            assert await client.ask("flowlab_safe_state") == {}
            assert await client.ask("re_abort") == {}
            ended = await asyncio.gather(*many, return_exceptions=True)
            assert {type(one) for one in ended} == {SilentDaemonError}

    asyncio.run(story())


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (b'{"success": false, "msg": "two\\nlines", "kind": "bad_input"}', BadInputError, "two lines"),
        (b'{"success": false, "msg": "not now"}', RefusedError, "not now"),
        (b'{"success": false}', RefusedError, "ask was refused, without a reason"),
        (b"{}", RefusedError, "without a reason"),
        (b'{"success": "yes"}', RefusedError, "without a reason"),
        (b"[]", NoDaemonError, "is no daemon of flowlab's"),
        (b"\xff", NoDaemonError, "is no daemon of flowlab's"),
        (b"[" * 100_000, NoDaemonError, "is no daemon of flowlab's"),
        (b"", NoDaemonError, "is no daemon of flowlab's"),
    ],
)
def test_what_is_not_granted_is_told_by_its_kind(said, error, words):
    async def answer(question: dict) -> bytes:
        return said

    async def story() -> None:
        async with asked(answer) as client:
            with pytest.raises(error, match=words):
                await client.ask("ask")

    asyncio.run(story())


def test_an_address_that_is_none_is_told():
    async def story() -> None:
        client = ControlClient("nonsense", 0.2)
        with pytest.raises(NoDaemonError, match="the daemon cannot be asked at nonsense"):
            await client.ask("ping")
        client.close()

    asyncio.run(story())


def test_a_socket_that_asks_for_keys_answers_a_client_that_has_one_and_no_other(tmp_path):
    keys = Keys(tmp_path / "keys")
    known, removed = tmp_path / "known", tmp_path / "removed"
    known.write_text(keys.new("web").text("web"))
    removed.write_text(keys.new("old").text("old"))
    keys.remove("old")

    async def answer(question: dict) -> bytes:
        return yes(pong=True)

    async def story() -> None:
        for file in (known, removed, None):
            async with asked(answer, keys, keys=file) as client:
                if file == known:
                    assert await client.ask("ping") == {"pong": True}
                else:
                    with pytest.raises(NoDaemonError, match="takes no questions: it hangs, or these are not its keys"):
                        await client.ask("ping")

    asyncio.run(story())


def test_a_daemon_that_hangs_is_not_one_that_is_to_be_started(tmp_path):
    async def story(address: str, words: str) -> None:
        client = ControlClient(address, 0.2)
        with pytest.raises(NoDaemonError, match=words):
            await client.ask("flowlab_safe_state")
        client.close()

    where = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(where))
        hanging.listen()
        asyncio.run(story(f"ipc://{where}", "takes no questions: it hangs.*nothing was done.*is not known: go there"))
    asyncio.run(story(f"ipc://{where}", "no daemon is there to answer; start it with flowlab up"))
