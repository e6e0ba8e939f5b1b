"""The distribution of one step's pixels, channel after channel.

A plane is a channel in coding order; a gray image has three that are alike. What the head says of a pixel is,
for each plane, an offset of the mean, a scale and a shape, and three couplings.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from .depth import Depth
from .excess import EXCESS_LIMITS, excess
from .features import (
    PLANES,
    ZERO_POINT,
    ByteArray,
    Integers,
    clamped,
    in_units,
    rounded,
    sharp_excess,
    sharp_residual,
)
from .grid import MEAN_BITS, SHAPES, TableGrid, locate, locate_wide
from .steps import SUBLATTICE, Step

#: Order in which the channels of an image are coded: gray; green, red, blue.
CODING_ORDER = {1: (0,), 3: (1, 0, 2)}

Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
#: Share of an earlier channel's residual that a later one adds to its mean, in 1/64.
COUPLING_BITS = 6
COUPLING_LIMITS = (-128, 127)
#: Channels of what later steps see of a pixel.
SEEN = 2 * PLANES
_SCALE, _SHAPE, _COUPLING = PLANES, 2 * PLANES, 3 * PLANES


class Distribution(NamedTuple):
    """What is said of the pixels of a channel of a step, arrays (n, m).

    Attributes:
        centres: grey levels, uint8; for wide samples sample values without their low bits, int64.
        tables: table numbers.
        low_bits: how many low bits of wide samples are equally likely, uint8; None for samples of 8 bits.
        wraps: number of the table that tells how often the distances of wide samples wrap.
    """

    centres: npt.NDArray[np.uint8] | npt.NDArray[np.int64]
    tables: npt.NDArray[np.uint16]
    low_bits: ByteArray | None = None
    wraps: int = 0


class Surroundings(NamedTuple):
    """What is known of a phase, and fills up step by step; arrays (h, w, .) on the lattice.

    Attributes:
        quarters: anchors, int32 (h, w, 3).
        pixels: int32 (h, w, 3); those that are not known are rounded anchors.
        seen: sharp residuals and sharp excesses, uint8 (h, w, 6).
        earlier: the same of the earlier steps, one after the other, on their sub-lattice, uint8
            (h / 2, w / 2, 18).
    """

    quarters: Integers
    pixels: Integers
    seen: ByteArray
    earlier: ByteArray

    @classmethod
    def of(cls, quarters: Integers) -> Surroundings:
        """Nothing is known but the anchors."""
        height, width, _ = quarters.shape
        seen = np.full((height, width, SEEN), ZERO_POINT, np.uint8)
        earlier = np.full((height // 2, width // 2, SEEN * (len(SUBLATTICE) - 1)), ZERO_POINT, np.uint8)
        return cls(quarters, _guesses(quarters), seen, earlier)


class StepPrediction:
    """The distribution of one step's pixels.

    Args:
        step: its place.
        said: by the head, int16 (h / 2, w / 2, 12).
        around: what is known of the phase; gets what the step brings.
        coarse, fine: the images (., ., C) of the level.
        grid: of tables.
        spread: see `predictor.Model`.
        depth, unit: of the samples, see `features`.

    Attributes:
        fine: view (n, m, C) of the fine image; the channels before the one that is asked for must be in it.
        coarse: the pixels (n, m, C) that the fine ones add to, modulo 256.
        channels: channels in coding order.
    """

    def __init__(
        self,
        step: Step,
        said: npt.NDArray[np.int16],
        around: Surroundings,
        coarse: Samples,
        fine: Samples,
        grid: TableGrid,
        spread: npt.NDArray[np.int32],
        depth: Depth,
        unit: int,
    ) -> None:
        self.fine = fine[step.rows, step.columns]
        self.coarse = coarse[: fine.shape[0], : fine.shape[1]][step.rows, step.columns]
        self.channels = CODING_ORDER[fine.shape[-1]]
        self._place = SUBLATTICE[step.number]
        self._number, self._around, self._said = step.number, around, said
        self._images = coarse, fine, step.rows.start, step.rows.step, step.columns.start
        self._grid, self._spread, self._depth, self._unit = grid, spread, depth, unit
        shape = (PLANES, *self.fine.shape[:2])
        #: In 1/64 sample value but the scales and excesses.
        self._means, self._scales, self._residuals = (np.empty(shape, np.int32) for _ in range(3))
        self._excesses = np.empty(shape, np.int8)
        self._predicted = 0

    def distribution(self, channel: int) -> Distribution:
        """The distribution of the pixels of a channel.

        To be asked once for every channel, in the order of `channels`.
        """
        plane = self.channels.index(channel)
        self._predict(plane)
        shape = self.fine.shape[:2]
        tables = np.empty(shape, np.uint16)
        where = self._means[plane], self._scales[plane], self._said, _SHAPE + plane
        top = ((1 << self._depth.bits) - 1) << MEAN_BITS
        grid = self._grid.fraction_bits, self._grid.first
        if self._depth.wide:
            wide, low_bits = np.empty(shape, np.int64), np.empty(shape, np.uint8)
            _locate_wide(*where, top, *grid, self._unit, wide, tables, low_bits)
            return Distribution(wide, tables, low_bits, self._grid.sharpest)
        centres = np.empty(shape, np.uint8)
        _locate(*where, top, *grid, centres, tables)
        return Distribution(centres, tables)

    def end(self) -> None:
        """All pixels of the step are in `fine`: note what they bring."""
        self._predict(PLANES - 1)
        self._learn(PLANES - 1)
        found = self._means, self._residuals, self._excesses
        _note(*self._place, self._number, self._unit, found, self._around)

    def _predict(self, plane: int) -> None:
        """Means and scales of a plane and those before it."""
        for number in range(self._predicted, plane + 1):
            if number:
                self._learn(number - 1)
            _predict(
                number,
                *self._place,
                self._around.quarters,
                self._said,
                self._spread,
                self._grid.scales - 1,
                self._unit,
                self._means,
                self._scales,
                self._residuals,
                self._excesses,
            )
        self._predicted = max(self._predicted, plane + 1)

    def _learn(self, plane: int) -> None:
        """Residuals and excesses of a plane whose pixels are known."""
        channel = self.channels[min(plane, len(self.channels) - 1)]
        found = self._means[plane], self._scales[plane], self._residuals[plane], self._excesses[plane]
        _learn(*self._images, channel, self._unit, *found)


@njit(nogil=True, cache=True)
def _guesses(quarters: Integers) -> Integers:
    """Anchors as whole grey levels."""
    found = np.empty_like(quarters)
    for place in np.ndindex(quarters.shape):
        found[place] = rounded(quarters[place])
    return found


@njit(nogil=True, cache=True)
def _predict(
    plane: int,
    row: int,
    column: int,
    quarters: Integers,
    said: npt.NDArray[np.int16],
    spread: npt.NDArray[np.int32],
    last_scale: int,
    unit: int,
    means: Integers,
    scales: Integers,
    residuals: Integers,
    excesses: npt.NDArray[np.int8],
) -> None:
    """Means and scales of a plane from what the head says and from the planes before it."""
    height, width = means.shape[1:]
    for y in range(height):
        for x in range(width):
            mean = quarters[2 * y + row, 2 * x + column, plane] << (MEAN_BITS - 2)
            mean += said[y, x, plane] << unit
            scale = np.int64(said[y, x, _SCALE + plane])
            for earlier in range(plane):
                pair = plane - 1 + earlier
                share = clamped(said[y, x, _COUPLING + pair], COUPLING_LIMITS[0], COUPLING_LIMITS[1])
                mean += (share * residuals[earlier, y, x] + (1 << (COUPLING_BITS - 1))) >> COUPLING_BITS
                scale += spread[pair, excesses[earlier, y, x] - EXCESS_LIMITS[0]]
            means[plane, y, x] = mean
            scales[plane, y, x] = clamped(scale, 0, last_scale)


@njit(nogil=True, cache=True)
def _learn(
    coarse: Samples,
    fine: Samples,
    first_row: int,
    row_step: int,
    first_column: int,
    channel: int,
    unit: int,
    means: Integers,
    scales: Integers,
    residuals: Integers,
    excesses: npt.NDArray[np.int8],
) -> None:
    """What the pixels of a plane are more than their means."""
    height, width = means.shape
    whole = np.iinfo(fine.dtype).max
    for y in range(height):
        row = first_row + row_step * y
        for x in range(width):
            column = first_column + 2 * x
            pixel = (np.int64(coarse[row, column, channel]) + np.int64(fine[row, column, channel])) & whole
            residual = (pixel << MEAN_BITS) - means[y, x]
            residuals[y, x] = residual
            excesses[y, x] = excess(in_units(residual, unit), scales[y, x])


@njit(nogil=True, cache=True)
def _note(
    row: int,
    column: int,
    number: int,
    unit: int,
    found: tuple[Integers, Integers, npt.NDArray[np.int8]],
    around: Surroundings,
) -> None:
    """Enter the pixels of a step, and what is to be seen of them, in the surroundings."""
    means, residuals, excesses = found
    quarters, pixels, seen, earlier = around
    _, height, width = means.shape
    first = SEEN * number
    for y in range(height):
        for x in range(width):
            down, across = 2 * y + row, 2 * x + column
            for plane in range(PLANES):
                pixel = (means[plane, y, x] + residuals[plane, y, x]) >> MEAN_BITS
                pixels[down, across, plane] = pixel
                sharp = sharp_residual(pixel - rounded(quarters[down, across, plane]), unit)
                seen[down, across, plane] = sharp
                seen[down, across, PLANES + plane] = sharp_excess(np.int64(excesses[plane, y, x]))
            if first < earlier.shape[2]:
                earlier[y, x, first : first + SEEN] = seen[down, across]


@njit(nogil=True, cache=True)
def _locate(
    means: Integers,
    scales: Integers,
    said: npt.NDArray[np.int16],
    shape: int,
    top: int,
    fraction_bits: Integers,
    first: Integers,
    centres: ByteArray,
    tables: npt.NDArray[np.uint16],
) -> None:
    """Centres and tables of the pixels of a plane; `shape` is where the head tells the shape."""
    height, width = means.shape
    for y in range(height):
        for x in range(width):
            kind = clamped(said[y, x, shape], 0, SHAPES - 1)
            mean = clamped(means[y, x], 0, top)
            centres[y, x], tables[y, x] = locate(mean, scales[y, x], kind, fraction_bits, first)


@njit(nogil=True, cache=True)
def _locate_wide(
    means: Integers,
    scales: Integers,
    said: npt.NDArray[np.int16],
    shape: int,
    top: int,
    fraction_bits: Integers,
    first: Integers,
    unit: int,
    centres: npt.NDArray[np.int64],
    tables: npt.NDArray[np.uint16],
    low_bits: ByteArray,
) -> None:
    """The same of wide samples."""
    height, width = means.shape
    for y in range(height):
        for x in range(width):
            kind = clamped(said[y, x, shape], 0, SHAPES - 1)
            mean = clamped(means[y, x], 0, top)
            place = locate_wide(mean, scales[y, x], kind, fraction_bits, first, unit)
            centres[y, x], tables[y, x], low_bits[y, x] = place
