"""EPICS servers that other people wrote, each in a process of its own on a port of its own."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from tests.epics import free_port, own_environment

#: Records of EPICS Base, by softioc: a ring current that can be lost, and a shutter that follows its command.
SOFTIOC = """
import sys
from softioc import alarm, asyncio_dispatcher, builder, softioc

builder.SetDeviceName("SR")
current = builder.aIn("CURRENT", initial_value=249.5, EGU="mA", PREC=3)
status = builder.mbbIn("STATUS", "Closed", "Open", "Fault", initial_value=0)
builder.boolOut("SHUTTER", "Close", "Open", always_update=True, on_update=lambda opened: status.set(opened))
builder.boolOut("BREAK", always_update=True, on_update=lambda _: current.set(0.0, severity=alarm.INVALID_ALARM))
builder.LoadDatabase()
softioc.iocInit(asyncio_dispatcher.AsyncioDispatcher())
print("ready", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def running(*arguments: str, ready: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a server; give its process and address once it has said ``ready``. It is killed at the end."""
    port = free_port()
    with subprocess.Popen(
        [sys.executable, *arguments],
        env=own_environment(port),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = []
            while ready not in (line := process.stdout.readline()):
                said.append(line)
                assert line, "".join(said)
            yield process, f"ca://127.0.0.1:{port}"
        finally:
            process.kill()


@contextlib.contextmanager
def fake_motors() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """caproto's fake motor records, ``sim:mtr1`` to ``sim:mtr3``."""
    arguments = ("-m", "caproto.ioc_examples.fake_motor_record", "--interfaces", "127.0.0.1")
    with running(*arguments, ready="Server startup complete") as server:
        yield server


@contextlib.contextmanager
def soft_ioc() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Records of EPICS Base: ``SR:CURRENT``, ``SR:STATUS``, ``SR:SHUTTER``; ``SR:BREAK`` loses the current."""
    with running("-c", SOFTIOC, ready="ready") as server:
        yield server
