"""What every test may use, and what every test must leave behind: nothing."""

import contextlib
import gc
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import pyvisa_py  # noqa: F401  it opens libusb when it is first imported, and keeps that open for ever
from hypothesis import HealthCheck, settings

#: Measured absorption series, where there are any: a folder beside the checkout, or where the variable points.
MEASURED_SPECTRA = Path(
    os.environ.get("FLOWLAB_MEASURED_SPECTRA") or Path(__file__).parents[2] / "shared" / "data" / "cdse-hot-injection"
)

pytest.register_assert_rewrite("tests.simulators.benches")

# As the command line has it, for all that tests start.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Wall-clock deadlines would make tests depend on the machine's speed.
settings.register_profile("flowlab", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
settings.load_profile("flowlab")

# A shell that starts the tests in the background has them ignore Ctrl-C, and what they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole runs come first: each takes long, and what is left for the end is short."""
    items.sort(key=lambda item: "end_to_end" not in item.path.parts)


def _open_things() -> set[str]:
    """Threads, child processes, sockets and files that are open now."""
    threads = [t for t in threading.enumerate() if not t.name.startswith("pytest_timeout ")]
    things = {f"thread {t.name} ({t.ident})" for t in threads}
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            # A browser starts and ends processes as it likes; that none is left is for who closes it.
            if not (name := child.name()).startswith("chrom"):
                things.add(f"process {child.pid} {name}")
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one that iterdir itself had open
            things.add(f"descriptor {descriptor.name} {descriptor.readlink()}")
    return things


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    """Fail a test that leaves a thread, process, socket or file open."""
    yield from _leave_nothing_open()


@pytest.fixture(autouse=True, scope="module")
def nothing_is_left_open_by_fixtures() -> Iterator[None]:
    """The same for what the tests of a module share."""
    yield from _leave_nothing_open()


def _leave_nothing_open() -> Iterator[None]:
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
    if not MEASURED_SPECTRA.is_dir():
        pytest.skip(f"there are no measured spectra in {MEASURED_SPECTRA}")
    return MEASURED_SPECTRA
