"""What an operator does by clicking, and a viewer cannot; on real processes."""

import os
import re
import signal
from collections.abc import Iterator

import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from flowlab.errors import FlowlabError
from tests.browser.lab import SCAN, Lab, slow_lab
from tests.browser.looking import answer, as_a_second_press, eventually, log_in, look_at, section, strip
from tests.browser.watched import LIMIT_MS, WatchedPage
from tests.support import is_safe

#: What a heater that runs away trips.
OVER_TEMPERATURE = """
[interlocks.over_temperature]
when = [{ device = "nucleation_heater", signal = "temperature_c", above = 370.0 }]
action = "safe"
"""

SERIOUS = ("serious", "critical")
VIEWER = re.compile(r"\bviewer$")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with slow_lab(tmp_path_factory.mktemp("lab"), OVER_TEMPERATURE) as one:
        yield one


@pytest.fixture
def idle(shared: Lab) -> Lab:
    """Nothing runs, nothing is queued, all is safe."""
    shared.rest()
    return shared


@pytest.fixture
def operator(page: WatchedPage, idle: Lab) -> Page:
    """The view of queue and control, before somebody who has logged in."""
    looked = look_at(page, idle, "queue")
    log_in(looked, idle.token)
    expect(strip(looked).get_by_text("anna, operator")).to_be_visible()
    return looked


def state(page: Page) -> Locator:
    return section(page, "What runs").locator(".q-state")


def queue(page: Page) -> Locator:
    return section(page, re.compile("^Queue:"))


def history(lab: Lab) -> list[str]:
    return [item["result"]["exit_status"] for item in lab.daemon.ask("history_get")["items"]]


def press(page: Page, name: str, *, sure: str | None = None) -> None:
    """A button of what runs, and the one behind it that asks whether one is sure."""
    buttons = section(page, "What runs")
    buttons.get_by_role("button", name=name, exact=True).click()
    if sure is not None:
        as_a_second_press(page)
        buttons.get_by_role("button", name=sure).click()


def unusable(page: Page) -> list[str]:
    """What keeps some from using what is shown."""
    return [one["id"] for one in Axe().run(page).response["violations"] if one["impact"] in SERIOUS]


def forged(page: Page, path: str, token: str | None) -> int:
    """The status that a request gets which the page would not send."""
    asked = "([path, headers]) => fetch(path, {method: 'POST', headers, body: '{}'}).then((answer) => answer.status)"
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    return page.evaluate(asked, [path, headers])


def test_a_viewer_sees_it_and_can_press_nothing_that_changes_it(page, idle):
    waiting = idle.daemon.add("temperature_scan", **SCAN)
    looked = look_at(page, idle, "queue")
    expect(strip(looked).get_by_text(VIEWER)).to_be_visible()
    expect(queue(looked).get_by_text("temperature_scan")).to_be_visible()
    main = looked.get_by_role("main")
    for name in ("Start the queue", "Clear", "Pause", "Pause now", "Abort", "Stop", "Queue it", "Remove", "Resume"):
        expect(main.get_by_role("button", name=name, exact=True).first).to_be_disabled()
    page.forgive("status of 401")
    for path in ("queue/start", "pause", "safe-state", "environment/close", "queue"):
        for token in (None, "made-up", idle.token[:-1]):
            assert forged(looked, f"/api/v1/{path}", token) == 401
    assert [item["item_uid"] for item in idle.daemon.ask("queue_get")["items"]] == [waiting]
    assert idle.daemon.status()["state"] == "idle"


def test_a_token_lets_an_operator_in_until_they_log_out_and_a_wrong_one_nobody(page, idle):
    looked = look_at(page, idle)
    log_in(looked, "made-up")
    asked = looked.get_by_role("dialog", name="Log in")
    expect(asked.get_by_role("alert")).to_contain_text("lets nobody in")
    asked.get_by_label("Token").fill(idle.token)
    asked.get_by_role("button", name="Log in").click()
    expect(strip(looked).get_by_text("anna, operator")).to_be_visible()
    looked.reload()
    expect(strip(looked).get_by_text("anna, operator")).to_be_visible()
    assert looked.context.cookies() == []
    assert looked.evaluate("Object.values(localStorage)") == []
    strip(looked).get_by_role("button", name="Log out").click()
    expect(strip(looked).get_by_text(VIEWER)).to_be_visible()


def test_a_plan_is_queued_by_its_form_and_run_paused_resumed_and_aborted_by_clicking(page, operator, idle):
    page.forgive("status of 422")
    form = section(operator, "Queue a plan")
    form.get_by_label("Plan", exact=True).select_option("temperature_scan")
    form.get_by_label("nucleation", exact=True).fill("400")
    form.get_by_title("growth_offsets_c").get_by_label("none").uncheck()
    form.get_by_label("growth offsets", exact=True).fill("0:-30:-10")
    form.get_by_label("residence time", exact=True).fill("60")
    # What is beyond a limit is refused before it is queued, in the daemon's words.
    expect(form.get_by_text(re.compile("400.*360|360.*400")).first).to_be_visible()
    form.get_by_label("nucleation", exact=True).fill("200")
    expect(form.get_by_text("It may be queued")).to_be_visible()
    form.get_by_role("button", name="Queue it", exact=True).click()
    expect(queue(operator).get_by_role("listitem")).to_have_count(1)
    (item,) = idle.daemon.ask("queue_get")["items"]
    assert item["kwargs"] == {k: SCAN[k] for k in ("nucleation_c", "growth_offsets_c", "residence_time_s")}
    assert item["user"] == "anna"

    queue(operator).get_by_role("button", name="Start the queue").click()
    expect(state(operator)).to_contain_text("running")
    expect(answer(operator, "Is it safe?")).to_contain_text("Hot and flowing")
    idle.daemon.until(lambda facts: facts["running"] and facts["running"]["run_uid"])
    press(operator, "Pause now")
    expect(state(operator)).to_contain_text("paused")
    assert idle.daemon.status()["state"] == "paused"
    strip(operator).get_by_role("button", name="Resume").click()
    expect(state(operator)).to_contain_text("running")
    assert idle.daemon.status()["state"] == "running"
    press(operator, "Abort", sure="Yes, abort it")
    expect(state(operator)).to_contain_text("idle")
    expect(section(operator, "What ended").get_by_role("listitem").first).to_contain_text("aborted")
    assert history(idle)[-1] == "aborted"
    assert is_safe(idle.daemon.truth())
    expect(answer(operator, "Is it safe?").get_by_text("Safe", exact=True)).to_be_visible()


def test_what_a_killed_worker_leaves_is_told_and_acknowledged_by_clicking(operator, idle):
    uid = idle.begin("temperature_scan", **SCAN)
    expect(state(operator)).to_contain_text("running")
    os.kill(idle.daemon.status()["pids"]["worker"], signal.SIGKILL)
    expect(state(operator)).to_contain_text("interrupted")
    expect(strip(operator)).to_contain_text("killed by signal 9")
    idle.daemon.until(lambda facts: facts["safe"] is not None)
    with pytest.raises(FlowlabError, match="was interrupted"):
        idle.daemon.ask("queue_start")
    section(operator, "What runs").get_by_role("button", name="I have seen it: acknowledge").click()
    expect(state(operator)).to_contain_text("idle")
    expect(strip(operator)).not_to_contain_text("To be acknowledged")
    expect(section(operator, "What ended").get_by_role("listitem").first).to_contain_text("interrupted")
    ended = idle.daemon.ask("history_get")["items"][-1]
    assert (ended["item_uid"], ended["result"]["exit_status"]) == (uid, "interrupted")


def test_an_interlock_that_tripped_is_acknowledged_by_clicking_once_its_cause_is_gone(page, idle):
    page.forgive("status of 409")
    idle.begin("temperature_scan", **SCAN)
    idle.daemon.simulators(fault="runaway", device="nucleation_heater")
    idle.daemon.until(lambda facts: facts["latched"] and facts["state"] == "idle" and facts["environment"] == "open")
    looked = look_at(page, idle)
    told = strip(looked).get_by_text(re.compile("Interlock tripped: over temperature: .*, above 370"))
    expect(told).to_be_visible()
    expect(section(looked, "Interlocks")).to_contain_text("TRIPPED")
    acknowledge = re.compile("^Acknowledge… over temperature")
    expect(looked.get_by_role("button", name=acknowledge)).to_have_count(0)  # to a viewer
    log_in(looked, idle.token)
    expect(section(looked, "Interlocks").get_by_role("button", name=acknowledge)).to_be_visible()
    assert unusable(looked) == []

    # By keyboard, while its cause lasts.
    strip(looked).get_by_role("button", name=acknowledge).focus()
    looked.keyboard.press("Enter")
    asked = looked.get_by_role("dialog", name="Acknowledge over temperature")
    expect(asked.get_by_role("button", name="Not yet")).to_be_focused()
    expect(asked).to_contain_text("plans may run again; nothing moves by itself")
    expect(asked).to_contain_text("Its condition: nucleation_heater.temperature_c above 370.")
    expect(asked).to_contain_text(re.compile(r"Now: Nucleation oven, nucleation \d+\.\d °C"))
    assert unusable(looked) == []
    looked.keyboard.press("Shift+Tab")
    as_a_second_press(looked)
    looked.keyboard.press("Enter")
    expect(asked).to_contain_text("tripped again at once: nucleation_heater.temperature_c is")
    assert [one["name"] for one in idle.daemon.status()["latched"]] == ["over_temperature"]

    idle.daemon.simulators(fault="none", device="nucleation_heater")
    cooled = lambda: idle.daemon.truth()["heaters"]["nucleation_heater"]["temperature_c"] < 360.0  # noqa: E731
    eventually(looked, cooled, "the oven cools", 2 * LIMIT_MS)
    asked.get_by_role("button", name="Acknowledge", exact=True).click()
    expect(asked).to_be_hidden()
    expect(told).to_have_count(0)
    expect(section(looked, "Interlocks")).to_contain_text("none has tripped")
    facts = idle.daemon.status()
    listed = idle.daemon.flowlab("interlocks", "-c", facts["config"], "--data", facts["data"])
    assert "over_temperature" in listed.stdout
    assert "TRIPPED" not in listed.stdout

    idle.daemon.add("temperature_scan", **SCAN)
    looked.evaluate("location.hash = 'queue'")
    queue(looked).get_by_role("button", name="Start the queue").click()
    expect(state(looked)).to_contain_text("running")
    idle.daemon.until(lambda facts: facts["running"] and facts["running"]["run_uid"])


def test_the_safe_state_is_two_presses_away_and_the_first_says_what_the_second_does(operator, idle):
    idle.begin("temperature_scan", **SCAN)
    expect(answer(operator, "Is it safe?")).to_contain_text("Hot and flowing")
    eventually(operator, lambda: not is_safe(idle.daemon.truth()), "the reactor heats and flows")
    strip(operator).get_by_role("button", name="Safe state").click()
    expect(strip(operator).get_by_text("stops the pumps")).to_be_visible()
    assert idle.daemon.status()["state"] == "running"
    as_a_second_press(operator)
    strip(operator).get_by_role("button", name="Click again").click()
    expect(strip(operator).get_by_text(re.compile(r"Safe: \d+ devices"))).to_be_visible()
    assert is_safe(idle.daemon.truth())
    expect(state(operator)).to_contain_text("idle")
    assert history(idle)[-1] == "aborted"


def test_the_keyboard_reaches_the_safe_state_and_says_what_it_does(operator, idle):
    operator.locator("body").evaluate("body => { document.activeElement?.blur(); body.tabIndex = -1; body.focus(); }")
    focused = "document.activeElement.innerText || document.activeElement.ariaLabel || document.activeElement.id"
    passed = []
    while not passed or passed[-1] != "Safe state":
        operator.keyboard.press("Tab")
        passed.append(operator.evaluate(focused))
        assert len(passed) <= 5, passed
    assert passed[0] == "To what is shown"
    operator.keyboard.press("Enter")
    expect(strip(operator).get_by_text("stops the pumps")).to_be_visible()
    operator.keyboard.press("Escape")
    expect(strip(operator).get_by_role("button", name="Safe state")).to_be_focused()
    assert psutil.pid_exists(idle.daemon.status()["pids"]["worker"])
