"""The ANS coder: equal to the plain integer definition, frozen words, round trips, damage."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest
from constriction import stream
from hypothesis import given
from hypothesis import strategies as st

from ppyr.bitstream.coder import StreamDecoder, StreamEncoder, TableSet, group_by_table
from ppyr.errors import FormatError, ModelError
from tests import plain_ans

Batch = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]

TOTAL = 1 << 24


def peak(symbol: int) -> list[int]:
    """All the mass that the rules allow on one symbol."""
    return [TOTAL - 255 if other == symbol else 1 for other in range(256)]


def random_row(seed: int) -> list[int]:
    """Frequencies of very different sizes."""
    weights = np.random.default_rng(seed).random(256) ** 12
    row = 1 + (weights / weights.sum() * (TOTAL - 256)).astype(np.int64)
    row[seed % 256] += TOTAL - row.sum()
    return [int(frequency) for frequency in row]


ROWS = [[TOTAL // 256] * 256, peak(0), peak(255), peak(131), *(random_row(seed) for seed in range(8))]
TABLES = TableSet(np.array(ROWS, dtype=np.uint32))


def batch(symbols: Sequence[int], tables: Sequence[int]) -> Batch:
    return np.array(symbols, dtype=np.uint8), np.array(tables, dtype=np.uint16)


def encode(batches: Sequence[Batch], tables: TableSet = TABLES) -> bytes:
    encoder = StreamEncoder(tables)
    for symbols, numbers in batches:
        encoder.put(symbols, numbers)
    return encoder.finish()


def plain_words(batches: Sequence[Batch]) -> list[int]:
    """The same stream from the definition."""
    order = plain_ans.decoding_order([numbers.tolist() for _, numbers in batches])
    symbols = [int(batches[number][0][position]) for number, position in order]
    rows = [ROWS[batches[number][1][position]] for number, position in order]
    return plain_ans.encode(symbols, rows)


@st.composite
def some_batches(draw: st.DrawFn) -> list[Batch]:
    """Up to four batches of up to 40 symbols; runs of one symbol are as likely as noise."""
    symbol = st.integers(0, 255) | st.sampled_from([0, 131, 255])
    pairs = st.lists(st.tuples(symbol, st.integers(0, len(ROWS) - 1)), max_size=40)
    drawn = draw(st.lists(pairs, max_size=4))
    return [batch([symbol for symbol, _ in pairs], [table for _, table in pairs]) for pairs in drawn]


@given(some_batches())
def test_round_trip_and_every_word_as_defined(batches: list[Batch]) -> None:
    data = encode(batches)

    assert list(np.frombuffer(data, dtype="<u4")) == plain_words(batches)
    decoder = StreamDecoder(TABLES, data)
    for symbols, numbers in batches:
        decoded = decoder.get(numbers)
        assert decoded.dtype == np.uint8
        assert np.array_equal(decoded, symbols)
    decoder.finish()


def test_long_stream() -> None:
    generator = np.random.default_rng(3)
    numbers = generator.integers(0, len(ROWS), 3000, dtype=np.uint16)
    symbols = generator.integers(0, 256, 3000, dtype=np.uint8)

    data = encode([(symbols, numbers)])

    assert list(np.frombuffer(data, dtype="<u4")) == plain_words([(symbols, numbers)])
    order, _ = group_by_table(numbers)
    rows = [ROWS[number] for number in numbers[order]]
    assert plain_ans.decode(np.frombuffer(data, dtype="<u4").tolist(), rows) == symbols[order].tolist()


FROZEN: list[tuple[list[Batch], str]] = [
    ([], ""),
    ([batch([], [])], ""),
    ([batch([0], [0])], ""),
    ([batch([1], [0])], "00000100"),
    ([batch([200, 3, 77, 255, 0, 18], [0, 0, 0, 0, 0, 0])], "0000c8034dff0012"),
    ([batch([0, 0, 0, 0], [1, 1, 1, 1])], ""),
    ([batch([255, 255, 255], [2, 2, 2])], "fd020000"),
    ([batch([9, 131, 8, 131], [3, 3, 3, 3])], "0900000883008300"),
    (
        [batch([5, 6, 7, 8, 9], [3, 0, 2, 0, 1]), batch([], []), batch([131, 1], [3, 0])],
        "0500008309ffff070000060800010000",
    ),
]


@pytest.mark.parametrize(("batches", "frozen"), FROZEN)
def test_frozen_words(batches: list[Batch], frozen: str) -> None:
    assert encode(batches).hex() == frozen


def test_constriction_takes_every_frequency_as_it_is() -> None:
    for number, row in enumerate(ROWS):
        below = 0
        for symbol, frequency in enumerate(row):
            # From the state 2^63 + below, popping the symbol leads to 2^39 * frequency.
            coder = stream.stack.AnsCoder(np.array([below, 1 << 31], dtype=np.uint32))
            assert coder.decode(TABLES.model(number)) == symbol
            assert coder.pos() == (0, frequency << 39)
            below += frequency


@given(st.lists(st.integers(0, 11), max_size=60))
def test_grouping(tables: list[int]) -> None:
    order, groups = group_by_table(np.array(tables, dtype=np.uint16))

    assert order.tolist() == [position for _, position in plain_ans.decoding_order([tables])]
    cut = [[int(table) for table in np.array(tables)[order[start:stop]]] for _, start, stop in groups]
    assert cut == [[table] * (stop - start) for table, start, stop in groups]
    assert sum(map(len, cut)) == len(tables)
    assert [group.table for group in groups] == sorted(set(tables))


def test_information_is_the_defined_integer() -> None:
    expected = [[plain_ans.information(frequency) for frequency in row] for row in ROWS]

    assert TABLES.information.dtype == np.int64
    assert TABLES.information.tolist() == expected


@pytest.mark.parametrize(
    ("frequency", "units"),
    [(1, 24 << 16), (2, 23 << 16), (3, 1468992), (1 << 16, 8 << 16), (TOTAL // 2, 1 << 16), (TOTAL - 255, 2)],
)
def test_frozen_information(frequency: int, units: int) -> None:
    row = [frequency, *[1] * 254, TOTAL - 254 - frequency]
    if frequency == TOTAL - 255:
        row[255] = 1

    assert TableSet(np.array([row], dtype=np.uint32)).information[0, 0] == units


@given(some_batches())
def test_both_sides_count_the_same_information(batches: list[Batch]) -> None:
    encoder = StreamEncoder(TABLES)
    for symbols, numbers in batches:
        encoder.put(symbols, numbers)
    decoder = StreamDecoder(TABLES, encoder.finish())
    for _, numbers in batches:
        decoder.get(numbers)

    frequencies = [ROWS[table][symbol] for pair in batches for symbol, table in zip(*pair, strict=True)]
    assert encoder.information == sum(map(plain_ans.information, frequencies))
    assert decoder.information == encoder.information


def test_a_stream_is_as_long_as_its_information() -> None:
    generator = np.random.default_rng(4)
    row = np.array(ROWS[4])
    symbols = generator.choice(256, 20000, p=row / TOTAL).astype(np.uint8)
    numbers = np.full(20000, 4, dtype=np.uint16)
    encoder = StreamEncoder(TABLES)
    encoder.put(symbols, numbers)

    bits = 8 * len(encoder.finish())

    assert encoder.information / 65536 <= bits + 1
    assert bits <= encoder.information / 65536 + 64


def test_the_caller_may_reuse_its_arrays() -> None:
    symbols, numbers = batch([1, 2, 3], [0, 0, 0])
    encoder = StreamEncoder(TABLES)
    encoder.put(symbols, numbers)
    symbols[:] = 0

    assert encoder.finish() == encode([batch([1, 2, 3], [0, 0, 0])])


@pytest.mark.parametrize("length", [1, 2, 3, 5, 7])
def test_bytes_that_are_no_words(length: int) -> None:
    with pytest.raises(FormatError, match="words of 4 bytes"):
        StreamDecoder(TABLES, bytes([1] * length))


@pytest.mark.parametrize("data", ["00000000", "0100000000000000", "010000000200000000000000"])
def test_last_word_zero(data: str) -> None:
    with pytest.raises(FormatError, match="last word") as caught:
        StreamDecoder(TABLES, bytes.fromhex(data))
    assert caught.value.offset == len(data) // 2 - 4


def test_a_word_too_many() -> None:
    data = encode([batch([7, 8, 9], [4, 4, 4])]) + bytes.fromhex("01000000")
    decoder = StreamDecoder(TABLES, data)
    decoder.get(batch([], [4, 4, 4])[1])

    with pytest.raises(FormatError, match="after its last symbol") as caught:
        decoder.finish()
    assert caught.value.expected == 0
    assert caught.value.found != 0


def test_a_symbol_too_few() -> None:
    symbols, numbers = batch([7, 8, 9], [0, 0, 0])
    decoder = StreamDecoder(TABLES, encode([(symbols, numbers)]))
    assert np.array_equal(decoder.get(numbers[:2]), symbols[:2])

    with pytest.raises(FormatError, match="after its last symbol"):
        decoder.finish()


@given(st.binary(max_size=80), st.lists(st.integers(0, len(ROWS) - 1), max_size=60))
def test_any_bytes_end_in_symbols_or_in_a_format_error(data: bytes, tables: list[int]) -> None:
    numbers = np.array(tables, dtype=np.uint16)
    words = np.frombuffer(data[: len(data) // 4 * 4], dtype="<u4").tolist()
    order, _ = group_by_table(numbers)
    symbols = np.empty(len(tables), dtype=np.uint8)
    try:
        decoder = StreamDecoder(TABLES, data)
        symbols = decoder.get(numbers)
        decoder.finish()
    except FormatError:
        if len(data) % 4 == 0 and not (words and words[-1] == 0):
            with pytest.raises(ValueError, match="left"):
                plain_ans.decode(words, [ROWS[table] for table in numbers[order]])
    else:
        assert plain_ans.decode(words, [ROWS[table] for table in numbers[order]]) == symbols[order].tolist()


def replaced(value: int) -> npt.NDArray[np.uint32]:
    frequencies = np.array(ROWS, dtype=np.uint32)
    frequencies[2, 3] = value
    return frequencies


@pytest.mark.parametrize(
    ("frequencies", "message"),
    [
        (np.array(ROWS, dtype=np.int64), "uint32"),
        (np.array(ROWS[0], dtype=np.uint32), "uint32"),
        (np.array(ROWS, dtype=np.uint32)[:, :255], "uint32"),
        (np.empty((0, 256), dtype=np.uint32), "0 tables"),
        (np.broadcast_to(np.array(ROWS[:1], dtype=np.uint32), (65537, 256)), "65537 tables"),
        (replaced(0), "table 2 gives symbol 3"),
        (replaced(2), "table 2 sums to 16777217"),
        # A sum modulo 2^32 would be right.
        (np.array([[1 << 31, (1 << 31) + TOTAL - 254, *[1] * 254]], dtype=np.uint32), "table 0 sums to"),
    ],
)
def test_tables_that_break_the_rules(frequencies: npt.NDArray[np.uint32], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        TableSet(frequencies)


def test_tables_are_a_copy() -> None:
    frequencies = np.array(ROWS, dtype=np.uint32)
    tables = TableSet(frequencies)
    frequencies[:] = 0

    assert np.array_equal(tables.frequencies, np.array(ROWS))
    assert len(tables) == len(ROWS)


@pytest.mark.parametrize(
    "act",
    [
        lambda numbers: StreamEncoder(TABLES).put(np.zeros(1, dtype=np.uint8), numbers),
        lambda numbers: StreamDecoder(TABLES, b"").get(numbers),
    ],
    ids=["put", "get"],
)
def test_table_numbers_are_checked(act: Callable[[npt.NDArray[np.uint16]], object]) -> None:
    with pytest.raises(ModelError, match="table 12, but there are 12"):
        act(np.array([12], dtype=np.uint16))
    with pytest.raises(TypeError, match="pass uint16"):
        act(np.array([0], dtype=np.int64))
    with pytest.raises(ValueError, match=r"pass \(n,\)"):
        act(np.zeros((1, 1), dtype=np.uint16))


def test_symbols_are_checked() -> None:
    encoder = StreamEncoder(TABLES)
    with pytest.raises(TypeError, match="pass uint8"):
        encoder.put(np.array([1], dtype=np.int64), np.zeros(1, dtype=np.uint16))
    with pytest.raises(ValueError, match="one table a symbol"):
        encoder.put(np.array([1], dtype=np.uint8), np.zeros(2, dtype=np.uint16))
