"""The grid of shared tables: a mean, a scale and a shape give a centre and a table number, all integers.

The mean is in 1/64 of a grey level. Its nearest whole value is the centre; what is left, the fraction,
chooses among the tables of that scale and shape: 2^fraction_bits of them, fewer for wide distributions, which
hardly change with it. Tables are numbered by scale, then shape, then fraction.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from ppyr.errors import ModelError

from .features import Number

MEAN_BITS = 6
SHAPES = 4
SCALES_PER_OCTAVE = 4
#: Largest scale under which a sample of more than 8 bits is coded, 8 sample values.
WIDEST = 28


class TableGrid:
    """The numbering of a model's tables.

    Args:
        fraction_bits: uint8 (scales,), at most 5 for each scale.

    Attributes:
        fraction_bits: int32 (scales,).
        first: number of the first table of each scale, int32 (scales,).
        scales: number of scales.
        size: number of tables.
        sharpest: number of the narrowest table that is centred.

    Raises:
        ModelError: the fraction bits are of another shape or larger.
    """

    def __init__(self, fraction_bits: npt.NDArray[np.uint8]) -> None:
        if fraction_bits.ndim != 1 or not fraction_bits.size or fraction_bits.max() >= MEAN_BITS:
            raise ModelError(
                f"fraction bits {fraction_bits.tolist()}: export the model with one number a scale, at most "
                f"{MEAN_BITS - 1}",
                expected=MEAN_BITS - 1,
                found=fraction_bits.tolist(),
            )
        self.fraction_bits = fraction_bits.astype(np.int32)
        sizes = SHAPES << self.fraction_bits
        self.first = np.cumsum(sizes, dtype=np.int32) - sizes
        self.scales = len(fraction_bits)
        self.size = int(sizes.sum())
        self.sharpest = 1 << int(self.fraction_bits[0]) >> 1

    def fractions(self, scale: int) -> npt.NDArray[np.float64]:
        """Distance of the mean from the centre, in grey levels, for the tables of a scale in order."""
        count = 1 << int(self.fraction_bits[scale])
        return (np.arange(count) - count // 2) / count


@njit(nogil=True)
def locate(
    mean: Number,
    scale: Number,
    shape: Number,
    fraction_bits: npt.NDArray[np.int32],
    first: npt.NDArray[np.int32],
) -> tuple[int, int]:
    """Centre (grey level) and table number of a pixel.

    `mean` in 1/64 grey level; `scale` in 0..scales - 1; `shape` in 0..3; the others are those of a
    `TableGrid`.
    """
    bits = fraction_bits[scale]
    drop = MEAN_BITS - bits
    steps = (mean + (1 << (drop - 1))) >> drop
    half = (1 << bits) >> 1
    centre = (steps + half) >> bits
    fraction = steps - (centre << bits) + half
    return centre, first[scale] + (shape << bits) + fraction


@njit(nogil=True)
def locate_wide(
    mean: Number,
    scale: Number,
    shape: Number,
    fraction_bits: npt.NDArray[np.int32],
    first: npt.NDArray[np.int32],
    unit: Number,
) -> tuple[int, int, int]:
    """Where a pixel of more than 256 values is.

    `mean` in 1/64 of a sample value, `scale` in units of 2^unit sample values. Returns centre, table number
    and how many low bits of a sample are left out of both: so many that the scale is at most `WIDEST`. Then
    all values of these bits are about as likely.
    """
    scale += SCALES_PER_OCTAVE * unit
    octaves = (max(scale - WIDEST, 0) + SCALES_PER_OCTAVE - 1) // SCALES_PER_OCTAVE
    middle = ((1 << octaves) - 1) << (MEAN_BITS - 1)
    scale -= SCALES_PER_OCTAVE * octaves
    centre, table = locate((mean - middle) >> octaves, scale, shape, fraction_bits, first)
    return centre, table, octaves
