"""A scan on the page: its numbers are those of the documents, and when they are old they are not taken for news."""

import os
import re
import signal
import socket
from collections.abc import Iterator
from math import hypot
from pathlib import Path

import numpy as np
import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.browser.lab import Lab, lab
from tests.browser.looking import STALE, answer, live, log_in, look_at, section, strip, with_error
from tests.browser.watched import WatchedPage
from tests.daemons import daemon
from tests.instruments import UV_VIS

SCAN = {"nucleation_c": [270.0, 320.0], "growth_offsets_c": [0.0, -20.0, -40.0, -60.0], "residence_time_s": 14.0}
#: What a browser says of a server that is gone.
GONE = "WebSocket connection|ERR_CONNECTION"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


@pytest.fixture(scope="module")
def options() -> list[str]:
    return ["-c", UV_VIS, "--http", f"127.0.0.1:{free_port()}"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def begun(folder: Path, options: list[str]) -> Iterator[Lab]:
    """A lab in which a scan has begun."""
    with lab(folder, *options) as one:
        one.begin("temperature_scan", **SCAN)
        yield one


@pytest.fixture
def scanned(begun: Lab) -> Lab:
    """The same when it has ended."""
    begun.daemon.until_state("idle")
    return begun


def seen(page: Page) -> list[str]:
    """What is shown of the scan, without what the time changes."""
    said = answer(page, "The last spectrum").inner_text() + section(page, "What ended").inner_text()
    return [re.sub(r"\d+ (s|min|h)\b.*? ago", "", line) for line in said.splitlines()]


def web(one: Lab) -> psutil.Process:
    return psutil.Process(one.daemon.until(lambda facts: facts["pids"].get("web"))["pids"]["web"])


def is_stale(page: Page) -> None:
    expect(page.locator("body")).to_have_class(STALE)
    expect(answer(page, "Is it safe?")).to_contain_text("Not known")
    expect(answer(page, "Is it safe?")).to_contain_text("no news for")


def is_whole(page: Page) -> None:
    """The page has been told everything."""
    expect(answer(page, "The last spectrum")).to_contain_text("nucleation 320 °C, growth 260 °C")
    expect(section(page, "What ended").get_by_role("listitem")).to_have_count(1)
    expect(section(page, "What ended")).to_contain_text("residence time 14 s")


def show(page: WatchedPage, one: Lab) -> Page:
    looked = look_at(page, one, "queue")
    is_whole(looked)
    return looked


def test_a_scan_is_followed_as_it_runs_without_anybody_touching_the_page(page, begun):
    looked = look_at(page, begun, "scan")
    expect(answer(looked, "What it does")).to_contain_text(re.compile("[1-7] of 8 points"))
    expect(answer(looked, "The last spectrum")).to_contain_text("nucleation 270 °C")
    expect(looked.get_by_role("application", name=re.compile(r"of [1-7] points"))).to_be_visible()
    expect(answer(looked, "How long still")).to_contain_text("temperature scan came to its end")
    expect(looked.get_by_role("application", name=re.compile("of 8 points, 0 not measured\\."))).to_be_visible()


def test_the_strip_tells_what_the_newest_document_does(page, scanned):
    looked = look_at(page, scanned)
    newest, (window,) = scanned.results("spectra")[-1], scanned.results("window")
    exciton = with_error(newest["exciton_nm"], newest["exciton_err_nm"])
    both_nm = hypot(newest["diameter_fit_err_nm"], newest["diameter_curve_err_nm"])
    last = answer(looked, "The last spectrum")
    expect(last).to_contain_text(f"exciton {exciton} nm")
    expect(last).to_contain_text(f"diameter {with_error(newest['diameter_nm'], both_nm)} nm")
    found = " … ".join(f"{value:g}" for value in sorted({window["low"], window["high"]}))
    expect(answer(looked, "The window")).to_contain_text(f"{window['family']} found at {found} °C")
    ends = with_error(window["upper_edge"], window["upper_edge_err"])
    expect(answer(looked, "The window")).to_contain_text(f"ends {ends} °C")


def test_the_spectrum_and_its_peaks_are_those_of_the_documents(page, scanned):
    looked = look_at(page, scanned, "spectrum")
    newest = scanned.results("spectra")[-1]
    rows = looked.get_by_role("table", name="Peaks of point 8").get_by_role("row")
    expect(rows).to_have_count(1 + len(newest["feature_wavelength_nm"]))
    for i in range(len(newest["feature_wavelength_nm"])):
        expect(rows.nth(1 + i)).to_contain_text(
            with_error(newest["feature_height"][i], newest["feature_height_err"][i])
        )
    # What is read out at the cursor, against the counts.
    dark, reference, sample = (
        scanned.documents(stream)[-1]["spectrometer_counts"] for stream in ("dark", "reference", "primary")
    )
    expected = -np.log10((sample - dark) / (reference - dark))
    axis = scanned.configured("primary", "spectrometer", "spectrometer_wavelength_nm")
    plot = looked.get_by_role("img", name="Absorbance against wavelength")
    plot.focus()
    for _ in range(3):
        looked.keyboard.press("Shift+ArrowLeft")
        read_out = looked.locator("#view-spectrum").get_by_text(re.compile(r"nm; A = ")).first
        at_nm, value = re.match(r"([\d.]+) nm; A = ([−\d.]+) ±", read_out.inner_text()).groups()
        pixels = abs(axis - float(at_nm)) <= 0.051  # it is told to a tenth of a nanometre
        told = float(value.replace("−", "-"))
        digits = len(value.partition(".")[2])
        assert min(abs(expected[pixels] - told)) <= 0.51 * 10.0**-digits


def test_each_cell_of_the_map_is_the_height_in_the_documents(page, scanned):
    looked = look_at(page, scanned, "scan")
    heights = {
        (each["panel"], each["coordinate"]): f"height {with_error(each['height'], each['height_err'])}"
        for each in scanned.results("families")
        if each["family"] == "CdSe-437"
    }
    assert len(heights) == 3
    looked.get_by_text("The map as a table").click()
    table = looked.get_by_role("table").filter(has_text="T_growth")
    expect(table.get_by_role("columnheader")).to_have_text(["T_growth \\ T_nuc", "270 °C", "320 °C"])
    for panel in SCAN["nucleation_c"]:
        for offset in SCAN["growth_offsets_c"]:
            row = table.get_by_role("row").filter(
                has=looked.get_by_role("cell", name=f"{panel + offset:g} °C", exact=True)
            )
            cell = row.get_by_role("cell").nth(1 + SCAN["nucleation_c"].index(panel))
            expect(cell).to_have_text(heights.get((panel, panel + offset), "looked for, not found"))


def test_a_server_that_hangs_makes_the_page_stale_until_it_goes_on(page, scanned):
    looked = show(page, scanned)
    hanging = web(scanned)
    hanging.suspend()
    try:
        is_stale(looked)
    finally:
        hanging.resume()
    live(looked)
    expect(answer(looked, "Is it safe?").get_by_text("Safe", exact=True)).to_be_visible()


def test_a_server_that_is_killed_is_there_again_with_all_that_was_shown(page, scanned):
    looked = show(page, scanned)
    before = seen(looked)
    page.forgive(GONE)
    killed = web(scanned)
    os.kill(killed.pid, signal.SIGKILL)
    is_stale(looked)
    live(looked)
    is_whole(looked)
    assert seen(looked) == before
    assert web(scanned).pid != killed.pid


# The last one: it ends the daemon that the others share.
def test_a_page_outlives_its_daemon_and_its_operator_stays_logged_in(page, scanned, folder, options):
    looked = show(page, scanned)
    log_in(looked, scanned.token)
    expect(strip(looked).get_by_text("anna, operator")).to_be_visible()
    is_whole(looked)
    before = seen(looked)
    page.forgive(GONE)
    scanned.daemon.end()
    is_stale(looked)
    with daemon(folder / "state", *options):
        live(looked)
        expect(strip(looked).get_by_text("anna, operator")).to_be_visible()
        expect(answer(looked, "Is it safe?").get_by_text("Safe", exact=True)).to_be_visible()
        is_whole(looked)
        assert seen(looked) == before
