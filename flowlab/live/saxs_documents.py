"""Data of the result documents of SAXS: which keys there are, and how they are filled."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowlab.analysis.saxs.correct import Quantity
from flowlab.analysis.saxs.curve import Curve
from flowlab.analysis.saxs.mesophase import Melting
from flowlab.analysis.saxs.populations import Model, Population
from flowlab.analysis.saxs.scan import Point
from flowlab.analysis.saxs.sizes import Sizes
from flowlab.live.documents import boolean, integers, number, numbers, or_nan, text
from flowlab.live.readings import PLACE_KEYS, PLUG_KEYS

_CURVE_KEYS = {"q_per_nm": numbers("1/nm"), "intensity": numbers(), "intensity_err": numbers(), "unit": text()}

CURVE_KEYS = {
    "stream": text(),
    "frame_event": text(),
    **PLACE_KEYS,
    "usable": boolean(),
    "why": text(),
    "exposed_s": number("s"),
    "transmission": number(),
    "transmission_err": number(),
    **_CURVE_KEYS,
    **PLUG_KEYS,
}
_POPULATION = {"radius_nm": "nm", "radius_err_nm": "nm", "width": None, "width_err": None, "share": None}
POINT_KEYS = {
    "point": {"dtype": "integer", "shape": []},
    **PLACE_KEYS,
    "usable": boolean(),
    "why": text(),
    "finding": text(),
    "frames": {"dtype": "integer", "shape": []},
    "frames_used": integers(),
    "left_out": text(),
    "exposed_s": number("s"),
    "transmission": number(),
    "transmission_err": number(),
    **_CURVE_KEYS,
    "intensity_shared_err": numbers(),
    "scale_relative_err": number(),
    "bragg_q_per_nm": numbers("1/nm"),
    "bragg_q_err_per_nm": numbers("1/nm"),
    "bragg_fwhm_per_nm": numbers("1/nm"),
    "bragg_height": numbers(),
    "bragg_height_err": numbers(),
    "bragg_snr": numbers(),
    "order": text(),
    "order_why": text(),
    "orders": integers(),
    "d_spacing_nm": number("nm"),
    "d_spacing_err_nm": number("nm"),
    "sizes": text(),
    "sizes_why": text(),
    "radius_nm": number("nm"),
    "radius_err_nm": number("nm"),
    "radius_width": number(),
    "radius_width_err": number(),
    **{f"population_{name}": numbers(units) for name, units in _POPULATION.items()},
    **{f"several_{name}": numbers(units) for name, units in _POPULATION.items()},
    "delta_bic": number(),
    "relative_chi2": number(),
    "distribution_edges_nm": numbers("nm"),
    "distribution": numbers(),
    "smooth": numbers(),
    "smooth_low": numbers(),
    "smooth_high": numbers(),
    "smooth_radius_nm": number("nm"),
    "smooth_radius_err_nm": number("nm"),
    "smooth_width": number(),
    "smooth_width_err": number(),
    "smooth_why": text(),
    "guinier_radius_nm": number("nm"),
    "guinier_radius_err_nm": number("nm"),
    "guinier_why": text(),
    "porod_exponent": number(),
    "porod_exponent_err": number(),
    "porod_constant": number(),
    "porod_constant_err": number(),
    "porod_why": text(),
    "spectrum": {"dtype": "integer", "shape": []},
    "spectrum_event": text(),
    "spectrum_apart_ml": number("mL"),
    **PLUG_KEYS,
}
MELTING_KEYS = {
    "panel": number(),
    "temperature_c": number("°C"),
    "height": number(),
    "height_err": number(),
    "state": text(),
    "why": text(),
}


def curve_data(curve: Curve | None, unit: str) -> dict[str, Any]:
    """Keys of a curve; empty arrays where there is none."""
    empty = np.empty(0)
    return {
        "q_per_nm": empty if curve is None else curve.q_per_nm,
        "intensity": empty if curve is None else curve.intensity,
        "intensity_err": empty if curve is None else curve.err,
        "unit": unit if curve is not None else "",
    }


def quantity_data(name: str, quantity: Quantity | None) -> dict[str, float]:
    """A quantity and its error."""
    return {name: or_nan(quantity and quantity.value), f"{name}_err": or_nan(quantity and quantity.err)}


def point_data(point: Point) -> dict[str, Any]:
    """What the frames of a point say, but for where and when it was."""
    found, stack = point.reduced, point.lamellae
    peaks = point.peaks
    return {
        "usable": found.curve is not None,
        "why": found.why,
        "finding": finding(point),
        "frames_used": np.array(point.used, dtype=np.int64),
        "left_out": point.left_out,
        "exposed_s": point.exposure_s,
        **quantity_data("transmission", point.transmission.quantity),
        **curve_data(found.curve, found.unit),
        "intensity_shared_err": np.empty(0) if found.shared_err is None else found.shared_err,
        "scale_relative_err": found.scale_relative_err,
        "bragg_q_per_nm": np.array([p.q_per_nm for p in peaks]),
        "bragg_q_err_per_nm": np.array([p.q_err_per_nm for p in peaks]),
        "bragg_fwhm_per_nm": np.array([p.fwhm_per_nm for p in peaks]),
        "bragg_height": np.array([p.height for p in peaks]),
        "bragg_height_err": np.array([p.height_err for p in peaks]),
        "bragg_snr": np.array([p.snr for p in peaks]),
        "order": stack.kind,
        "order_why": stack.why,
        "orders": np.array(stack.orders, dtype=np.int64),
        "d_spacing_nm": or_nan(stack.d_nm),
        "d_spacing_err_nm": or_nan(stack.d_err_nm),
        **_sizes_data(point),
    }


def _sizes_data(point: Point) -> dict[str, Any]:
    sizes, mean = point.sizes, point.mean_radius
    several: Model | None = sizes and sizes.several
    return {
        "sizes": "unknown" if sizes is None else sizes.kind,
        "sizes_why": point.reduced.why if sizes is None else sizes.why,
        "radius_nm": or_nan(mean and mean.radius_nm),
        "radius_err_nm": or_nan(mean and mean.radius_err_nm),
        "radius_width": or_nan(mean and mean.width),
        "radius_width_err": or_nan(mean and mean.width_err),
        **_populations("population", () if sizes is None else sizes.populations),
        **_populations("several", () if several is None else several.populations),
        "delta_bic": or_nan(sizes and sizes.delta_bic),
        "relative_chi2": or_nan(sizes and sizes.relative_chi2),
        "distribution_edges_nm": np.empty(0) if sizes is None else sizes.edges_nm,
        "distribution": np.empty(0) if sizes is None else sizes.distribution,
        "guinier_radius_nm": or_nan(sizes and sizes.guinier.radius_nm),
        "guinier_radius_err_nm": or_nan(sizes and sizes.guinier.radius_err_nm),
        "guinier_why": "" if sizes is None else sizes.guinier.why,
        **_smooth_data(point),
        **_porod_data(point),
    }


def _smooth_data(point: Point) -> dict[str, Any]:
    found, none = point.distribution, np.empty(0)
    return {
        "smooth": none if found is None else found.smooth,
        "smooth_low": none if found is None else found.low,
        "smooth_high": none if found is None else found.high,
        "smooth_radius_nm": or_nan(found and found.radius_nm),
        "smooth_radius_err_nm": or_nan(found and found.radius_err_nm),
        "smooth_width": or_nan(found and found.width),
        "smooth_width_err": or_nan(found and found.width_err),
        "smooth_why": _no_spheres(point) if found is None else found.why,
    }


def _porod_data(point: Point) -> dict[str, Any]:
    found = point.porod
    return {
        "porod_exponent": or_nan(found and found.exponent),
        "porod_exponent_err": or_nan(found and found.exponent_err),
        "porod_constant": or_nan(found and found.constant),
        "porod_constant_err": or_nan(found and found.constant_err),
        "porod_why": _no_spheres(point) if found is None else found.why,
    }


def _no_spheres(point: Point) -> str:
    found = point.reduced.why if point.sizes is None else point.sizes.why
    return found if point.distribution is None else point.distribution.why


def _populations(prefix: str, populations: Sequence[Population]) -> dict[str, Any]:
    return {f"{prefix}_{name}": np.array([getattr(p, name) for p in populations]) for name in _POPULATION}


def finding(point: Point) -> str:
    """What was found at a point in a few words: ``radius 0.940 ± 0.001 nm, narrow; lamellae of 3.41 nm``."""
    if point.reduced.curve is None:
        return f"not usable: {point.reduced.why}"
    words: list[str] = []
    if point.lamellae.d_nm is not None:
        words.append(f"lamellae of {point.lamellae.d_nm:.2f} nm")
    elif point.peaks:
        words.append("Bragg peaks at " + ", ".join(f"{p.q_per_nm:.2f}" for p in point.peaks) + " nm⁻¹")
    if point.mean_radius is not None and point.sizes is not None:
        words.append(f"radius {radius_words(point.mean_radius)}, {_form(point.sizes)}")
    elif point.distribution is not None and point.distribution.radius_nm is not None:
        radius, err = point.distribution.radius_nm, point.distribution.radius_err_nm or 0.0
        words.append(
            f"median radius {radius:.3f} ± {max(err, 5e-4):.3f} nm, neither one population nor a few narrow ones"
        )
    return "; ".join(words) or "no particles, no layers"


def radius_words(population: Population) -> str:
    """``0.940 ± 0.001 nm``."""
    return f"{population.radius_nm:.3f} ± {max(population.radius_err_nm, 5e-4):.3f} nm"


def _form(sizes: Sizes) -> str:
    if sizes.kind == "several":
        return "in several: " + " and ".join(f"{p.radius_nm:.2f}" for p in sizes.populations)
    return {"narrow": "narrow", "spread": "spread", "unknown": "distribution unknown"}[sizes.kind]


def melting_data(panel: float, found: Melting) -> dict[str, Any]:
    """Height and state of the first order at one temperature."""
    return {
        "panel": panel,
        "temperature_c": found.temperature_c,
        "height": or_nan(found.height),
        "height_err": or_nan(found.height_err),
        "state": found.state,
        "why": found.why,
    }
