"""What there is of the reagents: whether it is enough, in each syringe and altogether."""

from collections.abc import Sequence

from devices.errors import LimitError
from devices.roles import Pump


class Stock:
    """The reagents of a reactor, whose streams meet in equal parts.

    Args:
        reactor: its name, for messages.
        pumps: one for each reagent.
        reserve_ml: what each syringe holds beyond what is needed.
    """

    def __init__(self, reactor: str, pumps: Sequence[Pump], reserve_ml: float):
        self._reactor = reactor
        self._pumps = pumps
        self._reserve_ml = reserve_ml

    def share_ml(self, volume_ml: float) -> float:
        """What each syringe must hold for a volume of total flow."""
        return volume_ml / len(self._pumps) + self._reserve_ml

    def check_capacity(self, between_ml: float) -> None:
        """Refuse what the syringes cannot hold between two refills; nothing needs to be connected.

        Raises:
            LimitError: the message says which syringe.
        """
        largest_ml = self.share_ml(between_ml)
        for pump in self._pumps:
            if largest_ml > pump.capacity_ml:
                raise LimitError(
                    f"{self._reactor}: {largest_ml:.1f} mL of {pump.reagent} may flow between two refills, but its "
                    f"syringe holds {pump.capacity_ml:g} mL; ask for longer residence times, smaller steps of "
                    "temperature or fewer volumes"
                )

    def check(self, between_ml: float, total_ml: float) -> None:
        """Refuse what a syringe cannot hold between two refills, or what is not there altogether.

        Raises:
            LimitError: the message says what is needed, what is left, and of what.
        """
        self.check_capacity(between_ml)
        all_ml = self.share_ml(total_ml)
        for pump in self._pumps:
            left_ml = pump.ask_content_ml() + pump.reservoir_ml
            if all_ml > left_ml:
                raise LimitError(
                    f"{self._reactor}: this takes {all_ml:.1f} mL of {pump.reagent}, but {left_ml:.1f} mL "
                    "are left in syringe and reservoir; ask for less, or fill up and say so in the configuration"
                )
