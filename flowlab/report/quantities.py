"""Tables of what follows from spectra over the conditions: areas of families, onsets, gaps and spreads of sizes."""

import html
import math
from typing import Any

from flowlab.report.axes import axis_name
from flowlab.report.load import RunData

#: Areas are in absorbance times eV, a thousandth of which is a handy unit.
_MEV = 1e3


def rounded(value: float, err: float) -> str:
    """A value with one sigma, ``265 ± 3``: as many digits as the error leaves it."""
    digits = min(max(0, -math.floor(math.log10(err))), 6) if err > 0 else 1
    return f"{value:.{digits}f} ± {err:.{digits}f}"


def last_spread(track: dict[str, Any]) -> str:
    """Spread of the sizes of crystals where it was last known, ``σ_D/D = 5.2 ± 0.6 %``; or why there is none."""
    known = [i for i, value in enumerate(track["size_dispersion"]) if math.isfinite(value)]
    if not known:
        return f"no spread of sizes: {track['size_dispersion_why']}"
    value, err = (100 * float(track[key][known[-1]]) for key in ("size_dispersion", "size_dispersion_err"))
    sign = "<" if track["size_dispersion_is_upper_bound"] else "="
    return f"spread of sizes σ_D/D {sign} {rounded(value, err)} % ({track['size_dispersion_why']})"


def tables(run: RunData) -> str:
    """All of them as HTML; nothing where there is nothing to tell."""
    found = "".join(_family(run, name) for name in dict.fromkeys(row["family"] for row in run.families))
    found += _edges(run) if any("onset_nm" in spectrum for spectrum in run.spectra) else ""
    return f"<h2>Over the conditions</h2>{found}" if found else ""


def _family(run: RunData, family: str) -> str:
    """Areas of a family's band, a row for each value of the slow axis and a column for each of the fast one."""
    areas = {
        row["spectrum"]: rounded(_MEV * row["area_ev"], _MEV * row["area_err_ev"])
        for row in run.families
        if row["family"] == family
    }
    cells: dict[tuple[float, float], list[str]] = {}
    for number, spectrum in enumerate(run.spectra):
        absent = "–" if spectrum["usable"] else "?"
        cells.setdefault((spectrum["panel"], spectrum["coordinate"]), []).append(areas.get(number, absent))
    columns = sorted({coordinate for _, coordinate in cells})
    head = "".join(f"<th>{coordinate:g}</th>" for coordinate in columns)
    rows = "".join(
        f"<tr><th>{panel:g}</th>"
        + "".join(f"<td>{', '.join(cells.get((panel, coordinate), []))}</td>" for coordinate in columns)
        + "</tr>"
        for panel in run.panels
    )
    slow, fast = (_axis(run, which) for which in (0, -1))
    across = f"{slow} down, {fast} across" if len(run.panels) > 1 else fast
    return (
        f"<details><summary>Area of the band of {html.escape(family)}, in thousandths of absorbance · eV, with one "
        f"sigma: {html.escape(across)}; –: not found, ?: the spectrum cannot be used</summary>"
        f"<table><tr><th></th>{head}</tr>{rows}</table></details>"
    )


def _edges(run: RunData) -> str:
    """Onset, gap and spread of sizes of each spectrum."""
    several = len(run.panels) > 1
    names = [_axis(run, 0)] * several + [_axis(run, -1), "onset / nm", "Tauc gap / eV", "σ_D/D / %", ""]
    # When a spectrum comes, whose exciton a band is may not be known yet; when the run is over, it is.
    spreads = {
        int(spectrum): (track, number)
        for track in run.tracks
        if track["kind"] == "nc" and track["transition"] == "E1"
        for number, spectrum in enumerate(track["spectrum"])
    }
    rows = "".join(_edge_row(spectrum, spreads.get(i), several) for i, spectrum in enumerate(run.spectra))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    return (
        "<details><summary>Onset of absorption, Tauc gap (direct) and spread of the crystals' sizes, with one sigma"
        f"</summary><table><tr>{head}</tr>{rows}</table></details>"
    )


def _edge_row(spectrum: dict[str, Any], exciton: tuple[dict[str, Any], int] | None, several: bool) -> str:
    """A row of the table, with the reasons for what there is none of."""
    cells, reasons = [f"{spectrum['panel']:g}"] * several + [f"{spectrum['coordinate']:g}"], list[str]()
    for value, err, why in (
        (spectrum["onset_nm"], spectrum["onset_err_nm"], spectrum["onset_why"]),
        (spectrum["tauc_gap_ev"], spectrum["tauc_gap_err_ev"], spectrum["tauc_gap_why"]),
    ):
        cells.append(rounded(value, err) if math.isfinite(value) else "–")
        reasons += [] if math.isfinite(value) else [str(why)]
    cells.append(_spread_cell(*exciton) if exciton else "–")
    cells.append(html.escape("; ".join(dict.fromkeys(reasons))))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _spread_cell(track: dict[str, Any], number: int) -> str:
    value, err = (100 * float(track[key][number]) for key in ("size_dispersion", "size_dispersion_err"))
    if math.isnan(value):
        return "–"
    return ("&lt; " if track["size_dispersion_is_upper_bound"] else "") + rounded(value, err)


def _axis(run: RunData, which: int) -> str:
    """Name and unit of an axis of the scan."""
    name, unit, _ = axis_name(run.start["analysis"]["axes"][which])
    return f"{name} / {unit}" if unit else name
