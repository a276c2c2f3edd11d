import os

import pytest

from flowlab.stream import CodecError, Journal, JournalError, Message, read_journal
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


@pytest.mark.parametrize("data", [b"", b"event", b"event ", b"mystery \x93\xa1a\x00\x80", b"event \x93\xa1a\xff\x80"])
def test_bytes_that_are_no_message_are_refused(data):
    with pytest.raises(CodecError):
        Message.from_bytes(data)


@pytest.mark.parametrize("data", [b"", b"heartbeat", b"heartbeat \x91\x01", b"heartbeat \x81\xa1a\xa1b"])
def test_bytes_that_are_no_heartbeat_are_refused(data):
    with pytest.raises(CodecError):
        Heartbeat.from_bytes(data)
