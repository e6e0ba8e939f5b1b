"""Size and samples of an image: what tiles, pyramids and streams follow from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""Of an image, or of a part of it."""

SHALLOW = 8
"""Bits of a sample that a model needs no scaling for."""


@dataclass(frozen=True, slots=True)
class Raster:
    """An image without its samples.

    Attributes:
        width: in pixels.
        height: in pixels.
        channels: 1..4 samples a pixel: gray, gray and alpha, RGB, RGBA.
        bit_depth: 1..16 bits a sample.
    """

    width: int
    height: int
    channels: int
    bit_depth: int

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Of a stored sample: one byte, or two where the bit depth is above 8."""
        return np.dtype("u1" if self.bit_depth <= SHALLOW else "<u2")

    @property
    def components(self) -> int:
        """What is coded apart: the colours, and alpha as the second of two."""
        return 2 - self.channels % 2
