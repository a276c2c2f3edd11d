"""Names and files of what must be read by nobody else: keys and tokens, each in a file of its own."""

import contextlib
import os
import re
from pathlib import Path

from flowlab.errors import BadInputError, FlowlabError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


def checked_name(name: str) -> str:
    """The name, which is that of a file as well.

    Raises:
        BadInputError: it is none that a file may have everywhere.
    """
    if not _NAME.fullmatch(name):
        raise BadInputError(f"{name!r} is no name: up to 63 letters, digits, - and _, a letter or digit first")
    return name


def write_new(path: Path, text: str) -> None:
    """Write a file that nobody else may read, in a folder that nobody else may enter; all of it or none.

    Raises:
        FileExistsError: there is one.
        FlowlabError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with os.fdopen(
                os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii"
            ) as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.link(partial, path)  # unlike a rename, this takes nobody's place
        finally:
            with contextlib.suppress(FileNotFoundError):
                partial.unlink()
    except FileExistsError:
        raise
    except OSError as error:
        raise FlowlabError(f"{path}: cannot be written: {error.strerror}") from None


def named_files(folder: Path, ending: str) -> dict[str, Path]:
    """The files of a folder that end so, by name; none where there is no folder."""
    found = {path.name.removesuffix(ending): path for path in folder.glob(f"*{ending}")}
    return {name: found[name] for name in sorted(found) if _NAME.fullmatch(name)}
