"""Bottles, a selector valve and a pump that feeds from them without end, whatever its instrument believes."""

from collections.abc import Mapping

from flowlab.config import Reagent

#: What every bench has without end, and what the chemistry knows nothing of.
SOLVENT = "solvent"


class Bottles:
    """What stands in front of the feeding pumps.

    Args:
        reagents: what there is, by name; besides them there is :data:`SOLVENT`.
    """

    def __init__(self, reagents: Mapping[str, Reagent]):
        solvent = Reagent(concentration_mmol_l=0.0, reservoir_ml=1e6, description="pure solvent")
        self._reagents = {SOLVENT: solvent, **reagents}
        self.left_ml = {name: reagent.reservoir_ml for name, reagent in self._reagents.items()}

    def __contains__(self, name: object) -> bool:
        return name in self._reagents

    def concentration_mmol_l(self, name: str) -> float:
        """Of what is in a bottle."""
        return self._reagents[name].concentration_mmol_l

    def draw(self, name: str, wanted_ml: float) -> float:
        """Take so much, or what is left."""
        drawn_ml = min(wanted_ml, self.left_ml[name])
        self.left_ml[name] -= drawn_ml
        return drawn_ml


class Selector:
    """A valve with one outlet, which turns from port to port.

    Args:
        ports: how many there are.
        bottles: which bottle is at which port; at the others there is nothing.

    Attributes:
        port: where it stands, or was last.
        heading: where it turns to.
        stuck: a fault: it does not turn.
    """

    #: From one port to the next.
    STEP_S = 0.2

    def __init__(self, ports: int, bottles: Mapping[int, str]):
        self.ports = ports
        self.bottles = dict(bottles)
        self.port = self.heading = 1
        self.stuck = False
        self._step = 1
        self._turned_s = 0.0

    @property
    def turning(self) -> bool:
        """Whether it is between two ports."""
        return self.port != self.heading

    @property
    def bottle(self) -> str | None:
        """What its outlet leads to: nothing while it turns."""
        return None if self.turning else self.bottles.get(self.port)

    def turn(self, port: int, step: int) -> None:
        """Turn to a port, upwards (1) or downwards (-1); 0 takes the shorter way."""
        if self.turning:
            return  # it turns to its end first
        up = (port - self.port) % self.ports
        self.heading = port
        self._step = step or (1 if up <= self.ports / 2 else -1)
        self._turned_s = 0.0

    def advance(self, dt_s: float) -> None:
        """Move on by one step."""
        if not self.turning or self.stuck:
            return
        self._turned_s += dt_s
        while self.turning and self._turned_s >= self.STEP_S - 1e-9:
            self._turned_s -= self.STEP_S
            self.port = (self.port - 1 + self._step) % self.ports + 1


class Feed:
    """A pump that delivers from a bottle, or from the bottle that a valve selects.

    Args:
        bottles: all there are.
        source: the bottle's name, or the valve.

    Attributes:
        rate_ml_min: what it is told to deliver; 0: it stands.
        limit_bar: above this pressure its motor gives up.
        held: a fault: its motor is blocked.
        stalled: its motor gave up, until it is driven anew.
        delivered_ml: since the start.
    """

    def __init__(self, bottles: Bottles, source: str | Selector, limit_bar: float):
        self._bottles = bottles
        self._source = source
        self.limit_bar = limit_bar
        self.rate_ml_min = 0.0
        self.held = False
        self.stalled = False
        self.delivered_ml = 0.0

    @property
    def bottle(self) -> str | None:
        """What it would deliver from now."""
        return self._source if isinstance(self._source, str) else self._source.bottle

    @property
    def content_ml(self) -> float:
        """What is left in that bottle."""
        return 0.0 if self.bottle is None else self._bottles.left_ml[self.bottle]

    @property
    def concentration_mmol_l(self) -> float:
        """Of what it would deliver."""
        return 0.0 if self.bottle is None else self._bottles.concentration_mmol_l(self.bottle)

    def drive(self, rate_ml_min: float) -> None:
        """Deliver at a rate from now on; 0 stops. Clears a stall."""
        self.rate_ml_min = rate_ml_min
        self.stalled = False

    def advance(self, dt_s: float, pressure_bar: float) -> float:
        """Move on by ``dt_s`` against a pressure; return what was delivered, in ml."""
        if self.rate_ml_min <= 0 or self.stalled:
            return 0.0
        self.stalled = self.held or pressure_bar > self.limit_bar
        if self.stalled or self.bottle is None:
            return 0.0
        moved_ml = self._bottles.draw(self.bottle, self.rate_ml_min * dt_s / 60)
        self.delivered_ml += moved_ml
        return moved_ml

    @property
    def running_ml_min(self) -> float:
        """What it really delivers now."""
        stands = self.stalled or self.held or self.content_ml <= 0
        return 0.0 if stands else self.rate_ml_min
