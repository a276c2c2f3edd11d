"""Growth temperature within nucleation temperature, at one residence time: Fig. 1 of Palencia 2020."""

from typing import Annotated

from bluesky.utils import MsgGenerator
from pydantic import Field

from flowlab.conditions import Conditions
from flowlab.grid import Grid
from plans.roles import Reactor, Spectrometer
from plans.scan import CELSIUS, DEFAULT_BLANK_C, SECONDS, BlankTemperature, scan
from plans.spectra import DEFAULT_CRITERION, Spectra, SteadyCriterion


def temperature_scan(
    reactor: Reactor,
    spectrometer: Spectrometer,
    *,
    nucleation_c: Annotated[
        list[float],
        Field(min_length=1, description="nucleation temperatures, one panel each", json_schema_extra=CELSIUS),
    ],
    growth_offsets_c: Annotated[
        list[float] | None,
        Field(
            description="growth temperatures as offsets from each nucleation temperature",
            json_schema_extra=CELSIUS,
        ),
    ] = None,
    growth_c: Annotated[
        list[float] | None,
        Field(description="growth temperatures, the same in every panel", json_schema_extra=CELSIUS),
    ] = None,
    residence_time_s: Annotated[
        float, Field(gt=0, description="from the mixer to the end of the growth oven", json_schema_extra=SECONDS)
    ],
    steady: Annotated[SteadyCriterion, Field(description="when a sample counts as steady")] = DEFAULT_CRITERION,
    blank_c: BlankTemperature = DEFAULT_BLANK_C,
    first_point: int = 0,
) -> MsgGenerator[None]:
    """Take an absorption spectrum at each growth temperature of each nucleation temperature.

    With the offsets 0, −10, … −90 °C this is the order of Palencia 2020, Fig. 1 (doi:10.1039/d0nr05879c):
    growth at the nucleation temperature first, then down.

    Raises:
        ValueError: not exactly one of ``growth_offsets_c`` and ``growth_c`` is given.
        LimitError: a point is not allowed, or there is not enough reagent; nothing moved.
    """
    grid = _grid(nucleation_c, growth_offsets_c, growth_c)

    def conditions(nucleation: float, growth: float) -> Conditions:
        return Conditions(nucleation, growth, residence_time_s)

    metadata = {"plan_name": "temperature_scan"}
    axes = [f"{reactor.name}_nucleation_setpoint_c", f"{reactor.name}_growth_setpoint_c"]
    blank = None if blank_c is None else Conditions(blank_c, blank_c, residence_time_s)
    spectra = Spectra(reactor, spectrometer, steady, blank)
    yield from scan(reactor, grid, conditions, axes, [spectra], metadata, first_point)


def _grid(nucleation_c: list[float], offsets_c: list[float] | None, growth_c: list[float] | None) -> Grid:
    if (offsets_c is None) == (growth_c is None) or not (offsets_c or growth_c):
        raise ValueError("give the growth temperatures either as growth_offsets_c or as growth_c")
    if offsets_c:
        return Grid(tuple(nucleation_c), tuple(offsets_c), relative=True)
    return Grid(tuple(nucleation_c), tuple(growth_c or ()))
