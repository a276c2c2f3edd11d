"""The shipped instrument with an X-ray cell and an Eiger2, as a file of its own."""

import tomllib
from pathlib import Path
from typing import Any

from tests.instruments import UV_VIS

SHIPPED = Path(UV_VIS)
NAME = "eiger"
_CELL = {"xray_transfer_ml": "0.02", "xray_cell_ml": "0.02", "xray_path_mm": "1.0"}
_DEVICE = """
[devices.{name}]
class = "devices.eiger:Eiger"
address = "{address}"
simulator = "simulators.wire.eiger:Eiger"
[devices.{name}.settings]
{settings}
[devices.{name}.simulated]
{simulated}
[simulation]
"""


def eiger_file(path: Path, *, address: str = "http://127.0.0.1:50920", simulated: str = "", **settings: Any) -> Path:
    """Write an instrument file.

    Args:
        path: where.
        address: of the detector.
        simulated: TOML of what only the simulator is told.
        settings: of the detector.
    """
    text = SHIPPED.read_text("utf-8")
    shipped = tomllib.loads(text)
    for key, value in _CELL.items():
        if key not in shipped["flow_path"]:
            text = text.replace("[flow_path]\n", f"[flow_path]\n{key} = {value}\n", 1)
    if "xray" not in shipped["simulation"]["settings"]:
        text = f"{text.rstrip()}\n\n[simulation.settings.xray]\n"
    told = "\n".join(f"{key} = {_toml(value)}" for key, value in settings.items())
    device = _DEVICE.format(name=NAME, address=address, settings=told, simulated=simulated)
    text = text.replace("\n[simulation]\n", device, 1).replace("safe_state = [", f'safe_state = ["{NAME}", ', 1)
    path.write_text(text, "utf-8")
    return path


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
