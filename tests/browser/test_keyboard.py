"""What an operator does with the keyboard alone: everything, and it is always seen where the keyboard is."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.lab import Lab, slow_lab
from tests.browser.looking import answer, as_a_second_press, look_at, section, strip
from tests.support import is_safe

#: More than there are to be reached in any view.
MOST_STOPS = 150
#: Whether what has the focus is on the screen, whole or as much as fits, and drawn so that one sees it.
SEEN = """() => {
    const one = document.activeElement;
    const { outlineStyle, outlineWidth } = getComputedStyle(one);
    const { left, right, top, bottom } = one.getBoundingClientRect();
    const there = document.elementFromPoint((left + right) / 2, (Math.max(top, 0) + Math.min(bottom, innerHeight)) / 2);
    const drawn = one.matches(":focus-visible") && outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
    const on_top = there !== null && (one.contains(there) || there.contains(one));
    return drawn && on_top ? "" : `${one.outerHTML.slice(0, 200)}: drawn ${drawn}, on top ${on_top}`;
}"""


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with slow_lab(tmp_path_factory.mktemp("lab")) as one:
        yield one


def go_to(page: Page, wanted: Locator) -> None:
    """Tab until it has the focus; at each stop on the way the focus is seen."""
    expect(wanted).to_be_visible()
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement !== document.body"):
            assert page.evaluate(SEEN) == ""
        if wanted.evaluate("one => one === document.activeElement"):
            return
    raise AssertionError(f"the keyboard does not get to {wanted}")


def fill(page: Page, field: Locator, text: str) -> None:
    go_to(page, field)
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def queued_s(lab: Lab) -> list[float]:
    """Residence times of what is queued, in order."""
    return [item["kwargs"]["residence_time_s"] for item in lab.daemon.ask("queue_get")["items"]]


def test_everything_that_an_operator_does_can_be_done_with_the_keyboard_alone(page, idle):
    looked = look_at(page, idle)
    keys = looked.keyboard
    # Asked for what only an operator may, the page asks for a token; whoever thinks better of it is where they were.
    asked = looked.get_by_role("dialog", name="Log in")
    for opener in (
        strip(looked).get_by_role("button", name="Safe state"),
        strip(looked).get_by_role("button", name="Log in"),
    ):
        go_to(looked, opener)
        keys.press("Enter")
        expect(asked.get_by_label("Token")).to_be_focused()
        keys.press("Escape")
        expect(asked).to_be_hidden()
        expect(opener).to_be_focused()
        assert looked.evaluate(SEEN) == ""
    keys.press("Space")
    keys.type(idle.token)
    keys.press("Enter")
    expect(strip(looked).get_by_text("anna, operator")).to_be_visible()
    expect(strip(looked).get_by_role("button", name="Log out")).to_be_focused()

    go_to(looked, looked.get_by_role("link", name="Queue and control"))
    keys.press("Enter")
    form = section(looked, "Queue a plan")
    go_to(looked, form.get_by_label("Plan", exact=True))
    keys.type("temperature_scan")
    expect(form.get_by_label("Plan", exact=True)).to_have_value("temperature_scan")
    fill(looked, form.get_by_label("nucleation", exact=True), "200")
    go_to(looked, form.get_by_title("growth_offsets_c").get_by_label("none"))
    keys.press("Space")
    fill(looked, form.get_by_label("growth offsets", exact=True), "0:-30:-10")
    fill(looked, form.get_by_label("residence time", exact=True), "60")
    expect(form.get_by_text("It may be queued")).to_be_visible()
    go_to(looked, form.get_by_role("button", name="Queue it", exact=True))
    keys.press("Enter")
    items = section(looked, re.compile("^Queue:")).get_by_role("listitem")
    expect(items).to_have_count(1)
    fill(looked, form.get_by_label("residence time", exact=True), "61")
    expect(form.get_by_text("It may be queued")).to_be_visible()
    go_to(looked, form.get_by_role("button", name="Queue it", exact=True))
    keys.press("Space")
    expect(items).to_have_count(2)
    assert queued_s(idle) == [60.0, 61.0]

    # What is moved keeps the keyboard with it.
    down = items.first.get_by_role("button", name="Down")
    go_to(looked, down)
    keys.press("Space")
    expect(items.last.get_by_role("button", name="Down")).to_be_focused()
    assert queued_s(idle) == [61.0, 60.0]
    clear = section(looked, re.compile("^Queue:")).get_by_role("button", name="Clear")
    go_to(looked, clear)
    keys.press("Enter")
    expect(looked.get_by_role("button", name="Yes, all of them")).to_be_focused()
    keys.press("Escape")
    expect(clear).to_be_focused()
    assert len(queued_s(idle)) == 2

    go_to(looked, looked.get_by_role("button", name="Start the queue"))
    keys.press("Enter")
    idle.daemon.until(lambda facts: facts["running"] and facts["running"]["run_uid"])
    go_to(looked, section(looked, "What runs").get_by_role("button", name="Pause now", exact=True))
    keys.press("Enter")
    expect(answer(looked, "What it does")).to_contain_text("Paused")
    resume = strip(looked).get_by_role("button", name="Resume")
    expect(resume).to_be_enabled()
    go_to(looked, resume)
    keys.press("Enter")
    idle.daemon.until_state("running")

    safe = strip(looked).locator("button.dangerous")
    go_to(looked, safe)
    keys.press("Enter")
    expect(safe).to_have_text("Click again")
    keys.press("Escape")
    expect(safe).to_have_text("Safe state")
    expect(safe).to_be_focused()
    keys.press("Enter")
    expect(strip(looked)).to_contain_text("press Enter, within 5 seconds")
    as_a_second_press(looked)
    keys.press("Enter")
    expect(strip(looked).get_by_text(re.compile(r"Safe: \d+ devices"))).to_be_visible()
    expect(safe).to_be_focused()
    assert is_safe(idle.daemon.truth())
