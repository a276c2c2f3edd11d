"""Files as other programs write them, with spectra made up here; the formats are those of the sources named."""

import numpy as np

from tests.flowlab.analysis.spectra import band, crystal

NM = np.linspace(350.0, 650.0, 301)


def growing(
    count: int, seed: int = 3, noise: float = 3e-4, cluster: float = 0.0, wavelength: np.ndarray = NM
) -> np.ndarray:
    """Spectra of crystals whose exciton moves from 500 nm on by 6 nm, above the cluster at 437 nm; one in each row."""
    random = np.random.default_rng(seed)
    rows = [crystal(500.0 + 6.0 * i, 0.3, wavelength) + band(437.0, cluster, 0.117, wavelength) for i in range(count)]
    return np.array(rows) + random.normal(0, noise, (count, len(wavelength)))


def wide(
    header: list[str],
    rows: np.ndarray,
    wavelength: np.ndarray = NM,
    separator: str = ",",
    decimal: str = ".",
    falling: bool = False,
) -> str:
    """A table as spreadsheets save it."""
    lines = [separator.join(header)]
    for i in range(len(wavelength))[:: -1 if falling else 1]:
        cells = [f"{wavelength[i]:.4f}", *(f"{v:.6f}" for v in rows[:, i])]
        lines.append(separator.join(cells).replace(".", decimal) if decimal != "." else separator.join(cells))
    return "\n".join(lines) + "\n"


def spectrasuite(row: np.ndarray, wavelength: np.ndarray = NM, decimal: str = ".", pixels: int | None = None) -> bytes:
    """As SpectraSuite saves a processed spectrum (files OOusb4000.txt and OO_comma.txt of lightr)."""
    header = [
        "SpectraSuite Data File",
        "++++++++++++++++++++++++++++++++++++",
        "Date: Fri Aug 19 13:19:52 CDT 2016",
        "User: user",
        "Dark Spectrum Present: Yes",
        "Reference Spectrum Present: Yes",
        "Number of Sampled Component Spectra: 1",
        "Spectrometers: USB2+H00000",
        "Integration Time (usec): 70000 (USB2+H00000)",
        "Spectra Averaged: 15 (USB2+H00000)",
        "Boxcar Smoothing: 5 (USB2+H00000)",
        "Correct for Electrical Dark: No (USB2+H00000)",
        f"Number of Pixels in Processed Spectrum: {pixels or len(wavelength)}",
        ">>>>>Begin Processed Spectral Data<<<<<",
    ]
    data = [f"{x:.2f}\t{y:.4f}".replace(".", decimal) for x, y in zip(wavelength, row, strict=True)]
    return "\r\n".join([*header, *data, ">>>>>End Processed Spectral Data<<<<<", ""]).encode("latin-1")


def oceanview(row: np.ndarray, wavelength: np.ndarray = NM, mode: str = "Wavelengths") -> bytes:
    """As OceanView saves it, its odd line ends and numbers included (file OceanView.txt of lightr)."""
    header = (
        "Data from series_005.txt Node\n\rDate: Tue Mar 18 08:44:17 EST 2014\nUser: user\nSpectrometer: USB2+H00000\n"
        "Autoset integration time: false\nTrigger mode: 4\nIntegration Time (sec): 2.000000E-2\nScans to average: 10\n"
        f"Electric dark correction enabled: true\nXAxis mode: {mode}\nStop averaging: false\n"
        f"Number of Pixels in Spectrum: {len(wavelength)}\n>>>>>Begin Spectral Data<<<<<\n"
    )
    data = "".join(f"{x / 100:.4f}E2\t{y:.5E}\r\n" for x, y in zip(wavelength, row, strict=True))
    return (header + data).encode()


def jcamp(table: str, **fields: object) -> str:
    """A block of JCAMP-DX; fields by their names without blanks, the table with its label."""
    names = {"DATATYPE": "DATA TYPE", "JCAMPDX": "JCAMP-DX"}
    told = {"TITLE": "made up", "JCAMPDX": "4.24", "DATATYPE": "UV/VIS SPECTRUM"} | fields
    lines = [f"##{names.get(key, key)}= {value}" for key, value in told.items()]
    return "\n".join([*lines, table, "##END=", ""])
