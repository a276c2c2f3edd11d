"""The terminal's picture: what it says, that it fits, and that what is old never looks live."""

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from flowlab.cli.watch_plots import cluster_map, curve
from flowlab.cli.watch_screen import screen
from flowlab.cli.watch_words import give_or_take, number, with_error
from flowlab.cli.watched import NOTHING
from tests.flowlab.cli.watched import gauge, sections

NOW = 1_700_000_000.0


def lines(shown, width=80, height: int | None = 24, silence_s=0.3, now=NOW) -> list[str]:
    picture = screen(shown, now=now, silence_s=silence_s, width=width, height=height, hint="q ends it")
    return picture.plain.split("\n")


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 40), (200, 60), (60, 20), (30, 8), (20, 3), (1, 1)])
@pytest.mark.parametrize("lost", [False, True])
def test_it_fits_into_any_terminal(size, lost):
    width, height = size
    told = lines(sections(NOW, lost), width, height, 12.0 if lost else 0.3)
    assert len(told) <= height
    assert max(map(len, told)) <= width


def test_in_a_common_terminal_it_says_what_matters():
    told = lines(sections(NOW))
    assert told[0].startswith("NOT IN ITS SAFE STATE, as far as is known  simulated-flow is running")
    said = " ".join(" ".join(told[1:3]).split())
    assert said.startswith("temperature_scan: 25 of 42 points; T_nuc 280 °C, T_growth 250 °C; 12 ± 2 min left")
    assert said.endswith("2 in the queue")
    text = "\n".join(told)
    for words in ("280.1 °C      asked 280", "exciton 512.3 ± 0.4 nm", "diameter 2.61 ± 0.02 ± 0.06 nm"):
        assert words in text
    assert "● 437.1 ± 0.2  98 % CdSe-437" in text
    assert "CdSe-437 so far: at 270 °C; not" in text
    assert "270    9 8 6 5 3 2 ." in text
    assert "! point 10 cannot be used: a bubble" in text


def test_a_plan_that_is_ending_says_how_and_at_whose_wish_and_not_how_long_it_would_have_taken():
    shown = sections(NOW)
    shown["status"]["facts"]["ending"] = {"how": "abort", "why": "asked for by anna", "since": NOW - 2.0}
    said = " ".join(" ".join(lines(shown)[1:3]).split())
    assert said.startswith("ending: abort, asked for by anna; then the instrument is made safe; temperature_scan: 25")
    assert "left" not in said


def test_where_there_is_room_the_spectrum_is_drawn_with_its_peaks():
    told = lines(sections(NOW), 140, 40)
    assert any("⠙" in line or "⠳" in line for line in told)
    signs = next(line for line in told if line.count("●") == 1 and "▲" in line and "nm" not in line)
    assert signs.index("●") < signs.index("?") < signs.index("▲")
    assert any("372 nm" in line and "absorbance 0.00…" in line and "589 nm" in line for line in told)


def test_what_a_silent_daemon_said_stands_in_parentheses_and_nothing_of_it_is_called_so():
    told = lines(sections(NOW), silence_s=2.1)
    assert told[0].startswith("NOT LIVE: not heard for 2 s")
    assert "what it is now is not known" in " ".join(lines(sections(NOW, lost=True), 120, silence_s=12.0))
    text = "\n".join(told)
    assert "(280.1 °C)" in text
    assert " 280.1 °C" not in text
    assert "left" not in told[2]


@pytest.mark.parametrize(("width", "height"), [(60, 20), (80, 24), (140, 40)])
def test_what_is_old_is_dim_and_what_is_live_is_not(width, height):
    for silence_s, old in ((0.3, False), (5.0, True)):
        picture = screen(sections(NOW), now=NOW, silence_s=silence_s, width=width, height=height)
        for words in ("0.412 mL/min", "exciton 512.3"):
            style = picture.get_style_at_offset(Console(), picture.plain.index(words))
            assert bool(style.dim) is old


def test_a_lost_daemon_is_told_with_the_reason():
    told = lines(sections(NOW, lost=True), silence_s=12.0)
    assert told[0].startswith("NOT LIVE: not heard for 12 s: no flowlab daemon at ipc:///tmp/control")


@pytest.mark.parametrize(("safe", "words"), [(True, "SAFE: "), (False, "NOT SAFE "), (None, "NOT IN ITS SAFE STATE")])
def test_whether_it_is_safe_is_said_first_and_in_words(safe, words):
    shown = sections(NOW)
    shown["status"]["facts"] |= {"safe": safe, "why": "NOT SAFE: nucleation_heater: silent" if safe is False else None}
    for width in (40, 80, 140):
        told = lines(shown, width)
        assert told[0].startswith(words)
        assert any("nucleation_heater: silent" in line for line in told[:6]) is (safe is False)


def test_a_gauge_that_is_not_read_any_more_is_not_shown_as_if_it_were():
    shown = sections(NOW)
    shown["readings"]["gauges"][5]["at"] = NOW - 40
    assert any("(3.420 bar)" in line and "40 s ago" in line for line in lines(shown, 100))
    shown["readings"]["time"] = NOW - 5
    assert any("(280.1 °C)" in line for line in lines(shown))


@pytest.mark.parametrize(
    ("every_s", "age_s", "old"),
    [(1.0, 2.9, False), (1.0, 3.1, True), (0.2, 2.9, False), (10.0, 24.0, False), (10.0, 26.0, True)],
)
def test_a_gauge_is_old_by_how_often_it_is_read(every_s, age_s, old):
    shown = sections(NOW)
    shown["readings"]["gauges"][5] |= {"at": NOW - age_s, "every_s": every_s}
    assert any("(3.420 bar)" in line for line in lines(shown, 100)) is old


def test_beyond_the_limit_of_an_interlock_a_gauge_has_a_sign_and_the_limit():
    shown = sections(NOW)
    shown["readings"]["gauges"][5]["value"] = 26.0
    shown["readings"]["interlocks"][0]["tripped"] = "pressure.pressure_bar is 26 bar, above 25"
    text = "\n".join(lines(shown))
    assert "!26.00 bar    above 25" in text
    assert "interlock high_pressure tripped (safe): pressure.pressure_bar is 26 bar" in text


def test_where_there_are_too_many_gauges_those_that_are_not_well_stay():
    shown = sections(NOW)
    facts = {"name": "g", "place": "elsewhere", "units": "bar", "value": 1.0}
    shown["readings"]["gauges"] += [gauge(NOW, **facts, label=f"gauge {i}") for i in range(30)]
    shown["readings"]["gauges"][-1] |= {"value": 30.0, "trips_above": 25.0}
    text = "\n".join(lines(shown))
    assert "gauge 29" in text
    assert "more gauges: make the terminal larger" in text


def test_before_anything_is_known_it_says_so():
    facts = {**sections(NOW)["status"]["facts"], "running": None, "queue": 0}
    shown = {**NOTHING, "status": {"facts": facts, "lost": None}}
    text = "\n".join(lines(shown))
    assert "nothing is heard of the gauges yet" in text
    assert "no run is shown yet" in text
    assert lines({**shown, "status": None})[0].startswith("NOT LIVE: not heard")


def test_a_run_of_which_little_is_known_is_shown_all_the_same():
    shown = sections(NOW)
    for point in shown["points"]["items"]:
        point |= dict.fromkeys(
            ("exciton_nm", "exciton_err_nm", "diameter_nm", "verdict", "cluster_height", "cluster_height_err")
        )
        point["features"] = []
    shown["spectrum"] |= {"absorbance": None, "why": "no pixel has enough light", "panel": None, "coordinate": None}
    shown["run"]["eta"] |= {"seconds": None, "err_seconds": None, "why": "known after three points"}
    for size in ((80, 24), (140, 40), (80, None)):
        assert "nothing is said of it" in "\n".join(lines(shown, *size))


def test_a_map_of_many_columns_keeps_the_highest_of_those_that_meet():
    point = sections(NOW)["points"]["items"][0]
    many = [{**point, "coordinate": float(i), "cluster_height": 0.01 * (i == 40)} for i in range(100)]
    axes = sections(NOW)["run"]["axes"]
    *_, row = cluster_map(many, axes, 30, 10)
    assert len(row.plain) <= 30
    assert row.plain.count("9") == 1


@given(st.lists(st.floats(-5, 5) | st.just(math.nan), min_size=2, max_size=300), st.integers(1, 40), st.integers(1, 12))
def test_a_curve_is_as_large_as_it_was_asked_to_be(values, width, rows):
    drawn = curve(np.linspace(300, 700, len(values)), values, width, rows)
    if sum(map(math.isfinite, values)) < 2:
        assert drawn is None
        return
    assert drawn is not None
    told, (low, high) = drawn
    assert [len(line) for line in told] == [width] * rows
    assert low <= high
    assert any(character != "⠀" for line in told for character in line)


def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right():
    drawn = curve(np.arange(16), np.arange(16), 8, 4)
    assert drawn is not None
    assert drawn[0][-1][0] != "⠀" != drawn[0][0][-1]
    assert drawn[0][0][0] == "⠀" == drawn[0][-1][-1]


def test_numbers_have_the_digits_that_they_need():
    values = (280.1, 0.412, 43210.0, 1.234e-7, 0.0, -3.2, True, None, "waste")
    assert [number(value) for value in values] == [
        "280.1", "0.412", "43210", "1.23e-07", "0", "-3.200", "yes", "–", "waste",
    ]  # fmt: skip
    assert with_error(437.123, 0.21, "nm") == "437.1 ± 0.2 nm"
    assert with_error(437.123, 0.13) == "437.12 ± 0.13"
    assert with_error(437.123, None) == "437.1, error not known"
    assert (give_or_take(720, 130), give_or_take(720, 5), give_or_take(4000, None)) == (
        "12 ± 2 min", "12 min ± 5 s", "67 min",
    )  # fmt: skip


def test_drawing_is_quick_enough_to_be_done_again_and_again():
    shown = sections(NOW)
    began = time.process_time()
    for _ in range(10):
        lines(shown, 200, 60)
    assert time.process_time() - began < 2.0
