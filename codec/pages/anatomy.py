"""What a file is made of: its levels, tiles, sections and metadata, as tables and bars."""

from __future__ import annotations

from typing import NamedTuple

from ppyr.bitstream.container import ANCILLARY, HEADER_SIZE, Kind, Section
from ppyr.bitstream.metasections import MetadataKind
from ppyr.bitstream.plain import Method
from ppyr.bitstream.raster import Raster
from ppyr.metadata import Metadata
from ppyr.picture import Unit, units

from .charts import Part, Tile, bar, mosaic
from .html import Cell, Element, count, element, number, section, sides, table
from .seen import Seen

MOST_TILES = 4096
"""Tiles that are drawn."""

#: Characters of a text that are shown.
_MOST_CHARACTERS = 200

_METHODS = {
    Method.MODEL: "a likelihood model",
    Method.CONSTANT: "one colour",
    Method.STORED: "its bits, as they are",
    Method.LZMA: "LZMA of the samples",
    Method.LZMA_UP: "LZMA of differences from the row above",
    Method.LZMA_NEIGHBOURS: "LZMA of which neighbours pixels repeat",
}
_WHAT: dict[int, str] = {
    Kind.INDEX: "tiles, how each is coded, bytes of each stream",
    Kind.MAPPING: "what the coded samples stand for",
    Kind.CHANGES: "changes to the model for this image",
    Kind.CONDITION: "what the model is given beside the pixels",
    Kind.COARSEST: "the first pixel of each tile",
    Kind.END: "nothing: the file is whole",
}
_METADATA = frozenset(MetadataKind)
_CRC_SIZE = 4


def bits_by_level(seen: Seen) -> Element:
    """How many bits each level takes, really and in theory, and which channel takes them."""
    about, spent = seen.about, seen.costs
    plain = [
        sum(sizes[unit] for unit, method in enumerate(seen.parts.methods) if method is not Method.MODEL)
        for sizes in seen.parts.index.streams
    ]
    first, bare = len(seen.parts.coarsest), sum(plain)
    whole = max(8 * first, 8 * bare, *(spent.levels.sum(1) / 2**16))
    drawn = bar([Part("first", 8 * first, f"{number(first)} bytes")], whole, "First pixels, as they are")
    rows: list[tuple[Cell, ...]] = [("first pixels", drawn, None, None, None, first, None)]
    if bare:
        drawn = bar([Part("plain", 8 * bare, f"{number(bare)} bytes")], whole, "Streams without a model")
        rows.append(("no model", drawn, None, None, bare, bare, None))
    each = zip(about.levels, spent.levels / 2**19, spent.samples.tolist(), plain, strict=True)
    for level, channels, samples, others in each:
        if samples:
            name = sides(level.width, level.height)
            theory, real = float(channels.sum()), level.bytes - others
            drawn = _channels_bar(seen, name, channels.tolist(), whole, real)
            excess = f"{100 * (real / theory - 1):+.2f} %"
            rows.append((name, drawn, samples, 8 * theory / samples, round(theory), real, excess))
    rest = about.bytes - first - sum(level.bytes for level in about.levels)
    rows.append(("header, heads, metadata", None, None, None, None, rest, None))
    theory = bare + int(spent.levels.sum()) / 2**19
    rows.append(("the file", None, int(spent.samples.sum()), None, round(theory), about.bytes, None))
    names = [*zip(seen.kinds, seen.channels, strict=True), ("first", "first pixels")]
    names += [("plain", "without a model")] if bare else []
    keys = [element("li", element("i", class_=f"key {kind}"), name) for kind, name in names]
    told = (
        "Each level adds every second row or column. Bars are the information content of its symbols; the "
        "line across is what its streams really take."
    )
    header = ("image so far", "bits", "samples", "bits/dim", "bytes in theory", "bytes", "over theory")
    return section(
        "Bits by level and channel",
        element("p", told, class_="note"),
        element("ul", *keys, class_="keys"),
        table("Bits of each level, coarse to fine", header, rows, words=2, class_="bars sum"),
    )


def _channels_bar(seen: Seen, name: str, channels: list[float], whole: float, real: int) -> Element:
    """The bytes of each channel of a level, and where those of its streams end."""
    told = [f"{channel} {number(size)} bytes" for channel, size in zip(seen.channels, channels, strict=True)]
    each = zip(seen.kinds, channels, told, strict=True)
    parts = [Part(kind, 8 * size, words) for kind, size, words in each]
    return bar(parts, whole, f"{name}: {', '.join(told)}", mark=8 * real)


class _Coded(NamedTuple):
    """A unit, its method, and the bytes of its streams."""

    unit: Unit
    method: Method
    size: int


def tiles(seen: Seen) -> Element | None:
    """How each tile is coded."""
    parts, coded = seen.parts, seen.parts.coded
    if len(parts.methods) == 1:
        return None
    sizes = [sum(row[unit] for row in parts.index.streams) for unit in range(len(parts.methods))]
    every = list(map(_Coded, units(coded, parts.tile_bits), parts.methods, sizes))
    rows: list[tuple[Cell, ...]] = []
    for method, what in _METHODS.items():
        if mine := [one.size for one in every if one.method is method]:
            key = element("i", class_=f"key {method.name.lower()}")
            rows.append((element("span", key, method.name), what, len(mine), sum(mine)))
    names = ("Colours", "Alpha") if coded.components > 1 else ("All channels",)
    told, maps = "", []
    if coded.components > 1:
        told = "Colours and alpha of a tile are coded apart. "
    if len(every) > MOST_TILES * coded.components:
        told += f"More than {number(MOST_TILES)} tiles are not drawn."
    else:
        maps = [_tile_map(coded, name, every[place :: len(names)]) for place, name in enumerate(names)]
    return section(
        "Tiles",
        element("p", told, class_="note") if told else None,
        element("div", *maps, class_="maps"),
        table("Tiles by how they are coded", ("method", "is", "tiles", "bytes"), rows, words=2),
    )


def _tile_map(coded: Raster, name: str, each: list[_Coded]) -> Element:
    """The tiles of some channels in the colours of their methods."""
    drawn = []
    for unit, method, size in each:
        left, top = unit.columns.start, unit.rows.start
        height, width = unit.shape(coded.height, coded.width)
        bits = 8 * size / (width * height)
        title = f"{left},{top}: {method.name}, {number(size)} bytes, {bits:.2f} bits a pixel"
        drawn.append(Tile(left, top, width, height, method.name.lower(), title))
    made = mosaic(drawn, (coded.width, coded.height), f"{name}: how each tile is coded")
    return element("figure", element("figcaption", name), made, class_="mosaic")


def file_sections(seen: Seen) -> Element:
    """The bytes of the file from the first to the last."""
    head = Section(0, b"", 0, HEADER_SIZE)
    strip = [Part("header", HEADER_SIZE, f"header, {HEADER_SIZE} bytes")]
    rows = [_section_row(seen, head, "header", "size, model, digest of the pixels")]
    levels = iter([place for place, sizes in enumerate(seen.parts.index.streams) if any(sizes)])
    for one in seen.sections:
        kind, what = one.name.lower().partition(" ")[0], _WHAT.get(one.kind, "")
        if one.kind in _METADATA:
            kind, what = "metadata", "metadata, see below"
        elif one.kind == Kind.LEVEL:
            place = next(levels)
            level = seen.about.levels[place]
            what = f"level {place}, up to {sides(level.width, level.height)}"
            kind = "level odd" if place % 2 else "level"
        size = one.stop - one.start
        strip.append(Part(kind, size, f"{one.name}, {number(size)} bytes: {what}"))
        rows.append(_section_row(seen, one, one.name, what))
    return section(
        "The file from its first to its last byte",
        element("div", bar(strip, len(seen.data), "The sections of the file"), class_="strip"),
        _marks(seen) if seen.has_symbols else None,
        table(
            f"{count(len(rows) - 1, 'section')} after the header, every checksum right",
            ("section", "is", "role", "CRC32", "offset", "bytes"),
            rows,
            words=4,
        ),
    )


def _section_row(seen: Seen, one: Section, name: str, what: str) -> tuple[Cell, ...]:
    crc = int.from_bytes(seen.data[one.stop - _CRC_SIZE : one.stop], "little")
    role = "ancillary" if one.kind & ANCILLARY else "critical"
    return name, what, role, element("code", f"{crc:08x}"), one.start, one.stop - one.start


def _marks(seen: Seen) -> Element:
    """Up to where the file has the image at fractions of its size, as far as there is room for them."""
    marks, last, size = [], 2 * len(seen.data), len(seen.data)
    for halvings, end in enumerate(seen.ends[:0:-2]):
        if last - end > size / 12 and end > size / 50:
            fraction = f"1/{1 << halvings}" if halvings else "whole"
            marks.append(element("span", fraction, style=f"left: {100 * end / size:.2f}%"))
            last = end
    return element("div", *marks, class_="marks")


def metadata(seen: Seen) -> Element | None:
    """What the file says beside the pixels."""
    found = [one for one in seen.sections if one.kind in _METADATA]
    if not found:
        return None
    said = _said(seen.parts.metadata)
    rows = [(one.name, said[MetadataKind(one.kind)], len(one.payload)) for one in found]
    texts = [
        (text.keyword, _shortened(text.text), len(text.text.encode())) for text in seen.parts.metadata.text
    ]
    return section(
        "Metadata",
        table("Metadata by kind", ("kind", "says", "bytes"), rows, words=2),
        table("Texts", ("keyword", "text", "bytes"), texts, words=2) if texts else None,
    )


def _said(metadata: Metadata) -> dict[MetadataKind, str]:
    """Each kind of metadata in a few words."""
    palette, resolution, time = metadata.palette, metadata.resolution, metadata.time
    said = {
        MetadataKind.ICC: f"a profile of {number(len(metadata.icc))} bytes",
        MetadataKind.EXIF: f"{number(len(metadata.exif))} bytes",
        MetadataKind.XMP: f"{number(len(metadata.xmp))} bytes",
        MetadataKind.ORIENTATION: f"turned for showing as TIFF counts: {metadata.orientation}",
        MetadataKind.TRANSPARENT: f"not to be seen: {metadata.transparent}",
        MetadataKind.TEXT: count(len(metadata.text), "text"),
    }
    if metadata.colour is not None:
        names = ("gamma", "chromaticities", "intent", "cicp", "mastering", "light")
        stated = [
            name for name, value in zip(names, metadata.colour.stated, strict=True) if value is not None
        ]
        said[MetadataKind.COLOUR] = ", ".join(stated)
    if palette is not None:
        said[MetadataKind.PALETTE] = f"{count(len(palette), 'colour')}, {len(palette.alpha)} with alpha"
    if resolution is not None:
        across, down = (f"{n / d:.6g}" for n, d in (resolution.x, resolution.y))
        said[MetadataKind.RESOLUTION] = f"{across} x {down} pixels, unit: {resolution.unit.name.lower()}"
    if time is not None:
        said[MetadataKind.TIME] = "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC".format(*time)
    return said


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}\N{HORIZONTAL ELLIPSIS}"
