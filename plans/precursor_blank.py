"""SAXS of the precursors without reaction: the mesophase of Palencia 2020, and how it melts."""

from typing import Annotated

from bluesky.utils import MsgGenerator
from pydantic import Field

from flowlab.conditions import Conditions
from flowlab.grid import Grid
from plans.frames import DEFAULT_FRAMES, Frames, FrameSettings
from plans.roles import Endstation, Reactor
from plans.scan import CELSIUS, SECONDS, scan


def precursor_blank(
    reactor: Reactor,
    xray: Endstation,
    *,
    temperatures_c: Annotated[
        list[float],
        Field(min_length=1, description="of nucleation chamber and growth oven alike", json_schema_extra=CELSIUS),
    ],
    streams: Annotated[
        list[str], Field(description="reagents that flow, in equal parts; all of them when none is named")
    ] = [],  # noqa: B006  never changed
    residence_time_s: Annotated[
        float, Field(gt=0, description="from the mixer to the end of the growth oven", json_schema_extra=SECONDS)
    ] = 14.0,
    frames: Annotated[FrameSettings, Field(description="how SAXS frames are taken")] = DEFAULT_FRAMES,
    first_point: int = 0,
) -> MsgGenerator[None]:
    """Take SAXS frames of some of the reagents at each temperature: 25, 50 and 100 °C of cadmium in the paper.

    Raises:
        ValueError: a stream is named twice.
        LimitError: a point is not allowed, or there is not enough reagent; nothing moved.
    """
    if len(set(streams)) < len(streams):
        raise ValueError("streams names a reagent twice; name each once")
    grid = Grid(panels=(residence_time_s,), coordinates=tuple(temperatures_c))

    def conditions(residence: float, temperature: float) -> Conditions:
        return Conditions(temperature, temperature, residence, tuple(streams))

    metadata = {"plan_name": "precursor_blank"}
    axes = [f"{reactor.name}_residence_time_s", f"{reactor.name}_growth_setpoint_c"]
    taken = Frames(reactor, xray, frames, follow=False)
    yield from scan(reactor, grid, conditions, axes, [taken], metadata, first_point)
