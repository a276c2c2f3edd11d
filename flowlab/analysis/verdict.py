"""Fixed cluster or shifting exciton: what a track is, with how much certainty, and why.

Three hypotheses are compared by their marginal likelihood on a track's positions, each a Gaussian process:

* *fixed*: one unknown position, and scatter. A magic-size cluster.
* *moving*: besides, a slope and a random walk. A nanocrystal's exciton.
* *following*: a fixed distance in energy to the panel's first exciton. One of its higher transitions.

The width of the band and the families that are known of the material add to the odds. What the evidence
does not decide is ``unknown``.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from flowlab.analysis.axis import HC_EV_NM
from flowlab.analysis.features import EXCITON_PULL_NM, Feature
from flowlab.analysis.tracks import Track

Array = NDArray[np.float64]
Kind = Literal["msc", "nc", "artefact", "other", "unknown"]

#: Fewer sightings decide nothing.
LEAST_SIGHTINGS = 3
#: A verdict needs this probability.
DECIDED = 0.9

# Scatter in nm beyond the errors of the fit: of a band that stands, of one that moves, of one that follows.
_FIXED_NM, _MOVING_NM, _FOLLOWING_NM = 0.4, 0.8, 1.0
_SLOPE_NM, _WALK_NM = 4.0, 1.5  # per step of the scan
_ANYWHERE_NM = 100.0
# Full widths at half maximum in eV: clusters are narrow, excitons of crystals broad.
_CLUSTER_EV, _CRYSTAL_EV = (0.10, 0.03), (0.17, 0.045)
_MOST_WIDTH_EVIDENCE = 3.0
_NARROWEST_CLUSTER_NM = 6.0  # what is narrower is a line of the lamp, or an edge
_BROADEST_CLUSTER_EV = 0.15  # what is broader and stands still may be crystals that do not grow
#: Neighbours pull a weak band along as they move, smoothly: so much of scatter they may explain, or may not.
_MOST_SPREAD_NM = 2.0
# A cluster's higher transitions lie so far above its first one, and keep their share of its height.
_COMPANION_EV = (0.25, 0.85)
_CONSTANT_RATIO = 0.4  # σ of the logarithm
_TOGETHER = 0.75  # of the sightings of the one; a weak band beside it hides the other now and then
_FAMILY_EVIDENCE, _NO_FAMILY_EVIDENCE = 1.0, -2.0


@dataclass(frozen=True)
class KnownFamily:
    """A family of clusters to compare with."""

    name: str
    wavelength_nm: float
    tolerance_nm: float


@dataclass(frozen=True)
class Verdict:
    """What a track is.

    Attributes:
        kind: msc (fixed cluster), nc (moving exciton), other (follows the exciton), unknown.
        probability: of the kind; of the likeliest one when it is unknown.
        transition: E1 for the first exciton or a cluster's band, E2 for a higher transition, None if not known.
        family: name of the cluster's family, None if it is no cluster or not a known one.
        why: the reason in words.
    """

    kind: Kind
    probability: float
    transition: str | None
    family: str | None
    why: str

    def position_err_nm(self, feature: Feature) -> float:
        """One sigma of a sighting's position: noise, neighbours, and for an exciton its own second transition."""
        is_exciton = self.kind == "nc" and self.transition == "E1"
        return float(np.hypot(feature.position_err_nm, EXCITON_PULL_NM if is_exciton else 0.0))

    def is_cluster_of(self, family: str) -> bool:
        """Whether this is the lowest band of a family's clusters."""
        return self.kind == "msc" and self.transition == "E1" and self.family == family


def judge_panel(tracks: list[Track], families: list[KnownFamily]) -> dict[int, Verdict]:
    """Judge the tracks of one panel together.

    Returns:
        Verdicts by track id.
    """
    first = first_exciton(tracks)
    verdicts = {track.id: judge(track, first, families) for track in tracks}
    fixed = sorted((t for t in tracks if _stands(verdicts[t.id])), key=_position, reverse=True)
    for track in fixed:
        firsts = [t for t in fixed if verdicts[t.id].transition == "E1"]
        redder = next((t for t in firsts if _is_companion(track, t)), None)
        if redder is not None:
            alone = verdicts[track.id]
            why = f"{alone.why}; rises and falls with the band at {_position(redder):.0f} nm"
            verdicts[track.id] = Verdict("msc", alone.probability, "E2", verdicts[redder.id].family, why)
    return verdicts


def _stands(verdict: Verdict) -> bool:
    """Whether a track is fixed: a cluster's band, or one that is in doubt for its width, as higher transitions are."""
    return verdict.kind == "msc" or (verdict.kind == "unknown" and verdict.probability >= DECIDED)


def first_exciton(tracks: list[Track]) -> Track | None:
    """The track that can be the crystals' first exciton: of those seen often and strong enough the reddest."""
    most = max((len(track.sightings) for track in tracks), default=0)
    often = [track for track in tracks if len(track.sightings) >= max(2, 0.5 * most)]
    if not often:
        return None
    strongest = max(_height(track) for track in often)
    return max((t for t in often if _height(t) >= 0.25 * strongest), key=_position)


def judge(track: Track, first: Track | None, families: list[KnownFamily]) -> Verdict:
    """Judge one track.

    Args:
        track: what is judged.
        first: the panel's first exciton, see :func:`first_exciton`; may be the track itself.
        families: clusters known of the material.
    """
    count = len(track.sightings)
    family = _family(track, families)
    if count < LEAST_SIGHTINGS:
        return Verdict("unknown", 0.5, None, None, f"seen in {count} of at least {LEAST_SIGHTINGS} spectra")
    positions, errors, steps = _columns(track)
    fixed = _log_likelihood(positions, errors**2 + _FIXED_NM**2, steps)
    moving = _log_likelihood(positions, errors**2 + _MOVING_NM**2, steps, slope_nm=_SLOPE_NM, walk_nm=_WALK_NM)
    following = _following(track, first)
    heights = [s.feature.height for s in track.sightings]
    fwhm_ev = float(np.average([s.feature.fwhm_ev for s in track.sightings], weights=heights))
    narrow = _narrow(fwhm_ev)
    nm = float(np.average([s.feature.fwhm_nm for s in track.sightings], weights=heights))
    odds = fixed + narrow + (_FAMILY_EVIDENCE if family else _NO_FAMILY_EVIDENCE)
    against = [moving - narrow, *([following - narrow] if following is not None else [])]
    log_odds = odds - float(np.logaddexp.reduce(against))
    cluster = 1 / (1 + math.exp(-min(max(log_odds, -500.0), 500.0)))
    spread = float(np.std(positions))
    seen = f"over {count} spectra; FWHM {nm:.0f} nm"
    doubt = _doubt(nm, fwhm_ev, spread)
    if cluster >= DECIDED and doubt is not None:
        return Verdict("unknown", cluster, None, None, f"{doubt} {seen}")
    if cluster >= DECIDED:
        name = family.name if family else None
        return Verdict("msc", cluster, "E1", name, f"fixed within {spread:.1f} nm {seen}" + _near(family))
    if 1 - cluster >= DECIDED:
        moved = f"moves from {positions[0]:.0f} to {positions[-1]:.0f} nm {seen}"
        if first is track:
            return Verdict("nc", 1 - cluster, "E1", None, moved)
        if following is not None and following >= moving:
            return Verdict("other", 1 - cluster, "E2", None, f"keeps its distance to the first exciton {seen}")
        return Verdict("nc", 1 - cluster, None, None, moved)
    return Verdict("unknown", max(cluster, 1 - cluster), None, None, f"neither clearly fixed nor clearly moving {seen}")


def _doubt(fwhm_nm: float, fwhm_ev: float, spread_nm: float) -> str | None:
    """What keeps a track that seems fixed from being called a cluster; None when nothing does."""
    if fwhm_nm < _NARROWEST_CLUSTER_NM:
        return "fixed, but narrower than any cluster's band"
    if fwhm_ev > _BROADEST_CLUSTER_EV:
        return "fixed, but as broad as the exciton of crystals that do not grow"
    if spread_nm > _MOST_SPREAD_NM:
        return f"fixed only if its neighbours pull it about by {spread_nm:.1f} nm"
    return None


def _is_companion(track: Track, redder: Track) -> bool:
    """Whether a fixed band is a higher transition of a redder, stronger one: seen with it, at a constant ratio."""
    distance = HC_EV_NM / _position(track) - HC_EV_NM / _position(redder)
    if not _COMPANION_EV[0] < distance < _COMPANION_EV[1]:
        return False
    heights = {s.index: s.feature.height for s in redder.sightings}
    together = [s for s in track.sightings if s.index in heights]
    if len(together) < max(2.0, _TOGETHER * len(track.sightings)):
        return False
    ratios = np.array([s.feature.height / heights[s.index] for s in together])
    return bool(np.all(ratios < 1) and np.std(np.log(ratios)) < _CONSTANT_RATIO)


def _near(family: KnownFamily | None) -> str:
    return f"; {family.name} is known at {family.wavelength_nm:g} nm" if family else "; no family is known there"


def _family(track: Track, families: list[KnownFamily]) -> KnownFamily | None:
    position = _position(track)
    near = [f for f in families if abs(f.wavelength_nm - position) <= f.tolerance_nm]
    return min(near, key=lambda f: abs(f.wavelength_nm - position)) if near else None


def _position(track: Track) -> float:
    return float(np.median([s.feature.wavelength_nm for s in track.sightings]))


def _height(track: Track) -> float:
    return float(np.median([s.feature.height for s in track.sightings]))


def _columns(track: Track) -> tuple[Array, Array, Array]:
    positions = np.array([s.feature.wavelength_nm for s in track.sightings])
    errors = np.array([s.feature.position_err_nm for s in track.sightings])
    return positions, errors, np.array([float(s.step) for s in track.sightings])


def _log_likelihood(
    positions: Array, variance: Array, steps: Array, slope_nm: float = 0.0, walk_nm: float = 0.0
) -> float:
    """Marginal likelihood of positions: unknown level, slope and random walk integrated out."""
    t = steps - steps.mean()
    covariance: Array = np.diag(variance) + _ANYWHERE_NM**2
    if slope_nm:
        covariance = covariance + slope_nm**2 * np.outer(t, t)
    if walk_nm:
        walked = steps - steps[0]
        covariance = covariance + walk_nm**2 * np.minimum(walked[:, None], walked[None, :])
    residual = positions - positions.mean()
    log_determinant = float(np.linalg.slogdet(covariance).logabsdet)
    quadratic = float(residual @ np.linalg.inv(covariance) @ residual)
    return -0.5 * (quadratic + log_determinant + len(positions) * math.log(2 * math.pi))


def _following(track: Track, first: Track | None) -> float | None:
    """Likelihood that a track keeps a fixed distance in energy to the first exciton; None where that cannot be."""
    if first is None or first is track:
        return None
    excitons = {s.index: s.feature.wavelength_nm for s in first.sightings}
    both = [(s, excitons[s.index]) for s in track.sightings if s.index in excitons]
    if len(both) < LEAST_SIGHTINGS or any(s.feature.wavelength_nm >= exciton for s, exciton in both):
        return None
    positions, errors, steps = _columns(track)
    if len(both) < len(positions):
        return None
    distance = np.array([HC_EV_NM / s.feature.wavelength_nm - HC_EV_NM / exciton for s, exciton in both])
    # Where the band would be if the distance were the same throughout; what is left is scatter.
    expected = HC_EV_NM / (HC_EV_NM / np.array([exciton for _, exciton in both]) + float(distance.mean()))
    return _log_likelihood(positions - expected, errors**2 + _FOLLOWING_NM**2, steps)


def _narrow(fwhm_ev: float) -> float:
    """Half the log odds that a band of this width is a cluster's rather than a crystal's."""

    def log_normal(mean: float, sigma: float) -> float:
        return -0.5 * ((fwhm_ev - mean) / sigma) ** 2 - float(np.log(sigma))

    odds = log_normal(*_CLUSTER_EV) - log_normal(*_CRYSTAL_EV)
    return float(np.clip(odds, -_MOST_WIDTH_EVIDENCE, _MOST_WIDTH_EVIDENCE)) / 2
