"""How SAXS frames are reduced: where the detector stands, what of it is used, and on which scale."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from flowlab.config.model import Model

Positive = Annotated[float, Field(gt=0)]
_Angle = Annotated[float, Field(ge=-3.15, le=3.15)]
_Offset = Annotated[float, Field(ge=-10, le=10)]
#: First pixel, and one past the last.
_Span = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]


class PoniSettings(Model):
    """Where the detector stands, in the terms of a poni file; ``flowlab run … calibrate_q`` gives these numbers."""

    detector: str = Field(description="a name that pyFAI knows: Pilatus300k, Eiger2_1M; or Detector, with settings")
    distance_m: Annotated[float, Field(ge=1e-3, le=100)] = Field(description="sample to the point of normal incidence")
    poni1_m: _Offset = Field(description="that point along the rows' axis, from the detector's corner")
    poni2_m: _Offset = Field(description="likewise along the columns' axis")
    rot1_rad: _Angle = 0.0
    rot2_rad: _Angle = 0.0
    rot3_rad: _Angle = 0.0
    wavelength_m: Annotated[float, Field(ge=1e-11, le=3e-9)]
    settings: dict[str, Any] = Field(
        default_factory=dict, description="of the detector: pixel1, pixel2, max_shape, orientation"
    )


class MaskedPixels(Model):
    """A rectangle of pixels that are not used: the beam stop's arm, a hot corner."""

    rows: _Span = Field(description="first row, and one past the last")
    columns: _Span = Field(description="likewise")

    @model_validator(mode="after")
    def _is_a_rectangle(self) -> Self:
        if self.rows[0] >= self.rows[1] or self.columns[0] >= self.columns[1]:
            raise ValueError(f"rows {self.rows} and columns {self.columns} hold no pixel; give first and one past last")
        return self


class AbsoluteScale(Model):
    """By what a curve in a.u./mm is multiplied to be in cm⁻¹: from water or glassy carbon."""

    value: Positive
    err: Annotated[float, Field(ge=0)]


class SaxsSettings(Model):
    """Everything that turns frames into I(q); it stands in every run's start document, so that all analyses agree."""

    poni: PoniSettings
    beam_stop_mm: Positive | None = Field(default=None, description="radius of its shadow, round the direct beam")
    masked: list[MaskedPixels] = Field(default_factory=list[MaskedPixels], max_length=1000)
    q_low_per_nm: Annotated[float, Field(ge=0)] | None = Field(default=None, description="null: the detector's lowest")
    q_high_per_nm: Positive | None = Field(default=None, description="null: the detector's highest")
    bins: Annotated[int, Field(ge=50, le=10_000)] = Field(default=500, description="of equal width in q")
    sizes_from_per_nm: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="lowest q that is fitted for sizes: above what the slits scatter"
    )
    thickness_mm: Positive | None = Field(default=None, description="of the liquid; null: flow_path.xray_path_mm")
    thickness_err_mm: Annotated[float, Field(ge=0)] = 0.0
    background_share: Annotated[float, Field(ge=0, le=1)] = Field(
        default=1.0, description="of the solvent's scattering that is subtracted: 1 − volume fraction of the particles"
    )
    scale: AbsoluteScale | None = Field(default=None, description="null: intensities stay in arbitrary units")
    polarization: Annotated[float, Field(ge=-1, le=1)] = Field(
        default=0.98, description="1: the field lies along the rows; 0: unpolarized, as of a laboratory source"
    )
    saturated_at: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="counts from which a pixel is not believed"
    )

    @model_validator(mode="after")
    def _q_is_a_range(self) -> Self:
        low, high = self.q_low_per_nm, self.q_high_per_nm
        if (low is None) != (high is None):
            raise ValueError("q_low_per_nm and q_high_per_nm go together; give both or neither")
        if low is not None and high is not None and low >= high:
            raise ValueError(f"q from {low:g} to {high:g} nm⁻¹ is no range")
        if high is not None and self.sizes_from_per_nm >= high:
            raise ValueError(f"sizes_from_per_nm is {self.sizes_from_per_nm:g}, above the highest q, {high:g} nm⁻¹")
        return self
