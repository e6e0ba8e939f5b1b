"""Small data in a section: a size, then a zlib stream that inflates to no more than it says."""

from __future__ import annotations

import zlib

from ppyr.bitstream.checks import FRESH_COPY, check_range
from ppyr.bitstream.varint import read_varint, write_varint
from ppyr.errors import FormatError

LARGEST = 1 << 24
"""Bytes that a payload may inflate to."""


def deflated(data: bytes) -> bytes:
    """The payload of some data; nothing for nothing.

    Raises:
        FormatError: they are more than `LARGEST` bytes.
    """
    check_range("bytes before deflating", len(data), 0, LARGEST)
    return write_varint(len(data)) + zlib.compress(data, 9) if data else b""


def inflated(payload: bytes) -> bytes:
    """The data of a payload.

    Raises:
        FormatError: it is not as FORMAT.md says.
    """
    size, start = read_number(payload, 0)
    check_range("inflated bytes", size, 1, LARGEST)
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(memoryview(payload)[start:], size + 1)
    except zlib.error as error:
        raise wrong("a zlib stream", str(error)) from error
    check_range("inflated bytes", len(data), size, size)
    if not inflater.eof:
        raise wrong("the end of the zlib stream", "more of it")
    check_range("bytes after the zlib stream", len(inflater.unused_data), 0, 0)
    return data


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """The varint at an offset of such data, and the offset after it.

    Raises:
        FormatError: there is none.
    """
    try:
        return read_varint(data, at, len(data))
    except FormatError as error:
        raise wrong("a whole number", data[at : at + 10].hex(" ") or "nothing") from error


def wrong(expected: str, found: str) -> FormatError:
    """What is found where something else belongs."""
    return FormatError(f"{found}, where {expected} belongs; {FRESH_COPY}", expected=expected, found=found)
