"""Pictures that are in a page: PNG files as data URIs."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from ppyr.bitstream.raster import SHALLOW, Samples
from ppyr.images import coloured
from ppyr.metadata import Metadata

from .colours import palette, steps_of
from .html import Element, element

#: Pictures of fewer pixels a side are shown larger, with square pixels.
_SMALL = 400


def shown(image: Samples, bit_depth: int, metadata: Metadata) -> npt.NDArray[np.uint8]:
    """The pixels of an image as they are to be looked at, (H, W, C) of 8 bits.

    Colours are in place of the numbers of a palette, the transparent colour has an alpha, and of samples of
    other than 8 bits the largest that there may be, or of wide ones that there is, is white.
    """
    samples: Samples = image[..., np.newaxis] if image.ndim == 2 else image
    if metadata.palette is not None:
        return coloured(samples[..., 0], metadata.palette)
    found = samples if bit_depth == SHALLOW else _scaled(samples, bit_depth)
    if metadata.transparent is None:
        return found.astype(np.uint8, copy=False)
    seen = (samples != np.array(metadata.transparent)).any(2, keepdims=True)
    return np.concatenate([found, np.where(seen, 255, 0)], 2).astype(np.uint8)


def _scaled(samples: Samples, bit_depth: int) -> npt.NDArray[np.uint8]:
    """Samples (H, W, C) as 0..255."""
    whole = (1 << bit_depth) - 1
    tops = [whole if bit_depth < SHALLOW else brightest(samples)] * samples.shape[2]
    if len(tops) % 2 == 0:
        tops[-1] = whole
    found = np.empty(samples.shape, np.uint8)
    for channel, top in enumerate(tops):
        table = (np.arange(whole + 1) * 255 // top).clip(max=255).astype(np.uint8)
        found[..., channel] = table[samples[..., channel]]
    return found


def brightest(image: Samples) -> int:
    """The largest sample of the colours of an image, at least 1."""
    samples = np.atleast_3d(image)
    return max(1, int(samples[..., : samples.shape[2] - (samples.shape[2] + 1) % 2].max()))


def picture(pixels: npt.NDArray[np.uint8], alt: str, factor: int = 1) -> Element:
    """Pixels (H, W, C), of which blocks of factor x factor become one."""
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
    return _img(image.reduce(factor) if factor > 1 else image, alt)


def heat(bits: npt.NDArray[np.float64], top: float, alt: str, factor: int = 1) -> Element:
    """What pixels cost (h, w), in colours from 0 to `top`; blocks of factor x factor become their means."""
    image = Image.fromarray(steps_of(means(bits, factor), top))
    image.putpalette(palette().tobytes())
    return _img(image, alt)


def means(values: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    """The means of blocks of so many rows and columns; the last ones have what is left."""
    for axis in (0, 1) if side > 1 else ():
        first = np.arange(0, values.shape[axis], side)
        sizes = np.diff(first, append=values.shape[axis])
        values = np.add.reduceat(values, first, axis) / np.expand_dims(sizes, 1 - axis)
    return values


def _img(image: Image.Image, alt: str) -> Element:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    small = max(image.size) < _SMALL
    return element(
        "img",
        src="data:image/png;base64," + base64.b64encode(file.getvalue()).decode(),
        alt=alt,
        width=image.width,
        height=image.height,
        class_="pixels" if small else None,
    )
