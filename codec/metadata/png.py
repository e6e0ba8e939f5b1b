"""Metadata in the chunks of a PNG file, out of it and into it.

Pillow's own writer knows neither densities without a unit nor sRGB beside a profile, so the chunks are put
into the file that it made. Whether text is compressed and what a profile is called belong to the file, not to
the metadata.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import partial

from ppyr.bitstream.deflated import LARGEST
from ppyr.metadata import Metadata, Palette, Resolution, Text, Unit, kind_of_text
from ppyr.metadata.find import Find
from ppyr.metadata.walkers import PNG_SIGNATURE, png_chunk, png_chunks

_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"}
_TEXT = {b"tEXt", b"zTXt", b"iTXt"}
_COLOUR = {
    b"cICP": ("cicp", struct.Struct(">4B")),
    b"mDCV": ("mastering", struct.Struct(">8H2I")),
    b"cLLI": ("light", struct.Struct(">2I")),
    b"sRGB": ("intent", struct.Struct(">B")),
    b"gAMA": ("gamma", struct.Struct(">I")),
    b"cHRM": ("chromaticities", struct.Struct(">8I")),
}
_XMP = b"XML:com.adobe.xmp" + bytes(5)  # not compressed, no language, no translation
_UNITS = {0: Unit.NONE, 1: Unit.METRE}
_DENSITY = struct.Struct(">2IB")
_TIME = struct.Struct(">H5B")
_INDEXED = 3
_TRANSPARENT = {0: 1, 2: 3}  # colour types whose tRNS is a colour, and its samples


def find_in_png(data: bytes) -> Iterator[Find]:
    """Find what the chunks hold beside pixels."""
    chunks = list(png_chunks(data))
    yield from _find_meaning(chunks)
    for kind, body in chunks:
        name = kind.decode("latin-1")
        if kind in _PIXELS:
            continue
        if kind in _COLOUR:
            yield Find("icc", name, "colour", partial(_read_colour, kind, body))
        elif kind in _TEXT:
            keyword = body.partition(b"\0")[0].decode("latin-1")
            if kind == b"iTXt" and body.startswith(_XMP):
                yield Find("xmp", f"{name} {keyword}", "xmp", partial(bytes, body[len(_XMP) :]))
            else:
                make = partial(_read_text, kind, body)
                yield Find(kind_of_text(keyword), f"{name} {keyword}", "text", make)
        elif kind == b"iCCP":
            yield Find("icc", name, "icc", partial(_inflated_after, body))
        elif kind == b"eXIf":
            yield Find("exif", name, "exif", partial(bytes, body))
        elif kind == b"pHYs":
            yield Find("dpi", name, "resolution", partial(_read_resolution, body))
        elif kind == b"tIME":
            yield Find("text", name, "time", partial(_TIME.unpack, body))
        else:
            yield Find("other", name or "data after the end")


def _find_meaning(chunks: Sequence[tuple[bytes, bytes]]) -> Iterator[Find]:
    """Find what says what the samples are."""
    depth, colour_type = chunks[0][1][8:10]
    palettes, transparent = ([body for kind, body in chunks if kind == name] for name in (b"PLTE", b"tRNS"))
    if colour_type == _INDEXED:
        yield Find("", "palette", "palette", partial(_read_palette, palettes, transparent))
        return
    if palettes:
        yield Find("other", "PLTE of an image without a palette")
    if transparent:
        make = partial(_read_transparent, transparent, _TRANSPARENT.get(colour_type, 0), depth)
        yield Find("", "transparent colour", "transparent", make)


def png_with(data: bytes, metadata: Metadata) -> bytes:
    """A PNG file with metadata that it can hold, in front of the pixels, with their palette for its own."""
    return PNG_SIGNATURE + b"".join(png_chunk(kind, body) for kind, body in _extended(data, metadata))


def _extended(data: bytes, metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    for kind, body in png_chunks(data):
        if kind == b"PLTE" and metadata.palette is not None:
            yield kind, metadata.palette.colours
            if metadata.palette.alpha:
                yield b"tRNS", metadata.palette.alpha
        else:
            yield kind, body
        if kind == b"IHDR":
            yield from _chunks(metadata)
            if metadata.transparent:
                yield b"tRNS", struct.pack(f">{len(metadata.transparent)}H", *metadata.transparent)


def png_resolution(resolution: Resolution) -> Resolution | None:
    """A resolution as PNG can state it, None if it can not: in whole pixels a metre, the nearest.

    A resolution without a unit must be whole.
    """
    factors = {Unit.NONE: (1, 1), Unit.METRE: (1, 1), Unit.INCH: (10000, 254), Unit.CENTIMETRE: (100, 1)}
    top, bottom = factors[resolution.unit]
    numbers = []
    for numerator, denominator in (resolution.x, resolution.y):
        if resolution.unit == Unit.NONE and numerator % denominator:
            return None
        whole = (2 * numerator * top + denominator * bottom) // (2 * denominator * bottom)
        if whole >= 2**32:
            return None
        numbers.append(whole)
    unit = Unit.NONE if resolution.unit == Unit.NONE else Unit.METRE
    return Resolution((numbers[0], 1), (numbers[1], 1), unit)


def _read_palette(palettes: Sequence[bytes], transparent: Sequence[bytes]) -> Palette:
    (colours,) = palettes
    (alpha,) = transparent or [b""]
    return Palette(colours, alpha)


def _read_transparent(transparent: Sequence[bytes], count: int, depth: int) -> tuple[int, ...]:
    (body,) = transparent
    samples = struct.unpack(f">{count}H", body)
    if not samples or max(samples) >> depth:
        raise ValueError(f"{samples}, where {depth} bits belong")
    return samples


def _read_colour(kind: bytes, body: bytes) -> dict[str, int | tuple[int, ...]]:
    name, form = _COLOUR[kind]
    numbers = form.unpack(body)
    return {name: numbers if len(numbers) > 1 else numbers[0]}


def _read_text(kind: bytes, body: bytes) -> Text:
    keyword, rest = _split(body)
    if kind == b"tEXt":
        return Text(keyword.decode("latin-1"), rest.decode("latin-1"))
    if kind == b"zTXt":
        return Text(keyword.decode("latin-1"), _inflated_after(body).decode("latin-1"))
    compressed, method = rest[0], rest[1]
    language, rest = _split(rest[2:])
    translated, words = _split(rest)
    text = _inflated(method, words) if compressed else words
    return Text(keyword.decode("latin-1"), text.decode(), True, language.decode("ascii"), translated.decode())


def _read_resolution(body: bytes) -> Resolution:
    x, y, unit = _DENSITY.unpack(body)
    return Resolution((x, 1), (y, 1), _UNITS[unit])


def _split(body: bytes) -> tuple[bytes, bytes]:
    before, separator, after = body.partition(b"\0")
    if not separator:
        raise ValueError("the separator is missing")
    return before, after


def _inflated_after(body: bytes) -> bytes:
    """What is compressed after a name."""
    _, rest = _split(body)
    return _inflated(rest[0], rest[1:])


def _inflated(method: int, data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    found = inflater.decompress(data, LARGEST + 1)
    if method or not inflater.eof or len(found) > LARGEST:
        raise ValueError("no zlib stream, or a very long one")
    return found


def _chunks(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    for kind, (name, form) in _COLOUR.items():
        value = getattr(metadata.colour, name, None)
        if value is not None:
            yield kind, form.pack(*(value if isinstance(value, tuple) else (value,)))
    if metadata.icc:
        yield b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc, 9)
    if metadata.resolution is not None:
        (x, _), (y, _) = metadata.resolution.x, metadata.resolution.y
        yield b"pHYs", _DENSITY.pack(x, y, metadata.resolution.unit == Unit.METRE)
    if metadata.exif:
        yield b"eXIf", metadata.exif
    if metadata.xmp:
        yield b"iTXt", _XMP + metadata.xmp
    for text in metadata.text:
        keyword = text.keyword.encode("latin-1") + b"\0"
        if text.international:
            about = f"\0\0{text.language}\0{text.translated}\0{text.text}"
            yield b"iTXt", keyword + about.encode()
        else:
            yield b"tEXt", keyword + text.text.encode("latin-1")
    if metadata.time is not None:
        yield b"tIME", _TIME.pack(*metadata.time)
