"""What the network sees of the decoded pixels: exact integer features of one factor of two.

Two paired levels (rows, then columns) turn a coarse image into one of twice its sides. On the lattice of
the coarse image the pixels fall into four phases, named by (row parity, column parity)::

    00 01        00 is known; 10 is the fine image of the row level,
    10 11        01 and 11 together are the fine image of the column level.

Arrays are (..., C, h, w) with h and w even, NumPy integers; both training and decoding use these
functions. Samples of more than 8 bits are seen by their upper 8, and their differences in units of
2^unit: `unit` is 0 for samples of 8 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.signedinteger[Any]]
ByteArray = npt.NDArray[np.uint8]

PHASES = ("10", "01", "11")
ZERO_POINT = 128
#: Steps of a difference of one grey level in the sharp features, which saturate at 32 grey levels.
SHARPNESS = 4
#: The same for a pixel minus its anchor, which saturates at 64 grey levels, and for an excess.
RESIDUAL_SHARPNESS = 2
EXCESS_SHARPNESS = 8


@dataclass(frozen=True)
class Depth:
    """How large the samples of an image are.

    Attributes:
        bits: 8..16, the samples are below 2^bits.
        units: for every factor of two, coarse to fine: a grey level of the networks is 2^unit in sample
            values. () of samples of 8 bits, for which it is 1.
    """

    bits: int = 8
    units: tuple[int, ...] = ()

    @property
    def wide(self) -> bool:
        """Whether samples do not fit a byte."""
        return bool(self.units)


BYTES = Depth()


def below(a: IntArray) -> IntArray:
    """Every pixel's neighbour one row below; the last row stands for its own."""
    return np.concatenate((a[..., 1:, :], a[..., -1:, :]), axis=-2)


def right_of(a: IntArray) -> IntArray:
    """Every pixel's neighbour one column to the right; the last column stands for its own."""
    return np.concatenate((a[..., 1:], a[..., -1:]), axis=-1)


def signed(a: IntArray) -> ByteArray:
    """A signed feature, clamped, as an unsigned byte with zero point 128."""
    return (np.clip(a, -128, 127) + ZERO_POINT).astype(np.uint8)


def in_units(a: IntArray, unit: int) -> IntArray:
    """The nearest multiple of 2^unit, counted in such, halves upwards; elementwise."""
    return (a + ((1 << unit) >> 1)) >> unit if unit else a


def coarse_features(p00: IntArray, lower_bits: int = 0, unit: int = 0) -> ByteArray:
    """Pixels without `lower_bits`, and their differences to the right and below, plain and sharpened.

    (..., C, h, w) -> (..., 5 C, h, w).
    """
    across, down = right_of(p00) - p00, below(p00) - p00
    plain = (signed(in_units(a, unit)) for a in (across, down))
    sharp = (signed(in_units(SHARPNESS * a, unit)) for a in (across, down))
    return np.concatenate(((p00 >> lower_bits).astype(np.uint8), *plain, *sharp), axis=-3)


def anchor(phase: str, known: dict[str, IntArray]) -> IntArray:
    """Mean of the two or four nearest known pixels of each pixel of a phase, in quarters of a grey level.

    The mean that the network predicts is an offset to this.
    """
    p00 = known["00"]
    if phase == "10":
        return 2 * (p00 + below(p00))
    if phase == "01":
        return 2 * (p00 + right_of(p00))
    p10, p01 = known["10"], known["01"]
    return p10 + right_of(p10) + p01 + below(p01)


def sharp_residual(residual: IntArray, unit: int = 0) -> ByteArray:
    """Pixel minus rounded anchor, sharpened; 0 where the pixel is not known. (..., C, h, w), elementwise."""
    return signed(in_units(RESIDUAL_SHARPNESS * residual, unit))


def sharp_excess(excess: IntArray) -> ByteArray:
    """How far a pixel was from what was expected of it, see `excess`; 0 where it is not known."""
    return signed(EXCESS_SHARPNESS * excess)


def rounded(quarters: IntArray) -> IntArray:
    """Quarters of a grey level to the nearest whole one, halves upwards."""
    return (quarters + 2) >> 2
