from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ppyr.errors import ImageTooLargeError, OutputExistsError, UnsupportedImageError
from ppyr.imagefile import READABLE, WRITABLE, image_bytes, read_image, write_image

from .handmade import bmp, png, tiff

RGB = np.arange(7 * 5 * 3, dtype=np.uint8).reshape(7, 5, 3)
GRAY = RGB[..., 0].copy()
KINDS_OF_IMAGES = {
    "rgb": RGB,
    "gray": GRAY,
    "rgba": np.dstack([RGB, GRAY]),
    "gray and alpha": np.dstack([GRAY, 255 - GRAY]),
    "gray of 16 bits": GRAY.astype(np.uint16) * 257 - 3,
}
HOLDS = {
    ".pbm": (),
    ".webp": ("rgb", "rgba"),
    ".pgm": ("gray", "gray of 16 bits"),
    ".ppm": ("rgb", "gray", "gray of 16 bits"),
    ".pnm": ("rgb", "gray", "gray of 16 bits"),
    ".bmp": ("rgb", "gray"),
}


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def converted(mode: str, form: str) -> bytes:
    return saved(Image.fromarray(RGB).convert(mode), form)


def several(form: str) -> bytes:
    other = Image.fromarray(255 - RGB)
    return saved(Image.fromarray(RGB), form, save_all=True, append_images=[other])


def read(data: bytes, **options: Any) -> np.ndarray:
    return read_image(io.BytesIO(data), **options)


@pytest.mark.parametrize("kind", KINDS_OF_IMAGES)
@pytest.mark.parametrize("suffix", [*WRITABLE, ".PNG"])
def test_every_written_format_reads_back_the_same(tmp_path: Path, suffix: str, kind: str) -> None:
    path, image = tmp_path / f"image{suffix}", KINDS_OF_IMAGES[kind]
    if kind not in HOLDS.get(suffix, KINDS_OF_IMAGES):
        with pytest.raises(UnsupportedImageError, match=r"write \.png"):
            write_image(image, path)
        assert not path.exists()
        return
    write_image(image, path)
    np.testing.assert_array_equal(read_image(path), image, strict=True)


def test_colours_under_full_transparency_are_kept() -> None:
    image = KINDS_OF_IMAGES["rgba"].copy()
    image[..., 3] = 0
    for suffix in (".png", ".tif", ".webp"):
        assert np.array_equal(read(image_bytes(image, suffix)), image)


@pytest.mark.parametrize("suffix", [".jpg", ".gif", ".avif", "", ".jp2"])
def test_lossy_and_unknown_suffixes_are_not_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image{suffix}"
    with pytest.raises(UnsupportedImageError, match="no lossless image format"):
        write_image(RGB, path)
    assert not path.exists()


def test_an_image_is_not_written_over_another(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    write_image(RGB, path)
    with pytest.raises(OutputExistsError):
        write_image(255 - RGB, path)
    assert np.array_equal(read_image(path), RGB)
    write_image(255 - RGB, path, force=True)
    assert np.array_equal(read_image(path), 255 - RGB)


def test_every_written_suffix_can_be_read() -> None:
    assert set(WRITABLE) <= READABLE


ADAM7_GRAY = png(8, 0, bytes([1, 2, 3]))
PLAIN_PPM = b"P3 1 2 255\n1 2 3\n4 5 6\n"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (ADAM7_GRAY, [[1, 2, 3], [1, 2, 3]]),
        (PLAIN_PPM, [[[1, 2, 3]], [[4, 5, 6]]]),
        (b"P5\n3 1\n255\n\x01\x02\x03", [[1, 2, 3]]),
        (tiff((8, 8, 8), b"\x01\x02\x03", photometric=2), [[[1, 2, 3]]]),
        (bmp(24, b"\x03\x02\x01\0"), [[[1, 2, 3]]]),
        (png(16, 0, bytes([1, 2, 3, 4, 5, 6])), [[258, 772, 1286]] * 2),
        (tiff((16,), b"\x01\x02", photometric=1), [[513]]),
        (b"P5 1 2 65535\n\1\2\3\4", [[258], [772]]),
        (tiff((8, 8, 8, 8), b"\x01\x02\x03\x04", photometric=2, extra={338: 2}), [[[1, 2, 3, 4]]]),
    ],
    ids=["png", "plain ppm", "pgm", "tiff", "bmp", "wide png", "wide tiff", "wide pgm", "rgba tiff"],
)
def test_handmade_files_give_their_samples(data: bytes, expected: list[Any]) -> None:
    wide = np.max(expected) > 255
    np.testing.assert_array_equal(
        read(data), np.array(expected, np.uint16 if wide else np.uint8), strict=True
    )


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "gif": (lambda: converted("P", "GIF"), "convert it to PNG first"),
    "rgba tiff multiplied by alpha": (
        lambda: tiff((8, 8, 8, 8), bytes(4), photometric=2, extra={338: 1}),
        "extra samples|mode RGBa",
    ),
    "32-bit gray tiff": (lambda: tiff((32,), bytes(4), photometric=1), "32 bits a sample"),
    "tiff with an extra sample": (
        lambda: tiff((8, 8, 8, 8), bytes(4), photometric=2, extra={338: 0}),
        "extra samples",
    ),
    "cmyk tiff": (lambda: converted("CMYK", "TIFF"), "CMYK can not be kept"),
    "cmyk jpeg": (lambda: converted("CMYK", "JPEG"), "mode CMYK"),
    "ycbcr tiff": (lambda: converted("YCbCr", "TIFF"), "YCbCr can not be kept"),
    "lab tiff": (lambda: converted("LAB", "TIFF"), "Lab can not be kept"),
    "float tiff": (lambda: converted("F", "TIFF"), "32 bits a sample"),
    "ppm up to 100": (lambda: b"P6 1 1 100\n\0\0\0", "largest sample value is 100"),
    "15-bit bmp": (lambda: bmp(16, bytes(4)), "16 bits a pixel"),
    "32-bit bmp": (lambda: bmp(32, bytes(4)), "32 bits a pixel"),
    "animated png": (lambda: several("PNG"), "2 frames"),
    "animated webp": (lambda: several("WEBP"), "2 frames"),
    "multi-page tiff": (lambda: several("TIFF"), "2 frames"),
    "nothing": (lambda: b"", "convert it to PNG first"),
    "text": (lambda: b"not an image", "convert it to PNG first"),
    "damaged png": (lambda: flipped(image_bytes(RGB, ".png"), -20), "damaged"),
    "damaged png header": (lambda: flipped(image_bytes(RGB, ".png"), 20), "undamaged copy|PNG first"),
    **{
        f"cut {suffix}": (lambda suffix=suffix: image_bytes(RGB, suffix)[:-20], "undamaged copy|PNG first")  # type: ignore[misc]
        for suffix in WRITABLE
        if suffix not in (".pgm", ".pbm")
    },
}


def flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_kept_is_refused(case: str) -> None:
    make, message = REFUSED[case]
    with pytest.raises(UnsupportedImageError, match=message):
        read(make(), strip=["all"])


PICTURE = Image.fromarray(RGB)


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_the_decoded_pixels_of_lossy_files_are_kept_and_said_so(
    form: str, caplog: pytest.LogCaptureFixture
) -> None:
    data = saved(PICTURE, form)
    with caplog.at_level(logging.INFO, "ppyr"):
        found = read(data)
    assert np.array_equal(found, np.array(Image.open(io.BytesIO(data))))
    assert "decoded pixels are kept" in caplog.text


def test_nothing_is_said_about_lossless_files(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "ppyr"):
        read(image_bytes(RGB, ".webp"))
    assert caplog.text == ""


def test_large_images_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = image_bytes(RGB, ".png")
    assert np.array_equal(read(data, max_pixels=35), RGB)
    with pytest.raises(ImageTooLargeError) as caught:
        read(data, max_pixels=34)
    assert (caught.value.expected, caught.value.found) == (34, 35)
    for limit in (34, 10):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ImageTooLargeError, match="--max-pixels"):
            read(data)
    with pytest.raises(ImageTooLargeError, match="MAX_IMAGE_PIXELS"):
        read(data, max_pixels=35)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 34)
    assert np.array_equal(read(data, max_pixels=35), RGB)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "no.png")


@pytest.mark.parametrize("head", ["VP8L", "VP8X", "VP8 "])
def test_a_webp_file_is_refused_by_its_size_before_pillow_opens_it(
    head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow allocates the pixels that these 40 bytes claim."""
    sides = {
        "VP8L": b"\x2f" + (9999 | 9999 << 14).to_bytes(4, "little") + bytes(5),
        "VP8X": bytes(4) + (9999).to_bytes(3, "little") * 2,
        "VP8 ": b"\0\0\0\x9d\x01\x2a" + (10000).to_bytes(2, "little") * 2,
    }[head]
    data = b"RIFF\x20\0\0\0WEBP" + head.encode() + b"\x14\0\0\0" + sides + bytes(10)
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("Pillow was asked"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1 << 26)
    for limit in (10**8 - 1, None):
        with pytest.raises(ImageTooLargeError, match="10000 x 10000 pixels"):
            read_image(io.BytesIO(data), max_pixels=limit)
