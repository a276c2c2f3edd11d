"""``flowlab check`` and ``flowlab plans``: look without touching."""

import json
import sys
from typing import Annotated

import typer

from flowlab.cli.options import Config, ConfigOption, Json


def check(config: Config) -> None:
    """Check an instrument file without connecting anything.

    Keys, values, limits, the class and settings of every device, plans, interlocks, material.
    """
    from flowlab.bench import Bench
    from flowlab.config import load_instrument, load_material
    from flowlab.daemon.interlocks import Interlocks
    from flowlab.daemon.plans import Plan

    loaded = load_instrument(config)
    load_material(loaded.material)
    with Bench(loaded, config) as bench:
        Interlocks(bench, lambda name, reason: None)
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
    as_json: Json = False,
) -> None:
    """List the plans of an instrument, or the parameters of one."""
    from flowlab.config import load_instrument
    from flowlab.daemon.plans import Plan

    loaded = load_instrument(config)
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
