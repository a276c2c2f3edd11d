"""The map of a scan: what is still to be measured stands there from the beginning, and is filled in."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.lab import Lab, lab
from tests.browser.looking import eventually, look_at
from tests.instruments import UV_VIS

SCAN = {
    "nucleation_c": [270.0, 290.0, 300.0, 320.0],
    "growth_offsets_c": [-10.0 * i for i in range(10)],
    "residence_time_s": 14.0,
}
OF = 40


def the_map(page: Page) -> Locator:
    return page.get_by_role("application", name=re.compile("^Height of CdSe-437"))


def measured(page: Page) -> int:
    """How many cells are filled, by what the map says of itself; none is lost on the way."""
    said = the_map(page).get_attribute("aria-label") or ""
    found = re.search(r"of (\d+) points,(?: (\d+) measured, not analysed yet,)? (\d+) not measured", said)
    assert found
    filled, *others = (int(count or 0) for count in found.groups())
    assert filled + sum(others) == OF
    return filled


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab"), "-c", UV_VIS) as running:
        yield running


def test_what_is_to_be_measured_stands_there_from_the_beginning_and_is_filled_in(page, one):
    one.begin("temperature_scan", **SCAN)
    looked = look_at(page, one, "scan")
    expect(the_map(looked)).to_have_accessible_name(re.compile(r"of \d+ points, .*\d+ not measured yet"))
    before = measured(looked)

    # By keys to the last point: nothing is known of it, and the map says so.
    the_map(looked).focus()
    for key in (*["ArrowRight"] * 3, *["ArrowDown"] * 10):
        looked.keyboard.press(key)
    read_out = looked.get_by_text("T_nuc 320 °C, T_growth 230 °C: CdSe-437 not measured yet", exact=True)
    expect(read_out).to_be_visible()
    looked.keyboard.press("Enter")
    expect(looked.get_by_text("Click a cell of the map")).to_be_visible()

    expect(looked.get_by_text(re.compile(rf"dotted: not measured yet \(\d+ of {OF}\)"))).to_be_visible()
    eventually(looked, lambda: measured(looked) >= before + 2, "two cells more are filled")

    looked.get_by_text("The map as a table").click()
    table = looked.get_by_role("table").filter(has_text="T_growth")
    heads = table.get_by_role("columnheader")
    expect(heads).to_have_text(["T_growth \\ T_nuc", "270 °C", "290 °C", "300 °C", "320 °C"])
    expect(table.get_by_role("row")).to_have_count(1 + 15)  # 180 … 320 °C
    expect(table.get_by_role("cell", name=re.compile("under way$"))).to_have_count(1)
    last = table.get_by_role("row").filter(has=looked.get_by_role("cell", name="230 °C", exact=True))
    expect(last.get_by_role("cell").nth(4)).to_have_text("not measured yet")
    hottest = table.get_by_role("row").filter(has=looked.get_by_role("cell", name="320 °C", exact=True))
    expect(hottest.get_by_role("cell").nth(1)).to_have_text("not planned")

    one.daemon.ask("re_abort")
    one.daemon.until_state("idle")
    expect(last.get_by_role("cell").nth(4)).to_have_text("not measured")
    expect(table.get_by_role("cell", name=re.compile("under way$"))).to_have_count(0)
    looked.get_by_text("The map as a table").click()
    expect(read_out).to_have_count(0)
    expect(looked.get_by_text("T_nuc 320 °C, T_growth 230 °C: CdSe-437 not measured", exact=True)).to_be_visible()


#: Of a made-up run: two panels, the second point of each visited twice.
RUN = {
    "grid": {"panels": [270, 280], "coordinates": [0, -10, -10], "relative": True},
    "kinds": ["absorbance"],
    "families": [],
    "stopped": None,
    "points_done": 3,
}


def cells(page: Page, run: dict, points: list[dict]) -> list[list]:
    """Place, words and whether it is under way, of each cell."""
    return page.evaluate(
        """async ([run, points]) => {
          const { cellText, cellsOf } = await import("/static/plots/cells.js");
          const found = cellsOf(run, points, {}, "CdSe-437");
          return found.map((cell) => [cell.panel, cell.coordinate, cellText(cell), cell.now]);
        }""",
        [run, points],
    )


def point(index: int, panel: float | None, coordinate: float | None, **more) -> dict:
    return {"index": index, "panel": panel, "coordinate": coordinate, "usable": True, "features": [], **more}


def test_each_place_of_the_plan_is_one_cell_and_says_how_it_is(page, one):
    looked = look_at(page, one, "scan")

    # A pump that rounds, a bubble, and a spectrum that is not analysed yet.
    beside, bubble = point(0, 270.0, 270.02), point(1, 270.0, 260.0, usable=False, why="a bubble")
    absent, coming = "looked for, not found", "not measured yet"
    assert cells(looked, RUN, [beside, bubble]) == [
        [270, 270, absent, False],
        [270, 260, "not usable: a bubble", False],
        [280, 280, "under way", True],
        [280, 270, coming, False],
    ]
    assert cells(looked, {**RUN, "points_done": 1}, []) == [
        [270, 270, "measured, not analysed yet", False],
        [270, 260, "under way", True],
        [280, 280, coming, False],
        [280, 270, coming, False],
    ]
    once_more = cells(looked, {**RUN, "points_done": 2}, [beside, bubble])[1]
    assert once_more == [270, 260, "not usable: a bubble; under way", True]
    ended = {**RUN, "stopped": {"time": 0.0, "exit_status": "abort", "reason": None}}
    assert cells(looked, ended, [beside, bubble])[2:] == [
        [280, 280, "not measured", False],
        [280, 270, "not measured", False],
    ]

    # Where a run does not say where it will measure, or measures nothing for this map: what was measured alone.
    drawn = [[270, 270.02, absent, False]]
    assert cells(looked, {**RUN, "grid": None}, [beside, point(1, None, None)]) == drawn
    assert cells(looked, {**RUN, "kinds": ["saxs"]}, []) == []
