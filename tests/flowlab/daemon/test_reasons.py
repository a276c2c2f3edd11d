"""Why a run ended, in its stop document; and that what ends it a second time does not disturb its clean-up."""

import threading
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import pytest
from bluesky.utils import FailedStatus, RunEngineInterrupted
from ophyd import Device
from ophyd.status import DeviceStatus

from flowlab.daemon.instrument import interrupt
from flowlab.daemon.reasons import with_reasons
from flowlab.errors import FlowlabError
from tests.engines import run_engine


class Broken(Device):
    """Its trigger fails, by its status."""

    def trigger(self) -> DeviceStatus:
        status = DeviceStatus(self, call_stop_on_failure=False)
        status.set_exception(FlowlabError("broken: no reply"))
        return status


def stop_of(documents: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    (stop,) = [doc for name, doc in documents if name == "stop"]
    return stop


def test_a_run_that_fails_says_what_of_in_the_words_of_the_device():
    documents, failed = [], []

    @bpp.run_decorator()
    def plan():
        yield from bps.trigger(Broken(name="broken"), wait=True)

    with run_engine() as engine:
        engine.subscribe(lambda name, doc: documents.append((name, doc)))
        with pytest.raises(FailedStatus):
            engine(with_reasons(plan(), lambda: "nobody", failed))
    assert (stop_of(documents)["exit_status"], stop_of(documents)["reason"]) == ("fail", "broken: no reply")
    assert failed == ["broken: no reply"]


def test_an_error_that_a_plan_makes_good_is_not_what_its_run_failed_of():
    documents, failed = [], []

    @bpp.run_decorator()
    def plan():
        yield from bpp.contingency_wrapper(
            bps.trigger(Broken(name="broken"), wait=True), except_plan=lambda error: bps.null(), auto_raise=False
        )
        raise FlowlabError("another matter")

    with run_engine() as engine:
        engine.subscribe(lambda name, doc: documents.append((name, doc)))
        with pytest.raises(FlowlabError, match="another matter"):
            engine(with_reasons(plan(), lambda: "nobody", failed))
    assert stop_of(documents)["reason"] == "another matter"


def test_a_plan_that_ends_well_is_what_it_was():
    documents, failed = [], []

    @bpp.run_decorator()
    def plan():
        yield from bps.null()
        return 7

    with run_engine() as engine:
        engine.subscribe(lambda name, doc: documents.append((name, doc)))
        engine(with_reasons(plan(), lambda: "nobody", failed))
    assert (stop_of(documents)["exit_status"], stop_of(documents)["reason"], failed) == ("success", "", [])


def test_a_second_interruption_disturbs_neither_clean_up_nor_stop_document():
    """Two interlocks trip, the second while the plan cleans up behind the first."""
    documents: list[tuple[str, dict[str, Any]]] = []
    cleaned: list[str] = []
    with run_engine() as engine:

        def from_another_thread() -> None:
            thread = threading.Thread(target=interrupt, args=(engine,))
            thread.start()
            threads.append(thread)

        threads: list[threading.Thread] = []

        def clean_up():
            from_another_thread()
            yield from bps.sleep(0.05)
            cleaned.append("done")
            yield from bps.null()

        @bpp.finalize_decorator(clean_up)
        @bpp.run_decorator()
        def plan():
            yield from bps.checkpoint()
            from_another_thread()
            yield from bps.sleep(60)

        engine.subscribe(lambda name, doc: documents.append((name, doc)))
        with pytest.raises(RunEngineInterrupted):
            engine(with_reasons(plan(), lambda: "interlock flood: the cell leaks", []))
        engine.abort("whatever")
        for thread in threads:
            thread.join()
    assert len(threads) == 2
    assert cleaned == ["done"]
    assert stop_of(documents)["exit_status"] == "abort"
    assert stop_of(documents)["reason"] == "interlock flood: the cell leaks"
