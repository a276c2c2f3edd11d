"""What of an interrupted scan is left to be done, and what cannot be gone on with."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlab.config import load_instrument
from flowlab.daemon.resuming import Resumption, resume_of
from flowlab.errors import BadInputError
from flowlab.stream import RunStore, read_journal
from flowlab.stream.journal import JournalIndex, run_of
from tests.instruments import UV_VIS
from tests.resumed_runs import Document, keep, scan_in_runs
from tests.support import PANELS, documents_of_a_run

CONFIG = load_instrument(UV_VIS)
PARAMETERS = {"nucleation_c": [270.0, 310.0]}


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path)


def scan(*interrupted_behind: int, **more) -> list[list[Document]]:
    """Runs of a scan as the shipped instrument would give them; the last one is interrupted as well."""
    about = {
        "plan_name": "temperature_scan",
        "instrument": CONFIG.name,
        "plan_parameters": PARAMETERS,
        "config": CONFIG.model_dump(mode="json", by_alias=True, exclude_none=True),
        **more,
    }
    runs = scan_in_runs(PANELS, interrupted_behind)[:-1]
    return [[("start", {**run[0][1], **about}), *run[1:]] for run in runs]


def uid(run: list[Document]) -> str:
    return run[0][1]["uid"]


@pytest.mark.parametrize("interrupted_behind", [(4,), (0,), (4, 6), (4, 4), (0, 0, 3)])
def test_what_is_left_is_told_over_the_whole_chain(store, interrupted_behind):
    runs = scan(*interrupted_behind)
    keep(store, *runs)
    left = resume_of(store, uid(runs[-1]), CONFIG)
    done = interrupted_behind[-1]
    assert left == Resumption("temperature_scan", PARAMETERS, done, {"resumes": uid(runs[-1])})


def test_a_run_without_an_end_can_be_resumed_and_a_torn_record_at_its_end_does_not_matter(store):
    (run,) = scan(4)
    keep(store, run[:-1])
    with store.run(uid(run)).journal.open("ab") as journal:
        journal.write(b"\x10\x27\0\0torn")
    assert resume_of(store, uid(run), CONFIG).first_point == 4


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """Of a run that was interrupted behind its fourth point."""
    (run,) = scan(4)
    store = RunStore(tmp_path_factory.mktemp("whole"))
    keep(store, run)
    return store.run(uid(run)).journal


@given(st.data())
def test_a_journal_that_is_cut_anywhere_tells_the_points_whose_spectra_are_whole(journal, data):
    whole = journal.read_bytes()
    end = data.draw(st.integers(0, len(whole)))
    with tempfile.TemporaryDirectory() as folder:
        cut = Path(folder) / journal.parent.name / journal.name
        cut.parent.mkdir()
        cut.write_bytes(whole[:end])
        documents = [] if run_of(cut) is None else list(read_journal(cut))
        spectra = sum(m.name == "event" and "reactor_growth_setpoint_c" in m.doc["data"] for m in documents)
        run_uid = JournalIndex(journal).run_uid
        if documents:
            assert resume_of(RunStore(Path(folder)), run_uid, CONFIG).first_point == spectra
        else:
            with pytest.raises(BadInputError, match=r"there is no run of that uid|holds no run"):
                resume_of(RunStore(Path(folder)), run_uid, CONFIG)


def test_a_run_whose_points_are_complete_is_not_resumed_however_it_ended(store):
    (run,) = scan(10)
    keep(store, run)
    with pytest.raises(BadInputError, match="all of its 10 points are complete; there is nothing to resume"):
        resume_of(store, uid(run), CONFIG)


def test_a_run_is_resumed_once_and_its_successor_behind_it(store):
    runs = scan(4, 6)
    keep(store, *runs)
    with pytest.raises(BadInputError, match=f"was resumed already, by run {uid(runs[1])}; resume that one"):
        resume_of(store, uid(runs[0]), CONFIG)
    assert resume_of(store, uid(runs[1]), CONFIG).first_point == 6


def test_a_run_of_a_plan_that_does_not_say_what_a_point_is_cannot_be_resumed(store):
    run = list(documents_of_a_run(3))
    keep(store, run)
    with pytest.raises(BadInputError, match="made_up does not say what its points are made of, so that it cannot be"):
        resume_of(store, uid(run), CONFIG)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"instrument": "another"}, "is of the instrument another, this is"),
        ({"plan_name": "other_scan"}, "has no plan 'other_scan' to resume it with"),
        ({"plan_parameters": None}, "no plan 'temperature_scan' to resume it with"),
        ({"config": {}}, "material and flow_path and plans.temperature_scan of the instrument file changed since"),
    ],
)
def test_a_scan_that_would_not_go_on_as_the_same_is_refused(store, more, message):
    (run,) = scan(4, **more)
    keep(store, run)
    with pytest.raises(BadInputError, match=message):
        resume_of(store, uid(run), CONFIG)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"plan_parameters": {}}, "they are not of one scan: their plan_parameters is not the same"),
        ({"num_points": 7}, "they are not of one scan: of 10 points, and of 11"),
        ({"first_point": 5, "num_points": 5}, "4 of its points are complete, but it was resumed behind 5"),
        ({"first_point": -1}, "its first_point is '-1', no number of points"),
        ({"resumes": "nobody"}, "'nobody': there is no run of that uid"),
    ],
)
def test_a_chain_that_does_not_hold_is_not_gone_on_with(store, change, message):
    first, second = scan(4, 6)
    second[0] = ("start", {**second[0][1], **change})
    keep(store, first, second)
    with pytest.raises(BadInputError, match=message):
        resume_of(store, uid(second), CONFIG)


def test_runs_that_resume_each_other_are_refused(store):
    first, second = scan(4, 4)
    first[0] = ("start", {**first[0][1], "resumes": uid(second), "first_point": 4, "num_points": 6})
    second[0] = ("start", {**second[0][1], "first_point": 8, "num_points": 2})
    keep(store, first, second)
    with pytest.raises(BadInputError):
        resume_of(store, uid(second), CONFIG)


def test_there_is_no_such_run(store):
    with pytest.raises(BadInputError, match="there is no run of that uid"):
        resume_of(store, "1234", CONFIG)
