"""The samples of image files: a module for each library that reads and writes them, and what they share."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ppyr.errors import ImageTooLargeError, UnsupportedImageError

if TYPE_CHECKING:
    from ppyr.bitstream.metadata import Palette

DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What the libraries let through on damaged files."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """The samples of an image.

    Attributes:
        samples: (H, W) or (H, W, C), uint8, or uint16 for more than 8 bits; C of 2 for gray and alpha, 3 for
            RGB, 4 for RGBA.
        bit_depth: 1..16 bits a sample.
        lossy: whether the file holds something else, such as JPEG, that is lost with it.
    """

    samples: np.ndarray
    bit_depth: int
    lossy: bool = False

    @property
    def channels(self) -> int:
        """Samples a pixel."""
        return 1 if self.samples.ndim == 2 else int(self.samples.shape[2])


def check_size(width: int, height: int, max_pixels: int | None) -> None:
    """Check the size in the header of a file, before anything is decoded.

    Raises:
        ImageTooLargeError: it has more than `max_pixels`, or than Pillow's own limit where that is None.
    """
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS if max_pixels is None else max_pixels
    if limit is not None and width * height > limit:
        raise ImageTooLargeError(
            f"{width} x {height} pixels are more than {limit}: allow more with --max-pixels",
            expected=limit,
            found=width * height,
        )


def unsupported(problem: str) -> UnsupportedImageError:
    """Make the error for an image file that can not be kept sample for sample."""
    return UnsupportedImageError(
        f"{problem}: convert it to gray or RGB of 1 to 16 bits first, with alpha or without, if that is what "
        "you want to keep",
        found=problem,
    )


def plain(samples: np.ndarray) -> np.ndarray:
    """Samples in the byte order of the machine, (H, W, C) with C above 1 or (H, W); bits become uint8."""
    native = samples.astype(np.uint8 if samples.dtype.itemsize == 1 else np.uint16, copy=False)
    return np.ascontiguousarray(native[..., 0] if native.ndim == 3 and native.shape[2] == 1 else native)


def coloured(indices: np.ndarray, palette: Palette) -> np.ndarray:
    """The colours (H, W, 3), or (H, W, 4) if the palette has alpha, of numbers (H, W); uint8.

    A number without an entry is opaque black.
    """
    colours = np.zeros((256, 4), np.uint8)
    colours[:, 3] = 255
    colours[: len(palette), :3] = np.frombuffer(palette.colours, np.uint8).reshape(-1, 3)
    colours[: len(palette.alpha), 3] = np.frombuffer(palette.alpha, np.uint8)
    found: np.ndarray = colours[:, : 4 if palette.alpha else 3][indices]
    return found
