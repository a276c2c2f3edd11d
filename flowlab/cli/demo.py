"""``flowlab demo``: the simulated scan, from nothing to the answer."""

import json
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowlab.cli.options import DATA, Json, Seed, Speed

if TYPE_CHECKING:
    from flowlab.stream import Message

_RECIPE = "palencia-2020-fig1"
_CONFIG = "simulated-flow"
#: Faster than the instrument file has it: at a residence time of 14 s little flows while instruments answer.
_SPEED = 200.0


def demo(
    out: Annotated[Path, typer.Option(help="Folder in which the run is kept.")] = DATA,
    speed: Speed = _SPEED,
    seed: Seed = None,
    playback: Annotated[
        Path | None,
        typer.Option(
            help="A measured series to show the spectrometer, headers like '20 s'; see analyze.", metavar="FILE"
        ),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only tell the address of the page that shows the scan.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Scan a simulated reactor and find where CdSe-437 accumulates.

    The temperature scan of Palencia 2020, Fig. 1: simulators, plans, analysis, file and report, over real wires. A page
    shows it as it goes on, but with --json.
    """
    from flowlab.cli.browser import PageNews
    from flowlab.cli.progress import RunProgress
    from flowlab.daemon.session import Session
    from flowlab.live.window import edges_of
    from flowlab.process import ChildFailedError
    from flowlab.report.page import write_report
    from flowlab.report.words import answer

    began = time.monotonic()
    plan, parameters = _playback_scan(playback) if playback else _recipe()
    try:
        with (
            Session(
                _CONFIG, out, simulate=True, speed=speed, seed=seed, playback=playback, page=not as_json
            ) as session,
            RunProgress(session.documents) as progress,
        ):
            news = None if session.page is None else PageNews(session.page, browser=not no_browser)

            def watch(message: "Message") -> None:
                if news is not None:
                    news.look()
                progress.watch(message)

            outcome = session.run(plan, parameters, watch, _metadata(session, speed, seed, playback))
    except ChildFailedError as error:
        if speed is None or speed <= _SPEED or error.kind != "InstrumentFaultError":
            raise
        hint = f"at --speed {speed:g} reagents flow on while a busy machine answers: try {_SPEED:g}"
        raise ChildFailedError(f"{error}; {hint}", error.exit_code, error.kind) from None
    for problem in outcome.problems:
        sys.stderr.write(f"flowlab: {problem}\n")
    run = write_report(outcome.stored, outcome.stored.report)
    facts = {
        "window_c": _window(outcome.window),
        "window_edges_c": edges_of(outcome.window),
        "points": len(run.spectra),
        "run_uid": outcome.run_uid,
        "nexus": str(outcome.stored.nexus),
        "report": str(outcome.stored.report),
        "journal": str(outcome.stored.journal),
        "seconds": outcome.seconds,
    }
    if as_json:
        sys.stdout.write(json.dumps(facts) + "\n")
        return
    took = f"{outcome.seconds:.0f} s for the scan, {time.monotonic() - began:.0f} s in all"
    sys.stdout.write(
        f"\n{answer(run)}\n\n{len(run.spectra)} spectra, {took}\n"
        + "".join(f"{name:8} {facts[name]}\n" for name in ("report", "nexus", "journal"))
    )


def _recipe() -> tuple[str, dict[str, Any]]:
    from flowlab.config import load_recipe

    recipe = load_recipe(_RECIPE)
    return recipe.plan, recipe.parameters


def _playback_scan(path: Path) -> tuple[str, dict[str, Any]]:
    """One residence time for each spectrum of the file; nothing is heated."""
    from flowlab.storage.series import read_series

    series = read_series(path)
    times = [float(t) for t in series.time_s]
    # What flows shows a spectrum of the file at once: the reference is the solvent that the cell holds before.
    return "residence_time_scan", {"temperatures_c": [25.0], "residence_times_s": times, "blank_c": None}


def _metadata(session: Any, speed: float | None, seed: int | None, playback: Path | None) -> dict[str, Any]:
    settings = session.config.simulation
    simulation = {"seed": settings.seed if seed is None else seed, "speed": speed or session.config.clock.speed}
    if playback is not None:
        simulation["playback"] = playback.name
    return {"simulation": simulation}


def _window(window: dict[str, Any] | None) -> list[float] | None:
    if window is None or math.isnan(window["low"]):
        return None
    return [_tidy(window["low"]), _tidy(window["high"])]


def _tidy(value: float) -> float:
    return int(value) if float(value).is_integer() else float(value)
