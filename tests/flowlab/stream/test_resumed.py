"""Which points of a run are complete, where frames are in files and documents come as they like."""

import itertools

import pytest
from event_model import compose_run

from flowlab.errors import BadInputError
from flowlab.stream.resumed import complete_points, until_complete

FRAMES = {"frame": {"dtype": "array", "shape": [1, 4, 4], "source": "test", "external": "STREAM:"}}


def datum(descriptor: dict, first: int, end: int) -> tuple[str, dict]:
    span = {"start": first, "stop": end}
    return "stream_datum", {
        "uid": f"file/{first}",
        "descriptor": descriptor["uid"],
        "stream_resource": "file",
        "seq_nums": span,
        "indices": {"start": first - 1, "stop": end - 1},
    }


@pytest.fixture
def run():
    """Start and descriptor of a run of two points of two frames, its events, and where their frames are."""
    run = compose_run(metadata={"plan_name": "made_up", "num_points": 2, "point_events": {"saxs": 2}})
    bundle = run.compose_descriptor(name="saxs", data_keys=FRAMES)
    resource = {"uid": "file", "run_start": run.start_doc["uid"], "data_key": "frame"}
    head = [("start", run.start_doc), ("descriptor", bundle.descriptor_doc), ("stream_resource", resource)]
    events = [("event", bundle.compose_event(data={}, timestamps={}, validate=False)) for _ in range(4)]
    return head, events, [datum(bundle.descriptor_doc, n, n + 1) for n in (1, 2, 3, 4)]


def test_a_point_without_its_last_frame_is_not_complete(run):
    head, events, places = run
    documents = [*head, *itertools.chain(*zip(places, events, strict=True))]
    assert [complete_points(documents[:end]) for end in range(len(documents) + 1)] == [0] * 7 + [1] * 4 + [2]
    late = [*head, *itertools.chain(*zip(events, places, strict=True))]
    assert [complete_points(late[:end]) for end in range(len(late) + 1)] == [0] * 7 + [1] * 4 + [2]


def test_frames_that_nobody_tells_the_place_of_make_no_point(run):
    head, events, _ = run
    assert complete_points([*head, *events]) == 0
    uid = head[1][1]
    assert complete_points([*head, *events, datum(uid, 1, 5)]) == 2
    assert complete_points([*head, *events, datum(uid, 3, 10**12)]) == 0
    assert complete_points([*head, *events, datum(uid, 3, 10**12), datum(uid, 1, 3)]) == 2


def test_documents_of_complete_points_end_with_the_last_that_completes_them(run):
    head, events, places = run
    documents = [*head, *itertools.chain(*zip(places, events, strict=True))]
    assert until_complete(documents, 0) == []
    assert until_complete(documents, 1) == documents[:7]
    assert until_complete(documents, 2) == documents
    with pytest.raises(BadInputError, match="1 of its points are complete, but it was resumed behind 2"):
        until_complete(documents[:-1], 2)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"num_points": 2},
        {"num_points": 2, "point_events": {}},
        {"num_points": 2, "point_events": {"saxs": 0}},
        {"num_points": 2, "point_events": {"saxs": "two"}},
        {"num_points": None, "point_events": {"saxs": 2}},
        {"num_points": 2, "point_events": ["saxs"]},
    ],
)
def test_a_run_that_does_not_say_what_its_points_are_made_of_has_none(told):
    with pytest.raises(BadInputError, match="does not say what its points are made of"):
        complete_points([("start", {"uid": "run", **told})])
