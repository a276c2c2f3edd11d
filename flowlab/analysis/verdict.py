"""Fixed cluster or shifting exciton: what a track is, with how much certainty, and why.

Five explanations of a track are compared by how likely they make what was seen of it
(:mod:`flowlab.analysis.evidence`), its positions, its width, its shape and its height:

* a *cluster*: it stands, and is narrow. That a family is known there counts for it.
* an *exciton*: it moves, and is broader. The reddest one that surely moves is the crystals' first.
* a *higher transition*: it keeps its distance in energy to the first exciton.
* a *broad band* that stands: a precursor's, crystals that do not grow, a cluster's higher transitions.
* an *artefact*: it stands, is narrower than any cluster's band, and is as high as the whole spectrum is.

Then the bands of a panel are compared: one that stands beside a redder cluster's and rises and falls with it is that
cluster's own higher transition. What the evidence does not decide is ``unknown``.
"""

import math
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

import numpy as np

from flowlab.analysis.axis import HC_EV_NM
from flowlab.analysis.evidence import DECIDED, Evidence, KnownFamily, evidence_of
from flowlab.analysis.features import EXCITON_PULL_NM, Feature, pull_nm
from flowlab.analysis.motion import Course, follows, log_sum
from flowlab.analysis.tracks import LEAST_SIGHTINGS, Track

Kind = Literal["msc", "nc", "artefact", "other", "unknown"]

_LEAST_SHARE, _ENOUGH_SIGHTINGS = 0.3, 5
_CERTAIN = 0.98  # no more than that is ever said: one in fifty is something nobody thought of

_NARROWEST_CLUSTER_NM = 6.0  # what is narrower is a line of the lamp, or an edge
_BROADEST_CLUSTER_EV = 0.15  # what is broader and stands still may be crystals that do not grow
#: Neighbours pull a weak band along as they move, smoothly: so much of scatter they may explain beyond the noise's, or
#: may not, and so much is too much anyway.
_PULLED_NM, _NOISE_SPREAD, _MOST_SPREAD_NM = 0.6, 1.5, 2.0
_MOST_MISFIT = 0.35
_MOST_WIDTH_SCATTER = 0.25
#: What lies this near to a line, and is not that much higher or stands in for it, may be what the line's shape left.
_BESIDE_LINE_NM, _MORE_THAN_LINE, _MUCH_MORE_THAN_LINE = 6.0, 1.5, 3.0
# A cluster's higher transitions lie so far above its first one, and keep their share of its height.
_COMPANION_EV = (0.25, 0.85)
#: A blend of two clusters' higher transitions lies between them: whose it is is not known if it may be either's.
_LEAST_BLEND_EV = 0.15
_LEAST_BROADER, _BROADEST_COMPANION_EV = 1.0, 0.3
_WIDTH_SIGMAS = 2.0
_CONSTANT_RATIO = 0.4  # σ of the logarithm
_TOGETHER = 0.75  # of the sightings of the one; a weak band beside it hides the other now and then
#: A band seen again is so near to where it was, and the logarithm of its width, too.
_AGAIN_NM, _AGAIN_WIDTH = 1.0, 0.25
#: Beside the strongest band that moves, the first exciton has at least this share of its height.
_LEAST_EXCITON = 0.25


@dataclass(frozen=True)
class Verdict:
    """What a track is.

    Attributes:
        kind: msc (fixed cluster), nc (moving exciton), artefact (of the instrument), other (follows the exciton),
            unknown.
        probability: of the kind; of the likeliest one when it is unknown.
        transition: E1 for the first exciton or a cluster's band, E2 for a higher transition, None if not known.
        family: name of the cluster's family, None if it is no cluster or not a known one.
        why: the reason in words.
        likeliest: what it is if it is anything that is known.
        standing: probability that it stands, whatever it is.
    """

    kind: Kind
    probability: float
    transition: str | None
    family: str | None
    why: str
    likeliest: Kind
    standing: float

    def position_err_nm(self, feature: Feature) -> float:
        """One sigma of a sighting's position: noise, neighbours, and for an exciton its own second transition."""
        is_exciton = self.kind == "nc" and self.transition == "E1"
        pull = pull_nm(EXCITON_PULL_NM, feature.wavelength_nm) if is_exciton else 0.0
        return math.hypot(feature.position_err_nm, pull)

    def is_cluster_of(self, family: str) -> bool:
        """Whether this is the lowest band of a family's clusters."""
        return self.kind == "msc" and self.transition == "E1" and self.family == family


def judge_panel(
    tracks: list[Track], families: list[KnownFamily], known: dict[int, Evidence] | None = None
) -> dict[int, Verdict]:
    """Judge the tracks of one panel together.

    Args:
        tracks: of the panel.
        families: clusters known of the material.
        known: evidence by track id as of earlier calls, which is brought up to date: a track that was not seen again
            is not gone through again.

    Returns:
        Verdicts by track id.
    """
    known = {} if known is None else known
    least = _least_sightings(tracks)
    verdicts = {track.id: _too_few(track, least) for track in tracks if len(track.sightings) < least}
    evidence = [_evidence(track, families, known) for track in tracks if track.id not in verdicts]
    first = _first_exciton(evidence)
    for one in evidence:
        verdicts[one.track.id] = _judge(one, first)
    beside_lines = _beside_lines(evidence, verdicts)
    verdicts |= beside_lines
    verdicts |= _companions([one for one in evidence if one.track.id not in beside_lines], verdicts)
    return verdicts | _seen_again(tracks, evidence, verdicts)


def _least_sightings(tracks: list[Track]) -> int:
    """In how many spectra a band must be seen: of a long series in more, for there more bands come by chance."""
    spectra = max((track.last_step + 1 for track in tracks), default=0)
    return min(max(LEAST_SIGHTINGS, round(_LEAST_SHARE * spectra)), _ENOUGH_SIGHTINGS)


def _too_few(track: Track, least: int) -> Verdict:
    why = f"seen in {len(track.sightings)} of at least {least} spectra"
    return Verdict("unknown", 0.5, None, None, why, "unknown", 0.5)


def _evidence(track: Track, families: list[KnownFamily], known: dict[int, Evidence]) -> Evidence:
    before = known.get(track.id)
    if before is None or before.sightings != len(track.sightings):
        known[track.id] = evidence_of(track, families)
    return known[track.id]


def _first_exciton(evidence: list[Evidence]) -> Evidence | None:
    """The crystals' first exciton: of the bands that surely move, if not much more weakly than others, the reddest."""
    moving = [one for one in evidence if one.surely_moves]
    if not moving:
        return None
    most = max(len(one.track.sightings) for one in moving)
    often = [one for one in moving if len(one.track.sightings) >= 0.5 * most]
    strongest = max(one.course.height for one in often)
    return max(
        (one for one in often if one.course.height >= _LEAST_EXCITON * strongest), key=lambda one: one.position_nm
    )


def _judge(one: Evidence, first: Evidence | None) -> Verdict:
    following = None if first is None or first is one else follows(one.course, first.course)
    explained = {
        "msc": one.cluster,
        "nc": log_sum([one.exciton, following + one.crystal]) if following is not None else one.exciton,
        "other": one.broad,
        "artefact": one.artefact,
    }
    whole = log_sum(list(explained.values()))
    likeliest: Kind = max(explained, key=lambda kind: explained[kind])  # pyright: ignore[reportAssignmentType]
    probability = min(math.exp(explained[likeliest] - whole), _CERTAIN)
    standing = 1 - math.exp(explained["nc"] - whole)
    course, spread = one.course, one.course.spread_nm
    nm = course.width_nm
    seen = f"over {len(one.track.sightings)} spectra; FWHM {nm:.0f} nm"

    def unknown(why: str) -> Verdict:
        return Verdict("unknown", probability, None, None, f"{why} {seen}", likeliest, standing)

    if likeliest == "other" and standing >= DECIDED:
        return unknown("fixed, but as broad as the exciton of crystals that do not grow")
    if probability < DECIDED:
        return unknown("neither clearly fixed nor clearly moving")
    match likeliest:
        case "msc":
            doubt = _doubt(course, nm, spread)
            if doubt is not None:
                return unknown(doubt)
            name = one.family.name if one.family else None
            why = f"fixed within {spread:.1f} nm {seen}{_near(one.family)}"
            return Verdict("msc", probability, "E1", name, why, "msc", standing)
        case "nc":
            if following is not None and following + one.crystal >= one.exciton:
                why = f"keeps its distance to the first exciton {seen}"
                return Verdict("other", probability, "E2", None, why, "nc", standing)
            why = f"moves from {course.positions_nm[0]:.0f} to {course.positions_nm[-1]:.0f} nm {seen}"
            return Verdict("nc", probability, _which_exciton(one, first), None, why, "nc", standing)
        case _:
            why = f"fixed within {spread:.1f} nm, narrower than any cluster's band, as high as the whole spectrum is"
            return Verdict("artefact", probability, None, None, f"{why} {seen}", "artefact", standing)


def _which_exciton(one: Evidence, first: Evidence | None) -> str | None:
    """E1 for the first exciton, and for what was it before or after it was lost from sight."""
    if first is None or first is one:
        return "E1"
    return None if {*one.course.steps} & {*first.course.steps} else "E1"


def _doubt(course: Course, fwhm_nm: float, spread_nm: float) -> str | None:
    """What keeps a track that seems fixed from being called a cluster; None when nothing does."""
    if fwhm_nm < _NARROWEST_CLUSTER_NM:
        return "fixed, but narrower than any cluster's band"
    if course.width_ev > _BROADEST_CLUSTER_EV:
        return "fixed, but as broad as the exciton of crystals that do not grow"
    noise_nm = math.sqrt(median(course.variance_nm2.tolist()))
    if spread_nm > min(_PULLED_NM + _NOISE_SPREAD * noise_nm, _MOST_SPREAD_NM):
        return f"fixed only if its neighbours pull it about by {spread_nm:.1f} nm"
    if course.width_scatter > _MOST_WIDTH_SCATTER:
        return "fixed, but now narrow, now broad"
    if median(course.misfits.tolist()) > _MOST_MISFIT:
        return "fixed, but not of the shape of a band"
    return None


def _beside_lines(evidence: list[Evidence], verdicts: dict[int, Verdict]) -> dict[int, Verdict]:
    """Verdicts on what seems a cluster, but lies where a line of the instrument does, and is hardly more than that."""
    changed: dict[int, Verdict] = {}
    lines = [one for one in evidence if one.course.width_nm < _NARROWEST_CLUSTER_NM]
    for one in evidence:
        alone = verdicts[one.track.id]
        if alone.kind != "msc":
            continue
        for line in lines:
            near = abs(line.position_nm - one.position_nm) < line.course.width_nm + _BESIDE_LINE_NM
            ratio = one.course.height / line.course.height
            oftener = len(one.track.sightings) >= len(line.track.sightings)
            more = ratio > (_MUCH_MORE_THAN_LINE if oftener else math.inf)
            more |= ratio > _MORE_THAN_LINE and _is_seen_with(one, line)
            if near and not more:
                why = f"{alone.why}; but a line of the instrument lies at {line.position_nm:.0f} nm"
                changed[one.track.id] = replace(alone, kind="unknown", transition=None, family=None, why=why)
    return changed


def _companions(evidence: list[Evidence], verdicts: dict[int, Verdict]) -> dict[int, Verdict]:
    """Verdicts on those that stand beside a redder cluster's band, and may be its own higher transitions."""
    changed: dict[int, Verdict] = {}
    firsts: list[Evidence] = []
    for one in sorted(evidence, key=lambda one: -one.position_nm):
        alone = verdicts[one.track.id]
        if alone.likeliest not in ("msc", "other") or alone.standing < DECIDED:
            continue
        above = [redder for redder in firsts if _is_far_enough(one, redder)]
        together = [redder for redder in above if _is_seen_with(one, redder)]
        apart = [redder for redder in together if _is_broad_enough(one, redder)]
        constant = [redder for redder in apart if _ratio_scatter(one, redder) < _CONSTANT_RATIO]
        perhaps = [redder for redder in together if _may_be_broad_enough(one, redder)]
        perhaps = [redder for redder in perhaps if _ratio_scatter(one, redder) < _CONSTANT_RATIO]
        if constant:
            others = [
                redder for redder in firsts if _distance_ev(one.position_nm, redder.position_nm) > _LEAST_BLEND_EV
            ]
            family = verdicts[constant[0].track.id].family if len(others) == 1 else None
            why = f"{alone.why}; rises and falls with the band at {constant[0].position_nm:.0f} nm"
            changed[one.track.id] = replace(alone, kind="msc", transition="E2", family=family, why=why, likeliest="msc")
        elif alone.kind == "msc" and (perhaps or (apart and alone.family is None)):
            why = (
                f"{alone.why}; may be a higher transition of the cluster at {(perhaps or apart)[0].position_nm:.0f} nm"
            )
            changed[one.track.id] = replace(alone, kind="unknown", transition=None, family=None, why=why)
        elif alone.kind == "msc":
            firsts.append(one)
    return changed


def _seen_again(tracks: list[Track], evidence: list[Evidence], verdicts: dict[int, Verdict]) -> dict[int, Verdict]:
    """Verdicts on bands seen too seldom to be judged, but like a cluster's that was lost from sight."""
    changed: dict[int, Verdict] = {}
    judged = {one.track.id for one in evidence}
    for track in (track for track in tracks if track.id not in judged):
        course = Course.of(track)
        for one in evidence:
            near = abs(one.position_nm - course.position_nm) < _AGAIN_NM
            alike = abs(math.log(one.course.width_ev / course.width_ev)) < _AGAIN_WIDTH
            apart = not {*one.course.steps} & {*course.steps}
            if verdicts[one.track.id].kind == "msc" and near and alike and apart:
                why = f"{verdicts[track.id].why}; as the band that was seen in {one.sightings} others"
                changed[track.id] = replace(verdicts[one.track.id], why=why)
    return changed


def _is_far_enough(one: Evidence, redder: Evidence) -> bool:
    """Whether a band lies where a higher transition of a redder one may."""
    if one.family and redder.family:
        # Where two families are known, it is their places that count, not where a neighbour has pulled them to.
        return _COMPANION_EV[0] < _distance_ev(one.family.wavelength_nm, redder.family.wavelength_nm) < _COMPANION_EV[1]
    return _COMPANION_EV[0] < _distance_ev(one.position_nm, redder.position_nm) < _COMPANION_EV[1]


def _distance_ev(bluer_nm: float, redder_nm: float) -> float:
    return HC_EV_NM / bluer_nm - HC_EV_NM / redder_nm


def _is_broad_enough(one: Evidence, redder: Evidence) -> bool:
    """Whether a band is as broad as higher transitions are: broader than the first, which lives longest."""
    return _LEAST_BROADER * redder.course.width_ev < one.course.width_ev < _BROADEST_COMPANION_EV


def _may_be_broad_enough(one: Evidence, redder: Evidence) -> bool:
    """Whether it may be, for all that is known of the widths of bands seen a few times in noise."""
    err = math.hypot(one.course.width_err, redder.course.width_err)
    ratio = one.course.width_ev / redder.course.width_ev
    return _LEAST_BROADER * math.exp(-_WIDTH_SIGMAS * err) < ratio and one.course.width_ev < _BROADEST_COMPANION_EV


def _is_seen_with(one: Evidence, redder: Evidence) -> bool:
    together = len({*one.course.steps} & {*redder.course.steps})
    return together >= max(2.0, _TOGETHER * len(one.course.steps))


def _ratio_scatter(one: Evidence, redder: Evidence) -> float:
    """σ of the logarithm of the ratio of heights; infinite where it is not always below one."""
    heights = dict(zip(redder.course.steps, redder.course.heights, strict=True))
    both = [(h, heights[step]) for step, h in zip(one.course.steps, one.course.heights, strict=True) if step in heights]
    ratios = np.array([bluer / red for bluer, red in both])
    return float(np.std(np.log(ratios))) if np.all(ratios < 1) else math.inf


def _near(family: KnownFamily | None) -> str:
    return f"; {family.name} is known at {family.wavelength_nm:g} nm" if family else "; no family is known there"
