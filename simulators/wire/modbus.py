"""Modbus RTU as a slave sees it: frames found in a stream of bytes, register requests answered.

Source: Modbus over serial line V1.02 and application protocol V1.1b3 (modbus.org). A real slave ends a frame
by 3.5 characters of silence; here, where bytes arrive without their times, the length follows from the
function code.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

READ_HOLDING, READ_INPUT, WRITE_ONE, DIAGNOSTICS, WRITE_MANY = 3, 4, 6, 8, 16
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
BROADCAST = 0
MOST_READ, MOST_WRITTEN = 125, 123

_LONGEST = 256
#: Length of a request, checksum included, by function code.
_LENGTHS = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 7: 4, 8: 8}
#: Functions whose request tells the length of its data in the seventh byte.
_COUNTED = (15, 16)


class ModbusError(Exception):
    """A request that is answered by an exception.

    Args:
        code: what is wrong with it.
    """

    def __init__(self, code: int):
        super().__init__(f"Modbus exception {code:02d}")
        self.code = code


@dataclass(frozen=True)
class Register:
    """One 16-bit register.

    Attributes:
        read: gives its value, −32768…65535.
        write: takes a value, −32768…32767; raises :class:`ModbusError` for one it does not take. None: read only.
    """

    read: Callable[[], int]
    write: Callable[[int], None] | None = None


def crc16(data: bytes) -> int:
    """CRC-16 of Modbus: polynomial 0xA001 (reflected), start 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def seal(body: bytes) -> bytes:
    """A frame from address and PDU: the checksum follows, low byte first."""
    return body + crc16(body).to_bytes(2, "little")


def take_frame(buffer: bytearray, unit: int) -> bytes | None:
    """Cut the first whole frame out of a buffer, with what stands before it.

    Args:
        buffer: bytes as received; shortened.
        unit: the slave's own address; only there a function of unknown length is looked for, which is then
            taken to end where the bytes end.

    Returns:
        Address and PDU without the checksum; None when no frame with a right checksum is there yet.
    """
    for start in range(len(buffer) - 3):
        length = _length(buffer, start, unit)
        frame = bytes(buffer[start : start + length])
        if length and len(frame) == length and seal(frame[:-2]) == frame:
            del buffer[: start + length]
            return frame[:-2]
    del buffer[:-_LONGEST]
    return None


def _length(buffer: bytearray, start: int, unit: int) -> int:
    """Length of the frame that begins at ``start``; 0 when none can."""
    function = buffer[start + 1]
    if function in _LENGTHS:
        return _LENGTHS[function]
    if function in _COUNTED:
        return 9 + buffer[start + 6] if start + 6 < len(buffer) else 0
    rest = len(buffer) - start
    return rest if buffer[start] == unit and rest <= _LONGEST else 0


def answer(pdu: bytes, registers: Mapping[int, Register]) -> bytes:
    """Carry out a request and give the PDU of the response, an exception included."""
    function = pdu[0]
    try:
        if function in (READ_HOLDING, READ_INPUT):
            return _read(pdu, registers)
        if function == WRITE_ONE:
            _write(registers, _word(pdu, 1), [pdu[3:5]])
            return pdu
        if function == WRITE_MANY:
            return _write_many(pdu, registers)
        if function == DIAGNOSTICS and _word(pdu, 1) == 0:
            return pdu  # loopback
        raise ModbusError(ILLEGAL_FUNCTION)
    except ModbusError as error:
        return bytes((function | 0x80, error.code))


def _word(pdu: bytes, at: int) -> int:
    return int.from_bytes(pdu[at : at + 2], "big")


def _read(pdu: bytes, registers: Mapping[int, Register]) -> bytes:
    first, count = _word(pdu, 1), _word(pdu, 3)
    if not 1 <= count <= MOST_READ:
        raise ModbusError(ILLEGAL_VALUE)
    wanted = range(first, first + count)
    if not all(address in registers for address in wanted):
        raise ModbusError(ILLEGAL_ADDRESS)
    data = b"".join((registers[address].read() & 0xFFFF).to_bytes(2, "big") for address in wanted)
    return bytes((pdu[0], len(data))) + data


def _write_many(pdu: bytes, registers: Mapping[int, Register]) -> bytes:
    count, data = _word(pdu, 3), pdu[6:]
    if not 1 <= count <= MOST_WRITTEN or len(data) != 2 * count:
        raise ModbusError(ILLEGAL_VALUE)
    _write(registers, _word(pdu, 1), [data[i : i + 2] for i in range(0, len(data), 2)])
    return pdu[:5]


def _write(registers: Mapping[int, Register], first: int, words: list[bytes]) -> None:
    targets = [registers.get(first + i) for i in range(len(words))]
    writers = [register.write for register in targets if register is not None and register.write is not None]
    if len(writers) < len(words):
        raise ModbusError(ILLEGAL_ADDRESS)
    for write, word in zip(writers, words, strict=True):
        write(int.from_bytes(word, "big", signed=True))
