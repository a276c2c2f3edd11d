"""The whole simulated lab for runs that end badly: its file with other words, what is not safe of it, what is left."""

import contextlib
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  frames are compressed
import numpy as np

from flowlab.config.paths import shipped_config
from flowlab.daemon.session import Session
from flowlab.stream import Message, read_journal
from tests.simulators.benches import Served

SPEED = 300.0


def lab_file(path: Path, *replacements: tuple[str, str]) -> Path:
    """The shipped lab, with interlocks that are looked at often, as plant time runs fast; and with other words."""
    text = (shipped_config() / "instruments" / "simulated-flow.toml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^every_s = .*\n", "", text)
    text = re.sub(r'(?m)^(action = "(?:safe|hold)"\n)', r"\1every_s = 0.1\nblind_s = 0.5\n", text)
    for old, new in replacements:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return path


def lab(session: Session) -> Served:
    """Its control port."""
    assert session.control is not None
    return Served(None, session.addresses, session.control)  # type: ignore[arg-type]


def unsafe(truth: dict[str, Any]) -> set[str]:
    """The instruments that, by the plant's truth, are not in their safe state."""
    instruments = truth["instruments"]
    heaters = {name for name in truth["heaters"] if instruments[name]["working_set_point_c"] != 20.0}
    pumps = {name for kind in ("pumps", "feeds") for name, pump in truth[kind].items() if pump["rate_ml_min"] != 0}
    light = {"led"} if truth["luminescence"]["led_on"] else set()
    beam = {"beam_shutter"} if truth["xray"]["shutter_open"] else set()
    valves = {name for name, valve in truth["valves"].items() if valve["turning"] or valve["port"] != 1}
    return heaters | pumps | light | beam | valves


def newest_run(session: Session) -> tuple[Path, list[Message]]:
    """Folder and documents of the run that was begun last."""
    journals = [path for path in session.store.journals() if path.stem == "documents"]
    journal = max(journals, key=lambda path: path.stat().st_mtime_ns)
    return journal.parent, list(read_journal(journal))


def streams(messages: list[Message]) -> list[tuple[str, dict[str, Any]]]:
    """Stream and data of each event."""
    names = {m.doc["uid"]: m.doc["name"] for m in messages if m.name == "descriptor"}
    return [(names[m.doc["descriptor"]], m.doc["data"]) for m in messages if m.name == "event"]


def spectra_in_file(folder: Path, wanted: int) -> int:
    """How many spectra the NeXus file of a run has, once it has as many as are wanted: the writer may be behind."""
    return _in_file(folder, wanted, lambda file: len(file["entry/data/absorbance"]))


def frames_in_file(folder: Path, stream: str, wanted: int) -> int:
    """The same of frames of a stream, in the files it names; a server that was cut off has its own still open."""

    def readable(file: h5py.File) -> int:
        groups = [group for name, group in file["entry/frames"].items() if name.startswith(f"{stream}_0")]
        paths = [group["uri"].asstr()[()].removeprefix("file://localhost") for group in groups]
        return sum(image.max() > 0 for path in paths for image in images(path))

    return _in_file(folder, wanted, readable)


def images(path: str) -> Any:
    """The frames of a detector's file, which may be open for writing; shape (frames, rows, columns)."""
    with h5py.File(path, swmr=True) as file:
        return np.asarray(file["/entry/data/data"])


def _in_file(folder: Path, wanted: int, count: Callable[[h5py.File], int], limit_s: float = 30.0) -> int:
    end = time.monotonic() + limit_s
    found = -1
    while found < wanted and time.monotonic() < end:
        with contextlib.suppress(OSError, KeyError), h5py.File(folder / "run.nxs") as file:  # it is being written
            found = count(file)
        threading.Event().wait(0.02)
    return found
