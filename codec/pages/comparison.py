"""The page of a comparison: what `ppyr bench` measured, as tables and as density over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from .charts import Part, Series, bar, scatter
from .html import Cell, Child, Element, count, element, facts, number, page, section, sides, table

_DIRECTIONS = {"encode": "encode_seconds", "decode": "decode_seconds"}
_FAMILIES = {"ppyr": "ppyr", "jpegxl": "JPEG XL", "webp": "WebP", "png": "PNG"}


def comparison(found: Mapping[str, Any]) -> bytes:
    """The page of a report.

    Args:
        found: see `ppyr.bench.report`.

    Returns:
        HTML, UTF-8.
    """
    totals, images = found["totals"], found["images"]
    codecs = {found["model"] or found["model_id"][:8]: totals, **totals["peers"]}
    pixels = sum(image["width"] * image["height"] for image in images)
    raw = _raw(images)
    return page(
        f"{count(len(images), 'image')} - ppyr bench",
        _header(found, raw),
        element(
            "main",
            _plots(codecs, pixels),
            _codecs(codecs, pixels, raw),
            _images(images),
            _versions(found),
        ),
        element("footer", element("p", f"Made by ppyr {found['versions']['ppyr']}, ppyr bench.")),
    )


def _header(found: Mapping[str, Any], raw: int) -> Element:
    totals = found["totals"]
    pixels = sum(image["width"] * image["height"] for image in found["images"])
    figures: list[tuple[str, Child]] = [
        ("bytes", number(totals["bytes"])),
        ("bits/dim, mean", number(totals["bits_per_dim"], 3)),
        ("of the raw samples", f"{100 * totals['bytes'] / raw:.1f} %"),
    ]
    others = {name: one for name, one in totals["peers"].items() if _family(name) != "ppyr"}
    if others:
        best = min(others, key=lambda name: float(others[name]["bytes"]))
        figures.append((f"of {_label(best)}", f"{100 * others[best]['bytes_ratio']:.1f} %"))
    details: list[tuple[str, Child]] = [
        ("Images", f"{count(len(found['images']), 'image')}, {number(pixels / 1e6, 2)} megapixels"),
        ("Model", f"{found['model'] or 'none'} ({found['model_id'][:8]})"),
        ("Threads", str(found["threads"])),
        ("Processor", found["cpu"]),
        ("In theory", f"{number(totals['theoretical_bits_per_dim'], 3)} bits/dim, mean"),
        ("Overhead", "as promised" if totals["overhead_ok"] else "MORE than promised"),
    ]
    return element(
        "header",
        element("h1", "ppyr beside other codecs"),
        facts(figures, "figures"),
        facts(details),
        facts([("Command", element("code", found["command"]))], "facts wide"),
    )


def _plots(codecs: Mapping[str, Mapping[str, Any]], pixels: int) -> Element:
    """Density over the time of each direction."""
    drawn = []
    for direction, key in _DIRECTIONS.items():
        series = []
        for family, name in _FAMILIES.items():
            points = [
                (one[key] / pixels * 1e6, one["bits_per_dim"], _short(codec))
                for codec, one in codecs.items()
                if _family(codec) == family
            ]
            if points:
                series.append(Series(family, name, sorted(points)))
        across, label = f"{direction}: seconds a megapixel, log", f"bits/dim over the time to {direction}"
        drawn.append(
            element(
                "figure",
                element("figcaption", direction.capitalize()),
                scatter(series, across, "bits/dim", label),
                class_="plot",
            )
        )
    keys = [
        element("li", element("i", class_=f"key {family}"), name)
        for family, name in _FAMILIES.items()
        if any(_family(codec) == family for codec in codecs)
    ]
    told = (
        "Every codec gave every image back, bit for bit. Dense and fast is at the lower left. Each time is "
        "that of one run."
    )
    return section(
        "Density and time",
        element("p", told, class_="note"),
        element("ul", *keys, class_="keys"),
        element("div", *drawn, class_="pair"),
    )


def _codecs(codecs: Mapping[str, Mapping[str, Any]], pixels: int, raw: int) -> Element:
    """One line for each codec."""
    largest = max(one["bytes"] for one in codecs.values())
    ours = next(iter(codecs.values()))
    rows: list[tuple[Cell, ...]] = []
    for codec, one in sorted(codecs.items(), key=lambda pair: float(pair[1]["bytes"])):
        told = f"{number(one['bytes'])} bytes"
        rows.append(
            (
                _label(codec),
                bar([Part(_family(codec), one["bytes"], told)], largest, told),
                one["bytes"],
                one["bits_per_dim"],
                f"{100 * one['bytes'] / raw:.1f} %",
                one["bytes"] / ours["bytes"],
                one["encode_seconds"] / pixels * 1e6,
                one["decode_seconds"] / pixels * 1e6,
            )
        )
    header = (
        "codec",
        "size",
        "bytes",
        "bits/dim",
        "of raw",
        "/ ppyr",
        "encode, s/Mpixel",
        "decode, s/Mpixel",
    )
    return section("Codecs", table("Codecs, the smallest files first", header, rows, words=2))


def _images(images: Sequence[Mapping[str, Any]]) -> Element:
    """One line for each image."""
    peers = list(images[0]["peers"])
    rows: list[tuple[Cell, ...]] = []
    for image in images:
        size = sides(image["width"], image["height"], image["channels"])
        smallest = min([image["ppyr"], *image["peers"].values()], key=lambda one: int(one["bytes"]))
        cells: list[Cell] = [
            _sized(one["bytes"], smallest["bytes"]) for one in (image["ppyr"], *image["peers"].values())
        ]
        rows.append(
            (
                PurePath(image["file"]).name,
                size,
                cells[0],
                image["bits_per_dim"],
                image["theoretical_bits_per_dim"],
                f"{100 * image['ppyr']['bytes'] / _raw([image]):.1f} %",
                *cells[1:],
                image["ppyr"]["encode_seconds"],
                image["ppyr"]["decode_seconds"],
            )
        )
    ours = ("image", "pixels", "ppyr, bytes", "bits/dim", "theory", "of raw")
    header = (*ours, *map(_label, peers), "encode, s", "decode, s")
    told = "The smallest file of each image is in bold; times are of ppyr."
    return section(
        "Images",
        element("p", told, class_="note"),
        table("Images, bytes of each codec", header, rows),
    )


def _sized(size: int, smallest: int) -> Element:
    return element("b" if size == smallest else "span", number(size))


def _versions(found: Mapping[str, Any]) -> Element:
    details: list[tuple[str, Child]] = [(name, version) for name, version in found["versions"].items()]
    return section("Versions", facts([*details, ("platform", found["platform"])]))


def _raw(images: Sequence[Mapping[str, Any]]) -> int:
    """Bytes of the samples as they are."""
    names = ("width", "height", "channels", "bit_depth")
    return sum(math.prod(int(image[name]) for name in names) for image in images) // 8


def _family(codec: str) -> str:
    """Which codec it is, whatever its effort; by default ppyr, under the name of its model."""
    name = codec.partition("-")[0]
    return name if name in _FAMILIES else "ppyr"


def _label(codec: str) -> str:
    """A codec in words."""
    family, _, effort = codec.partition("-")
    if family not in _FAMILIES:
        return f"ppyr, model {codec}"
    return f"{_FAMILIES[family]}, effort {effort}" if effort else _FAMILIES[family]


def _short(codec: str) -> str:
    """A codec beside its point."""
    family, _, effort = codec.partition("-")
    return effort if family in _FAMILIES and effort else _FAMILIES.get(family, codec)
