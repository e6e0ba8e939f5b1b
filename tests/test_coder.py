"""The ANS coders: equal to each other and to the plain definition, frozen words, round trips, damage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from constriction import stream
from hypothesis import given
from hypothesis import strategies as st

from ppyr.bitstream import reference as constriction_stack
from ppyr.bitstream.ans import AnsStack
from ppyr.bitstream.coder import StreamDecoder, StreamEncoder
from ppyr.bitstream.reference import ReferenceStack, weights
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
    """The stream of the compiled coder, which the reference is to give too."""
    encoders = StreamEncoder(tables), StreamEncoder(tables, reference=True)
    for encoder in encoders:
        for one in batches:
            encoder.put(*one)
    data, expected = (encoder.finish() for encoder in encoders)
    assert data == expected
    assert encoders[0].information == encoders[1].information
    return data


def decoders(data: bytes, tables: TableSet = TABLES) -> list[StreamDecoder]:
    return [StreamDecoder(tables, data), StreamDecoder(tables, data, reference=True)]


def plain_rows(batches: Sequence[Batch]) -> list[plain_ans.Row]:
    """The row of every symbol."""
    pairs = [
        pair
        for _, numbers, centres in batches
        for pair in zip(numbers.tolist(), centres.tolist(), strict=True)
    ]
    return [plain_ans.folded(ROWS[number], centre) for number, centre in pairs]


def joined(arrays: Sequence[npt.NDArray[np.uint8]]) -> list[int]:
    return [int(symbol) for array in arrays for symbol in array]


@st.composite
def some_batches(draw: st.DrawFn) -> list[Batch]:
    """Up to four batches of up to 40 symbols; runs of one symbol are as likely as noise."""
    symbol = st.integers(0, 255) | st.sampled_from([0, 131, 255])
    centre = st.integers(0, 255) | st.sampled_from([0, 1, 127, FAR, 254, 255])
    triples = st.lists(st.tuples(symbol, st.integers(0, len(ROWS) - 1), centre), max_size=40)
    drawn = draw(st.lists(triples, max_size=4))
    return [batch(*zip(*triples, strict=True)) if triples else batch([], []) for triples in drawn]


@given(some_batches())
def test_round_trip_and_every_word_as_defined(batches: list[Batch]) -> None:
    data = encode(batches)

    rows = plain_rows(batches)
    symbols = joined([symbols for symbols, _, _ in batches])
    assert np.frombuffer(data, dtype="<u4").tolist() == plain_ans.encode(symbols, rows)
    information = sum(plain_ans.information(row[symbol]) for symbol, row in zip(symbols, rows, strict=True))
    for decoder in decoders(data):
        for one in batches:
            decoded = decoder.get(*one[1:])
            assert decoded.dtype == np.uint8
            assert np.array_equal(decoded, one[0])
        decoder.finish()
        assert decoder.information == information


def test_long_stream() -> None:
    generator = np.random.default_rng(3)
    numbers = generator.integers(0, len(ROWS), 3000, dtype=np.uint16)
    symbols, centres = generator.integers(0, 256, (2, 3000), dtype=np.uint8)

    data = encode([(symbols, numbers, centres)])

    words, rows = np.frombuffer(data, dtype="<u4").tolist(), plain_rows([(symbols, numbers, centres)])
    assert words == plain_ans.encode(symbols.tolist(), rows)
    assert plain_ans.decode(words, rows) == symbols.tolist()


def test_the_reference_hands_its_tables_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(5)
    numbers = generator.integers(0, len(ROWS), 500, dtype=np.uint16)
    symbols, centres = generator.integers(0, 256, (2, 500), dtype=np.uint8)
    whole = encode([(symbols, numbers, centres)])
    monkeypatch.setattr(constriction_stack, "_CHUNK", 7)
    assert encode([(symbols, numbers, centres)]) == whole
    for decoder in decoders(whole):
        assert np.array_equal(decoder.get(numbers, centres), symbols)


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
        "09ff08ff070006000500008300010000",
    ),
    ([batch([0, 0, 255, 1], [0, 0, 0, 0], [0, 255, 0, 254])], "0060602d"),
]


@pytest.mark.parametrize(("batches", "frozen"), FROZEN)
def test_frozen_words(batches: list[Batch], frozen: str) -> None:
    assert encode(batches).hex() == frozen


def test_constriction_takes_every_frequency_as_it_is() -> None:
    some = [plain_ans.folded(ROWS[4], 3), plain_ans.folded(ROWS[7], 250)]
    for row in ROWS + some:
        told = weights(np.array([row], np.uint32))
        assert told.dtype == np.float32
        below = 0
        for symbol, frequency in enumerate(row):
            # From the state 2^63 + below, popping the symbol leads to 2^39 * frequency.
            coder = stream.stack.AnsCoder(np.array([below, 1 << 31], dtype=np.uint32))
            assert coder.decode(stream.model.Categorical(perfect=False), told).tolist() == [symbol]
            assert coder.pos() == (0, frequency << 39)
            below += frequency


def stacks(words: Sequence[int]) -> tuple[AnsStack, ReferenceStack]:
    array = np.array(words, np.uint32)
    return AnsStack(TABLES, array), ReferenceStack(TABLES, array)


@pytest.mark.parametrize("table", range(len(ROWS)))
def test_every_symbol_under_every_centre(table: int) -> None:
    symbols, numbers = np.arange(256, dtype=np.uint8), np.full(256, table, np.uint16)
    for centre in range(256):
        centres = np.full(256, centre, np.uint8)
        row = plain_ans.folded(ROWS[table], centre)
        assert TABLES.rows(numbers[:1], centres[:1])[0].tolist() == list(row)
        stack, expected = stacks([1234567, 89101112, centre + 1])
        assert stack.push(symbols, numbers, centres) == expected.push(symbols, numbers, centres)
        assert np.array_equal(stack.words(), expected.words())
        assert np.array_equal(stack.pop(numbers, centres)[0], symbols)
        assert stack.words().tolist() == [1234567, 89101112, centre + 1]


@pytest.mark.parametrize("centre", [0, 1, 2, 100, 127, 128, 129, 200, 253, 254, 255])
def test_a_symbol_is_found_by_its_first_and_its_last_quantile(centre: int) -> None:
    at = np.array([centre], np.uint8)
    for table in (0, 1, 3, 4, 7):
        number = np.array([table], np.uint16)
        starts = np.cumsum([0, *plain_ans.folded(ROWS[table], centre)])
        for symbol in range(256):
            for quantile in (starts[symbol], starts[symbol + 1] - 1):
                popped, _ = AnsStack(TABLES, np.array([quantile, 1 << 31], np.uint32)).pop(number, at)
                assert popped.tolist() == [symbol]


@pytest.mark.parametrize("table", range(len(ROWS)))
def test_which_tables_are_folded(table: int) -> None:
    found = TABLES.are_folded(np.full(256, table, np.uint16), np.arange(256, dtype=np.uint8))
    row = ROWS[table]
    assert found.tolist() == [plain_ans.folded(row, centre) is not row for centre in range(256)]


@pytest.mark.parametrize(("mass", "folded"), [(FOLDED_MASS, True), (FOLDED_MASS - 1, False)])
@pytest.mark.parametrize(("centre", "symbol"), [(254, 2), (1, 254)])
def test_the_least_mass_that_folds(mass: int, folded: bool, centre: int, symbol: int) -> None:
    row = np.ones((1, 256), np.uint32)
    row[0, symbol] += mass
    row[0, 0] += TOTAL - row.sum()
    number, at = np.zeros(1, np.uint16), np.array([centre], np.uint8)
    tables = TableSet(row)
    assert tables.are_folded(number, at).tolist() == [folded]
    near, on_the_way = ([2, 1], 1) if centre == 254 else ([254, 255], 255)
    assert near[0] == symbol
    found = tables.rows(number, at)[0]
    moved = mass if folded else 0
    assert found[[symbol, on_the_way]].tolist() == [1 + mass - moved, 1 + moved]


def test_information_is_the_defined_integer() -> None:
    expected = [[plain_ans.information(frequency) for frequency in row] for row in ROWS]

    assert TABLES.lookup.information.dtype == np.int32
    assert TABLES.lookup.information.tolist() == expected


@pytest.mark.parametrize(
    ("frequency", "units"),
    [(1, 24 << 16), (2, 23 << 16), (3, 1468992), (1 << 16, 8 << 16), (TOTAL // 2, 1 << 16), (TOTAL - 255, 2)],
)
def test_frozen_information(frequency: int, units: int) -> None:
    row = [frequency, *[1] * 254, TOTAL - 254 - frequency]
    if frequency == TOTAL - 255:
        row[255] = 1

    assert TableSet(np.array([row], dtype=np.uint32)).lookup.information[0, 0] == units


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
    for decoder in decoders(data):
        decoder.get(*batch([0, 0, 0], [4, 4, 4])[1:])

        with pytest.raises(FormatError, match="after its last symbol") as caught:
            decoder.finish()
        assert caught.value.expected == 0
        assert caught.value.found != 0


def test_a_symbol_too_few() -> None:
    symbols, numbers, centres = batch([7, 8, 9], [0, 0, 0])
    for decoder in decoders(encode([(symbols, numbers, centres)])):
        assert np.array_equal(decoder.get(numbers[:2], centres[:2]), symbols[:2])

        with pytest.raises(FormatError, match="has 20 bits left after its last symbol"):
            decoder.finish()


def test_words_of_zero_below_the_last_are_left_too() -> None:
    for decoder in decoders(bytes.fromhex("000000000000000001000000")):
        decoder.get(*batch([0], [1])[1:])
        with pytest.raises(FormatError, match="bits left"):
            decoder.finish()


@given(st.binary(max_size=80), some_batches(), st.lists(st.integers(0, 16), max_size=10))
def test_any_bytes_end_in_symbols_or_in_a_format_error(
    data: bytes, batches: list[Batch], bits: list[int]
) -> None:
    words = np.frombuffer(data[: len(data) // 4 * 4], dtype="<u4").tolist()
    if len(data) % 4 or (words and words[-1] == 0):
        for both in (False, True):
            with pytest.raises(FormatError):
                StreamDecoder(TABLES, data, reference=both)
        return
    rows = plain_rows(batches) + [[1 << 24 - number] * (1 << number) for number in bits if number]
    found = []
    for decoder in decoders(data):
        symbols = joined([decoder.get(numbers, centres) for _, numbers, centres in batches])
        values = decoder.get_raw(np.array(bits, np.uint8))
        assert values.dtype == np.uint16
        assert not values[np.array(bits, np.uint8) == 0].any()
        symbols += [value for value, number in zip(values.tolist(), bits, strict=True) if number]
        try:
            decoder.finish()
        except FormatError as error:
            found.append((symbols, decoder.information, str(error)))
        else:
            found.append((symbols, decoder.information, ""))
    assert found[0] == found[1]
    symbols, information, left = found[0]
    frequencies = [row[symbol] for row, symbol in zip(rows, symbols, strict=True)]
    assert information == sum(map(plain_ans.information, frequencies))
    if left:
        with pytest.raises(ValueError, match="left"):
            plain_ans.decode(words, rows)
    else:
        assert plain_ans.decode(words, rows) == symbols


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
    encoder = StreamEncoder(TABLES)
    encoder.put(symbols, numbers, centres)
    encoder.finish()


def get(_symbols: object, numbers: npt.NDArray[Any], centres: npt.NDArray[Any]) -> None:
    StreamDecoder(TABLES, b"").get(numbers, centres)


def put_reference(symbols: npt.NDArray[Any], numbers: npt.NDArray[Any], centres: npt.NDArray[Any]) -> None:
    encoder = StreamEncoder(TABLES, reference=True)
    encoder.put(symbols, numbers, centres)
    encoder.finish()


def get_reference(_symbols: object, numbers: npt.NDArray[Any], centres: npt.NDArray[Any]) -> None:
    StreamDecoder(TABLES, b"", reference=True).get(numbers, centres)


@pytest.mark.parametrize("act", [put, get, put_reference, get_reference])
def test_what_both_sides_know_is_checked(act: Callable[..., None]) -> None:
    one = np.zeros(1, np.uint8)
    with pytest.raises(ModelError, match="table 12, but there are 12"):
        act(one, np.array([12], dtype=np.uint16), one)
    with pytest.raises(TypeError, match="table_numbers are int64; pass uint16"):
        act(one, np.array([0], dtype=np.int64), one)
    with pytest.raises(ValueError, match=r"pass \(n,\)"):
        act(one, np.zeros((1, 1), dtype=np.uint16), one)
    with pytest.raises(TypeError, match="centres are int64; pass uint8"):
        act(one, np.zeros(1, dtype=np.uint16), np.array([1], dtype=np.int64))
    with pytest.raises(ValueError, match="one of each for every symbol"):
        act(one, np.zeros(1, dtype=np.uint16), np.zeros(2, np.uint8))


def test_symbols_are_checked() -> None:
    number, centre = np.zeros(1, np.uint16), np.zeros(1, np.uint8)
    with pytest.raises(TypeError, match="symbols are int64; pass uint8"):
        put(np.array([1], dtype=np.int64), number, centre)
    with pytest.raises(ValueError, match="one of each for every symbol"):
        put(np.zeros(2, np.uint8), number, centre)


@pytest.mark.parametrize("reference", [False, True])
def test_raw_bits_come_back_and_cost_what_they_are(reference: bool) -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 17, 500, np.uint8)
    values = (rng.integers(0, 1 << 16, 500) >> (16 - bits)).astype(np.uint16)
    one = batch([7, 7, 7], [0, 0, 0])
    encoder = StreamEncoder(TABLES, reference=reference)
    encoder.put(*one)
    encoder.put_raw(values, bits)
    encoder.put_raw(values[:0], bits[:0])
    encoder.put(*one)
    data = encoder.finish()
    assert encoder.information == (int(bits.sum()) + 6 * 8) << 16
    assert 8 * len(data) - int(bits.sum()) - 6 * 8 <= 64
    for decoder in decoders(data):
        assert np.array_equal(decoder.get(*one[1:]), one[0])
        assert np.array_equal(decoder.get_raw(bits), values)
        assert len(decoder.get_raw(bits[:0])) == 0
        assert np.array_equal(decoder.get(*one[1:]), one[0])
        decoder.finish()
        assert decoder.information == encoder.information


@given(st.lists(st.integers(0, 16).flatmap(lambda n: st.tuples(st.integers(0, (1 << n) - 1), st.just(n)))))
def test_every_word_of_raw_bits_as_defined(pairs: list[tuple[int, int]]) -> None:
    values, bits = (np.array([pair[at] for pair in pairs]) for at in (0, 1))
    rows = [[1 << 24 - number] * (1 << number) for _, number in pairs if number]
    expected = plain_ans.encode([value for value, number in pairs if number], rows)
    for reference in (False, True):
        encoder = StreamEncoder(TABLES, reference=reference)
        encoder.put_raw(values.astype(np.uint16), bits.astype(np.uint8))
        assert np.frombuffer(encoder.finish(), "<u4").tolist() == expected


def test_raw_bits_are_checked() -> None:
    one, wide = np.zeros(1, np.uint8), np.zeros(1, np.uint16)
    with pytest.raises(TypeError, match="bits are uint16; pass uint8"):
        StreamEncoder(TABLES).put_raw(wide, wide)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one of each"):
        StreamEncoder(TABLES).put_raw(wide, np.zeros(2, np.uint8))
    with pytest.raises(TypeError, match="bits are uint16; pass uint8"):
        StreamDecoder(TABLES, b"").get_raw(wide)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"pass \(n,\)"):
        StreamDecoder(TABLES, b"").get_raw(one.reshape(1, 1))
