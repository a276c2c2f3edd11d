"""Instruments for tests."""

from pathlib import Path

#: The UV-vis half of the simulated lab: two syringe pumps, two heaters, a spectrometer.
UV_VIS = str(Path(__file__).with_name("uv-vis.toml"))


def with_fluorometer(path: Path, *replacements: tuple[str, str]) -> Path:
    """Write the same with a fluorometer and its LED, which the residence-time scan is given; and with other words."""
    text = Path(UV_VIS).read_text(encoding="utf-8")
    roles = '"plans.residence_time_scan:residence_time_scan"\ndevices = { reactor = "reactor", '
    given = (
        ('"spectrometer"]', '"led", "spectrometer", "fluorometer"]'),
        (roles, roles + 'fluorometer = "fluorometer", led = "led", '),
    )
    for old, new in (*given, *replacements):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    extra = Path(__file__).with_name("fluorometer.toml").read_text(encoding="utf-8")
    path.write_text(text + extra, encoding="utf-8")
    return path
