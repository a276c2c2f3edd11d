"""Materials: what is known of a semiconductor's clusters and sizing curve, each with its source."""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from flowlab.config.model import Model, SchemaVersion


def _rising(interval: tuple[float, float]) -> tuple[float, float]:
    if not 0 < interval[0] < interval[1]:
        raise ValueError("must be two wavelengths, the shorter one first")
    return interval


# TOML knows lists only, so one is taken for the pair; its numbers are as strict as all others.
Interval = Annotated[tuple[float, float], Field(strict=False), AfterValidator(_rising)]


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
    valid_nm: Interval = Field(description="wavelengths within which the curve means anything")
    relative_error: Annotated[float, Field(gt=0, lt=1)] = Field(description="one sigma of the curve itself")


class Material(Model):
    """A semiconductor."""

    schema_version: SchemaVersion = Field(alias="schema")
    name: str
    sizing: SizingCurve | None = None
    units_per_nm3: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="formula units per volume of the crystal"
    )
    families: list[Family] = Field(default=[])
    accumulating_family: str | None = Field(default=None, description="the family whose window a report states")

    @model_validator(mode="after")
    def _families_are_told_apart(self) -> "Material":
        for key in ("name", "wavelength_nm"):
            values = [getattr(family, key) for family in self.families]
            if twice := [value for i, value in enumerate(values) if value in values[:i]]:
                raise ValueError(f"families: two have the {key} {twice[0]!r}; each must have its own")
        return self

    @model_validator(mode="after")
    def _accumulating_family_is_known(self) -> "Material":
        names = [family.name for family in self.families]
        if self.accumulating_family is not None and self.accumulating_family not in names:
            raise ValueError(
                f"accumulating_family = {self.accumulating_family!r}: there is no such family; "
                f"there are {', '.join(names) or 'none'}"
            )
        return self
