"""A flow path with both cells."""

from flowlab.config import FlowPath

PATH = FlowPath(
    mixer_ml=0.002,
    nucleation_ml=0.030,
    growth_ml=0.368,
    transfer_ml=0.038,
    cell_ml=0.020,
    optical_path_mm=1.0,
    tubing_inner_diameter_mm=0.5,
    xray_transfer_ml=0.030,
    xray_cell_ml=0.020,
    xray_path_mm=1.0,
)
