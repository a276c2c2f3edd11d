"""The kinetics of runs in words, and as JSON."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from flowlab.analysis.kinetic_parameters import Parameter
from flowlab.analysis.kinetic_window import Edge, PredictedWindow
from flowlab.report.kinetics import Kinetics

#: Above this χ² per degree of freedom the model does not describe what was measured.
_DESCRIBED = 2.0


def summary(found: Kinetics) -> str:
    """What was fitted to what, and whether it describes it."""
    fit = found.fit
    chain = " → ".join(("nuclei", *fit.chain.families, "crystals"))
    runs = len(found.samples.sources)
    scatter = f"{100 * fit.residuals.scatter:g} %"
    verdict = (
        f"The model describes them within {scatter}"
        if fit.misfit <= _DESCRIBED
        else f"The model does not describe them within {scatter}: rate constants are apparent, errors are scaled for it"
    )
    return (
        f"{chain}, fitted to {fit.heights_found} heights in {len(found.samples.conditions)} samples of "
        f"{runs} run{'s' if runs > 1 else ''}. {verdict} (χ² per degree of freedom {fit.misfit:.2g}; "
        f"half of the heights are met within {100 * fit.typical_error:.0f} %)."
    )


def window(found: Kinetics) -> list[str]:
    """The window predicted, and the one found."""
    it = found.window
    if it is None:
        return ["No window: the family that accumulates is not in the chain."]
    said = [f"{it.family} at {it.residence_s:g} s, {it.growth}: {_predicted(it)}"]
    said.append(f"found at {_listed(found.found)} °C" if found.found else "found at no nucleation temperature")
    if found.not_found:
        said[-1] += f"; sought and not found at {_listed(found.not_found)} °C"
    wrong = [c for c in found.not_found if _inside(it, c)] + [c for c in found.found if not _inside(it, c)]
    if wrong:
        said.append(f"the model is contradicted at {_listed(sorted(wrong))} °C")
    if found.fit.misfit > _DESCRIBED:
        said.append("the intervals hold as far as the model does, which does not describe the heights")
    return said


def _inside(it: PredictedWindow, nucleation_c: float) -> bool:
    """Whether the prediction has the family at a nucleation temperature."""
    return bool(np.interp(nucleation_c, it.nucleation_c, it.height) >= it.detectable)


def _listed(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _predicted(it: PredictedWindow) -> str:
    if it.low is None or it.high is None:
        return f"nowhere predicted above {it.detectable:.2g}, which can be detected"
    return f"predicted from {_edge(it.low)} to {_edge(it.high)}, where its height is above {it.detectable:.2g}" + (
        f"; in {100 * it.no_window:.0f} % of the draws nowhere" if it.no_window > 0 else ""
    )


def _edge(edge: Edge) -> str:
    if edge.at_c is None:
        return str(edge.why)
    if edge.interval_c is None:
        return f"{edge.at_c:.0f} °C ({edge.why})"
    return f"{edge.at_c:.1f} °C ({edge.interval_c[0]:.1f} … {edge.interval_c[1]:.1f})"


def constants(found: Kinetics) -> list[str]:
    """One line for each parameter."""
    growth_c = found.fit.reference_c[1]
    lines = [f"Rate constants at a growth temperature of {growth_c:g} °C, with all monomer left; intervals of 95 %:"]
    return lines + [f"  {parameter(p)}" for p in found.fit.told]


def parameter(p: Parameter) -> str:
    """A parameter with its interval, or why it has none."""
    if p.value is None or p.interval is None:
        return f"{p.name}: not determined: {p.why}"
    low, high = (number(v) for v in p.interval)
    return f"{p.name}: {number(p.value)} {p.unit} ({low} … {high})"


def number(value: float) -> str:
    """Three digits."""
    return f"{value:.0f}" if 100 <= abs(value) < 1e5 else f"{value:.3g}"


def notes(found: Kinetics) -> list[str]:
    """What was left out, and what contradicts the model."""
    said = [f"left out: {why}" for why in found.left_out]
    if found.fit.contradicted:
        said.append(f"in {found.fit.contradicted} places the model has a family that was sought and not found")
    return said


def as_json(found: Kinetics) -> dict[str, Any]:
    """Schema 1; its keys are fixed, see docs/kinetics.md."""
    fit = found.fit
    return {
        "schema": 1,
        "material": found.material,
        "runs": list(found.samples.sources),
        "chain": list(fit.chain.families),
        "left_out": list(found.left_out),
        "reference_c": {"nucleation": fit.reference_c[0], "growth": fit.reference_c[1]},
        "parameters": [
            {
                "name": p.name,
                "unit": p.unit,
                "value": _rounded(p.value),
                "interval": None if p.interval is None else [_rounded(v) for v in p.interval],
                "why": p.why,
            }
            for p in fit.told
        ],
        "fit": {
            "heights": fit.heights_found,
            "samples": len(found.samples.conditions),
            "scatter": fit.residuals.scatter,
            "misfit": _rounded(fit.misfit),
            "degrees_of_freedom": fit.degrees,
            "probability": _rounded(fit.probability),
            "typical_error": _rounded(fit.typical_error),
            "contradicted": fit.contradicted,
        },
        "window": None if found.window is None else _window(found, found.window),
    }


def _window(found: Kinetics, it: PredictedWindow) -> dict[str, Any]:
    return {
        "family": it.family,
        "residence_time_s": it.residence_s,
        "growth": it.growth,
        "detectable": _rounded(it.detectable),
        "low": _edge_json(it.low),
        "high": _edge_json(it.high),
        "no_window": _rounded(it.no_window),
        "nucleation_c": it.nucleation_c.tolist(),
        "height": [_rounded(v) for v in it.height.tolist()],
        "height_err": [_rounded(v) for v in it.height_err.tolist()],
        "found_c": list(found.found),
        "not_found_c": list(found.not_found),
    }


def _edge_json(edge: Edge | None) -> dict[str, Any] | None:
    if edge is None:
        return None
    interval = None if edge.interval_c is None else [_rounded(v) for v in edge.interval_c]
    return {"at_c": _rounded(edge.at_c), "interval_c": interval, "why": edge.why}


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.5g}")
