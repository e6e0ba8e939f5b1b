"""The ANS coder: equal to the plain integer definition, frozen words, round trips, damage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from constriction import stream
from hypothesis import given
from hypothesis import strategies as st

from ppyr.bitstream import coder
from ppyr.bitstream.coder import StreamDecoder, StreamEncoder, group_by_table
from ppyr.bitstream.tables import FOLDED_MASS, TableSet
from ppyr.errors import FormatError, ModelError
from tests import plain_ans

Batch = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16], npt.NDArray[np.uint8]]

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


#: The centre that folds no table.
FAR = 128


def batch(symbols: Sequence[int], tables: Sequence[int], centres: Sequence[int] | None = None) -> Batch:
    if centres is None:
        centres = [FAR] * len(symbols)
    return np.array(symbols, np.uint8), np.array(tables, np.uint16), np.array(centres, np.uint8)


def encode(batches: Sequence[Batch], tables: TableSet = TABLES) -> bytes:
    encoder = StreamEncoder(tables)
    for one in batches:
        encoder.put(*one)
    return encoder.finish()


def plain_order(batches: Sequence[Batch]) -> list[tuple[int, int, plain_ans.Row]]:
    return plain_ans.decoding_order([(numbers.tolist(), near.tolist()) for _, numbers, near in batches], ROWS)


def plain_words(batches: Sequence[Batch]) -> list[int]:
    """The same stream from the definition."""
    order = plain_order(batches)
    symbols = [int(batches[number][0][position]) for number, position, _ in order]
    return plain_ans.encode(symbols, [row for _, _, row in order])


@st.composite
def some_batches(draw: st.DrawFn) -> list[Batch]:
    """Up to four batches of up to 40 symbols; runs of one symbol are as likely as noise."""
    symbol = st.integers(0, 255) | st.sampled_from([0, 131, 255])
    centre = st.integers(0, 255) | st.sampled_from([0, FAR, 255])
    triples = st.lists(st.tuples(symbol, st.integers(0, len(ROWS) - 1), centre), max_size=40)
    drawn = draw(st.lists(triples, max_size=4))
    return [batch(*zip(*triples, strict=True)) if triples else batch([], []) for triples in drawn]


@given(some_batches())
def test_round_trip_and_every_word_as_defined(batches: list[Batch]) -> None:
    data = encode(batches)

    assert list(np.frombuffer(data, dtype="<u4")) == plain_words(batches)
    decoder = StreamDecoder(TABLES, data)
    for symbols, numbers, centres in batches:
        decoded = decoder.get(numbers, centres)
        assert decoded.dtype == np.uint8
        assert np.array_equal(decoded, symbols)
    decoder.finish()


def test_long_stream() -> None:
    generator = np.random.default_rng(3)
    numbers = generator.integers(0, len(ROWS), 3000, dtype=np.uint16)
    symbols, centres = generator.integers(0, 256, (2, 3000), dtype=np.uint8)

    data = encode([(symbols, numbers, centres)])

    words = np.frombuffer(data, dtype="<u4").tolist()
    assert words == plain_words([(symbols, numbers, centres)])
    order = plain_order([(symbols, numbers, centres)])
    expected = [symbols[position] for _, position, _ in order]
    assert plain_ans.decode(words, [row for _, _, row in order]) == expected


def test_many_folded_tables_are_handed_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(5)
    numbers = generator.integers(0, len(ROWS), 500, dtype=np.uint16)
    symbols, centres = generator.integers(0, 256, (2, 500), dtype=np.uint8)
    whole = encode([(symbols, numbers, centres)])
    monkeypatch.setattr(coder, "_CHUNK", 7)
    assert encode([(symbols, numbers, centres)]) == whole
    assert np.array_equal(StreamDecoder(TABLES, whole).get(numbers, centres), symbols)


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
    ([batch([0, 0, 255, 1], [0, 0, 0, 0], [0, 255, 0, 254])], "0060602d"),
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


def test_constriction_takes_every_folded_frequency_as_it_is() -> None:
    for table, centre in [(0, 0), (0, 100), (0, 255), (4, 3), (7, 250)]:
        row = plain_ans.folded(ROWS[table], centre)
        assert row is not None
        weights = TABLES.folded(np.array([table], np.uint16), np.array([centre], np.uint8))
        assert weights.dtype == np.float32
        assert np.array_equal(weights[0] + 1.0, row)
        below = 0
        for symbol, frequency in enumerate(row):
            ans = stream.stack.AnsCoder(np.array([below, 1 << 31], dtype=np.uint32))
            assert ans.decode(stream.model.Categorical(perfect=False), weights)[0] == symbol
            assert ans.pos() == (0, frequency << 39)
            below += frequency


@pytest.mark.parametrize("table", range(len(ROWS)))
def test_which_tables_are_folded(table: int) -> None:
    centres = np.arange(256, dtype=np.uint8)
    found = TABLES.are_folded(np.full(256, table, np.uint16), centres)
    assert found.tolist() == [plain_ans.folded(ROWS[table], centre) is not None for centre in range(256)]


@pytest.mark.parametrize(("mass", "folded"), [(FOLDED_MASS, True), (FOLDED_MASS - 1, False)])
@pytest.mark.parametrize(("centre", "symbol"), [(254, 2), (1, 254)])
def test_the_least_mass_that_folds(mass: int, folded: bool, centre: int, symbol: int) -> None:
    row = np.ones((1, 256), np.uint32)
    row[0, symbol] += mass
    row[0, 0] += TOTAL - row.sum()
    number, at = np.zeros(1, np.uint16), np.array([centre], np.uint8)
    tables = TableSet(row)
    assert tables.are_folded(number, at).tolist() == [folded]
    if folded:
        assert tables.folded(number, at)[0, [0, 1, 255, symbol]].tolist() == (
            [TOTAL - 256 - mass, mass, 0, 0] if centre == 254 else [TOTAL - 256 - mass, 0, mass, 0]
        )


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 255)), max_size=60))
def test_grouping(pairs: list[tuple[int, int]]) -> None:
    _, numbers, centres = batch([0] * len(pairs), [table for table, _ in pairs], [near for _, near in pairs])
    order, groups, count = group_by_table(TABLES, numbers, centres)

    expected = plain_order([(np.zeros(len(pairs), np.uint8), numbers, centres)])
    assert order.tolist() == [position for _, position, _ in expected]
    assert [group.start for group in groups] + [len(pairs)] == [0] + [group.stop for group in groups]
    for table, start, stop in groups:
        at = order[start:stop]
        folded = TABLES.are_folded(numbers[at], centres[at])
        assert folded.all() if table is None else not folded.any() and set(numbers[at]) == {table}
    assert count == len(pairs) - TABLES.are_folded(numbers, centres).sum()
    shared = [group.table for group in groups if group.table is not None]
    assert shared == sorted(set(shared))


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
    for one in batches:
        encoder.put(*one)
    decoder = StreamDecoder(TABLES, encoder.finish())
    for _, numbers, centres in batches:
        decoder.get(numbers, centres)

    frequencies = [row[batches[number][0][position]] for number, position, row in plain_order(batches)]
    assert encoder.information == sum(map(plain_ans.information, frequencies))
    assert decoder.information == encoder.information


def test_a_stream_is_as_long_as_its_information() -> None:
    generator = np.random.default_rng(4)
    row = np.array(ROWS[4])
    symbols = generator.choice(256, 20000, p=row / TOTAL).astype(np.uint8)
    numbers = np.full(20000, 4, dtype=np.uint16)
    encoder = StreamEncoder(TABLES)
    encoder.put(symbols, numbers, np.full(20000, FAR, np.uint8))

    bits = 8 * len(encoder.finish())

    assert encoder.information / 65536 <= bits + 1
    assert bits <= encoder.information / 65536 + 64


def test_the_caller_may_reuse_its_arrays() -> None:
    symbols, numbers, centres = batch([1, 2, 3], [0, 0, 0])
    encoder = StreamEncoder(TABLES)
    encoder.put(symbols, numbers, centres)
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
    decoder.get(*batch([0, 0, 0], [4, 4, 4])[1:])

    with pytest.raises(FormatError, match="after its last symbol") as caught:
        decoder.finish()
    assert caught.value.expected == 0
    assert caught.value.found != 0


def test_a_symbol_too_few() -> None:
    symbols, numbers, centres = batch([7, 8, 9], [0, 0, 0])
    decoder = StreamDecoder(TABLES, encode([(symbols, numbers, centres)]))
    assert np.array_equal(decoder.get(numbers[:2], centres[:2]), symbols[:2])

    with pytest.raises(FormatError, match="after its last symbol"):
        decoder.finish()


@given(st.binary(max_size=80), some_batches())
def test_any_bytes_end_in_symbols_or_in_a_format_error(data: bytes, batches: list[Batch]) -> None:
    words = np.frombuffer(data[: len(data) // 4 * 4], dtype="<u4").tolist()
    order = plain_order(batches)
    rows = [row for _, _, row in order]
    decoded = []
    try:
        decoder = StreamDecoder(TABLES, data)
        decoded = [decoder.get(numbers, centres) for _, numbers, centres in batches]
        decoder.finish()
    except FormatError:
        if len(data) % 4 == 0 and not (words and words[-1] == 0):
            with pytest.raises(ValueError, match="left"):
                plain_ans.decode(words, rows)
    else:
        assert plain_ans.decode(words, rows) == [decoded[number][position] for number, position, _ in order]


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


def put(symbols: npt.NDArray[Any], numbers: npt.NDArray[Any], centres: npt.NDArray[Any]) -> None:
    StreamEncoder(TABLES).put(symbols, numbers, centres)


def get(_symbols: object, numbers: npt.NDArray[Any], centres: npt.NDArray[Any]) -> None:
    StreamDecoder(TABLES, b"").get(numbers, centres)


@pytest.mark.parametrize("act", [put, get])
def test_what_both_sides_know_is_checked(act: Callable[..., None]) -> None:
    one = np.zeros(1, np.uint8)
    with pytest.raises(ModelError, match="table 12, but there are 12"):
        act(one, np.array([12], dtype=np.uint16), one)
    with pytest.raises(TypeError, match="table numbers are int64; pass uint16"):
        act(one, np.array([0], dtype=np.int64), one)
    with pytest.raises(ValueError, match=r"pass \(n,\)"):
        act(one, np.zeros((1, 1), dtype=np.uint16), one)
    with pytest.raises(TypeError, match="centres are int64; pass uint8"):
        act(one, np.zeros(1, dtype=np.uint16), np.array([1], dtype=np.int64))
    with pytest.raises(ValueError, match="one table a symbol"):
        act(one, np.zeros(1, dtype=np.uint16), np.zeros(2, np.uint8))


def test_symbols_are_checked() -> None:
    number, centre = np.zeros(1, np.uint16), np.zeros(1, np.uint8)
    with pytest.raises(TypeError, match="symbols are int64; pass uint8"):
        put(np.array([1], dtype=np.int64), number, centre)
    with pytest.raises(ValueError, match="one table a symbol"):
        put(np.zeros(2, np.uint8), number, centre)


def test_raw_bits_come_back_and_cost_what_they_are() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 17, 500, np.uint8)
    values = (rng.integers(0, 1 << 16, 500) >> (16 - bits)).astype(np.uint16)
    tables = TableSet(np.full((1, 256), 1 << 16, np.uint32))
    symbols, numbers, centres = np.full(3, 7, np.uint8), np.zeros(3, np.uint16), np.full(3, 128, np.uint8)
    encoder = StreamEncoder(tables)
    encoder.put(symbols, numbers, centres)
    encoder.put_raw(values, bits)
    encoder.put_raw(values[:0], bits[:0])
    encoder.put(symbols, numbers, centres)
    data = encoder.finish()
    assert encoder.information == (int(bits.sum()) + 6 * 8) << 16
    assert 8 * len(data) - int(bits.sum()) - 6 * 8 <= 64
    decoder = StreamDecoder(tables, data)
    assert np.array_equal(decoder.get(numbers, centres), symbols)
    assert np.array_equal(decoder.get_raw(bits), values)
    assert len(decoder.get_raw(bits[:0])) == 0
    assert np.array_equal(decoder.get(numbers, centres), symbols)
    decoder.finish()
    assert decoder.information == encoder.information
