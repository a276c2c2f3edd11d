"""The page's colours are those of the reports."""

import re
from importlib.resources import files

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from flowlab import colours

PAGE = (files("flowlab") / "web/static/colours.js").read_text(encoding="utf-8")
HEX = r"#[0-9a-f]{6}"


@pytest.mark.parametrize("name", ["TEMPERATURE", "HEIGHT"])
def test_the_page_has_the_same_points(name):
    found = re.search(rf"export const {name} = \[(.*?)\];", PAGE, re.DOTALL)
    assert found is not None
    assert tuple(re.findall(HEX, found[1])) == getattr(colours, name)


def test_the_page_has_the_same_colours_for_what_was_measured():
    found = re.search(r"export const SERIES = \{(.*?)\};", PAGE, re.DOTALL)
    assert found is not None
    assert dict(re.findall(rf'(\w+): "({HEX})"', found[1])) == colours.SERIES


@pytest.mark.parametrize("points", [colours.TEMPERATURE, colours.HEIGHT])
def test_lightness_only_rises_along_a_scale(points):
    def linear(value: float) -> float:
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    luminance = [np.dot([0.2126, 0.7152, 0.0722], [linear(v) for v in to_rgb(p)]) for p in points]
    assert np.all(np.diff(luminance) > 0)
