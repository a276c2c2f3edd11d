"""What plans ask of the devices they are given, beyond bluesky's protocols."""

from typing import Any, Protocol

from bluesky.protocols import Movable, Readable, Triggerable

from flowlab.conditions import Conditions
from flowlab.config import FlowPath


class Reactor(Readable[Any], Movable[Conditions], Triggerable, Protocol):
    """A flow reactor: set it to conditions; set its ``flush``, ``refill`` and ``reagent`` to volumes.

    Triggered, it checks that all still flows as it did when the last flush began.

    Attributes:
        path: the volumes that a plug passes.
        flush: set to a number of volumes, mixer to optical cell.
        refill: set to the volume in ml that is needed before the next refill.
        reagent: set to the volumes in ml that will be needed between the refills, or it refuses.
    """

    path: FlowPath
    flush: Movable[float]
    refill: Movable[float]
    reagent: Movable[list[float]]

    def check_value(self, value: Conditions) -> None:
        """Refuse conditions that the limits do not allow; nothing moves."""
        ...

    def heating_limit_s(self, before: Conditions, after: Conditions) -> float:
        """Longest time that the heaters are given from one point to the next."""
        ...

    def stop(self, success: bool = False) -> None:
        """Go to the safe state, unless ``success``; bluesky's ``stop`` message calls it without."""
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
