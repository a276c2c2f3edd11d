"""The kinetics of runs as one self-contained HTML page: nothing is loaded from anywhere."""

import base64
import html
import io
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import flowlab
from flowlab.analysis.kinetic_window import PredictedWindow
from flowlab.errors import BadInputError
from flowlab.report.kinetics import Kinetics
from flowlab.report.kinetics_words import constants, notes, summary, window
from flowlab.report.page import STYLE, unbroken

_CAPTIONS = {
    "window": "Height of the family against the nucleation temperature: the model with one sigma, and what was found "
    "at the highest growth temperature of each. Open: sought and not found. Dotted: what can be detected.",
    "heights": "Heights by the model against those found. On the line, the model is right.",
}


def write_page(found: Kinetics, out: Path) -> None:
    """Write the page.

    Raises:
        BadInputError: ``out`` is a folder.
        OSError: it cannot be written.
    """
    if out.is_dir():
        raise BadInputError(f"{out}: is a folder; name the page to write in it, kinetics.html for instance")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(found), encoding="utf-8")


def page(found: Kinetics) -> str:
    """The page as text."""
    with rc_context({"text.parse_math": False}):  # names of families are text, dollars or not
        figures = {"heights": _heights(found)}
        if found.window is not None:
            figures = {"window": _window(found, found.window), **figures}
        pictures = "\n".join(
            f'<figure><img alt="{name}" src="data:image/png;base64,{_png(figure)}">'
            f"<figcaption>{_CAPTIONS[name]}</figcaption></figure>"
            for name, figure in figures.items()
        )
    told, *lines = constants(found)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Kinetics of {html.escape(found.material)}</title>
<style>{STYLE}</style></head>
<body>
<h1>{html.escape(", ".join(found.samples.sources))}</h1>
<p class="what">kinetics of {html.escape(found.material)} by flowlab {flowlab.__version__}</p>
<p class="answer">{unbroken("; ".join(window(found)))}</p>
<p>{unbroken(summary(found))}</p>
{pictures}
<h2>{unbroken(told)}</h2>
{_listed(lines)}
<h2>What was left out, or is against the model</h2>
{_listed(notes(found) or ["nothing"])}
</body></html>
"""


def _listed(lines: list[str]) -> str:
    return "<ul>" + "".join(f"<li>{unbroken(line.strip())}</li>" for line in lines) + "</ul>"


def _png(figure: Figure) -> str:
    data = io.BytesIO()
    FigureCanvasAgg(figure).print_png(data)
    return base64.b64encode(data.getvalue()).decode()


def _window(found: Kinetics, it: PredictedWindow) -> Figure:
    figure = Figure(figsize=(8.5, 4.6), dpi=110, layout="constrained")
    place = figure.subplots()
    place.plot(it.nucleation_c, it.height, color="C0", label=f"model, {it.growth}")
    place.fill_between(it.nucleation_c, it.height - it.height_err, it.height + it.height_err, color="C0", alpha=0.25)
    place.axhline(it.detectable, color="0.4", ls=":", lw=1.0)
    family = found.fit.chain.families.index(it.family)
    measured = found.fit.residuals
    here = np.isclose(measured.conditions.residence_s, it.residence_s, rtol=0.02)
    for at in np.unique(measured.conditions.nucleation_c[here]):
        samples = np.flatnonzero(here & (measured.conditions.nucleation_c == at))
        top = samples[np.argmax(measured.conditions.growth_c[samples])]
        height, err = measured.heights.height[top, family], measured.heights.height_err[top, family]
        if height > 0:
            place.errorbar([at], [height], [err], fmt="o", color="C3", ms=5, capsize=2.0)
        elif height == 0:
            place.plot([at], [0], "o", mfc="none", color="C3", ms=5)
    place.set_xlabel("nucleation temperature / °C")
    place.set_ylabel(f"height of {it.family} / absorbance")
    place.legend(fontsize=8, frameon=False)
    return figure


def _heights(found: Kinetics) -> Figure:
    figure = Figure(figsize=(5.6, 5.0), dpi=110, layout="constrained")
    place = figure.subplots()
    residuals = found.fit.residuals
    model, measured = found.fit.heights(residuals.conditions), residuals.heights.height
    for i, family in enumerate(found.fit.chain.families):
        seen = measured[:, i] > 0
        place.plot(measured[seen, i], model[seen, i], "o", ms=4, label=family)
    ends = [float(np.min(measured[measured > 0])), float(np.nanmax(measured))]
    place.plot(ends, ends, color="0.4", lw=1.0)
    place.set_xscale("log")
    place.set_yscale("log")
    for axis in (place.xaxis, place.yaxis):
        axis.set_major_formatter("{x:g}")  # its own writes formulas, for which text is not taken here
    place.set_xlabel("height found / absorbance")
    place.set_ylabel("height by the model / absorbance")
    place.legend(fontsize=8, frameon=False)
    return figure
