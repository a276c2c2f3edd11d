"""What the reactor asks of a pump and of a heater, whoever made them."""

from typing import Protocol

from ophyd.status import Status


class Pump(Protocol):
    """A pump that feeds one reagent, from a syringe or from a bottle.

    Attributes:
        name: on the bench.
        reagent: what it pumps.
        capacity_ml: what its syringe, or its bottle, holds when it is full.
        limits_ml_min: lowest and highest rate, 0 included.
        reservoir_ml: what is left to refill from.
        refill_ml_min: rate at which it refills.
    """

    name: str
    reagent: str
    capacity_ml: float
    limits_ml_min: tuple[float, float]
    reservoir_ml: float
    refill_ml_min: float

    def check_value(self, value: float) -> None:
        """Refuse a rate that is not allowed; see :class:`devices.errors.LimitError`."""
        ...

    def set(self, value: float) -> Status:
        """Infuse at a rate in ml/min; 0 stops."""
        ...

    def refill(self) -> Status:
        """Fill the syringe from the reservoir, as far as that goes; what draws from a bottle has nothing to do."""
        ...

    def make_safe(self) -> None:
        """Stop."""
        ...

    def ask_rate_ml_min(self) -> float:
        """What it infuses now."""
        ...

    def ask_infused_ml(self) -> float:
        """What it has infused, by its own count or reckoned."""
        ...

    def ask_content_ml(self) -> float:
        """What is left in its syringe or its bottle."""
        ...


class Heater(Protocol):
    """A heater with its controller.

    Attributes:
        name: on the bench.
        limits_c: lowest and highest set point.
    """

    name: str
    limits_c: tuple[float, float]

    def check_value(self, value: float) -> None:
        """Refuse a set point that is not allowed; see :class:`devices.errors.LimitError`."""
        ...

    def set(self, value: float) -> Status:
        """Go to a temperature in °C; done when it has settled."""
        ...

    def limit_s(self, distance_c: float) -> float:
        """Plant seconds within which a temperature so far away is reached, or given up on."""
        ...

    def make_safe(self) -> None:
        """Let it cool."""
        ...

    def ask_temperature_c(self) -> float:
        """Temperature now."""
        ...

    def ask_setpoint_c(self) -> float:
        """What it works towards."""
        ...
