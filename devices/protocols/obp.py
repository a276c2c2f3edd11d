"""The Ocean Binary Protocol: messages to a spectrometer, and what can be trusted of its replies.

Source: Ventana data sheet 891-00000-200-05-201305, pages 9–12: 44 bytes of header, payload, 16 bytes of checksum,
footer; flags, error numbers, the field *regarding*, which every response returns, and the MD5 checksum over header and
payload. Spectrum and metadata of a QE Pro: its data sheet 891-00000-000-05, pages 11–12, as the maker's sample program
has it.
All numbers are little-endian.
"""

import hashlib
import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.errors import InstrumentFaultError, RefusedError, ReplyError

Counts = NDArray[np.float64]

START = b"\xc1\xc0"
FOOTER = b"\xc5\xc4\xc3\xc2"
VERSION = 0x1100
_VERSIONS = (0x1000, 0x1100)
#: start, version, flags, error, type, regarding, reserved, checksum type, immediate length and data, bytes remaining
_HEADER = struct.Struct("<2sHHHLL6sBB16sL")
HEADER_LENGTH = _HEADER.size
_TAIL = 20  # checksum and footer
_IMMEDIATE = 16
#: No reply is longer: a garbled length must not make anybody wait for a gigabyte.
LONGEST = 65_536

_RESPONSE, _ACK, _REQUEST_ACK, _NACK, _EXCEPTION = 0x01, 0x02, 0x04, 0x08, 0x10
_NO_CHECKSUM, _MD5 = 0, 1

_UNKNOWN_TYPE, _BAD_CHECKSUM, _UNKNOWN_CHECKSUM = 2, 3, 8
_ERRORS = {
    1: "it does not speak this version of the protocol",
    2: "it does not know this message",
    3: "the request arrived garbled",
    4: "the message is too long for it",
    5: "the payload has the wrong length for this message",
    6: "the value is not allowed",
    7: "it is not ready for this message",
    8: "it knows no such checksum",
    9: "it was reset unexpectedly",
    10: "commands come over too many interfaces",
    11: "it is out of memory",
    12: "what was asked for does not exist",
    13: "internal error",
    255: "deferred",
}

_METADATA = struct.Struct("<LQLHB13x")
#: What its 18-bit converter can give (18 bits in words of 32).
_HIGHEST_32 = 2**18 - 1


class NotKnownError(RefusedError):
    """The instrument does not know this message: its model or its firmware is without that function."""


@dataclass(frozen=True)
class Reply:
    """A reply whose framing is right, and whose checksum is, if it has one.

    Attributes:
        kind: message type.
        payload: immediate or not.
        flags: see the data sheet.
        error: error number.
        regarding: the number of the request.
        has_checksum: whether its bytes are protected.
    """

    kind: int
    payload: bytes
    flags: int
    error: int
    regarding: int
    has_checksum: bool

    @property
    def is_refusal(self) -> bool:
        """A negative acknowledgement."""
        return bool(self.flags & _NACK)

    def answers(self, kind: int, number: int) -> bool:
        """Whether it belongs to this request and not to another one.

        The data sheet can be read so that a refusal returns the message type in place of the number.
        """
        return self.regarding == number or (self.is_refusal and self.regarding == kind)


@dataclass(frozen=True)
class Metadata:
    """What precedes a spectrum in the buffer of a QE Pro, 32 bytes.

    Attributes:
        count: number of the spectrum.
        tick_us: the spectrometer's own time in µs.
        integration_us: with which it was taken.
        trigger_mode: likewise.
    """

    count: int
    tick_us: int
    integration_us: int
    trigger_mode: int


def ask(kind: int, payload: Iterable[int] = b"", number: int = 0, checksum: bool = True) -> bytes:
    """A message that wants an answer.

    Args:
        kind: message type.
        payload: its bytes.
        number: returned in the reply.
        checksum: carries an MD5 checksum, and asks for one.
    """
    return _encode(kind, bytes(payload), 0, number, checksum)


def tell(kind: int, payload: Iterable[int] = b"", number: int = 0, checksum: bool = True) -> bytes:
    """A message that wants to be acknowledged; see :func:`ask`."""
    return _encode(kind, bytes(payload), _REQUEST_ACK, number, checksum)


def _encode(kind: int, payload: bytes, flags: int, number: int, checksum: bool) -> bytes:
    immediate = payload if len(payload) <= _IMMEDIATE else b""
    rest = b"" if immediate else payload
    header = _HEADER.pack(
        START,
        VERSION,
        flags,
        0,
        kind,
        number,
        b"",
        _MD5 if checksum else _NO_CHECKSUM,
        len(immediate),
        immediate,
        len(rest) + _TAIL,
    )
    return header + rest + (_md5(header + rest) if checksum else bytes(16)) + FOOTER


def length(data: bytes) -> int | None:
    """Length of the message that begins with these bytes; None while its header is not whole.

    Raises:
        ReplyError: no message begins so.
    """
    if not START.startswith(data[:2]):
        raise ReplyError(f"a message begins with {START.hex()}, not with {data[:2].hex()}")
    if len(data) < HEADER_LENGTH:
        return None
    _, version, *_, checksum, immediate, _, remaining = _HEADER.unpack_from(data)
    if version not in _VERSIONS:
        raise ReplyError(f"protocol version {version:#06x}")
    if checksum not in (_NO_CHECKSUM, _MD5):
        raise ReplyError(f"checksum type {checksum}")
    if not _TAIL <= remaining <= LONGEST or immediate > _IMMEDIATE or (immediate and remaining > _TAIL):
        raise ReplyError(f"{immediate} bytes of immediate data and {remaining} bytes to come")
    return HEADER_LENGTH + remaining


def parse(data: bytes) -> Reply | None:
    """The message that begins with these bytes; None while it is not whole. What is behind it does not matter.

    Raises:
        ReplyError: it is garbled.
    """
    whole = length(data)
    if whole is None or len(data) < whole:
        return None
    message = data[:whole]
    if not message.endswith(FOOTER):
        raise ReplyError(f"a message ends with {FOOTER.hex()}, not with {message[-4:].hex()}")
    _, _, flags, error, kind, regarding, _, checksum, immediate, first, _ = _HEADER.unpack_from(message)
    if checksum == _MD5 and _md5(message[:-_TAIL]) != message[-_TAIL : -len(FOOTER)]:
        raise ReplyError("the checksum is wrong")
    payload = first[:immediate] or message[HEADER_LENGTH:-_TAIL]
    return Reply(kind, payload, flags, error, regarding, checksum == _MD5)


def accept(reply: Reply, kind: int, *, acknowledged: bool, checksum: bool = True) -> bytes:
    """The payload of a reply to a message of type ``kind``, if it is what was to come.

    Args:
        reply: as parsed.
        kind: message type of the request.
        acknowledged: the request was a :func:`tell`.
        checksum: the request had a checksum, so the reply must have one.

    Raises:
        NotKnownError: the instrument does not know the message.
        RefusedError: it refused.
        InstrumentFaultError: it reports that its hardware failed.
        ReplyError: it answers something else, or is without the checksum: a garbled one could look so.
    """
    if reply.is_refusal:
        _raise_refusal(reply.error)
    if checksum and not reply.has_checksum:
        raise ReplyError("the reply has no checksum though the request had one; without them: checksum = false")
    if reply.kind != kind:
        raise ReplyError(f"it answers a message {reply.kind:#010x}, not {kind:#010x}")
    if reply.flags & _EXCEPTION:
        raise InstrumentFaultError(f"it reports a failure of its hardware: {_meaning(reply.error)}")
    if acknowledged and not reply.flags & _ACK:
        raise RefusedError("there is no acknowledgement")
    if not acknowledged and not reply.flags & _RESPONSE:
        raise ReplyError(f"this is no answer: flags {reply.flags:#06x}")
    return reply.payload


def _raise_refusal(error: int) -> None:
    if error == _BAD_CHECKSUM:  # the wire's fault: to ask again may help
        raise ReplyError(_meaning(error))
    hint = "; without them: checksum = false" if error == _UNKNOWN_CHECKSUM else ""
    raise (NotKnownError if error == _UNKNOWN_TYPE else RefusedError)(_meaning(error) + hint)


def _meaning(error: int) -> str:
    return _ERRORS.get(error, "an error that the protocol does not know") + f" (error {error})"


def read_answer(data: bytes, kind: int, number: int = 0, checksum: bool = True) -> Reply | None:
    """The reply to an :func:`ask`; None while it is not whole; see :func:`accept` for what it raises."""
    return _read(data, kind, number, checksum, acknowledged=False)


def read_acknowledgement(data: bytes, kind: int, number: int = 0, checksum: bool = True) -> Reply | None:
    """The reply to a :func:`tell`; None while it is not whole; see :func:`accept` for what it raises."""
    return _read(data, kind, number, checksum, acknowledged=True)


def _read(data: bytes, kind: int, number: int, checksum: bool, *, acknowledged: bool) -> Reply | None:
    reply = parse(data)
    if reply is not None:
        if not reply.answers(kind, number):
            raise ReplyError(f"it answers request {reply.regarding}, not {number}")
        accept(reply, kind, acknowledged=acknowledged, checksum=checksum)
    return reply


def unsigned(payload: bytes) -> int:
    """A number of 1, 2 or 4 bytes.

    Raises:
        ReplyError: it has another length.
    """
    if len(payload) not in (1, 2, 4):
        raise ReplyError(f"{payload.hex() or 'nothing'} is no number")
    return int.from_bytes(payload, "little")


def real(payload: bytes) -> float:
    """A number in single precision.

    Raises:
        ReplyError: it is none, or not finite.
    """
    if len(payload) != 4 or not math.isfinite(value := struct.unpack("<f", payload)[0]):
        raise ReplyError(f"{payload.hex() or 'nothing'} is no number")
    return value


def spectrum_16(payload: bytes, pixels: int, metadata_bytes: int = 0) -> Counts:
    """Counts of a spectrum of 16-bit words, shape (pixels,).

    Raises:
        ReplyError: it has another length.
    """
    if len(payload) != metadata_bytes + 2 * pixels:
        raise ReplyError(f"{len(payload)} bytes are no spectrum of {pixels} pixels behind {metadata_bytes} others")
    return np.frombuffer(payload, "<u2", offset=metadata_bytes).astype(np.float64)


def spectrum_32(payload: bytes, pixels: int) -> tuple[Metadata, Counts]:
    """Metadata and counts of a spectrum of 32-bit words, shape (pixels,).

    Raises:
        ReplyError: it has another length, or counts that no 18-bit converter gives.
    """
    if len(payload) != _METADATA.size + 4 * pixels:
        raise ReplyError(f"{len(payload)} bytes are no spectrum of {pixels} pixels behind {_METADATA.size} others")
    count, tick_us, integration_us, _, trigger_mode = _METADATA.unpack_from(payload)
    counts = np.frombuffer(payload, "<u4", offset=_METADATA.size)
    if counts.size and int(counts.max()) > _HIGHEST_32:
        raise ReplyError(f"{int(counts.max())} counts are more than 18 bits")
    return Metadata(count, tick_us, integration_us, trigger_mode), counts.astype(np.float64)


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def single(value: float) -> bytes:
    """A number in single precision, as it goes into a payload."""
    return struct.pack("<f", value)
