"""The base of every configuration model: unknown keys are refused, values are not bent into shape."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A table of a configuration file. A key that is not declared is an error, never silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)
