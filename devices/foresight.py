"""What reactor, heaters and what measures would do, reckoned without touching them; see :mod:`flowlab.foresight`."""

from typing import TYPE_CHECKING, Any

from flowlab.conditions import Conditions
from flowlab.foresight import Foreseen

if TYPE_CHECKING:
    from devices.reactor import FlowReactor
    from devices.temperature import TemperatureController

_AMBIENT_C = 23.0


class ReactorForesight:
    """Goes along with what a reactor is told; begins cold, with full syringes, and with nothing flowing.

    Args:
        reactor: need not be connected.
    """

    def __init__(self, reactor: "FlowReactor"):
        self._reactor = reactor
        self._conditions = Conditions(_AMBIENT_C, _AMBIENT_C, 1.0)
        self._rates_ml_min = [0.0] * len(reactor.pumps)
        self._content_ml = [pump.capacity_ml for pump in reactor.pumps]

    def take(self, command: str, part: str, value: Any) -> Foreseen | None:
        """What a message would bring about."""
        if command == "stop":
            self._rates_ml_min = [0.0] * len(self._reactor.pumps)
            self._conditions = Conditions(_AMBIENT_C, _AMBIENT_C, 1.0)
            return None
        match part:
            case "" if command == "set":
                return self._go_to(value)
            case "flush":
                seconds = 60 * value * self._reactor.path.total_ml / max(sum(self._rates_ml_min), 1e-9)
                return Foreseen(seconds=seconds, volumes_ml=self._flow(seconds))
            case "reagent":
                return self._reactor.stock.check_capacity(max(value, default=0.0))
            case "refill":
                return self._refill(value)
            case "wash":
                return self._wash(value)
            case _:
                return None

    def _go_to(self, value: Conditions) -> Foreseen:
        reactor = self._reactor
        reactor.check_value(value)
        before = self._conditions if any(self._rates_ml_min) else None
        seconds = reactor.heating_limit_s(self._conditions, value) + reactor.heating_limit_s(value, value)
        self._rates_ml_min = reactor.rates_ml_min(value)
        self._conditions = value
        flow_ml_s = sum(self._rates_ml_min) / 60
        used = self._flow(reactor.heating_ml(before, value) / flow_ml_s)
        hottest_c = max(value.nucleation_c, value.growth_c)
        return Foreseen(f"go to {value}", seconds=seconds, volumes_ml=used, temperature_c=hottest_c)

    def _flow(self, seconds: float) -> dict[str, float]:
        used: dict[str, float] = {}
        for i, (pump, rate) in enumerate(zip(self._reactor.pumps, self._rates_ml_min, strict=True)):
            volume = rate * seconds / 60
            self._content_ml[i] -= volume
            used[pump.reagent] = used.get(pump.reagent, 0.0) + volume
        return used

    def _refill(self, volume_ml: float) -> Foreseen | None:
        reactor = self._reactor
        if all(content >= reactor.stock.share_ml(volume_ml) for content in self._content_ml):
            return None
        drawn = [pump.capacity_ml - ml for pump, ml in zip(reactor.pumps, self._content_ml, strict=True)]
        self._content_ml = [pump.capacity_ml for pump in reactor.pumps]
        self._rates_ml_min = [0.0] * len(reactor.pumps)
        seconds = max(60 * ml / pump.refill_ml_min for pump, ml in zip(reactor.pumps, drawn, strict=True))
        return Foreseen("refill the syringes", seconds=seconds)

    def _wash(self, volumes: float) -> Foreseen:
        reactor = self._reactor
        washer, rate = reactor.check_washing(), reactor.settings.wash_ml_min
        wanted_ml = volumes * (reactor.path.xray_total_ml or reactor.path.total_ml)
        self._rates_ml_min = [0.0] * len(reactor.pumps)
        return Foreseen(
            f"wash with {volumes:g} volumes", seconds=60 * wanted_ml / rate, volumes_ml={washer.reagent: wanted_ml}
        )


class HeaterForesight:
    """Goes along with what one heater is told that is no part of a reactor's step; begins cold.

    Args:
        heater: need not be connected.
    """

    def __init__(self, heater: "TemperatureController[Any]"):
        self._heater = heater
        self._temperature_c = _AMBIENT_C

    def take(self, command: str, part: str, value: Any) -> Foreseen | None:
        """What a message would bring about."""
        if command == "stop":
            self._temperature_c = _AMBIENT_C
        if command != "set" or part:
            return None
        self._heater.check_value(value)
        seconds = self._heater.limit_s(abs(value - self._temperature_c))
        self._temperature_c = value
        return Foreseen(f"set {self._heater.name} to {value:g} °C", seconds=seconds, temperature_c=value)


class ExposureForesight:
    """Counts exposures of something that measures.

    Args:
        takes: what it takes: ``spectrum``, ``frame``.
        exposure_s: of one of them.
        told: parts whose setting is told as a step of its own, with the word for it: ``{"sample": "bring"}``.
    """

    def __init__(self, takes: str, exposure_s: float, told: dict[str, str] | None = None):
        self._takes = takes
        self._exposure_s = exposure_s
        self._told = told or {}

    def take(self, command: str, part: str, value: Any) -> Foreseen | None:
        """What a message would bring about."""
        if command == "trigger":
            return Foreseen(takes=self._takes, seconds=self._exposure_s)
        if part == "exposure_s":
            self._exposure_s = float(value)
        return Foreseen(f"{self._told[part]} {value}") if part in self._told else None
