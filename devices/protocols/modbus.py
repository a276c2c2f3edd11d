"""Modbus RTU as far as a temperature controller needs it: read registers, write one, as bytes.

Framing, CRC and messages are pymodbus's own; what is added here is that a reply is checked against the
request it answers, so that an echo or a neighbour's reply is never taken for the value. A reply to a read
does not say which registers it is of: that no late one is left is the line's business.
"""

import struct

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    WriteSingleRegisterRequest,
    WriteSingleRegisterResponse,
)

from devices.errors import RefusedError, ReplyError

_EXCEPTIONS = {1: "illegal function", 2: "illegal register", 3: "illegal value", 4: "device failure", 6: "busy"}


def read_request(unit: int, register: int, count: int = 1) -> bytes:
    """Ask a unit for ``count`` registers from ``register`` on."""
    return _framer().buildFrame(ReadHoldingRegistersRequest(address=register, count=count, dev_id=unit))


def write_request(unit: int, register: int, value: int) -> bytes:
    """Have a unit write a signed 16-bit ``value`` into a register."""
    request = WriteSingleRegisterRequest(address=register, registers=[value & 0xFFFF], dev_id=unit)
    return _framer().buildFrame(request)


def decode_read(data: bytes, unit: int, count: int = 1) -> list[int] | None:
    """Registers of a reply as signed 16-bit integers; None while the reply is not whole.

    Raises:
        ReplyError: not a reply of this unit to such a request.
        RefusedError: the unit answered with an exception.
    """
    reply = _decode(data, unit)
    if reply is None:
        return None
    if not isinstance(reply, ReadHoldingRegistersResponse) or len(reply.registers) != count:
        raise ReplyError(f"not the answer to a request for {count} registers")
    return [register - 0x10000 if register >= 0x8000 else register for register in reply.registers]


def ieee(words: list[int]) -> float:
    """A float from two signed registers as :func:`decode_read` gives them, the more significant one first."""
    return struct.unpack(">f", struct.pack(">2h", *words))[0]


def decode_write(data: bytes, unit: int, register: int, value: int) -> bool | None:
    """True when a write is confirmed by its echo; None while the reply is not whole.

    Raises:
        ReplyError: not the echo of this write.
        RefusedError: the unit answered with an exception.
    """
    reply = _decode(data, unit)
    if reply is None:
        return None
    if (
        not isinstance(reply, WriteSingleRegisterResponse)
        or reply.address != register
        or reply.registers != [value & 0xFFFF]
    ):
        raise ReplyError(f"not the echo of writing {value} to register {register}")
    return True


def _framer() -> FramerRTU:
    return FramerRTU(DecodePDU(is_server=False))


def _decode(data: bytes, unit: int) -> ModbusPDU | None:
    if data and data[0] != unit:
        raise ReplyError(f"an answer from unit {data[0]}, not {unit}")
    try:
        used, reply = _framer().handleFrame(data, unit, 0)
    except (ModbusException, IndexError, ValueError) as error:
        raise ReplyError(f"not a Modbus reply: {error}") from None
    if reply is None:
        if used:
            raise ReplyError("the checksum is wrong")
        return None
    if isinstance(reply, ExceptionResponse):
        code = reply.exception_code
        raise RefusedError(f"exception {code}: {_EXCEPTIONS.get(code, 'unknown')}")
    return reply
