"""Pictures of series that the analysis does not get right: ``python -m benchmarks.failures OUT.png 'KIND SEED' …``.

Above the spectra, below where bands were put in (grey lines, broken where they are lower than a cluster must be to be
found) and what each track was called (marks).
"""

import argparse

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.accuracy import LEAST_CLUSTER, analysed
from benchmarks.series import Series, make_series
from flowlab.analysis.absorbance import Baseline, absorbance, tidy

_RANGE_NM = (340.0, 600.0)
_LOOKS = {"msc": ("o", "C3"), "nc": ("s", "C0"), "other": ("^", "C2"), "artefact": ("x", "C4"), "unknown": (".", "0.3")}


def _spectra(axes: Axes, series: Series, title: str) -> None:
    baseline = Baseline(tidy(series.reference), tidy(series.dark))
    for number, sample in enumerate(series.samples):
        found = absorbance(tidy(sample), baseline)
        shade = str(0.75 * (1 - number / max(len(series.samples) - 1, 1)))
        axes.plot(series.wavelength_nm, np.where(found.usable, found.value, np.nan), color=shade, linewidth=0.6)
    axes.set(xlim=_RANGE_NM, ylabel="absorbance", title=title)


def _tracks(axes: Axes, series: Series) -> None:
    steps = np.arange(len(series.samples))
    for band in series.bands:
        for shown, style in ((band.height >= LEAST_CLUSTER, "-"), (band.height > 0, ":")):
            axes.plot(np.where(shown, band.wavelength_nm, np.nan), steps, color="0.7", linestyle=style, zorder=0)
    scan = analysed(series)
    verdicts = scan.verdicts()
    for track in scan.tracks:
        mark, colour = _LOOKS[verdicts[track.id].kind]
        seen = track.sightings
        axes.plot(seen.column("wavelength_nm"), seen.column("step"), mark, color=colour, markersize=4)
    for kind, (mark, colour) in _LOOKS.items():
        axes.plot([], [], mark, color=colour, label=kind)
    axes.set(xlim=_RANGE_NM, xlabel="wavelength / nm", ylabel="spectrum")


def draw(cases: list[tuple[str, int]], path: str) -> None:
    """Draw series of these kinds and seeds side by side."""
    figure = Figure(figsize=(4.2 * len(cases), 6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, len(cases), sharex=True, squeeze=False)
    for column, (kind, seed) in enumerate(cases):
        series = make_series(kind, seed)
        _spectra(panels[0, column], series, f"{kind}, seed {seed}")
        _tracks(panels[1, column], series)
    panels[1, -1].legend(fontsize=7, loc="upper right")
    figure.savefig(path, dpi=80)


def main() -> None:
    """Draw what is named."""
    asked = argparse.ArgumentParser(description="Pictures of made-up series with what the analysis says of them.")
    asked.add_argument("out", help="the picture, a PNG file")
    asked.add_argument("series", nargs="+", help="a kind and a seed, as benchmarks.analysis --failures prints them")
    wanted = asked.parse_args()
    draw([(kind, int(seed)) for kind, seed in (one.rsplit(" ", 1) for one in wanted.series)], wanted.out)


if __name__ == "__main__":
    main()
