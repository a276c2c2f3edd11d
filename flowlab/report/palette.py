"""Colours that figures share, as matplotlib wants them."""

from matplotlib.colors import LinearSegmentedColormap

from flowlab import colours

#: Temperatures from dark to bright: told apart by every eye.
COLOUR = LinearSegmentedColormap.from_list("temperature", colours.TEMPERATURE)
#: Heights of a band.
HEIGHT = LinearSegmentedColormap.from_list("height", colours.HEIGHT)
