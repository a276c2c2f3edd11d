"""Configuration: TOML in, checked models out. The lowest room of the house."""

from flowlab.config.apparatus import FlowPath, Reagent, Syringe
from flowlab.config.instrument import DeviceEntry, InstrumentConfig, PlanEntry
from flowlab.config.load import load_instrument, load_material, load_recipe
from flowlab.config.materials import Family, Material
from flowlab.config.model import Model
from flowlab.config.recipes import Recipe
from flowlab.config.saxs import PoniSettings, SaxsSettings

__all__ = [
    "DeviceEntry",
    "Family",
    "FlowPath",
    "InstrumentConfig",
    "Material",
    "Model",
    "PlanEntry",
    "PoniSettings",
    "Reagent",
    "Recipe",
    "SaxsSettings",
    "Syringe",
    "load_instrument",
    "load_material",
    "load_recipe",
]
