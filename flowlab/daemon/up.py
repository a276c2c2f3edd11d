"""The daemon as a process: holds its state folder, answers on its control socket, and ends tidily on a signal."""

import asyncio
import contextlib
import logging
import logging.handlers
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from flowlab.config import load_instrument
from flowlab.config.paths import find_config
from flowlab.daemon.admission import secure
from flowlab.daemon.api import Api
from flowlab.daemon.control import ControlSocket, Secure, check_address
from flowlab.daemon.keys import Keys
from flowlab.daemon.plan_queue import PlanQueue
from flowlab.daemon.state_folder import StateFolder, instrument_held
from flowlab.daemon.supervisor import Supervisor
from flowlab.daemon.surroundings import Simulation
from flowlab.errors import BadInputError

_LOG_BYTES, _LOGS = 4 << 20, 5
_EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


@dataclass(frozen=True)
class Wishes:
    """What ``flowlab up`` was asked for.

    Attributes:
        config: file of the instrument, or the name of a shipped one.
        simulation: start simulators; None where the instrument is there already.
        control: address of a second control socket, beside the one in a folder of the user's own.
        http: host and port of the HTTP API; None: none.
        admit_stock: let clients of bluesky-queueserver in, who cannot have keys of their own.
    """

    config: str
    simulation: Simulation | None
    control: str | None = None
    http: tuple[str, int] | None = ("127.0.0.1", 0)
    admit_stock: bool = False


def up(wishes: Wishes, folder: StateFolder) -> int:
    """Be the daemon until a signal ends it.

    Returns:
        The exit code.

    Raises:
        BadInputError: the configuration is not well, or another daemon has the state or the instrument.
        FlowlabError: it cannot start.
    """
    config = load_instrument(wishes.config)
    with ExitStack() as stack:
        stack.enter_context(folder.held(config.name))
        if wishes.simulation is None:
            stack.enter_context(instrument_held(config))
        stack.enter_context(_logged(folder.logs))
        stack.callback(folder.remove_sockets)
        queue = stack.enter_context(PlanQueue(folder.queue))
        source = find_config("instruments", wishes.config).absolute()
        return asyncio.run(_live(wishes, folder, queue, source))


async def _live(wishes: Wishes, folder: StateFolder, queue: PlanQueue, source: Path) -> int:
    supervisor = Supervisor(load_instrument(source), source, folder, queue, wishes.simulation)
    signalled = _signalled()
    with ExitStack() as stack:
        api = Api(supervisor, folder.lock)
        addresses = [f"ipc://{folder.sockets() / 'control'}", *([wishes.control] if wishes.control else [])]
        sockets = [
            stack.enter_context(ControlSocket(api, address, _secured(address, folder, wishes))) for address in addresses
        ]
        serving = [asyncio.ensure_future(each.serve()) for each in sockets]
        supervisor.control = sockets[0].address
        supervisor.also = sockets[-1].address if wishes.control else None
        folder.tell(supervisor.facts())
        for each in sockets:
            _say(f"control    {each.address}")
        starting = asyncio.ensure_future(_start(supervisor, wishes))
        await asyncio.wait([starting, signalled], return_when=asyncio.FIRST_COMPLETED)
        failure = starting.exception() if starting.done() else None
        if failure is None and not signalled.done():
            folder.tell(supervisor.facts())
            _announce(supervisor)
            await signalled
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        number = signalled.result() if signalled.done() else None
        await supervisor.stop("it failed to start" if number is None else f"flowlab was ended by {number.name}")
        for each in serving:
            each.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
    if failure is not None:
        raise failure
    return _EXIT_CODES[number] if number is not None else 1


def _signalled() -> "asyncio.Future[signal.Signals]":
    """Which signal is to end it, once one has come; those after it change nothing: it ends within its time limits."""
    loop = asyncio.get_running_loop()
    signalled: asyncio.Future[signal.Signals] = loop.create_future()

    def on(number: signal.Signals) -> None:
        if not signalled.done():
            signalled.set_result(number)

    for number in _EXIT_CODES:
        loop.add_signal_handler(number, on, number)
    loop.add_signal_handler(signal.SIGTSTP, lambda: None)  # Ctrl-Z: who is stopped watches over nothing
    return signalled


async def _start(supervisor: Supervisor, wishes: Wishes) -> None:
    await supervisor.start()
    if wishes.http is not None:
        assert supervisor.control is not None  # noqa: S101  it was bound before
        await supervisor.serve_web(supervisor.control, *wishes.http)


def _secured(address: str, folder: StateFolder, wishes: Wishes) -> Secure | None:
    """What lets in those alone who have a key; None where only this machine can ask."""
    with contextlib.suppress(BadInputError):
        check_address(address, secure=False)
        return None
    keys = Keys(folder.keys)
    if not (keys.clients() or wishes.admit_stock):
        return None  # the socket refuses, in words
    return lambda socket: secure(socket, keys, admit_stock=wishes.admit_stock)


def _announce(supervisor: Supervisor) -> None:
    facts = supervisor.facts()
    for name in ("documents", "http", "faults"):
        if facts["addresses"][name]:
            _say(f"{name:10} {facts['addresses'][name]}")
    _say(f"{facts['instrument']} is {facts['state']}" + (f": {facts['why']}" if facts["why"] else "; Ctrl-C ends it"))


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads along
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


@contextmanager
def _logged(folder: Path) -> Iterator[None]:
    """Keep a log of the daemon's own, one JSON object a line, in files that are rotated."""
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(
        folder / "daemon.jsonl", maxBytes=_LOG_BYTES, backupCount=_LOGS, encoding="utf-8"
    )
    handler.setFormatter(_AsJson())
    root = logging.getLogger("flowlab")
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
        handler.close()


class _AsJson(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        import json

        said = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "from": record.name,
            "said": record.getMessage(),
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said)
