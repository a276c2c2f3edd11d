"""How right the analysis is on made-up series: its tracks and verdicts against what was put in."""

import argparse
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from benchmarks.series import FAMILIES, KINDS, PIXELS, Band, Series, make_series
from benchmarks.table import Row, show
from flowlab.analysis.absorbance import Absorbance
from flowlab.analysis.features import find_features
from flowlab.analysis.scan import Knowledge, ScanAnalysis
from flowlab.analysis.tracks import Track
from flowlab.analysis.verdict import KnownFamily, Verdict

#: A sighting this near a band that was put in is that band's; a broad one may be off by this share of its width.
_SAME_NM, _SAME_SHARE = 5.0, 0.25
#: From these on a cluster must be found, and an exciton be placed well.
LEAST_CLUSTER, LEAST_EXCITON, MOST_NOISE = 0.03, 0.1, 0.003
#: Series in which no cluster may be found.
WITHOUT = ("crossing", "blank", "artefact", "complex")
_LEAST_SPECTRA = 4  # in which a cluster is high enough, or it need not be found
_CALIBRATION_BINS = 10


@dataclass
class Marks:
    """What the analysis got right and wrong, summed over series.

    Attributes:
        series: how many.
        found, missed: clusters high enough to be found.
        right, wrong: tracks called a cluster's.
        false_series: for each kind of series without clusters, 1.0 where a cluster was claimed.
        cluster_error_nm: of each cluster's median position.
        exciton_error_nm: of each spectrum in which an exciton is followed.
        exciton_spectra: how many spectra have an exciton high enough to be followed.
        judged: probability of the likeliest kind, and whether it was right, for each track seen often enough.
        seconds: of the processor, for the analysis of all series.
        spectra: how many there were.
        failures: in words, with the series' name and seed.
    """

    series: int = 0
    found: int = 0
    missed: int = 0
    right: int = 0
    wrong: int = 0
    false_series: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cluster_error_nm: list[float] = field(default_factory=list[float])
    exciton_error_nm: list[float] = field(default_factory=list[float])
    exciton_spectra: int = 0
    judged: list[tuple[float, bool]] = field(default_factory=list[tuple[float, bool]])
    seconds: float = 0.0
    spectra: int = 0
    failures: list[str] = field(default_factory=list[str])

    @property
    def recall(self) -> float:
        """Share of the clusters high enough that were found."""
        return self.found / max(self.found + self.missed, 1)

    @property
    def precision(self) -> float:
        """Share of the tracks called a cluster's that are one's."""
        return self.right / max(self.right + self.wrong, 1)

    @property
    def false_share(self) -> float:
        """Share of the series without clusters in which one was claimed."""
        return float(np.mean([claimed for kind in self.false_series.values() for claimed in kind]))

    @property
    def ms_per_spectrum(self) -> float:
        """Mean time, without what is computed once for each wavelength axis."""
        return 1e3 * self.seconds / max(self.spectra, 1)

    @property
    def exciton_followed(self) -> float:
        """Share of the spectra with a high enough exciton in which it was called one."""
        return len(self.exciton_error_nm) / max(self.exciton_spectra, 1)

    def calibration(self) -> list[tuple[float, float, int]]:
        """Mean probability, share that was right, and number of the verdicts of each bin of probability."""
        probability = np.array([p for p, _ in self.judged])
        right = np.array([r for _, r in self.judged], dtype=float)
        bins = np.minimum((probability * _CALIBRATION_BINS).astype(int), _CALIBRATION_BINS - 1)
        return [
            (float(probability[bins == b].mean()), float(right[bins == b].mean()), int((bins == b).sum()))
            for b in range(_CALIBRATION_BINS)
            if (bins == b).any()
        ]

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean distance of probability and share that was right."""
        bins = self.calibration()
        return sum(abs(p - r) * n for p, r, n in bins) / max(sum(n for _, _, n in bins), 1)


def knowledge_of(material: str) -> Knowledge:
    """The published families, with the tolerance that ``config/materials`` gives them."""
    families = [KnownFamily(name, nm, 3.0) for name, nm in FAMILIES[material].items()]
    return Knowledge(material, families, None, None)


def prepared(series: Series) -> ScanAnalysis:
    """A scan of one panel before its first spectrum; what depends on the wavelength axis only is there."""
    scan = ScanAnalysis(series.wavelength_nm, knowledge_of(series.material))
    scan.take_dark(series.dark)
    scan.take_reference(series.reference)
    find_features(Absorbance(*np.zeros((2, PIXELS)), np.ones(PIXELS, bool)), scan.axis)
    return scan


def analysed(series: Series) -> ScanAnalysis:
    """The series as a scan of one panel."""
    return _with_spectra(prepared(series), series)


def _with_spectra(scan: ScanAnalysis, series: Series) -> ScanAnalysis:
    for sample in series.samples:
        scan.spectrum(0.0, sample)
    return scan


def suite(seed: int, each: int) -> Iterator[tuple[int, Series]]:
    """So many series of each kind, with their seeds."""
    for name in KINDS:
        for i in range(each):
            yield seed + i, make_series(name, seed + i)


def mark(series: Iterable[tuple[int, Series]]) -> Marks:
    """Analyse series and mark what comes out."""
    marks = Marks()
    for seed, one in series:
        scan = prepared(one)
        begin = time.process_time()
        _with_spectra(scan, one)
        marks.seconds += time.process_time() - begin
        marks.spectra += len(one.samples)
        _mark_series(marks, one, scan.tracks, scan.verdicts(), f"{one.name} {seed}")
    return marks


def truths_of(track: Track, bands: list[Band]) -> list[Band]:
    """The bands that most of a track's sightings lie near; two may lie in the same place."""
    votes = [0] * len(bands)
    for sighting in track.sightings:
        reach = max(_SAME_NM, _SAME_SHARE * sighting.feature.fwhm_nm)
        for number, band in enumerate(bands):
            distance = abs(band.wavelength_nm[sighting.index] - sighting.feature.wavelength_nm)
            votes[number] += bool(distance <= reach and band.height[sighting.index] > 0)
    return [band for band, count in zip(bands, votes, strict=True) if count > 0.5 * len(track.sightings)]


def _mark_series(marks: Marks, series: Series, tracks: list[Track], verdicts: dict[int, Verdict], label: str) -> None:
    marks.series += 1
    claimed = [(t, verdicts[t.id], truths_of(t, series.bands)) for t in tracks if verdicts[t.id].kind == "msc"]
    for track, verdict, truths in claimed:
        good = any(_is_claimed(band, verdict) for band in truths)
        marks.right, marks.wrong = marks.right + good, marks.wrong + (not good)
        if not good:
            name = ", ".join(f"{b.kind} {b.transition} {b.family}" for b in truths) or "nothing"
            at = np.median([s.feature.wavelength_nm for s in track.sightings])
            marks.failures.append(
                f"{label}: called {verdict.family} {verdict.transition} at {at:.1f} nm, is {name}: {verdict.why}"
            )
    if series.name in WITHOUT:
        marks.false_series[series.name].append(float(bool(claimed)))
    for band in series.bands:
        if band.kind == "msc" and band.transition == "E1" and series.noise <= MOST_NOISE:
            _mark_cluster(marks, band, claimed, label)
        if band.kind == "nc":
            _mark_exciton(marks, band, tracks, verdicts, label)
    for track in tracks:
        verdict = verdicts[track.id]
        if verdict.likeliest != "unknown":
            marks.judged.append((verdict.probability, _is_right(verdict, truths_of(track, series.bands))))


def _mark_cluster(marks: Marks, band: Band, claimed: list[tuple[Track, Verdict, list[Band]]], label: str) -> None:
    high = np.flatnonzero(band.height >= LEAST_CLUSTER)
    if len(high) < _LEAST_SPECTRA:
        return
    mine = [track for track, verdict, truths in claimed if band in truths and verdict.transition == "E1"]
    seen = {s.index: s.feature.wavelength_nm for track in mine for s in track.sightings}
    if len([i for i in high if i in seen]) < 0.5 * len(high):
        marks.missed += 1
        marks.failures.append(
            f"{label}: {band.family} missed, height {np.median(band.height[high]):.3f} in {len(high)} spectra"
        )
        return
    marks.found += 1
    marks.cluster_error_nm.append(float(abs(np.median(list(seen.values())) - band.wavelength_nm[0])))


def _mark_exciton(marks: Marks, band: Band, tracks: list[Track], verdicts: dict[int, Verdict], label: str) -> None:
    called = [t for t in tracks if (verdicts[t.id].kind, verdicts[t.id].transition) == ("nc", "E1")]
    seen = {s.index: s.feature.wavelength_nm for track in called for s in track.sightings}
    high = [int(i) for i in np.flatnonzero(band.height >= LEAST_EXCITON)]
    errors = [abs(seen[i] - float(band.wavelength_nm[i])) for i in high if i in seen]
    marks.exciton_spectra += len(high)
    marks.exciton_error_nm += errors
    if len(errors) < 0.9 * len(high) or (errors and max(errors) > 4.0):
        worst = max(errors, default=float("nan"))
        marks.failures.append(f"{label}: exciton followed in {len(errors)} of {len(high)}, off by up to {worst:.1f} nm")


def _is_claimed(band: Band, verdict: Verdict) -> bool:
    """Whether a band is the cluster's that a verdict claims; of a higher transition it need not say whose it is."""
    of_family = band.family == verdict.family or (verdict.family is None and verdict.transition == "E2")
    return band.kind == "msc" and band.transition == verdict.transition and of_family


def _is_right(verdict: Verdict, truths: list[Band]) -> bool:
    """Whether the likeliest kind is the truth's.

    What moves with an exciton moves, whichever transition it is; ``other`` are bands that stand and are no cluster's
    first.
    """
    kinds = {band.kind for band in truths}
    match verdict.likeliest:
        case "msc" | "artefact" as kind:
            return kind in kinds
        case "nc":
            return bool(kinds & {"nc", "other"})
        case _:
            return not kinds or "other" in kinds or any(band.transition == "E2" for band in truths)


def rows(seed: int = 1, each: int = 16) -> list[Row]:
    """Figures on so many series of each of the thirteen kinds."""
    return figures(mark(suite(seed, each)))


def figures(marks: Marks) -> list[Row]:
    """What was measured, with its bounds."""
    exciton = np.array(marks.exciton_error_nm)
    found = f"{marks.found + marks.missed} clusters, height ≥ 0.03, noise ≤ 0.003"
    return [
        Row("clusters found", marks.recall, "", f"≥ 0.98; {found}", higher_is_better=True),
        Row("clusters claimed that are some", marks.precision, "", f"≥ 0.99; {marks.right + marks.wrong} claims"),
        Row("clusters claimed: crossing, blank, artefact, complex", marks.false_share, "", "≤ 0.01 of the series"),
        Row("cluster off, median", float(np.median(marks.cluster_error_nm)), "nm", "≤ 0.5 nm"),
        Row("exciton off, median", float(np.median(exciton)), "nm", "≤ 1.5 nm where its height ≥ 0.1"),
        Row("exciton off, 95 %", float(np.quantile(exciton, 0.95)), "nm", "≤ 4 nm"),
        Row("exciton followed", marks.exciton_followed, "", f"of {marks.exciton_spectra} spectra"),
        Row("expected calibration error", marks.calibration_error, "", f"≤ 0.05; {len(marks.judged)} tracks"),
        Row("spectrum → tracks and verdicts, mean", marks.ms_per_spectrum, "ms", "≤ 2 ms, one core"),
    ]


def plot_reliability(marks: Marks, path: str) -> None:
    """How often verdicts of each probability are right, as a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    said, right, count = (np.array(column) for column in zip(*marks.calibration(), strict=True))
    figure = Figure(figsize=(5, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.errorbar(said, right, np.sqrt(right * (1 - right) / count + 0.25 / count**2), fmt="o", color="C0")
    for x, y, n in zip(said, right, count, strict=True):
        axes.annotate(f"{n}", (x, y), xytext=(6, -12), textcoords="offset points", fontsize=8)
    axes.set(xlabel="probability said", ylabel="share that was right", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.set_title(f"{marks.series} series, expected calibration error {marks.calibration_error:.3f}")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Print the table."""
    asked = argparse.ArgumentParser(description="How right the analysis is on made-up series.")
    asked.add_argument("--seed", type=int, default=1, help="of the first series of each kind")
    asked.add_argument("--each", type=int, default=16, help="series of each kind")
    asked.add_argument("--plot", metavar="PNG", help="draw the reliability of the probabilities")
    asked.add_argument("--failures", action="store_true", help="name each series that is not marked right")
    wanted = asked.parse_args()
    marks = mark(suite(wanted.seed, wanted.each))
    print(f"{marks.series} series, seeds from {wanted.seed}\n")
    show(figures(marks))
    if wanted.failures:
        print(*["", *marks.failures], sep="\n")
    if wanted.plot:
        plot_reliability(marks, wanted.plot)
