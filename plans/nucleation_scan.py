"""Nucleation temperature at one growth temperature: the SAXS series of Palencia 2020."""

from typing import Annotated, Literal

from bluesky.utils import MsgGenerator
from pydantic import Field

from flowlab.conditions import Conditions
from flowlab.grid import Grid
from plans.emission import Emission
from plans.frames import DEFAULT_FRAMES, Frames, FrameSettings
from plans.roles import Endstation, Light, Reactor, Spectrometer
from plans.scan import CELSIUS, DEFAULT_BLANK_C, SECONDS, BlankTemperature, Measurement, scan
from plans.spectra import DEFAULT_CRITERION, Spectra, SteadyCriterion


def nucleation_scan(
    reactor: Reactor,
    spectrometer: Spectrometer,
    xray: Endstation,
    fluorometer: Spectrometer | None = None,
    led: Light | None = None,
    *,
    nucleation_c: Annotated[
        list[float], Field(min_length=1, description="nucleation temperatures", json_schema_extra=CELSIUS)
    ],
    growth_c: Annotated[float, Field(description="growth temperature, the same at all", json_schema_extra=CELSIUS)],
    residence_time_s: Annotated[
        float, Field(gt=0, description="from the mixer to the end of the growth oven", json_schema_extra=SECONDS)
    ],
    detectors: Annotated[
        list[Literal["uv-vis", "saxs", "pl"]], Field(min_length=1, description="what looks at each sample")
    ] = ["uv-vis", "saxs"],  # noqa: B006  never changed
    steady: Annotated[SteadyCriterion, Field(description="when a sample counts as steady")] = DEFAULT_CRITERION,
    frames: Annotated[FrameSettings, Field(description="how SAXS frames are taken")] = DEFAULT_FRAMES,
    blank_c: BlankTemperature = DEFAULT_BLANK_C,
    first_point: int = 0,
) -> MsgGenerator[None]:
    """Take an absorption spectrum and SAXS frames of the same plug at each nucleation temperature.

    The plug of which the spectrum was taken is let on into the X-ray cell before its frames are; each event carries
    the age and the thermal history of the plugs in both cells. Without ``uv-vis`` the X-ray cell is flushed instead.
    ``pl`` comes last: the emission of what has come to the optical cell meanwhile, at the same conditions.

    Raises:
        ValueError: ``pl`` without a fluorometer.
        LimitError: a point is not allowed, or there is not enough reagent; nothing moved.
    """
    grid = Grid(panels=(growth_c,), coordinates=tuple(nucleation_c))

    def conditions(growth: float, nucleation: float) -> Conditions:
        return Conditions(nucleation, growth, residence_time_s)

    blank = None if blank_c is None else Conditions(blank_c, blank_c, residence_time_s)
    spectra = "uv-vis" in detectors
    measurements: list[Measurement] = [Spectra(reactor, spectrometer, steady, blank)] if spectra else []
    if "saxs" in detectors:
        measurements.append(Frames(reactor, xray, frames, follow=spectra))
    if "pl" in detectors:
        flush_volumes = 0.0 if measurements else steady.flush_volumes
        measurements.append(Emission(reactor, spectrometer, fluorometer, led, flush_volumes))
    axes = [f"{reactor.name}_growth_setpoint_c", f"{reactor.name}_nucleation_setpoint_c"]
    yield from scan(reactor, grid, conditions, axes, measurements, {"plan_name": "nucleation_scan"}, first_point)
