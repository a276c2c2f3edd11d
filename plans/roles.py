"""What plans ask of the devices they are given, beyond bluesky's protocols."""

from typing import Any, Protocol, TypeVar

from bluesky.protocols import Movable, Readable, Triggerable

from flowlab.conditions import Conditions
from flowlab.config import FlowPath

T = TypeVar("T", contravariant=True)


class Reactor(Readable[Any], Movable[Conditions], Triggerable, Protocol):
    """A flow reactor: set it to conditions; set its ``flush``, ``refill`` and ``reagent`` to volumes.

    Triggered, it checks that all still flows as it did when the last flush began.

    Attributes:
        path: the volumes that a plug passes.
        flush: set to a number of volumes, mixer to optical cell.
        refill: set to the volume in ml that is needed before the next refill.
        reagent: set to the volumes in ml that will be needed between the refills, or it refuses.
        wash: set to a number of volumes, mixer to the last cell, of what washes.
    """

    path: FlowPath
    flush: Movable[float]
    refill: Movable[float]
    reagent: Movable[list[float]]
    wash: Movable[float]

    def charged_ml(self, value: Conditions, volume_ml: float) -> float:
        """Volume to ask ``refill`` and ``reagent`` for when only some streams flow."""
        ...

    def check_xray_cell(self) -> None:
        """Refuse when there is no X-ray cell; nothing moves."""
        ...

    def check_washing(self) -> Any:
        """Refuse when there is nothing to wash with; nothing moves."""
        ...

    def check_value(self, value: Conditions) -> None:
        """Refuse conditions that the limits do not allow; nothing moves."""
        ...

    def heating_ml(self, before: Conditions | None, after: Conditions) -> float:
        """What flows at most on the way from one point to the next."""
        ...

    def stop(self, success: bool = False) -> None:
        """Go to the safe state, unless ``success``; bluesky's ``stop`` message calls it without."""
        ...


class Endstation(Readable[Any], Triggerable, Protocol):
    """An X-ray endstation: takes frames with the intensities that belong to them; staged once for each stream.

    Attributes:
        exposure_s: set to the exposure of a frame.
        sample: set to the name of what is to stand in the beam.
        shutter_open: of the beam.
    """

    exposure_s: "Checked[float]"
    sample: "Checked[str]"
    shutter_open: Movable[bool]

    def data_keys(self) -> dict[str, str | None]:
        """Under which keys events have what an analysis needs; None for what is not measured."""
        ...

    def stop(self, success: bool = False) -> None:
        """Shut the beam out."""
        ...

    def stage(self) -> Any:
        """Begin a file of frames."""
        ...

    def unstage(self) -> Any:
        """Close it."""
        ...


class Checked(Movable[T], Protocol[T]):
    """Can be asked beforehand whether a value is allowed."""

    def check_value(self, value: T) -> None:
        """Refuse what is not allowed; nothing moves."""
        ...


class Shutter(Movable[bool], Protocol):
    """Lets light through, or not."""

    def check_value(self, value: bool) -> None:
        """Refuse what cannot be switched; nothing moves."""
        ...


class Spectrometer(Readable[Any], Triggerable, Protocol):
    """Takes spectra of raw counts with their uncertainty.

    Attributes:
        counts: of the last spectrum, shape (pixels,).
        counts_err: their standard error.
        shutter_open: set to False to take a dark spectrum.
    """

    counts: Readable[Any]
    counts_err: Readable[Any]
    shutter_open: Shutter

    def spectrum_s(self) -> float:
        """Exposure of one spectrum at most, in seconds."""
        ...


class Light(Readable[Any], Movable[bool], Protocol):
    """A light that excites: set it to True or False."""
