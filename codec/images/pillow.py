"""Samples by Pillow: BMP, WebP and JPEG, and what other modules leave to it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image

from ppyr.images import Pixels, check_size, plain, unsupported
from ppyr.metadata.walkers import webp_chunks, webp_size

_BMP_BITS = {"1": (1,), "L": (8,), "P": (1, 4, 8), "RGB": (24,)}
#: Rows of an image that are copied at once.
_BAND = 64


@contextmanager
def opened(data: bytes, formats: list[str]) -> Iterator[Image.Image]:
    """An image file as Pillow opens it, of which only the header is read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data), formats=formats) as image:
            yield image


def loaded(data: bytes, form: str) -> np.ndarray:
    """The samples of an image file of this format, as Pillow has them."""
    with opened(data, [form]) as image:
        return samples_of(image)


def read_pillow(data: bytes, max_pixels: int | None) -> tuple[str, Pixels]:
    """Read the samples of a BMP, WEBP or JPEG file, and say which of them it is.

    Raises:
        UnsupportedImageError: they can not be kept.
        ImageTooLargeError: see `check_size`.
        PIL.UnidentifiedImageError: it is no such file.
    """
    if size := webp_size(data):  # Pillow allocates the pixels before it looks at their number
        check_size(*size, max_pixels)
    with opened(data, ["BMP", "WEBP", "JPEG"]) as image:
        check_size(image.width, image.height, max_pixels)
        for problem in _problems(image, data):
            raise unsupported(problem)
        depth = _bmp_bits(data) if image.mode == "P" else 1 if image.mode == "1" else 8
        lossy = image.format == "JPEG" or (
            image.format == "WEBP" and any(kind == b"VP8 " for kind, _ in webp_chunks(data))
        )
        return image.format or "", Pixels(samples_of(image), depth, lossy)


def write_webp(pixels: Pixels, **options: Any) -> bytes:
    """Make a WebP file of RGB or RGBA.

    Raises:
        ValueError: all pixels are opaque, which such a file does not tell from RGB.
    """
    if pixels.channels == 4 and pixels.samples[..., 3].min() == 255:
        raise ValueError("its alpha is opaque everywhere")
    return saved(Image.fromarray(pixels.samples), "WEBP", lossless=True, exact=True, **options)


def write_bmp(pixels: Pixels, palette: bytes | None, **options: Any) -> bytes:
    """Make a BMP file of gray of 1 or 8 bits, of RGB, or of indices of a palette; see `indexed`."""
    samples = pixels.samples
    if pixels.bit_depth == 1:
        return saved(Image.fromarray(samples.astype(bool)), "BMP", **options)
    return saved(Image.fromarray(samples) if palette is None else indexed(samples, palette), "BMP", **options)


def indexed(samples: np.ndarray, palette: bytes) -> Image.Image:
    """Indices (H, W) uint8 with a palette, R, G and B of each entry."""
    image = Image.frombytes("P", samples.shape[::-1], samples.tobytes())
    image.putpalette(palette)
    return image


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    """A file in one of Pillow's formats."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def samples_of(image: Image.Image) -> np.ndarray:
    """The pixels, (H, W) or (H, W, C), copied in bands: Pillow makes two copies of what it hands over."""
    image.load()
    first = plain(np.asarray(image.crop((0, 0, image.width, min(_BAND, image.height)))))
    samples = np.empty((image.height, *first.shape[1:]), first.dtype)
    for top in range(0, image.height, _BAND):
        bottom = min(top + _BAND, image.height)
        samples[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return samples


def _problems(image: Image.Image, data: bytes) -> Iterator[str]:
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        yield f"the file holds {frames} frames"
    if image.format == "BMP":
        if _bmp_bits(data) not in _BMP_BITS.get(image.mode, ()):
            yield f"the image has {_bmp_bits(data)} bits a pixel"
    elif image.mode not in ("L", "RGB", "RGBA"):
        yield f"mode {image.mode} can not be kept"


def _bmp_bits(data: bytes) -> int:
    return int.from_bytes(data[24:26] if data[14] == 12 else data[28:30], "little")
