"""Metadata into image files: what a format can not hold is refused by name, never dropped."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields, replace
from typing import Any

from ppyr.errors import UnsupportedImageError
from ppyr.metadata import Metadata, Resolution, Text, Unit, kind_of, kind_of_text
from ppyr.metadata.png import png_resolution, png_with
from ppyr.metadata.tiff import is_tiff_exif, tiff_resolution, tiff_text, tiff_with

_HELD = {
    "PNG": {"palette", "transparent", "icc", "colour", "exif", "xmp", "text", "resolution", "time"},
    "TIFF": {"palette", "icc", "orientation", "exif", "xmp", "text", "resolution"},
    "WEBP": {"icc", "exif", "xmp"},
    "BMP": {"palette", "resolution"},
    "PNM": set(),
}
"""Fields of `Metadata` that the formats can hold, though not with every value."""
_NAMES = {"palette": "this palette", "transparent": "a transparent colour"}

_ALTERNATIVES = {".png": "PNG", ".tif": "TIFF"}


def fitted(metadata: Metadata, form: str) -> Metadata:
    """Metadata as a format states them.

    Args:
        metadata: what a .ppyr file holds.
        form: a format, one of `ppyr.imagefile.WRITABLE`.

    Returns:
        The same, with the resolution in a unit of the format: where it knows only whole pixels a metre, it is
        rounded to these.

    Raises:
        UnsupportedImageError: the format can not hold them; `found` has the names by kind.
    """
    fitting, lost = _fit(metadata, form)
    if not lost:
        return fitting
    if meaning := [name for field, name in _NAMES.items() if field in lost]:
        raise UnsupportedImageError(
            f"a {form} file can not hold {meaning[0]}, without which the samples mean nothing: write .png",
            found=lost,
        )
    listing = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in sorted(lost.items()))
    others = [suffix for suffix, other in _ALTERNATIVES.items() if not _fit(metadata, other)[1]]
    raise UnsupportedImageError(
        f"a {form} file can not hold all metadata ({listing}): "
        f"drop them with --strip {','.join(sorted(lost))}"
        + (f", or write {' or '.join(others)}" if others else ""),
        found=lost,
    )


def save_options(metadata: Metadata, form: str) -> dict[str, Any]:
    """What Pillow's writer of a format has to be told of fitted metadata."""
    if form == "WEBP":
        return {"icc_profile": metadata.icc, "exif": metadata.exif, "xmp": metadata.xmp}
    if form == "BMP" and metadata.resolution is not None:
        return {"dpi": [number / 39.3701 for number, _ in (metadata.resolution.x, metadata.resolution.y)]}
    return {}


def attached(data: bytes, metadata: Metadata, form: str) -> bytes:
    """An image file with the fitted metadata that the library did not write."""
    if form == "PNG":
        return png_with(data, metadata)
    return tiff_with(data, metadata) if form == "TIFF" else data


def _fit(metadata: Metadata, form: str) -> tuple[Metadata, dict[str, list[str]]]:
    """Metadata as a format states them, and the names of what it can not hold, by kind."""
    lost: defaultdict[str, list[str]] = defaultdict(list)
    names = [field.name for field in fields(metadata) if field.name != "text"]
    for name in names:
        if getattr(metadata, name) and not _holds(metadata, name, form):
            lost[kind_of(name)].append(name)
    kept: list[Text] = []
    for text, fitting in _fit_text(metadata.text, form):
        if fitting is None:
            lost[kind_of_text(text.keyword)].append(text.keyword)
        else:
            kept.append(fitting)
    resolution = None if "dpi" in lost else _fit_resolution(metadata.resolution, form)
    return replace(metadata, resolution=resolution, text=tuple(kept)), dict(lost)


def _holds(metadata: Metadata, name: str, form: str) -> bool:
    if name not in _HELD[form]:
        return False
    if metadata.palette and name == "palette" and form != "PNG":
        return not metadata.palette.alpha
    if name == "xmp" and form == "PNG":
        return _is_utf8(metadata.xmp)
    if name == "exif" and form == "TIFF":
        return is_tiff_exif(metadata.exif)
    return name != "resolution" or _fit_resolution(metadata.resolution, form) is not None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _fit_text(texts: tuple[Text, ...], form: str) -> list[tuple[Text, Text | None]]:
    if form == "TIFF":
        return list(tiff_text(texts))
    return [(text, text if form == "PNG" and "\0" not in text.text else None) for text in texts]


def _fit_resolution(resolution: Resolution | None, form: str) -> Resolution | None:
    if resolution is None or form == "TIFF":
        return resolution and tiff_resolution(resolution)
    fitting = png_resolution(resolution)
    return None if form == "BMP" and fitting is not None and fitting.unit == Unit.NONE else fitting
