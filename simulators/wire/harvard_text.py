"""Numbers, units and errors as a Harvard PHD ULTRA reads and writes them (manual 5419-002, pump chain commands)."""

import re

_NUMBER = re.compile(r"\d+\.?\d*|\.\d+")
_VOLUMES_ML = {"ml": 1.0, "ul": 1e-3, "nl": 1e-6, "pl": 1e-9}
_PER_MINUTE = {"min": 1.0, "hr": 1 / 60, "sec": 60.0}
#: "m/m" stands for ml/min, "u/h" for ul/hr.
_SHORT_VOLUMES = {unit[0]: unit for unit in _VOLUMES_ML}
_SHORT_TIMES = {unit[0]: unit for unit in _PER_MINUTE}


class CommandError(Exception):
    """The pump does not take a command.

    Args:
        line: what the pump says first, naming what it was told.
        message: what it says below that.
    """

    def __init__(self, line: str, message: str):
        super().__init__(f"{line}: {message}")
        self.lines = [line, f"   {message}"]


class ArgumentError(CommandError):
    """The pump knows the command but does not take its argument."""

    def __init__(self, argument: str, message: str):
        super().__init__(f"Argument error: {argument}", message)


def read_number(text: str) -> float:
    """A decimal number.

    Raises:
        ArgumentError: it is none, or it is negative.
    """
    if _NUMBER.fullmatch(text.removeprefix("-")) is None:
        raise ArgumentError(text, "Invalid number")
    if text.startswith("-"):
        raise ArgumentError(text, "Out of range")
    return float(text)


def read_volume_ml(arguments: list[str]) -> float:
    """A volume, as in ``10 ml``, in ml."""
    value, unit = _value_and_unit(arguments)
    unit = _SHORT_VOLUMES.get(unit, unit)
    if unit not in _VOLUMES_ML:
        raise ArgumentError(unit, "Unknown units")
    return value * _VOLUMES_ML[unit]


def read_rate(arguments: list[str]) -> tuple[float, str]:
    """A flow rate, as in ``0.857 ml/min`` or ``51.4 m/h``: in ml/min, and the unit in full."""
    value, unit = _value_and_unit(arguments)
    volume, _, time = unit.partition("/")
    volume, time = _SHORT_VOLUMES.get(volume, volume), _SHORT_TIMES.get(time, time)
    if volume not in _VOLUMES_ML or time not in _PER_MINUTE:
        raise ArgumentError(unit, "Unknown units")
    unit = f"{volume}/{time}"
    return value * _ml_min(unit), unit


def write_rate(rate_ml_min: float, unit: str | None = None) -> str:
    """A flow rate in a unit; without one, per minute in the unit that leaves one to three digits before the point."""
    unit = unit or f"{_fitting(rate_ml_min)}/min"
    return f"{_digits(rate_ml_min / _ml_min(unit))} {unit}"


def write_volume(volume_ml: float) -> str:
    """A volume in the unit that leaves one to three digits before the point."""
    unit = _fitting(volume_ml)
    return f"{_digits(volume_ml / _VOLUMES_ML[unit])} {unit}"


def _value_and_unit(arguments: list[str]) -> tuple[float, str]:
    value = read_number(arguments[0])
    if len(arguments) != 2:
        raise ArgumentError(" ".join(arguments), "Unknown units")
    return value, arguments[1].lower()


def _ml_min(unit: str) -> float:
    volume, _, time = unit.partition("/")
    return _VOLUMES_ML[volume] * _PER_MINUTE[time]


def _fitting(value_ml: float) -> str:
    """The largest unit in which a value is at least 1; nothing at all is given in µl."""
    # Rounding to six digits may lift 999.9999 to the next unit.
    fitting = [unit for unit, size in _VOLUMES_ML.items() if value_ml >= size * (1 - 5e-7)]
    return fitting[0] if fitting else "ul" if value_ml == 0 else "pl"


def _digits(value: float) -> str:
    """Six significant digits, without an exponent."""
    text = f"{value:.6g}"
    return f"{value:.0f}" if "e+" in text else f"{value:.12f}".rstrip("0").rstrip(".") if "e" in text else text
