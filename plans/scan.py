"""A scan over conditions: what every scan of the reactor has in common."""

from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.utils import MsgGenerator

from flowlab.conditions import Conditions
from plans.roles import Reactor, Spectrometer
from plans.safety import shutdown
from plans.spectra import Judgement, SteadyCriterion, take_dark, take_reference, take_when_steady

# Units of plan parameters, for their JSON schema.
CELSIUS: dict[str, Any] = {"units": "°C"}
SECONDS: dict[str, Any] = {"units": "s"}

#: What flows while a point's spectra are taken and instruments answer, in seconds; part of the reagent it needs.
_READING_ALLOWANCE_S = 90.0


def scan_conditions(
    reactor: Reactor,
    spectrometer: Spectrometer,
    points: list[Conditions],
    axes: list[str],
    criterion: SteadyCriterion,
    metadata: dict[str, Any],
) -> MsgGenerator[None]:
    """Dark, reference, then a spectrum at each point once it is steady; safe at the end, whatever happens.

    The optical cell must hold pure solvent when the scan begins: that is the reference.

    Args:
        reactor: moved.
        spectrometer: read.
        points: in the order in which they are visited.
        axes: data keys of the scan's axes, slowest first.
        criterion: when a point is steady.
        metadata: of the run.

    Raises:
        LimitError: a point is not allowed, there is not enough reagent, or no dark spectrum can be taken;
            nothing moved.
    """
    for point in points:
        reactor.check_value(point)
    spectrometer.shutter_open.check_value(False)
    needed_ml = [
        volume_ml(reactor, before, point, criterion) for before, point in zip([None, *points], points, strict=False)
    ]
    yield from bps.abs_set(reactor.reagent, needed_ml, wait=True)
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
        yield from take_reference(spectrometer)
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
    reading_ml = _READING_ALLOWANCE_S * reactor.path.reaction_ml / point.residence_time_s
    return heating_ml + volumes * reactor.path.total_ml + reading_ml
