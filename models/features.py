"""What the network sees of the decoded pixels: exact integer features of one factor of two.

Two paired levels (rows, then columns) turn a coarse image into one of twice its sides. On the lattice of
the coarse image the pixels fall into four phases, named by (row parity, column parity)::

    00 01        00 is known; 10 is the fine image of the row level,
    10 11        01 and 11 together are the fine image of the column level.

Arrays are (h, w, 3), h and w even, int32, channels in coding order; both training and decoding use these
functions. Samples of more than 8 bits are seen by their upper 8, and their differences in units of
2^unit: `unit` is 0 for samples of 8 bits.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

IntArray = npt.NDArray[np.signedinteger[Any]]
Integers = npt.NDArray[np.int32]
ByteArray = npt.NDArray[np.uint8]
Number: TypeAlias = Any
"""An integer, of Python or NumPy: mypy can not follow what Numba makes of it."""

PHASES = ("10", "01", "11")
PLANES = 3
ZERO_POINT = 128
#: Steps of a difference of one grey level in the sharp features, which saturate at 32 grey levels.
SHARPNESS = 4
#: The same for a pixel minus its anchor, which saturates at 64 grey levels, and for an excess.
RESIDUAL_SHARPNESS = 2
EXCESS_SHARPNESS = 8


@njit(nogil=True)
def clamped(value: Number, low: Number, high: Number) -> Number:
    """The nearest of low..high."""
    return min(max(value, low), high)


@njit(nogil=True)
def signed(value: Number) -> Number:
    """A signed feature, clamped, as an unsigned byte with zero point 128."""
    return clamped(value, -ZERO_POINT, ZERO_POINT - 1) + ZERO_POINT


@njit(nogil=True)
def in_units(value: Number, unit: Number) -> Number:
    """The nearest multiple of 2^unit, counted in such, halves upwards."""
    return (value + ((1 << unit) >> 1)) >> unit


@njit(nogil=True, cache=True)
def coarse_features(p00: Integers, lower_bits: int, unit: Number) -> ByteArray:
    """Pixels without `lower_bits`, and their differences to the right and below, plain and sharpened.

    (h, w, 3) -> (h, w, 15). The last row and column stand for their own neighbours.
    """
    height, width, _ = p00.shape
    found = np.empty((height, width, 5 * PLANES), np.uint8)
    for y in range(height):
        below = min(y + 1, height - 1)
        for x in range(width):
            right = min(x + 1, width - 1)
            for plane in range(PLANES):
                pixel = p00[y, x, plane]
                across, down = p00[y, right, plane] - pixel, p00[below, x, plane] - pixel
                found[y, x, plane] = pixel >> lower_bits
                found[y, x, PLANES + plane] = signed(in_units(across, unit))
                found[y, x, 2 * PLANES + plane] = signed(in_units(down, unit))
                found[y, x, 3 * PLANES + plane] = signed(in_units(SHARPNESS * across, unit))
                found[y, x, 4 * PLANES + plane] = signed(in_units(SHARPNESS * down, unit))
    return found


def anchor(phase: str, known: dict[str, Integers]) -> Integers:
    """Mean of the two or four nearest known pixels of each pixel of a phase, in quarters of a grey level.

    The mean that the network predicts is an offset to this.
    """
    p00 = known["00"]
    if phase == "10":
        return _between(p00, 1, 0)
    if phase == "01":
        return _between(p00, 0, 1)
    return _amid(known["10"], known["01"])


@njit(nogil=True, cache=True)
def _between(pixels: Integers, down: int, right: int) -> Integers:
    """Twice the sum of every pixel and its neighbour."""
    height, width, _ = pixels.shape
    found = np.empty_like(pixels)
    for y in range(height):
        for x in range(width):
            other = pixels[min(y + down, height - 1), min(x + right, width - 1)]
            for plane in range(PLANES):
                found[y, x, plane] = 2 * (pixels[y, x, plane] + other[plane])
    return found


@njit(nogil=True, cache=True)
def _amid(p10: Integers, p01: Integers) -> Integers:
    """Sum of the pixels left, right, above and below of those of phase 11."""
    height, width, _ = p10.shape
    found = np.empty_like(p10)
    for y in range(height):
        below = p01[min(y + 1, height - 1)]
        for x in range(width):
            right = p10[y, min(x + 1, width - 1)]
            for plane in range(PLANES):
                found[y, x, plane] = p10[y, x, plane] + right[plane] + p01[y, x, plane] + below[x, plane]
    return found


@njit(nogil=True)
def rounded(quarters: Number) -> Number:
    """Quarters of a grey level to the nearest whole one, halves upwards."""
    return (quarters + 2) >> 2


@njit(nogil=True)
def sharp_residual(residual: Number, unit: Number) -> Number:
    """Pixel minus rounded anchor, sharpened; 0 where the pixel is not known."""
    return signed(in_units(RESIDUAL_SHARPNESS * residual, unit))


@njit(nogil=True, cache=True)
def sharp_residuals(pixels: Integers, quarters: Integers) -> ByteArray:
    """`sharp_residual` of samples of 8 bits and their anchors, elementwise."""
    found = np.empty(pixels.shape, np.uint8)
    for place in np.ndindex(pixels.shape):
        found[place] = sharp_residual(pixels[place] - rounded(quarters[place]), 0)
    return found


@njit(nogil=True)
def sharp_excess(excess: Number) -> Number:
    """How far a pixel was from what was expected of it, see `excess`; 0 where it is not known."""
    return signed(EXCESS_SHARPNESS * excess)
