"""What every sample of a file costs: the information content of its symbols, as the decoder meets them.

In the paired pyramid each pixel is coded once, on the level that adds it, so what an image costs is an image
itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.container import unpack
from ppyr.bitstream.plain import Method
from ppyr.bitstream.raster import Samples
from ppyr.decoding import DEFAULT_MAX_PIXELS, CodedUnit, Decoder, Parts, check_size
from ppyr.geometry import shapes
from ppyr.picture import Unit
from ppyr.pyramid import build, merge
from ppyr.symbols import informations

MOST_BLOCKS = 1 << 21
"""Pixels of the largest image whose pixels are told apart; of a larger one blocks are."""

Informations = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Costs:
    """What an image costs; c are the channels of the coded image, L the levels of the file.

    Attributes:
        image: that was decoded, see `ppyr.decode`.
        block_bits: a block has 2^block_bits pixels a side.
        blocks: information content of the symbols of each block, in units of 2^-16 bit, int64 (h, w, c). All
            of them are what the header of the file says.
        plain: bits of each block that no symbol stands for, float64 (h, w, c): the first pixel of each unit,
            and streams of units without a model, spread evenly over their samples.
        levels: information content of the symbols of each level, in units of 2^-16 bit, int64 (L, c).
        samples: how many samples these symbols are of, int64 (L,).
    """

    image: Samples
    block_bits: int
    blocks: Informations
    plain: npt.NDArray[np.float64]
    levels: Informations
    samples: Informations

    @property
    def bits(self) -> npt.NDArray[np.float64]:
        """All bits of each block, (h, w, c)."""
        return self.blocks / 2**16 + self.plain


def costs(data: bytes, *, backend: str = "auto", max_pixels: int | None = DEFAULT_MAX_PIXELS) -> Costs:
    """Decompress an image and find what it costs.

    Args:
        data: a whole .ppyr file.
        backend: auto, int8, torch, cuda or reference.
        max_pixels: the largest image to decode; None for no limit.

    Raises:
        PpyrError: as of `ppyr.decode`.
    """
    parts = unpack(data)
    check_size(parts.header.width, parts.header.height, max_pixels)
    decoder = _CostingDecoder(parts, backend)
    image = decoder.image()
    return Costs(image, decoder.block_bits, decoder.blocks, decoder.plain, decoder.levels, decoder.counts)


class _CostingDecoder(Decoder):
    """Adds up what the samples of the units cost that it decodes; see `Costs`."""

    def __init__(self, parts: Parts, backend: str) -> None:
        super().__init__(parts, backend)
        coded = parts.index.coded
        self.block_bits = 0
        while -(-coded.width >> self.block_bits) * -(-coded.height >> self.block_bits) > MOST_BLOCKS:
            self.block_bits += 1
        shape = -(-coded.height >> self.block_bits), -(-coded.width >> self.block_bits), coded.channels
        self.blocks, self.plain = np.zeros(shape, np.int64), np.zeros(shape)
        self.levels = np.zeros((len(parts.index.streams), coded.channels), np.int64)
        self.counts = np.zeros(len(parts.index.streams), np.int64)
        self._lock = Lock()

    def unit(self, unit: CodedUnit, coarser: int) -> tuple[Samples, int]:
        """See `Decoder`."""
        samples, information = super().unit(unit, coarser)
        height, width, _ = samples.shape
        plain = np.zeros(samples.shape)
        plain[0, 0] = 8 * self._index.coded.dtype.itemsize
        levels: list[npt.NDArray[np.int32]] = []
        if unit.method is Method.MODEL:
            levels = list(self._levels(samples))
        else:
            plain += 8 * sum(map(len, unit.streams)) / plain.size
        place = self._units[unit.number]
        with self._lock:
            self._add(self.plain, plain, place)
            self._add(self.blocks, _together(levels, samples.shape), place)
            for number, level in zip(self._layout.levels_of(width, height), levels, strict=False):
                self.levels[number, place.channels] += level.sum((0, 1), dtype=np.int64)
                self.counts[number] += np.count_nonzero(level)  # no symbol is for nothing
        return samples, information

    def _levels(self, samples: Samples) -> Iterator[npt.NDArray[np.int32]]:
        """Information content of the samples of a unit (h, w, c), level by level as these have them."""
        bits, tables = 8 * samples.itemsize, self.model[1]
        levels = shapes(samples.shape[0], samples.shape[1], self._index.coarsest_bits)
        coarse, fines = build(samples, bits, self._index.coarsest_bits)
        prediction = self.prediction(len(levels))
        if coarse.shape[:2] != (1, 1):
            spent = np.zeros(coarse.shape, np.int32)
            for front in prediction.coarsest(coarse.view(np.uint8), known=True):
                for channel in front.channels:
                    places = front.rows, front.columns, channel
                    values = coarse[places][np.newaxis]
                    found = front.distribution(channel)
                    spent[places] = informations(values, np.zeros_like(values), found, tables)[0]
            yield spent
        for level, fine in zip(levels, fines, strict=True):
            spent = np.zeros(fine.shape, np.int32)
            for step in prediction.level(level.axis, coarse, fine):
                for channel in step.channels:
                    values, others = step.fine[..., channel], step.coarse[..., channel]
                    found = step.distribution(channel)
                    spent[step.rows, step.columns, channel] = informations(values, others, found, tables)
            yield spent
            coarse = merge(coarse, fine, level.axis, bits)

    def _add(self, blocks: npt.NDArray[Any], spent: npt.NDArray[Any], place: Unit) -> None:
        """Add what the samples of a unit cost to their blocks."""
        sums, places = spent, []
        for axis, start in enumerate((place.rows.start, place.columns.start)):
            numbers = np.arange(start, start + spent.shape[axis]) >> self.block_bits
            found, first = np.unique(numbers, return_index=True)
            sums = np.add.reduceat(sums, first, axis, blocks.dtype)
            places.append(slice(found[0], found[-1] + 1))
        blocks[*places, place.channels] += sums


def _together(levels: Sequence[npt.NDArray[np.int32]], shape: tuple[int, ...]) -> npt.NDArray[np.int32]:
    """What the levels of a unit of this shape cost, each sample in its place."""
    if not levels:
        return np.zeros(shape, np.int32)
    coded = len(levels) % 2  # the coarsest image is
    found = levels[0] if coded else np.zeros((1, 1, shape[2]), np.int32)
    for number, fine in enumerate(levels[coded:]):
        axis = number % 2
        size = [*found.shape]
        size[axis] += fine.shape[axis]
        both = np.empty(size, np.int32)
        across = (slice(None),) * axis
        both[*across, ::2], both[*across, 1::2] = found, fine
        found = both
    return found
