"""The page of a .ppyr file: its picture, what every pixel costs, its levels, tiles, sections and metadata."""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import ppyr
from ppyr.bitstream.container import (
    ANCILLARY,
    HEADER_SIZE,
    Container,
    Kind,
    Layout,
    Section,
    sections,
    unpack,
)
from ppyr.bitstream.mapping import ChannelMapping, ColourMapping, How
from ppyr.bitstream.metasections import MetadataKind
from ppyr.bitstream.plain import Method
from ppyr.bitstream.raster import SHALLOW
from ppyr.costs import Costs, costs
from ppyr.decoding import DEFAULT_MAX_PIXELS
from ppyr.inspect import Info, info
from ppyr.metadata import Metadata
from ppyr.picture import units

from . import html
from .charts import Cell, Part, bar, grid, mosaic
from .colours import top_of
from .html import Child, Element, element, facts, number, page, section, table
from .pictures import brightest, heat, means, picture, shown

#: Pixels a side of the picture of a level.
_LEVEL_SIDE = 256
#: Side of the blocks in which costs are shown beside those of single pixels.
_BLOCK = 8
#: Tiles that are drawn, and characters of a text that are shown.
_MOST_TILES, _MOST_CHARACTERS = 4096, 200

CHANNELS = {1: "gray", 2: "gray and alpha", 3: "RGB", 4: "RGBA"}
_NAMES = {
    1: ("Gray",),
    2: ("Gray", "Alpha"),
    3: ("Red", "Green", "Blue"),
    4: ("Red", "Green", "Blue", "Alpha"),
}
_METHODS = {
    Method.MODEL: "a likelihood model",
    Method.CONSTANT: "one colour",
    Method.STORED: "its bits, as they are",
    Method.LZMA: "LZMA of the samples",
    Method.LZMA_UP: "LZMA of differences from the row above",
    Method.LZMA_NEIGHBOURS: "LZMA of which neighbours pixels repeat",
}
_WHAT = {
    "header": "size, model, digest of the pixels",
    "INDEX": "tiles, how each is coded, bytes of each stream",
    "MAPPING": "what the coded samples stand for",
    "CHANGES": "changes to the model for this image",
    "CONDITION": "what the model is given beside the pixels",
    "COARSEST": "the first pixel of each tile",
    "END": "nothing: the file is whole",
}


@dataclass(frozen=True)
class Seen:
    """What the page shows.

    Attributes:
        name: of the file.
        data: the file.
        about: see `ppyr.info`.
        parts: the file taken apart.
        costs: what its samples cost.
        pixels: as they are to be looked at, (H, W, C).
    """

    name: str
    data: bytes
    about: Info
    parts: Container
    costs: Costs
    pixels: npt.NDArray[np.uint8]

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels of the coded image."""
        mapping, names = self.parts.mapping, self.names
        if isinstance(mapping, ColourMapping):
            return ("Number of the colour",)
        if isinstance(mapping, ChannelMapping):
            return tuple(name for name, one in zip(names, mapping.each, strict=True) if one.is_coded)
        return names

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the channels of the image."""
        return ("Number in the palette",) if self.parts.metadata.palette else _NAMES[self.about.channels]

    @property
    def sections(self) -> list[Section]:
        """All sections in order."""
        return list(sections(self.data))

    @property
    def level_ends(self) -> list[int]:
        """Offsets at which the levels are complete, coarse to fine."""
        found, last = [], 0
        stops = iter([one.stop for one in self.sections if one.kind == Kind.LEVEL])
        (last,) = (one.stop for one in self.sections if one.kind == Kind.COARSEST)
        for sizes in self.parts.index.streams:
            last = next(stops) if any(sizes) else last
            found.append(last)
        return found


def inspection(
    data: bytes, name: str, *, backend: str = "auto", max_pixels: int | None = DEFAULT_MAX_PIXELS
) -> bytes:
    """The page of a file, which is decoded and verified.

    Args:
        data: the whole .ppyr file.
        name: what to call it.
        backend: auto, int8, torch, cuda or reference.
        max_pixels: the largest image to decode; None for no limit.

    Returns:
        HTML, UTF-8.

    Raises:
        PpyrError: the file is not correct, or can not be decoded here.
    """
    parts, spent = unpack(data), costs(data, backend=backend, max_pixels=max_pixels)
    pixels = shown(spent.image, parts.header.bit_depth, parts.metadata)
    seen = Seen(name, data, info(data), parts, spent, pixels)
    return page(
        f"{name} - ppyr inspect",
        _header(seen),
        element(
            "main",
            _pictures(seen),
            _levels(seen),
            _bits_by_level(seen),
            _tiles(seen),
            _sections(seen),
            _metadata(seen),
        ),
        element("footer", element("p", f"Made by ppyr {ppyr.__version__}, ppyr inspect.")),
    )


def _header(seen: Seen) -> Element:
    about, coded = seen.about, seen.parts.coded
    samples = about.width * about.height * about.channels
    raw = samples * about.bit_depth / 8
    theory = about.theoretical_bits_per_dim * samples / 8
    side = 1 << seen.parts.tile_bits
    rows, columns = Layout(coded, seen.parts.tile_bits).tiles
    figures: list[tuple[str, Child]] = [
        ("bytes", number(about.bytes)),
        ("bits/dim", number(about.bits_per_dim, 3)),
        ("of the raw samples", f"{number(100 * about.bytes / raw, 1)} %"),
        ("bytes in theory", number(theory)),
    ]
    size = f"{number(about.width)} \N{MULTIPLICATION SIGN} {number(about.height)}"
    kind = "numbers in a palette" if seen.parts.metadata.palette else CHANNELS[about.channels]
    details: list[tuple[str, Child]] = [
        ("Size", f"{size} pixels, {kind}, {_count(about.bit_depth, 'bit')} a sample"),
        ("Raw samples", f"{number(raw)} bytes, {raw / about.bytes:.2f} times the file"),
        ("Model", about.model if about.model == "none" else f"{about.model} ({about.model_id[:8]})"),
        ("Fitted to the image", f"{number(about.changes)} bytes of changes" if about.changes else "no"),
        ("Model evaluations", f"{number(about.model_evaluations)} to decode"),
        ("Tiles", f"{number(rows * columns)} of up to {side} pixels a side" if rows * columns > 1 else "one"),
        ("Coded as", _coded_as(seen)),
        ("Pixel digest", element("code", seen.parts.header.pixel_digest.hex())),
        ("Format", f"version {about.version}"),
    ]
    if about.condition:
        details.insert(4, ("Given to the model", f"{_count(about.condition, 'byte')} beside the pixels"))
    return element("header", element("h1", seen.name), facts(figures, "figures"), facts(details))


def _coded_as(seen: Seen) -> str:
    mapping, coded = seen.parts.mapping, seen.parts.coded
    if isinstance(mapping, ColourMapping):
        return f"numbers of {len(mapping.colours)} colours, {_count(coded.bit_depth, 'bit')} each"
    if isinstance(mapping, ChannelMapping):
        told = {
            How.CODED: "as it is",
            How.RANKS: "as ranks of the values that occur",
            How.COPY: "as a copy",
            How.CONSTANT: "as one value",
        }
        each = zip(seen.names, mapping.each, strict=True)
        return ", ".join(f"{name.lower()} {told[one.how]}" for name, one in each)
    return "its samples, as they are"


def _pictures(seen: Seen) -> Element:
    """The picture, and beside it what its pixels cost."""
    costs, block = seen.costs, 1 << seen.costs.block_bits
    height, width = seen.pixels.shape[:2]
    bits = costs.bits / _pixels_of_blocks(height, width, block)
    total = bits.sum(2)
    top = top_of(total)
    views = [("All" if len(seen.channels) > 1 else "Each pixel", total, top, 1)]
    if len(seen.channels) > 1:
        each = top_of(bits.reshape(-1))
        views += [(name, bits[..., number], each, 1) for number, name in enumerate(seen.channels)]
    if min(height, width) >= 4 * _BLOCK * block:
        side = _BLOCK * block
        views.append((f"{side} \N{MULTIPLICATION SIGN} {side}", total, top_of(means(total, _BLOCK)), _BLOCK))
    choices = [
        element(
            "label",
            element("input", type="radio", name="view", checked=None if place else "checked"),
            element("span", label),
            class_=f"v{place}",
        )
        for place, (label, *_) in enumerate(views)
    ]
    figures = []
    for place, (label, values, most, factor) in enumerate(views):
        alt = (
            f"Heat map of bits, {label.lower()}: {number(float(values.mean()), 2)} bits a pixel in the mean, "
            f"{number(float(values.max()), 1)} at most"
        )
        image = heat(values, most, alt, factor)
        view = f"view v{place}" if len(views) > 1 else None
        figures.append(element("div", _framed(seen, image), _legend(most, alt), class_=view))
    alt = f"The picture, {width} x {height} pixels"
    return section(
        "Picture and cost",
        *[element("p", note, class_="note") for note in _notes(seen)],
        element(
            "div",
            element(
                "figure",
                element("figcaption", element("span", "The picture")),
                _framed(seen, picture(seen.pixels, alt, block)),
            ),
            element(
                "figure",
                element(
                    "figcaption",
                    element("span", "What its pixels cost"),
                    element("span", *choices, class_="choices", role="radiogroup", aria_label="Heat map")
                    if len(views) > 1
                    else None,
                ),
                *figures,
                class_="views",
            ),
            class_="pair",
        ),
    )


def _notes(seen: Seen) -> list[str]:
    """What has to be known of the pictures."""
    about, metadata, methods = seen.about, seen.parts.metadata, seen.parts.methods
    notes = []
    if not any(seen.costs.samples):
        notes.append("No pixel is coded by a model, so there are no symbols whose cost is known one by one.")
    elif len(seen.about.levels) == 1:
        notes.append("A pixel costs the information content of its symbols.")
    else:
        notes.append(
            "A pixel costs the information content of its symbols. Each is coded once, on the level that "
            "adds it, so those of coarse levels, whose neighbours are not known yet, stand out as dots."
        )
    if any(method not in (Method.MODEL, Method.CONSTANT) for method in methods):
        notes.append("The bytes of what is coded without a model are spread evenly over its pixels.")
    if seen.costs.block_bits:
        block = 1 << seen.costs.block_bits
        notes.append(f"The image is too large for a page: a pixel of these is the mean of {block} x {block}.")
    if about.bit_depth > SHALLOW:
        notes.append(f"The largest sample, {number(brightest(seen.costs.image))}, is shown as white.")
    if metadata.icc:
        notes.append("Colours are shown without the file's profile.")
    if metadata.orientation:
        notes.append("Pixels are shown as they are stored, before they are turned for showing.")
    return notes


def _framed(seen: Seen, image: Element) -> Element:
    """A picture of the whole image, with the lines between its tiles."""
    coded, side = seen.parts.coded, 1 << seen.parts.tile_bits
    lines = None
    if max(coded.width, coded.height) > side and coded.width * coded.height <= _MOST_TILES * side * side:
        size = coded.width, coded.height
        lines = grid(range(side, coded.width, side), range(side, coded.height, side), size)
    most = min(1000 * coded.width / coded.height, max(160, 16 * coded.width))
    return element("div", image, lines, class_="frame", style=f"max-width: {most:.0f}px")


def _legend(top: float, label: str) -> Element:
    return element(
        "div",
        element("span", "0"),
        element("span", class_="scale"),
        element("span", f"{top:g} bits a pixel and more"),
        class_="legend",
        title=label,
    )


def _pixels_of_blocks(height: int, width: int, block: int) -> npt.NDArray[np.int64]:
    """How many pixels each block has, (h, w, 1)."""
    rows, columns = (
        np.diff(np.arange(0, side, block), append=side).astype(np.int64) for side in (height, width)
    )
    return (rows[:, np.newaxis] * columns)[..., np.newaxis]


def _bits_by_level(seen: Seen) -> Element:
    """How many bits each level takes, really and in theory, and which channel takes them."""
    about, parts, spent = seen.about, seen.parts, seen.costs
    plain = [
        sum(sizes[unit] for unit, method in enumerate(parts.methods) if method is not Method.MODEL)
        for sizes in parts.index.streams
    ]
    first, bare = len(parts.coarsest), sum(plain)
    whole = max(8 * first, 8 * bare, *(spent.levels.sum(1) / 2**16))
    kinds = _kinds(seen)
    drawn = bar([Part("first", 8 * first, f"{number(first)} bytes")], whole, "First pixels, as they are")
    rows: list[tuple[html.Cell, ...]] = [("first pixels", drawn, None, None, None, first, None)]
    if bare:
        drawn = bar([Part("plain", 8 * bare, f"{number(bare)} bytes")], whole, "Streams without a model")
        rows.append(("no model", drawn, None, None, bare, bare, None))
    for level, channels, samples, others in zip(
        about.levels, spent.levels / 2**19, spent.samples.tolist(), plain, strict=True
    ):
        if not samples:
            continue
        name = f"{level.width} \N{MULTIPLICATION SIGN} {level.height}"
        theory, real = float(channels.sum()), level.bytes - others
        taken = [f"{name} {number(size)} bytes" for name, size in zip(seen.channels, channels, strict=True)]
        found = [Part(*part) for part in zip(kinds, (8 * channels).tolist(), taken, strict=True)]
        drawn = bar(found, whole, f"{name}: {', '.join(taken)}", mark=8 * real)
        excess = f"{100 * (real / theory - 1):+.2f} %"
        rows.append((name, drawn, samples, 8 * theory / samples, round(theory), real, excess))
    rest = about.bytes - first - sum(level.bytes for level in about.levels)
    rows.append(("header, heads, metadata", None, None, None, None, rest, None))
    theory = bare + int(spent.levels.sum()) / 2**19
    rows.append(("the file", None, int(spent.samples.sum()), None, round(theory), about.bytes, None))
    names = [*zip(kinds, seen.channels, strict=True), ("first", "first pixels")]
    names += [("plain", "without a model")] if bare else []
    keys = [element("li", element("i", class_=f"key {kind}"), name) for kind, name in names]
    header = ("image so far", "bits", "samples", "bits/dim", "bytes in theory", "bytes", "over theory")
    return section(
        "Bits by level and channel",
        element(
            "p",
            "Each level adds every second row or column. Bars are the information content of its symbols; "
            "the line across is what its streams really take.",
            class_="note",
        ),
        element("ul", *keys, class_="keys"),
        table("Bits of each level, coarse to fine", header, rows, words=2, class_="bars sum"),
    )


def _kinds(seen: Seen) -> list[str]:
    """Classes of the colours of the coded channels."""
    return [name.lower().split(maxsplit=1)[0] for name in seen.channels]


def _levels(seen: Seen) -> Element | None:
    """What prefixes of the file show."""
    if not any(seen.costs.samples):
        return None
    data, spent, parts, costs = seen.data, seen.costs, seen.parts, seen.costs.bits.sum(2)
    coded = len(parts.levels) % 2
    count = len(parts.levels) // 2
    ends = [_offset(seen, Kind.COARSEST), *seen.level_ends]
    found = [(count - factor, ends[coded + 2 * factor]) for factor in range(count + 1)]
    if coded:
        found.insert(0, (Layout(parts.coded, parts.tile_bits).halvings, ends[0]))
    top = top_of(costs) if not spent.block_bits else 1.0
    cards = []
    for level, end in found:
        step = 1 << level
        pixels = seen.pixels[::step, ::step]
        height, width = pixels.shape[:2]
        factor = -(-max(height, width) // _LEVEL_SIDE)
        size = f"{width} \N{MULTIPLICATION SIGN} {height}"
        bits = costs[::step, ::step]
        cards.append(
            element(
                "figure",
                picture(pixels, f"The image at {size} pixels", factor),
                None
                if spent.block_bits
                else heat(bits, top, f"Its cost: {number(float(bits.sum()))} bits", factor),
                element(
                    "figcaption",
                    element("b", size),
                    element("span", f"{number(end)} bytes"),
                    element("span", f"{_percent(end / len(data))} of the file"),
                ),
            )
        )
    told = (
        "Any prefix that ends with a level is a smaller image: ppyr decompress --level gives it. Below each "
        f"is what its pixels cost, in the colours of the heat map up to {top:g} bits a pixel."
    )
    large = f"Images of more than {_LEVEL_SIDE} pixels a side are reduced to that here."
    return section(
        "What a prefix of the file shows",
        element("p", told.partition(" Below")[0] if spent.block_bits else told, " ", large, class_="note"),
        element("div", *cards, class_="cards", style=f"--shape: {seen.about.width} / {seen.about.height}"),
    )


def _offset(seen: Seen, kind: Kind) -> int:
    """Where the section of a kind ends."""
    return next(one.stop for one in seen.sections if one.kind == kind)


def _tiles(seen: Seen) -> Element | None:
    """How each tile is coded."""
    parts = seen.parts
    if len(parts.methods) == 1:
        return None
    coded, components = parts.coded, parts.coded.components
    sizes = [sum(map(len, streams)) for streams in zip(*parts.levels, strict=True)] or [0] * len(
        parts.methods
    )
    every = list(zip(units(coded, parts.tile_bits), parts.methods, sizes, strict=True))
    counts, taken = Counter(parts.methods), Counter[Method]()
    for _, method, size in every:
        taken[method] += size
    rows = [
        (
            element("span", element("i", class_=f"key {method.name.lower()}"), method.name),
            _METHODS[method],
            counts[method],
            taken[method],
        )
        for method in Method
        if counts[method]
    ]
    maps = []
    for component in range(components if len(every) <= _MOST_TILES * components else 0):
        cells = []
        for unit, method, size in every[component::components]:
            height, width = unit.shape(coded.height, coded.width)
            place = f"{unit.columns.start},{unit.rows.start}: {method.name}, {number(size)} bytes"
            title = f"{place}, {8 * size / (width * height):.2f} bits a pixel"
            cells.append(Cell(unit.columns.start, unit.rows.start, width, height, method.name.lower(), title))
        what = ("Colours", "Alpha")[component] if components > 1 else "All channels"
        drawn = mosaic(cells, (coded.width, coded.height), f"{what}: how each tile is coded")
        maps.append(element("figure", element("figcaption", what), drawn, class_="mosaic"))
    told = "Colours and alpha of a tile are coded apart. " if components > 1 else ""
    if not maps:
        told += f"More than {_MOST_TILES} tiles are not drawn."
    return section(
        "Tiles",
        element("p", told, class_="note") if told else None,
        element("div", *maps, class_="maps"),
        table("Tiles by how they are coded", ("method", "is", "tiles", "bytes"), rows, words=2),
    )


def _sections(seen: Seen) -> Element:
    """The bytes of the file from the first to the last."""
    data = seen.data
    strip = [Part("header", HEADER_SIZE, f"header, {HEADER_SIZE} bytes")]
    rows: list[tuple[Child | int, ...]] = [
        _section_row(
            0, "header", HEADER_SIZE, data[HEADER_SIZE - 4 : HEADER_SIZE], "critical", _WHAT["header"]
        )
    ]
    levels = iter([n for n, sizes in enumerate(seen.parts.index.streams) if any(sizes)])
    for one in seen.sections:
        name, what, kind = one.name, _WHAT.get(one.name, ""), one.name.lower().split()[0]
        if one.kind in list(MetadataKind):
            kind, what = "metadata", "metadata, see below"
        if one.kind == Kind.LEVEL:
            place = next(levels)
            level = seen.about.levels[place]
            what = f"level {place}, up to {level.width} \N{MULTIPLICATION SIGN} {level.height}"
            kind = "level odd" if place % 2 else "level"
        strip.append(Part(kind, one.stop - one.start, f"{name}, {number(one.stop - one.start)} bytes {what}"))
        skipped = "ancillary" if one.kind & ANCILLARY else "critical"
        crc = data[one.stop - 4 : one.stop]
        rows.append(_section_row(one.start, name, one.stop - one.start, crc, skipped, what))
    ends = [(count, end) for count, end in enumerate(reversed(seen.level_ends)) if count % 2 == 0]
    marks, last = [], len(data) * 2
    for count, end in ends:
        if last - end > len(data) / 12 and end > len(data) / 50:
            fraction = "whole" if not count else f"1/{1 << count // 2}"
            marks.append(element("span", fraction, style=f"left:{100 * end / len(data):.2f}%"))
            last = end
    return section(
        "The file from its first to its last byte",
        element("div", bar(strip, len(data), "The sections of the file"), class_="strip"),
        element("div", *marks, class_="marks") if marks and any(seen.costs.samples) else None,
        table(
            f"{len(rows) - 1} sections after the header, every checksum right",
            ("section", "is", "role", "CRC32", "offset", "bytes"),
            rows,
            words=4,
        ),
    )


def _section_row(
    start: int, name: str, size: int, crc: bytes, skipped: str, what: str
) -> tuple[Child | int, ...]:
    (value,) = struct.unpack("<I", crc)
    return name, what, skipped, element("code", f"{value:08x}"), start, size


def _metadata(seen: Seen) -> Element | None:
    """What the file says beside the pixels."""
    found = [one for one in seen.sections if one.kind in list(MetadataKind)]
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
        MetadataKind.TEXT: _count(len(metadata.text), "text"),
    }
    if metadata.colour is not None:
        names = ("gamma", "chromaticities", "intent", "cicp", "mastering", "light")
        stated = [
            name for name, value in zip(names, metadata.colour.stated, strict=True) if value is not None
        ]
        said[MetadataKind.COLOUR] = ", ".join(stated)
    if palette is not None:
        said[MetadataKind.PALETTE] = f"{_count(len(palette), 'colour')}, {len(palette.alpha)} with alpha"
    if resolution is not None:
        across, down = (f"{n / d:.6g}" for n, d in (resolution.x, resolution.y))
        said[MetadataKind.RESOLUTION] = f"{across} x {down} pixels, unit: {resolution.unit.name.lower()}"
    if time is not None:
        said[MetadataKind.TIME] = "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC".format(*time)
    return said


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}\N{HORIZONTAL ELLIPSIS}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share > 0.1 else f"{100 * share:.2g} %"


def _count(count: int, what: str) -> str:
    return f"{number(count)} {what}{'' if count == 1 else 's'}"
