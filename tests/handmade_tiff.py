"""TIFF files with any tags, in both byte orders, made by hand."""

from __future__ import annotations

import struct
from collections.abc import Mapping

Value = tuple[int, int, bytes]
"""Type, count, and the bytes in the order of the file."""
Tags = Mapping[int, "Value | Tags"]


def gray_tiff(tags: Tags, rows: list[list[int]], *, order: str = "<", big: bool = False) -> bytes:
    """A gray image; a tag with tags of its own leads to a directory of them."""
    samples = b"".join(map(bytes, rows))
    data = bytearray(_header(order, big) + samples + bytes(len(samples) % 2))
    start = 16 if big else 8
    layout = {256: len(rows[0]), 257: len(rows), 258: 8, 259: 1, 262: 1, 277: 1, 278: len(rows)}
    layout |= {273: start, 279: len(samples)}
    numbers = {tag: (4, 1, struct.pack(order + "I", value)) for tag, value in layout.items()}
    struct.pack_into(
        order + ("Q" if big else "I"), data, start // 2, _append(data, {**numbers, **tags}, order, big)
    )
    return bytes(data)


def exif_block(tags: Tags, *, order: str = "<") -> bytes:
    """An Exif block with these tags in its first directory."""
    data = bytearray(_header(order, big=False))
    struct.pack_into(order + "I", data, 4, _append(data, tags, order, big=False))
    return bytes(data)


def _header(order: str, big: bool) -> bytes:
    mark = b"II" if order == "<" else b"MM"
    return mark + (struct.pack(order + "HHHQ", 43, 8, 0, 0) if big else struct.pack(order + "HI", 42, 0))


def _append(data: bytearray, tags: Tags, order: str, big: bool) -> int:
    records = b""
    word, size = (order + "Q", 8) if big else (order + "I", 4)
    for tag, value in sorted(tags.items()):
        if isinstance(value, Mapping):
            place = _append(data, value, order, big)
            value = (16 if big else 4, 1, struct.pack(word, place))  # noqa: PLW2901
        kind, count, content = value
        if len(content) > size:
            content, place = struct.pack(word, len(data)), len(data)
            data += value[2] + bytes(len(value[2]) % 2)
        records += struct.pack(f"{word[0]}HH{word[1]}", tag, kind, count) + content.ljust(size, b"\0")
    start = len(data)
    data += struct.pack(order + ("Q" if big else "H"), len(tags)) + records + bytes(size)
    return start
