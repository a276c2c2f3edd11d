"""How an Eiger2 is set up and received."""

from typing import Annotated, Literal

from pydantic import Field

from flowlab.config import Model


class EigerSettings(Model):
    """How frames are taken and received. The defaults are a detector's of SIMPLON 1.8."""

    exposure_s: Annotated[float, Field(gt=0)]
    frame_time_s: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="from one frame to the next; null, or too short: the count time and the detector's readout time",
    )
    images: Annotated[int, Field(ge=1, le=100_000)] = Field(default=1, description="frames of one exposure")
    photon_energy_ev: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="null: as the detector has it; the threshold follows it"
    )
    compression: Literal["bslz4", "lz4"] = "bslz4"
    channel: str = Field(default="threshold_1", description="the threshold to keep; no other may be enabled")
    triggers_per_arm: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=1000,
        description="exposures before the detector is armed anew; 1: it is disarmed behind each, for detectors that "
        "hold the last frame back until then",
    )
    api: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")] = "1.8.0"
    check_version: bool = Field(default=True, description="false for emulators that do not tell their version")
    check_high_voltage: bool = Field(
        default=True, description="expose only when it is READY; false for emulators that do not tell it"
    )
    stream: Literal["cbor", "legacy"] = Field(default="cbor", description="legacy: the only one before release 2022.1")
    stream_port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="null: 31001 for cbor, 9999 for legacy; ?stream_port= in the address goes before"
    )
    series_number: Literal["arm", "start"] = Field(
        default="arm",
        description="which series is ours: the one that arm returned, or, for emulators whose arm returns another "
        "number, the first one that starts behind it",
    )
    high_water: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=50, description="frames that may wait in this computer's memory"
    )
    reply_within_s: Annotated[float, Field(gt=0)] = Field(default=5.0, description="real seconds for a reply")
    initialize_within_s: Annotated[float, Field(gt=0)] = 240.0
    arm_within_s: Annotated[float, Field(gt=0)] = 120.0
    frame_within_s: Annotated[float, Field(gt=0)] = Field(
        default=10.0, description="real seconds for the next frame, beyond the time that it takes"
    )
