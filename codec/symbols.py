"""From samples to symbols and back: what a walk over the levels hands to the entropy coder, or takes from it.

Under a mixture a sample is the symbol itself. With a centre and a table a sample of 8 bits is one symbol, its
distance from the centre modulo 256. A wide one is two, and raw bits: the distance of its upper bits from the
centre, modulo 256; how often that wrapped, which is nearly always 0; and the low bits, all of whose values
are equally likely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt
from numba import njit

from ppyr.bitstream import mixtures
from ppyr.bitstream.coder import StreamDecoder, StreamEncoder
from ppyr.bitstream.mixtures import Mixtures
from ppyr.bitstream.raster import Samples
from ppyr.bitstream.tables import INFORMATION_DIGITS, Centres, Symbols, TableSet
from ppyr.models.family import Distributions
from ppyr.models.prediction import Distribution

#: A centre under which no table is folded.
_MIDDLE = 128


class Coder(Protocol):
    """What a walk does with the symbols: write, read or count them, level by level, coarse to fine."""

    def code(self, values: Samples, coarse: Samples, found: Distributions) -> None:
        """One channel of one step: fine values (n, m), and the coarse ones that make samples of them."""

    def end_level(self) -> None:
        """The level is complete."""


@dataclass(frozen=True)
class CodedLevel:
    """The stream of a level of a unit, and the information content of its symbols in 2^-16 bit."""

    stream: bytes
    information: int


class Writer:
    """Codes the levels of one unit; by constriction, if it is to be the reference.

    Attributes:
        levels: those that are complete.
    """

    def __init__(self, tables: TableSet, *, reference: bool) -> None:
        self.levels: list[CodedLevel] = []
        self._begin = partial(StreamEncoder, tables, reference=reference)
        self._stream = self._begin()

    def code(self, values: Samples, coarse: Samples, found: Distributions) -> None:
        """See `Coder`."""
        if isinstance(found, Mixtures):
            self._stream.put_mixtures((values + coarse).astype(np.uint8, copy=False).ravel(), found)
            return
        if found.low_bits is None:
            centres = found.centres.astype(np.uint8, copy=False)
            self._stream.put(_symbols(values, coarse, centres), found.tables.ravel(), centres.ravel())
            return
        near, wraps = _upper(values + coarse, found.centres, found.low_bits)
        self._stream.put(near, found.tables.ravel(), _middle(near))
        self._stream.put(wraps, _wraps(found), _middle(wraps))
        low = (values + coarse) & ((1 << found.low_bits.astype(np.uint16)) - 1)
        self._stream.put_raw(low.astype(np.uint16).ravel(), found.low_bits.ravel())

    def end_level(self) -> None:
        """See `Coder`."""
        self.levels.append(CodedLevel(self._stream.finish(), self._stream.information))
        self._stream = self._begin()


class Reader:
    """Decodes the levels of one unit from their streams; by constriction, if it is to be the reference.

    Attributes:
        information: of all symbols so far.
    """

    def __init__(self, tables: TableSet, streams: Sequence[bytes], *, reference: bool) -> None:
        self.information = 0
        self._streams = [StreamDecoder(tables, stream, reference=reference) for stream in streams]
        self._level = 0

    def code(self, values: Samples, coarse: Samples, found: Distributions) -> None:
        """See `Coder`."""
        stream = self._streams[self._level]
        if isinstance(found, Mixtures):
            values[...] = stream.get_mixtures(found).reshape(values.shape) - coarse
            return
        if found.low_bits is None:
            centres = found.centres.astype(np.uint8, copy=False)
            _restore(values, coarse, centres, stream.get(found.tables.ravel(), centres.ravel()))
            return
        near = stream.get(found.tables.ravel(), _middle(values)).view(np.int8).astype(np.int64)
        wraps = stream.get(_wraps(found), _middle(values)).view(np.int8).astype(np.int64)
        low = stream.get_raw(found.low_bits.ravel()).astype(np.int64)
        distances = ((wraps << 8) + near).reshape(values.shape)
        samples = ((found.centres + distances) << found.low_bits) + low.reshape(values.shape)
        values[...] = samples.astype(np.uint16) - coarse

    def end_level(self) -> None:
        """See `Coder`."""
        stream = self._streams[self._level]
        stream.finish()
        self.information += stream.information
        self._level += 1


def informations(
    values: Samples, coarse: Samples, found: Distributions, tables: TableSet
) -> npt.NDArray[np.int32]:
    """Information content of samples, in units of 2^-16 bit; see `Coder.code`.

    Returns:
        int32, of the shape of the values: that of all symbols and raw bits of each sample.
    """
    if isinstance(found, Mixtures):
        samples = (values + coarse).astype(np.uint8, copy=False).ravel()
        return mixtures.informations(samples, found).reshape(values.shape)
    numbers = found.tables.ravel()
    if found.low_bits is None:
        centres = found.centres.astype(np.uint8, copy=False)
        symbols = _symbols(values, coarse, centres)
        return tables.informations(symbols, numbers, centres.ravel()).reshape(values.shape)
    near, wraps = _upper(values + coarse, found.centres, found.low_bits)
    spent = tables.informations(near, numbers, _middle(near))
    spent += tables.informations(wraps, _wraps(found), _middle(wraps))
    return spent.reshape(values.shape) + (found.low_bits.astype(np.int32) << INFORMATION_DIGITS)


def _upper(
    samples: Samples, centres: npt.NDArray[np.integer], low_bits: npt.NDArray[np.uint8]
) -> tuple[Symbols, Symbols]:
    """Two symbols (n,) of the upper bits of wide samples: distances from the centres, and their wraps."""
    distances = (samples >> low_bits) - centres
    near = distances.astype(np.int8)
    return near.view(np.uint8).ravel(), ((distances - near) >> 8).astype(np.uint8).ravel()


@njit(nogil=True, cache=True)
def _symbols(fine: Samples, coarse: Samples, centres: Centres) -> Symbols:
    """Distances from the centres, modulo 256, of the samples that fine and coarse values (n, m) make."""
    height, width = fine.shape
    found = np.empty(height * width, np.uint8)
    for y in range(height):
        for x in range(width):
            found[y * width + x] = fine[y, x] + coarse[y, x] - centres[y, x]
    return found


@njit(nogil=True, cache=True)
def _restore(fine: Samples, coarse: Samples, centres: Centres, symbols: Symbols) -> None:
    """The reverse of `_symbols`, into `fine`."""
    height, width = fine.shape
    for y in range(height):
        for x in range(width):
            fine[y, x] = centres[y, x] + symbols[y * width + x] - coarse[y, x]


def _middle(like: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    return np.full(like.size, _MIDDLE, np.uint8)


def _wraps(found: Distribution) -> npt.NDArray[np.uint16]:
    return np.full(found.tables.size, found.wraps, np.uint16)
