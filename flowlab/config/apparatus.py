"""What the apparatus is made of: volumes, syringes, reagents. Facts about the bench, not about any driver."""

from typing import Annotated, Self

from pydantic import Field, computed_field, model_validator

from flowlab.config.model import Model

Positive = Annotated[float, Field(gt=0)]


class FlowPath(Model):
    """Volumes that a plug of liquid passes, in order, from the mixer to the optical and on to the X-ray flow cell.

    The reaction (residence) time runs from the mixer to the end of the growth oven; what follows is
    transport, at ambient temperature. The tubing's diameter enters no calculation: it is kept with every run,
    as a part of the configuration, for those who want to reckon Reynolds or Péclet numbers. The X-ray cell
    stands behind the optical one; where there is none, its three values are left out.
    """

    mixer_ml: Positive = Field(description="dead volume of the mixer, at ambient temperature")
    nucleation_ml: Positive = Field(description="volume of the heated nucleation chamber")
    growth_ml: Positive = Field(description="volume of the growth oven")
    transfer_ml: Positive = Field(description="line from the growth oven to the optical cell")
    cell_ml: Positive = Field(description="optical flow cell")
    optical_path_mm: Positive = Field(description="path of light through the optical flow cell")
    tubing_inner_diameter_mm: Positive = Field(description="inner diameter of the heated tubing")
    wall_time_constant_s: Positive = Field(
        default=0.1, description="time in which a plug takes 63 % of the step to the wall's temperature"
    )
    nucleation_time_constant_s: Positive = Field(
        default=0.01, description="the same in the nucleation chamber, whose channels are narrower"
    )
    xray_transfer_ml: Positive | None = Field(default=None, description="line from the optical to the X-ray cell")
    xray_cell_ml: Positive | None = Field(default=None, description="X-ray flow cell")
    xray_path_mm: Positive | None = Field(
        default=None, description="path of X-rays through the liquid: inner diameter of the cell's capillary"
    )

    @model_validator(mode="after")
    def _xray_cell_is_whole(self) -> Self:
        parts = ("xray_transfer_ml", "xray_cell_ml", "xray_path_mm")
        given = [name for name in parts if getattr(self, name) is not None]
        if given and len(given) < len(parts):
            raise ValueError(f"{' and '.join(given)} alone; an X-ray cell needs all of {', '.join(parts)}")
        return self

    @computed_field
    @property
    def reaction_ml(self) -> float:
        """Volume in which the residence time is spent."""
        return self.mixer_ml + self.nucleation_ml + self.growth_ml

    @computed_field
    @property
    def total_ml(self) -> float:
        """Volume from the mixer to the far end of the optical cell: what one flush of it exchanges."""
        return self.reaction_ml + self.transfer_ml + self.cell_ml

    @computed_field
    @property
    def xray_total_ml(self) -> float | None:
        """Volume from the mixer to the far end of the X-ray cell; None when there is none."""
        if self.xray_transfer_ml is None or self.xray_cell_ml is None:
            return None
        return self.total_ml + self.xray_transfer_ml + self.xray_cell_ml

    @property
    def xray_centre_ml(self) -> float | None:
        """Volume from the mixer to the middle of the X-ray cell; None when there is none."""
        if self.xray_transfer_ml is None or self.xray_cell_ml is None:
            return None
        return self.total_ml + self.xray_transfer_ml + self.xray_cell_ml / 2


class Syringe(Model):
    """A syringe as loaded on a pump."""

    volume_ml: Positive
    inner_diameter_mm: Positive


class Reagent(Model):
    """A stock solution and how much of it stands ready to refill a syringe from."""

    concentration_mmol_l: Annotated[float, Field(ge=0)]
    reservoir_ml: Annotated[float, Field(ge=0)]
    description: str = ""
