"""What every test may use, and what every test must leave behind: nothing."""

import contextlib
import gc
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings

SHARED_SPECTRA = Path(__file__).parents[2] / "shared" / "data" / "cdse-hot-injection"

pytest.register_assert_rewrite("tests.simulators.benches")

# Wall-clock deadlines would make tests depend on the machine's speed.
settings.register_profile("flowlab", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
settings.load_profile("flowlab")

# A shell that starts the tests in the background has them ignore Ctrl-C, and what they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def _open_things() -> set[str]:
    """Threads, child processes, sockets and files that are open now."""
    things = {f"thread {t.name} ({t.ident})" for t in threading.enumerate()}
    things |= {f"process {p.pid} {p.name()}" for p in psutil.Process().children(recursive=True)}
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one that iterdir itself had open
            things.add(f"descriptor {descriptor.name} {descriptor.readlink()}")
    return things


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    """Fail a test that leaves a thread, process, socket or file open."""
    before = _open_things()
    yield
    end = time.monotonic() + 5
    while left := _open_things() - before:
        gc.collect()
        if time.monotonic() > end:
            pytest.fail(f"left open: {', '.join(sorted(left))}")
        threading.Event().wait(0.01)


@pytest.fixture(scope="session")
def measured_spectra() -> Path:
    """The folder of measured absorption series; the test is skipped where it is not there."""
    if not SHARED_SPECTRA.is_dir():
        pytest.skip("the measured spectra of cdse-hot-injection are not here")
    return SHARED_SPECTRA
