"""Moving liquids without measuring: prime, wash, refill. Nothing is heated, and nothing flows at their end."""

from typing import Annotated, Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.utils import MsgGenerator
from pydantic import Field

from flowlab.conditions import Conditions
from plans.roles import Reactor
from plans.safety import shutdown
from plans.scan import CELSIUS, SECONDS

Volumes = Annotated[float, Field(gt=0, le=50, description="volumes of the path from the mixer to the last cell")]


def _run(reactor: Reactor, name: str, plan: MsgGenerator[Any], metadata: dict[str, Any]) -> MsgGenerator[None]:
    """A run that ends safe, with an event of how the reactor stands then."""

    @bpp.finalize_decorator(lambda: shutdown(reactor))
    @bpp.run_decorator(md={"plan_name": name, **metadata})
    def move() -> MsgGenerator[None]:
        yield from plan
        yield from bps.trigger_and_read([reactor])

    yield from move()


def prime(
    reactor: Reactor,
    *,
    streams: Annotated[
        list[str], Field(description="reagents, one after the other; all of them at once when none is named")
    ] = [],  # noqa: B006  never changed
    volumes: Volumes = 2.0,
    residence_time_s: Annotated[float, Field(gt=0, description="at which they flow", json_schema_extra=SECONDS)] = 10.0,
    temperature_c: Annotated[float, Field(le=60, description="of both ovens", json_schema_extra=CELSIUS)] = 25.0,
) -> MsgGenerator[None]:
    """Fill the lines with reagents, cold.

    Raises:
        ValueError: a stream is named twice.
        LimitError: there is not enough reagent, no such stream, or the flow is not allowed; nothing moved.
    """
    if len(set(streams)) < len(streams):
        raise ValueError("streams names a reagent twice; name each once")
    steps = [Conditions(temperature_c, temperature_c, residence_time_s, s) for s in [(x,) for x in streams] or [()]]
    for step in steps:
        reactor.check_value(step)
    path = reactor.path
    needed_ml = volumes * (path.xray_total_ml or path.total_ml)
    charged_ml = [reactor.charged_ml(step, needed_ml) for step in steps]
    yield from bps.abs_set(reactor.reagent, charged_ml, wait=True)

    def fill() -> MsgGenerator[None]:
        for step, charged in zip(steps, charged_ml, strict=True):
            yield from bps.abs_set(reactor.refill, charged, wait=True)
            yield from bps.abs_set(reactor, step, wait=True)
            yield from bps.abs_set(reactor.flush, needed_ml / path.total_ml, wait=True)

    yield from _run(reactor, "prime", fill(), {"streams": streams})


def wash(reactor: Reactor, *, volumes: Volumes = 5.0) -> MsgGenerator[None]:
    """Rinse mixer, ovens and cells with what the washing pump draws.

    Raises:
        LimitError: there is nothing to wash with, or not enough; nothing moved.
    """
    reactor.check_washing()
    yield from _run(reactor, "wash", bps.abs_set(reactor.wash, volumes, wait=True), {})


def refill(
    reactor: Reactor,
    *,
    volume_ml: Annotated[
        float,
        Field(gt=0, description="total flow for which there must be reagent then", json_schema_extra={"units": "mL"}),
    ],
) -> MsgGenerator[None]:
    """Fill the syringes from their reservoirs, unless they hold enough.

    Raises:
        LimitError: a syringe cannot hold that much, or it is not there; nothing moved.
    """
    yield from bps.abs_set(reactor.reagent, [volume_ml], wait=True)
    yield from _run(reactor, "refill", bps.abs_set(reactor.refill, volume_ml, wait=True), {})
