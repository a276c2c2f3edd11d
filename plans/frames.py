"""Taking SAXS frames: dark, open beam, background; and a sample's, of the plug that was looked at before."""

from typing import Annotated, Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.utils import MsgGenerator
from pydantic import Field

from flowlab.conditions import Conditions
from flowlab.config import Model
from plans.roles import Endstation, Reactor
from plans.spectra import record

#: What stands in the beam, by the names that the endstation's samples have.
FLOW_CELL = "capillary"
EMPTY = "empty"


class FrameSettings(Model):
    """How frames are taken."""

    exposure_s: Annotated[float, Field(gt=0, le=600)] = Field(
        default=1.0, description="of one frame", json_schema_extra={"units": "s"}
    )
    frames: Annotated[int, Field(ge=1, le=1000)] = Field(default=3, description="at each point, one event each")
    background_frames: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=10, description="of dark, open beam and solvent, each"
    )
    wash_volumes: Annotated[float, Field(ge=1, le=20)] = Field(
        default=3.0, description="volumes of solvent, mixer to X-ray cell, before the background is taken"
    )
    flush_volumes: Annotated[float, Field(ge=1, le=20)] = Field(
        default=1.5, description="volumes, mixer to X-ray cell, before the first frame where no spectrum was taken"
    )


DEFAULT_FRAMES = FrameSettings()


def take_frames(reactor: Reactor, xray: Endstation, stream: str, frames: int) -> MsgGenerator[None]:
    """Record so many frames, each an event that tells the plug in the cell behind its exposure."""
    for _ in range(frames):
        yield from bps.trigger(xray, wait=True)
        yield from bps.trigger(reactor, wait=True)
        yield from record([reactor, xray], stream)


def staged(xray: Endstation, plan: MsgGenerator[None]) -> MsgGenerator[None]:
    """A plan with a file of frames of its own; the beam is let in for it, and shut out behind it."""

    def exposed() -> MsgGenerator[None]:
        yield from bps.abs_set(xray.shutter_open, True, wait=True)
        yield from plan

    def shut() -> MsgGenerator[None]:
        yield from bps.abs_set(xray.shutter_open, False, wait=True)

    return (yield from bpp.stage_wrapper(bpp.finalize_wrapper(exposed(), shut), [xray]))


def take_background_frames(reactor: Reactor, xray: Endstation, settings: FrameSettings) -> MsgGenerator[None]:
    """Dark, open beam, and the cell with flowing solvent, in streams of these names; the cell is in the beam then."""
    yield from bps.abs_set(xray.exposure_s, settings.exposure_s, wait=True)
    frames = settings.background_frames
    yield from bps.abs_set(reactor.wash, settings.wash_volumes, wait=True)
    yield from bps.abs_set(xray.sample, FLOW_CELL, wait=True)
    yield from bps.abs_set(xray.shutter_open, False, wait=True)
    yield from bpp.stage_wrapper(take_frames(reactor, xray, "saxs_dark", frames), [xray])
    yield from bps.abs_set(xray.sample, EMPTY, wait=True)
    yield from staged(xray, take_frames(reactor, xray, "saxs_open", frames))
    yield from bps.abs_set(xray.sample, FLOW_CELL, wait=True)
    yield from staged(xray, take_frames(reactor, xray, "saxs_background", frames))


class Frames:
    """SAXS frames: dark, open beam and solvent first, then some at each point, of the stream ``saxs``.

    Args:
        reactor: the sample's.
        xray: takes them.
        settings: how.
        follow: whether a spectrum of the same plug was taken just before: it is let on from the optical to the X-ray
            cell; otherwise the X-ray cell is flushed.
    """

    def __init__(self, reactor: Reactor, xray: Endstation, settings: FrameSettings, *, follow: bool):
        self._reactor = reactor
        self._xray = xray
        self._settings = settings
        self._follow = follow

    def check(self) -> None:
        """Refuse what cannot be done.

        Raises:
            LimitError: no X-ray cell, an exposure that is not allowed, no place for a sample, nothing to wash with;
                nothing moves.
        """
        check_xray(self._reactor, self._xray, self._settings.exposure_s, FLOW_CELL, EMPTY)
        self._reactor.check_washing()

    def analysis(self) -> dict[str, Any]:
        """Data keys of what is recorded."""
        plugs = {cell: f"{self._reactor.name}_{cell}_plug" for cell in ("optical", "xray")}
        return {
            "kind": "saxs",
            "saxs": self._xray.data_keys(),
            "frames_per_point": self._settings.frames,
            "plugs": plugs,
        }

    def point_events(self) -> dict[str, int]:
        """So many frames as were asked for."""
        return {"saxs": self._settings.frames}

    def prelude_ml(self) -> list[float]:
        """Solvent is no reagent."""
        return []

    def prelude(self) -> MsgGenerator[None]:
        """Dark, open beam, background."""
        yield from take_background_frames(self._reactor, self._xray, self._settings)
        yield from bps.stop(self._reactor)

    def point_ml(self, point: Conditions) -> float:
        """Flushing and exposures."""
        path = self._reactor.path
        exposed_s = self._settings.frames * self._settings.exposure_s
        flow_ml_s = path.reaction_ml / point.residence_time_s
        return self._volumes() * path.total_ml + exposed_s * flow_ml_s

    def at_point(self) -> MsgGenerator[None]:
        """Let the plug on, or flush; then expose."""
        yield from bps.abs_set(self._reactor.flush, self._volumes(), wait=True)
        frames = take_frames(self._reactor, self._xray, "saxs", self._settings.frames)
        yield from staged(self._xray, frames)

    def finish(self) -> MsgGenerator[None]:
        """The beam stays out."""
        yield from bps.stop(self._xray)

    def _volumes(self) -> float:
        """What flows before the first frame, in volumes of the path from mixer to optical cell."""
        path = self._reactor.path
        far_ml, centre_ml = path.xray_total_ml or 0.0, path.xray_centre_ml or 0.0
        if not self._follow:
            return self._settings.flush_volumes * far_ml / path.total_ml
        return (centre_ml - (path.total_ml - path.cell_ml / 2)) / path.total_ml


def check_xray(reactor: Reactor, xray: Endstation, exposure_s: float, *samples: str) -> None:
    """Refuse frames that cannot be taken.

    Raises:
        LimitError: no X-ray cell, an exposure that is not allowed, no place for a sample; nothing moves.
    """
    reactor.check_xray_cell()
    xray.exposure_s.check_value(exposure_s)
    for sample in samples:
        xray.sample.check_value(sample)
