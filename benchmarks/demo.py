"""The whole demo as its user runs it: how long it takes, and how much memory each of its processes needs."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time

import psutil

from benchmarks.table import Row

#: What the processes run (``python -m …``), and what they are called.
_NAMES = {
    "flowlab": "session",
    "flowlab.daemon.worker": "worker",
    "flowlab.live": "analyzer",
    "flowlab.storage": "writer",
    "simulators": "simulators",
}


def _note_memory(root: psutil.Process, peak_mb: dict[str, float]) -> None:
    """Keep the largest resident memory of each process that runs now."""
    with contextlib.suppress(psutil.Error):  # one has just ended
        for process in [root, *root.children(recursive=True)]:
            command = process.cmdline()
            if "-m" in command and (name := _NAMES.get(command[command.index("-m") + 1])):
                peak_mb[name] = max(peak_mb.get(name, 0.0), process.memory_info().rss / 1e6)


def rows() -> list[Row]:
    """Eighty spectra at the shipped speed, memory sampled ten times a second."""
    peak_mb: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "flowlab", "demo", "--json", "--out", folder]
        begin = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            root = psutil.Process(process.pid)
            while process.poll() is None:
                _note_memory(root, peak_mb)
                time.sleep(0.1)
            took = time.perf_counter() - begin
            said = process.stdout.read() if process.stdout else ""
    if process.returncode:
        sys.exit(f"flowlab demo ended with exit code {process.returncode}")
    return [
        Row("demo: the scan", json.loads(said)["seconds"], "s", "< 120 s"),
        Row("demo: from the command to the report", took, "s", "-"),
        *(Row(f"demo: peak resident memory, {name}", mb, "MB", "< 400 MB") for name, mb in peak_mb.items()),
    ]
