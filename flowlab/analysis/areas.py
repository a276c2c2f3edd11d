"""How much of a family there is: the area of its band."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flowlab.analysis.axis import HC_EV_NM
from flowlab.analysis.features import Feature
from flowlab.analysis.tracks import Track
from flowlab.analysis.verdict import Verdict

#: Area of a Gaussian of height 1 and full width at half maximum 1.
_GAUSSIAN = float(np.sqrt(np.pi / (4 * np.log(2))))
#: No band is a Gaussian: a share of its area.
_SHAPE_ERROR = 0.01
#: Crystals have higher transitions, of which some may be counted with a band to the blue of their exciton, or taken
#: from it: this share of the exciton's height where they lie beneath it, so far above the exciton; more the closer the
#: two are, less beyond. Found with made-up crystals beside made-up clusters.
_BENEATH, _MOST_BENEATH = 0.1, 0.4
_BENEATH_EV, _CLOSER_EV, _BEYOND_EV = (0.25, 0.42), 0.06, 0.05


@dataclass(frozen=True)
class Area:
    """Of a band, in absorbance times eV.

    Attributes:
        value_ev: the area.
        err_ev: one sigma: noise, and what the band's neighbours make of it.
    """

    value_ev: float
    err_ev: float


@dataclass(frozen=True)
class FamilyArea:
    """The band of a known family in one spectrum.

    Attributes:
        family: its name.
        track: id of the track.
        panel: number of the panel.
        index: number of the spectrum.
        feature: the band.
        area: of it.
    """

    family: str
    track: int
    panel: int
    index: int
    feature: Feature
    area: Area


def band_area(feature: Feature, beside: Sequence[Feature] = ()) -> Area:
    """Area of a band as it was fitted, √(π/(4·ln 2))·height·FWHM.

    Height and width are fitted together, and err together: a curvature is as well explained by a band that is a little
    higher and broader. How much so is not kept, so their errors are added as if they were one.

    Args:
        feature: the band.
        beside: all bands of the same spectrum.
    """
    value = _GAUSSIAN * feature.height * feature.fwhm_ev
    noise = feature.height_err / feature.height + feature.fwhm_err_ev / feature.fwhm_ev
    redder = [other for other in beside if other.wavelength_nm > feature.wavelength_nm]
    lent = _beneath(feature, max(redder, key=lambda other: other.height)) if redder else 0.0
    return Area(value, float(value * np.sqrt(noise**2 + _SHAPE_ERROR**2 + lent**2)))


def _beneath(feature: Feature, exciton: Feature) -> float:
    """Share of a band's area that may be of a redder one's higher transitions."""
    apart_ev = HC_EV_NM / feature.wavelength_nm - HC_EV_NM / exciton.wavelength_nm
    closer, beyond = max(_BENEATH_EV[0] - apart_ev, 0.0), max(apart_ev - _BENEATH_EV[1], 0.0)
    share = _BENEATH * float(np.exp(closer / _CLOSER_EV - beyond / _BEYOND_EV))
    return min(share, _MOST_BENEATH) * exciton.height / feature.height


def areas_of(tracks: Iterable[Track]) -> dict[int, list[Area]]:
    """Areas of all sightings of tracks, by the track's id."""
    tracks = list(tracks)
    spectra: dict[int, list[Feature]] = {}
    for track in tracks:
        for sighting in track.sightings:
            spectra.setdefault(sighting.index, []).append(sighting.feature)
    return {track.id: [band_area(s.feature, spectra[s.index]) for s in track.sightings] for track in tracks}


def family_areas(tracks: Iterable[Track], verdicts: Mapping[int, Verdict]) -> list[FamilyArea]:
    """Areas of the lowest bands of all known families, by family, panel and spectrum.

    Args:
        tracks: of a scan.
        verdicts: on each of them, by its id.
    """
    tracks = list(tracks)
    areas = areas_of(tracks)
    found = [
        FamilyArea(family, track.id, track.panel, sighting.index, sighting.feature, area)
        for track in tracks
        if (family := verdicts[track.id].family) is not None and verdicts[track.id].is_cluster_of(family)
        for sighting, area in zip(track.sightings, areas[track.id], strict=True)
    ]
    return sorted(found, key=lambda one: (one.family, one.panel, one.index))
