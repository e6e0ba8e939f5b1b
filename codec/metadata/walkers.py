"""The parts that PNG and WebP files are made of, as far as Pillow does not tell."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from ppyr.errors import UnsupportedImageError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and body of each chunk of a PNG file; what follows the last one comes with the type b"".

    Raises:
        UnsupportedImageError: a chunk is cut off or its checksum does not match.
    """
    offset = 8
    while True:
        head = data[offset : offset + 8]
        length = int.from_bytes(head[:4], "big")
        body = data[offset + 8 : offset + 8 + length]
        crc = data[offset + 8 + length : offset + 12 + length]
        if len(crc) < 4 or int.from_bytes(crc, "big") != zlib.crc32(head[4:] + body):
            raise UnsupportedImageError(
                f"the PNG file is damaged at byte {offset}: get an undamaged copy", offset=offset
            )
        yield head[4:], body
        offset += 12 + length
        if head[4:] == b"IEND":
            break
    if offset < len(data):
        yield b"", data[offset:]


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Make a chunk of a PNG file."""
    crc = zlib.crc32(kind + body)
    return len(body).to_bytes(4, "big") + kind + body + crc.to_bytes(4, "big")


def webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield type and body of each chunk of a WebP file; the body is None if it is cut off."""
    offset = 12
    while offset + 8 <= len(data):
        length = int.from_bytes(data[offset + 4 : offset + 8], "little")
        body = data[offset + 8 : offset + 8 + length]
        yield data[offset : offset + 4], body if len(body) == length else None
        offset += 8 + length + length % 2


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels that a WebP file states first, None of other files."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    match data[12:16]:
        case b"VP8X":
            return _number(data[24:27]) + 1, _number(data[27:30]) + 1
        case b"VP8L":
            sides = _number(data[21:25])
            return (sides & 0x3FFF) + 1, (sides >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            return _number(data[26:28]) & 0x3FFF, _number(data[28:30]) & 0x3FFF
    return None


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
