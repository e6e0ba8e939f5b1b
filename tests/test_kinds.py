"""Image files of every kind that can be held: depths, palettes, transparent colours; and what is refused."""

from __future__ import annotations

import base64
import io
import logging
import struct
import zlib
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import png as pypng
import pytest
import tifffile
from PIL import Image

import ppyr
from ppyr.errors import FormatError, ImageTooLargeError, UnsupportedImageError
from ppyr.files import compress_file, decompress_file
from ppyr.imagefile import WRITABLE, ImageFile, image_bytes, read_image, read_image_file
from ppyr.metadata import NO_METADATA, Metadata, Palette
from ppyr.metadata.walkers import PNG_SIGNATURE, png_chunk, png_chunks

from .handmade import png, tiff

SIZES = [(1, 1), (1, 7), (7, 1), (5, 3)]


def samples(shape: tuple[int, ...], depth: int) -> np.ndarray:
    """Any samples, the largest one among them."""
    found = np.random.default_rng(len(shape) + depth).integers(0, 2**depth, shape)
    found.flat[-1] = 2**depth - 1
    return found.astype(np.uint8 if depth <= 8 else np.uint16)


def shape(size: tuple[int, int], channels: int) -> tuple[int, ...]:
    return size if channels == 1 else (*size, channels)


def read(data: bytes, **options: Any) -> ImageFile:
    return read_image_file(io.BytesIO(data), **options)


def restored(tmp_path: Path, data: bytes, suffix: str, target: str = "") -> tuple[bytes, ImageFile]:
    """What comes out of a .ppyr file, in the same format, and what went in, which must be the same."""
    source, packed, back = tmp_path / f"a{suffix}", tmp_path / "a.ppyr", tmp_path / f"b{target or suffix}"
    source.write_bytes(data)
    compress_file(source, packed, effort=1, force=True)
    decompress_file(packed, back, force=True)
    before, after = read_image_file(source), read_image_file(back)
    np.testing.assert_array_equal(before.samples, after.samples, strict=True)
    assert (before.bit_depth, before.metadata) == (after.bit_depth, after.metadata)
    assert ppyr.info(packed).bit_depth == before.bit_depth
    assert ppyr.read_metadata(packed) == before.metadata
    return back.read_bytes(), after


COLOURS = [(9, 8, 7), (0, 0, 255), (0, 0, 255), (1, 2, 3)] * 64


def clear(*entries: int) -> list[tuple[int, ...]]:
    """A palette with alpha for the first colours."""
    return [(*colour, alpha) for colour, alpha in zip(COLOURS, entries, strict=False)]


PNGS: dict[str, tuple[int, int, dict[str, Any]]] = {
    **{f"gray {depth}": (1, depth, {}) for depth in (1, 2, 4, 8, 16)},
    **{f"gray {depth} clear": (1, depth, {"transparent": 2**depth - 1}) for depth in (1, 2, 4, 8, 16)},
    **{f"palette {depth}": (1, depth, {"palette": COLOURS[: 2**depth]}) for depth in (1, 2, 4, 8)},
    "palette 1 of one colour": (1, 1, {"palette": COLOURS[:1]}),
    "palette 8 of nine": (1, 8, {"palette": COLOURS[:9]}),
    "palette 2 clear": (1, 2, {"palette": clear(0, 255) + COLOURS[2:4]}),
    "palette 4 all with alpha": (1, 4, {"palette": clear(*range(16))}),
    "gray and alpha 8": (2, 8, {}),
    "gray and alpha 16": (2, 16, {}),
    "rgb 8": (3, 8, {}),
    "rgb 16": (3, 16, {}),
    "rgb 8 clear": (3, 8, {"transparent": (1, 2, 255)}),
    "rgb 16 clear": (3, 16, {"transparent": (258, 2, 65535)}),
    "rgba 8": (4, 8, {}),
    "rgba 16": (4, 16, {}),
}


def made_png(
    image: np.ndarray, channels: int, depth: int, *, interlace: bool, options: dict[str, Any]
) -> bytes:
    height, width = image.shape[:2]
    writer = pypng.Writer(
        width,
        height,
        greyscale=channels < 3 and "palette" not in options,
        alpha=channels in (2, 4),
        bitdepth=depth,
        interlace=interlace,
        **options,
    )
    file = io.BytesIO()
    writer.write_array(file, image.ravel().tolist()) if interlace else writer.write(
        file, image.reshape(height, -1).tolist()
    )
    return file.getvalue()


@pytest.mark.parametrize("case", PNGS)
def test_png(tmp_path: Path, case: str) -> None:
    channels, depth, options = PNGS[case]
    for number, size in enumerate(SIZES):
        image = samples(shape(size, channels), depth)
        data = made_png(image, channels, depth, interlace=number == 3, options=options)
        again, found = restored(tmp_path, data, ".png")
        np.testing.assert_array_equal(found.samples, image, strict=True)
        assert found.bit_depth == depth
        assert (found.metadata.palette is None) == ("palette" not in options)
        assert (found.metadata.transparent is None) == ("transparent" not in options)
        _, _, rows, _ = pypng.Reader(bytes=again).read()
        assert np.array_equal(np.array([list(row) for row in rows]), image.reshape(size[0], -1))
        kinds = (b"PLTE", b"tRNS")
        before, after = list(png_chunks(data)), list(png_chunks(again))
        assert [one for one in after if one[0] in kinds] == [one for one in before if one[0] in kinds]
        assert after[0][1][:10] == before[0][1][:10]  # size, depth and colour type


TIFFS: dict[str, dict[str, Any]] = {
    "plain": {},
    "big-endian": {"byteorder": ">"},
    "big": {"bigtiff": True},
    "big-endian big": {"bigtiff": True, "byteorder": ">"},
    "strips": {"rowsperstrip": 2},
    "tiles": {"tile": (16, 16)},
    "deflate": {"compression": "zlib", "predictor": True},
    "lzw tiles": {"compression": "lzw", "tile": (16, 16), "predictor": True},
    "packbits": {"compression": "packbits", "rowsperstrip": 1},
    "zstd": {"compression": "zstd"},
    "lzma": {"compression": "lzma"},
    "planes": {"planar": True},
    "planes in tiles": {"planar": True, "tile": (16, 16), "compression": "zlib"},
}


@pytest.mark.parametrize("case", TIFFS)
@pytest.mark.parametrize("depth", [8, 16])
def test_tiff(tmp_path: Path, case: str, depth: int) -> None:
    options = dict(TIFFS[case])
    planar = options.pop("planar", False)
    writer = {key: options.pop(key) for key in ("byteorder", "bigtiff") if key in options}
    for number, channels in enumerate((1, 2, 3, 4)):
        image = samples(shape(SIZES[3 - number], channels), depth)
        file = io.BytesIO()
        with tifffile.TiffWriter(file, **writer) as made:
            made.write(
                np.moveaxis(image, -1, 0) if planar and channels > 1 else image,
                photometric="rgb" if channels > 2 else "minisblack",
                planarconfig=None if channels == 1 else "separate" if planar else "contig",
                extrasamples=("unassalpha",) if channels in (2, 4) else None,
                metadata=None,
                software=False,
                resolution=(3, 4),
                **options,
            )
        again, found = restored(tmp_path, file.getvalue(), ".tif")
        np.testing.assert_array_equal(found.samples, image, strict=True)
        assert np.array_equal(imagecodecs.tiff_decode(again).reshape(image.shape), image)


@pytest.mark.parametrize("size", SIZES)
def test_bilevel_tiff(tmp_path: Path, size: tuple[int, int]) -> None:
    image = samples(size, 1)
    for compression in (None, "group3", "group4", "tiff_ccitt", "tiff_lzw"):
        for photometric in (0, 1):
            file = io.BytesIO()
            tags = {262: photometric}
            Image.fromarray(image.astype(bool)).save(file, "TIFF", compression=compression, tiffinfo=tags)
            again, found = restored(tmp_path, file.getvalue(), ".tif")
            seen = np.array(Image.open(io.BytesIO(file.getvalue())))
            assert np.array_equal(found.samples, seen)
            assert np.array_equal(np.array(Image.open(io.BytesIO(again))), seen)
            assert found.bit_depth == 1


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_tiff_palettes(tmp_path: Path, depth: int) -> None:
    colours = bytes(value for colour in COLOURS[: 2**depth] for value in colour)
    for size in SIZES:
        image = samples(size, depth)
        data = image_bytes(image, ".tif", Metadata(palette=Palette(colours)), depth)
        again, _ = restored(tmp_path, data, ".tif")
        with Image.open(io.BytesIO(again)) as seen:
            assert (seen.mode, seen.tag_v2.get(258, (1,))) == ("P", (depth,))  # type: ignore[attr-defined]
            assert np.array_equal(np.array(seen), image)
            assert bytes(seen.getpalette("RGB") or [])[: len(colours)] == colours
        restored(tmp_path, data, ".tif", ".png")
        if depth == 8:
            restored(tmp_path, data, ".tif", ".bmp")


def pnm(kind: str, image: np.ndarray, depth: int) -> bytes:
    height, width = image.shape[:2]
    if kind == "P4":
        return b"P4 %d %d\n" % (width, height) + np.packbits(1 - image, axis=1).tobytes()
    body = image.astype(">u2" if depth > 8 else "u1").tobytes()
    if kind != "P7":
        return b"%s %d %d %d\n" % (kind.encode(), width, height, 2**depth - 1) + body
    channels = image.size // (height * width)
    bilevel = depth == 1 and channels < 3
    name = "BLACKANDWHITE" if bilevel else "GRAYSCALE" if channels < 3 else "RGB"
    name += "_ALPHA" * (channels % 2 == 0)
    sizes = f"HEIGHT {height}\nWIDTH {width}\nDEPTH {channels}\nMAXVAL {2**depth - 1}\nTUPLTYPE {name}"
    return f"P7\n{sizes}\nENDHDR\n".encode() + body


@pytest.mark.parametrize("depth", [1, 2, 5, 8, 9, 12, 16])
def test_pnm_comes_back_byte_for_byte(tmp_path: Path, depth: int) -> None:
    kinds = [("P5", 1, ".pgm"), ("P6", 3, ".ppm"), *(("P7", channels, ".pam") for channels in (1, 2, 3, 4))]
    if depth == 1:
        kinds.append(("P4", 1, ".pbm"))
    for (kind, channels, suffix), size in zip(kinds, SIZES * 2, strict=False):
        image = samples(shape(size, channels), depth)
        data = pnm(kind, image, depth)
        again, found = restored(tmp_path, data, suffix)
        np.testing.assert_array_equal(found.samples, image, strict=True)
        assert found.bit_depth == depth
        assert again == data


GRAY, ANY = {1, 2, 4, 8, 16}, set(range(1, 17))
HELD: dict[str, dict[int, set[int]]] = {
    ".png": {1: GRAY, 2: {8, 16}, 3: {8, 16}, 4: {8, 16}},
    ".tif": {1: ANY, 2: ANY - {1}, 3: ANY - {1}, 4: ANY - {1}},
    ".webp": {3: {8}, 4: {8}},
    ".pam": {1: ANY, 2: ANY, 3: ANY, 4: ANY},
    ".ppm": {1: ANY, 3: ANY},
    ".pgm": {1: ANY},
    ".pbm": {1: {1}},
    ".bmp": {1: {1, 8}, 3: {8}},
}
HELD |= {".tiff": HELD[".tif"], ".pnm": HELD[".ppm"]}


@pytest.mark.parametrize("suffix", WRITABLE)
def test_every_kind_is_written_as_it_is_or_refused(suffix: str) -> None:
    for channels, depth, size in product(range(1, 5), ANY, SIZES):
        image = samples(shape(size, channels), depth)
        if depth not in HELD[suffix].get(channels, ()):
            with pytest.raises(UnsupportedImageError, match=rf"of {depth} bits as it is: write \.p(ng|am)"):
                image_bytes(image, suffix, bit_depth=depth)
            continue
        image[0, 0] = 0  # WebP needs alpha that is seen
        found = read(image_bytes(image, suffix, bit_depth=depth))
        np.testing.assert_array_equal(found.samples, image, strict=True)
        assert (found.bit_depth, found.metadata) == (depth, NO_METADATA)


def test_alpha_that_webp_would_drop_is_refused() -> None:
    image = samples((3, 5, 4), 8)
    image[..., 3] = 255
    with pytest.raises(UnsupportedImageError, match=r"alpha is opaque everywhere.*write \.png"):
        image_bytes(image, ".webp")


FULL_GRAY = bytes(value for value in range(256) for _ in range(3))
ODD = Palette(bytes(range(24)))


@pytest.mark.parametrize(
    ("suffix", "depth", "metadata", "message"),
    [
        (".webp", 8, Metadata(palette=ODD), r"this palette.*write \.png"),
        (".pam", 8, Metadata(palette=ODD), r"this palette.*write \.png"),
        (".tif", 8, Metadata(palette=ODD), r"a palette of 8 colours of 8 bits as it is: write \.png"),
        (".bmp", 4, Metadata(palette=ODD), r"a palette of 8 colours of 4 bits as it is: write \.png"),
        (".png", 3, Metadata(palette=ODD), "no image file can, call ppyr.decode"),
        (".bmp", 8, Metadata(palette=Palette(FULL_GRAY)), "get lost in a .bmp file"),
        (".tif", 8, Metadata(palette=Palette(bytes(768), b"\0")), r"this palette.*write \.png"),
        (".bmp", 8, Metadata(palette=Palette(bytes(768), b"\0")), r"this palette.*write \.png"),
        (".tif", 8, Metadata(transparent=(1,)), r"a transparent colour.*write \.png"),
        (".pgm", 8, Metadata(transparent=(1,)), r"a transparent colour.*write \.png"),
    ],
)
def test_what_samples_mean_is_written_or_refused(
    suffix: str, depth: int, metadata: Metadata, message: str
) -> None:
    with pytest.raises(UnsupportedImageError, match=message):
        image_bytes(samples((3, 5), 3), suffix, metadata, depth)


def white_is_zero(depth: int, body: bytes) -> bytes:
    return tiff((depth,), body, photometric=0)


HANDMADE: dict[str, tuple[bytes, Any, int]] = {
    "tiff 1, 0 is white": (white_is_zero(1, b"\x80"), [[0]], 1),
    "tiff 4, 0 is white": (white_is_zero(4, b"\x20"), [[13]], 4),
    "tiff 8, 0 is white": (white_is_zero(8, b"\x02"), [[253]], 8),
    "tiff 16, 0 is white": (white_is_zero(16, b"\x02\x00"), [[65533]], 16),
    "tiff with alpha, 0 is white": (tiff((8, 8), b"\2\3", photometric=0, extra={338: 2}), [[[253, 3]]], 8),
    "tiff 12": (tiff((12,), b"\xab\xc0", photometric=1), [[0xABC]], 12),
    "tiff 4 of colours": (tiff((4, 4, 4), b"\x12\x30", photometric=2), [[[1, 2, 3]]], 4),
    "tiff 1 of colours": (tiff((1, 1, 1), b"\xa0", photometric=2), [[[1, 0, 1]]], 1),
    "pbm": (b"P4\n9 1\n\x80\x80", [[0, 1, 1, 1, 1, 1, 1, 1, 0]], 1),
    "plain pbm": (b"P1\n3 2\n1 0 1\n0 1 0\n", [[0, 1, 0], [1, 0, 1]], 1),
    "plain pbm, digits together": (b"P1\n3 2\n101\n0 10\n", [[0, 1, 0], [1, 0, 1]], 1),
    "plain pgm 2": (b"P2 2 1 3 1 3\n", [[1, 3]], 2),
    "plain ppm 16": (b"P3 1 1 65535\n1 2 60000\n", [[[1, 2, 60000]]], 16),
    "pam in another order": (
        b"P7\nTUPLTYPE RGB\nWIDTH 1\nDEPTH 3\n# \nHEIGHT 1\nMAXVAL 7\nENDHDR\n\1\2\3",
        [[[1, 2, 3]]],
        3,
    ),
}


@pytest.mark.parametrize("case", HANDMADE)
def test_handmade_files(case: str) -> None:
    data, expected, depth = HANDMADE[case]
    found = read(data, strip=["text"])
    assert found.samples.tolist() == expected
    assert (found.bit_depth, found.metadata) == (depth, NO_METADATA)


def palette_bmp(bits: int, colours: list[tuple[int, int, int]], body: bytes) -> bytes:
    """One row of a BMP with a palette; as wide as 2 pixels."""
    entries = b"".join(bytes([blue, green, red, 0]) for red, green, blue in colours)
    start = 54 + len(entries)
    header = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, bits, 0, len(body), 0, 0, len(colours), 0)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + header + entries + body


@pytest.mark.parametrize(
    ("bits", "body", "count", "expected"),
    [(1, b"\x40", 2, [[0, 1]]), (4, b"\x21", 3, [[2, 1]]), (8, b"\3\2", 4, [[3, 2]])],
)
def test_bmp_palettes(tmp_path: Path, bits: int, body: bytes, count: int, expected: list[list[int]]) -> None:
    data = palette_bmp(bits, COLOURS[:count], body.ljust(4, b"\0"))
    again, found = restored(tmp_path, data, ".bmp", ".png")
    assert found.samples.tolist() == expected
    assert found.bit_depth == bits
    assert found.metadata.palette == Palette(bytes(value for colour in COLOURS[:count] for value in colour))
    assert dict(png_chunks(again))[b"PLTE"] == found.metadata.palette.colours


def pam(tail: str, body: bytes = bytes(9)) -> bytes:
    return f"P7\nWIDTH 1\nHEIGHT 1\n{tail}\nENDHDR\n".encode() + body


def with_colours(entries: list[int]) -> bytes:
    """A TIFF of one pixel with a palette of two colours."""
    made = image_bytes(np.zeros((1, 1), np.uint8), ".tif", Metadata(palette=Palette(b"\x09" * 6)), 1)
    return made.replace(b"\x09" * 12, struct.pack("<6H", *entries))


def segments(**changes: int) -> bytes:
    """A TIFF of one strip with other values of tags."""
    tags = {int(tag[1:]): value for tag, value in changes.items()}
    return tiff((8,), b"\1", photometric=1, extra=tags)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "pgm up to 100": (lambda: b"P5 1 1 100\n\0", "largest sample value is 100"),
    "pgm up to 70000": (lambda: b"P5 1 1 131071\n\0\0\0\0", "largest sample value is 131071"),
    "pgm with too large a sample": (lambda: b"P5 1 1 15\n\x10", "a sample is more than 15"),
    "plain pgm with too large a sample": (lambda: b"P2 1 1 15\n16", "a sample is more than 15"),
    "cut pgm": (lambda: b"P5 2 1 255\n\0", "damaged"),
    "cut plain ppm": (lambda: b"P3 1 1 255\n1 2", "damaged"),
    "empty pgm": (lambda: b"P5 0 1 255\n", "no pixels"),
    "pnm without a header": (lambda: b"P5 \n", "damaged"),
    "pam of another kind": (lambda: pam("DEPTH 4\nMAXVAL 255\nTUPLTYPE CMYK"), "the tuple type CMYK"),
    "pam without a kind": (lambda: pam("DEPTH 1\nMAXVAL 255"), r"the tuple type \(none\)"),
    "pam of another depth": (
        lambda: pam("DEPTH 4\nMAXVAL 255\nTUPLTYPE RGB"),
        "the tuple type RGB of depth 4",
    ),
    "pam of bits that are more": (lambda: pam("DEPTH 1\nMAXVAL 3\nTUPLTYPE BLACKANDWHITE"), "tuple type"),
    "thumbnail of xv": (lambda: b"P7 332\n1 1 255\n\0", "tuple type RGB"),
    "pfm": (lambda: b"Pf\n1 1\n-1.0\n\0\0\0\0", "convert it to PNG first"),
    "png with a transparent colour out of range": (
        lambda: png(4, 0, bytes(2), chunks=((b"tRNS", b"\0\x10"),)),
        "transparent colour can not be kept .*4 bits belong",
    ),
    "png with a short transparent colour": (
        lambda: png(8, 2, bytes(9), chunks=((b"tRNS", bytes(4)),)),
        "transparent colour can not be kept",
    ),
    "png with alpha and a transparent colour": (
        lambda: png(8, 6, bytes(12), chunks=((b"tRNS", bytes(6)),)),
        "transparent colour can not be kept",
    ),
    "png without its palette": (lambda: png(8, 3, bytes(3)), "palette can not be kept|damaged"),
    "png with a palette of a broken colour": (
        lambda: png(8, 3, bytes(3), chunks=((b"PLTE", bytes(4)),)),
        "palette can not be kept|damaged",
    ),
    "png with more colours than indices": (
        lambda: png(1, 3, bytes(1), chunks=((b"PLTE", bytes(9)),)),
        "colours of the palette: 3|damaged",
    ),
    "png with more alphas than colours": (
        lambda: png(1, 3, bytes(1), chunks=((b"PLTE", bytes(6)), (b"tRNS", bytes(3)))),
        "palette can not be kept",
    ),
    "animated 16-bit png": (
        lambda: png(16, 2, bytes(18), chunks=((b"acTL", bytes([0, 0, 0, 2, 0, 0, 0, 0])),)),
        "2 frames",
    ),
    "tiff palette of 16 bits": (lambda: with_colours([0, 256, 0, 0, 0, 0]), "16 bits that are not twice"),
    "tiff of 17 bits": (lambda: tiff((17,), bytes(3), photometric=1), "17 bits|damaged"),
    "tiff of several depths": (lambda: tiff((5, 6, 5), bytes(2), photometric=2), r"bits a sample"),
    "signed tiff": (lambda: tiff((8,), bytes(1), photometric=1, extra={339: 2}), "not unsigned integers"),
    "tiff of 16-bit float": (lambda: tiff((16,), bytes(2), photometric=1, extra={339: 3}), "not unsigned"),
    "tiff of 5 channels": (
        lambda: tiff((8,) * 5, bytes(5), photometric=2, extra={338: 2}),
        "extra samples a pixel",
    ),
    "tiff mask": (lambda: tiff((1,), bytes(1), photometric=4), "a mask can not be kept"),
    "tiff of a camera": (lambda: tiff((8,), bytes(1), photometric=32803), "photometric interpretation 32803"),
    "tiff in jpeg 2000": (lambda: segments(t259=34712), "compression 34712"),
    "tiff without its strip": (lambda: segments(t273=0), "strip or tile is missing|damaged"),
    "tiff with an empty strip": (lambda: segments(t279=0), "strip or tile is missing|damaged"),
    "tiff with a long strip": (lambda: segments(t279=60000), "strip or tile is missing"),
    "tiff with too few strips": (lambda: segments(t257=2), "number of strips|damaged"),
    "tiff with a huge tile": (lambda: segments(t322=60000, t323=60000, t324=8, t325=1), "tile is larger"),
    "tiff with a tag that can not be read": (
        lambda: segments(t317=2).replace(struct.pack("<HHI", 317, 3, 1), struct.pack("<HHI", 317, 99, 1)),
        "tag 317 can not be read",
    ),
    "tiff without pages": (lambda: b"II*\0\x08\0\0\0\0\0\0\0\0\0", "damaged"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_kept_is_refused(case: str) -> None:
    make, message = REFUSED[case]
    with pytest.raises(UnsupportedImageError, match=message):
        read(make(), strip=["all"])


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits", "zstd", "lzma"])
def test_cut_tiffs_are_refused(compression: str | None) -> None:
    file = io.BytesIO()
    tifffile.imwrite(
        file, samples((40, 30, 3), 16), photometric="rgb", compression=compression, metadata=None
    )
    for cut in (1, 20, 200):
        with pytest.raises(UnsupportedImageError, match="undamaged copy"):
            read(file.getvalue()[:-cut], strip=["all"])


@pytest.mark.parametrize(
    "data",
    [
        *(png(depth, kind, b"", width=60000, height=60000) for depth, kind in ((1, 0), (8, 3), (16, 2))),
        *(tiff((depth,), b"", photometric=1, extra={256: 60000, 257: 60000}) for depth in (1, 8, 16)),
        *(f"P{kind} 60000 60000 65535\n".encode() for kind in (2, 3, 5, 6)),
        *(f"P{kind} 60000 60000\n".encode() for kind in (1, 4)),
        b"P7\nWIDTH 60000\nHEIGHT 60000\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\nENDHDR\n",
        palette_bmp(8, COLOURS, b"").replace(struct.pack("<ii", 2, 1), struct.pack("<ii", 60000, 60000)),
    ],
)
def test_sizes_are_checked_before_anything_is_decoded(data: bytes) -> None:
    for limit in (None, 60000 * 60000 - 1):
        with pytest.raises(ImageTooLargeError, match="--max-pixels"):
            read(data, max_pixels=limit)


def test_decoded_pixels_of_a_jpeg_in_a_tiff_are_kept_and_said_so(caplog: pytest.LogCaptureFixture) -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, samples((16, 16), 8), compression="jpeg", metadata=None)
    with caplog.at_level(logging.INFO, "ppyr"):
        found = read(file.getvalue(), strip=["all"])
    assert np.array_equal(found.samples, imagecodecs.tiff_decode(file.getvalue()))
    assert "decoded pixels are kept" in caplog.text


def test_indices_are_no_pixels_and_nothing_strips_their_palette(tmp_path: Path) -> None:
    source, packed, target = tmp_path / "a.png", tmp_path / "a.ppyr", tmp_path / "b.png"
    metadata = Metadata(palette=ODD, xmp=b"<x/>")
    source.write_bytes(image_bytes(samples((3, 5), 3), ".png", metadata, 4))
    with pytest.raises(UnsupportedImageError, match="indices of a palette"):
        read_image(source)
    compress_file(source, packed, effort=1, strip=["all"])
    assert ppyr.read_metadata(packed) == Metadata(palette=ODD)
    assert ppyr.info(packed).metadata == {"palette": 25}
    decompress_file(packed, target, strip=["all"])
    assert read_image_file(target).metadata == Metadata(palette=ODD)
    with pytest.raises(UnsupportedImageError, match=r"this palette.*write \.png"):
        decompress_file(packed, tmp_path / "b.webp", strip=["all"])


def test_a_palette_of_colours_is_refused_before_anything_is_encoded() -> None:
    with pytest.raises(FormatError, match="channels of an image with a palette: 3, where 1 belongs"):
        ppyr.encode(samples((3, 5, 3), 8), metadata=Metadata(palette=ODD))


def test_a_palette_beside_colours_is_other_metadata() -> None:
    data = png(8, 2, bytes(9), chunks=((b"PLTE", bytes(6)),))
    with pytest.raises(UnsupportedImageError, match="other: PLTE"):
        read(data)
    assert read(data, strip=["other"]).metadata == NO_METADATA


def raw_png(rows: int, *, header: bytes = b"", interlaced: bool = False) -> bytes:
    """A PNG of 4 x 10 gray pixels with so many rows of data; `header` stands before these."""
    kinds = struct.pack(">IIBBBBB", 4, 10, 8, 0, 0, 0, interlaced)
    data = zlib.compress(b"\0\1\2\3\4" * rows)
    chunks = png_chunk(b"IHDR", kinds) + header + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")
    return PNG_SIGNATURE + chunks


def test_a_png_with_missing_rows_or_headers_elsewhere_is_refused() -> None:
    """Pillow takes the rows for black, and the second header for the first."""
    assert read(raw_png(10)).samples.shape == (10, 4)
    second = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4000, 8, 0, 0, 0, 0))
    late = raw_png(10).replace(PNG_SIGNATURE, PNG_SIGNATURE + png_chunk(b"tEXt", b"a\0b" * 9))
    for damaged in (raw_png(9), raw_png(0), raw_png(10, interlaced=True), raw_png(10, header=second), late):
        with pytest.raises(UnsupportedImageError, match="damaged"):
            read(damaged)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (9, 5), (8, 17)])
@pytest.mark.parametrize("depth", [1, 8, 16])
def test_interlaced_png_files_are_complete(size: tuple[int, int], depth: int) -> None:
    pixels = samples(size[::-1], depth)
    file = io.BytesIO()
    pypng.Writer(*size, greyscale=True, bitdepth=depth, interlace=True).write(file, pixels.tolist())
    np.testing.assert_array_equal(read(file.getvalue()).samples, pixels)


#: Found by fuzzing, deflated: width times height is a string of 1.6 GB.
WIDTH_IS_A_STRING = (
    "eNrz9NRi4GBgYOBjYGBkZ2AEsliBmJGRBcxmYWBIYGBiZGZgBnK2ATEzkA2SAAEOHavipv/Eg5V1+TGR3mDtTEAsyMhyBcS+"
    "AsSiUGNZoUaDrBNDuIFBHMpm8AA5DqiqoCg/LTMnlaE6JzI51MvRwlAP5BiIDU5GWjoKsgaWPrk12cnetjZKcvI8vILcwmIl"
    "uanWZsYiQsIcnNxsXNwA+z1Emg=="
)


def test_a_tiff_whose_width_is_no_number_is_refused() -> None:
    with pytest.raises(UnsupportedImageError, match="width and height are no numbers"):
        read(zlib.decompress(base64.b64decode(WIDTH_IS_A_STRING)))
