"""Where runs are kept: one folder for each run, with its journals, its NeXus file and its report."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowlab.errors import BadInputError
from flowlab.stream.journal import Journal, JournalError, JournalIndex, run_of, sync_folder

DOCUMENTS = "documents.journal"
ANALYSIS = "results.journal"

_UID = re.compile(r"[\w-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class StoredRun:
    """The folder of a run and the files in it; any of them may not be there yet."""

    folder: Path

    @property
    def journal(self) -> Path:
        """Documents of the run itself."""
        return self.folder / DOCUMENTS

    @property
    def results(self) -> Path:
        """Documents of its analysis."""
        return self.folder / ANALYSIS

    @property
    def nexus(self) -> Path:
        """Spectra, conditions and results as NeXus."""
        return self.folder / "run.nxs"

    @property
    def calibration(self) -> Path:
        """Place of the SAXS detector, where the run has found it."""
        return self.folder / "calibration.poni"

    @property
    def report(self) -> Path:
        """The report as one page."""
        return self.folder / "report.html"

    @property
    def run_uid(self) -> str:
        """Uid of the run.

        Raises:
            JournalError: there is no readable journal.
        """
        return JournalIndex(self.journal).run_uid


class RunStore:
    """A folder of runs.

    Args:
        root: the folder; made when the first run is written.
    """

    def __init__(self, root: Path):
        self.root = root

    @property
    def frames(self) -> Path:
        """Folder for the files of detectors, to which documents of runs refer."""
        return self.root / "frames"

    def open_documents(self, start: dict[str, Any]) -> Journal:
        """Make the folder and the journal of a new run from its start document."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(start["time"]))
        plan = re.sub(r"\W+", "-", str(start.get("plan_name", "run")))
        folder = self.root / f"{stamp}-{plan}-{start['uid'][:8]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(f"{folder}: cannot be made: {error.strerror}") from error
        sync_folder(self.root)
        return Journal(folder / DOCUMENTS, start["uid"])

    def open_results(self, start: dict[str, Any]) -> Journal:
        """Open the journal of an analysis, beside the journal of the run that it is about.

        The journal of an earlier analysis, by other software or of another material, is kept under its uid.
        """
        path = self.run(start["parent_run"]).results
        earlier = run_of(path)
        if earlier is not None and earlier != start["uid"]:
            path.rename(path.with_name(f"results-{earlier[:8]}.journal"))
        return Journal(path, start["uid"])

    def journals(self) -> Iterator[Path]:
        """Every journal in the store, oldest run first."""
        yield from sorted(self.root.glob("*/*.journal"))

    def run(self, uid: str) -> StoredRun:
        """The run of this uid, whoever names it: what is no uid is not looked for, least of all as a path.

        Raises:
            BadInputError: there is no such run.
        """
        if _UID.fullmatch(uid):
            for journal in self.root.glob(f"*-{uid[:8]}/{DOCUMENTS}"):
                if run_of(journal) == uid:
                    return StoredRun(journal.parent)
        raise BadInputError(f"{uid[:64]!r}: there is no run of that uid in {self.root}")

    def find(self, run: str) -> StoredRun:
        """Find a run by its uid, the beginning of it, the path or name of its folder, or the path of a file in it.

        Raises:
            BadInputError: there is no such run, or more than one.
        """
        path = Path(run)
        if run and path.name == run and not path.exists():
            path = self.root / run  # the name of a run's folder, as it is listed
        folder = path if path.is_dir() else path.parent
        if path.exists() and (folder / DOCUMENTS).is_file():
            return StoredRun(folder)
        if path.exists():
            raise BadInputError(f"{run}: is not the folder of a run, nor a file in one")
        found = [
            StoredRun(journal.parent)
            for journal in sorted(self.root.glob(f"*/{DOCUMENTS}"))
            if journal.parent.name.rpartition("-")[2] == run[:8] or len(run) < 8
        ]
        found = [stored for stored in found if len(run) >= 4 and (run_of(stored.journal) or "").startswith(run)]
        if not found:
            raise BadInputError(f"{run}: there is no such file, nor a run of that uid in {self.root}")
        if len(found) > 1:
            raise BadInputError(f"{run}: {len(found)} runs in {self.root} begin so; give more of the uid")
        return found[0]
