"""A run in the files that others read: CSV tables, NXcanSAS curves, or the whole as NeXus."""

import csv
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

import flowlab
from flowlab.errors import BadInputError
from flowlab.storage.__main__ import Writer
from flowlab.storage.saxs import title, write_curve
from flowlab.stream import RunStore, StoredRun, read_journal

Format = Literal["csv", "nxcansas", "nexus"]
Document = tuple[str, dict[str, Any]]


def export_run(stored: StoredRun, results: list[Document], form: Format, out: Path) -> list[Path]:
    """Write a run.

    Args:
        stored: the run.
        results: documents of its analysis.
        form: ``csv``: a table for each stream of the analysis, and a file for each reduced curve; ``nxcansas``: one
            HDF5 file with an entry for each reduced curve; ``nexus``: everything, with links to the frames.
        out: folder for ``csv``, file otherwise.

    Returns:
        What was written.

    Raises:
        BadInputError: the run has nothing of that form, or ``out`` is in the way.
        OSError: it cannot be written.
    """
    if form == "csv" and out.exists() and not out.is_dir():
        raise BadInputError(f"{out}: is a file; csv writes a folder of tables")
    if form != "csv" and out.is_dir():
        raise BadInputError(f"{out}: is a folder; name the file to write in it")
    start = next((m.doc for m in read_journal(stored.journal) if m.name == "start"), None)
    if start is None:
        raise BadInputError(f"{stored.journal}: holds no run")
    match form:
        case "csv":
            return _csv(start, results, out)
        case "nxcansas":
            return [_nxcansas(start, results, out)]
        case "nexus":
            return [_nexus(stored, out)]


def _streams(results: Iterable[Document]) -> dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Data keys and events of each stream, by its name."""
    found: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {}
    names: dict[str, str] = {}
    for name, doc in results:
        if name == "descriptor":
            names[doc["uid"]] = doc["name"]
            found[doc["name"]] = (doc["data_keys"], [])
        elif name == "event":
            found[names[doc["descriptor"]]][1].append(doc)
    return found


def _csv(start: dict[str, Any], results: list[Document], out: Path) -> list[Path]:
    streams = _streams(results)
    if not any(events for _, events in streams.values()):
        raise BadInputError(f"run {start['uid']}: its analysis gave no result to export")
    out.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, (keys, events) in streams.items():
        path = out / f"{name}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            scalars = [key for key in keys if keys[key].get("dtype") != "array"]
            table.writerow(["time", *(_with_unit(key, keys[key]) for key in scalars)])
            table.writerows([event["time"], *(event["data"][key] for key in scalars)] for event in events)
        written.append(path)
    for event in streams.get("saxs_points", ({}, []))[1]:
        point = event["data"]
        if point["usable"]:
            written.append(_curve_csv(start, point, out / f"saxs_{point['point']:03d}.csv"))
    return written


def _with_unit(key: str, described: dict[str, Any]) -> str:
    """The name of a column; its unit, where the name does not say it."""
    unit = described.get("units")
    return key if not unit or key.endswith(("_nm", "_ev", "_c", "_s", "_ml", "_m", "_rad")) else f"{key} ({unit})"


def _curve_csv(start: dict[str, Any], point: dict[str, Any], path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(f"# {title(start, point)}; run {start['uid']}; flowlab {flowlab.__version__}\n")
        file.write(f"# {json.dumps(point['why'], ensure_ascii=False)}; intensities in {point['unit']}\n")
        table = csv.writer(file)
        table.writerow(["q_per_nm", "intensity", "intensity_err", "intensity_shared_err"])
        columns = [np.asarray(point[k]) for k in ("q_per_nm", "intensity", "intensity_err", "intensity_shared_err")]
        table.writerows(row for row in zip(*(c.tolist() for c in columns), strict=True) if np.isfinite(row[1]))
    return path


def _nxcansas(start: dict[str, Any], results: list[Document], out: Path) -> Path:
    points = [event for event in _streams(results).get("saxs_points", ({}, []))[1] if event["data"]["usable"]]
    if not points:
        raise BadInputError(f"run {start['uid']}: has no reduced SAXS curve to export as NXcanSAS")
    out.parent.mkdir(parents=True, exist_ok=True)
    new = out.with_name(f"{out.name}.new")
    with h5py.File(new, "w") as file:
        file.attrs["creator"] = f"flowlab {flowlab.__version__}"
        entries = [write_curve(file, start, event["data"], event["time"]) for event in points]
        file.attrs["default"] = next(entry for entry in entries if entry is not None)
    new.replace(out)
    return out


def _nexus(stored: StoredRun, out: Path) -> Path:
    """A copy of the run's own file, made anew from its journals where it is not there; links to frames stay true."""
    if not stored.nexus.is_file():
        writer = Writer(RunStore(stored.folder.absolute().parent))
        for journal in (stored.journal, stored.results):
            for message in read_journal(journal) if journal.is_file() else ():
                writer.take(message)
        writer.flush()
    if not stored.nexus.is_file():
        raise BadInputError(f"{stored.folder}: the run does not say how it is analysed: there is no NeXus file of it")
    out.parent.mkdir(parents=True, exist_ok=True)
    new = out.with_name(f"{out.name}.new")
    shutil.copyfile(stored.nexus, new)
    with h5py.File(new, "r+") as file:
        frames = file.get("entry/frames")
        for place in frames.values() if isinstance(frames, h5py.Group) else ():
            link = place.get("data", getlink=True)
            if isinstance(link, h5py.ExternalLink):
                target = (stored.folder / link.filename).resolve()
                del place["data"]
                place["data"] = h5py.ExternalLink(str(target), link.path)
    new.replace(out)
    return out
