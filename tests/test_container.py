"""The container: round trips, frozen bytes, and ways of breaking a file; `contract` has those of any file."""

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
    Container,
    Header,
    Index,
    Layout,
    Scaling,
    level_count,
    pack,
    pixel_digest,
    read_header,
    read_index,
    unpack,
)
from ppyr.bitstream.metasections import MetadataKind
from ppyr.bitstream.plain import Method
from ppyr.errors import (
    ChecksumError,
    FormatError,
    NotPpyrError,
    TruncatedError,
    UnsupportedVersionError,
)

from .sections import section, with_crc
from .some_mappings import any_mapping
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
    tile_bits=10,
    methods=(Method.MODEL,),
    coarsest=b"\x0a\x0b\x0c",
    levels=((b"",), (b"\x01\x02\x03\x04",), (b"",), (b"\x05\x06\x07\x08\x09\x0a\x0b\x0c",)),
)
FILE = pack(SMALL)

FROZEN = (
    # signature, version, channels, bit depth, width, height
    "8b505059520d0a1a0a 00 03 08 03000000 02000000"
    # model id, pixel digest, information, CRC32
    "000102030405060708090a0b0c0d0e0f f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff 0807060504030201 441b848a"
    # INDEX: tiles of 2^10 pixels a side, coarsest images of one pixel, neither condition nor mapping, four
    # levels, the model, 0, 4, 0 and 8 bytes
    "01 0a 0a000000040000040008 b520be87"
    # COARSEST
    "04 03 0a0b0c 05eec2c6"
    # LEVEL, for each of the two levels that have bytes
    "02 04 01020304 b982f29e"
    "02 08 05060708090a0b0c c8053fc0"
    # END
    "03 00 3c41f46a"
)


def header_with(offset: int, value: bytes) -> bytes:
    """The header of FILE with another value in it, and the CRC32 for it."""
    fields = bytearray(FILE[: HEADER_SIZE - 4])
    fields[offset : offset + len(value)] = value
    return with_crc(bytes(fields))


INDEX = section(1, bytes.fromhex("0a000000040000040008"))
COARSEST = section(4, SMALL.coarsest)
LEVELS = [section(2, streams[0]) for streams in SMALL.levels if any(streams)]
END = section(3)


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
        width=draw(st.integers(1, 50)),
        height=draw(st.integers(1, 50)),
        channels=draw(st.integers(1, 4)),
        bit_depth=draw(st.integers(1, 16)),
        model_id=bytes(16),
        pixel_digest=draw(st.binary(min_size=16, max_size=16)),
        information=draw(st.integers(0, 2**64 - 1)),
    )
    mapping = draw(st.none() | any_mapping(header.raster))
    coded = header.raster if mapping is None else mapping.coded
    tile_bits = draw(st.integers(4, 10))
    coarsest_bits = draw(st.integers(0, tile_bits)) if coded.bit_depth <= 8 else 0
    layout = Layout(coded, tile_bits, coarsest_bits)
    count = layout.coarsest_size // coded.dtype.itemsize
    samples = draw(st.lists(st.integers(0, 2**coded.bit_depth - 1), min_size=count, max_size=count))
    methods = draw(st.lists(st.sampled_from(Method), min_size=layout.units, max_size=layout.units))
    stream = st.binary(max_size=20)
    levels = []
    for level in range(layout.level_count):
        has = [method is Method.MODEL or (method > 1 and not level) for method in methods]
        levels.append(tuple(draw(stream) if there else b"" for there in has))
    scaling = None
    if coded.bit_depth > 8:
        used = draw(st.integers(8, coded.bit_depth))
        number = layout.level_count // 2
        units = draw(st.lists(st.integers(0, used - 8), min_size=number, max_size=number))
        scaling = Scaling(used, tuple(units))
    unknown = st.integers(128, 255).filter(lambda kind: kind not in list(MetadataKind))
    modelled = Method.MODEL in methods
    model_id = draw(st.binary(min_size=16, max_size=16)) if modelled else bytes(16)
    return Container(
        replace(header, model_id=model_id),
        tile_bits,
        methods=tuple(methods),
        coarsest=np.array(samples, dtype=coded.dtype).tobytes(),
        levels=tuple(levels),
        mapping=mapping,
        changes=draw(st.binary(max_size=200)) if modelled else b"",
        scaling=scaling,
        ancillary=tuple(draw(st.lists(st.tuples(unknown, st.binary(max_size=9)), max_size=3))),
        metadata=draw(any_metadata(header.channels, header.bit_depth)),
        coarsest_bits=coarsest_bits,
        condition=draw(st.binary(max_size=200)) if modelled else b"",
    )


@given(containers())
def test_round_trip(container: Container) -> None:
    data = pack(container)

    assert unpack(data) == container
    assert read_header(data[:HEADER_SIZE]) == container.header
    assert read_index(data) == (container.header, container.index)


TILED = replace(
    SMALL,
    header=replace(HEADER, width=17, height=3, channels=4),
    tile_bits=4,
    methods=(Method.MODEL,) * 4,
    coarsest=bytes(range(8)),
    levels=(*(((b"",) * 4),) * 6, (b"", b"1234", b"", b""), (b"abcd", b"5678", b"", b"efgh")),
)


def test_each_of_several_streams_has_its_checksum() -> None:
    data = pack(TILED)
    assert unpack(data) == TILED
    for stream in (b"abcd", b"5678", b"efgh"):
        start = data.index(stream)
        assert zlib.crc32(stream) == int.from_bytes(data[start + 4 : start + 8], "little")
    start = data.index(b"abcd") - 2
    payload = bytearray(data[start + 2 : start + 26])
    payload[8] ^= 1
    damaged = data[:start] + section(2, bytes(payload)) + data[start + 30 :]
    with pytest.raises(ChecksumError) as caught:
        unpack(damaged)
    assert caught.value.offset == start + 2 + 8


@pytest.mark.parametrize(
    ("width", "height", "count"),
    [(1, 1, 0), (2, 1, 2), (2, 2, 2), (3, 2, 4), (1, 4, 4), (5, 4, 6), (768, 512, 20), (2**32 - 1, 1, 64)],
)
def test_level_count(width: int, height: int, count: int) -> None:
    assert level_count(width, height) == count
    assert level_count(height, width) == count


@pytest.mark.parametrize(
    ("width", "height", "coarsest_bits", "count"),
    [(1, 1, 3, 0), (2, 1, 3, 1), (8, 8, 3, 1), (9, 8, 3, 3), (32, 30, 5, 1), (768, 512, 5, 11)],
)
def test_level_count_of_larger_coarsest_images(
    width: int, height: int, coarsest_bits: int, count: int
) -> None:
    assert level_count(width, height, coarsest_bits) == level_count(height, width, coarsest_bits) == count


@pytest.mark.parametrize(
    ("coarsest_bits", "expected"),
    [
        (0, {(16, 16): [0, 1, 2, 3, 4, 5, 6, 7], (1, 3): [4, 5, 6, 7], (1, 1): []}),
        (1, {(16, 16): [0, 1, 2, 3, 4, 5, 6], (1, 3): [0, 5, 6], (2, 1): [0], (1, 1): []}),
        (3, {(16, 16): [0, 1, 2], (9, 1): [0, 1, 2], (8, 1): [0], (1, 1): []}),
        (4, {(16, 16): [0], (1, 2): [0], (1, 1): []}),
    ],
)
def test_the_levels_of_small_tiles(coarsest_bits: int, expected: dict[tuple[int, int], list[int]]) -> None:
    layout = Layout(replace(HEADER.raster, width=100, height=50), 4, coarsest_bits)
    for size, levels in expected.items():
        assert layout.levels_of(*size) == layout.levels_of(*reversed(size)) == levels
        assert len(levels) == level_count(*size, coarsest_bits)


def test_one_pixel_has_no_levels() -> None:
    header = replace(HEADER, width=1, height=1, bit_depth=9, model_id=bytes(16), information=0)
    scaling = Scaling(9, ())
    container = Container(
        header, 10, (Method.CONSTANT,), coarsest=b"\x01\x00\x02\x00\x03\x00", levels=(), scaling=scaling
    )

    assert unpack(pack(container)) == container
    index = Index(10, header.raster, (Method.CONSTANT,), (), scaling=scaling)
    assert read_index(pack(container)) == (header, index)


def test_an_index_for_more_streams_than_there_are_bytes_is_refused_at_once() -> None:
    fields = header_with(12, b"\xff" * 8)
    with pytest.raises(TruncatedError) as caught:
        read_index(fields + section(1, b"\x04\x00\x00\x00\x08\x00"))
    assert caught.value.expected == HEADER_SIZE + 7 + 9 * 2**56


def test_header_only() -> None:
    assert read_header(FILE[:HEADER_SIZE]) == HEADER
    for length in range(1, HEADER_SIZE):
        with pytest.raises(TruncatedError):
            read_header(FILE[:length])


def test_index_only() -> None:
    end = HEADER_SIZE + len(INDEX)
    index = Index(10, HEADER.raster, (Method.MODEL,), ((0,), (4,), (0,), (8,)))
    assert read_index(FILE[:end]) == (HEADER, index)
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
    index = INDEX if bit_depth <= 8 else section(1, bytes.fromhex("0a000000040900000000040008"))
    with pytest.raises(FormatError, match="sample of the coarsest image"):
        unpack(header + b"".join([index, section(4, 2 * bytes(len(sample)) + sample), *LEVELS, END]))


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


@pytest.mark.parametrize(
    "index",
    [
        "",
        "0a",
        "0a000000 04",
        "0a000000 0400 000400",
        "0a000000 0400 00040008 00",
        "0a000000 0400 00040008 8000",
        "0a000000 0400 00040008 05 00",
        "0a000000 0406 00040008",
        "00000000 0400 00040008",
        "03000000 0400 00040008",
        "0b000000 0400 00040008",
        "8a00 000000 0400 00040008",
        "ffffffffffffffff7f 000000 0400 00040008",
        "0a0b0000 0100 08",
        "0a010000 0400 00040008",
        "0a030000 0400 00040008",
        "0a00 8120 00 0400 00040008",
        "0a00 8000 00 0400 00040008",
        "0a0000 ffffffffffffffff7f 0400 00040008",
        "0a000000 0300 00040008",
        "0a000000 0500 0004000800",
        "0a000000 8400 00 00040008",
        "0a000000 0400 ffffffffffffffffff01 040008",
    ],
)
def test_index_that_does_not_belong(index: str) -> None:
    for read in (unpack, read_index):
        with pytest.raises(FormatError) as caught:
            read(file_of(section(1, bytes.fromhex(index)), COARSEST, *LEVELS, END))
        assert caught.value.offset is not None
        assert caught.value.offset > HEADER_SIZE


@pytest.mark.parametrize("kind", [128, 130, 255])
@pytest.mark.parametrize("place", range(1, 5))
def test_unknown_ancillary_section_is_kept(kind: int, place: int) -> None:
    sections = [INDEX, COARSEST, *LEVELS, END]
    sections.insert(place, section(kind, b"note"))

    container = unpack(file_of(*sections))

    assert container == replace(SMALL, ancillary=((kind, b"note"),))
    assert pack(container) == file_of(INDEX, section(kind, b"note"), COARSEST, *LEVELS, END)


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
        {"tile_bits": 3},
        {"tile_bits": 11},
        {"scaling": Scaling(8, (0, 0))},
        {"ancillary": ((256, b""),)},
        {"ancillary": ((144, b""),)},
        {"coarsest_bits": 1},
        {"coarsest_bits": 11, "levels": SMALL.levels[:1]},
        {"coarsest_bits": -1},
        {"condition": bytes(4097)},
    ],
)
def test_parts_that_do_not_fit_the_header(changes: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        replace(SMALL, **changes)


DEEP = replace(SMALL, header=replace(HEADER, bit_depth=12), coarsest=bytes(6), scaling=Scaling(11, (3, 0)))


@pytest.mark.parametrize(
    "scaling", [None, Scaling(7, (0, 0)), Scaling(13, (0, 0)), Scaling(11, (0,)), Scaling(11, (4, 0))]
)
def test_scalings_that_do_not_fit(scaling: Scaling | None) -> None:
    with pytest.raises(FormatError):
        replace(DEEP, scaling=scaling)


@pytest.mark.parametrize("index", ["04 07 0000", "04 0d 0000", "04 0b 0400", "04 0b"])
def test_scalings_that_do_not_belong(index: str) -> None:
    sizes = "00 00040008" if len(index) > 5 else ""
    data = pack(DEEP)[:HEADER_SIZE] + section(1, bytes.fromhex("0a000000" + index + sizes))
    with pytest.raises(FormatError) as caught:
        read_index(data)
    assert caught.value.offset is not None


@pytest.mark.parametrize("coarsest_bits", [1, 10])
def test_coarsest_images_of_wide_samples_are_single_pixels(coarsest_bits: int) -> None:
    levels = SMALL.levels[: level_count(3, 2, coarsest_bits)]
    with pytest.raises(FormatError, match="coarsest image's side"):
        replace(DEEP, coarsest_bits=coarsest_bits, levels=levels, scaling=Scaling(11, (3, 0)))
    index = bytes([10, coarsest_bits, 0, 0, len(levels), 11, 0, 0, 0, *bytes(len(levels))])
    with pytest.raises(FormatError, match="coarsest image's side") as caught:
        read_index(pack(DEEP)[:HEADER_SIZE] + section(1, index))
    assert caught.value.offset == HEADER_SIZE + 3


CONDITIONED = replace(SMALL, changes=b"change", condition=b"a cat")


def test_the_condition_stands_between_changes_and_coarsest() -> None:
    index = section(1, bytes.fromhex("0a0005000400 00040008 06"))
    changes, condition = section(5, b"change"), section(7, b"a cat")
    assert pack(CONDITIONED) == file_of(index, changes, condition, COARSEST, *LEVELS, END)
    assert unpack(pack(CONDITIONED)) == CONDITIONED
    for wrong in (
        [changes, COARSEST],
        [condition, changes, COARSEST],
        [changes, COARSEST, condition],
        [changes, section(7, b"cat"), COARSEST],
        [changes, condition, condition, COARSEST],
    ):
        with pytest.raises(FormatError, match=r"CONDITION|CHANGES"):
            unpack(file_of(index, *wrong, *LEVELS, END))


def test_no_condition_without_a_model() -> None:
    header = replace(HEADER, model_id=bytes(16))
    constant = replace(SMALL, header=header, methods=(Method.CONSTANT,), levels=((b"",),) * 4)
    with pytest.raises(FormatError, match="CONDITION where no unit has a model"):
        replace(constant, condition=b"a cat")


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
