"""The durable record of one run: documents appended one after another, each with its length and checksum.

The file begins with one readable line that names the run; each record is ``length, CRC-32, name payload``.
A record is appended by a single write, so a reader that comes while the file grows, or after a crash,
sees whole records and at most one torn one at the end, or zeros where a power cut left the file longer than
what was written; that end it leaves alone. A record that is not whole though others follow it was damaged:
readers say so when they come to it, and nothing is appended to such a file, nor cut off it.
"""

import errno
import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from flowlab.errors import FlowlabError
from flowlab.stream.message import NAMES, Message

_MAGIC = b"flowlab-journal 1 "
_HEADER = re.compile(_MAGIC + rb"([\w-]{1,64})\n")
#: What a writer that was ended early can have left of it.
_BEGUN = re.compile(rb"|".join([_MAGIC + rb"[\w-]{0,64}", *(_MAGIC[:n] for n in range(len(_MAGIC)))]))
_LONGEST_HEADER = 128
_FRAME = struct.Struct("<II")
_LONGEST_RECORD = 1 << 28
#: How a record begins, behind its frame.
_NAME = re.compile(b"(?:%s) " % b"|".join(sorted(name.encode() for name in NAMES)))
_CHUNK = 1 << 20
_LONGEST_NAME = 64


class JournalError(FlowlabError):
    """A journal cannot be read or written."""


class Journal:
    """Appends the documents of one run.

    Args:
        path: the file; it is made when it does not exist. A torn end, left by a crash, is cut off.
        run_uid: the run it belongs to.

    Raises:
        JournalError: the file exists and is not a journal of this run, or is damaged before its end.
    """

    def __init__(self, path: Path, run_uid: str):
        self.path = path
        self.run_uid = run_uid
        self._index: JournalIndex | None = None
        self._failed: JournalError | None = None
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise JournalError(f"{path}: cannot be opened: {error.strerror}") from error
        try:
            if run_of(path) is None:
                os.ftruncate(self._fd, 0)
                self._write(_MAGIC + run_uid.encode() + b"\n")
                sync_folder(path.parent)
                self.count = 0
            else:
                index = JournalIndex(path)
                if index.run_uid != run_uid:
                    raise JournalError(f"{path}: is the journal of another run, {index.run_uid}")
                self.count = index.refresh()
                if index.damaged:
                    raise index.damage()
                os.ftruncate(self._fd, index.end)
        except BaseException:
            os.close(self._fd)
            raise
        self.dirty = True

    def append(self, record: bytes) -> None:
        """Append one document as :meth:`Message.to_bytes` gives it.

        Raises:
            JournalError: the disk is full or gone, or was when it was last synced; or no reader would take the record.
        """
        if self._failed is not None:
            raise self._failed
        if not 0 < len(record) <= _LONGEST_RECORD:
            raise JournalError(f"{self.path}: a document of {len(record)} bytes is not one that can be read again")
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
        """Have the operating system put on disk what was appended.

        Raises:
            JournalError: it cannot; what is not on disk is not known, and nothing more can be appended.
        """
        if self.dirty:
            self.dirty = False
            try:
                os.fsync(self._fd)
            except OSError as error:
                # Not tried again: the system forgets what it could not write, and the next fsync succeeds without it.
                self._failed = JournalError(f"{self.path}: cannot be put on disk: {error.strerror}")
                raise self._failed from error

    def close(self) -> None:
        """Sync and close; closing twice is harmless.

        Raises:
            JournalError: it is closed, but not all of it may be on disk.
        """
        if self._fd >= 0:
            try:
                self.sync()
            finally:
                os.close(self._fd)
                self._fd = -1


class JournalIndex:
    """Where each record of a journal begins; grows with the file.

    Attributes:
        run_uid: the run, as the file's first line names it.
        identity: device and inode of the file, which another that takes its place has not.
        end: the length of the file up to the end of its last whole record, or of the last before a damaged one.
        damaged: whether whole records follow one that is not.

    Raises:
        JournalError: the file cannot be read or is not a journal.
    """

    def __init__(self, path: Path):
        self.path = path
        self._offsets: list[int] = []
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                head = _HEADER.match(file.read(_LONGEST_HEADER))
        except OSError as error:
            raise JournalError(f"{path}: cannot be read: {error.strerror}") from None
        if head is None:
            raise JournalError(f"{path}: is not a journal of flowlab")
        self.run_uid = head[1].decode()
        self.identity = (status.st_dev, status.st_ino)
        self.end = head.end()
        self.damaged = False

    def refresh(self) -> int:
        """Take in what was appended meanwhile; return how many whole records there are, up to one that is damaged."""
        size = self.path.stat().st_size
        if size <= self.end or self.damaged:
            return len(self._offsets)
        with self.path.open("rb") as file:
            self._take_in(file.fileno(), size)
            if self.end < size and _record_follows(file.fileno(), self.end, size):
                # A writer may have cut off a torn record and gone on, all between two looks.
                self.damaged = not self._take_in(file.fileno(), size)
        return len(self._offsets)

    def _take_in(self, fd: int, size: int) -> bool:
        before = self.end
        while (record := _read_record(fd, self.end, size)) is not None:
            self._offsets.append(self.end)
            self.end += _FRAME.size + len(record)
        return self.end > before

    def damage(self) -> JournalError:
        """What is to be said of a damaged journal."""
        return JournalError(f"{self.path}: record {len(self._offsets)} is damaged, though whole ones follow it")

    def read(self, first: int, most: int, most_bytes: int = 1 << 22) -> list[bytes]:
        """Read up to ``most`` records from number ``first`` on, and not many more bytes than ``most_bytes``.

        Raises:
            JournalError: number ``first`` is damaged, or is behind one that is.
        """
        if self.damaged and first >= len(self._offsets):
            raise self.damage()
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
    # Zeros would else be a record: of length 0, whose checksum is 0.
    if not 0 < length <= _LONGEST_RECORD or offset + _FRAME.size + length > size:
        return None
    record = os.pread(fd, length, offset + _FRAME.size)
    if len(record) < length or zlib.crc32(record) != checksum:
        return None
    return record


def _record_follows(fd: int, offset: int, size: int) -> bool:
    """Whether there is a whole record anywhere behind ``offset``, where there is none."""
    while offset < size:
        chunk = os.pread(fd, min(_CHUNK, size - offset), offset)
        for name in _NAME.finditer(chunk):
            if _read_record(fd, max(0, offset + name.start() - _FRAME.size), size) is not None:
                return True
        if len(chunk) <= _LONGEST_NAME:
            return False
        offset += len(chunk) - _LONGEST_NAME  # a name may lie across the edge
    return False


def run_of(path: Path) -> str | None:
    """The run that a journal names in its first line.

    Returns:
        None where there is no file, or where its writer was ended before it had written that line.

    Raises:
        JournalError: the file cannot be read or is not a journal.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_LONGEST_HEADER).rstrip(b"\0")
            rest = iter(lambda: file.read(_CHUNK), b"")
            if _BEGUN.fullmatch(head) and not any(chunk.strip(b"\0") for chunk in rest):
                return None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"{path}: cannot be read: {error.strerror}") from None
    return JournalIndex(path).run_uid


def read_first(path: Path) -> Message | None:
    """The first document of a journal, without reading on; None where there is none yet.

    Raises:
        JournalError: the file cannot be read or is not a journal.
        CodecError: the record is whole but is not a document.
    """
    if run_of(path) is None:
        return None
    index = JournalIndex(path)
    with path.open("rb") as file:
        record = _read_record(file.fileno(), index.end, os.fstat(file.fileno()).st_size)
    return None if record is None else Message.from_bytes(record)


def sync_folder(folder: Path) -> None:
    """Have the operating system put on disk which files a folder holds: a synced file without its name is lost.

    Raises:
        JournalError: it cannot.
    """
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return  # a file system that cannot sync folders, as some on the network
        raise JournalError(f"{folder}: cannot be put on disk: {error.strerror}") from error


def read_journal(path: Path) -> Iterator[Message]:
    """Read the documents of a journal in order, up to its last whole record.

    Raises:
        JournalError: the file cannot be read or is not a journal; or a record is damaged, once those before are read.
        CodecError: a record is whole but is not a document.
    """
    index = JournalIndex(path)
    index.refresh()
    position = 0
    while records := index.read(position, 256):
        position += len(records)
        for record in records:
            yield Message.from_bytes(record)
