"""What a person sees of a run that goes on, where standard error is no terminal: a line for each panel."""

import pytest

from flowlab.cli.progress import RunProgress
from flowlab.stream import Message
from tests.emission_runs import emission_documents
from tests.flowlab.live.test_luminescence import analyse

_SAXS = {"panel": 260.0, "coordinate": 14.0, "finding": "radius 1.00 nm"}
_EMISSION = {"panel": 260.0, "coordinate": 14.0, "emission": "emission at 541.0 nm"}
_ABSORBANCE = {"panel": 260.0, "coordinate": 14.0, "verdict": "exciton 520 nm"}


def shown(capsys, documents) -> str:
    with RunProgress() as progress:
        for position, (name, doc) in enumerate(documents):
            progress.watch(Message("run", position, name, doc))
    return capsys.readouterr().err


def test_a_run_of_emission_is_told_by_its_bands(capsys):
    documents = list(emission_documents())
    lines = shown(capsys, [documents[0], *analyse(documents)]).splitlines()
    assert [line.split(": emission at")[0] for line in lines] == ["2/3  260 / 14", "3/3  280 / 8"]


@pytest.mark.parametrize(
    ("kind", "results"),
    [
        ("absorbance", [_ABSORBANCE, _SAXS, _EMISSION]),
        ("saxs", [_SAXS, _EMISSION]),
        ("luminescence", [_EMISSION]),
    ],
)
def test_what_several_detectors_say_of_one_point_is_one_point(capsys, kind, results):
    start = {"num_points": 1, "analysis": {"kind": kind}}
    told = shown(capsys, [("start", start), *(("event", {"data": data}) for data in results)])
    assert told == "1/1  260 / 14: emission at 541.0 nm\n"


def test_a_run_that_resumes_another_counts_the_points_of_both(capsys):
    start = {"num_points": 3, "first_point": 2, "analysis": {"kind": "absorbance"}}
    told = shown(capsys, [("start", start), *[("event", {"data": _ABSORBANCE})] * 3])
    assert told == "3/5  260 / 14: exciton 520 nm\n"
