"""What a PixelCNN sees of a pixel, and the anchor that its means count from; for training and coding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from ppyr.models.features import SHARPNESS, ByteArray, Integers, clamped, signed
from ppyr.models.grid import MEAN_BITS

Positions = npt.NDArray[np.int64]


@njit(nogil=True, cache=True)
def look(image: ByteArray, rows: Positions, columns: Positions, bits: int) -> ByteArray:
    """Features (n, 3 P + 1) of pixels of an image (h, w, P) with samples of `bits` bits.

    The sample, its differences to the left and above, sharpened, and that there is a pixel. Beyond the edges
    a pixel's neighbour is itself.
    """
    planes = image.shape[2]
    found = np.empty((len(rows), 3 * planes + 1), np.uint8)
    scale = 8 - bits
    for n in range(len(rows)):
        y, x = rows[n], columns[n]
        for plane in range(planes):
            sample = np.int64(image[y, x, plane])
            across = sample - image[y, max(x - 1, 0), plane]
            down = sample - image[max(y - 1, 0), x, plane]
            found[n, plane] = sample << scale
            found[n, planes + plane] = signed(SHARPNESS * across << scale)
            found[n, 2 * planes + plane] = signed(SHARPNESS * down << scale)
        found[n, 3 * planes] = 255
    return found


@njit(nogil=True, cache=True)
def anchors(image: ByteArray, rows: Positions, columns: Positions) -> Integers:
    """Guesses (n, P), in 1/64 sample value, of pixels from those to the left and above.

    The median edge detector of LOCO-I (Weinberger et al. 2000, equation 1). 0 for the first pixel.
    """
    planes = image.shape[2]
    found = np.empty((len(rows), planes), np.int32)
    for n in range(len(rows)):
        y, x = rows[n], columns[n]
        for plane in range(planes):
            guess = np.int64(0)
            if y == 0 and x == 0:
                pass
            elif y == 0:
                guess = np.int64(image[y, x - 1, plane])
            elif x == 0:
                guess = np.int64(image[y - 1, x, plane])
            else:
                left, above = np.int64(image[y, x - 1, plane]), np.int64(image[y - 1, x, plane])
                plain = left + above - image[y - 1, x - 1, plane]
                guess = clamped(plain, min(left, above), max(left, above))
            found[n, plane] = guess << MEAN_BITS
    return found


def everywhere(height: int, width: int) -> tuple[Positions, Positions]:
    """Rows and columns of all pixels, in rows from the top."""
    rows, columns = np.divmod(np.arange(height * width, dtype=np.int64), width)
    return rows, columns
