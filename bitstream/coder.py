"""Entropy coding of symbols with shared integer tables: ANS streams, the stack of FORMAT.md.

A *symbol* is a uint8: a sample less its centre, modulo 256. A *table* gives it a probability: 256 integer
frequencies that sum to 2^24. A *batch* is what one model evaluation codes at once: n symbols, each with the
number of its table and its centre. Within a batch the symbols are coded grouped by table, which makes shared
tables fast: one call into constriction per table. Those under folded tables come last, each under its own.

    encoder = StreamEncoder(tables)                     decoder = StreamDecoder(tables, data)
    encoder.put(symbols, table_numbers, centres)        symbols = decoder.get(table_numbers, centres)
    data = encoder.finish()                             decoder.finish()

Raw bits, all of whose values are equally likely, come in batches of their own: `put_raw` and `get_raw`. Both
sides name their batches in the same order. ANS is a stack, so the encoder keeps them and pushes the last
one first when it finishes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from constriction import stream

from ppyr.errors import FormatError, ModelError

from .tables import INFORMATION_DIGITS, Centres, Symbols, TableNumbers, TableSet

_WORD = np.dtype("<u4")
_FOLDED = stream.model.Categorical(perfect=False)
#: Folded tables handed to constriction at once, which bounds the memory they take.
_CHUNK = 1 << 13


class Group(NamedTuple):
    """The symbols `start:stop` of a grouped batch: all of them under table `table`, or under folded ones."""

    table: int | None
    start: int
    stop: int


class Grouping(NamedTuple):
    """How a batch is grouped; part of the format.

    Attributes:
        order: positions (n,) of the symbols in decoding order: first those whose table is not folded, by
            ascending table number, and in the batch's own order within a table; then the others in the
            batch's own order.
        groups: what cuts this order: one for every table that occurs, and for every part of the others.
        shared: number of symbols whose table is not folded.
    """

    order: npt.NDArray[np.intp]
    groups: list[Group]
    shared: int


def group_by_table(tables: TableSet, table_numbers: TableNumbers, centres: Centres) -> Grouping:
    """Group a batch: table numbers, uint16 (n,), and centres, uint8 (n,)."""
    folded = tables.are_folded(table_numbers, centres)
    shared, own = np.flatnonzero(~folded), np.flatnonzero(folded)
    numbers = table_numbers[shared]
    shared = shared[np.argsort(numbers, kind="stable")]
    counts = np.bincount(numbers)
    occurring = np.flatnonzero(counts)
    stops = np.cumsum(counts[occurring])
    starts = stops - counts[occurring]
    groups = [*map(Group, occurring.tolist(), starts.tolist(), stops.tolist())]
    end = len(table_numbers)
    groups += [Group(None, start, min(start + _CHUNK, end)) for start in range(len(shared), end, _CHUNK)]
    return Grouping(np.concatenate((shared, own)), groups, len(shared))


def _raw_groups(bits: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.intp], list[tuple[int, int, int]]]:
    """Order of a batch of raw bits, by their number, and number, start and stop of those with any."""
    order = np.argsort(bits, kind="stable")
    stops = np.cumsum(np.bincount(bits, minlength=1))
    starts = [0, *stops[:-1].tolist()]
    found = zip(range(len(stops)), starts, stops.tolist(), strict=True)
    return order, [(number, start, stop) for number, start, stop in found if number and stop > start]


def _push_raw(values: npt.NDArray[np.int32], groups: list[tuple[int, int, int]], coder: Any) -> None:
    for number, start, stop in reversed(groups):
        coder.encode_reverse(values[start:stop], _raw_model(number))


@cache
def _raw_model(number: int) -> Any:
    """The constriction model of so many raw bits: every value has the frequency 2^(24 - number)."""
    return stream.model.Uniform(1 << number)


class StreamEncoder:
    """Codes batches of symbols into one ANS stream.

    Attributes:
        information: information content of all symbols put so far, in units of 2^-16 bit.
    """

    def __init__(self, tables: TableSet) -> None:
        self.information = 0
        self._tables = tables
        self._batches: list[Callable[[Any], None]] = []

    def put(self, symbols: Symbols, table_numbers: TableNumbers, centres: Centres) -> None:
        """Appends a batch, in decoding order; an empty one is allowed.

        Args:
            symbols: uint8 (n,).
            table_numbers: uint16 (n,).
            centres: uint8 (n,).

        Raises:
            TypeError: a dtype is another one.
            ValueError: the shapes are not (n,) each.
            ModelError: a table number is not in the table set.
        """
        _check(table_numbers, self._tables, centres=centres, symbols=symbols)
        order, groups, shared = group_by_table(self._tables, table_numbers, centres)
        batch = symbols[order], table_numbers[order], centres[order]
        self._batches.append(partial(self._push, *batch, groups))
        self.information += self._tables.information_of(*batch, shared)

    def put_raw(self, values: npt.NDArray[np.uint16], bits: npt.NDArray[np.uint8]) -> None:
        """Appends a batch of raw bits.

        Args:
            values: uint16 (n,), each below 2^bits.
            bits: uint8 (n,), 0..16.
        """
        order, groups = _raw_groups(bits)
        self._batches.append(partial(_push_raw, values[order].astype(np.int32), groups))
        self.information += int(bits.sum(dtype=np.int64)) << INFORMATION_DIGITS

    def finish(self) -> bytes:
        """The stream: words of 32 bits, little-endian; b"" when there are no symbols."""
        coder = stream.stack.AnsCoder()
        for push in reversed(self._batches):
            push(coder)
        words: npt.NDArray[np.uint32] = coder.get_compressed()
        return words.astype(_WORD).tobytes()

    def _push(
        self, symbols: Symbols, table_numbers: TableNumbers, centres: Centres, groups: list[Group], coder: Any
    ) -> None:
        wide = symbols.astype(np.int32)
        for table, start, stop in reversed(groups):
            if table is not None:
                coder.encode_reverse(wide[start:stop], self._tables.model(table))
            else:
                weights = self._tables.folded(table_numbers[start:stop], centres[start:stop])
                coder.encode_reverse(wide[start:stop], _FOLDED, weights)


class StreamDecoder:
    """Decodes the batches of one ANS stream.

    Args:
        tables: the tables that the stream was coded with.
        data: the stream.

    Attributes:
        information: information content of all symbols got so far, in units of 2^-16 bit.

    Raises:
        FormatError: `data` is no ANS stream; offsets count from its first byte.
    """

    def __init__(self, tables: TableSet, data: bytes) -> None:
        if len(data) % _WORD.itemsize:
            raise FormatError(
                f"an ANS stream of {len(data)} bytes is not made of words of 4 bytes; "
                "get a fresh copy of the file",
                offset=len(data) // _WORD.itemsize * _WORD.itemsize,
                found=len(data),
            )
        words = np.frombuffer(data, dtype=_WORD).astype(np.uint32)
        # No encoder writes a last word of zero, and constriction refuses it.
        if len(words) and words[-1] == 0:
            raise FormatError(
                "the last word of an ANS stream is zero; get a fresh copy of the file",
                offset=len(data) - _WORD.itemsize,
                found=0,
            )
        self.information = 0
        self._tables = tables
        self._coder: Any = stream.stack.AnsCoder(words)

    def get(self, table_numbers: TableNumbers, centres: Centres) -> Symbols:
        """The next batch, uint8 (n,).

        A stream that holds other symbols than the encoder's gives wrong ones, without an error: at its end it
        goes on with the first symbols of the tables. `finish` tells.

        Args:
            table_numbers: uint16 (n,), the same as at the encoder.
            centres: uint8 (n,), the same as at the encoder.

        Raises:
            TypeError: a dtype is another one.
            ValueError: the shapes are not (n,) each.
            ModelError: a table number is not in the table set.
        """
        _check(table_numbers, self._tables, centres=centres)
        order, groups, shared = group_by_table(self._tables, table_numbers, centres)
        table_numbers, centres = table_numbers[order], centres[order]
        grouped = np.empty(len(table_numbers), dtype=np.uint8)
        for table, start, stop in groups:
            if table is not None:
                grouped[start:stop] = self._coder.decode(self._tables.model(table), stop - start)
            else:
                weights = self._tables.folded(table_numbers[start:stop], centres[start:stop])
                grouped[start:stop] = self._coder.decode(_FOLDED, weights)
        symbols = np.empty_like(grouped)
        symbols[order] = grouped
        self.information += self._tables.information_of(grouped, table_numbers, centres, shared)
        return symbols

    def get_raw(self, bits: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
        """The next batch of raw bits, uint16 (n,); `bits` (n,) are the same as at the encoder."""
        order, groups = _raw_groups(bits)
        grouped = np.zeros(len(bits), np.uint16)
        for number, start, stop in groups:
            grouped[start:stop] = self._coder.decode(_raw_model(number), stop - start)
        values = np.empty_like(grouped)
        values[order] = grouped
        self.information += int(bits.sum(dtype=np.int64)) << INFORMATION_DIGITS
        return values

    def finish(self) -> None:
        """Ends decoding.

        Raises:
            FormatError: the stream is not used up to its last bit, so it does not hold these symbols.
        """
        if not self._coder.is_empty():
            raise FormatError(
                f"an ANS stream has {self._coder.num_valid_bits()} bits left after its last symbol; "
                "get a fresh copy of the file",
                expected=0,
                found=self._coder.num_valid_bits(),
            )


def _check(table_numbers: TableNumbers, tables: TableSet, **others: npt.NDArray[np.uint8]) -> None:
    if table_numbers.dtype != np.uint16:
        raise TypeError(f"table numbers are {table_numbers.dtype}; pass uint16")
    if table_numbers.ndim != 1:
        raise ValueError(f"table numbers have shape {table_numbers.shape}; pass (n,)")
    for name, values in others.items():
        if values.dtype != np.uint8:
            raise TypeError(f"{name} are {values.dtype}; pass uint8")
        if values.shape != table_numbers.shape:
            raise ValueError(
                f"{name} have shape {values.shape}, table numbers {table_numbers.shape}; pass one table "
                "a symbol"
            )
    largest = int(table_numbers.max(initial=0))
    if largest >= len(tables):
        raise ModelError(
            f"a symbol has table {largest}, but there are {len(tables)}; use the model that made the tables",
            expected=len(tables) - 1,
            found=largest,
        )
