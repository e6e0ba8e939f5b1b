"""Mixtures of discretised logistics: the integers are the defined ones, and both stacks code under them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppyr.bitstream import reference as constriction_stack
from ppyr.bitstream.coder import StreamDecoder, StreamEncoder
from ppyr.bitstream.mixtures import LOGISTIC, SLOPES, Mixtures, frequencies
from ppyr.bitstream.tables import TableSet
from ppyr.errors import ModelError
from tests import plain_ans

Component = tuple[int, int, int]
"""Weight, mean and number of the scale."""

TOTAL = 1 << 24
NO_TABLES = TableSet(np.empty((0, 256), np.uint32))
FLAT = TableSet(np.full((1, 256), TOTAL // 256, np.uint32))


def mixtures(listed: Sequence[Sequence[Component]], bits: int = 8) -> Mixtures:
    weights, means, scales = np.array(listed, np.int64).reshape(len(listed), -1, 3).transpose(2, 0, 1)
    return Mixtures(weights.astype(np.uint16), means.astype(np.int32), scales.astype(np.uint8), bits)


def random_mixtures(seed: int, count: int, components: int, bits: int) -> Mixtures:
    rng = np.random.default_rng(seed)
    shape = count, components
    return Mixtures(
        rng.integers(1, 4097, shape).astype(np.uint16),
        rng.integers(-64, 65 << bits, shape).astype(np.int32),
        rng.integers(0, 48, shape).astype(np.uint8),
        bits,
    )


@st.composite
def some_mixtures(draw: st.DrawFn) -> tuple[list[list[Component]], list[int], int]:
    """Components, samples and bits; ends of the ranges are as likely as what lies between them."""
    bits, count = draw(st.integers(1, 8)), draw(st.integers(1, 16))
    weight = st.integers(0, 4096) | st.sampled_from([0, 1, 4096])
    mean = (
        st.integers(-(1 << 16), 1 << 16) | st.integers(0, 64 << bits) | st.sampled_from([-(1 << 16), 1 << 16])
    )
    component = st.tuples(weight, mean, st.integers(0, 47))
    mixture = st.lists(component, min_size=count, max_size=count).filter(
        lambda one: any(w for w, _, _ in one)
    )
    listed = draw(st.lists(mixture, min_size=1, max_size=8))
    samples = draw(st.lists(st.integers(0, (1 << bits) - 1), min_size=len(listed), max_size=len(listed)))
    return listed, samples, bits


def encoded(batches: Sequence[tuple[npt.NDArray[np.uint8], Mixtures]]) -> bytes:
    """The stream of the compiled coder, which the reference is to give too."""
    encoders = StreamEncoder(NO_TABLES), StreamEncoder(NO_TABLES, reference=True)
    for encoder in encoders:
        for batch in batches:
            encoder.put_mixtures(*batch)
    data, expected = (encoder.finish() for encoder in encoders)
    assert data == expected
    assert encoders[0].information == encoders[1].information
    return data


def test_the_constants_are_frozen() -> None:
    assert LOGISTIC.tolist() == plain_ans.L
    assert SLOPES.tolist() == plain_ans.SLOPE
    stored = np.concatenate((LOGISTIC, SLOPES)).astype("<i8").tobytes()
    assert (
        hashlib.sha256(stored).hexdigest()
        == "9444998045a51c67e22580e61c1188909923ae5f1c3a8c3b5ed1826dd83f520f"
    )


@given(some_mixtures())
def test_round_trip_and_every_word_as_defined(drawn: tuple[list[list[Component]], list[int], int]) -> None:
    listed, samples, bits = drawn
    given_mixtures, array = mixtures(listed, bits), np.array(samples, np.uint8)
    rows = [plain_ans.mixture(components, bits) for components in listed]

    found = frequencies(given_mixtures)
    assert found.dtype == np.uint32
    assert found.tolist() == rows
    assert all(sum(row) == TOTAL and min(row) > 0 for row in rows)

    data = encoded([(array, given_mixtures)])
    assert np.frombuffer(data, "<u4").tolist() == plain_ans.encode(samples, rows)
    information = sum(plain_ans.information(row[x]) for x, row in zip(samples, rows, strict=True))
    for reference in (False, True):
        decoder = StreamDecoder(NO_TABLES, data, reference=reference)
        decoded = decoder.get_mixtures(given_mixtures)
        assert decoded.dtype == np.uint8
        assert np.array_equal(decoded, array)
        decoder.finish()
        assert decoder.information == information


@pytest.mark.parametrize("bits", range(1, 9))
def test_a_sample_is_found_by_its_first_and_its_last_quantile(bits: int) -> None:
    some = random_mixtures(bits, 4, 3, bits)
    for number, row in enumerate(frequencies(some)):
        starts = np.cumsum([0, *row.tolist()])
        for sample in range(1 << bits):
            for quantile in (starts[sample], starts[sample + 1] - 1):
                data = np.array([quantile, 1 << 31], "<u4").tobytes()
                decoder = StreamDecoder(NO_TABLES, data)
                assert decoder.get_mixtures(some.part(slice(number, number + 1))).tolist() == [sample]


def test_batches_of_all_kinds_in_one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constriction_stack, "_CHUNK", 7)
    rng = np.random.default_rng(2)
    some = random_mixtures(3, 40, 5, 6)
    samples = rng.integers(0, 64, 40, np.uint8)
    symbols, numbers, centres = (
        rng.integers(0, 256, 9, np.uint8),
        np.zeros(9, np.uint16),
        np.zeros(9, np.uint8),
    )
    values, bits = rng.integers(0, 32, 5).astype(np.uint16), np.full(5, 5, np.uint8)
    streams = []
    for reference in (False, True):
        encoder = StreamEncoder(FLAT, reference=reference)
        encoder.put_mixtures(samples[:10], some.part(slice(10)))
        encoder.put_mixtures(samples[10:30], some.part(slice(10, 30)))
        encoder.put(symbols, numbers, centres)
        encoder.put_mixtures(samples[:0], some.part(slice(0)))
        encoder.put_raw(values, bits)
        encoder.put_mixtures(samples[30:], some.part(slice(30, None)))
        streams.append(encoder.finish())
    assert streams[0] == streams[1]
    for reference in (False, True):
        decoder = StreamDecoder(FLAT, streams[0], reference=reference)
        assert np.array_equal(decoder.get_mixtures(some.part(slice(30))), samples[:30])
        assert np.array_equal(decoder.get(numbers, centres), symbols)
        assert np.array_equal(decoder.get_raw(bits), values)
        assert np.array_equal(decoder.get_mixtures(some.part(slice(30, None))), samples[30:])
        decoder.finish()
        assert decoder.information == encoder.information


@pytest.mark.parametrize("reference", [False, True])
def test_a_stream_without_tables_has_no_symbols_of_tables(reference: bool) -> None:
    encoder = StreamEncoder(NO_TABLES, reference=reference)
    one = np.zeros(1, np.uint8)
    encoder.put(one[:0], np.zeros(0, np.uint16), one[:0])
    assert encoder.finish() == b""
    encoder.put(one, np.zeros(1, np.uint16), one)
    with pytest.raises(ModelError, match="table 0, but there are 0"):
        encoder.finish()


def float_cost(components: Sequence[Component], row: Sequence[int]) -> float:
    """Bits that a sample of the same mixture in float64 costs under a row more than under itself."""
    weights, means, numbers = np.array(components, np.float64).T
    edges = np.arange(1, len(row)) - 0.5
    distances = (edges[:, np.newaxis] - means / 64) / 2 ** (numbers / 4 - 4)
    below = 1 / (1 + np.exp(-distances.clip(-50, 50)))
    mass = np.diff(below @ weights / weights.sum(), prepend=0, append=1)
    some = mass > 0
    return float((mass[some] * np.log2(mass[some] * TOTAL / np.array(row)[some])).sum())


@pytest.mark.parametrize(
    "components",
    [
        [(4096, 128 * 64, 40)],
        [(4096, 100 * 64 + 17, 0)],
        [(1000, 30 * 64, 20), (2000, 64 * 200, 31), (17, -500, 47)],
        [(1, 0, 9), (1, 255 * 64, 9)],
    ],
    ids=["wide", "narrow", "three", "ends"],
)
def test_the_cost_is_that_of_real_numbers(components: list[Component]) -> None:
    """Rounding costs less than 1/10000 of a bit a sample, on average."""
    row = frequencies(mixtures([components]))[0].tolist()
    assert -1e-9 < float_cost(components, row) < 1e-4


@pytest.mark.parametrize(
    ("components", "message"),
    [
        ([(1, 0, 48)], "scale of 48"),
        ([(0, 0, 0), (0, 5, 5)], "sum of weights of 0"),
        ([(4097, 0, 0)], "weight of 4097"),
        ([(1, (1 << 16) + 1, 0)], "mean of 65537"),
        ([(1, -(1 << 16) - 1, 0)], "mean of -65537"),
        ([(1, 0, 0)] * 17, "number of components of 17"),
    ],
)
def test_mixtures_that_break_the_rules(components: list[Component], message: str) -> None:
    wrong = mixtures([[(1, 0, 0)] * len(components), components])
    with pytest.raises(ModelError, match=message):
        StreamEncoder(NO_TABLES).put_mixtures(np.zeros(2, np.uint8), wrong)
    with pytest.raises(ModelError, match=message):
        StreamDecoder(NO_TABLES, b"").get_mixtures(wrong)


def test_arrays_are_checked() -> None:
    right = mixtures([[(1, 0, 0)]], 4)
    encoder, zero = StreamEncoder(NO_TABLES), np.zeros(1, np.uint8)
    with pytest.raises(TypeError, match="means are int64; pass int32"):
        encoder.put_mixtures(zero, replace(right, means=right.means.astype(np.int64)))
    with pytest.raises(ValueError, match=r"pass \(n, K\)"):
        encoder.put_mixtures(zero, replace(right, means=right.means[:0]))
    with pytest.raises(ValueError, match="pass 1 to 8"):
        StreamDecoder(NO_TABLES, b"").get_mixtures(replace(right, bits=9))
    with pytest.raises(TypeError, match="samples are int64"):
        encoder.put_mixtures(zero.astype(np.int64), right)
    with pytest.raises(ValueError, match="2 samples and 1 mixtures"):
        encoder.put_mixtures(np.zeros(2, np.uint8), right)
    with pytest.raises(ValueError, match="a sample is 16; pass samples below 2\\^4"):
        encoder.put_mixtures(zero + np.uint8(16), right)
