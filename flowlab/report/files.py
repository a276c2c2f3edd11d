"""Files of absorption spectra, analysed: what ``flowlab analyze`` tells of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowlab.config import Material
from flowlab.errors import BadInputError
from flowlab.report.axes import axis_name
from flowlab.report.load import RunData, load_journal, load_series
from flowlab.storage.spectra import Series, read_files

_JOURNAL = b"flowlab-journal "


@dataclass(frozen=True)
class Analysed:
    """A series of spectra and its analysis.

    Attributes:
        source: names of the files.
        run: spectra, tracks and verdicts.
        labels: of each spectrum.
        path_mm: optical path, None when it is not known.
        warnings: what was left out, mended or assumed.
    """

    source: str
    run: RunData
    labels: list[str]
    path_mm: float | None
    warnings: tuple[str, ...]

    @property
    def axis(self) -> tuple[str, str, str]:
        """Name, unit and symbol of the coordinate."""
        return axis_name(self.run.start["analysis"]["axes"][-1])


def analyse_files(paths: Sequence[Path], material: Material) -> list[Analysed]:
    """Analyse files: journals and NeXus files of ours, tables, exports of spectrometers, JCAMP-DX.

    Raises:
        BadInputError: one of them cannot be read.
    """
    journals = [path for path in paths if _is_journal(path)]
    others = [path for path in paths if path not in journals]
    found = [_of_journal(path, material) for path in journals]
    found += [_of_series(series, material) for series in (read_files(others) if others else [])]
    return found


def _is_journal(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_JOURNAL)) == _JOURNAL
    except (OSError, ValueError):
        return False  # what is wrong is told by whoever reads it


def _of_journal(path: Path, material: Material) -> Analysed:
    run = load_journal(path, material)
    if not len(run.wavelength_nm):
        raise BadInputError(f"{path}: does not tell the wavelengths of its spectra")
    units = [axis_name(str(axis))[1] for axis in run.start["analysis"]["axes"]]
    labels = [_label(s, units) for s in run.spectra]
    path_mm = run.start.get("config", {}).get("flow_path", {}).get("optical_path_mm")
    return Analysed(str(path), run, labels, path_mm if isinstance(path_mm, float) else None, ())


def _label(spectrum: dict[str, Any], units: list[str]) -> str:
    values = [spectrum["panel"], spectrum["coordinate"]] if len(units) > 1 else [spectrum["coordinate"]]
    return ", ".join(f"{v:g} {u}".strip() for v, u in zip(values, [units[0], units[-1]][-len(values) :], strict=True))


def _of_series(series: Series, material: Material) -> Analysed:
    labels = [spectrum.label for spectrum in series.spectra]
    return Analysed(series.source, load_series(series, material), labels, series.path_mm, series.warnings)
