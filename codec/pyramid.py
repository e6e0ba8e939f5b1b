"""The paired pyramid: split an image in pairs of pixels, and put it together again.

Source: H. H. Torbey and H. E. Meadows, "System for lossless digital image coding/decoding", Visual
Communications and Image Processing IV, SPIE 1199, 1989. One split takes an image of b-bit samples apart along
one axis:

    coarse[i] = image[2 i]                                       ceil(n / 2) samples, unchanged
    fine[i]   = (image[2 i + 1] - image[2 i]) mod 2^b            floor(n / 2) samples

and the merge is its exact inverse:

    image[2 i]     = coarse[i]
    image[2 i + 1] = (coarse[i] + fine[i]) mod 2^b

    image    a   b   c   d   e       one row of five columns: the last one has no partner
             |  /    |  /    |
    coarse   a       c       e
    fine     b-a     d-c

Both halves together have as many samples as the image, of as many bits. The coarse half is split again along
the other axis, and so on down to 1 x 1: see `ppyr.geometry` for the shapes.

Images are arrays (H, W, C), H and W >= 1, C = 1..4, of uint8 where b = 1..8 and of uint16 where b = 9..16.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ppyr.errors import UnsupportedImageError
from ppyr.geometry import axes, split_shape

Image = NDArray[np.unsignedinteger]
"""Samples, (H, W, C), uint8 or uint16."""


def split(image: Image, axis: int, bit_depth: int) -> tuple[Image, Image]:
    """Split an image along rows (axis 0) or columns (axis 1).

    Args:
        image: (H, W, C).
        axis: 0 or 1.
        bit_depth: 1..16, of every sample.

    Returns:
        `coarse` and `fine`, new C-contiguous arrays of the image's dtype; n rows or columns become
        ceil(n / 2) and floor(n / 2). An axis of length 1 gives an empty fine image.

    Raises:
        UnsupportedImageError: the array's dtype or shape is not an image of this bit depth, or a sample is
            not below 2^bit_depth.
    """
    _check_image(image, bit_depth)
    return _split(image, axis, bit_depth)


def merge(coarse: Image, fine: Image, axis: int, bit_depth: int) -> Image:
    """Merge the two halves that `split` gives for the same axis and bit depth; its exact inverse.

    Args:
        coarse: (H', W', C), samples below 2^bit_depth (not checked).
        fine: (H'', W'', C), of the same dtype.
        axis: 0 or 1.
        bit_depth: 1..16.

    Returns:
        The image (H, W, C), a new C-contiguous array.

    Raises:
        UnsupportedImageError: the dtype or shape of `coarse` is not an image of this bit depth.
        ValueError: `fine` is not the other half of `coarse`.
    """
    _check_layout(coarse, bit_depth)
    height, width, channels = coarse.shape
    if axis == 0:
        height += fine.shape[0]
    else:
        width += fine.shape[1]
    halves = tuple((*half, channels) for half in split_shape((height, width), axis))
    if (coarse.shape, fine.shape) != halves or fine.dtype != coarse.dtype:
        raise ValueError(
            f"fine, {fine.dtype} {fine.shape}, is not the other half along axis {axis} of coarse, "
            f"{coarse.dtype} {coarse.shape}: pass what split returned"
        )
    image = np.empty((height, width, channels), coarse.dtype)
    _merge_blocks(*_blocks(image, coarse, fine, axis), _mask(coarse, bit_depth), _block(image, axis))
    return image


def build(image: Image, bit_depth: int, coarsest_bits: int = 0) -> tuple[Image, tuple[Image, ...]]:
    """Split an image all the way down.

    Args:
        image: (H, W, C).
        bit_depth: 1..16.
        coarsest_bits: the coarsest image has at most 2^coarsest_bits pixels a side.

    Returns:
        The coarsest image, and the fine image of every level, coarse to fine, with the shapes that
        `ppyr.geometry.shapes(H, W, coarsest_bits)` lists.

    Raises:
        UnsupportedImageError: as `split`.
    """
    _check_image(image, bit_depth)
    fine_to_coarse = []
    for axis in reversed(axes(image.shape[0], image.shape[1], coarsest_bits)):
        image, fine = _split(image, axis, bit_depth)
        fine_to_coarse.append(fine)
    return image.copy(), tuple(reversed(fine_to_coarse))


def _check_layout(image: Image, bit_depth: int) -> None:
    if not 1 <= bit_depth <= 16:
        raise UnsupportedImageError(
            f"samples of {bit_depth} bits: only 1 to 16 are possible", expected=range(1, 17), found=bit_depth
        )
    dtype = np.dtype(np.uint8 if bit_depth <= 8 else np.uint16)
    if image.dtype != dtype:
        raise UnsupportedImageError(
            f"an array of {image.dtype} with {bit_depth} bits a sample: convert it to {dtype}",
            expected=dtype,
            found=image.dtype,
        )
    if image.ndim != 3 or image.size == 0 or image.shape[2] > 4:
        raise UnsupportedImageError(
            f"an array of shape {image.shape}: pass (H, W, C) with at least one pixel and 1 to 4 channels",
            found=image.shape,
        )


def _check_image(image: Image, bit_depth: int) -> None:
    _check_layout(image, bit_depth)
    if bit_depth == 8 * image.itemsize:
        return
    highest = int(image.max())
    if highest >> bit_depth:
        raise UnsupportedImageError(
            f"a sample of {highest} does not fit in {bit_depth} bits: give the image's true bit depth",
            expected=range(1 << bit_depth),
            found=highest,
        )


def _split(image: Image, axis: int, bit_depth: int) -> tuple[Image, Image]:
    channels = image.shape[2]
    coarse_shape, fine_shape = split_shape((image.shape[0], image.shape[1]), axis)
    coarse = np.empty((*coarse_shape, channels), image.dtype)
    fine = np.empty((*fine_shape, channels), image.dtype)
    arrays = _blocks(np.ascontiguousarray(image), coarse, fine, axis)
    _split_blocks(*arrays, _mask(image, bit_depth), _block(image, axis))
    return coarse, fine


def _mask(image: Image, bit_depth: int) -> np.unsignedinteger:
    mask: np.unsignedinteger = image.dtype.type((1 << bit_depth) - 1)
    return mask


def _block(image: Image, axis: int) -> int:
    """Give the number of samples that stay together: a row of the image, or a pixel."""
    return int(image.shape[2] if axis == 1 else image.shape[1] * image.shape[2])


def _blocks(image: Image, coarse: Image, fine: Image, axis: int) -> tuple[Image, Image, Image]:
    """View the arrays as lines of blocks: to split the rows is to split one line whose blocks are rows."""
    lines = image.shape[0] if axis == 1 else 1
    image, coarse, fine = (
        np.ascontiguousarray(array).reshape(lines, array.size // lines) for array in (image, coarse, fine)
    )
    return image, coarse, fine


# Unsigned indices spare Numba the wrapping of negative ones, and a constant block unrolls: only both together
# let the compiler vectorise the loops (four times as fast for three channels).
_ONE, _TWO, _THREE, _FOUR = (np.uint64(n) for n in range(1, 5))


@njit(inline="always")
def _split_lines(
    image: Image, coarse: Image, fine: Image, mask: np.unsignedinteger, block: np.uint64
) -> None:
    fine_length = np.uint64(fine.shape[1])
    for line in range(image.shape[0]):
        source, evens, odds = image[line], coarse[line], fine[line]
        for pair in range(fine_length // block):
            at = pair * block
            for k in range(block):
                even = source[_TWO * at + k]
                evens[at + k] = even
                odds[at + k] = (source[_TWO * at + block + k] - even) & mask
        for single in range(fine_length, np.uint64(coarse.shape[1])):
            evens[single] = source[fine_length + single]


@njit(inline="always")
def _merge_lines(
    image: Image, coarse: Image, fine: Image, mask: np.unsignedinteger, block: np.uint64
) -> None:
    fine_length = np.uint64(fine.shape[1])
    for line in range(image.shape[0]):
        target, evens, odds = image[line], coarse[line], fine[line]
        for pair in range(fine_length // block):
            at = pair * block
            for k in range(block):
                even = evens[at + k]
                target[_TWO * at + k] = even
                target[_TWO * at + block + k] = (even + odds[at + k]) & mask
        for single in range(fine_length, np.uint64(coarse.shape[1])):
            target[fine_length + single] = evens[single]


@njit(nogil=True, cache=True)
def _split_blocks(image: Image, coarse: Image, fine: Image, mask: np.unsignedinteger, block: int) -> None:
    if block == 1:
        _split_lines(image, coarse, fine, mask, _ONE)
    elif block == 2:
        _split_lines(image, coarse, fine, mask, _TWO)
    elif block == 3:
        _split_lines(image, coarse, fine, mask, _THREE)
    elif block == 4:
        _split_lines(image, coarse, fine, mask, _FOUR)
    else:
        _split_lines(image, coarse, fine, mask, np.uint64(block))


@njit(nogil=True, cache=True)
def _merge_blocks(image: Image, coarse: Image, fine: Image, mask: np.unsignedinteger, block: int) -> None:
    if block == 1:
        _merge_lines(image, coarse, fine, mask, _ONE)
    elif block == 2:
        _merge_lines(image, coarse, fine, mask, _TWO)
    elif block == 3:
        _merge_lines(image, coarse, fine, mask, _THREE)
    elif block == 4:
        _merge_lines(image, coarse, fine, mask, _FOUR)
    else:
        _merge_lines(image, coarse, fine, mask, np.uint64(block))
