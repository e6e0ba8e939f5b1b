"""The page of a .ppyr file: its picture, what every pixel costs, its levels, tiles, sections and metadata."""

from __future__ import annotations

import ppyr
from ppyr.bitstream.container import Layout
from ppyr.bitstream.mapping import ChannelMapping, ColourMapping, How
from ppyr.commands import CHANNELS
from ppyr.decoding import DEFAULT_MAX_PIXELS

from .anatomy import bits_by_level, file_sections, metadata, tiles
from .html import Child, Element, count, element, facts, number, page, sides
from .maps import picture_and_cost, prefixes
from .seen import Seen


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
    seen = Seen.of(data, name, backend, max_pixels)
    return page(
        f"{name} - ppyr inspect",
        _header(seen),
        element(
            "main",
            picture_and_cost(seen),
            prefixes(seen),
            bits_by_level(seen),
            tiles(seen),
            file_sections(seen),
            metadata(seen),
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
    kind = "numbers in a palette" if seen.parts.metadata.palette else CHANNELS[about.channels]
    details: list[tuple[str, Child]] = [
        (
            "Size",
            f"{sides(about.width, about.height)} pixels, {kind}, {count(about.bit_depth, 'bit')} a sample",
        ),
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
        details.insert(4, ("Given to the model", f"{count(about.condition, 'byte')} beside the pixels"))
    return element("header", element("h1", seen.name), facts(figures, "figures"), facts(details))


def _coded_as(seen: Seen) -> str:
    mapping, coded = seen.parts.mapping, seen.parts.coded
    if isinstance(mapping, ColourMapping):
        return f"numbers of {len(mapping.colours)} colours, {count(coded.bit_depth, 'bit')} each"
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
