"""Image files that Pillow can read but not write, made by hand."""

from __future__ import annotations

import struct
import zlib

Chunk = tuple[bytes, bytes]


def png(
    depth: int,
    colour_type: int,
    row: bytes,
    *,
    height: int = 2,
    width: int = 3,
    chunks: tuple[Chunk, ...] = (),
) -> bytes:
    """A PNG of `height` equal rows, with `chunks` between header and samples."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    samples = zlib.compress((b"\0" + row) * height)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", samples), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_png_chunk, parts))


def _png_chunk(chunk: Chunk) -> bytes:
    kind, body = chunk
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def tiff(
    depths: tuple[int, ...], samples: bytes, *, photometric: int, extra: dict[int, int] | None = None
) -> bytes:
    """An uncompressed little-endian TIFF of one pixel; every tag of `extra` holds one number."""
    tags = {
        256: (1,),
        257: (1,),
        258: depths,
        259: (1,),
        262: (photometric,),
        273: (8,),
        277: (len(depths),),
        278: (1,),
        279: (len(samples),),
        **{tag: (value,) for tag, value in (extra or {}).items()},
    }
    samples += bytes(len(samples) % 2)
    start = 8 + len(samples)
    behind = start + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, numbers in sorted(tags.items()):
        packed = struct.pack(f"<{len(numbers)}H", *numbers)
        if len(packed) > 4:
            values += packed
            packed = struct.pack("<I", behind + len(values) - len(packed))
        entries += struct.pack("<HHI", tag, 3, len(numbers)) + packed.ljust(4, b"\0")
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", start) + samples + directory + values


def bmp(bits: int, samples: bytes) -> bytes:
    """An uncompressed BMP of one pixel, whose resolution is left open."""
    header = struct.pack("<IiiHHIIiiII", 40, 1, 1, 1, bits, 0, len(samples), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(samples), 0, 0, 54) + header + samples
