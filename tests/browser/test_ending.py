"""What the page says, and offers, while a plan comes to an end that takes its time."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.lab import Lab, lab, with_gauges
from tests.browser.looking import answer, as_a_second_press, log_in, look_at, section, strip
from tests.browser.watched import WatchedPage

#: A device that does not return keeps the plan from ending for as long as somebody looks.
HANG = """
[daemon]
stalled_s = 3600.0
finish_s = 3600.0

[plans.hang]
function = "tests.end_to_end.hanging:hang"
devices = { reactor = "reactor" }
"""
ENDING = "abort, asked for by anna"


@pytest.fixture
def hanging(tmp_path) -> Iterator[Lab]:
    file = with_gauges(tmp_path / "lab.toml")
    file.write_text(file.read_text("utf-8") + HANG, "utf-8")
    with lab(tmp_path, "-c", str(file)) as one:
        one.begin("hang")
        yield one
        one.daemon.ask("environment_destroy")
        one.daemon.until_state("interrupted")


@pytest.fixture
def operator(page: WatchedPage, hanging: Lab) -> Page:
    looked = look_at(page, hanging, "queue")
    log_in(looked, hanging.token)
    expect(strip(looked).get_by_text("anna, operator")).to_be_visible()
    return looked


def test_once_an_abort_is_asked_for_nothing_is_offered_that_makes_no_sense_and_the_safe_state_is(operator, hanging):
    runs, queue = section(operator, "What runs"), section(operator, re.compile("^Queue:"))
    queue.get_by_role("button", name="Stop after this plan").click()
    expect(queue.get_by_role("button", name="Do not stop after it")).to_be_enabled()
    runs.get_by_role("button", name="Abort", exact=True).click()
    as_a_second_press(operator)
    runs.get_by_role("button", name="Yes, abort it").click()

    does = answer(operator, "What it does")
    expect(does).to_contain_text("Ending")
    expect(does).to_contain_text(f"{ENDING}; the instrument becomes safe")
    expect(answer(operator, "Is it safe?")).to_contain_text("the plan is ending")
    expect(runs.locator(".q-state")).to_contain_text("ending")
    expect(runs).to_contain_text(f"It ends: {ENDING}.")
    for name in ("Pause", "Pause now", "Resume", "Stop", "Abort"):
        button = runs.get_by_role("button", name=name, exact=True)
        expect(button).to_be_disabled()
        if name != "Resume":
            expect(button).to_have_attribute("title", f"Not now: it is ending: {ENDING}")
    go_on = queue.get_by_role("button", name="Do not stop after it")
    expect(go_on).to_be_disabled()
    expect(go_on).to_have_attribute("title", "Not now: the plan is ending, and the queue stops with it")
    pause = strip(operator).get_by_role("button", name="Pause")
    expect(pause).to_be_disabled()
    expect(pause).to_have_attribute("title", f"The plan is ending: {ENDING}.")
    expect(strip(operator).get_by_role("button", name="Safe state")).to_be_enabled()

    operator.goto(f"{hanging.url}/#log")
    expect(operator.get_by_role("main")).to_contain_text(f"ending: {ENDING}")
