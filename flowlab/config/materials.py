"""Materials: what is known of a semiconductor's clusters and sizing curve, each with its source."""

from typing import Annotated, Literal

from pydantic import Field

from flowlab.config.model import Model


class Family(Model):
    """A family of magic-size clusters, known by its lowest absorption maximum."""

    name: str
    wavelength_nm: Annotated[float, Field(gt=0)]
    tolerance_nm: Annotated[float, Field(gt=0)] = 3.0
    source: str


class SizingCurve(Model):
    """Diameter in nm as a polynomial in the first exciton's wavelength in nm, highest power first."""

    name: str
    source: str
    coefficients: list[float] = Field(min_length=2)
    valid_nm: tuple[float, float] = Field(description="wavelengths within which the curve means anything")
    relative_error: Annotated[float, Field(gt=0, lt=1)] = Field(description="one sigma of the curve itself")


class Material(Model):
    """A semiconductor."""

    schema_version: Literal[1] = Field(alias="schema")
    name: str
    sizing: SizingCurve | None = None
    units_per_nm3: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="formula units per volume of the crystal"
    )
    families: list[Family] = Field(default=[])
    accumulating_family: str | None = Field(default=None, description="the family whose window a report states")
