"""The page as a whole: what it may do and who can use it; what it shows of the reactor, of SAXS and of emission."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.lab import Lab, lab
from tests.browser.looking import answer, eventually, log_in, look_at, section, strip, with_error
from tests.browser.watched import watched

VIEWS = {
    "reactor": "Reactor",
    "spectrum": "Spectrum",
    "scan": "Scan",
    "saxs": "SAXS",
    "queue": "Queue and control",
    "log": "Log",
}
SCAN = {
    "nucleation_c": [270.0, 290.0],
    "growth_c": 250.0,
    "residence_time_s": 14.0,
    "detectors": ["uv-vis", "saxs", "pl"],
    "blank_c": None,
}
#: Plant seconds per second: so many that instruments are asked in time on a machine that is busy.
SPEED = 25
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data:",
}

#: The scan is the simulated lab's whole, and takes its time.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab in which a scan with absorption, SAXS and emission has begun."""
    with lab(tmp_path_factory.mktemp("lab"), "--speed", str(SPEED)) as one:
        one.begin("nucleation_scan", **SCAN)
        yield one


@pytest.fixture
def scanned(begun: Lab) -> Lab:
    """The same when it has ended."""
    begun.daemon.until_state("idle", limit_s=180)
    (ended,) = begun.daemon.ask("history_get")["items"]
    assert ended["result"]["exit_status"] == "completed", ended["result"]["msg"]
    return begun


class Inline(HTMLParser):
    """Finds what a page brings along itself, and does not load."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[str] = []
        self._script = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self._script = tag == "script"
        self.found += [f"{tag} {name}" for name, _ in attributes if name == "style" or name.startswith("on")]
        self.found += [tag] if tag == "style" else []

    def handle_data(self, data):
        if self._script and data.strip():
            self.found.append(data)

    def handle_endtag(self, tag):
        self._script = False


def gauge(page: Page, label: str) -> float | None:
    """What a gauge in the flow scheme says; None while it is not known."""
    scheme = page.get_by_role("group", name="Flow scheme")
    words = scheme.get_by_role("img", name=re.compile(f"^{label}, ")).get_attribute("aria-label") or ""
    said = re.match(rf"{label}, (−?[\d.]+)", words)
    return float(said[1].replace("−", "-")) if said and "not heard" not in words else None


def near(value: float | None, truth: float, within: float) -> bool:
    return value is not None and abs(value - truth) <= within


def test_gauges_say_what_is_the_case_while_the_reactor_is_hot(page, begun):
    looked = look_at(page, begun)

    def told_truly() -> bool:
        truth = begun.daemon.truth()
        hot = {name: truth["heaters"][f"{name}_heater"]["temperature_c"] for name in ("nucleation", "growth")}
        flows = {name: truth["pumps"][f"{name}_pump"]["rate_ml_min"] for name in ("cadmium", "selenium")}
        return (
            all(c > 200 and near(gauge(looked, name), c, 1.0) for name, c in hot.items())
            and all(rate > 0 and near(gauge(looked, name), rate, 0.002) for name, rate in flows.items())
            and near(gauge(looked, "pressure"), truth["pressure_bar"], 0.5)
        )

    eventually(looked, told_truly, "the page and the plant agree", 120_000)


@pytest.mark.parametrize(
    ("every_s", "age_s", "old"),
    [(1.0, 2.9, False), (1.0, 3.1, True), (0.2, 2.9, False), (10.0, 24.0, False), (10.0, 26.0, True)],
)
def test_a_gauge_is_old_by_how_often_it_is_read(page, begun, every_s, age_s, old):
    """As for flowlab watch: in the flow scheme, and for what the strip says."""
    looked = look_at(page, begun)
    ask = """async ([gauge, now_s]) => {
        const { silence_s } = await import("/static/reactor/judgement.js");
        const { heard } = await import("/static/reactor/places.js");
        return [silence_s(gauge, now_s), heard({ time: now_s, gauges: [gauge] }, now_s).gauges[0].value];
    }"""
    silent_s, value = looked.evaluate(ask, [{"at": 1e9, "every_s": every_s, "value": 5.0}, 1e9 + age_s])
    assert silent_s == (pytest.approx(age_s) if old else None)
    assert value == (None if old else 5.0)


@pytest.mark.parametrize(
    ("value", "words"),
    [(20.0, None), (200.0, "still hot: nucleation oven, oven 200 °C"),
     (None, "how hot it is now is not known: nucleation oven, oven")],
)  # fmt: skip
def test_what_is_safe_is_not_said_to_be_cold_when_that_is_not_known(page, begun, value, words):
    ask = """async (gauges) => {
        const { safety } = await import("/static/strip/sentences.js");
        const status = { facts: { state: "idle", safe: true } };
        return safety({ silence_s: 0, status, readings: { gauges, interlocks: [] } });
    }"""
    oven = {"place": "nucleation", "label": "oven", "units": "°C", "value": value}
    said = look_at(page, begun).evaluate(ask, [oven])
    assert (said["level"], said["title"]) == ("ok", "Safe")
    assert said["lines"] == ["each device was made safe and read back", *([words] if words else [])]


def test_saxs_is_what_the_documents_say(page, scanned):
    looked = look_at(page, scanned, "saxs")
    points = scanned.results("saxs_points")
    assert [point["usable"] for point in points] == [True, True]
    rows = looked.get_by_role("table", name="Diameters").get_by_role("row")
    expect(rows).to_have_count(1 + len(points))
    for row, point in zip(rows.all()[1:], points, strict=True):
        twice = with_error(2 * point["radius_nm"], 2 * point["radius_err_nm"])
        expect(row.get_by_role("cell").first).to_have_text(twice)
        expect(row).to_contain_text(point["finding"])
    sizes = looked.get_by_text("form of the distribution").first
    expect(sizes).to_contain_text(f"R {with_error(points[1]['radius_nm'], points[1]['radius_err_nm'])} nm")
    rows.nth(1).get_by_role("button").click()
    expect(sizes).to_contain_text(f"R {with_error(points[0]['radius_nm'], points[0]['radius_err_nm'])} nm")
    expect(looked.get_by_role("img", name="Detector frame")).to_be_visible()


def test_emission_is_what_the_documents_say(page, scanned):
    looked = look_at(page, scanned, "spectrum")
    newest = scanned.results("emission")[-1]
    band = with_error(newest["band_wavelength_nm"], newest["band_wavelength_err_nm"])
    wide = with_error(newest["band_fwhm_nm"], newest["band_fwhm_err_nm"])
    expect(section(looked, "Emission")).to_contain_text(f"band at {band} nm, FWHM {wide} nm")
    low, high = newest["mask_nm"]
    left_out = f"Light of the LED, left out: {low:.0f} to {high:.0f} nm"
    expect(section(looked, "Emission").get_by_role("img", name=left_out)).to_be_visible()


def test_nothing_but_the_server_s_own_scripts_may_run(scanned):
    got = httpx.get(f"{scanned.url}/")
    assert got.status_code == 200
    policy = dict(
        part.strip().split(" ", 1) for part in got.headers["content-security-policy"].split(";") if part.strip()
    )
    assert policy.items() >= POLICY.items()
    assert Inline(got.text).found == []


def test_what_is_written_into_a_page_does_not_run_there(page, scanned):
    looked = look_at(page, scanned)
    page.forgive("Content Security Policy|Content-Security-Policy")
    looked.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
        document.body.insertAdjacentHTML("beforeend", '<img src="data:," onerror="window.ran = true">');
    }""")
    looked.wait_for_timeout(100)
    assert looked.evaluate("window.ran") is None


def test_each_view_is_a_link_away_and_its_address_leads_back_to_it(page, scanned):
    looked = look_at(page, scanned)
    tabs = looked.get_by_role("navigation", name="Views")
    for view, title in VIEWS.items():
        tabs.get_by_role("link", name=title, exact=True).click()
        expect(looked.locator(f"#view-{view}")).to_be_visible()
        expect(looked.get_by_role("main").locator("> section:visible")).to_have_count(1)
        expect(tabs.locator("[aria-current=page]")).to_have_text(title)
        assert looked.url == f"{scanned.url}/#{view}"
    looked.reload()
    expect(looked.locator("#view-log")).to_be_visible()


#: What each view is looked at for.
ESSENTIAL = {
    "reactor": ("group", "Flow scheme"),
    "spectrum": ("img", "Absorbance against wavelength"),
    "scan": ("application", "of 2 points"),
    "saxs": ("img", "Intensity against q"),
    "queue": ("region", "What runs"),
    "log": ("listitem", None),
}
#: What lies on top of a button, at any of these parts of its width and height.
COVERED = """button => {
    const { left, top, width, height } = button.getBoundingClientRect();
    const parts = [0.1, 0.3, 0.5, 0.7, 0.9]; // its corners are round
    const there = parts.flatMap((x) => parts.map((y) => document.elementFromPoint(left + x * width, top + y * height)));
    return there.filter((one) => one !== button).map((one) => one?.outerHTML.slice(0, 100) ?? "outside");
}"""
#: How much of the page, and of the view in it, is beyond the screen, in pixels: below, to the right.
BEYOND = """() => [document.documentElement, document.querySelector("main")].flatMap((one) => [
    one.scrollHeight - one.clientHeight, one.scrollWidth - one.clientWidth])"""


@pytest.mark.parametrize("look", ["light", "dark"])
def test_what_each_view_is_looked_at_for_needs_no_scrolling(browser: Browser, scanned, look):
    with watched(browser, color_scheme=look) as page:
        looked = look_at(page, scanned)
        safe = strip(looked).get_by_role("button", name="Safe state")
        for width, height in ((1366, 768), (1920, 1080)):
            looked.set_viewport_size({"width": width, "height": height})
            for view, (role, name) in ESSENTIAL.items():
                looked.evaluate("view => { location.hash = view; }", view)
                shown = looked.locator(f"#view-{view}")
                found = shown.get_by_role(role, name=name and re.compile(name)).first
                expect(found).to_be_in_viewport(ratio=1)
                expect(answer(looked, "Is it safe?")).to_be_in_viewport(ratio=1)
                expect(safe).to_be_in_viewport(ratio=1)
                assert looked.evaluate(BEYOND) == [0, 0, 0, 0], (view, width)


def test_nothing_covers_the_button_of_the_safe_state_on_a_small_screen(page, scanned):
    looked = look_at(page, scanned)
    log_in(looked, scanned.token)
    expect(strip(looked).get_by_text("anna, operator")).to_be_visible()
    looked.set_viewport_size({"width": 1024, "height": 700})
    safe = strip(looked).locator("button.dangerous")
    for view in VIEWS:
        looked.evaluate("view => { location.hash = view; }", view)
        expect(looked.locator(f"#view-{view}")).to_be_visible()
        expect(safe).to_be_in_viewport(ratio=1)
        assert safe.evaluate(COVERED) == [], view
    safe.click()
    expect(safe).to_have_text("Click again")
    assert safe.evaluate(COVERED) == []
    looked.keyboard.press("Escape")
    expect(safe).to_have_text("Safe state")


@pytest.mark.parametrize("look", ["light", "dark"])
def test_everybody_can_use_each_view(browser: Browser, scanned, look):
    with watched(browser, color_scheme=look) as page:
        looked = look_at(page, scanned)
        log_in(looked, scanned.token)
        expect(strip(looked).get_by_text("anna, operator")).to_be_visible()
        axe, wrong = Axe(), []
        for view in VIEWS:
            looked.evaluate("view => { location.hash = view; }", view)
            expect(looked.locator(f"#view-{view}")).to_be_visible()
            looked.wait_for_timeout(300)  # what is drawn is drawn once for each picture of the screen
            wrong += [
                f"{view}: {found['id']}: {node['target']} {node['failureSummary']}"
                for found in axe.run(looked).response["violations"]
                if found["impact"] in ("serious", "critical")
                for node in found["nodes"]
            ]
        assert wrong == []
