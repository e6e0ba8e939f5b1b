"""Charts in SVG, whose colours are classes of the page's style.

What has no words is stretched to the width that there is; a chart with words keeps its shape.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .html import Element, element, number

_WIDTH = 1000
#: Sides of a scatter plot, and of the frame in it: left, top, right, bottom.
_SIZE, _FRAME = (420, 310), (56, 12, 412, 264)
#: What has more than so many times the least is at the upper edge of a plot.
_FAR = 1.14
#: Factor between the ends of an axis from which on only powers of ten are named.
_MANY = 60


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar: class of its colour, how much it is, and what it is in words."""

    kind: str
    value: float
    title: str


def bar(parts: Iterable[Part], whole: float, label: str, *, mark: float | None = None) -> Element:
    """Parts side by side on a line that stands for `whole`, and a mark upon it."""
    drawn: list[Element] = []
    at = 0.0
    for part in parts:
        width = _WIDTH * part.value / whole
        title = element("title", part.title)
        drawn.append(element("rect", title, x=at, y=0, width=width, height=20, class_=part.kind))
        at += width
    if mark is not None:
        across = _WIDTH * mark / whole
        drawn.append(element("line", x1=across, x2=across, y1=0, y2=20, class_="mark"))
    return _drawing(drawn, (_WIDTH, 20), label, stretched=True)


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of a map: place and size, class of its colour, and what it is in words."""

    left: int
    top: int
    width: int
    height: int
    kind: str
    title: str


def mosaic(tiles: Iterable[Tile], size: tuple[int, int], label: str) -> Element:
    """Rectangles on a plane of this width and height."""
    drawn = [
        element(
            "rect",
            element("title", tile.title),
            x=tile.left,
            y=tile.top,
            width=tile.width,
            height=tile.height,
            class_=f"cell {tile.kind}",
        )
        for tile in tiles
    ]
    return _drawing(drawn, size, label)


def grid(columns: Iterable[int], rows: Iterable[int], size: tuple[int, int]) -> Element:
    """Lines to lie over a picture of this width and height."""
    width, height = size
    lines = [element("line", x1=x, x2=x, y1=0, y2=height) for x in columns]
    lines += [element("line", x1=0, x2=width, y1=y, y2=y) for y in rows]
    made = _drawing(lines, size, None, stretched=True)
    made.set("class", "grid")
    return made


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one kind: class of their colour, name, and (x, y, label) of each; joined in this order."""

    kind: str
    name: str
    points: Sequence[tuple[float, float, str]]


def scatter(series: Sequence[Series], across: str, up: str, label: str) -> Element:
    """Points over a logarithmic axis of seconds; those far above the lowest are at the upper edge."""
    points = [point for one in series for point in one.points]
    seconds, values = _axis([x for x, _, _ in points]), [y for _, y, _ in points]
    low, high = 0.985 * min(values), 1.015 * min(max(values), _FAR * min(values))
    left, top, right, bottom = _FRAME

    def place(x: float, y: float) -> tuple[float, float]:
        first, last = (math.log10(end) for end in seconds)
        share = (math.log10(x) - first) / (last - first)
        return left + share * (right - left), bottom - (min(y, high) - low) / (high - low) * (bottom - top)

    drawn = [element("rect", x=left, y=top, width=right - left, height=bottom - top, class_="frame")]
    for tick in _seconds(*seconds):
        x, _ = place(tick, low)
        drawn.append(element("line", x1=x, x2=x, y1=top, y2=bottom, class_="rule"))
        drawn.append(element("text", _told(tick), x=x, y=bottom + 17, class_="tick middle"))
    ticks, digits = _ticks(low, high)
    for tick in ticks:
        _, y = place(seconds[0], tick)
        drawn.append(element("line", x1=left, x2=right, y1=y, y2=y, class_="rule"))
        drawn.append(element("text", number(tick, digits), x=left - 7, y=y + 4, class_="tick end"))
    drawn.append(element("text", across, x=(left + right) / 2, y=bottom + 36, class_="axis middle"))
    turned = {"transform": "rotate(-90)", "class_": "axis middle"}
    drawn.append(element("text", up, x=-(top + bottom) / 2, y=11, **turned))
    for one in series:
        places = [place(x, y) for x, y, _ in one.points]
        for (x1, y1), (x2, y2) in pairwise(places):
            drawn.append(element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=f"join {one.kind}"))
    words: list[tuple[float, float, float]] = []
    for one in series:
        for x, y, name in one.points:
            cx, cy = place(x, y)
            title = f"{one.name} {name}: {number(y, 3)} bits/dim, {x:.3g} s a megapixel"
            drawn.append(element("circle", element("title", title), cx=cx, cy=cy, r=4.5, class_=one.kind))
            text = name if y <= high else f"{name} {number(y, 2)} \N{UPWARDS ARROW}"
            drawn.append(element("text", text, x=cx, y=_free(words, cx, cy, text), class_="middle"))
    return _drawing(drawn, _SIZE, label)


def _drawing(
    drawn: Iterable[Element], size: tuple[int, int], label: str | None, *, stretched: bool = False
) -> Element:
    return element(
        "svg",
        *drawn,
        viewBox=f"0 0 {size[0]} {size[1]}",
        preserveAspectRatio="none" if stretched else "xMinYMin",
        role="img" if label else None,
        aria_label=label,
        aria_hidden=None if label else "true",
    )


def _free(words: list[tuple[float, float, float]], x: float, y: float, text: str) -> float:
    """Where a point's words are to stand, below it or above, so that they hide no others, and note them."""
    half = 3.5 * len(text)
    places = [y + 17, y - 9, y + 30, y - 22] if y > _FRAME[1] else [y + 17]
    free = (
        at
        for at in places
        if all(abs(at - other) >= 12 or abs(x - middle) >= half + width for middle, other, width in words)
    )
    found = next(free, places[0])
    words.append((x, found, half))
    return found


def _axis(seconds: Sequence[float]) -> tuple[float, float]:
    """The ends of an axis for these times, at least a factor of five apart."""
    middle = math.sqrt(min(seconds) * max(seconds))
    half = max(math.sqrt(max(seconds) / min(seconds)) * 1.5, math.sqrt(5))
    return middle / half, middle * half


def _seconds(first: float, last: float) -> list[float]:
    """Round times between two, some of them."""
    digits = (1, 2, 5) if last / first < _MANY else (1,)
    powers = range(math.floor(math.log10(first)), math.ceil(math.log10(last)))
    return [tick for power in powers for digit in digits if first <= (tick := digit * 10.0**power) <= last]


def _ticks(low: float, high: float) -> tuple[list[float], int]:
    """Round numbers between two, three to eight of them, and how many decimals they have, two at least."""
    wanted = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(wanted))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= wanted)
    ticks = [count * step for count in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return ticks, max(2, -math.floor(math.log10(step)))


def _told(seconds: float) -> str:
    return f"{seconds:.6g} s" if seconds >= 1 else f"{1000 * seconds:.6g} ms"
