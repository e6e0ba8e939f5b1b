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
_SIZE, _FRAME = (460, 320), (52, 14, 446, 272)


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
class Cell:
    """A rectangle of a map: place and size, class of its colour, and what it is in words."""

    left: int
    top: int
    width: int
    height: int
    kind: str
    title: str


def mosaic(cells: Iterable[Cell], size: tuple[int, int], label: str) -> Element:
    """Rectangles on a plane of this width and height."""
    drawn = [
        element(
            "rect",
            element("title", cell.title),
            x=cell.left,
            y=cell.top,
            width=cell.width,
            height=cell.height,
            class_=f"cell {cell.kind}",
        )
        for cell in cells
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
    """Points over a logarithmic axis; what is far above the lowest is at the upper edge, with its value."""
    points = [point for one in series for point in one.points]
    low_x, high_x = _decades([x for x, _, _ in points])
    low, high, step = _range([y for _, y, _ in points])
    left, top, right, bottom = _FRAME

    def place(x: float, y: float) -> tuple[float, float]:
        share = (math.log10(x) - low_x) / (high_x - low_x)
        return left + share * (right - left), bottom - (min(y, high) - low) / (high - low) * (bottom - top)

    drawn = [element("rect", x=left, y=top, width=right - left, height=bottom - top, class_="frame")]
    for power in range(math.ceil(low_x), math.floor(high_x) + 1):
        x, _ = place(10.0**power, low)
        drawn.append(element("line", x1=x, x2=x, y1=top, y2=bottom, class_="rule"))
        drawn.append(element("text", _seconds(power), x=x, y=bottom + 18, class_="middle"))
    for count in range(round((high - low) / step) + 1):
        _, y = place(10.0**low_x, low + count * step)
        drawn.append(element("line", x1=left, x2=right, y1=y, y2=y, class_="rule"))
        drawn.append(element("text", number(low + count * step, 2), x=left - 8, y=y + 4, class_="end"))
    drawn.append(element("text", across, x=(left + right) / 2, y=bottom + 38, class_="middle axis"))
    drawn.append(
        element("text", up, x=-(top + bottom) / 2, y=12, class_="middle axis", transform="rotate(-90)")
    )
    for one in series:
        places = [place(x, y) for x, y, _ in one.points]
        for (x1, y1), (x2, y2) in pairwise(places):
            drawn.append(element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=f"join {one.kind}"))
    for one in series:
        for (x, y, name), (cx, cy) in zip(
            one.points, (place(*point[:2]) for point in one.points), strict=True
        ):
            told = f"{name}: {number(y, 3)} bits/dim, {x:.3g} s a megapixel"
            drawn.append(element("circle", element("title", told), cx=cx, cy=cy, r=5, class_=one.kind))
            text = name if y <= high else f"{name} {number(y, 2)} \N{UPWARDS ARROW}"
            side = ("end", cx - 9) if cx > (left + right) / 2 else (None, cx + 9)
            drawn.append(element("text", text, x=side[1], y=cy + 4, class_=side[0]))
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


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """Logarithms between which all values lie, with some room and at least one power of ten."""
    low, high = math.log10(min(values)) - 0.2, math.log10(max(values)) + 0.2
    return (low, high) if math.floor(high) >= math.ceil(low) else (math.floor(low), math.ceil(high))


#: What has more than so many times the least is drawn at the upper edge.
_FAR = 1.3


def _range(values: Sequence[float]) -> tuple[float, float, float]:
    """Least and greatest of an axis, and the step between its lines."""
    low, high = min(values), min(max(values), _FAR * min(values))
    wanted = max(high - low, 0.05 * low, 0.01) / 4
    power = 10.0 ** math.floor(math.log10(wanted))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= wanted)
    return math.floor(low / step) * step, math.ceil(high / step) * step, step


def _seconds(power: int) -> str:
    """A power of ten of seconds in words."""
    names = {-3: "1 ms", -2: "10 ms", -1: "100 ms", -4: "0.1 ms", -5: "10 \N{MICRO SIGN}s"}
    return names.get(power, f"{10.0**power:,.6g} s")
