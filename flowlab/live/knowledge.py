"""From a material's file to what the analysis wants to know of it."""

from flowlab.analysis.scan import Knowledge
from flowlab.analysis.sizing import SizingCurve
from flowlab.analysis.verdict import KnownFamily
from flowlab.config import Material


def knowledge_of(material: Material) -> Knowledge:
    """What is known of a material."""
    curve = material.sizing
    return Knowledge(
        name=material.name,
        families=[KnownFamily(f.name, f.wavelength_nm, f.tolerance_nm) for f in material.families],
        sizing=None
        if curve is None
        else SizingCurve(curve.name, tuple(curve.coefficients), curve.valid_nm, curve.relative_error),
        accumulating_family=material.accumulating_family,
    )
