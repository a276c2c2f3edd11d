"""The durable record of one run: documents appended one after another, each with its length and checksum.

The file begins with one readable line that names the run; each record is ``length, CRC-32, name payload``.
A record is appended by a single write, so a reader that comes while the file grows, or after a crash,
sees whole records and at most one torn one at the end, which it leaves alone.
"""

import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from flowlab.errors import FlowlabError
from flowlab.stream.message import Message

_HEADER = re.compile(rb"flowlab-journal 1 ([\w-]{1,64})\n")
_LONGEST_HEADER = 128
_FRAME = struct.Struct("<II")
_LONGEST_RECORD = 1 << 28


class JournalError(FlowlabError):
    """A journal cannot be read or written."""


class Journal:
    """Appends the documents of one run.

    Args:
        path: the file; it is made when it does not exist. A torn record at its end, left by a crash, is cut off.
        run_uid: the run it belongs to.

    Raises:
        JournalError: the file exists and is not a journal of this run.
    """

    def __init__(self, path: Path, run_uid: str):
        self.path = path
        self.run_uid = run_uid
        self._index: JournalIndex | None = None
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise JournalError(f"{path}: cannot be opened: {error.strerror}") from error
        try:
            if os.fstat(self._fd).st_size == 0:
                self._write(f"flowlab-journal 1 {run_uid}\n".encode())
                self.count = 0
            else:
                index = JournalIndex(path)
                if index.run_uid != run_uid:
                    raise JournalError(f"{path}: is the journal of another run, {index.run_uid}")
                self.count = index.refresh()
                os.ftruncate(self._fd, index.end)
        except BaseException:
            os.close(self._fd)
            raise
        self.dirty = True

    def append(self, record: bytes) -> None:
        """Append one document as :meth:`Message.to_bytes` gives it.

        Raises:
            JournalError: the disk is full or gone.
        """
        self._write(_FRAME.pack(len(record), zlib.crc32(record)) + record)
        self.count += 1
        self.dirty = True

    def _write(self, data: bytes) -> None:
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            raise JournalError(f"{self.path}: cannot be written: {error.strerror}") from error
        if written != len(data):
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
            raise JournalError(f"{self.path}: cannot be written: the disk is full")

    def read(self, position: int) -> bytes:
        """A record that was appended before."""
        if self._index is None:
            self._index = JournalIndex(self.path)
        self._index.refresh()
        return self._index.read(position, 1)[0]

    def sync(self) -> None:
        """Have the operating system put on disk what was appended."""
        if self.dirty:
            self.dirty = False
            os.fsync(self._fd)

    def close(self) -> None:
        """Sync and close; closing twice is harmless."""
        if self._fd >= 0:
            self.sync()
            os.close(self._fd)
            self._fd = -1


class JournalIndex:
    """Where each record of a journal begins; grows with the file.

    Attributes:
        run_uid: the run, as the file's first line names it.
        end: the length of the file up to the end of its last whole record.

    Raises:
        JournalError: the file cannot be read or is not a journal.
    """

    def __init__(self, path: Path):
        self.path = path
        self._offsets: list[int] = []
        try:
            with path.open("rb") as file:
                head = _HEADER.match(file.read(_LONGEST_HEADER))
        except OSError as error:
            raise JournalError(f"{path}: cannot be read: {error.strerror}") from None
        if head is None:
            raise JournalError(f"{path}: is not a journal of flowlab")
        self.run_uid = head[1].decode()
        self.end = head.end()

    def refresh(self) -> int:
        """Take in what was appended meanwhile; return how many whole records there are."""
        size = self.path.stat().st_size
        if size <= self.end:
            return len(self._offsets)
        with self.path.open("rb") as file:
            while (record := _read_record(file.fileno(), self.end, size)) is not None:
                self._offsets.append(self.end)
                self.end += _FRAME.size + len(record)
        return len(self._offsets)

    def read(self, first: int, most: int, most_bytes: int = 1 << 22) -> list[bytes]:
        """Read up to ``most`` records from number ``first`` on, and not many more bytes than ``most_bytes``."""
        records: list[bytes] = []
        total = 0
        with self.path.open("rb") as file:
            for offset in self._offsets[first : first + most]:
                record = _read_record(file.fileno(), offset, self.end)
                if record is None:
                    raise JournalError(f"{self.path}: record {first + len(records)} has changed on disk")
                records.append(record)
                total += len(record)
                if total >= most_bytes:
                    break
        return records


def _read_record(fd: int, offset: int, size: int) -> bytes | None:
    """The record at ``offset``, or None where there is no whole one."""
    frame = os.pread(fd, _FRAME.size, offset)
    if len(frame) < _FRAME.size:
        return None
    length, checksum = _FRAME.unpack(frame)
    if length > _LONGEST_RECORD or offset + _FRAME.size + length > size:
        return None
    record = os.pread(fd, length, offset + _FRAME.size)
    if len(record) < length or zlib.crc32(record) != checksum:
        return None
    return record


def read_journal(path: Path) -> Iterator[Message]:
    """Read the documents of a journal in order, up to its last whole record.

    Raises:
        JournalError: the file cannot be read or is not a journal.
        CodecError: a record is whole but is not a document.
    """
    index = JournalIndex(path)
    count = index.refresh()
    position = 0
    while position < count:
        records = index.read(position, 256)
        position += len(records)
        for record in records:
            yield Message.from_bytes(record)
