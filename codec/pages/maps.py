"""The picture of a file and what its pixels cost, whole and level by level."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.container import Layout
from ppyr.bitstream.plain import Method
from ppyr.bitstream.raster import SHALLOW

from .anatomy import MOST_TILES
from .charts import grid
from .colours import top_of
from .html import Element, element, number, percent, section, sides
from .pictures import brightest, heat, means, picture
from .seen import Seen

#: Pixels a side of the picture of a level.
_LEVEL_SIDE = 256
#: Side of the blocks in which costs are shown beside those of single pixels.
_BLOCK = 8


class _View(NamedTuple):
    """A heat map: its name, bits a pixel (h, w), end of the scale, and side of the blocks that it shows."""

    name: str
    bits: npt.NDArray[np.float64]
    top: float
    side: int = 1


def picture_and_cost(seen: Seen) -> Element:
    """The picture, and beside it what its pixels cost."""
    height, width = seen.pixels.shape[:2]
    views = _views(seen)
    choices = [
        element(
            "label",
            element("input", type="radio", name="view", checked=None if place else "checked"),
            element("span", view.name),
            class_=f"v{place}",
        )
        for place, view in enumerate(views)
    ]
    chosen = element("span", *choices, class_="choices", role="radiogroup", aria_label="Heat map")
    several = len(views) > 1
    figures = []
    for place, view in enumerate(views):
        alt = (
            f"Heat map of bits, {view.name.lower()}: {number(float(view.bits.mean()), 2)} bits a pixel in "
            f"the mean, {number(float(view.bits.max()), 1)} at most"
        )
        drawn = _framed(seen, heat(view.bits, view.top, alt, view.side)), _legend(view.top)
        figures.append(element("div", *drawn, class_=f"view v{place}" if several else None))
    image = picture(seen.pixels, f"The picture, {sides(width, height)} pixels", 1 << seen.costs.block_bits)
    titles = element("span", "The picture"), element("span", "What its pixels cost")
    left = element("figure", element("figcaption", titles[0]), _framed(seen, image))
    heading = element("figcaption", titles[1], chosen if several else None)
    right = element("figure", heading, *figures, class_="views")
    notes = [element("p", note, class_="note") for note in _notes(seen)]
    return section("Picture and cost", *notes, element("div", left, right, class_="pair"))


def _views(seen: Seen) -> list[_View]:
    """What costs are shown: of all channels, of each, and of all in blocks."""
    height, width = seen.pixels.shape[:2]
    block, several = 1 << seen.costs.block_bits, len(seen.channels) > 1
    bits = seen.costs.bits / _pixels_of_blocks(height, width, block)
    total = bits.sum(2)
    found = [_View("All" if several else "Each pixel", total, top_of(total))]
    if several:
        top = top_of(bits)
        found += [_View(name, bits[..., place], top) for place, name in enumerate(seen.channels)]
    if min(height, width) >= 4 * _BLOCK * block:
        found.append(
            _View(sides(_BLOCK * block, _BLOCK * block), total, top_of(means(total, _BLOCK)), _BLOCK)
        )
    return found


def _notes(seen: Seen) -> list[str]:
    """What has to be known of the pictures."""
    about, metadata, methods = seen.about, seen.parts.metadata, seen.parts.methods
    notes = []
    if not seen.has_symbols:
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
        notes.append(f"The image is too large for a page: a pixel here is the mean of {sides(block, block)}.")
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
    if max(coded.width, coded.height) > side and coded.width * coded.height <= MOST_TILES * side * side:
        size = coded.width, coded.height
        lines = grid(range(side, coded.width, side), range(side, coded.height, side), size)
    most = min(1000 * coded.width / coded.height, max(160, 16 * coded.width))
    return element("div", image, lines, class_="frame", style=f"max-width: {most:.0f}px")


def _legend(top: float) -> Element:
    scale = element("span", class_="scale")
    told = element("span", f"{top:g} bits a pixel and more")
    return element("div", element("span", "0"), scale, told, class_="legend")


def _pixels_of_blocks(height: int, width: int, block: int) -> npt.NDArray[np.int64]:
    """How many pixels each block has, (h, w, 1)."""
    rows, columns = (
        np.diff(np.arange(0, side, block), append=side).astype(np.int64) for side in (height, width)
    )
    return (rows[:, np.newaxis] * columns)[..., np.newaxis]


def prefixes(seen: Seen) -> Element | None:
    """What prefixes of the file show."""
    if not seen.has_symbols:
        return None
    parts, large = seen.parts, seen.costs.block_bits > 0
    coded, factors = len(parts.levels) % 2, len(parts.levels) // 2
    found = [(factors - place, seen.ends[coded + 2 * place]) for place in range(factors + 1)]
    if coded:
        found.insert(0, (Layout(parts.coded, parts.tile_bits).halvings, seen.ends[0]))
    costs = seen.costs.bits.sum(2)
    top = top_of(costs)
    told = "Any prefix that ends with a level is a smaller image: ppyr decompress --level gives it."
    if not large:
        told += (
            f" Below each is what its pixels cost, in the colours of the heat map up to {top:g} bits a pixel."
        )
    told += f" Images of more than {_LEVEL_SIDE} pixels a side are reduced to that here."
    cards = []
    for level, end in found:
        pixels, bits = seen.pixels[:: 1 << level, :: 1 << level], costs[:: 1 << level, :: 1 << level]
        height, width = pixels.shape[:2]
        factor = -(-max(height, width) // _LEVEL_SIDE)
        size = sides(width, height)
        caption = element(
            "figcaption",
            element("b", size),
            element("span", f"{number(end)} bytes"),
            element("span", f"{percent(end / len(seen.data))} of the file"),
        )
        image = picture(pixels, f"The image at {size} pixels", factor)
        cost = None if large else heat(bits, top, f"Its cost: {number(float(bits.sum()))} bits", factor)
        cards.append(element("figure", image, cost, caption))
    shape = f"--shape: {seen.about.width} / {seen.about.height}"
    return section(
        "What a prefix of the file shows",
        element("p", told, class_="note"),
        element("div", *cards, class_="cards", style=shape),
    )
