"""Elements of HTML and SVG, and the page around them; all text is escaped when the page is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources
from typing import TypeAlias
from xml.etree import ElementTree as ET

Element: TypeAlias = ET.Element
Child = Element | str | None
Cell = Child | int | float

#: What a browser may take for this page: what is in it.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def element(tag: str, /, *children: Child, **attributes: str | float | None) -> Element:
    """An element with its children in order; None is no child, and no attribute.

    An underscore at the end of an attribute's name is left out, others are hyphens.
    """
    named = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
    made = ET.Element(tag, {key: visible(_text(value)) for key, value in named.items() if value is not None})
    last: Element | None = None
    for child in children:
        if isinstance(child, str):
            if last is None:
                made.text = (made.text or "") + visible(child)
            else:
                last.tail = (last.tail or "") + visible(child)
        elif child is not None:
            made.append(child)
            last = child
    return made


def visible(text: str) -> str:
    """Text of which nothing is hidden: spaces for white space, U+FFFD for what can not be printed."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def number(value: float, digits: int = 0) -> str:
    """A number for people, with thousands separators."""
    return f"{value:,.{digits}f}"


def sides(*lengths: int) -> str:
    """Lengths of sides for people."""
    return " \N{MULTIPLICATION SIGN} ".join(map(str, lengths))


def percent(share: float) -> str:
    """A share for people."""
    return f"{100 * share:.0f} %" if share > 0.1 else f"{100 * share:.2g} %"


def count(many: int, what: str) -> str:
    """So many of what a word names."""
    return f"{number(many)} {what}{'' if many == 1 else 's'}"


def table(
    caption: str,
    header: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    words: int = 1,
    class_: str | None = None,
) -> Element:
    """A table that scrolls where it is too wide.

    Args:
        caption: what it is.
        header: names of the columns.
        rows: their cells, the first one a heading; whole numbers get separators, others three digits.
        words: columns that begin at the left; the others are numbers and end at the right.
        class_: for the style.
    """
    sides = [None if place < words else "n" for place in range(len(header))]
    heads = [element("th", name, scope="col", class_=side) for name, side in zip(header, sides, strict=True)]
    body = []
    for first, *others in rows:
        cells = [
            element("td", _child(cell), class_=side, data_label=name)
            for cell, side, name in zip(others, sides[1:], header[1:], strict=True)
        ]
        body.append(element("tr", element("th", _child(first), scope="row"), *cells))
    made = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *heads)),
        element("tbody", *body),
        class_=class_,
    )
    return element("div", made, class_="scroll", tabindex="0", role="region", aria_label=caption)


def facts(pairs: Iterable[tuple[str, Child]], class_: str = "facts") -> Element:
    """Names and what they are."""
    groups = [element("div", element("dt", name), element("dd", value)) for name, value in pairs]
    return element("dl", *groups, class_=class_)


def section(title: str, *children: Child) -> Element:
    """A part of a page under a title."""
    return element("section", element("h2", title), *children)


def page(title: str, *body: Child) -> bytes:
    """The whole page, UTF-8."""
    style = ET.Element("style")
    style.text = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        style,
    )
    whole = element("html", head, element("body", *body), lang="en")
    return f"<!doctype html>\n{ET.tostring(whole, 'unicode', method='html')}\n".encode()


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def _child(cell: Cell) -> Child:
    return (
        cell if cell is None or isinstance(cell, str | Element) else number(cell, 3 * isinstance(cell, float))
    )
