"""What else can stand in the beam: windows, water, and the standards by which a SAXS instrument is calibrated.

Everything is a :class:`Layer` of some thickness that scatters and attenuates; a sample is a row of them.
Attenuation is that at 12.4 keV, by density and the mass attenuation coefficients of Elam 2002.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from simulators.plant.parts import Array


@dataclass(frozen=True)
class Layer:
    """A slab in the beam.

    Attributes:
        thickness_mm: along the beam.
        cross_section_per_cm: dΣ/dΩ on the grid of q that the row of layers shares.
        attenuation_per_cm: linear attenuation coefficient.
    """

    thickness_mm: float
    cross_section_per_cm: Array
    attenuation_per_cm: float


def transmission(layers: Sequence[Layer]) -> float:
    """Share of the direct beam that passes."""
    return float(np.exp(-sum(layer.attenuation_per_cm * layer.thickness_mm / 10 for layer in layers)))


def scattered_per_sr(layers: Sequence[Layer], grid_size: int) -> Array:
    """Share of the transmitted beam that is scattered into a unit of solid angle: Σ dΣ/dΩ·d, shape (grid_size,)."""
    found = np.zeros(grid_size)
    for layer in layers:
        found += layer.cross_section_per_cm * layer.thickness_mm / 10
    return found


def kapton(thickness_mm: float, q_per_nm: Array) -> Layer:
    """Polyimide windows: an upturn at small angles and the broad maximum at 4 nm⁻¹ of its 1.55 nm repeat.

    The heights are plain guesses; a reduction has to measure them.
    """
    halo = 0.15 * np.exp(-0.5 * ((q_per_nm - 4.05) / 0.75) ** 2)
    return Layer(thickness_mm, 0.05 + 0.004 * np.maximum(q_per_nm, 0.02) ** -2.5 + halo, 2.45)


def water(thickness_mm: float, q_per_nm: Array) -> Layer:
    """Water at 20 °C: 1.632e-2 cm⁻¹, flat (Orthaber 2000, doi:10.1107/S0021889899015216)."""
    return Layer(thickness_mm, 0.01632 * np.ones_like(q_per_nm), 2.84)


AGBEH_SPACING_NM = 5.8380


def silver_behenate(thickness_mm: float, q_per_nm: Array) -> Layer:
    """Powder of silver behenate: rings at multiples of 2π/5.8380 nm (Huang 1993, doi:10.1107/S0021889892009762).

    Heights and width (σ 0.008 nm⁻¹) are plain guesses.
    """
    found = 0.1 + 0.01 * np.maximum(q_per_nm, 0.02) ** -3.0
    for order, height in enumerate((6.0, 2.0, 3.0, 1.2, 1.5), start=1):
        centre = order * 2 * np.pi / AGBEH_SPACING_NM
        found = found + height * np.exp(-0.5 * ((q_per_nm - centre) / 0.008) ** 2)
    return Layer(thickness_mm, found, 17.1)


#: Glassy carbon of the certificate of NIST SRM 3600: q in nm⁻¹ and dΣ/dΩ in cm⁻¹, every third or so of its lines.
_GLASSY_CARBON = np.array(
    [
        (0.0827568, 34.933380), (0.1102690, 33.352529), (0.1502510, 31.970485), (0.2080510, 30.514300),
        (0.2943170, 28.889970), (0.4265880, 27.331304), (0.5738140, 26.401158), (0.7059620, 25.904683),
        (0.7854840, 25.528734), (0.8758630, 24.917743), (0.9788540, 23.946472), (1.0965500, 22.472101),
        (1.1839500, 21.112938), (1.2700400, 19.685107), (1.3623900, 18.089242), (1.4614500, 16.372848),
        (1.5677100, 14.563071), (1.6817000, 12.668549), (1.8039800, 10.862157), (1.9351500, 9.116906),
        (2.0758600, 7.541931), (2.2267900, 6.216070), (2.4740200, 4.463604),
    ]
)  # fmt: skip
GLASSY_CARBON_MM = 1.055


def glassy_carbon(q_per_nm: Array) -> Layer:
    """The plate of NIST SRM 3600, 1.055 mm thick; beyond its certificate a power law goes on with the last slope."""
    q, height = _GLASSY_CARBON.T
    curve = PchipInterpolator(np.log(q), np.log(height))
    ends = float(curve.derivative()(np.log(q[-1])))
    at = np.log(np.maximum(q_per_nm, q[0]))
    beyond = np.maximum(at - np.log(q[-1]), 0)
    return Layer(GLASSY_CARBON_MM, np.exp(curve(np.minimum(at, np.log(q[-1]))) + ends * beyond), 2.02)
