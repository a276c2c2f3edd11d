"""The cheapest plan that measures something, without any device: what is left is what flowlab itself takes."""

import time
from pathlib import Path
from typing import Annotated, Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.utils import MsgGenerator
from pydantic import Field

_CONFIG = """
schema = 1
name = "{name}"
description = "nothing at all, for benchmarks"
material = "CdSe"
safe_state = []

[flow_path]
mixer_ml = 0.002
nucleation_ml = 0.030
growth_ml = 0.368
transfer_ml = 0.038
cell_ml = 0.020
optical_path_mm = 1.0
tubing_inner_diameter_mm = 0.5
wall_time_constant_s = 0.1

[devices]

[plans.ticks]
function = "benchmarks.ticks:ticks"
"""


class _Clock:
    """What is read: the time."""

    name = "tick"
    parent = None

    def read(self) -> dict[str, Any]:
        now = time.time()
        return {"tick": {"value": now, "timestamp": now}}

    def describe(self) -> dict[str, Any]:
        return {"tick": {"source": "clock", "dtype": "number", "shape": []}}

    def read_configuration(self) -> dict[str, Any]:
        return {}

    def describe_configuration(self) -> dict[str, Any]:
        return {}


def ticks(*, events: Annotated[int, Field(ge=0, le=100_000, description="how many")] = 1) -> MsgGenerator[None]:
    """One run with so many events."""
    clock = _Clock()

    @bpp.run_decorator(md={"plan_name": "ticks", "num_points": events})
    def run() -> MsgGenerator[None]:
        for _ in range(events):
            yield from bps.trigger_and_read([clock])

    yield from run()


def instrument(path: Path, name: str) -> Path:
    """Write the file of an instrument that has this plan, and nothing else."""
    path.write_text(_CONFIG.format(name=name), encoding="utf-8")
    return path
