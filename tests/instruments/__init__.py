"""Instruments for tests."""

from pathlib import Path

#: The UV-vis half of the simulated lab: two syringe pumps, two heaters, a spectrometer.
UV_VIS = str(Path(__file__).with_name("uv-vis.toml"))
