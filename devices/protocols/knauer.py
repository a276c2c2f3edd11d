r"""Knauer Azura Compact (P 2.1S, P 4.1S) and BlueShadow 40P HPLC pumps: commands and replies as bytes.

Source: the commands as public drivers have them (flowchem's ``azura_compact``; a driver after the pump's
instructions V6870), no manual. A command ends with ``LF CR``; a reply is read up to ``CR``. ``NAME?`` is answered by
``NAME:value``, ``NAME:value`` by ``NAME:OK``, and either by ``ERROR:1`` (not understood) or ``ERROR:2`` (refused).
Which line feeds come with a reply, and whether ``ON`` and ``OFF`` are answered by ``ON:OK`` or by ``OK``, no source
says: all of them are read. There is no checksum: see :mod:`devices.agreement`.
"""

import re

from devices.errors import RefusedError, ReplyError

#: Highest flow in ml/min and pressure in bar of each pump head; PMAX and PMIN count in 0.1 MPa, which is 1 bar.
HEADS = {10: (10.0, 400), 50: (50.0, 150)}

_ERRORS = {"1": "it does not know this command", "2": "the value is out of range"}
_WHOLE = re.compile(r"[0-9]{1,6}")


def query(name: str) -> bytes:
    """What asks for a value."""
    return f"{name}?\n\r".encode("ascii")


def setting(name: str, value: int) -> bytes:
    """What sets a value."""
    return f"{name}:{value}\n\r".encode("ascii")


def order(word: str) -> bytes:
    """What has the pump do something: ``ON``, ``OFF``, ``REMOTE``."""
    return f"{word}\n\r".encode("ascii")


def decode_value(data: bytes, name: str, bare: bool = False) -> str | None:
    """Read the answer to :func:`query` from everything that came since.

    Args:
        data: bytes received.
        name: what was asked for.
        bare: whether the pump answers without the name.

    Returns:
        The value's text, or None while the reply is not whole. Bytes behind it are not looked at.

    Raises:
        ReplyError: this is no answer to that.
        RefusedError: the pump answered with an error.
    """
    text = _line(data)
    if text is None or bare:
        return text
    if not text.startswith(f"{name}:"):
        raise ReplyError(f"no answer to {name}?")
    return text.removeprefix(f"{name}:")


def decode_done(data: bytes, command: str) -> bool | None:
    """Read the acknowledgement of :func:`setting` or :func:`order`; None while it is not whole.

    Raises:
        ReplyError: this is no acknowledgement of that.
        RefusedError: the pump answered with an error.
    """
    text = _line(data)
    if text is None:
        return None
    name = command.partition(":")[0]
    if text not in (f"{name}:OK", "OK"):
        raise ReplyError(f"no acknowledgement of {command}")
    return True


def _line(data: bytes) -> str | None:
    line, end, _ = data.lstrip(b"\r\n").partition(b"\r")
    if not end:
        return None
    try:
        text = line.decode("ascii").rstrip("\n")
    except UnicodeDecodeError:
        raise ReplyError("a reply that is not ASCII") from None
    if not text.isprintable():
        raise ReplyError("a reply with control characters")
    if text.startswith("ERROR:"):
        number = text.removeprefix("ERROR:").strip()
        raise RefusedError(_ERRORS.get(number, f"it tells error {number}"))
    return text


def whole(text: str) -> int:
    """A whole number: ``FLOW`` in µl/min, ``PRESSURE`` in the pump's unit, ``IMOTOR`` in percent.

    Raises:
        ReplyError: it is none.
    """
    if _WHOLE.fullmatch(text.strip()) is None:
        raise ReplyError(f"{text!r} is not a whole number")
    return int(text)


def head_ml(text: str) -> int:
    """The pump head, ``10`` or ``50``, by its highest flow in ml/min.

    Raises:
        ReplyError: there is no such head.
    """
    head = whole(text.strip().removesuffix("mL"))
    if head not in HEADS:
        raise ReplyError(f"{text!r} is no pump head")
    return head


def errors(text: str) -> tuple[int, ...]:
    """The codes of the last five errors; what they mean is in the pump's manual.

    Raises:
        ReplyError: these are not five numbers.
    """
    codes = tuple(whole(code) for code in text.split(","))
    if len(codes) != 5:
        raise ReplyError(f"{text!r} are not five errors")
    return codes
