"""Colours that figures share."""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LinearSegmentedColormap

#: Temperatures from dark to bright: told apart by every eye. The palest yellow would be lost on white.
COLOUR = LinearSegmentedColormap.from_list("temperature", colormaps["plasma"](np.linspace(0, 0.92, 256)))
