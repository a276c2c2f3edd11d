"""Colours that reports and the page share, so that a condition looks the same in both.

Both scales are told apart by colour-blind eyes and in grey: lightness only rises. They are matplotlib's plasma, but
for its palest end, which would be lost on white, and viridis (both CC0); as points, between which colours are mixed
evenly in sRGB. The page has the same numbers in ``flowlab/web/static/colours.js``; a test holds both together.
"""

#: Conditions, above all temperatures, from low to high.
TEMPERATURE = (
    "#0d0887", "#2e0595", "#48039f", "#6001a6", "#7501a8", "#8b0aa5", "#a01a9c", "#b22b8f", "#c13b82",
    "#cf4c74", "#dc5d67", "#e76e5b", "#f0804e", "#f89441", "#fca934", "#febe2a", "#fbd724",
)  # fmt: skip

#: Heights, from none to the greatest.
HEIGHT = (
    "#440154", "#48186a", "#472d7b", "#424086", "#3b528b", "#33638d", "#2c728e", "#26828e", "#21918c",
    "#1fa088", "#28ae80", "#3fbc73", "#5ec962", "#84d44b", "#addc30", "#d8e219", "#fde725",
)  # fmt: skip

#: What was measured: clusters and crystals by absorption, and both by SAXS; and what is neither, or not known.
SERIES = {
    "cluster": "#7a3f9d",
    "exciton": "#b5541d",
    "saxs": "#2f7d5b",
    "artefact": "#6b6b6b",
    "unknown": "#4f6478",
}
