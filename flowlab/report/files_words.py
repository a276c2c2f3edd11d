"""The answer of ``flowlab analyze`` in words."""

import math
from collections.abc import Sequence
from typing import Any

from flowlab.config import Material
from flowlab.report.files import Analysed
from flowlab.report.particles import Particles, diameter, particles, sized, with_errors
from flowlab.report.quantities import last_spread, rounded
from flowlab.report.words import answer

_LEAST = 3  # sightings; of what was seen less often there is nothing to say
_KINDS = {"nc": "crystals", "other": "a higher transition", "artefact": "an artefact", "unknown": "undecided"}


def answers(analysed: Sequence[Analysed]) -> list[str]:
    """What came of each series in a sentence or two; with the file's name where there are several."""
    return [f"{one.source}: {_answer(one)}" if len(analysed) > 1 else _answer(one) for one in analysed]


def _answer(one: Analysed) -> str:
    if not any(s["usable"] for s in one.run.spectra):
        return f"None of its {len(one.run.spectra)} spectra can be used: {one.run.spectra[0]['why']}."
    if len(one.run.spectra) < _LEAST:
        count = sum(len(s["feature_wavelength_nm"]) for s in one.run.spectra)
        return (
            f"{len(one.run.spectra)} spectra with {count} bands: whether a band stays or moves takes at least {_LEAST}."
        )
    return answer(one.run)


def details(one: Analysed, material: Material, path_mm: float | None) -> list[str]:
    """One sentence for each band that was followed, and for each kind of spectrum that could not be used."""
    name, unit, _ = one.axis
    several = len(one.run.panels) > 1
    sentences: list[str] = []
    for track in one.run.tracks:
        if len(track["spectrum"]) < _LEAST:
            continue
        first, last = (f"{track['coordinate'][i]:g}" for i in (0, -1))
        sentence = f"{what(track)}: {track['why']}; {name} {first} to {last} {unit}".rstrip()
        sentence += f" ({100 * track['probability']:.0f} %)"
        sentences.append(f"panel {track['panel']:g}: {sentence}" if several else sentence)
        if sized(track):
            sentences += [f"  {text}" for text in _sizes(particles(one, track, material, path_mm))]
        if track["kind"] == "nc" and track["transition"] == "E1":
            sentences += [f"  {text}" for text in (last_spread(track), *_edge(one, track))]
    reasons = [str(s["why"]) for s in one.run.spectra if not s["usable"]]
    for why in dict.fromkeys(reasons):
        sentences.append(f"{reasons.count(why)} of {len(one.run.spectra)} spectra cannot be used: {why}")
    if material.sizing is None and material.no_sizing:
        sentences.append(f"no diameters of {material.name}: {material.no_sizing}")
    return sentences


def what(track: dict[str, Any]) -> str:
    """What a track is, in a few words."""
    if track["kind"] == "msc":
        which = track["family"] or "a cluster of no known family"
        return which if track["transition"] == "E1" else f"a higher transition of {which}"
    if track["kind"] == "nc" and track["transition"] == "E1":
        return "the exciton"
    return f"{_KINDS[track['kind']]}, at {track['wavelength_nm'][-1]:.0f} nm"


def _edge(one: Analysed, track: dict[str, Any]) -> list[str]:
    """Onset and gap in the last spectrum in which an exciton was seen; or why there is none."""
    spectrum = one.run.spectra[int(track["spectrum"][-1])]
    found: list[str] = []
    for name, key, unit in (("onset of absorption", "onset", "nm"), ("Tauc gap", "tauc_gap", "eV")):
        value, err, why = (spectrum[k] for k in (f"{key}_{unit.lower()}", f"{key}_err_{unit.lower()}", f"{key}_why"))
        known = math.isfinite(value)
        found.append(f"{name}: {rounded(value, err)} {unit}" if known else f"{name}: none, {why}")
    return found


def _sizes(found: list[Particles]) -> list[str]:
    """Diameter, units and concentration where they are last known; or why there are none."""
    known = [p for p in found if p.size.diameter_nm is not None]
    if not known:
        return [f"no diameter: {found[-1].size.why}"] if found[-1].size.why else []
    it = known[-1]
    quantities = {
        f"diameter at {it.wavelength_nm:.1f} nm, in nm, by {it.size.why}": (diameter(it.size), 1.0),
        "formula units in each": (it.units, 1.0),
        "concentration in µmol/L": (it.molar, 1e6),
    }
    sentences = [f"{name}: {with_errors(found, by)}" for name, (found, by) in quantities.items() if found is not None]
    if len(known) < len(found):
        sentences.append(f"{len(known)} of {len(found)} are in the range of the curve")
    return sentences
