"""A scan over conditions: what every scan of the reactor has in common."""

from typing import Annotated, Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.utils import MsgGenerator
from pydantic import Field

from flowlab.conditions import Conditions
from plans.roles import Reactor, Spectrometer
from plans.safety import shutdown
from plans.spectra import Judgement, SteadyCriterion, take_dark, take_reference, take_when_steady

# Units of plan parameters, for their JSON schema.
CELSIUS: dict[str, Any] = {"units": "°C"}
SECONDS: dict[str, Any] = {"units": "s"}

#: Where unreacted mixture is the blank. It absorbs in the ultraviolet only, and hardly reacts when it is cool.
BlankTemperature = Annotated[
    float | None,
    Field(
        description="temperature at which unreacted mixture is flushed through the cell for the reference; null takes "
        "the reference of what the cell holds, which must be a blank then",
        json_schema_extra=CELSIUS,
    ),
]
DEFAULT_BLANK_C = 60.0
_BLANK_VOLUMES = 3.0

#: What flows while a point's spectra are taken and instruments answer, in seconds; part of the reagent it needs.
_READING_ALLOWANCE_S = 90.0


def scan_conditions(
    reactor: Reactor,
    spectrometer: Spectrometer,
    points: list[Conditions],
    axes: list[str],
    criterion: SteadyCriterion,
    blank_c: float | None,
    metadata: dict[str, Any],
) -> MsgGenerator[None]:
    """Dark, reference, then a spectrum at each point once it is steady; safe at the end, whatever happens.

    Args:
        reactor: moved.
        spectrometer: read.
        points: in the order in which they are visited.
        axes: data keys of the scan's axes, slowest first.
        criterion: when a point is steady.
        blank_c: temperature of the blank; None when the cell holds one already.
        metadata: of the run.

    Raises:
        LimitError: a point is not allowed, there is not enough reagent, or no dark spectrum can be taken;
            nothing moved.
    """
    blank = [] if blank_c is None else [Conditions(blank_c, blank_c, points[0].residence_time_s)]
    for point in (*blank, *points):
        reactor.check_value(point)
    spectrometer.shutter_open.check_value(False)
    needed_ml = [
        volume_ml(reactor, before, point, criterion) for before, point in zip([None, *points], points, strict=False)
    ]
    blank_ml = [_BLANK_VOLUMES * reactor.path.total_ml + _reading_ml(reactor, point) for point in blank]
    yield from bps.abs_set(reactor.reagent, [*blank_ml, *needed_ml], wait=True)
    judgement = Judgement()
    run = {
        "num_points": len(points),
        "hints": {"dimensions": [([axis], "primary") for axis in axes]},
        "analysis": {
            "kind": "absorbance",
            "counts": f"{spectrometer.name}_counts",
            "counts_err": f"{spectrometer.name}_counts_err",
            "saturated": f"{spectrometer.name}_saturated_pixels",
            "wavelength_nm": f"{spectrometer.name}_wavelength_nm",
            "axes": axes,
        },
        **metadata,
    }

    @bpp.finalize_decorator(lambda: shutdown(reactor))
    @bpp.run_decorator(md=run)
    def visit() -> MsgGenerator[None]:
        yield from take_dark(spectrometer)
        for point, volume in zip(blank, blank_ml, strict=True):
            yield from bps.abs_set(reactor.refill, volume, wait=True)
            yield from bps.abs_set(reactor, point, wait=True)
            yield from bps.abs_set(reactor.flush, _BLANK_VOLUMES, wait=True)
        yield from take_reference(spectrometer)
        yield from bps.stop(reactor)  # nothing flows on the way to the first point
        for point, volume in zip(points, needed_ml, strict=True):
            yield from bps.checkpoint()
            yield from bps.abs_set(reactor.refill, volume, wait=True)
            yield from bps.abs_set(reactor, point, wait=True)
            yield from take_when_steady(reactor, spectrometer, judgement, criterion)

    yield from visit()


def volume_ml(reactor: Reactor, before: Conditions | None, point: Conditions, criterion: SteadyCriterion) -> float:
    """What a point needs at most: to get there from the point before, to be flushed, and to be measured.

    While the heaters move, the flow stays that of the point before; before the first one nothing flows.
    """
    heating_ml = 0.0
    if before is not None:
        heating_ml = reactor.heating_limit_s(before, point) * reactor.path.reaction_ml / before.residence_time_s
    volumes = criterion.flush_volumes + criterion.between_volumes * (criterion.most_spectra - 1)
    return heating_ml + volumes * reactor.path.total_ml + _reading_ml(reactor, point)


def _reading_ml(reactor: Reactor, point: Conditions) -> float:
    return _READING_ALLOWANCE_S * reactor.path.reaction_ml / point.residence_time_s
