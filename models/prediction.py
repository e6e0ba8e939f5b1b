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
_NO_BITS = np.empty((0, 0), np.uint8)
#: Where scales, shapes and couplings are in what the head says.
_SAID_SCALE, _SAID_SHAPE, _SAID_COUPLING = PLANES, 2 * PLANES, 3 * PLANES
_MEAN, _SCALE = 0, 1


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
        rows, columns: of the pixels in the fine image.
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
        self.rows, self.columns = step.rows, step.columns
        self.fine = fine[step.rows, step.columns]
        self.coarse = coarse[: fine.shape[0], : fine.shape[1]][step.rows, step.columns]
        self.channels = CODING_ORDER[fine.shape[-1]]
        self._number, self._around = step.number, around
        self._grid, self._depth = grid, depth
        place = *SUBLATTICE[step.number], step.rows.start, step.rows.step, step.columns.start
        #: What every function of a step takes, see `_predict` and `_learn`.
        self._known = np.array(place), coarse, fine, around.quarters, said, spread, grid.scales - 1, unit
        self._found = np.empty((4, PLANES, *self.fine.shape[:2]), np.int32)

    def distribution(self, channel: int) -> Distribution:
        """The distribution of the pixels of a channel.

        To be asked once for every channel, in the order of `channels`.
        """
        plane = self.channels.index(channel)
        before, shape = self.channels[plane - 1], self.fine.shape[:2]
        given = plane, before, *self._known, self._found, self._grid.fraction_bits, self._grid.first
        top = ((1 << self._depth.bits) - 1) << MEAN_BITS
        tables = np.empty(shape, np.uint16)
        if self._depth.wide:
            wide, low_bits = np.empty(shape, np.int64), np.empty(shape, np.uint8)
            _distribute(*given, top, wide, tables, low_bits)
            return Distribution(wide, tables, low_bits, self._grid.sharpest)
        centres = np.empty(shape, np.uint8)
        _distribute(*given, top, centres, tables, _NO_BITS)
        return Distribution(centres, tables)

    def end(self) -> None:
        """All pixels of the step are in `fine`: note what they bring."""
        _, pixels, seen, earlier = self._around
        given = *self._known, self._found, self._number, pixels, seen, earlier
        _end(len(self.channels), self.channels[-1], *given)


@njit(nogil=True, cache=True)
def _guesses(quarters: Integers) -> Integers:
    """Anchors as whole grey levels."""
    found = np.empty_like(quarters)
    for place in np.ndindex(quarters.shape):
        found[place] = rounded(quarters[place])
    return found


@njit(nogil=True, cache=True)
def _distribute(
    plane: int,
    before: int,
    place: npt.NDArray[np.int64],
    coarse: Samples,
    fine: Samples,
    quarters: Integers,
    said: npt.NDArray[np.int16],
    spread: Integers,
    last_scale: int,
    unit: int,
    found: Integers,
    fraction_bits: Integers,
    first: Integers,
    top: int,
    centres: npt.NDArray[np.uint8] | npt.NDArray[np.int64],
    tables: npt.NDArray[np.uint16],
    low_bits: ByteArray,
) -> None:
    """Centres and tables of the pixels of a plane; the one before it is channel `before`.

    `low_bits` is empty of samples of 8 bits.
    """
    if plane > 0:
        _learn(plane - 1, before, place, coarse, fine, unit, found)
    _predict(plane, place, quarters, said, spread, last_scale, unit, found)
    means, scales = found[_MEAN, plane], found[_SCALE, plane]
    height, width = means.shape
    for y in range(height):
        for x in range(width):
            shape = clamped(said[y, x, _SAID_SHAPE + plane], 0, SHAPES - 1)
            mean, scale = clamped(means[y, x], 0, top), scales[y, x]
            if low_bits.size:
                located = locate_wide(mean, scale, shape, fraction_bits, first, unit)
                centres[y, x], tables[y, x], low_bits[y, x] = located
            else:
                centres[y, x], tables[y, x] = locate(mean, scale, shape, fraction_bits, first)


@njit(nogil=True, cache=True)
def _end(
    known: int,
    last: int,
    place: npt.NDArray[np.int64],
    coarse: Samples,
    fine: Samples,
    quarters: Integers,
    said: npt.NDArray[np.int16],
    spread: Integers,
    last_scale: int,
    unit: int,
    found: Integers,
    number: int,
    pixels: Integers,
    seen: ByteArray,
    earlier: ByteArray,
) -> None:
    """Enter a step of `known` planes, the last of which is channel `last`, in its surroundings."""
    _learn(known - 1, last, place, coarse, fine, unit, found)
    for plane in range(known, PLANES):  # of a gray image
        _predict(plane, place, quarters, said, spread, last_scale, unit, found)
        _learn(plane, last, place, coarse, fine, unit, found)
    _note(place, number, unit, found, quarters, pixels, seen, earlier)


@njit(nogil=True)
def _predict(
    plane: int,
    place: npt.NDArray[np.int64],
    quarters: Integers,
    said: npt.NDArray[np.int16],
    spread: Integers,
    last_scale: int,
    unit: int,
    found: Integers,
) -> None:
    """Means and scales of a plane from what the head says and from the planes before it.

    `found` (4, 3, n, m) are means and residuals in 1/64 sample value, scales and excesses, by planes. `place`
    are row and column of the first pixel on the lattice, whose every second is one of the step; and in the
    fine image the first row, how many to the next, and the first column, of which every second follows.
    """
    row, column = place[0], place[1]
    means, scales, residuals, excesses = found
    height, width = means.shape[1:]
    for y in range(height):
        for x in range(width):
            mean = quarters[2 * y + row, 2 * x + column, plane] << (MEAN_BITS - 2)
            mean += said[y, x, plane] << unit
            scale = np.int64(said[y, x, _SAID_SCALE + plane])
            for earlier in range(plane):
                pair = plane - 1 + earlier
                share = clamped(said[y, x, _SAID_COUPLING + pair], COUPLING_LIMITS[0], COUPLING_LIMITS[1])
                mean += (share * residuals[earlier, y, x] + (1 << (COUPLING_BITS - 1))) >> COUPLING_BITS
                scale += spread[pair, excesses[earlier, y, x] - EXCESS_LIMITS[0]]
            means[plane, y, x] = mean
            scales[plane, y, x] = clamped(scale, 0, last_scale)


@njit(nogil=True)
def _learn(
    plane: int,
    channel: int,
    place: npt.NDArray[np.int64],
    coarse: Samples,
    fine: Samples,
    unit: int,
    found: Integers,
) -> None:
    """What the pixels of a plane, whose channel is known, are more than their means; see `_predict`."""
    means, scales, residuals, excesses = found
    height, width = means.shape[1:]
    whole = np.iinfo(fine.dtype).max
    for y in range(height):
        row = place[2] + place[3] * y
        for x in range(width):
            column = place[4] + 2 * x
            pixel = (np.int64(coarse[row, column, channel]) + np.int64(fine[row, column, channel])) & whole
            residual = (pixel << MEAN_BITS) - means[plane, y, x]
            residuals[plane, y, x] = residual
            excesses[plane, y, x] = excess(in_units(residual, unit), scales[plane, y, x])


@njit(nogil=True)
def _note(
    place: npt.NDArray[np.int64],
    number: int,
    unit: int,
    found: Integers,
    quarters: Integers,
    pixels: Integers,
    seen: ByteArray,
    earlier: ByteArray,
) -> None:
    """Enter the pixels of a step, and what is to be seen of them, in its surroundings."""
    row, column = place[0], place[1]
    means, _, residuals, excesses = found
    height, width = means.shape[1:]
    first = SEEN * number
    for y in range(height):
        for x in range(width):
            down, across = 2 * y + row, 2 * x + column
            for plane in range(PLANES):
                pixel = (means[plane, y, x] + residuals[plane, y, x]) >> MEAN_BITS
                pixels[down, across, plane] = pixel
                sharp = sharp_residual(pixel - rounded(quarters[down, across, plane]), unit)
                seen[down, across, plane] = sharp
                seen[down, across, PLANES + plane] = sharp_excess(excesses[plane, y, x])
            if first < earlier.shape[2]:
                for channel in range(SEEN):
                    earlier[y, x, first + channel] = seen[down, across, channel]
