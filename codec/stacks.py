"""Several .ppyr files as one: the images of a stack.

    stack {
        varint size[k];    // of the axes of the stack, each at least 1
        varint length[n];  // bytes of each file, n the product of the sizes; 0 for the file before it again
        u32    crc32;      // CRC32 of the bytes before it
        u8     files[];    // one after the other, the last axis running fastest
    }

Varints are those of FORMAT.md, crc32 is little-endian. The number of axes is known to whoever reads it.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence

from ppyr.bitstream.varint import read_varint, write_varint
from ppyr.errors import ChecksumError, FormatError, TruncatedError

_CRC_BYTES = 4


def pack_stack(sizes: Sequence[int], files: Iterable[bytes]) -> bytes:
    """The stack of so many files as `sizes`, of one axis or more, say; b"" is the file before it again."""
    files = list(files)
    front = b"".join(map(write_varint, (*sizes, *map(len, files))))
    return b"".join([front, zlib.crc32(front).to_bytes(_CRC_BYTES, "little"), *files])


def unpack_stack(data: bytes, axes: int) -> tuple[tuple[int, ...], list[bytes]]:
    """Sizes of so many axes, and the files, b"" for the one before it again.

    Raises:
        FormatError: the data are no such stack, damaged or cut off.
    """
    sizes, end = _varints(data, 0, axes)
    if (count := math.prod(sizes)) > len(data) - end:
        raise TruncatedError(
            f"the stack has {len(data)} bytes, too few for {count} images: get a complete copy, and read it "
            "with the axes it was written with",
            offset=end,
            expected=count,
            found=len(data) - end,
        )
    lengths, end = _varints(data, end, count)
    start = end + _CRC_BYTES
    if len(data) < start:
        raise TruncatedError(
            f"offset {end}: the stack ends inside its CRC32; get a complete copy", offset=end, found=len(data)
        )
    crc32, found = int.from_bytes(data[end:start], "little"), zlib.crc32(data[:end])
    if found != crc32:
        raise ChecksumError(
            "the CRC32 of the stack is wrong: get a fresh copy, and read it with the axes that it was "
            "written with",
            offset=end,
            expected=crc32,
            found=found,
        )
    if not lengths or not lengths[0]:
        raise FormatError("the stack has no first image: get a fresh copy", offset=0)
    if (whole := start + sum(lengths)) != len(data):
        raise (TruncatedError if len(data) < whole else FormatError)(
            f"the stack has {len(data)} bytes, and its files need {whole}: get a complete copy",
            expected=whole,
            found=len(data),
        )
    files = []
    for length in lengths:
        files.append(data[start : start + length])
        start += length
    return tuple(sizes), files


def _varints(data: bytes, offset: int, count: int) -> tuple[list[int], int]:
    """So many numbers, and the offset after them."""
    found = []
    for _ in range(count):
        value, offset = read_varint(data, offset, len(data))
        found.append(value)
    return found, offset
