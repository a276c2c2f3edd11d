"""Made-up spectra as fast as they are wanted, through the daemon's own worker: for benchmarks of who looks at them."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import numpy as np
from bluesky.utils import MsgGenerator
from numpy.typing import NDArray
from pydantic import Field

from benchmarks import ticks
from plans.spectra import record
from tests.flowlab.analysis.spectra import band, counts, crystal

PIXELS, PANELS, IN_PANEL, PER_S = 2048, 20, 20, 20.0
#: Seconds that a run takes.
RUN_S = PANELS * IN_PANEL / PER_S
_PLAN = """
[plans.spectra]
function = "benchmarks.spectra_plan:spectra"
"""
_KEYS = {name: f"spec_{name}" for name in ("counts", "counts_err", "wavelength_nm")}
_AXES = ["reactor_nucleation_setpoint_c", "reactor_growth_setpoint_c"]


class _Spectrometer:
    """Shows what it is told to; crystals that grow smaller along a panel, a cluster in half of the panels."""

    name = "spec"
    parent = None

    def __init__(self) -> None:
        self._axis = np.linspace(300.0, 750.0, PIXELS)
        empty = 0.0 * self._axis
        self._counts = {"reference": counts(empty, seed=1), "dark": counts(empty + 9.0, seed=2)}
        self._counts |= {str(point): counts(self._sample(point), seed=point + 3) for point in range(PANELS * IN_PANEL)}
        self.show("dark")

    def _sample(self, point: int) -> NDArray[np.float64]:
        panel, place = divmod(point, IN_PANEL)
        cluster = 0.08 if panel < PANELS // 2 else 0.0
        return crystal(560.0 - 2.0 * place, wavelength=self._axis) + band(437.0, cluster, 0.117, self._axis)

    def show(self, what: str, panel_c: float = 0.0, growth_c: float = 0.0) -> None:
        """What is read next."""
        self._showing, self._at = self._counts[what], (panel_c, growth_c)

    def read(self) -> dict[str, Any]:
        """Counts, and where in the scan they are from."""
        values = {
            "spec_counts": self._showing.mean,
            "spec_counts_err": self._showing.err,
            "spec_saturated_pixels": 0,
            **dict(zip(_AXES, self._at, strict=True)),
        }
        now = time.time()
        return {key: {"value": value, "timestamp": now} for key, value in values.items()}

    def describe(self) -> dict[str, Any]:
        """Of what is read."""
        array = {"source": "made up", "dtype": "array", "shape": [PIXELS], "units": "counts"}
        number = {"source": "made up", "dtype": "number", "shape": []}
        axes = {axis: {**number, "units": "°C"} for axis in _AXES}
        return {"spec_counts": array, "spec_counts_err": array, "spec_saturated_pixels": number, **axes}

    def read_configuration(self) -> dict[str, Any]:
        """The axis."""
        return {"spec_wavelength_nm": {"value": self._axis, "timestamp": 0.0}}

    def describe_configuration(self) -> dict[str, Any]:
        """Of the axis."""
        array = {"source": "made up", "dtype": "array", "shape": [PIXELS], "units": "nm"}
        return {"spec_wavelength_nm": array}


def spectra(
    *, runs: Annotated[int, Field(ge=1, description="one after the other, of 400 points each")] = 1
) -> MsgGenerator[None]:
    """Scans of made-up spectra."""
    spectrometer = _Spectrometer()
    points = PANELS * IN_PANEL
    analysis = {"kind": "absorbance", **_KEYS, "saturated": "spec_saturated_pixels", "axes": _AXES}

    @bpp.run_decorator(
        md={"plan_name": "spectra", "num_points": points, "point_events": {"primary": 1}, "analysis": analysis}
    )
    def run() -> MsgGenerator[None]:
        for stream in ("dark", "reference"):
            spectrometer.show(stream)
            yield from record([spectrometer], stream)
        for point, due_s in zip(range(points), _every(1 / PER_S), strict=False):
            panel, place = divmod(point, IN_PANEL)
            spectrometer.show(str(point), 250.0 + 5 * panel, 250.0 - 10 * place)
            yield from bps.sleep(max(0.0, due_s - time.monotonic()))
            yield from record([spectrometer], "primary")

    for _ in range(runs):
        yield from run()


def _every(period_s: float) -> Iterator[float]:
    due_s = time.monotonic()
    while True:
        yield due_s
        due_s += period_s


def instrument(path: Path, name: str) -> Path:
    """Write the file of an instrument that has this plan."""
    file = ticks.instrument(path, name)
    file.write_text(file.read_text("utf-8") + _PLAN, "utf-8")
    return file
