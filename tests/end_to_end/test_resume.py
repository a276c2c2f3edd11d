"""A scan that is interrupted, and gone on with as another run."""

import numpy as np
import pytest

from flowlab.daemon.replay import replay_run
from flowlab.daemon.resuming import resume_of
from flowlab.daemon.session import InterruptedRunError, Session
from flowlab.errors import BadInputError
from flowlab.report.load import load_run
from flowlab.stream import read_journal
from tests.instruments import UV_VIS

SCAN = {
    "nucleation_c": [280.0],
    "growth_offsets_c": [0.0, -25.0, -50.0],
    "residence_time_s": 14.0,
    "steady": {"flush_volumes": 1.2, "most_spectra": 3},
}
OF = 3


def ignore(message) -> None:
    pass


def break_off(message) -> None:
    """Once the first point has its result; on a machine that lags behind another point may be complete then."""
    if message.name == "event" and "verdict" in message.doc["data"]:
        raise KeyboardInterrupt


@pytest.mark.timeout(180)
def test_a_scan_that_was_interrupted_and_resumed_is_reported_as_one_that_was_not(tmp_path):
    with Session(UV_VIS, tmp_path, simulate=True, speed=300.0, seed=3) as session:
        with pytest.raises(InterruptedRunError, match="the instrument is safe"):
            session.run("temperature_scan", SCAN, break_off)
        (journal,) = (path for path in session.store.journals() if path.stem == "documents")
        (start, *_, stop) = [message.doc for message in read_journal(journal)]
        assert stop["exit_status"] == "abort"

        left = resume_of(session.store, start["uid"], session.config)
        done = left.first_point
        assert (left.plan, left.parameters) == ("temperature_scan", SCAN)
        assert 1 <= done < OF
        resumed = session.run(left.plan, left.parameters, ignore, left.metadata, left.first_point)
        whole = session.run("temperature_scan", SCAN, ignore)
    assert resumed.problems == []
    (begun, *_) = [message.doc for message in read_journal(resumed.stored.journal)]
    assert (begun["resumes"], begun["first_point"], begun["num_points"]) == (start["uid"], done, OF - done)
    assert begun["plan_parameters"] == SCAN
    for uid, why in (
        (start["uid"], "was resumed already"),
        (resumed.run_uid, f"all of its {OF - done} points are complete"),
    ):
        with pytest.raises(BadInputError, match=why):
            resume_of(session.store, uid, session.config)

    runs = [load_run(outcome.stored) for outcome in (resumed, whole)]
    for run in runs:
        assert [one["coordinate"] for one in run.spectra] == [280.0, 255.0, 230.0]
        assert run.window is not None
        assert run.window["found"].tolist() == [280.0]
    one, other = ([t for t in run.tracks if t["kind"] == "nc" and t["transition"] == "E1"] for run in runs)
    assert [track["spectrum"].tolist() for track in (*one, *other)] == [[0, 1, 2]] * 2
    assert np.abs(one[0]["wavelength_nm"] - other[0]["wavelength_nm"]).max() < 3.0
    assert replay_run(resumed.stored, None, ignore).identical is True
