"""The shipped instrument with an X-ray cell and an Eiger2, as a file; and a bench at the simulators' addresses."""

from pathlib import Path
from typing import Any

from flowlab.bench import Bench
from flowlab.config import load_instrument

SHIPPED = Path(__file__).parents[2] / "config" / "instruments" / "simulated-flow.toml"
NAME = "saxs"
_CELL = "xray_transfer_ml = 0.02\nxray_cell_ml = 0.02\nxray_path_mm = 1.0\n"


def eiger_file(path: Path, simulated: str = "", **settings: Any) -> Path:
    """Write an instrument file.

    Args:
        path: where.
        simulated: TOML of what only the simulator is told.
        settings: of the detector.
    """
    text = SHIPPED.read_text("utf-8")
    if "[devices.saxs]" not in text:
        told = "".join(f"{key} = {value if isinstance(value, int | float) else repr(value)}\n" for key, value in settings.items())
        text = text.replace('"spectrometer"]', f'"spectrometer", "{NAME}"]', 1)
        text = text.replace("[simulation]\n", f"""
[devices.{NAME}]
class = "devices.eiger:Eiger"
address = "http://127.0.0.1:50120"
simulator = "simulators.wire.eiger:Eiger"
[devices.{NAME}.settings]
{told}
[devices.{NAME}.simulated]
{simulated}
[simulation]
""", 1)
        text = text.replace("[flow_path]\n", f"[flow_path]\n{_CELL}", 1)
        text = text.rstrip() + "\n\n[simulation.settings.xray]\n"
    path.write_text(text, "utf-8")
    return path
