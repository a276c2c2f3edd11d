"""A heated block: an electric element inside a body of metal that loses heat to the room.

Two heat capacities, so that the element leads and the body overshoots, as real ovens do:

    C_e dT_e/dt = P − G_eb (T_e − T_b)
    C_b dT_b/dt = G_eb (T_e − T_b) − G_loss (T_b − T_room) − q(flow)
"""

from dataclasses import dataclass

SOLVENT_J_ML_K = 1.7  # heat capacity of a non-polar solvent per volume


@dataclass(frozen=True)
class BlockProperties:
    """Capacities in J/K, conductances in W/K, power in W."""

    power_w: float = 220.0
    element_j_k: float = 6.0
    element_w_k: float = 4.0
    body_j_k: float = 75.0
    loss_w_k: float = 0.35
    room_c: float = 23.0
    hottest_c: float = 450.0


class HeaterBlock:
    """The block's state; :meth:`advance` moves it on.

    Attributes:
        output: fraction of full power that is asked for, 0…1; a controller sets it.
        temperature_c: of the body, which is what a thermocouple in it and the liquid's wall see.
        power_w: what the element draws.
    """

    def __init__(self, properties: BlockProperties | None = None):
        self.properties = properties or BlockProperties()
        self.temperature_c = self.properties.room_c
        self.element_c = self.properties.room_c
        self.output = 0.0
        self.power_w = 0.0

    def advance(self, dt_s: float, flow_ml_s: float = 0.0, inlet_c: float = 23.0) -> None:
        """Move on by ``dt_s``, at most a tenth of the element's time constant for accuracy.

        Args:
            dt_s: step in plant seconds.
            flow_ml_s: liquid that is heated up from ``inlet_c`` to the block's temperature.
            inlet_c: temperature of that liquid.
        """
        p = self.properties
        self.power_w = p.power_w * min(max(self.output, 0.0), 1.0)
        if self.temperature_c >= p.hottest_c:
            self.power_w = 0.0  # the thermal fuse of a real block
        exchange_w = p.element_w_k * (self.element_c - self.temperature_c)
        loss_w = p.loss_w_k * (self.temperature_c - p.room_c)
        liquid_w = flow_ml_s * SOLVENT_J_ML_K * (self.temperature_c - inlet_c)
        self.element_c += dt_s * (self.power_w - exchange_w) / p.element_j_k
        self.temperature_c += dt_s * (exchange_w - loss_w - liquid_w) / p.body_j_k
