"""The Ocean Binary Protocol's messages: 44 bytes of header, payload, 16 bytes of checksum, 4 of footer.

Source: OBP chapters of the data sheets of Ocean Optics' STS, Ventana and HDX spectrometers. All numbers are
little-endian. A payload of up to 16 bytes rides in the header as immediate data.
"""

import hashlib
import struct
from dataclasses import dataclass, replace

START = b"\xc1\xc0"
FOOTER = b"\xc5\xc4\xc3\xc2"
VERSIONS = (0x1000, 0x1100)
#: start, version, flags, error, type, regarding, reserved, checksum type, immediate length and data, bytes remaining
HEADER = struct.Struct("<2sHHHLL6sBB16sL")
#: Checksum and footer.
TAIL = 20
IMMEDIATE = 16
#: No request is longer than this.
LARGEST_PAYLOAD = 1024

NO_CHECKSUM, MD5 = 0, 1

# Flags
RESPONSE, ACK, REQUEST_ACK, NACK = 0x1, 0x2, 0x4, 0x8

# Error numbers
BAD_PROTOCOL, UNKNOWN_TYPE, BAD_CHECKSUM, TOO_LARGE = 1, 2, 3, 4
BAD_LENGTH, BAD_DATA, NOT_READY, UNKNOWN_CHECKSUM, NO_SUCH_DATA = 5, 6, 7, 8, 12


@dataclass(frozen=True)
class Message:
    """A message either way.

    Attributes:
        type: what it is about.
        payload: immediate or not.
        flags: see the constants above.
        error: of a response: the error number; of a request: what is wrong with it.
        regarding: the host's own number, returned to it.
        checksum: kind of checksum it carries.
    """

    type: int
    payload: bytes = b""
    flags: int = 0
    error: int = 0
    regarding: int = 0
    checksum: int = NO_CHECKSUM

    def response(self, payload: bytes = b"") -> "Message":
        """The answer to this request; it acknowledges too when that was asked for."""
        acknowledged = ACK if self.flags & REQUEST_ACK else 0
        return replace(self, payload=payload, flags=RESPONSE | acknowledged, error=0)

    def refusal(self, error: int) -> "Message":
        """The refusal of this request."""
        checksum = self.checksum if self.checksum in (NO_CHECKSUM, MD5) else NO_CHECKSUM
        return replace(self, payload=b"", flags=RESPONSE | NACK, error=error, checksum=checksum)


def encode(message: Message) -> bytes:
    """A message as it goes over the wire."""
    immediate = message.payload if len(message.payload) <= IMMEDIATE else b""
    payload = b"" if immediate else message.payload
    head = HEADER.pack(
        START,
        VERSIONS[-1],
        message.flags,
        message.error,
        message.type,
        message.regarding,
        b"",
        message.checksum,
        len(immediate),
        immediate,
        len(payload) + TAIL,
    )
    checksum = hashlib.md5(head + payload, usedforsecurity=False).digest() if message.checksum == MD5 else bytes(16)
    return head + payload + checksum + FOOTER


def take_message(buffer: bytearray) -> Message | None:
    """Cut the first whole message out of a buffer, with what stands before it.

    Args:
        buffer: bytes as received; shortened.

    Returns:
        The request, with ``error`` set when it is not a right one; None when none is whole yet.
    """
    start = buffer.find(START)
    if start < 0:
        del buffer[: len(buffer) - buffer.endswith(START[:1])]
        return None
    del buffer[:start]
    if len(buffer) < HEADER.size:
        return None
    _, version, flags, _, kind, regarding, _, checksum, immediate, data, remaining = HEADER.unpack_from(buffer)
    message = Message(kind, flags=flags, regarding=regarding, checksum=checksum)
    error = _header_error(version, checksum, immediate, remaining)
    if error:
        # Where this message ends is not sure: the next one is looked for right behind its start.
        del buffer[: len(START)]
        return replace(message, error=error)
    if len(buffer) < HEADER.size + remaining:
        return None
    whole = bytes(buffer[: HEADER.size + remaining])
    if not whole.endswith(FOOTER):
        del buffer[: len(START)]
        return replace(message, error=BAD_PROTOCOL)
    del buffer[: len(whole)]
    if checksum == MD5 and hashlib.md5(whole[:-TAIL], usedforsecurity=False).digest() != whole[-TAIL : -len(FOOTER)]:
        return replace(message, error=BAD_CHECKSUM)
    return replace(message, payload=data[:immediate] or whole[HEADER.size : -TAIL])


def _header_error(version: int, checksum: int, immediate: int, remaining: int) -> int:
    payload = remaining - TAIL
    errors = {
        BAD_PROTOCOL: version not in VERSIONS,
        TOO_LARGE: payload > LARGEST_PAYLOAD,
        BAD_LENGTH: payload < 0 or immediate > IMMEDIATE or (immediate > 0 and payload > 0),
        UNKNOWN_CHECKSUM: checksum not in (NO_CHECKSUM, MD5),
    }
    return next((error for error, holds in errors.items() if holds), 0)
