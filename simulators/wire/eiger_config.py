"""The parameters of a simulated Eiger2: values, limits, and what changes with what.

Source: SIMPLON 1.8 API documentation, pages 13–26; which parameters a PUT names as changed, page 4 and tickit-devices.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

CLOCK_S = 2e-8


class RefusedError(Exception):
    """A request that is answered by an error.

    Args:
        status: of HTTP.
        why: in words.
    """

    def __init__(self, status: int, why: str):
        super().__init__(why)
        self.status = status


@dataclass
class Item:
    """A parameter.

    Attributes:
        value: its type is the parameter's.
        unit: as it is told.
        limits: lowest and highest value of a number.
        allowed: values of a text.
        writable: whether it can be set.
    """

    value: Any
    unit: str = ""
    limits: tuple[float, float] | None = None
    allowed: tuple[str, ...] = ()
    writable: bool = False

    @property
    def _kind(self) -> str:
        kinds = {bool: "bool", int: "uint", float: "float", str: "string", list: "string[]"}
        return kinds[type(self.value)]

    def encode(self) -> bytes:
        """As a GET tells it."""
        told: dict[str, Any] = {"value": self.value, "value_type": self._kind}
        told["access_mode"] = "rw" if self.writable else "r"
        if self.unit:
            told["unit"] = self.unit
        if self.limits:
            told["min"], told["max"] = self.limits
        if self.allowed:
            told["allowed_values"] = list(self.allowed)
        return json.dumps(told).encode()

    def put(self, body: bytes) -> None:
        """Set it as a PUT asks for.

        Raises:
            RefusedError: the body, or the value in it, is not allowed.
        """
        if not self.writable:
            raise RefusedError(400, "this parameter is read-only")
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError):
            raise RefusedError(400, "the body is no JSON") from None
        if not isinstance(asked, dict) or "value" not in asked:
            raise RefusedError(400, "the body has no value")
        self.value = self._checked(asked["value"])

    def _checked(self, value: Any) -> Any:
        if isinstance(self.value, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not type(self.value) or (isinstance(value, float) and not math.isfinite(value)):
            raise RefusedError(400, f"the value is no {self._kind}")
        if self.limits and not self.limits[0] <= value <= self.limits[1]:
            raise RefusedError(400, f"the value is outside {self.limits[0]:g} to {self.limits[1]:g}")
        if self.allowed and value not in self.allowed:
            raise RefusedError(400, f"the value is none of {', '.join(self.allowed)}")
        return value


class Config:
    """The parameters of the detector itself.

    Args:
        rows, columns: of the detector.
        name: of its model.
        excluded: how many pixels do not count.
    """

    READOUT_S = 1e-7
    LARGEST_RATE_PER_S = 5e6
    #: Exposures that are longer are sums of several, and have more bits.
    SHORT_S = 0.01
    _EXPOSURE = (
        "bit_depth_image", "bit_depth_readout", "count_time", "countrate_correction_count_cutoff", "frame_count_time",
        "frame_time",
    )  # fmt: skip
    _ENERGY = (
        "element", "flatfield", "incident_energy", "photon_energy", "threshold/1/energy", "threshold_energy",
        "wavelength",
    )  # fmt: skip

    def __init__(self, rows: int, columns: int, name: str, excluded: int):
        self.items: dict[str, Item] = {
            "beam_center_x": Item(columns / 2, "", (-1e6, 1e6), writable=True),
            "beam_center_y": Item(rows / 2, "", (-1e6, 1e6), writable=True),
            "bit_depth_image": Item(32),
            "bit_depth_readout": Item(16),
            "compression": Item("bslz4", allowed=("lz4", "bslz4", "none"), writable=True),
            "count_time": Item(0.5, "s", (2e-5, 3600.0), writable=True),
            "countrate_correction_count_cutoff": Item(0, "counts"),
            "description": Item(name),
            "detector_number": Item("E-02-0100"),
            "detector_readout_time": Item(self.READOUT_S, "s"),
            "frame_count_time": Item(0.0, "s"),
            "frame_time": Item(0.5 + self.READOUT_S, "s", (2e-5, 3600.0), writable=True),
            "nimages": Item(1, "", (1, 2e9), writable=True),
            "ntrigger": Item(1, "", (1, 2e9), writable=True),
            "number_of_excluded_pixels": Item(excluded),
            "photon_energy": Item(8041.0, "eV", (3500.0, 40000.0), writable=True),
            "pixel_mask_applied": Item(True, writable=True),
            "sensor_material": Item("Si"),
            "sensor_thickness": Item(4.5e-4, "m"),
            "software_version": Item("simulated"),
            "threshold_energy": Item(4020.5, "eV", (1750.0, 30000.0), writable=True),
            "trigger_mode": Item("ints", allowed=("ints", "inte", "exts", "exte"), writable=True),
            "x_pixel_size": Item(7.5e-5, "m"),
            "x_pixels_in_detector": Item(columns),
            "y_pixel_size": Item(7.5e-5, "m"),
            "y_pixels_in_detector": Item(rows),
        }
        self._follow("count_time")

    def __getitem__(self, key: str) -> Any:
        return self.items[key].value

    def values(self) -> dict[str, Any]:
        """Value of each parameter."""
        return {key: item.value for key, item in self.items.items()}

    def put(self, key: str, body: bytes) -> list[str]:
        """Set a parameter and what depends on it.

        Returns:
            Which parameters are changed, or may be.

        Raises:
            RefusedError: there is no such parameter, or it cannot be set so.
        """
        if key not in self.items:
            raise RefusedError(404, f"Parameter {key} does not exist")
        self.items[key].put(body)
        return self._follow(key)

    def _follow(self, key: str) -> list[str]:
        if key == "photon_energy":
            self._set("threshold_energy", self["photon_energy"] / 2)
            return list(self._ENERGY)
        if key not in ("count_time", "frame_time"):
            return [key]
        self._set(key, round(self[key] / CLOCK_S) * CLOCK_S)
        if key == "count_time":
            self._set("frame_time", max(self["frame_time"], self["count_time"] + self.READOUT_S))
        else:
            self._set("count_time", min(self["count_time"], self["frame_time"] - self.READOUT_S))
        bits = 32 if self["frame_time"] > self.SHORT_S else 16
        self._set("bit_depth_image", bits)
        cutoff = int(min(self.LARGEST_RATE_PER_S * self["count_time"], 2**bits - 2))
        self._set("countrate_correction_count_cutoff", cutoff)
        self._set("frame_count_time", min(self["count_time"], self.SHORT_S))
        return list(self._EXPOSURE)

    def _set(self, key: str, value: Any) -> None:
        self.items[key].value = value
