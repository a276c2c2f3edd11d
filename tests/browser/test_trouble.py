"""What the page does when something is not as it should be: it says so, and takes nothing old for new."""

import re
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from flowlab.daemon.state_folder import StateFolder
from flowlab.daemon.tokens import Role, Tokens
from tests.browser.between import Between, between
from tests.browser.lab import SCAN, Lab, slow_lab
from tests.browser.looking import STALE, answer, as_a_second_press, eventually, live, log_in, look_at, section, strip
from tests.browser.watched import WatchedPage, watched
from tests.support import is_safe

#: By views: a section with something in it that they cannot show. The scan's is drawn some time after it came.
ODD: dict[str, tuple[str, Any]] = {
    "Reactor": ("readings", {"time": 4e9, "gauges": [None], "interlocks": []}),
    "Scan": ("points", {"from": 0, "items": [{"index": 0, "usable": True, "features": 5}]}),
    "SAXS": ("saxs", {"point": 0, "bragg": 5}),
    "Log": ("log", {"from": 0, "items": [{"time": "early", "level": "info", "text": "odd"}]}),
}
#: Longer than what is shown may be old, and than a new connection may take that is as slow both ways.
LATE_S = 4.0
FRAMES = 3


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with slow_lab(tmp_path_factory.mktemp("lab")) as one:
        yield one


@pytest.fixture
def idle(shared: Lab) -> Lab:
    """Nothing runs, nothing is queued, all is safe."""
    shared.rest()
    return shared


@pytest.fixture
def relay(idle: Lab) -> Iterator[Between]:
    with between(idle.url) as one:
        yield one


@pytest.fixture
def operator(page: WatchedPage, idle: Lab) -> Page:
    """The page before somebody who has logged in."""
    looked = look_at(page, idle)
    log_in(looked, idle.token)
    expect(strip(looked).get_by_text("anna, operator")).to_be_visible()
    return looked


def tab(page: Page, title: str) -> None:
    page.get_by_role("navigation", name="Views").get_by_role("link", name=title, exact=True).click()


def failed(page: Page) -> Locator:
    """What is said of what cannot be shown."""
    return page.get_by_role("main").get_by_role("alert").get_by_text("something that came cannot be shown")


def heard(page: Page) -> list[bytes | str]:
    """Grows with each message that the page gets from now on, on whatever connection."""
    frames: list[bytes | str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(frame)))
    return frames


def as_old(page: Page) -> None:
    """What is shown is said to be old."""
    expect(page.locator("body")).to_have_class(STALE)
    expect(answer(page, "Is it safe?")).to_contain_text("Not known")
    expect(strip(page)).to_contain_text("what is shown is old")


@pytest.mark.parametrize("title", ODD)
def test_a_view_that_cannot_show_what_came_says_so_and_the_others_go_on(page, idle, relay, title):
    name, odd = ODD[title]
    relay.change = lambda header: header["sections"].update({name: odd} if name in header["sections"] else {})
    page.forgive("TypeError|RangeError|an error nobody caught")
    looked = look_at(page, idle, url=relay.url)
    tab(looked, title)
    expect(failed(looked)).to_contain_text(f"{title}: ")
    tab(looked, "Queue and control")
    idle.daemon.add("temperature_scan", **SCAN)
    expect(section(looked, re.compile("^Queue:")).get_by_role("listitem")).to_have_count(1)
    expect(answer(looked, "What it does")).to_contain_text("1 plan waits in the queue")
    expect(failed(looked)).to_have_count(0)
    expect(looked.locator("body")).not_to_have_class(STALE)


def test_readings_that_cannot_be_understood_are_not_taken_for_safe_and_come_again(page, idle, relay):
    looked = look_at(page, idle, url=relay.url)
    safe = answer(looked, "Is it safe?")
    expect(safe.get_by_text("Safe", exact=True)).to_be_visible()
    page.forgive("TypeError|an error nobody caught")
    name, odd = ODD["Reactor"]
    relay.change = lambda header: header["sections"].update({name: odd} if name in header["sections"] else {})
    expect(safe).to_contain_text("Not known")
    expect(strip(looked)).to_contain_text("It is not known what is the matter")
    expect(failed(looked)).to_contain_text("Reactor: ")
    relay.change = lambda header: None
    expect(safe.get_by_text("Safe", exact=True)).to_be_visible()
    expect(strip(looked)).not_to_contain_text("It is not known what is the matter")
    expect(failed(looked)).to_have_count(0)


def test_messages_that_were_long_under_way_are_old_though_they_arrive(page, idle, relay):
    frames = heard(page.page)
    looked = look_at(page, idle, url=relay.url)
    relay.delay_s = LATE_S
    as_old(looked)
    arrived = len(frames)
    eventually(looked, lambda: len(frames) >= arrived + FRAMES, "messages that are late")
    as_old(looked)
    relay.delay_s = 0.0
    live(looked)


def test_a_clock_that_is_set_back_makes_the_page_stale_until_it_has_compared_them_anew(page, idle, relay):
    frames = heard(page.page)
    looked = look_at(page, idle, url=relay.url)
    relay.change = lambda header: header.update(time=header["time"] - 60.0)
    as_old(looked)
    arrived = len(frames)
    eventually(looked, lambda: len(frames) >= arrived + FRAMES, "messages that tell another time")
    live(looked)


def press_safe_state(page: Page) -> None:
    """Twice, as it has to be."""
    strip(page).get_by_role("button", name="Safe state").click()
    expect(strip(page).get_by_text("stops the pumps")).to_be_visible()
    as_a_second_press(page)
    strip(page).get_by_role("button", name="Click again").click()


def test_a_safe_state_that_is_not_confirmed_says_so_and_can_be_asked_for_again(page, operator, idle):
    idle.begin("temperature_scan", **SCAN)
    expect(answer(operator, "Is it safe?")).to_contain_text("Hot and flowing")
    asked: list[str] = []
    operator.on("request", lambda request: asked.append(request.url) if "safe-state" in request.url else None)
    # What has the devices in hand stands still for a while: less long than the daemon waits before it kills that.
    standing = psutil.Process(idle.daemon.status()["pids"]["worker"])
    standing.suspend()
    try:
        press_safe_state(operator)
        expect(strip(operator)).to_contain_text("Asked for the safe state; it is not confirmed yet.")
        expect(strip(operator)).to_contain_text("not confirmed yet. Ask again, and go to the instrument.")
        press_safe_state(operator)
        eventually(operator, lambda: len(asked) == 2, "it was asked for again")
    finally:
        standing.resume()
    expect(strip(operator).get_by_text(re.compile(r"Safe: \d+ devices"))).to_be_visible()
    expect(answer(operator, "Is it safe?").get_by_text("Safe", exact=True)).to_be_visible()
    assert is_safe(idle.daemon.truth())


#: Presses the button in the very moment in which it becomes another, as a hand does that has been on its way.
PRESSED_AS_IT_CHANGES = """button => {
    window.pressed = [];
    new MutationObserver(() => {
        window.pressed.push([button.textContent, button.ariaDisabled]);
        button.click();
    }).observe(button, { childList: true, characterData: true, subtree: true });
}"""


def test_a_press_that_was_meant_for_pause_never_resumes_nor_the_other_way_round(operator, idle):
    idle.begin("temperature_scan", **SCAN)
    pause, resume = (strip(operator).get_by_role("button", name=name) for name in ("Pause", "Resume"))
    expect(pause).to_be_enabled()
    asked: list[str] = []
    operator.on("request", lambda one: asked.append(one.url) if one.url.endswith(("/pause", "/resume")) else None)
    pause.evaluate(PRESSED_AS_IT_CHANGES)
    for method, params, becomes in (
        ("re_pause", {"option": "immediate"}, resume),  # somebody else, at that moment
        ("re_resume", {}, pause),
    ):
        idle.daemon.ask(method, params)
        expect(becomes).to_be_visible()
        expect(becomes).to_be_enabled()
    assert [text for text, _ in operator.evaluate("window.pressed")] == ["Resume", "Pause"]
    assert asked == []
    assert idle.daemon.status()["state"] == "running"
    idle.daemon.ask("re_pause", {"option": "immediate"})
    expect(resume).to_be_enabled()
    resume.click()
    expect(answer(operator, "What it does")).not_to_contain_text("Paused")
    eventually(operator, lambda: asked, "it was asked to resume")
    idle.daemon.until_state("running")


def test_who_is_no_operator_any_more_loses_the_buttons_and_is_asked_for_a_token(browser: Browser, page, idle):
    token = Tokens(StateFolder(idle.daemon.state).tokens).new("ben", Role.OPERATOR, None)
    page.secrets.append(token)
    looked = look_at(page, idle, "queue")
    log_in(looked, token)
    expect(strip(looked).get_by_text("ben, operator")).to_be_visible()
    with watched(browser) as another:
        stays = look_at(another, idle)
        log_in(stays, idle.token)
        expect(strip(stays).get_by_text("anna, operator")).to_be_visible()
        assert idle.daemon.flowlab("tokens", "remove", "ben").returncode == 0
        asked = looked.get_by_role("dialog", name="Log in")
        expect(asked.get_by_role("alert")).to_contain_text("the token is not known here")
        looked.keyboard.press("Escape")
        expect(asked).to_be_hidden()
        expect(strip(looked).get_by_text("not let in")).to_be_visible()
        expect(strip(looked).get_by_role("button", name="Safe state")).to_be_disabled()
        for name in ("Start the queue", "Abort", "Queue it"):
            expect(looked.get_by_role("main").get_by_role("button", name=name, exact=True)).to_be_disabled()
        strip(looked).get_by_role("button", name="Safe state").click(force=True)
        expect(asked.get_by_role("alert")).to_contain_text("the token is not known here")
        asked.get_by_role("button", name="Only look on").click()
        expect(strip(looked).get_by_text(re.compile(r"\bviewer$"))).to_be_visible()
        live(looked)
        expect(strip(stays).get_by_text("anna, operator")).to_be_visible()
