"""The places of a scan, there and back through a start document, whatever that says."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlab.grid import Grid, grid_of

AXIS = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6).map(tuple)
GRIDS = st.builds(Grid, AXIS, AXIS, st.booleans())


def start(grid, **more):
    return {"grid": grid.facts(), "num_points": len(grid), **more}


@given(GRIDS)
def test_it_is_visited_panel_by_panel(grid):
    places = []
    for panel in grid.panels:
        for coordinate in grid.coordinates:
            places.append((panel, coordinate + panel if grid.relative else coordinate))
    assert grid.places() == places
    assert len(grid) == len(places)


@given(GRIDS)
def test_a_start_document_gives_it_back(grid):
    told = msgspec.msgpack.decode(msgspec.msgpack.encode(start(grid)))
    assert grid_of(told) == grid


@given(GRIDS, st.data())
def test_a_run_that_goes_on_tells_the_whole(grid, data):
    first = data.draw(st.integers(0, len(grid) - 1))
    assert grid_of({**start(grid), "first_point": first, "num_points": len(grid) - first}) == grid


def test_thousands_of_points_are_told_in_a_few_hundred_numbers():
    grid = Grid(tuple(map(float, range(100))), tuple(map(float, range(90))))
    assert len(grid.places()) == 9000
    assert sum(isinstance(value, float) for axis in grid.facts().values() if axis for value in axis) == 190


WHOLE = {"panels": [270.0, 280.0], "coordinates": [0.0, -10.0], "relative": True}


@pytest.mark.parametrize(
    "changed",
    [
        {"grid": None},
        {"grid": 4},
        {"grid": []},
        {"grid": {}},
        {"grid": {"panels": WHOLE["panels"]}},
        {"grid": {**WHOLE, "panels": []}},
        {"grid": {**WHOLE, "panels": [[270.0], [280.0]]}},
        {"grid": {**WHOLE, "panels": "ab"}},
        {"grid": {**WHOLE, "panels": [True, 280.0]}},
        {"grid": {**WHOLE, "coordinates": {"0": 1}}},
        {"grid": {**WHOLE, "coordinates": [0.0, math.nan]}},
        {"grid": {**WHOLE, "coordinates": [0.0, -math.inf]}},
        {"grid": {**WHOLE, "panels": [1e308, 0.0], "coordinates": [1e308, 0.0]}},
        {"grid": {**WHOLE, "panels": [10**400, 0.0]}},
        {"grid": {**WHOLE, "relative": "yes"}},
        {"grid": {**WHOLE, "panels": [270.0]}},
        {"grid": {**WHOLE, "panels": [], "coordinates": []}, "num_points": 0},
        {"num_points": None},
        {"num_points": 5},
        {"num_points": "many"},
        {"num_points": math.inf},
        {"first_point": 1},
        {"first_point": None},
    ],
)
def test_what_makes_no_sense_is_no_grid(changed):
    whole = {"grid": WHOLE, "num_points": 4}
    assert grid_of(whole) is not None
    assert grid_of({**whole, **changed}) is None


def test_a_run_of_an_earlier_version_has_none():
    assert grid_of({"num_points": 4}) is None
    assert grid_of({}) is None
