"""Dark, open beam and solvent, for scans that take none themselves, and to see that the beam is as it was."""

from typing import Annotated

import bluesky.preprocessors as bpp
from bluesky.utils import MsgGenerator
from pydantic import Field

from plans.frames import DEFAULT_FRAMES, Frames, FrameSettings
from plans.roles import Endstation, Reactor
from plans.safety import shutdown


def take_background(
    reactor: Reactor,
    xray: Endstation,
    *,
    frames: Annotated[FrameSettings, Field(description="how SAXS frames are taken")] = DEFAULT_FRAMES,
) -> MsgGenerator[None]:
    """Wash with solvent, then take frames of no beam, of the open beam, and of the flow cell with solvent.

    Raises:
        LimitError: there is nothing to wash with, no X-ray cell, or an exposure that is not allowed; nothing moved.
    """
    background = Frames(reactor, xray, frames, follow=False)
    background.check()
    keys = {**background.analysis(), "axes": [f"{xray.name}_sample"]}

    def finish() -> MsgGenerator[None]:
        yield from shutdown(reactor)
        yield from background.finish()

    @bpp.finalize_decorator(finish)
    @bpp.run_decorator(
        md={"plan_name": "take_background", "num_points": 3 * frames.background_frames, "analysis": keys}
    )
    def take() -> MsgGenerator[None]:
        yield from background.prelude()

    yield from take()
