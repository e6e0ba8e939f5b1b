"""Pixels that repeat a neighbour, and which one; FORMAT.md is the specification."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from ppyr.bitstream.raster import Samples

#: The neighbours left, above, above to the right and above to the left, in a padded image; then none.
_DOWN, _ACROSS = (1, 0, 0, 0), (0, 1, 2, 0)
NONE = len(_DOWN)
"""A pixel of this number, or a larger one, repeats no neighbour."""


def repeated(samples: Samples) -> tuple[npt.NDArray[np.uint8], Samples]:
    """Which neighbour each pixel of (h, w, c) repeats, (h, w), and the pixels (n, c) that repeat none."""
    height, width, channels = samples.shape
    padded = np.zeros((height + 1, width + 2, channels), samples.dtype)
    padded[1:, 1:-1] = samples
    which, others = _repeated(padded)
    return which, others


def filled(which: npt.NDArray[np.uint8], others: Samples) -> Samples:
    """The reverse of `repeated`, with as many pixels in `others` as `which` says."""
    height, width = which.shape
    padded = np.zeros((height + 1, width + 2, others.shape[1]), others.dtype)
    _fill(padded, which, others)
    return padded[1:, 1:-1]


@njit(nogil=True, cache=True)
def repeats(samples: Samples, step: int) -> int:
    """How many pixels in every step-th row of (h, w, c) equal the one to the left or the one above."""
    height, width, channels = samples.shape
    found = 0
    for y in range(0, height, step):
        for x in range(width):
            above, left = y > 0, x > 0
            for channel in range(channels):
                sample = samples[y, x, channel]
                above &= sample == samples[y - 1, x, channel]
                left &= sample == samples[y, x - 1, channel]
            found += above or left
    return found


@njit(nogil=True, cache=True)
def _repeated(padded: Samples) -> tuple[npt.NDArray[np.uint8], Samples]:
    """Which neighbour each pixel of a padded image (h + 1, w + 2, c) repeats, and those that repeat none."""
    height, width, channels = padded.shape[0] - 1, padded.shape[1] - 2, padded.shape[2]
    which = np.empty((height, width), np.uint8)
    others = np.empty((height * width, channels), padded.dtype)
    count = 0
    for i in range(height):
        for j in range(width):
            number, found = 0, False
            while number < NONE and not found:
                found = True
                for channel in range(channels):
                    same = padded[i + _DOWN[number], j + _ACROSS[number], channel]
                    found &= padded[i + 1, j + 1, channel] == same
                number += not found
            which[i, j] = number
            if not found:
                others[count] = padded[i + 1, j + 1]
                count += 1
    return which, others[:count]


@njit(nogil=True, cache=True)
def _fill(padded: Samples, which: npt.NDArray[np.uint8], others: Samples) -> None:
    height, width = which.shape
    count = 0
    for i in range(height):
        for j in range(width):
            number = which[i, j]
            if number < NONE:
                padded[i + 1, j + 1] = padded[i + _DOWN[number], j + _ACROSS[number]]
            else:
                padded[i + 1, j + 1] = others[count]
                count += 1
