"""One self-contained HTML page: nothing is loaded from anywhere."""

import base64
import html
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import flowlab
from flowlab.errors import BadInputError
from flowlab.report.axes import axis_name
from flowlab.report.figures import draw_all, save
from flowlab.report.joint_words import joint_table
from flowlab.report.load import RunData, load_run
from flowlab.report.quantities import tables
from flowlab.report.words import answer, details
from flowlab.stream import StoredRun

_CAPTIONS = {
    "panels": "In situ absorption spectra: one panel for each {slow}, colours are {fast}s. "
    "A shaded band marks a fixed cluster.",
    "map": "Where the cluster was found, and how strong its band is there. Open squares: measured, not found.",
    "excitons": "The first exciton moves: its position, and the diameter from the sizing curve, against {fast}. "
    "Error bars are one sigma of the position.",
    "curves": "SAXS: the sample's own scattering at each point, with one sigma; each curve is lifted above the one "
    "before. Triangles: Bragg peaks.",
    "radii": "Radius of spheres against {fast}, with one sigma. Open: whether there is one size or several, the curve "
    "does not tell. Grey: no radius.",
    "distributions": "SAXS: the smoothest distribution of volume that describes each curve, with a band of one sigma. "
    "Sizes nearer than the curve tells apart come out as one.",
    "joint": "Diameters by SAXS and by absorption of the same plugs, on one axis, against {fast}. Caps: one sigma of "
    "the fit; pale bars: width of the distribution (SAXS), error of the sizing curve (absorption), common to all.",
    "emission": "Photoluminescence: counts above the dark ones to the red of the LED; and where the band is, against "
    "{fast}, with one sigma of the noise. The response of the detector is not corrected for. Open: the first exciton.",
}

#: Of every page.
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c1c; }
h1 { font-size: 1.3rem; margin-bottom: .2rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
.answer { font-size: 1.35rem; margin: 1rem 0; padding: .8rem 1rem; background: #eef3f0;
  border-left: 5px solid #2f7d5b; }
.what { color: #555; margin: 0; } figure { margin: 1.2rem 0; } img { max-width: 100%; }
figcaption { color: #555; font-size: .9rem; } table { border-collapse: collapse; font-size: .9rem; }
td, th { text-align: left; padding: .15rem .9rem .15rem 0; vertical-align: top; } th { font-weight: 600; }
ul { font-size: .95rem; padding-left: 1.2rem; }
pre { font-size: .8rem; overflow-x: auto; background: #f6f6f6; padding: .6rem; }
"""


def write_report(stored: StoredRun, out: Path) -> RunData:
    """Write the report of a run as one page, and its figures beside it as PNG.

    Args:
        stored: the run.
        out: the page; beside ``report.html`` stand report-panels.png, report-map.png and report-excitons.png.

    Returns:
        What was reported.

    Raises:
        BadInputError: the run holds nothing to report, or ``out`` is a folder.
        OSError: the page or a figure cannot be written.
    """
    if out.is_dir():
        raise BadInputError(f"{out}: is a folder; name the page to write in it, report.html for instance")
    run = load_run(stored)
    out.parent.mkdir(parents=True, exist_ok=True)
    pictures = save(draw_all(run), out)
    out.write_text(page(run, pictures), encoding="utf-8")
    return run


def page(run: RunData, pictures: dict[str, Path]) -> str:
    """The page as text."""
    when = datetime.fromtimestamp(run.start["time"]).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    slow, fast = (html.escape(axis_name(run.start["analysis"]["axes"][i])[0]) for i in (0, -1))
    figures = "\n".join(
        f'<figure><img alt="{name}" src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}">'
        f"<figcaption>{_CAPTIONS[name].format(slow=slow, fast=fast)}</figcaption></figure>"
        for name, path in sorted(pictures.items(), key=lambda item: list(_CAPTIONS).index(item[0]))
    )
    found = "\n".join(f"<li>{unbroken(sentence)}</li>" for sentence in details(run)) or "<li>nothing was decided</li>"
    rows = "\n".join(f"<tr><th>{k}</th><td>{html.escape(str(v))}</td></tr>" for k, v in _facts(run).items())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(answer(run))}</title><style>{STYLE}</style></head>
<body>
<h1>{html.escape(str(run.start.get("plan_name", "run")))} on {html.escape(str(run.start.get("instrument", "?")))}</h1>
<p class="what">{when}, {_amount(run)}</p>
<p class="answer">{unbroken(answer(run))}</p>
{figures}
{joint_table(run)}
{_melting(run)}
{tables(run)}
<h2>What was found</h2>
<ul>{found}</ul>
<h2>Provenance</h2>
<table>{rows}</table>
<details><summary>Configuration of the instrument</summary>
<pre>{html.escape(json.dumps(run.start.get("config", {}), indent=1, ensure_ascii=False))}</pre></details>
</body></html>
"""


def _amount(run: RunData) -> str:
    """How much was measured."""
    counted = {
        "spectra": len(run.spectra),
        "emission spectra": len(run.emissions),
        "SAXS points": len(run.points),
        "SAXS frames": run.frames,
    }
    if run.calibration is not None:
        counted["frames of the standard"] = run.calibration["frames"]
    return ", ".join(f"{count} {name}" for name, count in counted.items() if count)


def _melting(run: RunData) -> str:
    """Height of the first Bragg peak over temperature, as a table; nothing where it was not followed."""
    if not run.melting:
        return ""
    top = max(m["height"] for m in run.melting)
    rows = "".join(
        f"<tr><td>{m['temperature_c']:g} °C</td><td>{_share(m, top)}</td>"
        f"<td>{html.escape(m['state'])}</td><td>{html.escape(m['why'])}</td></tr>"
        for m in run.melting
    )
    head = "<tr><th>temperature</th><th>height of the first peak</th><th>layers</th><th>why</th></tr>"
    return f"<h2>Melting of the layers</h2>\n<table>{head}{rows}</table>"


def _share(found: dict[str, Any], top: float) -> str:
    if found["height"] != found["height"]:
        return "?"
    return f"{100 * found['height'] / top:.1f} ± {100 * found['height_err'] / top:.1f} %"


def unbroken(text: str) -> str:
    """Text in which no line ends between a number and its unit."""
    return re.sub(r"(?<=\d) (?=°C|nm|mm|s\b|%)", "&nbsp;", html.escape(text))


def _resumed(run: RunData) -> dict[str, str]:
    """What the run goes on with."""
    if "resumes" not in run.start:
        return {}
    first = run.start.get("first_point", 0)
    points = first + run.start["num_points"]
    return {"resumes": f"{run.start['resumes']}, which has the first {first} of {points} points"}


def _facts(run: RunData) -> dict[str, str]:
    status = "no end is recorded" if run.stop is None else run.stop["exit_status"]
    facts = {
        "run": run.start["uid"],
        **_resumed(run),
        "ended": status + (f": {run.stop['reason']}" if run.stop and run.stop.get("reason") else ""),
        "material": run.analysis_start.get("material", "?"),
        "measured by": f"flowlab {run.start.get('software', {}).get('version', '?')}",
        "analysed by": f"flowlab {run.analysis_start.get('software', {}).get('version', '?')}",
        "reported by": f"flowlab {flowlab.__version__}",
        "parameters": json.dumps(run.start.get("plan_parameters", {}), ensure_ascii=False),
    }
    if simulation := run.start.get("simulation") or run.start.get("config", {}).get("simulation"):
        facts["simulated"] = json.dumps(simulation, ensure_ascii=False)
    return facts
