"""A scan over conditions: what every scan of the reactor has in common."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Protocol

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.utils import MsgGenerator
from pydantic import Field

from flowlab.conditions import Conditions
from flowlab.grid import Grid
from plans.roles import Reactor
from plans.safety import shutdown

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

#: What flows while a point is measured and instruments answer, in seconds; part of the reagent it needs.
_READING_ALLOWANCE_S = 90.0


class Measurement(Protocol):
    """What is measured at each point of a scan, and what has to be measured before the first."""

    def check(self) -> None:
        """Refuse what cannot be done; nothing moves."""
        ...

    def analysis(self) -> dict[str, Any]:
        """How it is to be analysed, for the run's start document."""
        ...

    def point_events(self) -> dict[str, int]:
        """How many events of which streams make a point: with fewer it is not complete, and is measured again."""
        ...

    def prelude_ml(self) -> list[float]:
        """Reagent that flows before the first point, between one refill and the next: total volumes."""
        ...

    def prelude(self) -> MsgGenerator[None]:
        """Darks, references, backgrounds. Whatever flows stands again at its end."""
        ...

    def point_ml(self, point: Conditions) -> float:
        """Total volume that flows for one point, at most, beside what flows while instruments answer."""
        ...

    def at_point(self) -> MsgGenerator[None]:
        """Measure at the conditions that the reactor has reached."""
        ...

    def finish(self) -> MsgGenerator[None]:
        """Leave the instrument as it should be left, however the scan ends."""
        ...


def scan(
    reactor: Reactor,
    grid: Grid,
    conditions: Callable[[float, float], Conditions],
    axes: list[str],
    measurements: Sequence[Measurement],
    metadata: dict[str, Any],
    first_point: int = 0,
) -> MsgGenerator[None]:
    """What comes first, then every measurement at each point; safe at the end, whatever happens.

    A scan that was interrupted is gone on with from a later point: what comes first is measured again, the points
    before are not visited, and no reagent is asked for them. ``num_points`` of the run is how many it visits itself;
    ``grid`` is that of the whole scan.

    Args:
        reactor: moved.
        grid: of the whole scan; its points are visited in its order.
        conditions: at a panel and a coordinate.
        axes: data keys of the scan's axes, slowest first: that of the panels, and that of the coordinates.
        measurements: at each point one after the other.
        metadata: of the run.
        first_point: how many points are left out because an earlier run has them.

    Raises:
        ValueError: ``first_point`` leaves no point.
        LimitError: a point is not allowed, there is not enough reagent, or something cannot be measured;
            nothing moved.
    """
    if not 0 <= first_point < len(grid):
        raise ValueError(f"first_point is {first_point}, but the scan has {len(grid)} points")
    points = [conditions(panel, coordinate) for panel, coordinate in grid.places()[first_point:]]
    _check(reactor, points, measurements)
    needed_ml = [
        reactor.heating_ml(before, point)
        + reading_ml(reactor, point)
        + sum(measurement.point_ml(point) for measurement in measurements)
        for before, point in zip([None, *points], points, strict=False)
    ]
    charged_ml = [reactor.charged_ml(point, volume) for point, volume in zip(points, needed_ml, strict=True)]
    prelude_ml = [volume for measurement in measurements for volume in measurement.prelude_ml()]
    yield from bps.abs_set(reactor.reagent, [*prelude_ml, *charged_ml], wait=True)
    analysis = {key: value for measurement in measurements for key, value in measurement.analysis().items()}
    run = {
        "num_points": len(points),
        "shape": [len(grid.panels), len(grid.coordinates)],
        "grid": grid.facts(),
        "point_events": {stream: n for measurement in measurements for stream, n in measurement.point_events().items()},
        "hints": {"dimensions": [([axis], "primary") for axis in axes]},
        "analysis": {**analysis, "kind": measurements[0].analysis()["kind"], "axes": axes},
        **metadata,
    }
    if first_point:
        run["first_point"] = first_point

    def finish() -> MsgGenerator[None]:
        yield from shutdown(reactor)
        for measurement in measurements:
            yield from measurement.finish()

    @bpp.finalize_decorator(finish)
    @bpp.run_decorator(md=run)
    def visit() -> MsgGenerator[None]:
        for measurement in measurements:
            yield from measurement.prelude()
        for point, volume in zip(points, charged_ml, strict=True):
            yield from bps.checkpoint()
            yield from bps.abs_set(reactor.refill, volume, wait=True)
            yield from bps.abs_set(reactor, point, wait=True)
            for measurement in measurements:
                yield from measurement.at_point()

    yield from visit()


def _check(reactor: Reactor, points: Sequence[Conditions], measurements: Sequence[Measurement]) -> None:
    """Refuse a point that is not allowed, or what cannot be measured."""
    for point in points:
        reactor.check_value(point)
    for measurement in measurements:
        measurement.check()


def reading_ml(reactor: Reactor, point: Conditions) -> float:
    """What flows at most while a point is measured and instruments answer."""
    return _READING_ALLOWANCE_S * reactor.path.reaction_ml / point.residence_time_s
