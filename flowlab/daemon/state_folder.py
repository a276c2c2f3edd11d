"""Where the daemon keeps what outlives it, and the short-lived folder of its sockets."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowlab.errors import BadInputError, FlowlabError

if TYPE_CHECKING:
    from flowlab.config import InstrumentConfig


class StateFolder:
    """``$FLOWLAB_STATE``, else ``flowlab`` in the XDG state directory.

    Args:
        path: another one.

    Attributes:
        queue: the queue and its history.
        runs: folder of runs, each with its journal.
        logs: folder of logs.
        keys: folder of CURVE keys.
        tokens: folder of hashed tokens.
        lock: who has locked the queue or the devices, and how.
    """

    def __init__(self, path: Path | None = None):
        self.path = (path or _usual()).absolute()
        self.queue = self.path / "queue.sqlite"
        self.runs = self.path / "runs"
        self.logs = self.path / "logs"
        self.keys = self.path / "keys"
        self.tokens = self.path / "tokens"
        self.lock = self.path / "lock.json"
        self._facts = self.path / "daemon.json"

    def sockets(self) -> Path:
        """The folder of sockets, made for this user alone: in the runtime directory, for paths of sockets are short.

        Raises:
            FlowlabError: somebody else has made it.
        """
        root = os.environ.get("XDG_RUNTIME_DIR")
        mine = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        folder = Path(root or tempfile.gettempdir()) / f"flowlab-{os.getuid()}-{mine}"
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700, parents=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise FlowlabError(f"{folder}: is not a folder of yours alone (mode 0700); remove it")
        return folder

    def remove_sockets(self) -> None:
        """Remove the folder of sockets, once nobody serves them any longer."""
        folder = self.sockets()
        for path in folder.iterdir():
            if stat.S_ISSOCK(path.lstat().st_mode):
                path.unlink()
        with contextlib.suppress(OSError):  # something of somebody else's is in it
            folder.rmdir()

    @contextmanager
    def held(self, instrument: str) -> Iterator[None]:
        """Have this folder for one process; that ends with the process, however that ends.

        Raises:
            BadInputError: another has it; the message says who.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(self.path / "lock", f"{self.path}", {"instrument": instrument}):
            yield

    def tell(self, facts: dict[str, Any]) -> None:
        """Leave a note, for those who look for the daemon."""
        new = self._facts.with_suffix(".new")
        new.write_text(json.dumps(facts), encoding="utf-8")
        new.replace(self._facts)

    def facts(self) -> dict[str, Any]:
        """The note that the daemon left, the last time that one ran; empty when none ever did."""
        try:
            facts = json.loads(self._facts.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return facts if isinstance(facts, dict) else {}


@contextmanager
def instrument_held(config: "InstrumentConfig") -> Iterator[None]:
    """Have an instrument for one process of this machine: two on one reactor would fight. Its addresses tell it.

    Raises:
        BadInputError: another has it; the message says who.
    """
    addresses = sorted({entry.address for entry in config.devices.values() if entry.address is not None})
    mark = hashlib.sha256("\n".join(addresses or [config.name]).encode()).hexdigest()[:12]
    path = Path(tempfile.gettempdir()) / f"flowlab-instrument-{mark}.lock"
    with _locked(path, f"the instrument {config.name}", {}):
        yield


@contextmanager
def _locked(path: Path, what: str, facts: dict[str, Any]) -> Iterator[None]:
    try:
        # Not followed where somebody else put a link; open to all, for another user's daemon must be seen, too.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise FlowlabError(f"{path}: cannot be opened: {error.strerror}") from None
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise FlowlabError(f"{path}: cannot be locked: {error.strerror}") from None
            raise BadInputError(
                f"{what} is held by {_holder(file.read(1000))}; end that first, or use another one"
            ) from None
        file.truncate(0)
        json.dump({"pid": os.getpid(), **facts}, file)
        file.flush()
        yield
        file.truncate(0)


def _holder(text: str) -> str:
    try:
        facts = json.loads(text)
        of = f" for {facts['instrument']}" if "instrument" in facts else ""
        return f"another flowlab{of}, process {int(facts['pid'])}"
    except (ValueError, KeyError, TypeError):
        return "another flowlab"


def _usual() -> Path:
    if given := os.environ.get("FLOWLAB_STATE"):
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state and Path(state).is_absolute() else Path.home() / ".local" / "state") / "flowlab"
