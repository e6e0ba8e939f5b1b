"""How far a residual exceeds the scale that its pixel was expected to have.

It tells how far the residuals of later channels and of neighbours will spread. The excess is a number of
quarter octaves, all integers: it needs a logarithm, and the bit length of an eighth power is one.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .features import Number, clamped

#: Least and greatest excess, and how many there are.
EXCESS_LIMITS = (-8, 16)
EXCESSES = EXCESS_LIMITS[1] - EXCESS_LIMITS[0] + 1
#: Quarter octaves of the smallest scale, 4/64 of a grey level, over 1/64.
SMALLEST_SCALE_QUARTERS = 8
#: Residuals, in 1/64 grey level, count as no larger.
RESIDUAL_LIMIT = (1 << 14) - 1
#: 4 log2(a), rounded, for a > 0, exactly: a >= 2^((k - 1/2) / 4) where a^8 >= 2^(2k - 1); 0 for a = 0.
_QUARTER_OCTAVES = np.array([(a**8).bit_length() // 2 for a in range(RESIDUAL_LIMIT + 1)], np.int8)


@njit(nogil=True)
def excess(residual: Number, scale: Number) -> Number:
    """Quarter octaves of |residual| over its scale, clamped to `EXCESS_LIMITS`.

    `residual` in 1/64 grey level, `scale` 0..40 on the grid of quarter octaves.
    """
    quarters = _QUARTER_OCTAVES[min(abs(residual), RESIDUAL_LIMIT)]
    return clamped(quarters - SMALLEST_SCALE_QUARTERS - scale, EXCESS_LIMITS[0], EXCESS_LIMITS[1])
