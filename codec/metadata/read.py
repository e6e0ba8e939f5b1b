"""What an image file carries beside its pixels: all of it is found, and refused where it can not be kept."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

from ppyr.errors import UnsupportedImageError
from ppyr.images import pillow, pnm, unsupported
from ppyr.metadata import Colour, Metadata, Palette, Resolution, Text, Unit
from ppyr.metadata.find import Find
from ppyr.metadata.png import find_in_png
from ppyr.metadata.tiff import find_in_tiff
from ppyr.metadata.walkers import webp_chunks

_EXIF_PREFIX = b"Exif\0\0"
_WEBP_PIXELS = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"}
_WEBP_CARRIED = {b"EXIF": "exif", b"XMP ": "xmp", b"ICCP": "icc"}
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_UNITS = {0: Unit.NONE, 1: Unit.INCH, 2: Unit.CENTIMETRE}
_BMP_DEFAULT_DPI = (0, 96)  # what writers put where nobody said anything
_BMP_PIXELS_PER_METRE = 39.3701  # for one dpi
_PNM_COMMENT = re.compile(rb"#([^\r\n]*)")


def carried(data: bytes, form: str, strip: Collection[str] = ()) -> Metadata:
    """What a file carries beside pixels, without the kinds to leave out.

    Args:
        data: the whole file.
        form: its format: PNG, TIFF, WEBP, BMP, JPEG or PNM.
        strip: kinds to leave out.

    Raises:
        UnsupportedImageError: there is more, which can not be carried; `found` has the names by kind.
    """
    finds = _FINDERS[form](data)
    refused: defaultdict[str, list[str]] = defaultdict(list)
    single: dict[str, Any] = {}
    colour: dict[str, Any] = {}
    text: list[Text] = []
    for find in finds:
        if find.kind and (find.kind in strip or "all" in strip):
            continue
        try:
            value = find.make()
            if find.field == "text":
                text.append(value)
            elif find.field == "colour" and not colour.keys() & value:
                Colour(**value)
                colour |= value
            elif find.field not in {"", "colour", *single}:
                Metadata(**{find.field: value})
                single[find.field] = value
            else:
                refused[find.kind].append(find.name)
        except (ValueError, LookupError, struct.error, zlib.error) as error:
            if not find.kind:
                raise unsupported(f"the {find.name} can not be kept ({error})") from error
            refused[find.kind].append(find.name)
    if refused:
        listing = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in sorted(refused.items()))
        raise UnsupportedImageError(
            f"the file has metadata that can not be carried ({listing}): drop it with --strip "
            f"{','.join(sorted({*refused, *strip}))}",
            found=dict(refused),
        )
    return Metadata(**single, text=tuple(text), colour=Colour(**colour) if colour else None)


def _webp(data: bytes) -> Iterator[Find]:
    for kind, body in webp_chunks(data):
        name = kind.decode("latin-1").strip()
        field = _WEBP_CARRIED.get(kind, "")
        if field:
            yield Find(field, name, field, partial(_webp_body, field, body))
        elif kind not in _WEBP_PIXELS:
            yield Find("other", name)


def _webp_body(field: str, body: bytes | None) -> bytes:
    if body is None:
        raise ValueError("the chunk is cut off")
    return body.removeprefix(_EXIF_PREFIX) if field == "exif" else body


def _jpeg(data: bytes) -> Iterator[Find]:
    with pillow.opened(data, ["JPEG"]) as image:
        segments: list[tuple[str, bytes]] = image.applist  # type: ignore[attr-defined]
        profile = image.info.get("icc_profile")
    first_part = True
    for marker, body in segments:
        if marker == "COM":
            yield Find("text", "comment", "text", partial(_comment, body))
        elif body.startswith(b"JFIF\0"):
            yield from _jfif(body.ljust(14, b"\0"))
        elif body.startswith(b"Exif\0"):
            yield Find("exif", "Exif", "exif", partial(bytes, body[len(_EXIF_PREFIX) :]))
        elif body.startswith(_JPEG_XMP):
            yield Find("xmp", "XMP", "xmp", partial(bytes, body[len(_JPEG_XMP) :]))
        elif body.startswith(b"http://ns.adobe.com/"):
            yield Find("xmp", "extended XMP")
        elif body.startswith(b"ICC_PROFILE\0"):
            if first_part:
                yield Find("icc", "ICC profile", "icc", partial(_assembled, profile))
            first_part = False
        elif not body.startswith(b"Adobe"):
            yield Find("other", marker)


def _jfif(body: bytes) -> Iterator[Find]:
    unit, x, y, *thumbnail = struct.unpack_from(">B2H2B", body, 7)
    if unit or x != y:
        yield Find("dpi", "JFIF density", "resolution", partial(_jpeg_resolution, unit, x, y))
    if any(thumbnail):
        yield Find("other", "JFIF thumbnail")


def _jpeg_resolution(unit: int, x: int, y: int) -> Resolution:
    return Resolution((x, 1), (y, 1), _JPEG_UNITS[unit])


def _assembled(profile: bytes | None) -> bytes:
    """The profile that Pillow put together of its parts."""
    if profile is None:
        raise ValueError("a part is missing")
    return profile


def _comment(words: bytes) -> Text:
    """A comment whose encoding nobody states: UTF-8, if it can be that."""
    try:
        text = words.decode()
    except UnicodeDecodeError:
        return Text("Comment", words.decode("latin-1"))
    return Text("Comment", text, international=not text.isascii())


def _bmp(data: bytes) -> Iterator[Find]:
    from PIL.BmpImagePlugin import BmpImageFile

    header_size, x, y, space = struct.unpack_from("<I20x2i24xI", data.ljust(74, b"\0"), 14)
    if header_size >= 40 and any(
        round(density / _BMP_PIXELS_PER_METRE) not in _BMP_DEFAULT_DPI for density in (x, y)
    ):
        yield Find("dpi", "resolution", "resolution", partial(Resolution, (x, 1), (y, 1), Unit.METRE))
    if header_size >= 108 and space not in (0x73524742, 0x57696E20):
        yield Find("icc", "colour space")

    with BmpImageFile(io.BytesIO(data)) as image:  # as `Image.open`, but for images of any size
        if image.mode == "P" and image.palette is not None:
            yield Find("", "palette", "palette", partial(_bmp_palette, *image.palette.getdata()))


def _bmp_palette(rawmode: str, entries: bytes) -> Palette:
    """The palette of entries of blue, green and red, and one more byte in the mode BGRX."""
    size = len(rawmode)
    return Palette(b"".join(entries[at : at + 3][::-1] for at in range(0, len(entries), size)))


def _pnm(data: bytes) -> Iterator[Find]:
    file = pnm.opened(data)
    end = pnm.end_of_samples(file, data)
    for words in _PNM_COMMENT.findall(data if pnm.is_plain(data) else data[: file.dataoffset]):
        yield Find("text", "comment", "text", partial(_comment, words))
    if len(data) > end:
        yield Find("other", "data after the image")


_FINDERS: dict[str, Callable[[bytes], Iterator[Find]]] = {
    "PNG": find_in_png,
    "WEBP": _webp,
    "TIFF": find_in_tiff,
    "BMP": _bmp,
    "JPEG": _jpeg,
    "PNM": _pnm,
}
