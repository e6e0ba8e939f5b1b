"""The shared tables of a model: integer frequencies, folded near the ends of the range of samples.

A table says how likely the distances of a sample from its centre are; symbols are distances modulo 256, so
0..127 stand for 0..127 and 128..255 for -128..-1. A sample is a byte. Where a centre lies near 0 or 255, a
table would give mass to samples that do not exist: a *folded* table gives that mass to the end of the range,
as a sensor or a file format does that clips. The symbols there stand for samples farther than half the range
on the other side, and keep a little mass for them.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from constriction import stream

from ppyr.errors import ModelError

PRECISION = 24
"""Binary digits of a probability: the frequencies of a table sum to 2^24."""

ALPHABET = 256
"""Entries of a table; symbols are 0..255."""

MAX_TABLES = 1 << 16

INFORMATION_DIGITS = 16
"""Information is counted in units of 2^-16 bit."""

LEAST_INFORMATION = 2
"""Of a symbol: the largest frequency is 2^24 - 255."""

FOLDED_MASS = 1 << 12
"""Least mass beyond the range of samples for which a table is folded; part of the format."""

FAR_SHIFT = 3
"""A folded table gives each sample beyond its distances 1/8 of what the last one has; part of the format."""

Symbols = npt.NDArray[np.uint8]
TableNumbers = npt.NDArray[np.uint16]
Centres = npt.NDArray[np.uint8]

_HALF = ALPHABET // 2
_DISTANCES = np.concatenate((np.arange(_HALF), np.arange(-_HALF, 0)))


class TableSet:
    """The shared tables of a model.

    Args:
        frequencies: uint32 (T, 256), 1 <= T <= 65536; every entry at least 1, every row sums to 2^24.

    Raises:
        ModelError: `frequencies` breaks one of these rules.
    """

    def __init__(self, frequencies: npt.NDArray[np.uint32]) -> None:
        _check_frequencies(frequencies)
        self.frequencies = frequencies.copy()
        self.frequencies.flags.writeable = False
        self._models: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self.frequencies)

    def model(self, number: int) -> Any:
        """The constriction model of table `number`, built when first asked for.

        constriction takes weights, gives every symbol a frequency of 1 and shares the rest, 2^24 - 256, in
        proportion. Weights of F - 1 sum to exactly that, so its scale is 1.0, every partial sum is an integer
        below 2^24, which float32 holds, and the frequencies come out as F. Weights of F / 2^24 would be
        rounded. `perfect=False` is this rule; the default of constriction 0.5.0 is another one.
        """
        if number not in self._models:
            weights = (self.frequencies[number] - 1).astype(np.float32)
            self._models[number] = stream.model.Categorical(weights, perfect=False)
        return self._models[number]

    def are_folded(self, table_numbers: TableNumbers, centres: Centres) -> npt.NDArray[np.bool_]:
        """Which symbols (n,) have a folded table, because of their centres, uint8 (n,)."""
        low = self._reach[0][table_numbers]
        folded: npt.NDArray[np.bool_] = centres < low
        folded |= ALPHABET - 1 - centres < self._reach[1][table_numbers]
        return folded

    def folded(self, table_numbers: TableNumbers, centres: Centres) -> npt.NDArray[np.float32]:
        """The folded tables of symbols that have one, as weights F - 1 for constriction: float32 (n, 256)."""
        weights: npt.NDArray[np.float32] = self._folded[self._folded_numbers(table_numbers, centres)]
        return weights

    def _folded_numbers(self, table_numbers: TableNumbers, centres: Centres) -> npt.NDArray[np.int64]:
        """Where these folded tables (n,) are in `_folded`; each is built when it is first asked for."""
        low = self._reach[0][table_numbers].astype(np.int64)
        place = np.where(centres < low, centres, low + ALPHABET - 1 - centres)
        numbers: npt.NDArray[np.int64] = self._first_folded[table_numbers] + place
        missing = np.flatnonzero(~self._built[numbers])
        if len(missing):
            missing = missing[np.unique(numbers[missing], return_index=True)[1]]
            self._folded[numbers[missing]] = self._fold(table_numbers[missing], centres[missing]) - 1
            self._built[numbers[missing]] = True
        return numbers

    def _fold(self, table_numbers: TableNumbers, centres: Centres) -> npt.NDArray[np.uint32]:
        """Frequencies (n, 256) with the mass beyond 0 and 255, but for far samples, moved to the end."""
        low = centres < _HALF
        samples = centres[:, np.newaxis].astype(np.int64) + _DISTANCES
        beyond = (samples < 0) | (samples >= ALPHABET)
        frequencies = self.frequencies[table_numbers]
        last = np.where(low, frequencies[:, _HALF - 1], frequencies[:, _HALF])
        far = (1 + ((last - 1) >> FAR_SHIFT))[:, np.newaxis]
        spare = np.where(beyond, np.maximum(frequencies, far) - far, 0)
        frequencies -= spare
        end = np.where(low, -centres, ALPHABET - 1 - centres).astype(np.uint8)
        frequencies[np.arange(len(end)), end] += spare.sum(1, dtype=np.uint32)
        return frequencies

    @cached_property
    def _reach(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """Centres below the first (T,), or nearer to 255 than the second, have the table folded."""
        spare = self.frequencies.astype(np.int64) - 1
        up = spare[:, :_HALF]
        mass_up = up.sum(1, keepdims=True) - up.cumsum(1)
        down = spare[:, : _HALF - 1 : -1]
        mass_down = down.sum(1, keepdims=True) - down.cumsum(1) + down
        low, high = ((mass >= FOLDED_MASS).sum(1).astype(np.uint8) for mass in (mass_down, mass_up))
        return low, high

    @cached_property
    def _first_folded(self) -> npt.NDArray[np.int64]:
        """Where the folded tables of each table (T,) are in `_folded`."""
        low, high = self._reach
        counts: npt.NDArray[np.int64] = low.astype(np.int64) + high
        first: npt.NDArray[np.int64] = np.cumsum(counts) - counts
        return first

    @cached_property
    def _folded(self) -> npt.NDArray[np.float32]:
        """Weights of folded tables; memory that is not written to yet is only reserved."""
        total = sum(int(reach.sum(dtype=np.int64)) for reach in self._reach)
        return np.empty((total, ALPHABET), np.float32)

    @cached_property
    def _built(self) -> npt.NDArray[np.bool_]:
        return np.zeros(len(self._folded), np.bool_)

    @cached_property
    def information(self) -> npt.NDArray[np.int64]:
        """Information content of every symbol under every table, int64 (T, 256), in units of 2^-16 bit."""
        content = information(self.frequencies)
        content.flags.writeable = False
        return content

    def information_of(
        self, symbols: Symbols, table_numbers: TableNumbers, centres: Centres, shared: int
    ) -> int:
        """Information content of a grouped batch in units of 2^-16 bit.

        Its first `shared` symbols have tables that are not folded, the others folded ones.
        """
        total = int(self.information[table_numbers[:shared], symbols[:shared]].sum())
        if shared < len(symbols):
            numbers = self._folded_numbers(table_numbers[shared:], centres[shared:])
            own = self._folded[numbers, symbols[shared:]].astype(np.uint32) + np.uint32(1)
            total += int(information(own).sum())
        return total


def information(frequencies: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """Information content log2(2^24 / F) of frequencies, elementwise, in units of 2^-16 bit.

    Sixteen binary digits of log2(F), by repeated squaring of its mantissa in integers, each square cut off to
    32 bits. So the same on every machine, exact for powers of two, and otherwise too large by a little more
    than one unit at most.
    """
    mantissa = frequencies.astype(np.uint64)
    logarithm = np.full(mantissa.shape, 31, dtype=np.int64)
    for shift in (16, 8, 4, 2, 1):
        short = mantissa < np.uint64(1 << (32 - shift))
        mantissa <<= np.where(short, np.uint64(shift), np.uint64(0))
        logarithm -= np.where(short, shift, 0)
    for _ in range(INFORMATION_DIGITS):
        mantissa = (mantissa * mantissa) >> np.uint64(31)
        digit = mantissa >> np.uint64(32)
        mantissa >>= digit
        logarithm = 2 * logarithm + digit.astype(np.int64)
    return (PRECISION << INFORMATION_DIGITS) - logarithm


def _check_frequencies(frequencies: npt.NDArray[np.uint32]) -> None:
    if frequencies.dtype != np.uint32 or frequencies.ndim != 2 or frequencies.shape[1] != ALPHABET:
        raise ModelError(
            f"tables are {frequencies.dtype} {frequencies.shape}; "
            f"export the model with uint32 (T, {ALPHABET})",
            expected=f"uint32 (T, {ALPHABET})",
            found=f"{frequencies.dtype} {frequencies.shape}",
        )
    if not 1 <= len(frequencies) <= MAX_TABLES:
        raise ModelError(
            f"{len(frequencies)} tables; export the model with 1 to {MAX_TABLES}",
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
