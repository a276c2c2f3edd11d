"""Text on the page can be read: WCAG's contrast of every colour that text may have, on every ground, in both themes."""

import re
from importlib.resources import files

import pytest
from matplotlib.colors import to_rgb

STYLE = (files("flowlab") / "web/static/style.css").read_text(encoding="utf-8")
THEMES = dict(zip(("light", "dark"), re.findall(r":root[^{]*\{(.*?)\n\}", STYLE, re.DOTALL), strict=True))
LEVELS = ["ok", "notice", "warning", "alarm"]
TEXT = ["text", "muted", "accent", *LEVELS, "cluster", "exciton", "artefact", "other", "unknown"]
GROUNDS = ["bg", "surface", "raised"]
PAIRS = [
    *((text, ground) for text in TEXT for ground in GROUNDS),
    *((text, f"{level}-bg") for level in LEVELS for text in ("text", "muted", level)),
    ("on-accent", "accent"),
    ("on-alarm", "alarm-solid"),
]


def luminance(colour: str) -> float:
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_text_stands_out_from_its_ground(theme):
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", THEMES[theme]))
    faint = {pair for pair in PAIRS if contrast(colours[pair[0]], colours[pair[1]]) < 4.5}
    assert not faint


@pytest.mark.parametrize("theme", THEMES)
def test_the_edge_of_what_can_be_used_is_seen(theme):
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", THEMES[theme]))
    assert min(contrast(colours["edge"], colours[ground]) for ground in GROUNDS) >= 3.0
