"""Where the SAXS detector stands, from the rings of a standard."""

from typing import Annotated, Literal

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.utils import MsgGenerator
from pydantic import Field

from plans.frames import FLOW_CELL, check_xray, staged
from plans.roles import Endstation, Reactor
from plans.scan import SECONDS
from plans.spectra import record


def calibrate_q(
    reactor: Reactor,
    xray: Endstation,
    *,
    standard: Annotated[Literal["silver_behenate"], Field(description="what is brought into the beam")],
    exposure_s: Annotated[float, Field(gt=0, le=600, description="of one frame", json_schema_extra=SECONDS)] = 1.0,
    frames: Annotated[int, Field(ge=1, le=1000, description="which are added up")] = 5,
) -> MsgGenerator[None]:
    """Take frames of a standard; their analysis gives the detector's geometry as a poni.

    Nothing flows and nothing is heated. The flow cell is in the beam again afterwards.

    Raises:
        LimitError: the standard has no place on the stage, or the exposure is not allowed; nothing moved.
    """
    check_xray(reactor, xray, exposure_s, standard, FLOW_CELL)
    keys = {"kind": "calibration", "standard": standard, "saxs": xray.data_keys(), "axes": [f"{xray.name}_sample"]}

    def back() -> MsgGenerator[None]:
        yield from bps.abs_set(xray.sample, FLOW_CELL, wait=True)

    def expose() -> MsgGenerator[None]:
        for _ in range(frames):
            yield from bps.trigger(xray, wait=True)
            yield from record([xray], "saxs_standard")

    @bpp.finalize_decorator(back)
    @bpp.run_decorator(md={"plan_name": "calibrate_q", "num_points": frames, "analysis": keys})
    def calibrate() -> MsgGenerator[None]:
        yield from bps.abs_set(xray.exposure_s, exposure_s, wait=True)
        yield from bps.abs_set(xray.sample, standard, wait=True)
        yield from staged(xray, expose())

    yield from calibrate()
