"""Metadata in image files: what is carried, what is refused, and what comes back."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile, PngImagePlugin, TiffImagePlugin

import ppyr
from ppyr import imagefile
from ppyr.errors import ModelError, PpyrError, UnsupportedImageError
from ppyr.files import compress_file, decompress_file
from ppyr.imagefile import image_bytes, read_image, read_image_file
from ppyr.metadata import KINDS, NO_METADATA, Colour, Metadata, Resolution, Text, Unit
from ppyr.metadata import directory as tiff_module
from ppyr.metadata.walkers import png_chunks

from .handmade import bmp, png, tiff
from .handmade_tiff import Tags, exif_block, gray_tiff

RGB = np.arange(7 * 5 * 3, dtype=np.uint8).reshape(7, 5, 3)
ROWS = [[1, 2, 3], [4, 5, 6]]
PICTURE = Image.fromarray(RGB)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = "<x:xmpmeta xmlns:x='adobe:ns:meta/'>π</x:xmpmeta>".encode()
EXIF = exif_block(
    {271: (2, 6, b"maker\0"), 274: (3, 1, b"\0\6"), 34665: {37500: (7, 5, b"\0\1\2\3\4")}}, order=">"
)
DPI_300 = Resolution((300, 1), (300, 1), Unit.INCH)
DENSITY = Resolution((11811, 1), (11811, 1), Unit.METRE)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def chunked(*chunks: tuple[bytes, bytes]) -> bytes:
    return png(8, 2, bytes(9), chunks=chunks)


def itxt(
    keyword: str, text: str, language: str = "", translated: str = "", compressed: bool = False
) -> bytes:
    words = zlib.compress(text.encode()) if compressed else text.encode()
    parts = keyword.encode("latin-1"), bytes([compressed, 0]) + language.encode(), translated.encode(), words
    return b"\0".join(parts)


def tagged(tags: Tags, **options: Any) -> bytes:
    return gray_tiff(tags, ROWS, **options)


def read(data: bytes, **options: Any) -> Metadata:
    return read_image_file(io.BytesIO(data), **options).metadata


def ascii_tag(text: str) -> tuple[int, int, bytes]:
    return 2, len(text) + 1, text.encode() + b"\0"


def fractions(*numbers: int, order: str = "<") -> tuple[int, int, bytes]:
    return 5, len(numbers) // 2, struct.pack(f"{order}{len(numbers)}I", *numbers)


def jfif(unit: int, x: int, y: int, thumbnail: bytes = b"\0\0") -> bytes:
    data = saved(PICTURE, "JPEG")
    assert data[6:11] == b"JFIF\0"
    return data[:13] + struct.pack(">B2H", unit, x, y) + thumbnail + data[20:]


def segment(*bodies: bytes, marker: int = 0xE1) -> bytes:
    data = saved(PICTURE, "JPEG")
    more = (struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for body in bodies)
    return data[:20] + b"".join(more) + data[20:]


def dense_bmp(x: int, y: int) -> bytes:
    data = bytearray(bmp(24, bytes(4)))
    struct.pack_into("<2i", data, 38, x, y)
    return bytes(data)


CHROMATICITIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
CARRIED: dict[str, tuple[Callable[[], bytes], str, Metadata]] = {
    "png exif": (lambda: chunked((b"eXIf", EXIF)), "exif", Metadata(exif=EXIF)),
    "png icc": (lambda: saved(PICTURE, "PNG", icc_profile=PROFILE), "icc", Metadata(icc=PROFILE)),
    "png dpi": (lambda: saved(PICTURE, "PNG", dpi=(300, 300)), "dpi", Metadata(resolution=DENSITY)),
    "png aspect": (
        lambda: chunked((b"pHYs", struct.pack(">2IB", 3, 2, 0))),
        "dpi",
        Metadata(resolution=Resolution((3, 1), (2, 1), Unit.NONE)),
    ),
    "png text": (lambda: chunked((b"tEXt", b"Title\0a\xe9")), "text", Metadata(text=(Text("Title", "aé"),))),
    "png compressed text": (
        lambda: chunked((b"zTXt", b"Title\0\0" + zlib.compress(b"words"))),
        "text",
        Metadata(text=(Text("Title", "words"),)),
    ),
    "png international text": (
        lambda: chunked((b"iTXt", itxt("Title", "猫", "ja", "題名"))),
        "text",
        Metadata(text=(Text("Title", "猫", True, "ja", "題名"),)),
    ),
    "png compressed international text": (
        lambda: chunked((b"iTXt", itxt("Title", "猫", compressed=True))),
        "text",
        Metadata(text=(Text("Title", "猫", True),)),
    ),
    "png xmp": (
        lambda: chunked((b"iTXt", itxt("XML:com.adobe.xmp", XMP.decode()))),
        "xmp",
        Metadata(xmp=XMP),
    ),
    "png raw profile": (
        lambda: chunked((b"tEXt", b"Raw profile type exif\0\nexif\n 2\n4949")),
        "exif",
        Metadata(text=(Text("Raw profile type exif", "\nexif\n 2\n4949"),)),
    ),
    "png gamma": (
        lambda: chunked((b"gAMA", b"\0\0\xb1\x8f")),
        "icc",
        Metadata(colour=Colour(gamma=45455)),
    ),
    "png chromaticities": (
        lambda: chunked((b"cHRM", struct.pack(">8I", *CHROMATICITIES))),
        "icc",
        Metadata(colour=Colour(chromaticities=CHROMATICITIES)),
    ),
    "png srgb": (lambda: chunked((b"sRGB", b"\1")), "icc", Metadata(colour=Colour(intent=1))),
    "png cicp": (
        lambda: chunked((b"cICP", bytes([9, 16, 0, 1]))),
        "icc",
        Metadata(colour=Colour(cicp=(9, 16, 0, 1))),
    ),
    "png mastering": (
        lambda: chunked((b"mDCV", struct.pack(">8H2I", *range(10)))),
        "icc",
        Metadata(colour=Colour(mastering=tuple(range(10)))),
    ),
    "png light": (
        lambda: chunked((b"cLLI", struct.pack(">2I", 8, 9))),
        "icc",
        Metadata(colour=Colour(light=(8, 9))),
    ),
    "png time": (
        lambda: chunked((b"tIME", struct.pack(">H5B", 2024, 2, 29, 23, 59, 60))),
        "text",
        Metadata(time=(2024, 2, 29, 23, 59, 60)),
    ),
    "webp exif": (lambda: saved(PICTURE, "WEBP", exif=EXIF), "exif", Metadata(exif=EXIF)),
    "webp prefixed exif": (
        lambda: saved(PICTURE, "WEBP") + b"EXIF\x0a\0\0\0Exif\0\0II*\0",
        "exif",
        Metadata(exif=b"II*\0"),
    ),
    "webp icc": (lambda: saved(PICTURE, "WEBP", icc_profile=PROFILE), "icc", Metadata(icc=PROFILE)),
    "webp xmp": (lambda: saved(PICTURE, "WEBP", xmp=XMP), "xmp", Metadata(xmp=XMP)),
    "tiff icc": (lambda: saved(PICTURE, "TIFF", icc_profile=PROFILE), "icc", Metadata(icc=PROFILE)),
    "tiff dpi": (lambda: saved(PICTURE, "TIFF", dpi=(300, 300)), "dpi", Metadata(resolution=DPI_300)),
    "tiff dpi without a unit": (
        lambda: tagged({282: fractions(3000000, 10000), 283: fractions(1, 3)}),
        "dpi",
        Metadata(resolution=Resolution((3000000, 10000), (1, 3), Unit.INCH)),
    ),
    "big-endian tiff": (
        lambda: tagged(
            {
                282: fractions(72, 1, order=">"),
                283: fractions(72, 7, order=">"),
                296: (3, 1, b"\0\3"),
            },
            order=">",
        ),
        "dpi",
        Metadata(resolution=Resolution((72, 1), (72, 7), Unit.CENTIMETRE)),
    ),
    "tiff text": (
        lambda: tagged({271: ascii_tag("maker"), 270: ascii_tag("a longer description")}),
        "text",
        Metadata(text=(Text("Description", "a longer description"), Text("Make", "maker"))),
    ),
    "bigtiff": (
        lambda: tagged({270: ascii_tag("a longer description")}, big=True),
        "text",
        Metadata(text=(Text("Description", "a longer description"),)),
    ),
    "tiff xmp": (lambda: saved(PICTURE, "TIFF", tiffinfo={700: XMP}), "xmp", Metadata(xmp=XMP)),
    "tiff orientation": (lambda: tagged({274: (3, 1, b"\6\0")}), "orientation", Metadata(orientation=6)),
    "tiff exif": (
        lambda: tagged({34665: {33434: fractions(10, 1250)}, 34853: {0: (1, 4, b"\2\3\0\0")}}),
        "exif",
        Metadata(exif=exif_block({34665: {33434: fractions(10, 1250)}, 34853: {0: (1, 4, b"\2\3\0\0")}})),
    ),
    "big-endian tiff exif": (
        lambda: tagged(
            {34665: {33434: fractions(10, 1250, order=">"), 40965: {1: (2, 4, b"R98\0")}}}, order=">"
        ),
        "exif",
        Metadata(exif=exif_block({34665: {33434: fractions(10, 1250), 40965: {1: (2, 4, b"R98\0")}}})),
    ),
    "jpeg exif": (lambda: saved(PICTURE, "JPEG", exif=b"Exif\0\0" + EXIF), "exif", Metadata(exif=EXIF)),
    "jpeg icc": (lambda: saved(PICTURE, "JPEG", icc_profile=PROFILE), "icc", Metadata(icc=PROFILE)),
    "jpeg icc in parts": (
        lambda: saved(PICTURE, "JPEG", icc_profile=PROFILE + bytes(99999)),
        "icc",
        Metadata(icc=PROFILE + bytes(99999)),
    ),
    "jpeg dpi": (lambda: jfif(1, 300, 300), "dpi", Metadata(resolution=DPI_300)),
    "jpeg aspect": (
        lambda: jfif(0, 2, 1),
        "dpi",
        Metadata(resolution=Resolution((2, 1), (1, 1), Unit.NONE)),
    ),
    "jpeg comment": (
        lambda: saved(PICTURE, "JPEG", comment=b"words"),
        "text",
        Metadata(text=(Text("Comment", "words"),)),
    ),
    "jpeg comment in utf-8": (
        lambda: saved(PICTURE, "JPEG", comment="猫".encode()),
        "text",
        Metadata(text=(Text("Comment", "猫", international=True),)),
    ),
    "jpeg comment in something else": (
        lambda: saved(PICTURE, "JPEG", comment=b"\xff\xe9"),
        "text",
        Metadata(text=(Text("Comment", "ÿé"),)),
    ),
    "jpeg xmp": (lambda: saved(PICTURE, "JPEG", xmp=XMP), "xmp", Metadata(xmp=XMP)),
    "bmp dpi": (
        lambda: dense_bmp(11811, 5905),
        "dpi",
        Metadata(resolution=Resolution((11811, 1), (5905, 1), Unit.METRE)),
    ),
    "ppm comments": (
        lambda: b"P6 # words\n1 1 #more\n255\n\0\0\0",
        "text",
        Metadata(text=(Text("Comment", " words"), Text("Comment", "more"))),
    ),
    "plain ppm comment": (
        lambda: b"P3 1 1 255\n1 2 3\n# words\n",
        "text",
        Metadata(text=(Text("Comment", " words"),)),
    ),
}


@pytest.mark.parametrize("case", CARRIED)
def test_metadata_are_carried_unless_they_are_stripped(case: str) -> None:
    make, kind, expected = CARRIED[case]
    data = make()
    assert read(data) == expected
    for strip in (kind, "all"):
        assert read(data, strip=[strip]) == NO_METADATA
    assert read(data, strip=set(KINDS) - {kind}) == expected


LONG = b"x" * ((1 << 24) + 1)
REFUSED: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "png background": (lambda: chunked((b"bKGD", bytes(6))), "other", "bKGD"),
    "png private chunk": (lambda: chunked((b"prVt", b"x")), "other", "prVt"),
    "png with data behind": (lambda: image_bytes(RGB, ".png") + b"more", "other", "data after the end"),
    "png exif twice": (lambda: chunked((b"eXIf", EXIF), (b"eXIf", EXIF)), "exif", "eXIf"),
    "png gamma twice": (lambda: chunked(*[(b"gAMA", bytes(4))] * 2), "icc", "gAMA"),
    "png short gamma": (lambda: chunked((b"gAMA", bytes(3))), "icc", "gAMA"),
    "png intent": (lambda: chunked((b"sRGB", b"\4")), "icc", "sRGB"),
    "png unit": (lambda: chunked((b"pHYs", bytes(8) + b"\2")), "dpi", "pHYs"),
    "png month": (lambda: chunked((b"tIME", bytes(7))), "text", "tIME"),
    "png text without a keyword": (lambda: chunked((b"tEXt", b"\0words")), "text", "tEXt "),
    "png text without a separator": (lambda: chunked((b"tEXt", b"words")), "text", "tEXt words"),
    "png long keyword": (lambda: chunked((b"tEXt", b"k" * 80 + b"\0")), "text", "tEXt kkk"),
    "png broken text": (lambda: chunked((b"zTXt", b"Title\0\0words")), "text", "zTXt Title"),
    "png text of another method": (
        lambda: chunked((b"zTXt", b"Title\0\1" + zlib.compress(b"words"))),
        "text",
        "zTXt Title",
    ),
    "png cut text": (lambda: chunked((b"zTXt", b"T\0\0" + zlib.compress(b"words")[:-1])), "text", "zTXt T"),
    "png short text": (lambda: chunked((b"iTXt", b"Title\0\0")), "text", "iTXt Title"),
    "png text that is no utf-8": (lambda: chunked((b"iTXt", b"Title\0\0\0\0\0\xff")), "text", "iTXt Title"),
    "png profile that bursts": (
        lambda: chunked((b"iCCP", b"name\0\0" + zlib.compress(LONG))),
        "icc",
        "iCCP",
    ),
    "png profile without a stream": (lambda: chunked((b"iCCP", b"name\0")), "icc", "iCCP"),
    "png long exif": (lambda: chunked((b"eXIf", LONG)), "exif", "eXIf"),
    "png doubly prefixed exif": (lambda: chunked((b"eXIf", b"Exif\0\0" + EXIF)), "exif", "eXIf"),
    "webp unknown chunk": (
        lambda: saved(PICTURE, "WEBP") + b"what\2\0\0\0ab",
        "other",
        "what",
    ),
    "webp cut exif": (lambda: saved(PICTURE, "WEBP") + b"EXIF\x09\0\0\0abcd", "exif", "EXIF"),
    "tiff private tag": (lambda: tiff((8,), b"\x01", photometric=1, extra={65000: 7}), "other", "tag 65000"),
    "tiff white point": (lambda: tagged({318: fractions(1, 3, 1, 3)}), "icc", "tag 318"),
    "tiff text of another type": (
        lambda: tiff((8,), b"\x01", photometric=1, extra={270: 7}),
        "text",
        "tag 270",
    ),
    "tiff orientation 0": (lambda: tagged({274: (3, 1, bytes(2))}), "orientation", "tag 274"),
    "tiff orientation 9": (lambda: tagged({274: (3, 1, b"\t\0")}), "orientation", "tag 274"),
    "tiff orientation of another type": (lambda: tagged({274: (1, 1, b"\6")}), "orientation", "tag 274"),
    "tiff half a resolution": (lambda: tagged({282: fractions(72, 1)}), "dpi", "282"),
    "tiff unit alone": (lambda: tagged({296: (3, 1, b"\2\0")}), "dpi", "296"),
    "tiff unknown unit": (
        lambda: tagged({282: fractions(72, 1), 283: fractions(72, 1), 296: (3, 1, b"\4\0")}),
        "dpi",
        "296",
    ),
    "tiff resolution by zero": (lambda: tagged({282: fractions(72, 0), 283: fractions(1, 1)}), "dpi", "282"),
    "tiff resolution as a float": (
        lambda: tagged({282: (11, 1, bytes(4)), 283: fractions(1, 1)}),
        "dpi",
        "282",
    ),
    "tiff text beyond the end": (lambda: tagged({270: (2, 9, b"\xff\xff\xff\x7f")}), "text", "tag 270"),
    "tiff exif of an unknown type": (lambda: tagged({34665: {1: (99, 1, b"a")}}), "exif", "Exif"),
    "tiff exif that is no directory": (lambda: tagged({34665: (2, 4, b"abc\0")}), "exif", "Exif"),
    "tiff exif beyond the end": (lambda: tagged({34665: (4, 1, b"\0\0\0\x7f")}), "exif", "Exif"),
    "tiff exif of 64 bits": (lambda: tagged({34665: {1: (16, 1, bytes(8))}}, big=True), "exif", "Exif"),
    "jpeg thumbnail": (lambda: jfif(0, 1, 1, b"\1\0"), "other", "JFIF thumbnail"),
    "jpeg unknown unit": (lambda: jfif(3, 1, 1), "dpi", "JFIF density"),
    "jpeg exif twice": (lambda: segment(*[b"Exif\0\0" + EXIF] * 2), "exif", "Exif"),
    "jpeg extended xmp": (
        lambda: segment(b"http://ns.adobe.com/xmp/extension/\0" + bytes(40)),
        "xmp",
        "extended XMP",
    ),
    "jpeg part of a profile": (lambda: segment(b"ICC_PROFILE\0\1\2abc", marker=0xE2), "icc", "ICC profile"),
    "jpeg photoshop": (lambda: segment(b"Photoshop 3.0\0", marker=0xED), "other", "APP13"),
    "bmp colour space": (
        lambda: (
            b"BM"
            + struct.pack("<IHHI", 126, 0, 0, 122)
            + struct.pack("<IiiHHIIiiII", 108, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0)
            + bytes(72)
        ),
        "icc",
        "colour space",
    ),
    "bmp negative resolution": (lambda: dense_bmp(-11811, 5), "dpi", "resolution"),
    "two pgm files in one": (lambda: 2 * b"P5 1 1 255\n\x07", "other", "data after the image"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_carried_is_refused_by_name(case: str) -> None:
    make, kind, name = REFUSED[case]
    data = make()
    with pytest.raises(UnsupportedImageError, match=f"can not be carried .{kind}: ") as caught:
        read(data)
    assert str(caught.value).endswith(f"--strip {kind}")
    assert isinstance(caught.value.found, dict)
    assert list(caught.value.found) == [kind]
    assert name in caught.value.found[kind][-1]
    with pytest.raises(UnsupportedImageError, match=rf"--strip [a-z,]*{kind}"):
        read(data, strip=set(KINDS) - {kind})
    for strip in (kind, "all"):
        read(data, strip=[strip])


def test_all_kinds_that_are_missing_from_strip_are_named() -> None:
    data = chunked((b"bKGD", bytes(6)), (b"sRGB", b"\4"), (b"eXIf", EXIF))
    with pytest.raises(UnsupportedImageError, match=r"--strip dpi,icc,other$"):
        read(data, strip=["dpi"])


def test_unknown_kinds_of_metadata_are_an_error() -> None:
    with pytest.raises(ValueError, match="colour"):
        read(image_bytes(RGB, ".png"), strip=["colour"])


def test_a_large_profile_of_a_png_is_carried() -> None:
    profile = bytes(5 << 20)
    data = image_bytes(RGB, ".png", Metadata(icc=profile))
    file = read_image_file(io.BytesIO(data))
    image, found = file.samples, file.metadata
    assert np.array_equal(image, RGB)
    assert found == Metadata(icc=profile)


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
@pytest.mark.parametrize("turned", range(1, 9))
def test_turned_pixels_stay_as_they_are_stored(turned: int, order: str, big: bool) -> None:
    tag = 3, 1, struct.pack(f"{order}H", turned)
    file = read_image_file(io.BytesIO(tagged({274: tag}, order=order, big=big)))
    image, found = file.samples, file.metadata
    assert image.tolist() == ROWS
    assert found == (NO_METADATA if turned == 1 else Metadata(orientation=turned))


def test_xmp_does_not_turn_pixels() -> None:
    packet = b'<x tiff:Orientation="6"/>'
    file = read_image_file(io.BytesIO(tagged({700: (1, len(packet), packet)})))
    image, found = file.samples, file.metadata
    assert image.tolist() == ROWS
    assert found == Metadata(xmp=packet)


FULL = Metadata(
    icc=PROFILE,
    colour=Colour(45455, CHROMATICITIES, 1, (9, 16, 0, 1), tuple(range(10)), (8, 9)),
    exif=EXIF,
    xmp=XMP,
    text=(
        Text("Title", "first"),
        Text("Title", "second, aé"),
        Text("Title", "aé", international=True),
        Text("Comment", "猫\n" * 3000, True, "ja", "題名"),
        Text("Raw profile type exif", "\nexif\n 2\n4949"),
    ),
    resolution=Resolution((11811, 1), (5905, 1), Unit.METRE),
    time=(2024, 2, 29, 23, 59, 60),
)
EXIF_TAGS: Tags = {
    34665: {
        33434: fractions(10, 1250),
        36864: (7, 4, b"0232"),
        37500: (7, 7, b"\0maker\xff"),
        37510: (7, 9, b"ASCII\0\0\0x"),
        40965: {1: (2, 4, b"R98\0")},
        42036: (2, 6, b"l\xe9ns\xc3\0"),
    },
    34853: {0: (1, 4, b"\2\3\0\0"), 2: fractions(51, 1, 28, 1, 4012, 100)},
}
FULL_TIFF: Tags = {
    269: ascii_tag("name"),
    270: (2, 14, b"l\xe9ng\xff words\0\0\0"),
    271: ascii_tag("maker"),
    272: ascii_tag(""),
    274: (3, 1, b"\6\0"),
    282: fractions(3000000, 10000),
    283: fractions(1, 3),
    285: ascii_tag("page"),
    296: (3, 1, b"\3\0"),
    305: ascii_tag("software"),
    306: ascii_tag("2024:02:29 23:59:59"),
    315: ascii_tag("artist"),
    316: ascii_tag("host"),
    700: (1, len(XMP), XMP),
    33432: ascii_tag("copyright"),
    34675: (7, len(PROFILE), PROFILE),
    **EXIF_TAGS,
}
HELD = {
    ".png": FULL,
    ".tif": Metadata(
        icc=PROFILE,
        orientation=6,
        exif=exif_block(EXIF_TAGS),
        xmp=XMP,
        text=(Text("Description", "words"), Text("Make", "padded\0\0"), Text("Author", "é")),
        resolution=Resolution((3000000, 10000), (1, 3), Unit.CENTIMETRE),
    ),
    ".webp": Metadata(icc=PROFILE, exif=EXIF, xmp=XMP),
    ".bmp": Metadata(resolution=Resolution((11811, 1), (5905, 1), Unit.METRE)),
}


@pytest.mark.parametrize("suffix", HELD)
def test_what_a_format_can_hold_comes_back(suffix: str) -> None:
    data = image_bytes(RGB, suffix, HELD[suffix])
    file = read_image_file(io.BytesIO(data))
    image, found = file.samples, file.metadata
    assert found == HELD[suffix]
    assert np.array_equal(image, RGB)
    assert read(image_bytes(RGB, suffix, HELD[suffix]), strip=["all"]) == NO_METADATA


def packed_and_restored(tmp_path: Path, data: bytes, suffix: str, restored: str) -> bytes:
    """An image file through a .ppyr file; checks that the pixels stay."""
    source, packed, target = (tmp_path / name for name in (f"a{suffix}", "a.ppyr", f"b{restored}"))
    source.write_bytes(data)
    compress_file(source, packed, effort=1)
    decompress_file(packed, target)
    assert np.array_equal(read_image(target), read_image(source))
    assert ppyr.read_metadata(packed) == ppyr.read_metadata(packed.read_bytes()) == read(data)
    return target.read_bytes()


def chunks_by_kind(data: bytes) -> list[tuple[bytes, bytes]]:
    left_out = {b"IHDR", b"IDAT", b"iCCP", b"zTXt"}
    return sorted((kind, body) for kind, body in png_chunks(data) if kind not in left_out)


def test_png_to_png(tmp_path: Path) -> None:
    chunks = (
        (b"iCCP", b"a name\0\0" + zlib.compress(PROFILE)),
        (b"sRGB", b"\1"),
        (b"gAMA", struct.pack(">I", 45455)),
        (b"cHRM", struct.pack(">8I", *CHROMATICITIES)),
        (b"cICP", bytes([9, 16, 0, 1])),
        (b"mDCV", struct.pack(">8H2I", *range(10))),
        (b"cLLI", struct.pack(">2I", 8, 9)),
        (b"pHYs", struct.pack(">2IB", 11811, 5905, 1)),
        (b"eXIf", EXIF),
        (b"tIME", struct.pack(">H5B", 2024, 2, 29, 23, 59, 60)),
        (b"tEXt", b"Title\0a\xe9"),
        (b"tEXt", b"Title\0again"),
        (b"zTXt", b"Source\0\0" + zlib.compress(b"squeezed")),
        (b"iTXt", itxt("Description", "猫", "ja", "題名")),
        (b"iTXt", itxt("XML:com.adobe.xmp", XMP.decode())),
    )
    original = chunked(*chunks)
    restored = packed_and_restored(tmp_path, original, ".png", ".png")
    squeezed = [(b"tEXt", b"Source\0squeezed")]
    assert chunks_by_kind(restored) == sorted(chunks_by_kind(original) + squeezed)
    kinds = [kind for kind, _ in png_chunks(restored)]
    assert kinds[0] == b"IHDR"
    assert kinds[-2:] == [b"IDAT", b"IEND"]
    with Image.open(io.BytesIO(restored)) as image:
        image.load()
        assert image.info["icc_profile"] == PROFILE
        assert image.info["exif"].removeprefix(b"Exif\0\0") == EXIF
        assert image.info["gamma"] == 0.45455
        assert image.info["XML:com.adobe.xmp"] == XMP.decode()
        assert isinstance(image, PngImagePlugin.PngImageFile)
        description = image.text["Description"]
        assert isinstance(description, PngImagePlugin.iTXt)
        assert (description, description.lang, description.tkey) == ("猫", "ja", "題名")


def raw_tags(data: bytes) -> dict[int, Any]:
    """The tags as Pillow reads them, fractions as two numbers, with the types."""
    with Image.open(io.BytesIO(data)) as image:
        assert isinstance(image, TiffImagePlugin.TiffImageFile)
        tags = image.tag_v2
        found: dict[int, Any] = {tag: (tags.tagtype[tag], plain(tags[tag])) for tag in tags}
        exif = image.getexif()
        for tag in (34665, 34853, 40965):
            found[tag] = {inner: plain(value) for inner, value in exif.get_ifd(tag).items() if inner != 40965}
        layout = {256, 257, 258, 259, 262, 273, 277, 278, 279, 284}
        return {tag: value for tag, value in found.items() if tag not in layout}


def plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    if isinstance(value, dict):
        return {tag: plain(inner) for tag, inner in value.items()}
    if isinstance(value, TiffImagePlugin.IFDRational):
        return value.numerator, value.denominator
    return value


@pytest.mark.parametrize("order", "<>")
def test_tiff_to_tiff(tmp_path: Path, order: str) -> None:
    original = tagged(FULL_TIFF)
    if order == ">":
        original = tagged(swapped(FULL_TIFF), order=">")
    restored = packed_and_restored(tmp_path, original, ".tif", ".tif")
    assert raw_tags(restored) == raw_tags(tagged(FULL_TIFF))
    assert read(restored) == read(original) == read(tagged(FULL_TIFF))


def swapped(tags: Tags) -> Tags:
    """The same tags in the other byte order."""
    units = {3: 2, 4: 4, 5: 4}
    found: dict[int, Any] = {}
    for tag, value in tags.items():
        if isinstance(value, tuple):
            kind, count, content = value
            size = units.get(kind, 1)
            parts = (content[at : at + size][::-1] for at in range(0, len(content), size))
            found[tag] = kind, count, b"".join(parts)
        else:
            found[tag] = swapped(value)
    return found


def test_webp_to_webp(tmp_path: Path) -> None:
    original = saved(PICTURE, "WEBP", lossless=True, icc_profile=PROFILE, exif=EXIF, xmp=XMP)
    restored = packed_and_restored(tmp_path, original, ".webp", ".webp")
    with Image.open(io.BytesIO(restored)) as image:
        info = image.info
        assert (info["icc_profile"], info["exif"], info["xmp"]) == (PROFILE, EXIF, XMP)


def test_jpeg_to_png(tmp_path: Path) -> None:
    original = saved(
        PICTURE,
        "JPEG",
        icc_profile=PROFILE,
        exif=b"Exif\0\0" + EXIF,
        xmp=XMP,
        dpi=(300, 300),
        comment="猫".encode(),
    )
    restored = packed_and_restored(tmp_path, original, ".jpg", ".png")
    assert read(restored) == Metadata(
        icc=PROFILE, exif=EXIF, xmp=XMP, resolution=DENSITY, text=(Text("Comment", "猫", international=True),)
    )


def test_bmp_to_bmp(tmp_path: Path) -> None:
    restored = packed_and_restored(tmp_path, dense_bmp(11811, 5905), ".bmp", ".bmp")
    assert struct.unpack_from("<2i", restored, 38) == (11811, 5905)


def test_tiff_to_png_and_back(tmp_path: Path) -> None:
    tags = {tag: value for tag, value in FULL_TIFF.items() if tag not in {270, 274, 282, 283, 296}}
    tags |= {282: fractions(118, 1), 283: fractions(59, 1), 296: (3, 1, b"\3\0")}
    original = tagged(tags)
    as_png = packed_and_restored(tmp_path, original, ".tif", ".png")
    (tmp_path / "a.ppyr").unlink()
    as_tiff = packed_and_restored(tmp_path, as_png, ".png", ".tif")
    assert read(as_tiff).exif == read(original).exif
    back, there = raw_tags(as_tiff), raw_tags(original)
    assert (back.pop(282), back.pop(283)) == ((5, (11800, 100)), (5, (5900, 100)))
    assert {tag: there[tag] for tag in back} == back


@pytest.mark.parametrize(
    ("stored", "suffix", "restored"),
    [
        (DPI_300, ".png", DENSITY),
        (DPI_300, ".bmp", DENSITY),
        (DPI_300, ".tif", DPI_300),
        (Resolution((72, 1), (254, 1), Unit.INCH), ".png", Resolution((2835, 1), (10000, 1), Unit.METRE)),
        (
            Resolution((1, 3), (1, 8), Unit.CENTIMETRE),
            ".png",
            Resolution((33, 1), (13, 1), Unit.METRE),
        ),
        (Resolution((6, 3), (3, 1), Unit.NONE), ".png", Resolution((2, 1), (3, 1), Unit.NONE)),
        (Resolution((6, 3), (3, 1), Unit.NONE), ".tif", Resolution((6, 3), (3, 1), Unit.NONE)),
        (DENSITY, ".tif", Resolution((11811, 100), (11811, 100), Unit.CENTIMETRE)),
        (Resolution((0, 1), (2**32 - 1, 1), Unit.METRE), ".png", None),
    ],
)
def test_resolutions_in_other_units(stored: Resolution, suffix: str, restored: Resolution | None) -> None:
    data = image_bytes(RGB, suffix, Metadata(resolution=stored))
    assert read(data) == Metadata(resolution=restored or stored)


LOST: dict[str, tuple[Metadata, str, str, str]] = {
    "icc in ppm": (Metadata(icc=PROFILE), ".ppm", r"icc: icc", ".png or .tif"),
    "icc in bmp": (Metadata(icc=PROFILE), ".bmp", r"icc: icc", ".png or .tif"),
    "colour in tiff": (Metadata(colour=Colour(gamma=1)), ".tif", r"icc: colour", ".png"),
    "colour in webp": (Metadata(colour=Colour(gamma=1)), ".webp", r"icc: colour", ".png"),
    "orientation in png": (Metadata(orientation=2), ".png", r"orientation: orientation", ".tif"),
    "resolution in webp": (Metadata(resolution=DPI_300), ".webp", r"dpi: resolution", ".png or .tif"),
    "resolution in ppm": (Metadata(resolution=DPI_300), ".pnm", r"dpi: resolution", ".png or .tif"),
    "aspect in bmp": (
        Metadata(resolution=Resolution((1, 1), (2, 1), Unit.NONE)),
        ".bmp",
        r"dpi: resolution",
        ".png or .tif",
    ),
    "uneven aspect in png": (
        Metadata(resolution=Resolution((1, 3), (1, 1), Unit.NONE)),
        ".png",
        r"dpi: resolution",
        ".tif",
    ),
    "much in png": (
        Metadata(resolution=Resolution((2**32 - 1, 1), (1, 1), Unit.INCH)),
        ".png",
        r"dpi: resolution",
        ".tif",
    ),
    "little in tiff": (
        Metadata(resolution=Resolution((1, 2**32 - 1), (1, 1), Unit.METRE)),
        ".tif",
        r"dpi: resolution",
        ".png",
    ),
    "text in webp": (Metadata(text=(Text("Make", "a"),)), ".webp", r"text: Make", ".png or .tif"),
    "time in tiff": (Metadata(time=(1, 1, 1, 0, 0, 0)), ".tif", r"text: time", ".png"),
    "another keyword in tiff": (Metadata(text=(Text("Title", "a"),)), ".tif", r"text: Title", ".png"),
    "twice in tiff": (Metadata(text=(Text("Make", "a"),) * 2), ".tif", r"text: Make, Make", ".png"),
    "language in tiff": (Metadata(text=(Text("Make", "a", True, "en"),)), ".tif", r"text: Make", ".png"),
    "letters in tiff": (Metadata(text=(Text("Make", "é", True),)), ".tif", r"text: Make", ".png"),
    "NUL in png": (Metadata(text=(Text("Make", "a\0"),)), ".png", r"text: Make", ".tif"),
    "xmp in png": (Metadata(xmp=b"\xff\xfe"), ".png", r"xmp: xmp", ".tif"),
    "exif in tiff": (Metadata(exif=EXIF), ".tif", r"exif: exif", ".png"),
    "no exif in tiff": (Metadata(exif=b"II*\0"), ".tif", r"exif: exif", ".png"),
    "raw profile in webp": (
        Metadata(text=(Text("Raw profile type exif", ""),)),
        ".webp",
        r"exif: Raw profile type exif",
        ".png",
    ),
}


@pytest.mark.parametrize("case", LOST)
def test_what_a_format_can_not_hold_is_refused_by_name(case: str) -> None:
    metadata, suffix, names, others = LOST[case]
    kind = names.partition(":")[0]
    with pytest.raises(UnsupportedImageError, match=rf"metadata .{names}.: ") as caught:
        image_bytes(RGB, suffix, metadata)
    assert str(caught.value).endswith(f"--strip {kind}, or write {others}")


@pytest.mark.parametrize("suffix", HELD)
def test_files_of_any_size_get_metadata(monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """Pillow's limit is for files that come from elsewhere."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    data = image_bytes(RGB, suffix, HELD[suffix])
    monkeypatch.undo()
    assert read(data) == HELD[suffix]


def test_text_gets_into_the_order_of_the_tags() -> None:
    texts = Text("Author", "a"), Text("Description", "b", international=True), Text("Document Name", "c")
    found = read(image_bytes(RGB, ".tif", Metadata(text=texts))).text
    assert found == (Text("Document Name", "c"), Text("Description", "b"), Text("Author", "a"))


def test_values_that_overlap_are_not_read_over_and_over() -> None:
    """Without a limit this file of a few kilobytes would take gigabytes."""
    tags: dict[int, Any] = dict.fromkeys(range(50000, 50300), (7, 4000, b"\x08\x00\x00\x00"))
    block = exif_block({34665: {1: (7, 4000, bytes(4000)), **tags}})
    assert len(block) < 4000 + 12 * 310
    read_directory = tiff_module.read_directory(block)[34665]
    assert isinstance(read_directory, dict)
    assert sum(value is not None for value in read_directory.values()) == 1
    with pytest.raises(UnsupportedImageError, match=r"exif: exif"):
        image_bytes(RGB, ".tif", Metadata(exif=block))


@pytest.mark.parametrize("big", [False, True])
def test_damaged_directories_give_an_error_or_other_values(big: bool) -> None:
    tags: Tags = {**FULL_TIFF, 34675: (7, 5, b"icc 5")}
    data = tagged({**tags, 34665: {1: ascii_tag("words of text")}} if big else tags, big=big)
    for position in range(8, len(data)):
        for flip in (1, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[position] ^= flip
            with suppress(PpyrError):
                read(bytes(damaged), max_pixels=1000)
            with suppress(PpyrError):
                image_bytes(RGB, ".tif", Metadata(exif=bytes(damaged)))


def test_where_no_format_holds_all_the_advice_is_to_strip() -> None:
    metadata = Metadata(orientation=3, time=(1, 1, 1, 0, 0, 0))
    with pytest.raises(UnsupportedImageError, match=r"--strip orientation,text$"):
        image_bytes(RGB, ".ppm", metadata)


def test_a_file_from_which_metadata_do_not_come_back_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imagefile, "attached", lambda data, *_: data)
    with pytest.raises(UnsupportedImageError, match=r"get lost in a \.png file"):
        imagefile.image_bytes(RGB, ".png", FULL)
    packed = tmp_path / "a.ppyr"
    packed.write_bytes(ppyr.encode(RGB, effort=1, metadata=FULL))
    with pytest.raises(UnsupportedImageError):
        decompress_file(packed, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


def test_what_does_not_come_back_from_a_ppyr_file_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, packed = tmp_path / "a.png", tmp_path / "a.ppyr"
    source.write_bytes(image_bytes(RGB, ".png", FULL))
    monkeypatch.setattr("ppyr.files.read_metadata", lambda _: NO_METADATA)
    with pytest.raises(ModelError, match="nothing was written"):
        compress_file(source, packed, effort=1)
    assert not packed.exists()


def test_strip_leaves_out_both_ways(tmp_path: Path) -> None:
    source, packed, target = (tmp_path / name for name in ("a.png", "a.ppyr", "b.webp"))
    source.write_bytes(image_bytes(RGB, ".png", FULL))
    compress_file(source, packed, effort=1, strip=["exif"])
    found = ppyr.read_metadata(packed)
    assert found.exif == b""
    assert [text.keyword for text in found.text] == ["Title", "Title", "Title", "Comment"]
    with pytest.raises(UnsupportedImageError, match=r"dpi: resolution; icc: colour; text: time, Title"):
        decompress_file(packed, target)
    assert not target.exists()
    with pytest.raises(ValueError, match="unknown kinds"):
        decompress_file(packed, target, strip=["colour"])
    decompress_file(packed, tmp_path / "c.png", strip=["icc", "text"])
    assert read((tmp_path / "c.png").read_bytes()) == Metadata(xmp=XMP, resolution=FULL.resolution)
    decompress_file(packed, target, strip=["all"])
    assert target.read_bytes() == image_bytes(RGB, ".webp")


def test_the_profile_of_a_webp_is_what_shows_it(tmp_path: Path) -> None:
    """Pillow does not repeat a profile unasked, so one that is stripped is not there."""
    data = image_bytes(RGB, ".webp", Metadata(icc=PROFILE))
    (tmp_path / "a.webp").write_bytes(data)
    compress_file(tmp_path / "a.webp", tmp_path / "a.ppyr", effort=1, strip=["icc"])
    assert ppyr.read_metadata(tmp_path / "a.ppyr") == NO_METADATA


def test_pillow_never_sees_what_is_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_CHUNK", 1)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    assert read(image_bytes(RGB, ".png", FULL)) == FULL
