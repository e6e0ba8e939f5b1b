"""What an image file carries beside its pixels, so that nothing is dropped unseen.

A `.ppyr` file holds pixels only. `metadata` names everything else that it finds in the input, sorted into the
kinds that a caller may agree to lose; what fits no kind is `other`.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from ppyr.errors import UnsupportedImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

KINDS = ("exif", "xmp", "icc", "text", "dpi")
"""Kinds of metadata with a name; `icc` is everything that says how the samples are meant as colours."""

_PNG_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"}
_PNG_KINDS = {
    b"eXIf": "exif",
    b"iCCP": "icc",
    b"gAMA": "icc",
    b"cHRM": "icc",
    b"sRGB": "icc",
    b"cICP": "icc",
    b"mDCV": "icc",
    b"cLLI": "icc",
    b"tEXt": "text",
    b"zTXt": "text",
    b"iTXt": "text",
    b"tIME": "text",
    b"pHYs": "dpi",
}
_PNG_TEXT_KINDS = {
    b"XML:com.adobe.xmp": "xmp",
    b"Raw profile type xmp": "xmp",
    b"Raw profile type exif": "exif",
    b"Raw profile type APP1": "exif",
    b"Raw profile type icc": "icc",
    b"Raw profile type icm": "icc",
}
_WEBP_PIXELS = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"}
_WEBP_KINDS = {b"EXIF": "exif", b"XMP ": "xmp", b"ICCP": "icc"}
_TIFF_LAYOUT = {
    254,
    255,
    256,
    257,
    258,
    259,
    262,
    266,
    273,
    274,
    277,
    278,
    279,
    284,
    317,
    322,
    323,
    324,
    325,
    339,
}
_TIFF_KINDS = {
    **dict.fromkeys((269, 270, 271, 272, 285, 305, 306, 315, 316, 33432), "text"),
    **dict.fromkeys((282, 283, 296), "dpi"),
    **dict.fromkeys((301, 318, 319, 34675), "icc"),
    **dict.fromkeys((34665, 34853), "exif"),
    700: "xmp",
}
_BMP_DEFAULT_DPI = (0, 96)  # what writers put where nobody said anything
_PNM_HEADER = re.compile(rb"P[2356](?:(?:\s|#[^\r\n]*[\r\n])+(\d+)){3}")


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and body of each chunk of a PNG file; what follows the last one comes with the type b"".

    Raises:
        UnsupportedImageError: a chunk is cut off or its checksum does not match.
    """
    offset = 8
    while True:
        head = data[offset : offset + 8]
        length = int.from_bytes(head[:4], "big")
        body = data[offset + 8 : offset + 8 + length]
        crc = data[offset + 8 + length : offset + 12 + length]
        if len(crc) < 4 or int.from_bytes(crc, "big") != zlib.crc32(head[4:] + body):
            raise UnsupportedImageError(
                f"the PNG file is damaged at byte {offset}: get an undamaged copy", offset=offset
            )
        yield head[4:], body
        offset += 12 + length
        if head[4:] == b"IEND":
            break
    if offset < len(data):
        yield b"", data[offset:]


def webp_chunks(data: bytes) -> Iterator[bytes]:
    """Yield the type of each chunk of a WebP file."""
    offset = 12
    while offset + 8 <= len(data):
        yield data[offset : offset + 4]
        length = int.from_bytes(data[offset + 4 : offset + 8], "little")
        offset += 8 + length + length % 2


def pnm_header(data: bytes) -> tuple[int, int]:
    """Return the largest sample value that a PGM or PPM header states, and the length of the header.

    Raises:
        UnsupportedImageError: the header can not be read.
    """
    match = _PNM_HEADER.match(data)
    if match is None:
        raise UnsupportedImageError("the PNM header can not be read: get an undamaged copy", offset=0)
    return int(match[1]), match.end() + 1


def metadata(image: Image.Image, data: bytes) -> dict[str, list[str]]:
    """Name what `data` carries beside pixels, by kind (`KINDS` and `other`).

    Args:
        image: `data` as Pillow opened it.
        data: the whole file, in one of the formats of `ppyr.imagefile`.
    """
    names: defaultdict[str, list[str]] = defaultdict(list)
    for kind, name in _FINDERS[image.format or ""](image, data):
        if name not in names[kind]:
            names[kind].append(name)
    return dict(names)


def _png(_: Image.Image, data: bytes) -> Iterator[tuple[str, str]]:
    for kind, body in png_chunks(data):
        if kind in _PNG_PIXELS:
            continue
        if kind == b"":
            yield "other", "data after the end"
            continue
        name = kind.decode("latin-1")
        if name in {"tEXt", "zTXt", "iTXt"}:
            keyword = body.partition(b"\0")[0]
            yield _PNG_TEXT_KINDS.get(keyword, "text"), f"{name} {keyword.decode('latin-1')}"
        else:
            yield _PNG_KINDS.get(kind, "other"), name


def _webp(_: Image.Image, data: bytes) -> Iterator[tuple[str, str]]:
    for kind in webp_chunks(data):
        if kind not in _WEBP_PIXELS:
            yield _WEBP_KINDS.get(kind, "other"), kind.decode("latin-1").strip()


def _tiff(image: Image.Image, _: bytes) -> Iterator[tuple[str, str]]:
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    for tag in tags:
        if tag not in _TIFF_LAYOUT:
            yield _TIFF_KINDS.get(tag, "other"), f"TIFF tag {tag}"


def _jpeg(image: Image.Image, _: bytes) -> Iterator[tuple[str, str]]:
    segments: list[tuple[str, bytes]] = image.applist  # type: ignore[attr-defined]
    for marker, body in segments:
        if marker == "COM":
            yield "text", "comment"
        elif body.startswith(b"JFIF\0"):
            if image.info.get("jfif_unit"):
                yield "dpi", "JFIF density"
        elif body.startswith(b"Exif\0"):
            yield "exif", "Exif"
        elif body.startswith(b"http://ns.adobe.com/"):
            yield "xmp", "XMP"
        elif body.startswith(b"ICC_PROFILE\0"):
            yield "icc", "ICC profile"
        elif not body.startswith(b"Adobe"):
            yield "other", marker


def _bmp(image: Image.Image, data: bytes) -> Iterator[tuple[str, str]]:
    dpi = image.info.get("dpi", (0, 0))
    if any(round(value) not in _BMP_DEFAULT_DPI for value in dpi):
        yield "dpi", "resolution"
    header_size, *_, space = struct.unpack_from("<I52xI", data.ljust(74, b"\0"), 14)
    if header_size >= 108 and space not in (0x73524742, 0x57696E20):
        yield "icc", "colour space"


def _pnm(image: Image.Image, data: bytes) -> Iterator[tuple[str, str]]:
    _, header = pnm_header(data)
    plain = data[:2] in (b"P2", b"P3")
    if b"#" in (data if plain else data[:header]):
        yield "text", "comment"
    if not plain and len(data) > header + image.width * image.height * len(image.getbands()):
        yield "other", "data after the image"


_FINDERS = {"PNG": _png, "WEBP": _webp, "TIFF": _tiff, "JPEG": _jpeg, "BMP": _bmp, "PPM": _pnm}
