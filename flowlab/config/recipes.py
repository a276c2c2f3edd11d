"""Recipes: a plan's name and its parameters, kept in a file."""

from typing import Any

from pydantic import Field

from flowlab.config.model import Model, SchemaVersion


class Recipe(Model):
    """What to run: a plan known to the instrument, with its parameters."""

    schema_version: SchemaVersion = Field(alias="schema")
    plan: str
    description: str = ""
    source: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)
