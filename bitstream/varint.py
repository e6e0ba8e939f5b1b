"""Numbers of variable length (LEB128): seven bits a byte, lowest first, bit 7 set on all but the last.

FORMAT.md says which forms are refused.
"""

from __future__ import annotations

from ppyr.errors import FormatError, TruncatedError

MAX_VALUE = (1 << 63) - 1
MAX_BYTES = 9


def write_varint(value: int) -> bytes:
    """The one correct form of `value`, 0 <= value <= 2^63 - 1; ValueError outside."""
    if not 0 <= value <= MAX_VALUE:
        raise ValueError(f"{value} is not in 0..2^63 - 1; pass a number that is")
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def read_varint(data: bytes, offset: int, end: int) -> tuple[int, int]:
    """The number at `offset` and the offset after it.

    Args:
        data: the file.
        offset: where the number starts.
        end: no byte from here on belongs to it.

    Raises:
        TruncatedError: the number goes on past `end`.
        FormatError: the number is above 2^63 - 1, or written with more bytes than it needs.
    """
    value = 0
    for count in range(MAX_BYTES):
        position = offset + count
        if position >= end:
            raise TruncatedError(
                f"offset {position}: the data end inside a number; get a complete copy of the file",
                offset=position,
                expected=end + 1,
                found=end,
            )
        byte = data[position]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            if byte == 0 and count > 0:
                raise FormatError(
                    f"offset {offset}: the number {value} takes {count + 1} bytes, more than it needs; "
                    "get a fresh copy of the file",
                    offset=offset,
                    expected=len(write_varint(value)),
                    found=count + 1,
                )
            return value, position + 1
    raise FormatError(
        f"offset {offset}: a number is above 2^63 - 1; get a fresh copy of the file",
        offset=offset,
        expected=MAX_VALUE,
    )
