"""``flowlab check`` and ``flowlab plans``: look without touching."""

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowlab.cli.options import Config, ConfigOption, Json, json_object
from flowlab.errors import BadInputError

if TYPE_CHECKING:
    from flowlab.config import InstrumentConfig


def check(config: Config) -> None:
    """Check an instrument file without connecting anything.

    Keys, values, limits, the class and settings of every device, plans, interlocks, gauges, material.
    """
    from flowlab.bench import Bench
    from flowlab.config import load_instrument, load_material
    from flowlab.daemon.gauges import Gauges
    from flowlab.daemon.interlocks import Interlocks
    from flowlab.daemon.plans import Plan

    loaded = load_instrument(config)
    load_material(loaded.material)
    with Bench(loaded, config) as bench:
        Interlocks(bench, lambda name, reason: None)
        Gauges(bench, [], lambda readings: None)
        for name in loaded.plans:
            Plan(loaded, name, config)
    sys.stdout.write(
        f"{config}: {loaded.name} is well: {len(loaded.devices)} devices, {len(loaded.plans)} plans, "
        f"{len(loaded.interlocks)} interlocks, "
        f"material {loaded.material}, {'simulated' if loaded.simulation else 'real'}\n"
    )


def plans(
    name: Annotated[str | None, typer.Argument(help="Show this plan's parameters.")] = None,
    config: ConfigOption = "simulated-flow",
    preflight: Annotated[
        str | None,
        typer.Option(
            metavar="JSON", help="Say what the plan would do with these parameters, how long, and of how much reagent."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the plans of an instrument, or the parameters of one, or what one would do."""
    from flowlab.config import load_instrument
    from flowlab.daemon.plans import Plan

    loaded = load_instrument(config)
    if preflight is not None:
        if name is None:
            raise BadInputError("--preflight of which plan? give one: flowlab plans NAME --preflight JSON")
        _foretell(loaded, config, name, json_object(preflight), as_json)
        return
    chosen = [Plan(loaded, plan, config) for plan in ([name] if name else sorted(loaded.plans))]
    schemas = {plan.name: plan.Parameters.model_json_schema() for plan in chosen}
    if as_json:
        sys.stdout.write(json.dumps(schemas[name] if name else schemas) + "\n")
        return
    for plan, schema in schemas.items():
        sys.stdout.write(f"{plan}: {schema.get('description', '').splitlines()[0]}\n")
        if name:
            for key, field in schema["properties"].items():
                need = (
                    "required" if key in schema.get("required", []) else f"default {json.dumps(field.get('default'))}"
                )
                unit = f" [{field['units']}]" if "units" in field else ""
                sys.stdout.write(f"  {key}{unit}: {field.get('description', '')} ({need})\n")


def _foretell(config: "InstrumentConfig", source: str, name: str, parameters: dict[str, Any], as_json: bool) -> None:
    from flowlab.daemon.preflight import preflight

    found = preflight(config, source, name, parameters)
    total = found.total
    if as_json:
        sys.stdout.write(json.dumps(found.facts()) + "\n")
    else:
        sys.stdout.write(f"{name} would, each at most:\n")
        for number, step in enumerate(found.steps, 1):
            costs = "; ".join(filter(None, [_duration(step.seconds), _volumes(step.volumes_ml), _taken(step.takes)]))
            sys.stdout.write(f"{number:4}  {step.does or 'begin'}: {costs or 'at once'}\n")
        needed = ", ".join(
            f"{volume:.1f} mL of {reagent} (there are {found.available_ml.get(reagent, 0.0):g})"
            for reagent, volume in total.volumes_ml.items()
        )
        sys.stdout.write(
            f"in all, at most: {_duration(total.seconds) or 'no time'}; "
            f"{_taken(total.takes) or 'nothing is measured'}; {needed or 'no reagent'}\n"
        )
    found.check()


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 1 else ""
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"


def _volumes(volumes_ml: Mapping[str, float]) -> str:
    return ", ".join(f"{volume:.2f} mL of {reagent}" for reagent, volume in volumes_ml.items() if volume >= 0.005)


def _taken(takes: Mapping[str, int]) -> str:
    plurals = {"spectrum": "spectra", "emission spectrum": "emission spectra"}
    return ", ".join(f"{n} {what if n == 1 else plurals.get(what, what + 's')}" for what, n in takes.items())
