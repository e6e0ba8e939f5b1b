"""Entropy coding of symbols with shared integer tables: ANS streams, the stack of FORMAT.md.

A *symbol* is a uint8. A *table* gives it a probability: 256 integer frequencies that sum to 2^24. A *batch*
is what one model evaluation codes at once: n symbols, each with the number of its table. Within a batch the
symbols are coded grouped by table, which makes shared tables fast: one call into constriction per table.

    encoder = StreamEncoder(tables)              decoder = StreamDecoder(tables, data)
    encoder.put(symbols, table_numbers)          symbols = decoder.get(table_numbers)
    data = encoder.finish()                      decoder.finish()

Both sides name their batches in the same order. ANS is a stack, so the encoder keeps them and pushes the last
one first when it finishes.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from constriction import stream

from ppyr.errors import FormatError, ModelError

PRECISION = 24
"""Binary digits of a probability: the frequencies of a table sum to 2^24."""

ALPHABET = 256
"""Entries of a table; symbols are 0..255."""

MAX_TABLES = 1 << 16

INFORMATION_DIGITS = 16
"""Information is counted in units of 2^-16 bit."""

Symbols = npt.NDArray[np.uint8]
TableNumbers = npt.NDArray[np.uint16]

_WORD = np.dtype("<u4")


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
        rounded. `perfect=False` is this rule; the default of constriction 0.5 is another one.
        """
        if number not in self._models:
            weights = (self.frequencies[number] - 1).astype(np.float32)
            self._models[number] = stream.model.Categorical(weights, perfect=False)
        return self._models[number]

    @cached_property
    def information(self) -> npt.NDArray[np.int64]:
        """Information content log2(2^24 / F) of every symbol, int64 (T, 256), in units of 2^-16 bit.

        Sixteen binary digits of log2(F), by repeated squaring of its mantissa in integers, each square cut
        off to 32 bits. So the same on every machine, exact for powers of two, and otherwise too large by a
        little more than one unit at most.
        """
        mantissa = self.frequencies.astype(np.uint64)
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
        information: npt.NDArray[np.int64] = (PRECISION << INFORMATION_DIGITS) - logarithm
        information.flags.writeable = False
        return information

    def information_of(self, symbols: Symbols, table_numbers: TableNumbers) -> int:
        """Information content of a whole batch in units of 2^-16 bit."""
        return int(self.information[table_numbers, symbols].sum())


class Group(NamedTuple):
    """The symbols `start:stop` of a grouped batch, all of them under table `table`."""

    table: int
    start: int
    stop: int


def group_by_table(table_numbers: TableNumbers) -> tuple[npt.NDArray[np.intp], list[Group]]:
    """The order in which the symbols of a batch are decoded; part of the format.

    Args:
        table_numbers: uint16 (n,), the table of each symbol.

    Returns:
        The positions (n,) of the symbols in decoding order: ascending table number, and the batch's own order
        within a table. And the groups, one for every table that occurs, that cut this order.
    """
    order = np.argsort(table_numbers, kind="stable")
    counts = np.bincount(table_numbers)
    occurring = np.flatnonzero(counts)
    stops = np.cumsum(counts[occurring])
    starts = stops - counts[occurring]
    groups = map(Group, occurring.tolist(), starts.tolist(), stops.tolist())
    return order, list(groups)


class StreamEncoder:
    """Codes batches of symbols into one ANS stream.

    Attributes:
        information: information content of all symbols put so far, in units of 2^-16 bit.
    """

    def __init__(self, tables: TableSet) -> None:
        self.information = 0
        self._tables = tables
        self._groups: list[tuple[int, Symbols]] = []

    def put(self, symbols: Symbols, table_numbers: TableNumbers) -> None:
        """Appends a batch, in decoding order; an empty one is allowed.

        Args:
            symbols: uint8 (n,).
            table_numbers: uint16 (n,).

        Raises:
            TypeError: a dtype is another one.
            ValueError: the shapes are not (n,) and (n,).
            ModelError: a table number is not in the table set.
        """
        _check_table_numbers(table_numbers, self._tables)
        if symbols.dtype != np.uint8:
            raise TypeError(f"symbols are {symbols.dtype}; pass uint8")
        if symbols.shape != table_numbers.shape:
            raise ValueError(
                f"symbols have shape {symbols.shape}, table numbers {table_numbers.shape}; "
                "pass one table a symbol"
            )
        order, groups = group_by_table(table_numbers)
        grouped = symbols[order]
        self._groups += [(table, grouped[start:stop]) for table, start, stop in groups]
        self.information += self._tables.information_of(symbols, table_numbers)

    def finish(self) -> bytes:
        """The stream: words of 32 bits, little-endian; b"" when there are no symbols."""
        coder = stream.stack.AnsCoder()
        for table, symbols in reversed(self._groups):
            coder.encode_reverse(symbols.astype(np.int32), self._tables.model(table))
        words: npt.NDArray[np.uint32] = coder.get_compressed()
        return words.astype(_WORD).tobytes()


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

    def get(self, table_numbers: TableNumbers) -> Symbols:
        """The next batch, uint8 (n,).

        A stream that holds other symbols than the encoder's gives wrong ones, without an error: at its end it
        goes on with the first symbols of the tables. `finish` tells.

        Args:
            table_numbers: uint16 (n,), the same as at the encoder.

        Raises:
            TypeError: the dtype is another one.
            ValueError: the shape is not (n,).
            ModelError: a table number is not in the table set.
        """
        _check_table_numbers(table_numbers, self._tables)
        order, groups = group_by_table(table_numbers)
        grouped = np.empty(len(table_numbers), dtype=np.uint8)
        for table, start, stop in groups:
            grouped[start:stop] = self._coder.decode(self._tables.model(table), stop - start)
        symbols = np.empty_like(grouped)
        symbols[order] = grouped
        self.information += self._tables.information_of(symbols, table_numbers)
        return symbols

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


def _check_table_numbers(table_numbers: TableNumbers, tables: TableSet) -> None:
    if table_numbers.dtype != np.uint16:
        raise TypeError(f"table numbers are {table_numbers.dtype}; pass uint16")
    if table_numbers.ndim != 1:
        raise ValueError(f"table numbers have shape {table_numbers.shape}; pass (n,)")
    largest = int(table_numbers.max(initial=0))
    if largest >= len(tables):
        raise ModelError(
            f"a symbol has table {largest}, but there are {len(tables)}; use the model that made the tables",
            expected=len(tables) - 1,
            found=largest,
        )
