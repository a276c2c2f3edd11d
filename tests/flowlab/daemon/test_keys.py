"""Keys at a real control socket: who is known comes in, and nobody else does."""

import asyncio
import logging
from contextlib import asynccontextmanager

import pytest
import zmq
import zmq.asyncio

from flowlab.daemon.admission import secure
from flowlab.daemon.keys import STOCK_NAME, STOCK_PUBLIC, ClientKeys, Keys
from flowlab.errors import BadInputError, FlowlabError

#: From bluesky-queueserver 0.0.25, manager/comms.py: what all of its clients have.
STOCK_SECRET = b"=@e7WwVuz{*eGcnv{AL@x2hmX!z^)wP3vKsQ{S7s"


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path / "keys")


@asynccontextmanager
async def server(keys: Keys, **options):
    """A socket that says to who asks who it is; its address."""
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.ROUTER)
    socket.linger = 0
    authenticator = secure(socket, keys, **options)
    port = socket.bind_to_random_port("tcp://127.0.0.1")

    async def serve():
        while True:
            frames = await socket.recv_multipart(copy=False)
            await socket.send_multipart([*(bytes(f) for f in frames[:-1]), frames[-1].get("User-Id").encode()])

    task = asyncio.create_task(serve())
    try:
        yield f"tcp://127.0.0.1:{port}"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        socket.close()
        authenticator.close()
        context.term()


async def ask(address: str, keys: ClientKeys | None) -> str | None:
    """What the server says; None when it does not."""
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.REQ)
    socket.linger = 0
    if keys is not None:
        keys.secure(socket)
    try:
        socket.connect(address)
        await socket.send(b"who am I?")
        return (await asyncio.wait_for(socket.recv(), 1.0)).decode()
    except TimeoutError:
        return None
    finally:
        socket.close()
        context.term()


async def asked(keys: Keys, client: ClientKeys | None, **options) -> str | None:
    async with server(keys, **options) as address:
        return await ask(address, client)


def test_a_known_client_comes_in_under_its_name(keys):
    anna, ben = keys.new("anna"), keys.new("ben")
    assert asyncio.run(asked(keys, anna)) == "anna"
    assert asyncio.run(asked(keys, ben)) == "ben"


def test_a_client_made_while_the_daemon_runs_comes_in_and_a_removed_one_does_not(keys, caplog):
    async def story():
        async with server(keys) as address:
            anna = keys.new("anna")
            assert await ask(address, anna) == "anna"
            keys.remove("anna")
            assert await ask(address, anna) is None
            return anna

    with caplog.at_level(logging.WARNING):
        anna = asyncio.run(story())
    assert f"refused at the control socket: 127.0.0.1, with key {anna.public.decode()}" in caplog.text
    assert anna.secret.decode() not in caplog.text


def test_who_has_no_key_or_a_wrong_servers_key_is_not_answered(keys):
    anna = keys.new("anna")
    other, _ = zmq.curve_keypair()

    async def story():
        async with server(keys) as address:
            assert await ask(address, None) is None
            assert await ask(address, ClientKeys(anna.public, anna.secret, other)) is None

    asyncio.run(story())


def test_stock_clients_who_share_one_key_are_refused_unless_that_is_wanted(keys, caplog):
    assert zmq.curve_public(STOCK_SECRET) == STOCK_PUBLIC
    stock = ClientKeys(STOCK_PUBLIC, STOCK_SECRET, keys.server()[0])
    with caplog.at_level(logging.WARNING):
        assert asyncio.run(asked(keys, stock)) is None
    assert "the key that all stock clients share" in caplog.text
    assert asyncio.run(asked(keys, stock, admit_stock=True)) == STOCK_NAME


def test_the_servers_pair_is_made_once_and_is_for_its_eyes_only(keys, tmp_path):
    assert keys.server() == keys.server() == Keys(tmp_path / "keys").server()
    file = tmp_path / "keys" / "server.key_secret"
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    with pytest.raises(FlowlabError, match="may be read by others: chmod 600"):
        keys.server()


def test_a_clients_secret_is_kept_nowhere_and_is_read_from_its_file(keys, tmp_path):
    anna = keys.new("anna")
    for file in (tmp_path / "keys").rglob("*.key*"):
        assert anna.secret not in file.read_bytes()
    path = tmp_path / "anna.key_secret"
    path.write_text(anna.text("anna"))
    assert ClientKeys.load(path) == anna
    assert keys.clients() == {"anna": anna.public}


def test_what_is_no_clients_key_is_refused_as_one(keys, tmp_path):
    keys.new("anna")
    for path in (tmp_path / "keys" / "clients" / "anna.key", tmp_path / "keys" / "server.key_secret"):
        with pytest.raises(BadInputError, match="is no client's key"):
            ClientKeys.load(path)
    with pytest.raises(BadInputError, match="cannot be used as a key"):
        ClientKeys.load(tmp_path / "nothing")


def test_a_name_has_one_key_and_is_never_a_way_to_another_file(keys):
    keys.new("anna")
    with pytest.raises(BadInputError, match="there is a key of anna already"):
        keys.new("anna")
    for name in ("..", "../server", "a/b", ".x", ""):
        with pytest.raises(BadInputError, match="is no name"):
            keys.new(name)
        with pytest.raises(BadInputError, match="is no name"):
            keys.remove(name)
    with pytest.raises(BadInputError, match="there is no key of ben: anna"):
        keys.remove("ben")
