"""Metadata in the tags of a TIFF file, out of it and into it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial

from ppyr.errors import UnsupportedImageError
from ppyr.metadata import Metadata, Palette, Resolution, Text, Unit
from ppyr.metadata import directory as tiff
from ppyr.metadata.find import Find

_PHOTOMETRIC, _COLOURS = 262, 320
_LAYOUT = {*range(254, 260), _PHOTOMETRIC, 266, 273, *range(277, 280), 284, 292, 293, 317}
_LAYOUT |= {*range(322, 326), 338, 339, 347}
_INDEXED = b"\3\0"
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
    if _is_indexed(directory):
        yield Find("", "palette", "palette", partial(_read_palette, directory))
    yield from _find_tags(directory)
    if any(tag in directory for tag in (_X, _Y, _UNIT)):
        yield Find("dpi", "TIFF tags 282, 283, 296", "resolution", partial(_read_resolution, directory))
    if tiff.EXIF in directory or tiff.GPS in directory:
        yield Find("exif", "Exif and GPS directories", "exif", partial(tiff.exif_block, directory))


def _find_tags(directory: tiff.Directory) -> Iterator[Find]:
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
        elif tag not in {*_LAYOUT, *_CARRIED} and not (tag == _COLOURS and _is_indexed(directory)):
            yield Find("other", name)


def _is_indexed(directory: tiff.Directory) -> bool:
    photometric = directory.get(_PHOTOMETRIC)
    return isinstance(photometric, tiff.Entry) and photometric.data[:2] == _INDEXED


def layout_only(data: bytes) -> bytes:
    """A TIFF file whose first directory says nothing but how the pixels are stored.

    Raises:
        UnsupportedImageError: there is no directory, or it has a tag of this kind twice or damaged.
    """
    directory = tiff.read_directory(data)
    for tag in directory.keys() & _LAYOUT:
        if directory[tag] is None:
            raise UnsupportedImageError(
                f"the TIFF tag {tag} can not be read: get an undamaged copy", found=tag
            )
    return tiff.rewritten(data, drop=directory.keys() - _LAYOUT)


def tiff_with(data: bytes, metadata: Metadata) -> bytes:
    """A TIFF file with metadata that it can hold, in place of its own."""
    return tiff.rewritten(
        data, drop=_CARRIED, add={**_palette_entries(metadata.palette), **dict(_entries(metadata))}
    )


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


def _read_palette(directory: tiff.Directory) -> Palette:
    entries = _value(directory, _COLOURS, tiff.SHORT).numbers()
    if any(entry % 257 for entry in entries):
        raise ValueError("its entries have 16 bits that are not twice the same byte")
    size = len(entries) // 3
    return Palette(bytes(entry // 257 for part in range(size) for entry in entries[part::size]))


def _palette_entries(palette: Palette | None) -> dict[int, tiff.Entry]:
    if palette is None:
        return {}
    planes = b"".join(palette.colours[part::3] for part in range(3))
    colours = bytes(byte for byte in planes for _ in range(2))
    return {_PHOTOMETRIC: tiff.Entry(tiff.SHORT, _INDEXED), _COLOURS: tiff.Entry(tiff.SHORT, colours)}


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
