"""Wire faults over scans on the whole lab: what is recorded is true, and what ends a scan is an error of ours.

``python -m benchmarks.faults`` does the same with sessions, journals and a thousand spoilt replies.
"""

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from devices.errors import DeviceError
from flowlab.bench import Bench
from flowlab.config import load_instrument
from flowlab.config.instrument import ClockSettings
from flowlab.daemon.reasons import ours
from tests.engines import run_engine
from tests.simulators.benches import Served, served
from tests.storm.audit import Audit, audit
from tests.storm.campaign import lab_file
from tests.storm.faults import Storm
from tests.storm.ledger import Ledger
from tests.storm.scan import DEVICES, everything
from tests.support import Document

SPEED, SEED = 400.0, 7
SPOILT = 60


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return lab_file(tmp_path / "storm.toml", reply_within_s=0.1)


@pytest.fixture
def lab(file: Path) -> Iterator[Served]:
    with served(str(file), "--any-port", "--speed", str(SPEED)) as lab:
        yield lab


@pytest.fixture
def bench(file: Path, lab: Served) -> Iterator[Bench]:
    config = load_instrument(str(file)).model_copy(update={"clock": ClockSettings(speed=SPEED)})
    with Bench(config, str(file), lab.addresses, file.parent / "frames") as bench:
        bench.connect()
        yield bench


def is_exposure(document: Document) -> bool:
    name, doc = document
    return name == "event" and "spectrometer_counts" in doc["data"]


@pytest.mark.timeout(240)
def test_no_wrong_value_is_recorded_while_wires_spoil_replies(bench, lab):
    documents: list[Document] = []
    devices = [bench.devices[name] for name in DEVICES]
    errors: list[Exception] = []
    with run_engine() as engine, Ledger(lab) as ledger, Storm(lab, SEED, longest_delay_s=0.15, at_once=7) as storm:
        while ledger.spoilt_replies < SPOILT or not any(is_exposure(document) for document in documents):
            storm.let_loose(loose=ledger.spoilt_replies < SPOILT)
            try:
                plan = everything(*devices, temperatures_c=[30.0, 32.0], residence_times_s=[14.0, 10.0])
                engine(plan, lambda name, doc: documents.append((name, copy.deepcopy(doc))))
            except Exception as error:  # noqa: BLE001  bluesky wraps it
                errors.append(ours(error) or error)
            storm.let_loose(loose=False)
            storm.wait_until_calm()
            assert not any(bench.make_safe().values())
            ledger.take()
        for error in errors:
            assert isinstance(error, DeviceError), repr(error)
            assert any(f"{name}: " in str(error) for name in bench.devices), str(error)
        found = Audit()
        audit(documents, bench.config, ledger, found)
        assert found.wrong == []
        assert found.values.total() > 15 * len([name for name, _ in documents if name == "event"])
        assert ledger.spoilt_replies > 2 * len(errors), "hardly anything was recovered"
        _assert_that_wrong_values_would_be_found(documents, bench, ledger, found)


def _assert_that_wrong_values_would_be_found(documents, bench, ledger, found: Audit) -> None:
    """Every value falsified: an audit that cannot fail says nothing.

    Each quantity is found, though not each value: while a bad line has one read for long, much may have been true.
    """
    false: list[Document] = []
    for name, doc in documents:
        doc = copy.deepcopy(doc)
        if name == "event":
            for key, value in doc["data"].items():
                if key.endswith("_counts"):
                    doc["data"][key] = np.asarray(value) + (np.arange(len(value)) == 100)
                elif isinstance(value, bool | np.bool_):
                    doc["data"][key] = not value
                elif key.endswith("_output_percent"):  # moves fast: it is known only roughly what it was
                    doc["data"][key] = value + 60.0 if value < 50.0 else value - 60.0
                elif isinstance(value, int | float):
                    doc["data"][key] = 1.2 * value + 3.5
        false.append((name, doc))
    again = Audit()
    audit(false, bench.config, ledger, again)
    assert {complaint.split()[0] for complaint in again.wrong} == set(found.values)
    assert len(again.wrong) > 0.9 * found.values.total()
