"""The base of every configuration model: unknown keys are refused, values are not bent into shape."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Model(BaseModel):
    """A table of a configuration file. A key that is not declared is an error, never silently ignored.

    Values have the declared type: neither ``true`` nor ``"7"`` is a number. A whole number will do for any other.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


def _whole(value: Any) -> Any:
    if type(value) is not int:
        raise ValueError("must be a whole number")
    return value


#: The version of a file's layout; ``true`` and 1.0 equal 1, but are not it.
SchemaVersion = Annotated[Literal[1], BeforeValidator(_whole)]
