"""Made-up frames and curves with a known truth."""

import json
from dataclasses import replace

import numpy as np

from flowlab.analysis.saxs.curve import Curve
from flowlab.analysis.saxs.geometry import Geometry
from flowlab.analysis.saxs.poni import Poni

#: A small detector without a name: fast, and of no maker.
SMALL = Poni(
    "Detector", 0.35, 0.034, 0.029, 0.0, 0.0, 0.0, 1e-10, {"pixel1": 3e-4, "pixel2": 3e-4, "max_shape": [220, 200]}
)
TILTED = replace(SMALL, rot1_rad=0.04, rot2_rad=-0.03, rot3_rad=0.3)
PONI_TEXT = f"""# written by hand
poni_version: 2.1
Detector: Detector
Detector_config: {json.dumps({**SMALL.settings, "orientation": 3})}
Distance: 0.35
Poni1: 0.034
Poni2: 0.029
Rot1: 0.0
Rot2: 0.0
Rot3: 0.0
Wavelength: 1e-10
"""


def frame(seen: Geometry, mean: np.ndarray, seed: int = 0) -> np.ndarray:
    """Counts of a Pilatus: Poisson, −1 where it is masked."""
    counts = np.random.default_rng(seed).poisson(mean * seen.solid_angle * seen.polarization).astype(np.int32)
    counts[seen.masked] = -1
    return counts


def counted(q: np.ndarray, mean: np.ndarray, pixels: np.ndarray, seed: int = 0) -> Curve:
    """A curve whose bins of so many pixels counted so much on average in each."""
    counts = np.random.default_rng(seed).poisson(mean * pixels)
    return Curve(q, counts / pixels, np.sqrt(np.maximum(counts, 1)) / pixels, pixels.astype(int))
