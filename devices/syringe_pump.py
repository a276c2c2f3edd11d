"""What all drivers of syringe pumps have in common: what is on the pump, its limits, and what is left in it."""

from abc import abstractmethod
from typing import Annotated, Any

from ophyd import Component as Cpt
from ophyd import Kind
from pydantic import Field

from devices.base import Instrument, Quantity, check_limits
from devices.errors import InstrumentFaultError
from devices.links import LineSettings
from flowlab.bench import Bench
from flowlab.config import DeviceEntry

#: Less is not worth moving for: what the pumps' counters resolve.
NOTHING_ML = 1e-3


class SyringePumpSettings(LineSettings):
    """A pump as it is wired, and what is on it."""

    unit: Annotated[int, Field(ge=0, le=99)] = Field(default=0, description="the pump's address on its chain")
    syringe: str = Field(description="which of the [syringes] is on it")
    reagent: str = Field(description="which of the [reagents] is in it")
    highest_ml_min: Annotated[float, Field(gt=0)] = Field(description="highest rate that is ever sent")
    refill_ml_min: Annotated[float, Field(gt=0)] = Field(description="rate at which the syringe is refilled")
    rate_tolerance: Annotated[float, Field(gt=0, lt=0.1)] = Field(
        default=0.002, description="how far the pump's rate may be from what was sent, relative: its resolution"
    )


class SyringePump(Instrument):
    """A syringe pump; a subclass speaks to it."""

    rate_ml_min = Cpt(Quantity, ask="ask_rate_ml_min", units="mL/min", precision=4, limits="limits_ml_min")
    content_ml = Cpt(Quantity, ask="ask_content_ml", units="mL", precision=3, kind=Kind.normal)

    def __init__(self, name: str, entry: DeviceEntry, settings: SyringePumpSettings, bench: Bench):
        for kind, known, wanted in (
            ("syringe", bench.config.syringes, settings.syringe),
            ("reagent", bench.config.reagents, settings.reagent),
        ):
            if wanted not in known:
                raise ValueError(f"settings.{kind} = {wanted!r}: there is no such {kind}; there are {', '.join(known)}")
        self.reagent = settings.reagent
        self.syringe = bench.config.syringes[settings.syringe]
        self.capacity_ml = self.syringe.volume_ml
        self.limits_ml_min = (0.0, settings.highest_ml_min)
        self.refill_ml_min = settings.refill_ml_min
        self._lowest_ml_min = 0.0
        #: What stands ready to refill from, as far as is known: the reservoir less what was withdrawn since.
        self.reservoir_ml = bench.config.reagents[settings.reagent].reservoir_ml
        self._bench = bench
        super().__init__(name, entry, bench)

    @abstractmethod
    def ask_rate_ml_min(self) -> float:
        """What the pump infuses now: 0 unless it runs."""

    @abstractmethod
    def ask_infused_ml(self) -> float:
        """Volume infused since the counter was cleared."""

    @abstractmethod
    def ask_withdrawn_ml(self) -> float:
        """Volume withdrawn since the counter was cleared."""

    @abstractmethod
    def _halt(self) -> None:
        """Stop and check that the pump stands."""

    def ask_content_ml(self) -> float:
        """What is left in the syringe, from the pump's own counters."""
        return self.syringe.volume_ml - self._missing_ml()

    def _missing_ml(self) -> float:
        return self.ask_infused_ml() - self.ask_withdrawn_ml()

    def check_value(self, value: float, **_: Any) -> None:
        """Refuse a rate outside the limits.

        Raises:
            LimitError: see there.
        """
        lowest, highest = 0.0 if value == 0 else self._lowest_ml_min, self.limits_ml_min[1]
        check_limits(self.name, "rate", value, (lowest, highest), "mL/min")

    def make_safe(self) -> None:
        """Stop and check that the pump stands."""
        self.give_up_watching()
        self._halt()

    def _check_content(self) -> None:
        content_ml = self.ask_content_ml()
        if not -0.01 * self.syringe.volume_ml <= content_ml <= 1.01 * self.syringe.volume_ml:
            raise InstrumentFaultError(
                f"{self.name}: its counters say {content_ml:.2f} mL in a syringe of {self.syringe.volume_ml:g} mL; "
                "fill the syringe and clear the counters on the pump"
            )
