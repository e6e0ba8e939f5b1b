"""What PixelPyramids see of pixels, and the anchors that their means count from; for training and coding.

A plane is a channel in coding order, R, G, B; a gray image has three that are alike.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from ppyr.models.features import ByteArray, Integers, coarse_features, in_units, signed
from ppyr.models.grid import MEAN_BITS

from .network import PLANES, SEEN

#: Steps of a residual of one grey level of 8 bits, plain and sharpened.
SHARPNESSES = (1, 8)


def planes_of(image: npt.NDArray[np.unsignedinteger]) -> Integers:
    """An image (h, w, 1 or 3) as planes, (h, w, 3)."""
    return np.broadcast_to(image, (*image.shape[:2], PLANES)).astype(np.int32)


def coarse_map(coarse: Integers, multiple: int, bits: int) -> ByteArray:
    """What is seen of planes (h, w, 3) of samples of `bits` bits, see `coarse_features`: (H, W, 15).

    H and W are the next multiples of `multiple`; the last row and column are repeated up to these.
    """
    edges = [(0, -length % multiple) for length in coarse.shape[:2]]
    return coarse_features(np.pad(coarse << (8 - bits), (*edges, (0, 0)), mode="edge"), 0, 0)


@njit(nogil=True, cache=True)
def anchors(coarse: Integers, axis: int, height: int, width: int) -> Integers:
    """Means of the two coarse pixels on both sides of each fine one along `axis`, in 1/64 sample value.

    Planes (h, w, 3) -> (height, width, 3). The last pixel of the coarse image stands for its own neighbour.
    """
    found = np.empty((height, width, PLANES), np.int32)
    for y in range(height):
        for x in range(width):
            other = coarse[y, min(x + 1, coarse.shape[1] - 1)]
            if axis == 0:
                other = coarse[min(y + 1, coarse.shape[0] - 1), x]
            for plane in range(PLANES):
                found[y, x, plane] = (coarse[y, x, plane] + other[plane]) << (MEAN_BITS - 1)
    return found


@njit(nogil=True, cache=True)
def look(fine: Integers, guesses: Integers, bits: int) -> ByteArray:
    """What is seen of pixels: by how much they are more than their anchors, plain and sharpened.

    Planes (h, w, 3) of samples of `bits` bits -> (h, w, 6).
    """
    height, width, _ = fine.shape
    found = np.empty((height, width, SEEN), np.uint8)
    for y in range(height):
        for x in range(width):
            for plane in range(PLANES):
                residual = (np.int64(fine[y, x, plane]) << MEAN_BITS) - guesses[y, x, plane]
                for number in range(len(SHARPNESSES)):
                    steps = (SHARPNESSES[number] * residual) << (8 - bits)
                    found[y, x, number * PLANES + plane] = signed(in_units(steps, MEAN_BITS))
    return found
