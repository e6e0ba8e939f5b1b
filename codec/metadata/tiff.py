"""Metadata in the tags of a TIFF file, out of it and into it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial

from ppyr.errors import UnsupportedImageError
from ppyr.metadata import Metadata, Resolution, Text, Unit
from ppyr.metadata import directory as tiff
from ppyr.metadata.find import Find

_LAYOUT = {*range(254, 260), 262, 266, 273, *range(277, 280), 284, 317, *range(322, 326), 338, 339}
_TEXT = {
    269: "Document Name",
    270: "Description",
    271: "Make",
    272: "Model",
    285: "Page Name",
    305: "Software",
    306: "DateTime",
    315: "Author",
    316: "Host Computer",
    33432: "Copyright",
}
"""Keywords of the tags that hold text, those of PNG where it has one that means the same."""
_COLOUR = {301, 318, 319}
_X, _Y, _UNIT = 282, 283, 296
_UNITS = {1: Unit.NONE, 2: Unit.INCH, 3: Unit.CENTIMETRE}
_ICC = 34675
_CARRIED = {*_TEXT, *(tiff.ORIENTATION, tiff.XMP, tiff.EXIF, tiff.GPS), *(_X, _Y, _UNIT, _ICC)}


def find_in_tiff(data: bytes) -> Iterator[Find]:
    """Find what the tags hold beside pixels."""
    directory = tiff.read_directory(data)
    for tag in directory:
        name = f"TIFF tag {tag}"
        if tag in _TEXT:
            yield Find("text", name, "text", partial(_read_text, directory, tag))
        elif tag == tiff.ORIENTATION:
            yield Find("orientation", name, "orientation", partial(_read_orientation, directory))
        elif tag == _ICC:
            yield Find("icc", name, "icc", partial(_read_bytes, directory, tag))
        elif tag == tiff.XMP:
            yield Find("xmp", name, "xmp", partial(_read_bytes, directory, tag))
        elif tag in _COLOUR:
            yield Find("icc", name)
        elif tag not in {*_LAYOUT, *_CARRIED}:
            yield Find("other", name)
    if any(tag in directory for tag in (_X, _Y, _UNIT)):
        yield Find("dpi", "TIFF tags 282, 283, 296", "resolution", partial(_read_resolution, directory))
    if tiff.EXIF in directory or tiff.GPS in directory:
        yield Find("exif", "Exif and GPS directories", "exif", partial(tiff.exif_block, directory))


def tiff_without(data: bytes) -> bytes:
    """A TIFF file without what can be carried."""
    return tiff.rewritten(data, drop=_CARRIED)


def tiff_with(data: bytes, metadata: Metadata) -> bytes:
    """A TIFF file with metadata that it can hold."""
    return tiff.rewritten(data, add=dict(_entries(metadata)))


def tiff_text(texts: Collection[Text]) -> Iterator[tuple[Text, Text | None]]:
    """Each text, in the order of the tags, and what TIFF makes of it, None where it has no tag for that."""
    keywords = [text.keyword for text in texts]
    order = list(_TEXT.values())
    for text in sorted(texts, key=lambda one: order.index(one.keyword) if one.keyword in order else -1):
        simple = not (text.language or text.translated) and (not text.international or text.text.isascii())
        fits = simple and text.keyword in order and keywords.count(text.keyword) == 1
        yield text, Text(text.keyword, text.text) if fits else None


def tiff_resolution(resolution: Resolution) -> Resolution | None:
    """A resolution as TIFF can state it, None if it can not: a metre becomes a hundred centimetres."""
    if resolution.unit != Unit.METRE:
        return resolution
    (x, x_bottom), (y, y_bottom) = resolution.x, resolution.y
    if 100 * max(x_bottom, y_bottom) >= 2**32:
        return None
    return Resolution((x, 100 * x_bottom), (y, 100 * y_bottom), Unit.CENTIMETRE)


def is_tiff_exif(exif: bytes) -> bool:
    """Whether an Exif block can be the directories of a TIFF file and come back the same."""
    try:
        return tiff.exif_block(tiff.read_directory(exif)) == exif
    except (ValueError, UnsupportedImageError):
        return False


def _value(directory: tiff.Directory, tag: int, *types: int) -> tiff.Entry:
    entry = directory[tag]
    if not isinstance(entry, tiff.Entry) or entry.type not in types:
        raise ValueError(f"tag {tag} is of another type")
    return entry


def _read_text(directory: tiff.Directory, tag: int) -> Text:
    return Text(_TEXT[tag], _value(directory, tag, tiff.ASCII).data.removesuffix(b"\0").decode("latin-1"))


def _read_bytes(directory: tiff.Directory, tag: int) -> bytes:
    return _value(directory, tag, tiff.BYTE, tiff.UNDEFINED).data


def _read_orientation(directory: tiff.Directory) -> int | None:
    (turned,) = _value(directory, tiff.ORIENTATION, tiff.SHORT, tiff.LONG).numbers()
    return None if turned == 1 else turned


def _read_resolution(directory: tiff.Directory) -> Resolution:
    code = 2  # what TIFF says where there is no unit
    if _UNIT in directory:
        (code,) = _value(directory, _UNIT, tiff.SHORT).numbers()
    x, x_bottom = _value(directory, _X, tiff.RATIONAL).numbers()
    y, y_bottom = _value(directory, _Y, tiff.RATIONAL).numbers()
    return Resolution((x, x_bottom), (y, y_bottom), _UNITS[code])


def _entries(metadata: Metadata) -> Iterator[tuple[int, tiff.Entry | tiff.Directory]]:
    tags = {keyword: tag for tag, keyword in _TEXT.items()}
    for text in metadata.text:
        yield tags[text.keyword], tiff.Entry(tiff.ASCII, text.text.encode("latin-1") + b"\0")
    if metadata.orientation is not None:
        yield tiff.ORIENTATION, tiff.Entry(tiff.SHORT, metadata.orientation.to_bytes(2, "little"))
    if metadata.icc:
        yield _ICC, tiff.Entry(tiff.UNDEFINED, metadata.icc)
    if metadata.xmp:
        yield tiff.XMP, tiff.Entry(tiff.BYTE, metadata.xmp)
    if metadata.resolution is not None:
        codes = {unit: code for code, unit in _UNITS.items()}
        for tag, fraction in ((_X, metadata.resolution.x), (_Y, metadata.resolution.y)):
            yield tag, tiff.Entry(tiff.RATIONAL, b"".join(part.to_bytes(4, "little") for part in fraction))
        yield _UNIT, tiff.Entry(tiff.SHORT, codes[metadata.resolution.unit].to_bytes(2, "little"))
    if metadata.exif:
        for tag, value in tiff.read_directory(metadata.exif).items():
            if value is not None:
                yield tag, value
