"""The ANS coder of constriction, given every symbol its own table: slow, and what the fast one equals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from constriction import stream

from .mixtures import Mixtures, frequencies
from .tables import INFORMATION_DIGITS, Centres, Symbols, TableNumbers, TableSet, informations

_CATEGORICAL, _UNIFORM = stream.model.Categorical(perfect=False), stream.model.Uniform()
#: Symbols whose tables are handed to constriction at once, which bounds the memory they take.
_CHUNK = 1 << 10


def weights(rows: npt.NDArray[np.uint32]) -> npt.NDArray[np.float32]:
    """What constriction is to be told for tables (n, A), A at most 256.

    It takes weights, gives every symbol a frequency of 1 and shares the rest, 2^24 - A, in proportion.
    Weights of F - 1 sum to exactly that, so its scale is 1.0, every partial sum is an integer below 2^24,
    which float32 holds, and the frequencies come out as F. Weights of F / 2^24 would be rounded.
    `perfect=False` is this rule; the default of constriction 0.5.0 is another one.
    """
    return (rows - 1).astype(np.float32)


class ReferenceStack:
    """A stack of symbols; see `ppyr.bitstream.coder.Stack` and `AnsStack`."""

    def __init__(self, tables: TableSet, words: npt.NDArray[np.uint32]) -> None:
        self._tables = tables
        self._coder = stream.stack.AnsCoder(words)

    @property
    def left(self) -> int:
        """See `Stack`."""
        count, x = self._coder.pos()
        return 32 * int(count) + int(x).bit_length()

    def words(self) -> npt.NDArray[np.uint32]:
        """See `Stack`."""
        found: npt.NDArray[np.uint32] = self._coder.get_compressed()
        return found

    def push(self, symbols: Symbols, table_numbers: TableNumbers, centres: Centres) -> int:
        """See `Stack`."""
        information = 0
        for part in reversed(self._parts(table_numbers)):
            rows = self._tables.rows(table_numbers[part], centres[part])
            self._coder.encode_reverse(symbols[part].astype(np.int32), _CATEGORICAL, weights(rows))
            information += _information(rows, symbols[part])
        return information

    def pop(self, table_numbers: TableNumbers, centres: Centres) -> tuple[Symbols, int]:
        """See `Stack`."""
        symbols, information = np.empty(len(table_numbers), np.uint8), 0
        for part in self._parts(table_numbers):
            rows = self._tables.rows(table_numbers[part], centres[part])
            symbols[part] = self._coder.decode(_CATEGORICAL, weights(rows))
            information += _information(rows, symbols[part])
        return symbols, information

    def push_mixtures(self, samples: Symbols, mixtures: Mixtures) -> int:
        """See `Stack`."""
        information = 0
        for part in reversed(_chunks(len(samples))):
            rows = frequencies(mixtures.part(part))
            self._coder.encode_reverse(samples[part].astype(np.int32), _CATEGORICAL, weights(rows))
            information += _information(rows, samples[part])
        return information

    def pop_mixtures(self, mixtures: Mixtures) -> tuple[Symbols, int]:
        """See `Stack`."""
        samples, information = np.empty(len(mixtures.weights), np.uint8), 0
        for part in _chunks(len(samples)):
            rows = frequencies(mixtures.part(part))
            samples[part] = self._coder.decode(_CATEGORICAL, weights(rows))
            information += _information(rows, samples[part])
        return samples, information

    def push_raw(self, values: npt.NDArray[np.uint16], bits: npt.NDArray[np.uint8]) -> int:
        """See `Stack`."""
        sizes = 1 << bits[bits > 0].astype(np.int32)
        self._coder.encode_reverse(values[bits > 0].astype(np.int32), _UNIFORM, sizes)
        return int(bits.sum(dtype=np.int64)) << INFORMATION_DIGITS

    def pop_raw(self, bits: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint16], int]:
        """See `Stack`."""
        values = np.zeros(len(bits), np.uint16)
        values[bits > 0] = self._coder.decode(_UNIFORM, 1 << bits[bits > 0].astype(np.int32))
        return values, int(bits.sum(dtype=np.int64)) << INFORMATION_DIGITS

    def _parts(self, table_numbers: TableNumbers) -> list[slice]:
        unknown = table_numbers[table_numbers >= len(self._tables)]
        if len(unknown):
            raise self._tables.unknown(int(unknown.max()))
        return _chunks(len(table_numbers))


def _chunks(symbols: int) -> list[slice]:
    return [slice(start, start + _CHUNK) for start in range(0, symbols, _CHUNK)]


def _information(rows: npt.NDArray[np.uint32], symbols: Symbols) -> int:
    """Information content of symbols (n,) under tables (n, A)."""
    return int(informations(rows[np.arange(len(rows)), symbols, np.newaxis]).sum(dtype=np.int64))
