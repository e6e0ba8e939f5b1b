"""The shared tables of a model: integer frequencies, folded near the ends of the range of samples.

A table says how likely the distances of a sample from its centre are; symbols are distances modulo 256, so
0..127 stand for 0..127 and 128..255 for -128..-1. A sample is a byte. Where a centre lies near 0 or 255, a
table would give mass to samples that do not exist: a *folded* table gives that mass to the end of the range,
as a sensor or a file format does that clips. The symbols there stand for samples farther than half the range
on the other side, and keep a little mass for them.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from ppyr.errors import ModelError

PRECISION = 24
"""Binary digits of a probability: the frequencies of a table sum to 2^24."""

ALPHABET = 256
"""Entries of a table; symbols are 0..255."""

MAX_TABLES = 1 << 16

INFORMATION_DIGITS = 16
"""Information is counted in units of 2^-16 bit."""

LEAST_INFORMATION = 1
"""Of a symbol: the largest frequency is 2^24 - 1 at most."""

FOLDED_MASS = 1 << 12
"""Least mass beyond the range of samples for which a table is folded; part of the format."""

FAR_SHIFT = 3
"""A folded table gives each sample beyond its distances 1/8 of what the last one has; part of the format."""

BUCKET_DIGITS = 16
"""Quantiles that differ in these binary digits only are in one bucket, one of 256."""

Symbols = npt.NDArray[np.uint8]
TableNumbers = npt.NDArray[np.uint16]
Centres = npt.NDArray[np.uint8]

_HALF = ALPHABET // 2
#: Folded tables that are held at once.
_CHUNK = 1 << 12
_DISTANCES = np.concatenate((np.arange(_HALF), np.arange(-_HALF, 0)))


class Lookup(NamedTuple):
    """What the compiled coder looks up, one row for each of T tables; for reading only.

    A table divides the *quantiles* 0..2^24 - 1 among its symbols, in their order. All symbols beyond a centre
    c lie between symbol 128 and symbol 256 - c. A folded table changes only them, who shrink and keep close
    to 128, and the end of the range, which is next to them and grows over the quantiles that they leave:

        c = 5        | 0 1 2 ... 127 |128  ...  250| 251 | 252 ... 255 |
        folded       | 0 1 2 ... 127 |128..250|    251   | 252 ... 255 |

    For c = 0 it is symbol 0, behind 255 as it were: all others move up.

    Attributes:
        starts: the first quantile of each symbol, then 2^24; uint32 (T, 257).
        clipped: the same if all symbols from there to 128, on either side, are beyond the centre;
            uint32 (T, 257).
        buckets: the symbol of the first quantile of each of 256 buckets; uint8 (T, 256).
        information: of each symbol; int32 (T, 256).
        reach: the table is folded for centres below the first, and for those nearer to 255 than the second;
            uint8 (T, 2).
    """

    starts: npt.NDArray[np.uint32]
    clipped: npt.NDArray[np.uint32]
    buckets: npt.NDArray[np.uint8]
    information: npt.NDArray[np.int32]
    reach: npt.NDArray[np.uint8]


class TableSet:
    """The shared tables of a model.

    Args:
        frequencies: uint32 (T, 256), 0 <= T <= 65536; every entry at least 1, every row sums to 2^24.

    Raises:
        ModelError: `frequencies` breaks one of these rules.
    """

    def __init__(self, frequencies: npt.NDArray[np.uint32]) -> None:
        _check_frequencies(frequencies)
        self.frequencies = frequencies.copy()
        self.frequencies.flags.writeable = False

    def __len__(self) -> int:
        return len(self.frequencies)

    def are_folded(self, table_numbers: TableNumbers, centres: Centres) -> npt.NDArray[np.bool_]:
        """Which symbols (n,) have a folded table, because of their centres, uint8 (n,)."""
        low, high = self._reach.T
        folded: npt.NDArray[np.bool_] = centres < low[table_numbers]
        folded |= ALPHABET - 1 - centres < high[table_numbers]
        return folded

    def rows(self, table_numbers: TableNumbers, centres: Centres) -> npt.NDArray[np.uint32]:
        """The frequencies (n, 256) under which symbols (n,) are coded: folded ones where the table is."""
        frequencies = self.frequencies[table_numbers]
        folded = np.flatnonzero(self.are_folded(table_numbers, centres))
        frequencies[folded] = self._fold(table_numbers[folded], centres[folded])
        return frequencies

    def informations(
        self, symbols: Symbols, table_numbers: TableNumbers, centres: Centres
    ) -> npt.NDArray[np.int32]:
        """Information content of each symbol (n,), in units of 2^-16 bit; int32 (n,)."""
        found = self.lookup.information[table_numbers, symbols]
        folded = np.flatnonzero(self.are_folded(table_numbers, centres))
        pairs = table_numbers[folded].astype(np.int64) * ALPHABET + centres[folded]
        distinct, places = np.unique(pairs, return_inverse=True)
        for first in range(0, len(distinct), _CHUNK):
            numbers, middles = np.divmod(distinct[first : first + _CHUNK], ALPHABET)
            rows = self._fold(numbers.astype(np.uint16), middles.astype(np.uint8))
            mine = np.flatnonzero((places >= first) & (places < first + _CHUNK))
            frequencies = rows[places[mine] - first, symbols[folded[mine]]]
            found[folded[mine]] = informations(frequencies[:, np.newaxis])[:, 0]
        return found

    def unknown(self, number: int) -> ModelError:
        """What is wrong where a symbol has a table of this number, and there is none."""
        return ModelError(
            f"a symbol has table {number}, but there are {len(self)}; use the model that made the tables",
            expected=len(self) - 1,
            found=number,
        )

    @cached_property
    def lookup(self) -> Lookup:
        """The tables as the compiled coder takes them."""
        starts, clipped = (np.zeros((len(self), ALPHABET + 1), np.uint32) for _ in range(2))
        np.cumsum(self.frequencies, 1, out=starts[:, 1:])
        far = _far(self.frequencies[:, [_HALF, _HALF - 1]]).repeat(_HALF, 1)
        np.cumsum(np.minimum(self.frequencies, far), 1, out=clipped[:, 1:])
        clipped += (starts[:, _HALF] - clipped[:, _HALF])[:, np.newaxis]
        found = Lookup(starts, clipped, _buckets(starts), informations(self.frequencies), self._reach)
        for array in found:
            array.flags.writeable = False
        return found

    def _fold(self, table_numbers: TableNumbers, centres: Centres) -> npt.NDArray[np.uint32]:
        """Frequencies (n, 256) with the mass beyond 0 and 255, but for far samples, moved to the end."""
        low = centres < _HALF
        samples = centres[:, np.newaxis].astype(np.int64) + _DISTANCES
        beyond = (samples < 0) | (samples >= ALPHABET)
        frequencies = self.frequencies[table_numbers]
        far = _far(np.where(low, frequencies[:, _HALF - 1], frequencies[:, _HALF]))[:, np.newaxis]
        spare = np.where(beyond, np.maximum(frequencies, far) - far, 0)
        frequencies -= spare
        end = np.where(low, -centres, ALPHABET - 1 - centres).astype(np.uint8)
        frequencies[np.arange(len(end)), end] += spare.sum(1, dtype=np.uint32)
        return frequencies

    @cached_property
    def _reach(self) -> npt.NDArray[np.uint8]:
        """Centres below the first, or nearer to 255 than the second, have the table folded; (T, 2)."""
        spare = self.frequencies.astype(np.int64) - 1
        up = spare[:, :_HALF]
        mass_up = up.sum(1, keepdims=True) - up.cumsum(1)
        down = spare[:, : _HALF - 1 : -1]
        mass_down = down.sum(1, keepdims=True) - down.cumsum(1) + down
        return np.stack([(mass >= FOLDED_MASS).sum(1).astype(np.uint8) for mass in (mass_down, mass_up)], 1)


def _far(last: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """The most that a folded table leaves to a sample beyond its distances, of what the last of them has."""
    return ((last - 1) >> FAR_SHIFT).astype(np.uint32) + np.uint32(1)


@njit(nogil=True, cache=True)
def _buckets(starts: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """The symbol of the first quantile of each bucket (T, 256), from that of each symbol (T, 257)."""
    count = 1 << PRECISION - BUCKET_DIGITS
    buckets = np.empty((len(starts), count), np.uint8)
    for table in range(len(starts)):
        symbol = 0
        for bucket in range(count):
            while np.int64(starts[table, symbol + 1]) <= bucket << BUCKET_DIGITS:
                symbol += 1
            buckets[table, bucket] = symbol
    return buckets


@njit(nogil=True, cache=True)
def information(frequency: np.uint64) -> np.int64:
    """Information content log2(2^24 / F) of a frequency F, in units of 2^-16 bit.

    Sixteen binary digits of log2(F), by repeated squaring of its mantissa in integers, each square cut off to
    32 bits. So the same on every machine, exact for powers of two, and otherwise too large by a little more
    than one unit at most.
    """
    mantissa, logarithm = np.uint64(frequency), np.int64(31)
    while mantissa < np.uint64(1 << 31):
        mantissa <<= np.uint64(1)
        logarithm -= 1
    for _ in range(INFORMATION_DIGITS):
        mantissa = (mantissa * mantissa) >> np.uint64(31)
        digit = mantissa >> np.uint64(32)
        mantissa >>= digit
        logarithm = 2 * logarithm + np.int64(digit)
    return np.int64(PRECISION << INFORMATION_DIGITS) - logarithm


@njit(nogil=True, cache=True)
def informations(frequencies: npt.NDArray[np.uint32]) -> npt.NDArray[np.int32]:
    """Information content of frequencies (n, m), elementwise."""
    height, width = frequencies.shape
    found = np.empty((height, width), np.int32)
    for row in range(height):
        for column in range(width):
            found[row, column] = information(np.uint64(frequencies[row, column]))
    return found


def _check_frequencies(frequencies: npt.NDArray[np.uint32]) -> None:
    if frequencies.dtype != np.uint32 or frequencies.ndim != 2 or frequencies.shape[1] != ALPHABET:
        raise ModelError(
            f"tables are {frequencies.dtype} {frequencies.shape}; "
            f"export the model with uint32 (T, {ALPHABET})",
            expected=f"uint32 (T, {ALPHABET})",
            found=f"{frequencies.dtype} {frequencies.shape}",
        )
    if len(frequencies) > MAX_TABLES:
        raise ModelError(
            f"{len(frequencies)} tables; export the model with {MAX_TABLES} at most",
            expected=MAX_TABLES,
            found=len(frequencies),
        )
    if not frequencies.all():
        table, symbol = np.argwhere(frequencies == 0)[0].tolist()
        raise ModelError(
            f"table {table} gives symbol {symbol} a frequency of 0; export the model with at least 1",
            expected=1,
            found=0,
        )
    totals = frequencies.sum(axis=1, dtype=np.uint64)
    wrong = np.flatnonzero(totals != 1 << PRECISION)
    if len(wrong):
        raise ModelError(
            f"table {wrong[0]} sums to {totals[wrong[0]]}; export the model with sums of {1 << PRECISION}",
            expected=1 << PRECISION,
            found=int(totals[wrong[0]]),
        )
