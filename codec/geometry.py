"""The geometry of the paired pyramid, known from height and width alone.

One level halves one axis: n rows (or columns) become ceil(n / 2) coarse and floor(n / 2) fine ones. The
finest level halves the columns (axis 1), the next the rows (axis 0), in turn, until the coarse image is
1 x 1, or has at most 2^c pixels a side, if it is to be coded as it is. An axis of length 1 stays as it is and
its fine image is empty, so the number of levels, 2 * max(0, ceil(log2(max(H, W))) - c), and their axes depend
on the longer side only.
"""

from __future__ import annotations

from dataclasses import dataclass

Shape = tuple[int, int]
"""Height and width, in pixels."""


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a pyramid: the shapes of its two halves and the axis along which they interleave."""

    axis: int
    coarse: Shape
    fine: Shape


def split_shape(shape: Shape, axis: int) -> tuple[Shape, Shape]:
    """Give the shapes of the two halves, coarse and fine, of an image split along `axis` (0 or 1)."""
    height, width = shape
    if axis == 0:
        return ((height + 1) // 2, width), (height // 2, width)
    return (height, (width + 1) // 2), (height, width // 2)


def axes(height: int, width: int, coarsest_bits: int = 0) -> tuple[int, ...]:
    """Give the axis of every level, coarse to fine, of an image of `height` x `width` pixels.

    The coarsest image has at most 2^coarsest_bits pixels a side.

    Raises:
        ValueError: the height or the width is less than 1.
    """
    if height < 1 or width < 1:
        raise ValueError(f"an image of {height} x {width} pixels is empty: give at least one row and column")
    return (0, 1) * max(0, (max(height, width) - 1).bit_length() - coarsest_bits)


def coarsest_shape(height: int, width: int, coarsest_bits: int) -> Shape:
    """Give the shape of the coarsest image, of at most 2^coarsest_bits pixels a side."""
    count = len(axes(height, width, coarsest_bits)) // 2
    return -(-height >> count), -(-width >> count)


def shapes(height: int, width: int, coarsest_bits: int = 0) -> tuple[Level, ...]:
    """Give every level, coarse to fine, of an image of `height` x `width` pixels.

    The last level's two halves make up the image itself; an image of at most 2^coarsest_bits pixels a side
    has no levels.

    Raises:
        ValueError: the height or the width is less than 1.
    """
    fine_to_coarse = []
    shape = (height, width)
    for axis in reversed(axes(height, width, coarsest_bits)):
        coarse, fine = split_shape(shape, axis)
        fine_to_coarse.append(Level(axis, coarse, fine))
        shape = coarse
    return tuple(reversed(fine_to_coarse))
