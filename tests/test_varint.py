"""Numbers of variable length: the one correct form, and the refusal of all others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppyr.bitstream.varint import read_varint, write_varint
from ppyr.errors import FormatError, TruncatedError


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (1, "01"),
        (127, "7f"),
        (128, "8001"),
        (300, "ac02"),
        (16384, "808001"),
        (2**63 - 1, "ffffffffffffffff7f"),
    ],
)
def test_frozen_forms(value: int, encoded: str) -> None:
    assert write_varint(value).hex() == encoded


@given(st.integers(0, 2**63 - 1), st.binary(max_size=3), st.binary(max_size=3))
def test_round_trip(value: int, before: bytes, after: bytes) -> None:
    encoded = write_varint(value)
    data = before + encoded + after

    assert read_varint(data, len(before), len(data)) == (value, len(before) + len(encoded))


@pytest.mark.parametrize("value", [-1, 2**63, 2**64])
def test_out_of_range(value: int) -> None:
    with pytest.raises(ValueError, match="pass a number"):
        write_varint(value)


@pytest.mark.parametrize("encoded", ["8000", "ff00", "808000", "ffffffffffffff8000"])
def test_more_bytes_than_needed(encoded: str) -> None:
    data = bytes.fromhex("55" + encoded)
    with pytest.raises(FormatError, match="more than it needs") as caught:
        read_varint(data, 1, len(data))
    assert caught.value.offset == 1
    assert caught.value.found == len(encoded) // 2


@pytest.mark.parametrize("encoded", ["80" * 9 + "01", "ff" * 8 + "8001", "ff" * 20, "80" * 9])
def test_too_large(encoded: str) -> None:
    data = bytes.fromhex(encoded)
    with pytest.raises(FormatError, match=r"above 2\^63 - 1"):
        read_varint(data, 0, len(data))


@pytest.mark.parametrize("value", [0, 128, 2**63 - 1])
def test_cut_off(value: int) -> None:
    encoded = write_varint(value)
    for end in range(len(encoded)):
        with pytest.raises(TruncatedError) as caught:
            read_varint(encoded, 0, end)
        assert caught.value.offset == end
