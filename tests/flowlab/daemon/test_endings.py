"""What the engine's log has of a plan that was ended from outside."""

import logging

import bluesky.plan_stubs as bps
import pytest
from bluesky.utils import RunEngineInterrupted

from flowlab.daemon.endings import without_traceback
from tests.engines import run_engine


@pytest.mark.parametrize(("how", "words"), [("abort", "the plan was aborted"), ("halt", "the plan was halted")])
def test_a_plan_that_is_ended_from_outside_is_told_in_a_line_without_a_traceback(caplog, how, words):
    def plan():
        yield from bps.checkpoint()
        yield from bps.pause()

    with run_engine() as engine:
        log = engine.log.logger
        log.addFilter(without_traceback)
        try:
            with pytest.raises(RunEngineInterrupted):
                engine(plan())
            getattr(engine, how)()
        finally:
            log.removeFilter(without_traceback)
    told = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [(record.getMessage(), record.exc_info) for record in told] == [(words, None)]


def test_an_error_of_the_plan_keeps_its_traceback(caplog):
    def plan():
        yield from bps.checkpoint()
        raise RuntimeError("a defect")

    with run_engine() as engine:
        log = engine.log.logger
        log.addFilter(without_traceback)
        try:
            with pytest.raises(RuntimeError):
                engine(plan())
        finally:
            log.removeFilter(without_traceback)
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [RuntimeError]
