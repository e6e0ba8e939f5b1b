"""The container: round trips, frozen bytes, and every way of breaking a small file."""

from __future__ import annotations

import pickle
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppyr.bitstream.container import (
    HEADER_SIZE,
    PREFIX_SIZE,
    Container,
    Header,
    Index,
    level_count,
    pack,
    pixel_digest,
    read_header,
    read_index,
    unpack,
)
from ppyr.bitstream.metasections import MetadataKind
from ppyr.bitstream.varint import write_varint
from ppyr.errors import (
    ChecksumError,
    FormatError,
    NotPpyrError,
    TruncatedError,
    UnsupportedVersionError,
)

from .some_metadata import any_metadata

HEADER = Header(
    width=3,
    height=2,
    channels=3,
    bit_depth=8,
    model_id=bytes(range(16)),
    pixel_digest=bytes(range(240, 256)),
    information=0x0102030405060708,
)
SMALL = Container(
    HEADER,
    coarsest=b"\x0a\x0b\x0c",
    levels=((b"",), (b"\x01\x02\x03\x04",), (b"",), (b"\x05\x06\x07\x08\x09\x0a\x0b\x0c",)),
)
FILE = pack(SMALL)

FROZEN = (
    # signature, version, channels, bit depth, width, height
    "8b505059520d0a1a0a 00 03 08 03000000 02000000"
    # model id, pixel digest, information, CRC32
    "000102030405060708090a0b0c0d0e0f f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff 0807060504030201 441b848a"
    # INDEX: one tile, four levels of 0, 4, 0 and 8 bytes
    "01 06 010400040008 46bf56fd"
    # COARSEST
    "04 03 0a0b0c 05eec2c6"
    # LEVEL, for each of the two levels that have bytes
    "02 04 01020304 b982f29e"
    "02 08 05060708090a0b0c c8053fc0"
    # END
    "03 00 3c41f46a"
)


def with_crc(data: bytes) -> bytes:
    return data + zlib.crc32(data).to_bytes(4, "little")


def section(kind: int, payload: bytes = b"") -> bytes:
    return with_crc(bytes([kind]) + write_varint(len(payload)) + payload)


def header_with(offset: int, value: bytes) -> bytes:
    """The header of FILE with another value in it, and the CRC32 for it."""
    fields = bytearray(FILE[: HEADER_SIZE - 4])
    fields[offset : offset + len(value)] = value
    return with_crc(bytes(fields))


INDEX = section(1, bytes.fromhex("010400040008"))
INDEX_OF_CHANGES = section(1, bytes.fromhex("01040004000802"))
CHANGES = section(5, b"\x01\x02")
COARSEST = section(4, SMALL.coarsest)
LEVELS = [section(2, streams[0]) for streams in SMALL.levels if any(streams)]
NO_LEVEL = section(2)
END = section(3)
NOTE = section(0x80 | 5, b"note")


def file_of(*sections: bytes) -> bytes:
    return FILE[:HEADER_SIZE] + b"".join(sections)


def test_frozen_bytes() -> None:
    assert FILE.hex() == FROZEN.replace(" ", "")


def test_frozen_file_is_read() -> None:
    assert unpack(bytes.fromhex(FROZEN.replace(" ", ""))) == SMALL


def test_the_tests_write_sections_as_the_container_does() -> None:
    assert file_of(INDEX, COARSEST, *LEVELS, END) == FILE


@st.composite
def containers(draw: st.DrawFn) -> Container:
    header = Header(
        width=draw(st.integers(1, 2**32 - 1) | st.integers(1, 9)),
        height=draw(st.integers(1, 2**32 - 1) | st.integers(1, 9)),
        channels=draw(st.integers(1, 4)),
        bit_depth=draw(st.integers(1, 16)),
        model_id=draw(st.binary(min_size=16, max_size=16)),
        pixel_digest=draw(st.binary(min_size=16, max_size=16)),
        information=draw(st.integers(0, 2**64 - 1)),
    )
    count = header.level_count
    unknown = st.integers(128, 255).filter(lambda kind: kind not in list(MetadataKind))
    sample = st.integers(0, 2**header.bit_depth - 1)
    samples = draw(st.lists(sample, min_size=header.channels, max_size=header.channels))
    streams = draw(st.lists(st.binary(max_size=200), min_size=count, max_size=count))
    return Container(
        header,
        coarsest=np.array(samples, dtype="u1" if header.bit_depth <= 8 else "<u2").tobytes(),
        levels=tuple((stream,) for stream in streams),
        changes=draw(st.binary(max_size=200)),
        ancillary=tuple(draw(st.lists(st.tuples(unknown, st.binary(max_size=9)), max_size=3))),
        metadata=draw(any_metadata()),
    )


@given(containers())
def test_round_trip(container: Container) -> None:
    data = pack(container)

    assert unpack(data) == container
    assert read_header(data[:HEADER_SIZE]) == container.header
    sizes = tuple(tuple(map(len, streams)) for streams in container.levels)
    index = Index(len(container.changes), sizes)
    assert read_index(data[:PREFIX_SIZE]) == (container.header, index)


@pytest.mark.parametrize(
    ("width", "height", "count"),
    [(1, 1, 0), (2, 1, 2), (2, 2, 2), (3, 2, 4), (1, 4, 4), (5, 4, 6), (768, 512, 20), (2**32 - 1, 1, 64)],
)
def test_level_count(width: int, height: int, count: int) -> None:
    assert level_count(width, height) == count
    assert level_count(height, width) == count


def test_one_pixel_has_no_levels() -> None:
    header = replace(HEADER, width=1, height=1, bit_depth=9, information=0)
    container = Container(header, coarsest=b"\x01\x00\x02\x00\x03\x00", levels=())

    assert unpack(pack(container)) == container
    assert read_index(pack(container)) == (header, Index(0, ()))


def test_the_largest_index_is_in_the_prefix() -> None:
    longest = b"\x01\x40" + write_varint(2**63 - 1) * 65
    fields = header_with(12, b"\xff\xff\xff\xff")

    header, index = read_index((fields + section(1, longest)).ljust(PREFIX_SIZE)[:PREFIX_SIZE])

    assert header.width == 2**32 - 1
    assert index == Index(2**63 - 1, ((2**63 - 1,),) * 64)


def test_every_truncation() -> None:
    with pytest.raises(NotPpyrError):
        unpack(b"")
    for length in range(1, len(FILE)):
        with pytest.raises(TruncatedError) as caught:
            unpack(FILE[:length])
        assert caught.value.found == length
        assert isinstance(caught.value.expected, int)
        assert length < caught.value.expected <= len(FILE)


def test_every_flipped_bit() -> None:
    for position in range(8 * len(FILE)):
        damaged = bytearray(FILE)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(FormatError) as caught:
            unpack(bytes(damaged))
        if position < 8 * 9:
            assert type(caught.value) is NotPpyrError
        elif position < 8 * 10:
            assert type(caught.value) is UnsupportedVersionError
        elif position < 8 * HEADER_SIZE:
            assert type(caught.value) is ChecksumError


def test_header_only() -> None:
    assert read_header(FILE[:HEADER_SIZE]) == HEADER
    for length in range(1, HEADER_SIZE):
        with pytest.raises(TruncatedError):
            read_header(FILE[:length])


def test_index_only() -> None:
    end = HEADER_SIZE + len(INDEX)
    assert read_index(FILE[:end]) == (HEADER, Index(0, ((0,), (4,), (0,), (8,))))
    with pytest.raises(TruncatedError):
        read_index(FILE[: end - 1])


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"\x8bPPYR\n\x1a\n", b"P", b"\x00" * 200])
def test_not_ours(data: bytes) -> None:
    for read in (unpack, read_header, read_index):
        with pytest.raises(NotPpyrError) as caught:
            read(data)
        assert caught.value.offset == 0


@pytest.mark.parametrize("version", [1, 2, 255])
def test_other_versions_come_before_everything_else(version: int) -> None:
    with pytest.raises(UnsupportedVersionError, match=f"version {version}, .* reads version 0") as caught:
        unpack(FILE[:9] + bytes([version]))
    assert (caught.value.offset, caught.value.expected, caught.value.found) == (9, 0, version)


@pytest.mark.parametrize(
    ("offset", "value"),
    [(10, b"\x00"), (10, b"\x05"), (11, b"\x00"), (11, b"\x11"), (12, bytes(4)), (16, bytes(4))],
)
def test_header_fields_out_of_range(offset: int, value: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        unpack(header_with(offset, value) + FILE[HEADER_SIZE:])
    assert type(caught.value) is FormatError
    assert caught.value.offset == offset
    assert caught.value.found == int.from_bytes(value, "little")


@pytest.mark.parametrize(("bit_depth", "sample"), [(1, b"\x02"), (7, b"\x80"), (9, b"\x00\x02")])
def test_coarsest_samples_out_of_range(bit_depth: int, sample: bytes) -> None:
    header = header_with(11, bytes([bit_depth]))
    with pytest.raises(FormatError, match="sample of the coarsest image"):
        unpack(header + b"".join([INDEX, section(4, 2 * bytes(len(sample)) + sample), *LEVELS, END]))


def test_damage_names_its_place_and_both_checksums() -> None:
    start = HEADER_SIZE + len(INDEX) + len(COARSEST)
    damaged = bytearray(FILE)
    damaged[start + 2] ^= 0xFF

    with pytest.raises(ChecksumError) as caught:
        unpack(bytes(damaged))
    assert vars(pickle.loads(pickle.dumps(caught.value))) == vars(caught.value)
    assert caught.value.offset == start
    assert caught.value.expected == zlib.crc32(FILE[start : start + 6])
    assert caught.value.found == zlib.crc32(damaged[start : start + 6])


FIRST, SECOND = LEVELS


@pytest.mark.parametrize(
    "sections",
    [
        [COARSEST, INDEX, *LEVELS, END],
        [INDEX, *LEVELS, COARSEST, END],
        [INDEX, COARSEST, SECOND, FIRST, END],
        [INDEX, COARSEST, END, *LEVELS],
        [INDEX, INDEX, COARSEST, *LEVELS, END],
        [INDEX, COARSEST, COARSEST, *LEVELS, END],
        [INDEX, COARSEST, FIRST, *LEVELS, END],
        [INDEX, COARSEST, *LEVELS, SECOND, END],
        [INDEX, COARSEST, *LEVELS, END, END],
        [COARSEST, *LEVELS, END],
        [INDEX, *LEVELS, END],
        [INDEX, COARSEST, SECOND, END],
        [INDEX, COARSEST, FIRST, END],
        [INDEX, COARSEST, NO_LEVEL, *LEVELS, END],
        [INDEX, COARSEST, *LEVELS, NO_LEVEL, END],
        [INDEX, COARSEST, *LEVELS, END, b"\x00"],
        [INDEX, COARSEST, *LEVELS, END, NOTE],
        [NOTE, INDEX, COARSEST, *LEVELS, END],
        [INDEX, COARSEST, *LEVELS, section(3, b"\x00")],
        [INDEX, section(4, b"\x0a\x0b"), *LEVELS, END],
        [INDEX, COARSEST, FIRST, section(2, b"\x01\x02\x03"), END],
        [INDEX, CHANGES, COARSEST, *LEVELS, END],
        [INDEX_OF_CHANGES, COARSEST, *LEVELS, END],
        [INDEX_OF_CHANGES, COARSEST, CHANGES, *LEVELS, END],
        [INDEX_OF_CHANGES, CHANGES, CHANGES, COARSEST, *LEVELS, END],
        [INDEX_OF_CHANGES, section(5, b"\x01"), COARSEST, *LEVELS, END],
        [INDEX, COARSEST, FIRST, section(2, b"\x01\x02\x03\x04\x05"), END],
    ],
)
def test_sections_that_do_not_belong(sections: list[bytes]) -> None:
    with pytest.raises(FormatError) as caught:
        unpack(file_of(*sections))
    assert type(caught.value) is FormatError
    assert caught.value.offset is not None


def test_no_end_section() -> None:
    with pytest.raises(TruncatedError):
        unpack(file_of(INDEX, COARSEST, *LEVELS))


@pytest.mark.parametrize(
    "index",
    [
        "",
        "01",
        "0104",
        "01040004 00",
        "010400040008 00",
        "010400040008 8000",
        "010400040008 05 00",
        "000400040008",
        "0204 0000 0404 0000 0808",
        "0103000400",
        "0105 0004000800",
        "8100 0400040008",
        "01 8400 00040008",
        "010400 ffffffffffffffffff01 0008",
        "01 ffffffffffffffff7f 00040008",
        "ffffffffffffffff7f 0400040008",
    ],
)
def test_index_that_does_not_belong(index: str) -> None:
    for read in (unpack, read_index):
        with pytest.raises(FormatError) as caught:
            read(file_of(section(1, bytes.fromhex(index)), COARSEST, *LEVELS, END))
        assert caught.value.offset is not None
        assert caught.value.offset > HEADER_SIZE


@pytest.mark.parametrize("length", [13, 2**20, 2**31, 2**32 - 1, 2**63 - 5, 2**63 - 1])
def test_sections_longer_than_the_file(length: int) -> None:
    claimed = b"\x02" + write_varint(length) + b"\x01\x02\x03\x04" + bytes(4)
    with pytest.raises(TruncatedError):
        unpack(file_of(INDEX, COARSEST, FIRST, claimed))


@pytest.mark.parametrize(
    ("length", "message"),
    [("80" * 9 + "01", "above"), ("ff" * 9 + "7f", "above"), ("8400", "more than it needs")],
)
def test_lengths_in_a_wrong_form(length: str, message: str) -> None:
    claimed = with_crc(b"\x02" + bytes.fromhex(length) + b"\x01\x02\x03\x04")
    with pytest.raises(FormatError, match=message):
        unpack(file_of(INDEX, COARSEST, FIRST, claimed, END))


@pytest.mark.parametrize("kind", [0, 6, 127])
@pytest.mark.parametrize("place", range(5))
def test_unknown_critical_section(kind: int, place: int) -> None:
    sections = [INDEX, COARSEST, *LEVELS, END]
    sections.insert(place, section(kind, b"news"))
    start = HEADER_SIZE + sum(map(len, sections[:place]))

    with pytest.raises(UnsupportedVersionError, match=f"kind {kind} .* version 0") as caught:
        unpack(file_of(*sections))
    assert (caught.value.offset, caught.value.found) == (start, kind)


@pytest.mark.parametrize("kind", [128, 130, 255])
@pytest.mark.parametrize("place", range(1, 5))
def test_unknown_ancillary_section_is_kept(kind: int, place: int) -> None:
    sections = [INDEX, COARSEST, *LEVELS, END]
    sections.insert(place, section(kind, b"note"))

    container = unpack(file_of(*sections))

    assert container == replace(SMALL, ancillary=((kind, b"note"),))
    assert pack(container) == file_of(INDEX, section(kind, b"note"), COARSEST, *LEVELS, END)


def test_damaged_ancillary_section() -> None:
    damaged = NOTE[:3] + b"X" + NOTE[4:]
    with pytest.raises(ChecksumError):
        unpack(file_of(INDEX, damaged, COARSEST, *LEVELS, END))


@pytest.mark.parametrize(
    "changes",
    [
        {"coarsest": b""},
        {"coarsest": bytes(6)},
        {"levels": SMALL.levels[1:]},
        {"levels": (*SMALL.levels, (b"",))},
        {"levels": ((), *SMALL.levels[1:])},
        {"levels": ((b"", b""), *SMALL.levels[1:])},
        {"ancillary": ((127, b""),)},
        {"ancillary": ((256, b""),)},
        {"ancillary": ((144, b""),)},
    ],
)
def test_parts_that_do_not_fit_the_header(changes: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        replace(SMALL, **changes)


@pytest.mark.parametrize(
    "changes",
    [{"width": 2**32}, {"model_id": bytes(15)}, {"pixel_digest": bytes(17)}, {"information": 2**64}],
)
def test_headers_that_can_not_be_written(changes: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        replace(HEADER, **changes)


def test_pixel_digest() -> None:
    samples = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    # sha256sum of the bytes 00 01 .. 17
    assert pixel_digest(samples).hex() == "1d64add2a6388367c9bc2d1f1b384b06"
    assert pixel_digest(samples.transpose(1, 0, 2).copy().transpose(1, 0, 2)) == pixel_digest(samples)
    assert pixel_digest(samples.transpose(1, 0, 2)) != pixel_digest(samples)


def test_pixel_digest_of_two_byte_samples() -> None:
    samples = np.array([[0x0102, 0x0304]], dtype=np.uint16)

    assert pixel_digest(samples) == pixel_digest(np.array([[2, 1, 4, 3]], dtype=np.uint8))
    assert pixel_digest(samples.astype(">u2")) == pixel_digest(samples)
    with pytest.raises(TypeError, match="uint8 or uint16"):
        pixel_digest(samples.astype(np.int32))  # type: ignore[arg-type]
