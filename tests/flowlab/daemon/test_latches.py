"""What tripped stays known until a person acknowledges it, and what is not known is said."""

import json
import re
import resource
import threading

import pytest

from flowlab.daemon.latches import LatchedError, Latches
from flowlab.errors import BadInputError, FlowlabError


def test_what_is_latched_outlives_the_process_and_keeps_its_first_reason(tmp_path):
    latches = Latches(tmp_path / "runs", "lab")
    latches.check("lab.toml")
    latches.latch("flood", "the cell leaks")
    latches.latch("flood", "it still does")
    again = Latches(tmp_path / "runs", "lab")
    assert again.all()["flood"]["reason"] == "the cell leaks"
    todo = f"flowlab interlocks --ack flood -c lab.toml --data {tmp_path}/runs"
    with pytest.raises(LatchedError, match=rf"flood tripped at .*: the cell leaks; .*: {re.escape(todo)}$"):
        again.check("lab.toml")
    assert Latches(tmp_path / "runs", "another lab").all() == {}


def test_it_is_gone_once_acknowledged_and_nothing_else_is(tmp_path):
    latches = Latches(tmp_path, "lab")
    for name in ("flood", "fire"):
        latches.latch(name, "so it is")
    with pytest.raises(BadInputError, match="'smoke' is not latched; latched are: flood, fire"):
        latches.acknowledge("smoke", "anna")
    latches.acknowledge("flood", "anna")
    assert list(latches.all()) == ["fire"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"time": "x", "reason": "y"}', '{"time": 1}', 2000 * "["])
def test_a_latch_whose_reason_cannot_be_read_is_one_all_the_same(tmp_path, text):
    latches = Latches(tmp_path, "lab")
    latches.latch("flood", "the cell leaks")
    (file,) = latches.path.iterdir()
    file.write_text(text)
    with pytest.raises(LatchedError, match=r"flood tripped at .*: for a reason that cannot be read in .*flood.latch"):
        latches.check("lab.toml")
    latches.acknowledge("flood", "anna")
    latches.check("lab.toml")


def test_who_acknowledged_what_and_when_is_recorded(tmp_path):
    latches = Latches(tmp_path, "lab")
    for who in ("anna", "bert"):
        latches.latch("flood", "the cell leaks")
        tripped = latches.all()["flood"]["time"]
        latches.acknowledge("flood", who)
        record = (latches.path / "acknowledged.jsonl").read_text().splitlines()
        said = json.loads(record[-1])
        assert said.pop("acknowledged") >= tripped
        assert said == {"interlock": "flood", "tripped": tripped, "reason": "the cell leaks", "by": who}
    assert len(record) == 2
    assert latches.all() == {}


def test_what_cannot_be_recorded_is_not_acknowledged(tmp_path):
    latches = Latches(tmp_path, "lab")
    latches.latch("flood", "the cell leaks")
    (latches.path / "acknowledged.jsonl").mkdir()
    with pytest.raises(FlowlabError, match=r"who acknowledges flood cannot be written to .*; it is still latched$"):
        latches.acknowledge("flood", "anna")
    assert list(latches.all()) == ["flood"]


def test_each_interlock_is_told_with_its_latch_also_one_that_is_declared_no_more(tmp_path):
    latches = Latches(tmp_path, "lab")
    latches.latch("smoke", "so it is")
    assert latches.of(["flood"]) == {"flood": None, "smoke": latches.all()["smoke"]}


def test_a_folder_that_cannot_be_read_is_no_reason_to_go_on(tmp_path):
    latches = Latches(tmp_path, "lab")
    latches.path.write_text("no folder")
    with pytest.raises(FlowlabError, match="which interlocks tripped is not known"):
        latches.check("lab.toml")
    with pytest.raises(FlowlabError, match="flood tripped COULD NOT BE RECORDED in"):
        latches.latch("flood", "the cell leaks")


def test_on_a_full_disk_it_is_latched_without_its_reason(tmp_path):
    latches = Latches(tmp_path, "lab")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # no file can be written to
    try:
        with pytest.raises(FlowlabError, match="why interlock flood tripped could not be written to"):
            latches.latch("flood", "the cell leaks")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with pytest.raises(LatchedError, match="flood tripped at .*: for a reason that cannot be read"):
        latches.check("lab.toml")


def test_those_that_trip_at_once_are_all_latched(tmp_path):
    latches = Latches(tmp_path, "lab")
    names = [f"lock_{i}" for i in range(20)]
    begin = threading.Barrier(len(names))

    def trip(name: str) -> None:
        begin.wait()
        latches.latch(name, "so it is")

    threads = [threading.Thread(target=trip, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(latches.all()) == sorted(names)


def test_the_first_that_tripped_is_told_first(tmp_path):
    latches = Latches(tmp_path, "a lab/of ours")
    for name in ("smoke", "fire"):
        latches.latch(name, "so it is")
    assert list(latches.all()) == ["smoke", "fire"]
