"""Spectrometers of Ocean Optics (Ocean Insight) and the light that they switch.

Each is driven through unmodified seabreeze: its transports carry the messages, its features know what to ask. Only the
protocol layer is a stricter one of ours (:mod:`devices.ocean.protocol`), on the codec :mod:`devices.protocols.obp`.
"""

from devices.ocean.hdx import OceanHdx
from devices.ocean.light import LightSwitch
from devices.ocean.qepro import OceanQePro

__all__ = ["LightSwitch", "OceanHdx", "OceanQePro"]
