"""The flow path as an instrument file gives it."""

import pytest

from flowlab.config import FlowPath
from flowlab.config.load import validate
from flowlab.errors import BadInputError

OPTICAL = {
    "mixer_ml": 0.002,
    "nucleation_ml": 0.030,
    "growth_ml": 0.368,
    "transfer_ml": 0.038,
    "cell_ml": 0.020,
    "optical_path_mm": 1.0,
    "tubing_inner_diameter_mm": 0.5,
}
XRAY = {"xray_transfer_ml": 0.030, "xray_cell_ml": 0.020, "xray_path_mm": 1.0}


def test_a_path_without_an_x_ray_cell_has_no_volume_to_it():
    path = FlowPath(**OPTICAL)
    assert path.total_ml == pytest.approx(0.458)
    assert path.xray_total_ml is None
    assert path.xray_centre_ml is None


def test_the_x_ray_cell_stands_behind_the_optical_one_and_moves_nothing_before_it():
    path = FlowPath(**OPTICAL, **XRAY)
    assert path.total_ml == FlowPath(**OPTICAL).total_ml
    assert path.xray_centre_ml == pytest.approx(0.498)
    assert path.xray_total_ml == pytest.approx(0.508)
    assert path.model_dump()["xray_total_ml"] == pytest.approx(0.508), "it is kept with every run"


@pytest.mark.parametrize("missing", XRAY)
def test_half_an_x_ray_cell_is_refused_in_one_line(missing):
    values = OPTICAL | {name: value for name, value in XRAY.items() if name != missing}
    with pytest.raises(BadInputError, match=r"lab: flow_path: .* alone; an X-ray cell needs all of") as error:
        validate(FlowPath, values, "lab", ("flow_path",))
    assert "\n" not in str(error.value)
