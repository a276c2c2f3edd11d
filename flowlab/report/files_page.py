"""The answer of ``flowlab analyze`` as one self-contained HTML page: nothing is loaded from anywhere."""

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import flowlab
from flowlab.config import Material
from flowlab.errors import BadInputError
from flowlab.report.files import Analysed
from flowlab.report.files_figures import draw
from flowlab.report.files_words import answers, details, what
from flowlab.report.page import STYLE, unbroken
from flowlab.report.particles import Particles, diameter, particles, sized, with_errors
from flowlab.report.quantities import tables

_CAPTIONS = {
    "spectra": "Absorption spectra. A shaded band marks a cluster, dots the first exciton.",
    "tracks": "Where each band was: what stays is a cluster, what moves is a crystal's. Error bars are one sigma.",
    "panels": "Absorption spectra, one panel for each value of the slow axis. A shaded band marks a fixed cluster.",
    "map": "Where the cluster was found, and how strong its band is there. Open squares: measured, not found.",
    "excitons": "The first exciton, and the diameter from the sizing curve. Error bars are one sigma of the position.",
}


def write_page(analysed: Sequence[Analysed], material: Material, path_mm: float | None, out: Path) -> None:
    """Write the page.

    Args:
        analysed: the series.
        material: what they were analysed as.
        path_mm: optical path, for those series that do not tell it.
        out: the page.

    Raises:
        BadInputError: ``out`` is a folder.
        OSError: it cannot be written.
    """
    if out.is_dir():
        raise BadInputError(f"{out}: is a folder; name the page to write in it, analysis.html for instance")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(analysed, material, path_mm), encoding="utf-8")


def page(analysed: Sequence[Analysed], material: Material, path_mm: float | None) -> str:
    """The page as text."""
    sections = "\n".join(_section(one, material, path_mm, len(analysed) > 1) for one in analysed)
    told = " ".join(answers(analysed))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(told)}</title><style>{STYLE}</style></head>
<body>
<h1>{html.escape(", ".join(one.source for one in analysed))}</h1>
<p class="what">analysed as {html.escape(material.name)} by flowlab {flowlab.__version__}</p>
<p class="answer">{unbroken(told)}</p>
{sections}
<h2>Sources</h2>
<ul>{"".join(f"<li>{html.escape(source)}</li>" for source in _sources(material))}</ul>
</body></html>
"""


def _section(one: Analysed, material: Material, path_mm: float | None, titled: bool) -> str:
    path = one.path_mm or path_mm
    pictures = "\n".join(
        f'<figure><img alt="{name}" src="data:image/png;base64,{_png(figure)}">'
        f"<figcaption>{_CAPTIONS[name]}</figcaption></figure>"
        for name, figure in draw(one).items()
        if name in _CAPTIONS
    )
    found = "\n".join(f"<li>{unbroken(text.strip())}</li>" for text in details(one, material, path))
    said = "\n".join(f"<li>{html.escape(warning)}</li>" for warning in one.warnings)
    return (
        (f"<h2>{html.escape(one.source)}</h2>" if titled else "")
        + pictures
        + f"<h2>What was found</h2><ul>{found or '<li>nothing was decided</li>'}</ul>"
        + "".join(_table(one, track, particles(one, track, material, path)) for track in one.run.tracks if sized(track))
        + tables(one.run)
        + (f"<h2>What was left out, mended or assumed</h2><ul>{said}</ul>" if said else "")
    )


def _png(figure: Figure) -> str:
    data = io.BytesIO()
    FigureCanvasAgg(figure).print_png(data)
    return base64.b64encode(data.getvalue()).decode()


def _table(one: Analysed, track: dict[str, Any], found: list[Particles]) -> str:
    name, unit, _ = one.axis
    head = f"<th>{html.escape(f'{name} / {unit}' if unit else name)}</th><th>band / nm</th><th>diameter / nm</th>"
    head += "<th>formula units</th><th>concentration / µmol/L</th><th></th>"
    rows = "".join(
        f"<tr><td>{p.coordinate:g}</td><td>{p.wavelength_nm:.1f}</td>"
        + "".join(
            f"<td>{'–' if found is None else with_errors(found, factor)}</td>"
            for found, factor in ((diameter(p.size), 1.0), (p.units, 1.0), (p.molar, 1e6))
        )
        + f"<td>{html.escape(_why(p))}</td></tr>"
        for p in found
    )
    return (
        f"<details open><summary>Particles: {html.escape(what(track))}; errors are one sigma, of the fit and of the "
        f"sizing curve, the latter common to all</summary><table><tr>{head}</tr>{rows}</table></details>"
    )


def _why(p: Particles) -> str:
    return p.size.why if p.size.diameter_nm is None else p.why_not or ""


def _sources(material: Material) -> list[str]:
    curves = {"diameters": material.sizing, "concentrations": material.extinction}
    sources = [f"{name} by {told.name}: {told.source}" for name, told in curves.items() if told is not None]
    if material.linewidth is not None:
        width = f"{1e3 * material.linewidth.homogeneous_fwhm_ev:g} meV"
        sources.append(f"exciton of crystals of one size {width} wide: {material.linewidth.source}")
    sources += [f"{family.name}: {family.source}" for family in material.families]
    missing = (material.no_sizing, material.no_families)
    return [*sources, *(reason for reason in missing if reason is not None)]
