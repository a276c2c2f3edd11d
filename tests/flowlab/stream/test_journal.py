import contextlib
import os
import threading
from pathlib import Path

import pytest

from flowlab.stream import CodecError, Journal, JournalError, Message, Recorder, RunStore, read_journal
from flowlab.stream.journal import JournalIndex
from flowlab.stream.message import Heartbeat


def record(position: int, text: str = "x") -> bytes:
    return Message("run", position, "event", {"text": text}).to_bytes()


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "documents.journal", "run")
    for position in range(5):
        journal.append(record(position))
    journal.close()
    return journal


def positions(path) -> list[int]:
    return [message.position for message in read_journal(path)]


def test_documents_come_back_in_order(journal):
    assert positions(journal.path) == [0, 1, 2, 3, 4]


def test_a_journal_names_itself_and_its_run_in_its_first_line(journal):
    assert journal.path.read_bytes().startswith(b"flowlab-journal 1 run\n")


def test_any_torn_end_is_left_alone_by_a_reader_and_cut_off_by_a_writer(journal):
    whole = journal.path.read_bytes()
    last = 8 + len(record(4))
    for cut in range(1, last):
        journal.path.write_bytes(whole[:-cut])
        assert positions(journal.path) == [0, 1, 2, 3]
        again = Journal(journal.path, "run")
        assert again.count == 4
        again.append(record(4))
        again.close()
        assert journal.path.read_bytes() == whole


def test_a_damaged_record_ends_what_is_read(journal):
    data = bytearray(journal.path.read_bytes())
    data[-3] ^= 0xFF
    journal.path.write_bytes(data)
    assert positions(journal.path) == [0, 1, 2, 3]


@pytest.mark.parametrize("torn", [b"", b"\x10", b"\x10\x00\x00\x00\x99\x99\x99\x99event "])
def test_zeros_at_the_end_as_a_power_cut_leaves_them_are_no_records(journal, torn):
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + torn + bytes(4096))
    assert positions(journal.path) == [0, 1, 2, 3, 4]
    again = Journal(journal.path, "run")
    assert again.count == 5
    again.close()
    assert journal.path.read_bytes() == whole


def test_a_bit_that_is_flipped_in_mid_file_is_said_and_nothing_behind_it_is_cut_off(journal):
    whole = journal.path.read_bytes()
    begin = whole.index(b"\n") + 1 + 2 * (8 + len(record(0)))
    for offset in range(begin, begin + 8 + len(record(2))):
        damaged = bytearray(whole)
        damaged[offset] ^= 0x10
        journal.path.write_bytes(damaged)
        read = []
        with pytest.raises(JournalError, match="record 2 is damaged, though whole ones follow it"):
            for message in read_journal(journal.path):
                read.append(message.position)
        assert read == [0, 1]
        with pytest.raises(JournalError, match="record 2 is damaged"):
            Journal(journal.path, "run")
        assert journal.path.read_bytes() == damaged


def test_a_whole_record_far_behind_a_damaged_one_is_found(tmp_path):
    journal = Journal(tmp_path / "documents.journal", "run")
    for position, text in enumerate(["x", "y" * (3 << 20), "z"]):
        journal.append(record(position, text))
    journal.close()
    data = bytearray(journal.path.read_bytes())
    data[-(1 << 20)] ^= 1
    journal.path.write_bytes(data)
    with pytest.raises(JournalError, match="record 1 is damaged"):
        positions(journal.path)


def test_a_record_that_no_reader_would_take_is_not_written(journal, monkeypatch):
    monkeypatch.setattr("flowlab.stream.journal._LONGEST_RECORD", 100)
    again = Journal(journal.path, "run")
    for refused in (b"", bytes(101)):
        with pytest.raises(JournalError, match=f"a document of {len(refused)} bytes"):
            again.append(refused)
    again.append(record(5, "y" * 60))
    again.close()
    assert positions(journal.path) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "left", [b"", b"flow", b"flowlab-journal 1 r", bytes(4096), b"flowlab-journal 1 ru" + bytes(500)]
)
def test_a_file_whose_first_line_was_never_finished_is_begun_anew(tmp_path, left):
    path = tmp_path / "documents.journal"
    path.write_bytes(left)
    journal = Journal(path, "run")
    journal.append(record(0))
    journal.close()
    assert positions(path) == [0]


def test_a_file_whose_first_line_is_lost_but_holds_more_is_left_alone(journal):
    data = bytes(200) + journal.path.read_bytes()[22:]
    journal.path.write_bytes(data)
    with pytest.raises(JournalError, match="is not a journal of flowlab"):
        Journal(journal.path, "run")
    assert journal.path.read_bytes() == data


def test_a_reader_follows_a_growing_file(tmp_path):
    journal = Journal(tmp_path / "documents.journal", "run")
    index = JournalIndex(journal.path)
    for position in range(10):
        journal.append(record(position))
        assert index.refresh() == position + 1
        assert index.read(position, 5) == [record(position)]
    journal.close()


def test_another_run_may_not_write_into_it(journal):
    with pytest.raises(JournalError, match="another run"):
        Journal(journal.path, "other")


def test_a_file_that_is_no_journal_is_refused_in_one_line(tmp_path):
    (tmp_path / "x.journal").write_bytes(b"PK\x03\x04")
    with pytest.raises(JournalError, match="is not a journal of flowlab"):
        list(read_journal(tmp_path / "x.journal"))
    with pytest.raises(JournalError, match="cannot be read"):
        list(read_journal(tmp_path / "missing.journal"))


def test_a_full_disk_is_an_error_and_harms_nothing_already_written(journal):
    """/dev/full takes no byte: what a journal on a full disk sees."""
    again = Journal(journal.path, "run")
    full = os.open("/dev/full", os.O_WRONLY)
    kept = os.dup(again._fd)
    os.dup2(full, again._fd)
    os.close(full)
    with pytest.raises(JournalError, match="cannot be written: No space left"):
        again.append(record(5))
    os.dup2(kept, again._fd)
    os.close(kept)
    again.close()
    assert positions(journal.path) == [0, 1, 2, 3, 4]


@contextlib.contextmanager
def unsyncable(journal: Journal):
    """In the place of the file a pipe, which cannot be synced either."""
    read, write = os.pipe()
    kept = os.dup(journal._fd)
    os.dup2(write, journal._fd)
    os.close(write)
    try:
        yield
    finally:
        os.dup2(kept, journal._fd)
        os.close(kept)
        os.close(read)


def test_what_could_not_be_put_on_disk_is_an_error_now_and_at_every_later_append(journal):
    again = Journal(journal.path, "run")
    with unsyncable(again), pytest.raises(JournalError, match="cannot be put on disk"):
        again.sync()
    for _ in range(2):
        with pytest.raises(JournalError, match="cannot be put on disk"):
            again.append(record(5))
    again.close()
    assert positions(journal.path) == [0, 1, 2, 3, 4]


def test_a_recorder_tells_with_the_next_document_that_the_one_before_is_not_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("flowlab.stream.recorder._SYNC_EVERY_S", 0.01)
    store = RunStore(tmp_path)
    journals = []

    def open_journal(start):
        journals.append(store.open_documents(start))
        return journals[0]

    recorder = Recorder(open_journal)
    recorder("start", {"uid": "run-of-a-test", "time": 0.0})
    with unsyncable(journals[0]):
        journals[0].dirty = True
        while journals[0]._failed is None:
            threading.Event().wait(0.01)
    with pytest.raises(JournalError, match="cannot be put on disk"):
        recorder("stop", {"uid": "stop", "run_start": "run-of-a-test", "time": 1.0})
    assert recorder._sync.is_alive()
    recorder.close()


def test_the_names_of_a_new_run_are_on_disk_before_its_first_document_is_told(tmp_path, monkeypatch):
    synced = []
    fsync = os.fsync

    def spy(fd):
        synced.append(Path(f"/proc/self/fd/{fd}").resolve())
        fsync(fd)

    monkeypatch.setattr(os, "fsync", spy)
    store = RunStore(tmp_path / "data")
    recorder = Recorder(store.open_documents)
    recorder("start", {"uid": "run-of-a-test", "time": 0.0})
    (path,) = store.journals()
    assert {path, path.parent, path.parent.parent} <= set(synced)
    recorder.close()


@pytest.mark.parametrize("data", [b"", b"event", b"event ", b"mystery \x93\xa1a\x00\x80", b"event \x93\xa1a\xff\x80"])
def test_bytes_that_are_no_message_are_refused(data):
    with pytest.raises(CodecError):
        Message.from_bytes(data)


@pytest.mark.parametrize("data", [b"", b"heartbeat", b"heartbeat \x91\x01", b"heartbeat \x81\xa1a\xa1b"])
def test_bytes_that_are_no_heartbeat_are_refused(data):
    with pytest.raises(CodecError):
        Heartbeat.from_bytes(data)
