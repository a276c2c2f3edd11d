"""The text of a file, whoever wrote it and with what: bounded, decoded, and refused when it is none."""

import re
from pathlib import Path

from flowlab.errors import BadInputError

MOST_BYTES = 50_000_000
_LINE_ENDS = re.compile(r"\r\n|\r|\n")
#: Control characters that no text has: tabs, line ends, form feeds and the DOS end of file are not among them.
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x19\x1b-\x1f]")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?", re.ASCII)
_MISSING = frozenset({"", "nan", "na", "n/a", "#n/a", "null", "none", "-", "--", "inf", "-inf", "+inf", "over", "ovr"})


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file.

    Raises:
        BadInputError: there is no such file, it cannot be read, it is empty or too large.
    """
    try:
        if path.is_dir():
            raise BadInputError(f"{path}: is a folder; name the files in it")
        if path.exists() and not path.is_file():
            raise BadInputError(f"{path}: is not a file")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise BadInputError(
                f"{path}: has {size / 1e6:.0f} MB; a series of spectra has at most {MOST_BYTES / 1e6:.0f}"
            )
        data = path.read_bytes()
    except FileNotFoundError:
        raise BadInputError(f"{path}: there is no such file") from None
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:  # a NUL in the name
        raise BadInputError(f"{path!s}: is no name of a file") from None
    if not data.strip():
        raise BadInputError(f"{path}: is empty")
    return data


def lines_of(path: Path, data: bytes) -> list[str]:
    """The lines of a text in UTF-8, UTF-16 with its mark, or a Windows code page.

    Raises:
        BadInputError: it is not text.
    """
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            text = data.decode("utf-16")
        elif _BINARY.search(data):
            raise BadInputError(f"{path}: is not a text file, nor a journal or NeXus file of flowlab")
        else:
            try:
                text = data.decode("utf-8-sig")
            except UnicodeDecodeError:
                text = data.decode("cp1252", errors="replace")
    except UnicodeDecodeError:
        raise BadInputError(f"{path}: is not text, though it begins as UTF-16 does") from None
    return _LINE_ENDS.split(text)


def number(cell: str, decimal: str = ".") -> float | None:
    """A number as instruments write it; None when it is none. A word for a missing value is nan.

    Only ASCII digits count, and no underscores: what Python takes beyond that is no measured value.
    """
    text = cell.strip().strip('"').strip()
    if decimal == ",":
        text = text.replace(",", ".") if "." not in text else "?"
    if _NUMBER.fullmatch(text):
        value = float(text.replace("D", "E").replace("d", "e"))
        return value if abs(value) < 1e300 else float("nan")
    return float("nan") if text.lower() in _MISSING else None
