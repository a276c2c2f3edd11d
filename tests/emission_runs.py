"""Made-up runs of emission spectra, as a RunEngine and a fluorometer would give their documents."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from event_model import compose_run

from tests.flowlab.analysis.test_luminescence import AXIS, CEILING, PIXELS, light, taken

Document = tuple[str, dict[str, Any]]

AXES = ["reactor_nucleation_setpoint_c", "reactor_residence_time_s"]
KEYS = {
    "counts": "fluo_counts",
    "counts_err": "fluo_counts_err",
    "wavelength_nm": "fluo_wavelength_nm",
    "integration_ms": "fluo_integration_ms",
    "saturated_counts": "fluo_saturated_counts",
    "led_nm": "light_wavelength_nm",
    "plug": "reactor_optical_plug",
}
#: Position, height and width of the band at each point: temperature, residence time.
POINTS = {(260.0, 8.0): (520.0, 2000.0, 36.0), (260.0, 14.0): (541.0, 3000.0, 36.0), (280.0, 8.0): (560.0, 900.0, 36.0)}


def emission_documents(
    points: dict[tuple[float, float], tuple[float, float, float]] = POINTS,
    *,
    dark: bool = True,
    dark_ms: float = 50.0,
    led_nm: float = 405.0,
) -> Iterator[Document]:
    """A run: at each point a dark spectrum, and one with the LED on."""
    run = compose_run(
        metadata={
            "plan_name": "residence_time_scan",
            "material": "CdSe",
            "instrument": "made-up",
            "num_points": len(points),
            "config": {"flow_path": {"optical_path_mm": 1.0}},
            "analysis": {"kind": "luminescence", "luminescence": KEYS, "axes": AXES},
        }
    )
    yield "start", run.start_doc
    array = {"dtype": "array", "shape": [PIXELS], "source": "test", "units": "counts"}
    number = {"dtype": "number", "shape": [], "source": "test"}
    plug = {f"reactor_optical_plug_{name}": number for name in ("entered_ml", "age_s", "residence_s")}
    plug |= {f"reactor_optical_plug_{name}": {**number, "units": "°C"} for name in ("nucleation_c", "growth_c")}
    keys: dict[str, Any] = {
        "fluo_counts": array,
        "fluo_counts_err": array,
        AXES[0]: {**number, "units": "°C"},
        AXES[1]: {**number, "units": "s"},
        "reactor_optical_plug_why": {**number, "dtype": "string"},
        **plug,
    }
    bundles: dict[str, Any] = {}
    for stream, integration_ms in (("emission_dark", dark_ms), ("emission", 50.0)):
        fluo = {"fluo_wavelength_nm": AXIS.wavelength_nm, "fluo_integration_ms": integration_ms}
        told = {"fluo": {**fluo, "fluo_saturated_counts": CEILING}, "light": {"light_wavelength_nm": led_nm}}
        configuration = {
            device: {
                "data": data,
                "timestamps": dict.fromkeys(data, 0.0),
                "data_keys": {key: array if np.ndim(value) else number for key, value in data.items()},
            }
            for device, data in told.items()
        }
        objects = {"fluo": ["fluo_counts", "fluo_counts_err"], "light": [], "reactor": [AXES[0]]}
        bundles[stream] = run.compose_descriptor(
            name=stream, data_keys=keys, configuration=configuration, object_keys=objects
        )
        yield "descriptor", bundles[stream].descriptor_doc
    time = float(run.start_doc["time"])
    for number, ((temperature_c, residence_s), band) in enumerate(points.items()):
        for stream, counts in (("emission_dark", np.zeros(PIXELS)), ("emission", light(*band))):
            if stream == "emission_dark" and not dark:
                continue
            time += 1.0
            spectrum = taken(counts, 2 * number + (stream == "emission"))
            data = {
                "fluo_counts": spectrum.mean,
                "fluo_counts_err": spectrum.err,
                AXES[0]: temperature_c,
                AXES[1]: residence_s,
                "reactor_optical_plug_entered_ml": 0.5 * number,
                "reactor_optical_plug_age_s": 1.1 * residence_s,
                "reactor_optical_plug_residence_s": residence_s,
                "reactor_optical_plug_nucleation_c": temperature_c,
                "reactor_optical_plug_growth_c": temperature_c,
                "reactor_optical_plug_why": "",
            }
            yield "event", bundles[stream].compose_event(data=data, timestamps=dict.fromkeys(data, time), time=time)
    yield "stop", run.compose_stop()
