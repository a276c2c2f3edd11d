"""What the photoluminescence of a run says, in words."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from flowlab.analysis.axis import HC_EV_NM
from flowlab.report.axes import axis_name
from flowlab.report.load import RunData

#: So many panels are listed one by one.
_MOST_PANELS = 4


def emission_answer(run: RunData) -> str:
    """Where the emission is over the scan, in a sentence."""
    seen = [found for found in run.emissions if found["usable"] and not found["why"]]
    if not seen:
        usable = [found for found in run.emissions if found["usable"]]
        what = "no emission was found" if usable else "nothing could be used"
        return f"PL: {what}: {(usable or run.emissions)[0]['why']}."
    panels = list(dict.fromkeys(found["panel"] for found in seen))
    if len(panels) > _MOST_PANELS:
        at = sorted(seen, key=lambda found: found["band_wavelength_nm"])
        words = f"emission from {_nm(at[0]).removesuffix(' nm')} to {_nm(at[-1])}"
    else:
        words = "; ".join(_of_panel(run, [f for f in seen if f["panel"] == panel], len(panels) > 1) for panel in panels)
    missing = len(run.emissions) - len(seen)
    left = f" ({missing} of {len(run.emissions)} spectra show no band)" if missing else ""
    return f"PL: {words}{left}."


def _of_panel(run: RunData, found: Sequence[Mapping[str, Any]], named: bool) -> str:
    slow, slow_unit, _ = axis_name(run.start["analysis"]["axes"][0])
    _, unit, _ = axis_name(run.start["analysis"]["axes"][-1])
    first, last = found[0], found[-1]
    words = f"emission at {_nm(first)} at {first['coordinate']:g} {unit}".rstrip()
    if len(found) > 1:
        words += f", {_nm(last)} at {last['coordinate']:g} {unit}".rstrip()
    return f"{words} ({slow} {first['panel']:g} {slow_unit})".replace(" )", ")") if named else words


def _nm(found: Mapping[str, Any]) -> str:
    return f"{found['band_wavelength_nm']:.0f} nm"


def emission_details(run: RunData) -> list[str]:
    """What else there is to say, one sentence for each spectrum."""
    (slow, slow_unit, _), (fast, unit, _) = (axis_name(run.start["analysis"]["axes"][i]) for i in (0, -1))
    sentences: list[str] = []
    for found in run.emissions:
        where = f"{slow} {found['panel']:g} {slow_unit}".rstrip() + f", {fast} {found['coordinate']:g} {unit}".rstrip()
        words = [found["emission"]]
        if not found["why"] and (exciton := exciton_at(run, found)) is not None:
            words.append(_shift(found, exciton))
        sentences.append(f"{where}: {'; '.join(words)}")
    return sentences


def exciton_at(run: RunData, found: Mapping[str, Any]) -> tuple[float, float] | None:
    """First exciton of the absorption spectrum at the same conditions as an emission: nm, and its error."""
    place = found["panel"], found["coordinate"]
    for spectrum in run.spectra:
        at, err = spectrum["exciton_nm"], spectrum["exciton_err_nm"]
        if (spectrum["panel"], spectrum["coordinate"]) == place and math.isfinite(at) and math.isfinite(err):
            return at, err
    return None


def _shift(found: Mapping[str, Any], exciton: tuple[float, float]) -> str:
    """The Stokes shift."""
    (absorbed_nm, absorbed_err_nm), emitted_nm = exciton, found["band_wavelength_nm"]
    shift_mev = 1e3 * HC_EV_NM * (1 / absorbed_nm - 1 / emitted_nm)
    emitted_err_nm = math.hypot(found["band_wavelength_err_nm"], found["band_response_err_nm"])
    err_mev = 1e3 * HC_EV_NM * math.hypot(absorbed_err_nm / absorbed_nm**2, emitted_err_nm / emitted_nm**2)
    return f"{shift_mev:.0f} ± {max(err_mev, 1.0):.0f} meV below the first exciton"
