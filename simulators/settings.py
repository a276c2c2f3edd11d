"""The simulators' own settings: the table [simulation.settings] of an instrument file."""

from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from flowlab.config import Model
from flowlab.config.load import validate
from simulators.plant.heater import BlockProperties
from simulators.plant.hydraulics import HydraulicProperties
from simulators.plant.light import LightProperties
from simulators.plant.luminescence import LuminescenceProperties
from simulators.plant.xray import XrayProperties

Properties = BlockProperties | HydraulicProperties | LightProperties | LuminescenceProperties | XrayProperties


def _fields_of(properties: type[Properties]) -> Callable[[dict[str, float]], Any]:
    allowed = [field.name for field in fields(properties)]

    def check(values: dict[str, float]) -> dict[str, float]:
        for name in values:
            if name not in allowed:
                raise ValueError(f"there is no property {name!r}; allowed: {', '.join(allowed)}")
        return values

    return check


class PlantSettings(Model):
    """Which heater heats what, and how good the apparatus is.

    Attributes:
        nucleation: device that heats the nucleation chamber.
        growth: device that heats the growth oven.
        light: properties of lamp and detector that differ from :class:`LightProperties`.
        luminescence: those of LED and cooled detector that differ from :class:`LuminescenceProperties`.
        block: properties of the heated blocks that differ from :class:`BlockProperties`.
        xray: properties of the X-ray side that differ from :class:`XrayProperties`; without this table, even an empty
            one, there is no X-ray side.
        hydraulics: properties of the flow path that differ from :class:`HydraulicProperties`.
    """

    nucleation: str
    growth: str
    light: Annotated[dict[str, float], AfterValidator(_fields_of(LightProperties))] = Field(default_factory=dict)
    luminescence: Annotated[dict[str, float], AfterValidator(_fields_of(LuminescenceProperties))] = Field(
        default_factory=dict
    )
    block: Annotated[dict[str, float], AfterValidator(_fields_of(BlockProperties))] = Field(default_factory=dict)
    xray: Annotated[dict[str, float], AfterValidator(_fields_of(XrayProperties))] | None = None
    hydraulics: Annotated[dict[str, float], AfterValidator(_fields_of(HydraulicProperties))] = Field(
        default_factory=dict
    )

    @classmethod
    def read(cls, values: dict[str, Any], where: str) -> "PlantSettings":
        """Check the table.

        Raises:
            ConfigError: an unknown key or a value that does not fit; one line that begins with ``where``.
        """
        return validate(cls, values, where, ("simulation", "settings"))
