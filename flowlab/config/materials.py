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

#: Wavelengths that particles in solution absorb at and spectrometers see.
_LEAST_NM, _MOST_NM = 100.0, 5000.0


def _measurable(interval: tuple[float, float]) -> tuple[float, float]:
    if interval[0] < _LEAST_NM or interval[1] > _MOST_NM:
        raise ValueError(f"must lie between {_LEAST_NM:g} and {_MOST_NM:g} nm")
    return interval


class Family(Model):
    """A family of magic-size clusters, known by its lowest absorption maximum."""

    name: str
    wavelength_nm: Annotated[float, Field(gt=0)]
    tolerance_nm: Annotated[float, Field(gt=0)] = 3.0
    source: str


class Gap(Model):
    """First exciton's energy in eV against the diameter D in nm: E = bulk + 1/(square·D² + linear·D)."""

    bulk_ev: Annotated[float, Field(gt=0)]
    square: Annotated[float, Field(gt=0)] = Field(description="in 1/(eV·nm²)")
    linear: Annotated[float, Field(gt=0)] = Field(description="in 1/(eV·nm)")


class SizingCurve(Model):
    """Diameter against the first exciton, as the paper gives it: a polynomial in the wavelength, or a gap."""

    name: str
    source: str
    coefficients: Annotated[list[float], Field(min_length=2)] | None = Field(
        default=None, description="of a polynomial of the diameter in nm, in the wavelength in nm, highest power first"
    )
    gap: Gap | None = None
    valid_nm: Interval = Field(description="wavelengths within which the curve means anything")
    relative_error: Annotated[float, Field(gt=0, lt=1)] = Field(description="one sigma of the curve itself")

    @model_validator(mode="after")
    def _has_one_form(self) -> "SizingCurve":
        if (self.coefficients is None) == (self.gap is None):
            raise ValueError("must have either coefficients, of a polynomial, or a gap; one of the two")
        return self


class Extinction(Model):
    """Molar extinction coefficient of particles, in L/(mol·cm): factor · D^exponent, D in nm."""

    name: str
    source: str
    factor: Annotated[float, Field(gt=0)]
    exponent: Annotated[float, Field(gt=0, lt=10)]
    wavelength_nm: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="where the absorbance is taken; at the first exciton when not given"
    )


class Linewidth(Model):
    """How broad the first exciton of crystals of one size is."""

    homogeneous_fwhm_ev: Annotated[float, Field(gt=0, lt=0.5)]
    source: str


class Material(Model):
    """A semiconductor."""

    schema_version: SchemaVersion = Field(alias="schema")
    name: str
    sizing: SizingCurve | None = None
    no_sizing: str | None = Field(default=None, description="why there is no sizing curve")
    extinction: Extinction | None = None
    linewidth: Linewidth | None = Field(
        default=None, description="taken off an exciton's width before it is taken for a spread of sizes"
    )
    units_per_nm3: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="formula units per volume of the crystal"
    )
    search_nm: Annotated[Interval, AfterValidator(_measurable)] = Field(
        default=(330.0, 720.0), description="between which wavelengths bands are looked for, first to last"
    )
    families: list[Family] = Field(default=[])
    no_families: str | None = Field(default=None, description="why there are no families")
    accumulating_family: str | None = Field(default=None, description="the family whose window a report states")

    @model_validator(mode="after")
    def _what_is_there_needs_no_reason(self) -> "Material":
        for key, there in (("sizing", self.sizing is not None), ("families", bool(self.families))):
            if there and getattr(self, f"no_{key}") is not None:
                raise ValueError(f"no_{key}: {key} are given, so there is no reason why there are none")
        return self

    @model_validator(mode="after")
    def _families_are_told_apart(self) -> "Material":
        for key in ("name", "wavelength_nm"):
            values = [getattr(family, key) for family in self.families]
            if twice := [value for i, value in enumerate(values) if value in values[:i]]:
                raise ValueError(f"families: two have the {key} {twice[0]!r}; each must have its own")
        return self

    @model_validator(mode="after")
    def _families_are_looked_for(self) -> "Material":
        low, high = self.search_nm
        for family in self.families:
            if not low <= family.wavelength_nm <= high:
                raise ValueError(
                    f"families: {family.name} at {family.wavelength_nm:g} nm would never be found: "
                    f"search_nm, where bands are looked for, is {low:g} to {high:g} nm"
                )
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
