"""How far an earlier channel's residual exceeds its scale, which tells how far a later channel's will spread.

The excess is a number of quarter octaves, all integers: it needs a logarithm, and the bit length of an eighth
power is one.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from .features import IntArray

#: Least and greatest excess, and how many there are.
EXCESS_LIMITS = (-8, 16)
EXCESSES = EXCESS_LIMITS[1] - EXCESS_LIMITS[0] + 1
#: Quarter octaves of the smallest scale, 4/64 of a grey level, over 1/64.
SMALLEST_SCALE_QUARTERS = 8
_RESIDUAL_LIMIT = (1 << 14) - 1


def excess(residual: IntArray, scale: IntArray) -> IntArray:
    """Quarter octaves of |residual| over its scale, clamped and counted from the least one, elementwise.

    `residual` int32 in 1/64 grey level, `scale` int32 0..40 on the grid of quarter octaves; gives
    0..EXCESSES - 1.
    """
    quarters = _quarter_octaves()[np.minimum(np.abs(residual), _RESIDUAL_LIMIT)]
    low, high = EXCESS_LIMITS
    found: IntArray = np.clip(quarters - SMALLEST_SCALE_QUARTERS - scale, low, high) - low
    return found


@cache
def _quarter_octaves() -> npt.NDArray[np.int32]:
    """4 log2(a), rounded, for a > 0, exactly: a >= 2^((k - 1/2) / 4) where a^8 >= 2^(2k - 1); 0 for a = 0."""
    return np.array([(a**8).bit_length() // 2 for a in range(_RESIDUAL_LIMIT + 1)], np.int32)
