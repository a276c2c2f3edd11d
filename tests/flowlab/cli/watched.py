"""Sections of a made-up scan, as docs/page.md has them, for who draws them."""

from typing import Any

import numpy as np

_ORDER = ("name", "place", "label", "units", "value", "setpoint", "left", "low", "high", "trips_above")
_GAUGES = (
    ("cadmium", "feed", "cadmium", "mL/min", 0.412, None, 41.2, 0.0, 20.0, None),
    ("selenium", "feed", "selenium", "mL/min", 0.412, None, 40.9, 0.0, 20.0, None),
    ("solvent", "feed", "solvent", "mL/min", 0.0, None, 970.0, 0.0, 10.0, None),
    ("selector", "feed", "selector", None, "cadmium", None, None, None, None, None),
    ("flow", "mixer", "flow", "mL/min", 0.824, None, None, None, None, None),
    ("pressure", "mixer", "pressure", "bar", 3.42, None, None, 0.0, 400.0, 25.0),
    ("nucleation", "nucleation", "nucleation", "°C", 280.1, 280.0, None, 15.0, 360.0, 370.0),
    ("growth", "growth", "growth", "°C", 243.7, 240.0, None, 15.0, 360.0, 370.0),
    ("residence", "growth", "residence time", "s", 14.02, None, None, None, None, None),
    ("light", "absorbance", "light", "counts", 43210.0, None, None, None, None, None),
    ("lamp", "absorbance", "lamp shutter open", None, True, None, None, None, None, None),
    ("emission", "absorbance", "emission, brightest", "counts", None, None, None, None, None, None),
    ("ring", "scattering", "ring current", "mA", 301.2, None, None, None, None, None),
    ("beam", "scattering", "beam shutter open", None, False, None, None, None, None, None),
    ("incident", "scattering", "incident", "A", 1.234e-7, None, None, None, None, None),
)


def gauge(now: float, **facts: Any) -> dict[str, Any]:
    none = dict.fromkeys(("setpoint", "left", "low", "high", "trips_below", "trips_above", "why"))
    return {"device": "d", "signal": "s", "left_units": "mL", "at": now - 0.4, "every_s": 1.0, **none, **facts}


def readings(now: float) -> dict[str, Any]:
    gauges = [gauge(now, **dict(zip(_ORDER, row, strict=True))) for row in _GAUGES]
    interlocks = [{"name": "high_pressure", "action": "safe", "when": "pressure above 25 bar", "tripped": None}]
    return {
        "time": now - 0.3,
        "instrument": "simulated-flow",
        "speed": 20.0,
        "gauges": gauges,
        "interlocks": interlocks,
    }


def feature(wavelength_nm: float, track: int) -> dict[str, Any]:
    return {
        "wavelength_nm": wavelength_nm, "wavelength_err_nm": 0.21, "fwhm_nm": 18.0, "height": 0.08,
        "height_err": 0.002, "snr": 40.0, "track": track,
    }  # fmt: skip


def points(now: float) -> list[dict[str, Any]]:
    found = []
    for panel in (250.0, 260.0, 270.0, 280.0):
        for i in range(7 if panel < 280 else 4):
            height = 0.01 * i * (panel >= 270)
            found.append({
                "index": len(found), "uid": f"event {len(found)}", "time": now - 100 + len(found), "panel": panel,
                "coordinate": panel - 10 * i, "conditions": {}, "usable": len(found) != 9,
                "why": "a bubble" if len(found) == 9 else None,
                "verdict": "CdSe-437 beside an exciton at 512 nm", "exciton_nm": 512.34, "exciton_err_nm": 0.42,
                "diameter_nm": 2.612, "diameter_fit_err_nm": 0.021, "diameter_curve_err_nm": 0.06,
                "cluster_height": height, "cluster_height_err": 0.001,
                "features": [feature(437.1, 7), feature(512.34, 8), feature(478.0, 9)],
            })  # fmt: skip
    return found


def sections(now: float, lost: bool = False) -> dict[str, Any]:
    wavelength = np.linspace(350, 750, 1000, dtype=np.float32)
    peak = lambda at, width, height: height * np.exp(-(((wavelength - at) / width) ** 2))  # noqa: E731
    absorbance = peak(300, 90, 1.0) + peak(437, 9, 0.08) + peak(512, 20, 0.12)
    absorbance[:20] = np.nan
    items = points(now)
    track = {"transition": "E1", "why": None, "final": False}
    facts = {
        "state": "running", "why": None, "instrument": "simulated-flow", "queue": 2, "safe": None,
        "running": {"item": "i", "plan": "temperature_scan", "run_uid": "r", "done": 25, "of": 42},
        "addresses": {}, "pids": {},
    }  # fmt: skip
    axes = [
        {"key": f"{name}_setpoint_c", "name": f"{name} temperature", "unit": "°C", "symbol": symbol}
        for name, symbol in (("nucleation", "T_nuc"), ("growth", "T_growth"))
    ]
    log = [
        {"time": now - 90, "level": "info", "text": "temperature_scan begins: 42 points; run 0eb06706"},
        {"time": now - 60, "level": "warning", "text": "point 10 cannot be used: a bubble"},
        {"time": now - 30, "level": "notice", "text": "CdSe-437 accumulates from 270 °C on so far"},
        {"time": now - 3, "level": "info", "text": "point 25: CdSe-437 beside an exciton at 512 nm"},
    ]
    return {
        "status": {"facts": facts, "lost": "no flowlab daemon at ipc:///tmp/control" if lost else None},
        "queue": {"items": [], "running": None, "history": []},
        "readings": readings(now),
        "run": {
            "uid": "r", "plan": "temperature_scan", "material": "CdSe", "instrument": "simulated-flow", "axes": axes,
            "started": now - 100, "stopped": None, "points_total": 42, "points_done": 25, "kinds": ["absorbance"],
            "eta": {"seconds": 720.0, "err_seconds": 130.0, "as_of": now - 3, "why": None},
        },
        "axis": {"wavelength_nm": wavelength},
        "spectrum": {
            "uid": items[-1]["uid"], "index": 24, "stream": "primary", "time": now - 3, "panel": 280.0,
            "coordinate": 250.0, "absorbance": absorbance.astype(np.float32), "why": None, "conditions": [],
        },
        "points": {"from": 0, "items": items},
        "tracks": {
            "7": {**track, "kind": "msc", "family": "CdSe-437", "probability": 0.98},
            "8": {**track, "kind": "nc", "family": None, "probability": 0.93},
        },
        "window": {
            "family": "CdSe-437", "low": 270.0, "high": 280.0, "found": [270.0], "not_found": [250.0, 260.0],
            "undecided": [280.0], "why": "CdSe-437 accumulates from 270 °C on", "lower_edge": 265.0,
            "lower_edge_err": 3.0, "upper_edge": None, "upper_edge_err": None, "panels_done": 3, "final": False,
        },
        "emission": None, "saxs": None, "frame": None, "baseline": {"dark": None, "reference": None},
        "saxs_points": {"from": 0, "items": []},
        "log": {"from": 0, "items": log},
    }  # fmt: skip
