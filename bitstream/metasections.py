"""Metadata to the payloads of their sections and back; FORMAT.md is the specification."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any

from ppyr.bitstream.checks import FRESH_COPY, check_range
from ppyr.bitstream.deflated import deflated, inflated, read_number, wrong
from ppyr.bitstream.metadata import MOST_TEXTS, Colour, Metadata, Palette, Resolution, Text, Unit
from ppyr.bitstream.varint import write_varint
from ppyr.errors import FormatError


class MetadataKind(IntEnum):
    """The kinds of sections with metadata, in the order of a file."""

    ICC = 16
    COLOUR = 17
    ORIENTATION = 18
    PALETTE = 19
    TRANSPARENT = 20
    EXIF = 144
    XMP = 145
    TEXT = 146
    RESOLUTION = 147
    TIME = 148


_COLOUR = tuple(map(struct.Struct, ("<I", "<8I", "<B", "<4B", "<8H2I", "<2I")))
_RESOLUTION = struct.Struct("<B4I")
_TIME = struct.Struct("<H5B")
_SAMPLE = struct.Struct("<H")


def pack_metadata(metadata: Metadata) -> list[tuple[MetadataKind, bytes]]:
    """Kind and payload of each section, in order.

    Raises:
        FormatError: the text is more than `LARGEST` bytes.
    """
    colour, resolution = metadata.colour, metadata.resolution
    payloads = {
        MetadataKind.ICC: deflated(metadata.icc),
        MetadataKind.COLOUR: b"" if colour is None else _pack_colour(colour),
        MetadataKind.ORIENTATION: b"" if metadata.orientation is None else bytes([metadata.orientation]),
        MetadataKind.PALETTE: b"" if metadata.palette is None else _pack_palette(metadata.palette),
        MetadataKind.TRANSPARENT: b"".join(map(_SAMPLE.pack, metadata.transparent or ())),
        MetadataKind.EXIF: deflated(metadata.exif),
        MetadataKind.XMP: deflated(metadata.xmp),
        MetadataKind.TEXT: deflated(b"".join(map(_pack_text, metadata.text))),
        MetadataKind.RESOLUTION: b"" if resolution is None else _pack_resolution(resolution),
        MetadataKind.TIME: b"" if metadata.time is None else _TIME.pack(*metadata.time),
    }
    return [(kind, payload) for kind, payload in payloads.items() if payload]


def unpack_metadata(sections: Iterable[tuple[int, int, bytes]]) -> Metadata:
    """The metadata in kind, offset and payload of each section with metadata, in the order of the file.

    Raises:
        FormatError: a section is doubled, stands out of order, or is not as FORMAT.md says.
    """
    fields: dict[str, Any] = {}
    last = 0
    for number, offset, payload in sections:
        kind = MetadataKind(number)
        if kind <= last:
            raise FormatError(
                f"offset {offset}: section {kind.name} stands after {MetadataKind(last).name}; {FRESH_COPY}",
                offset=offset,
                expected=f"more than {last}",
                found=number,
            )
        try:
            fields[kind.name.lower()] = _READERS[kind](payload)
            Metadata(**fields)
        except FormatError as error:
            raise FormatError(
                f"offset {offset}: section {kind.name} has {error.found}, where {error.expected} belongs; "
                f"{FRESH_COPY}",
                offset=offset,
                expected=error.expected,
                found=error.found,
            ) from error
        last = kind
    return Metadata(**fields)


def _pack_colour(colour: Colour) -> bytes:
    mask, values = 0, b""
    for bit, (form, value) in enumerate(zip(_COLOUR, colour.stated, strict=True)):
        if value is not None:
            mask |= 1 << bit
            values += form.pack(*(value if isinstance(value, tuple) else (value,)))
    return bytes([mask]) + values


def _read_colour(payload: bytes) -> Colour:
    mask = payload[0] if payload else 0
    check_range("mask", mask, 1, 2 ** len(_COLOUR) - 1)
    stated = [bool(mask >> bit & 1) for bit in range(len(_COLOUR))]
    size = 1 + sum(form.size for form, there in zip(_COLOUR, stated, strict=True) if there)
    check_range("bytes", len(payload), size, size)
    values: list[int | tuple[int, ...] | None] = []
    at = 1
    for form, there in zip(_COLOUR, stated, strict=True):
        numbers = form.unpack_from(payload, at) if there else ()
        values.append((numbers if len(numbers) > 1 else numbers[0]) if there else None)
        at += form.size if there else 0
    return Colour(*values)  # type: ignore[arg-type]


def _read_orientation(payload: bytes) -> int:
    check_range("bytes", len(payload), 1, 1)
    return payload[0]


def _pack_palette(palette: Palette) -> bytes:
    return bytes([len(palette) - 1]) + palette.colours + palette.alpha


def _read_palette(payload: bytes) -> Palette:
    stop = 4 + 3 * payload[0] if payload else 1
    check_range("bytes", len(payload), stop, stop + stop // 3)
    return Palette(payload[1:stop], payload[stop:])


def _read_transparent(payload: bytes) -> tuple[int, ...]:
    size = 6 if len(payload) > _SAMPLE.size else _SAMPLE.size
    check_range("bytes", len(payload), size, size)
    return tuple(sample for (sample,) in _SAMPLE.iter_unpack(payload))


def _pack_text(text: Text) -> bytes:
    parts = (part.encode() for part in (text.keyword, text.language, text.translated, text.text))
    return bytes([text.international]) + b"".join(write_varint(len(part)) + part for part in parts)


def _read_text(payload: bytes) -> tuple[Text, ...]:
    data = inflated(payload)
    found: list[Text] = []
    at = 0
    while at < len(data):
        international = data[at]
        check_range("international", international, 0, 1)
        at += 1
        parts = []
        for _ in range(4):
            length, start = read_number(data, at)
            at = start + length
            check_range("bytes of text", length, 0, len(data) - start)
            try:
                parts.append(data[start:at].decode())
            except UnicodeDecodeError as error:
                raise wrong("UTF-8", data[start + error.start : start + error.end].hex()) from error
        keyword, language, translated, text = parts
        check_range("texts", len(found) + 1, 1, MOST_TEXTS)
        found.append(Text(keyword, text, bool(international), language, translated))
    return tuple(found)


def _pack_resolution(resolution: Resolution) -> bytes:
    return _RESOLUTION.pack(resolution.unit, *resolution.x, *resolution.y)


def _read_resolution(payload: bytes) -> Resolution:
    check_range("bytes", len(payload), _RESOLUTION.size, _RESOLUTION.size)
    unit, *numbers = _RESOLUTION.unpack(payload)
    check_range("unit", unit, min(Unit), max(Unit))
    return Resolution((numbers[0], numbers[1]), (numbers[2], numbers[3]), Unit(unit))


def _read_time(payload: bytes) -> tuple[int, ...]:
    check_range("bytes", len(payload), _TIME.size, _TIME.size)
    return _TIME.unpack(payload)


_READERS: dict[MetadataKind, Callable[[bytes], object]] = {
    MetadataKind.ICC: inflated,
    MetadataKind.COLOUR: _read_colour,
    MetadataKind.ORIENTATION: _read_orientation,
    MetadataKind.PALETTE: _read_palette,
    MetadataKind.TRANSPARENT: _read_transparent,
    MetadataKind.EXIF: inflated,
    MetadataKind.XMP: inflated,
    MetadataKind.TEXT: _read_text,
    MetadataKind.RESOLUTION: _read_resolution,
    MetadataKind.TIME: _read_time,
}
