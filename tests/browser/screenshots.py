"""Pictures of the page for its documentation: ``make screenshots``. Each view, light and dark, of a simulated scan."""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.chromium import ARGUMENTS, HOW, find
from tests.browser.lab import Lab, lab
from tests.browser.looking import answer
from tests.browser.watched import SIZE

FOLDER = Path(__file__).parents[2] / "docs" / "images"
LOOKS = ("light", "dark")
#: What shows at its best during which of the two runs.
OF_THE_MAP, OF_THE_JOINT_RUN = ("spectrum", "scan"), ("reactor", "saxs", "queue", "log")
#: Plant seconds per second: fast, yet the reagents last.
SPEED = 80
MAP = {
    "nucleation_c": [260.0, 270.0, 280.0, 290.0, 300.0],
    "growth_offsets_c": [0.0, -10.0, -20.0, -30.0, -40.0, -50.0],
    "residence_time_s": 14.0,
}
JOINT = {
    "nucleation_c": [260.0, 265.0, 270.0, 275.0, 280.0, 285.0, 290.0, 295.0, 300.0],
    "growth_c": 250.0,
    "residence_time_s": 14.0,
    "detectors": ["uv-vis", "saxs", "pl"],
}


def main() -> str | None:
    """Run both scans, and look at each from its middle on."""
    path = find()
    if path is None:
        return f"there is no Chromium: {HOW}"
    with tempfile.TemporaryDirectory() as folder, lab(Path(folder), "--speed", str(SPEED)) as one:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
            pages = {look: _open(browser, one, look) for look in LOOKS}
            _queue(one, "temperature_scan", MAP)
            _begin(one, points_left=9)
            _take(pages, OF_THE_MAP, shows="exciton")
            one.daemon.until_state("idle")
            _queue(one, "nucleation_scan", JOINT)
            for residence_time_s in (14.0, 7.0):
                _queue(one, "temperature_scan", {**MAP, "residence_time_s": residence_time_s})
            _begin(one, points_left=4)
            _take(pages, OF_THE_JOINT_RUN, shows="")
            browser.close()
        one.daemon.ask("re_abort")
        one.daemon.until_state("idle")
    return None


def _queue(one: Lab, plan: str, parameters: dict[str, object]) -> None:
    item = {"item_type": "plan", "name": plan, "kwargs": parameters}
    one.daemon.ask("queue_item_add", {"item": item, "user": "anna", "user_group": "primary"})


def _begin(one: Lab, points_left: int) -> None:
    """Have the first of the queue run, until it has only so many points to go."""
    one.daemon.ask("queue_start")
    one.daemon.until(lambda facts: facts["running"] and facts["running"]["of"])
    one.daemon.until(lambda facts: facts["running"]["done"] >= facts["running"]["of"] - points_left)


def _open(browser: Browser, one: Lab, look: str) -> Page:
    page = browser.new_context(viewport=SIZE, color_scheme=look, reduced_motion="reduce").new_page()
    page.goto(one.url)
    page.evaluate("token => sessionStorage.setItem('flowlab token', token)", one.token)
    page.reload()
    return page


def _take(pages: dict[str, Page], views: tuple[str, ...], shows: str) -> None:
    """A picture of each, when the newest spectrum is one that shows something."""
    for view in views:
        for look, page in pages.items():
            page.evaluate("view => { location.hash = view; }", view)
            page.wait_for_timeout(1500)  # until what is drawn has been, and the server has spoken again
            expect(answer(page, "The last spectrum")).to_contain_text(shows)
            file = FOLDER / f"page-{view}-{look}.png"
            file.write_bytes(_small(page.screenshot()))
            sys.stderr.write(f"{file.relative_to(Path.cwd())}: {file.stat().st_size / 1e3:.0f} kB\n")


def _small(png: bytes) -> bytes:
    """With 256 colours, which is as many as such a page has."""
    with Image.open(io.BytesIO(png)) as image, io.BytesIO() as file:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
        return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
