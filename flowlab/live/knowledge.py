"""From a material's file to what the analysis wants to know of it."""

from flowlab.analysis.scan import Knowledge
from flowlab.analysis.sizing import Gap, SizingCurve
from flowlab.analysis.verdict import KnownFamily
from flowlab.config import Material


def knowledge_of(material: Material) -> Knowledge:
    """What is known of a material."""
    return Knowledge(
        name=material.name,
        families=[KnownFamily(f.name, f.wavelength_nm, f.tolerance_nm) for f in material.families],
        sizing=curve_of(material),
        accumulating_family=material.accumulating_family,
        homogeneous_fwhm_ev=None if material.linewidth is None else material.linewidth.homogeneous_fwhm_ev,
        search_nm=material.search_nm,
    )


def curve_of(material: Material) -> SizingCurve | None:
    """The sizing curve of a material; None when none is known."""
    told = material.sizing
    if told is None:
        return None
    gap = None if told.gap is None else Gap(told.gap.bulk_ev, told.gap.square, told.gap.linear)
    return SizingCurve(told.name, tuple(told.coefficients or ()), told.valid_nm, told.relative_error, gap)
