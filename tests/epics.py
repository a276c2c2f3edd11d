"""The shipped lab with EPICS devices on the X-ray side, as an instrument file."""

from pathlib import Path

from flowlab.config.paths import shipped_config

DEVICES = """
[devices.stage]
class = "devices.epics_stage:EpicsStage"
address = "ca://127.0.0.1:5064"
simulator = "simulators.wire.epics.motor:Stage"
[devices.stage.settings]
prefix = "FLOW:STAGE"
reply_within_s = 0.5
x_lowest_mm = -5.0
x_highest_mm = 45.0
z_lowest_mm = -10.0
z_highest_mm = 10.0

[devices.beam_shutter]
class = "devices.epics_beam:BeamShutter"
address = "ca://127.0.0.1:5064"
simulator = "simulators.wire.epics.beam:Shutter"
[devices.beam_shutter.settings]
prefix = "FLOW:SHUTTER"
reply_within_s = 0.5

[devices.ring]
class = "devices.epics_beam:RingCurrent"
address = "ca://127.0.0.1:5064"
simulator = "simulators.wire.epics.beam:Ring"
[devices.ring.settings]
prefix = "FLOW:RING"
reply_within_s = 0.5

[devices.pilatus]
class = "devices.pilatus:Pilatus"
address = "ca://127.0.0.1:5064"
simulator = "simulators.wire.epics.pilatus:Pilatus"
[devices.pilatus.settings]
prefix = "FLOW:PILATUS"
reply_within_s = 1.0
exposure_s = 1.0
folder = "FOLDER"
"""

NAMES = ("stage", "beam_shutter", "ring", "pilatus")


def write_lab(path: Path, frames: Path) -> Path:
    """Write the instrument file; frames go to a folder."""
    text = (shipped_config() / "instruments" / "simulated-flow.toml").read_text(encoding="utf-8")
    cell = "xray_transfer_ml = 0.05\nxray_cell_ml = 0.01\nxray_path_mm = 1.5\n"
    names = "".join(f'"{name}", ' for name in NAMES)
    for old, new in (
        ("safe_state = [", f"safe_state = [{names}"),
        ("cell_ml = 0.020\n", f"cell_ml = 0.020\n{cell}"),
        ("[devices.reactor]", f"{DEVICES.replace('FOLDER', str(frames))}\n[devices.reactor]"),
        ('growth = "growth_heater"\n', 'growth = "growth_heater"\n[simulation.settings.xray]\n'),
    ):
        head, found, tail = text.rpartition(old)
        assert found, old
        text = head + new + tail
    path.write_text(text, "utf-8")
    return path
