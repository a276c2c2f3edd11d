"""Residence time at one or several temperatures."""

from typing import Annotated, Literal

from bluesky.utils import MsgGenerator
from pydantic import Field

from flowlab.conditions import Conditions
from flowlab.grid import Grid
from plans.emission import Emission
from plans.roles import Light, Reactor, Spectrometer
from plans.scan import CELSIUS, DEFAULT_BLANK_C, SECONDS, BlankTemperature, Measurement, scan
from plans.spectra import DEFAULT_CRITERION, Spectra, SteadyCriterion


def residence_time_scan(
    reactor: Reactor,
    spectrometer: Spectrometer,
    fluorometer: Spectrometer | None = None,
    led: Light | None = None,
    *,
    temperatures_c: Annotated[
        list[float],
        Field(min_length=1, description="of nucleation chamber and growth oven alike", json_schema_extra=CELSIUS),
    ],
    residence_times_s: Annotated[
        list[Annotated[float, Field(gt=0)]],
        Field(min_length=1, description="from the mixer to the end of the growth oven", json_schema_extra=SECONDS),
    ],
    detectors: Annotated[
        list[Literal["uv-vis", "pl"]], Field(min_length=1, description="what looks at each sample")
    ] = ["uv-vis"],  # noqa: B006  never changed
    steady: Annotated[SteadyCriterion, Field(description="when a sample counts as steady")] = DEFAULT_CRITERION,
    blank_c: BlankTemperature = DEFAULT_BLANK_C,
    first_point: int = 0,
) -> MsgGenerator[None]:
    """Take an absorption spectrum, or one of emission, or both, at each residence time of each temperature.

    The flow follows from the reactor's volumes.

    Raises:
        ValueError: ``pl`` without a fluorometer.
        LimitError: a point is not allowed, or there is not enough reagent; nothing moved.
    """
    grid = Grid(panels=tuple(temperatures_c), coordinates=tuple(residence_times_s))

    def conditions(temperature: float, residence: float) -> Conditions:
        return Conditions(temperature, temperature, residence)

    blank = None if blank_c is None else Conditions(blank_c, blank_c, residence_times_s[0])
    measurements: list[Measurement] = []
    if "uv-vis" in detectors:
        measurements.append(Spectra(reactor, spectrometer, steady, blank))
    if "pl" in detectors:
        flush_volumes = 0.0 if measurements else steady.flush_volumes
        measurements.append(Emission(reactor, spectrometer, fluorometer, led, flush_volumes))
    axes = [f"{reactor.name}_nucleation_setpoint_c", f"{reactor.name}_residence_time_s"]
    yield from scan(reactor, grid, conditions, axes, measurements, {"plan_name": "residence_time_scan"}, first_point)
