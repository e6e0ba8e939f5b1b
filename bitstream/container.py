"""The .ppyr file around its ANS streams: a fixed header, then sections with a length and a CRC32.

`pack` and `unpack` translate between a whole file and a `Container`; `read_header` and `read_index` need only
its beginning. An image is cut into tiles and components, and each component of each tile, a *unit*, has a
stream of its own in every level. What is read is checked before it is used: no length is
believed until that many bytes are there. FORMAT.md is the specification.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.checks import COMPLETE_COPY, FRESH_COPY, check_range
from ppyr.bitstream.mapping import Mapping, pack_mapping, unpack_mapping
from ppyr.bitstream.metadata import NO_METADATA, Metadata
from ppyr.bitstream.metasections import MetadataKind, pack_metadata, unpack_metadata
from ppyr.bitstream.plain import Method
from ppyr.bitstream.raster import SHALLOW, Raster
from ppyr.bitstream.varint import read_varint, write_varint
from ppyr.errors import ChecksumError, FormatError, NotPpyrError, TruncatedError, UnsupportedVersionError

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNATURE = b"\x8bPPYR\r\n\x1a\n"
VERSION = 0
DIGEST_SIZE = 16

ANCILLARY = 0x80
"""The bit of a section's kind that lets a reader skip it."""

_FIELDS = struct.Struct("<9sBBBII16s16sQ")
_CRC = struct.Struct("<I")

HEADER_SIZE = _FIELDS.size + _CRC.size
"""Bytes that `read_header` needs."""

TILE_BITS = (4, 10)
"""Least and greatest binary logarithm of a tile's side, which bounds the memory that decoding takes."""

CONDITION_SIZE = (1, 1 << 12)
"""Least and greatest bytes of a condition."""

_VERSION_OFFSET = len(SIGNATURE)
_LONGEST = 2**63 - 1


class Kind(IntEnum):
    """The kinds of sections that version 0 knows, beside those with metadata."""

    INDEX = 1
    LEVEL = 2
    END = 3
    COARSEST = 4
    CHANGES = 5
    MAPPING = 6
    CONDITION = 7
    MODEL = 8


_METADATA = frozenset(map(int, MetadataKind))
_NAMES: dict[int, str] = {int(kind): kind.name for kind in (*Kind, *MetadataKind)}


@dataclass(frozen=True)
class Header:
    """The fixed header.

    Attributes:
        width: 1..2^32 - 1 pixels.
        height: 1..2^32 - 1 pixels.
        channels: 1..4 samples a pixel.
        bit_depth: 1..16 bits a sample.
        model_id: 16 bytes, the digest of the model that codes the levels; zeros if there is none.
        pixel_digest: 16 bytes, see `pixel_digest`.
        information: information content of all coded symbols in units of 2^-16 bit, below 2^64.

    Raises:
        FormatError: a field is outside its range; `offset` says which one.
    """

    width: int
    height: int
    channels: int
    bit_depth: int
    model_id: bytes
    pixel_digest: bytes
    information: int

    def __post_init__(self) -> None:
        check_range("channels", self.channels, 1, 4, offset=10)
        check_range("bit depth", self.bit_depth, 1, 16, offset=11)
        check_range("width", self.width, 1, 2**32 - 1, offset=12)
        check_range("height", self.height, 1, 2**32 - 1, offset=16)
        check_range("bytes of the model id", len(self.model_id), DIGEST_SIZE, DIGEST_SIZE, offset=20)
        check_range("bytes of the pixel digest", len(self.pixel_digest), DIGEST_SIZE, DIGEST_SIZE, offset=36)
        check_range("information", self.information, 0, 2**64 - 1, offset=52)

    @property
    def raster(self) -> Raster:
        """Size and samples of the image."""
        return Raster(self.width, self.height, self.channels, self.bit_depth)


@dataclass(frozen=True)
class Scaling:
    """How samples of more than 8 bits are shown to a model that was made for 8.

    Attributes:
        used_bits: 8..16, the samples are below 2^used_bits.
        units: for every factor of two, coarse to fine: a grey level of the model is 2^unit, 0..8, in sample
            values.
    """

    used_bits: int
    units: tuple[int, ...]


@dataclass(frozen=True)
class Index:
    """What the streams of a file are, and their sizes in bytes.

    Attributes:
        tile_bits: a tile has 2^tile_bits pixels a side, but the last ones of rows and columns.
        coded: the image that the units are of, see `ppyr.bitstream.mapping`.
        methods: of the units.
        streams: sizes of the streams, streams[level][unit], coarse to fine; units are the tiles row by row,
            of each tile the colours, then alpha.
        mapping: size of the payload of the section with the mapping, 0 where there is none.
        changes: size of the payload of the section that changes the model, 0 where there is none.
        scaling: of samples of more than 8 bits, None of others.
        coarsest_bits: the first level codes the coarsest image of each pyramid, of at most 2^coarsest_bits
            pixels a side; 0 where that is a single pixel, and the first level the first of the pyramid.
        condition: size of the payload of the section with the condition, 0 where there is none.
        model: size of the payload of the section with the model, 0 where there is none.
    """

    tile_bits: int
    coded: Raster
    methods: tuple[Method, ...]
    streams: tuple[tuple[int, ...], ...]
    mapping: int = 0
    changes: int = 0
    scaling: Scaling | None = None
    coarsest_bits: int = 0
    condition: int = 0
    model: int = 0


@dataclass(frozen=True)
class Container:
    """What a file holds.

    Attributes:
        header: the fixed header.
        tile_bits: see `Index`.
        coarsest: the samples of the first pixel of each unit, one byte each, or two (little-endian) when the
            bit depth is above 8.
        methods: see `Index`.
        levels: the streams, levels[level][unit], coarse to fine.
        mapping: from the coded image, None where that is the image itself.
        changes: payload of the section that changes the model, b"" where there is none.
        scaling: see `Index`.
        ancillary: kind (128..255) and payload of the sections that this version has no use for.
        metadata: what the file says of the image beside its pixels.
        coarsest_bits: see `Index`.
        condition: what the model is given beside the pixels, b"" where that is nothing.
        model: payload of the section with the model, b"" where there is none.

    Raises:
        FormatError: the parts do not fit the header.
    """

    header: Header
    tile_bits: int
    methods: tuple[Method, ...]
    coarsest: bytes
    levels: tuple[tuple[bytes, ...], ...]
    mapping: Mapping | None = None
    changes: bytes = b""
    scaling: Scaling | None = None
    ancillary: tuple[tuple[int, bytes], ...] = ()
    metadata: Metadata = NO_METADATA
    coarsest_bits: int = 0
    condition: bytes = b""
    model: bytes = b""

    def __post_init__(self) -> None:
        layout = Layout(self.coded, self.tile_bits, self.coarsest_bits)
        size = layout.coarsest_size
        check_range("bytes of the coarsest image", len(self.coarsest), size, size)
        check_coarsest(self.coarsest, self.coded)
        check_range("levels", len(self.levels), layout.level_count, layout.level_count)
        for streams in self.levels:
            check_range("units", len(streams), layout.units, layout.units)
        _check_methods(self.methods, tuple(tuple(map(len, streams)) for streams in self.levels), layout)
        check_range("bytes of the condition", len(self.condition), 0, CONDITION_SIZE[1])
        _check_model(self.header, self.methods, len(self.changes), len(self.condition), len(self.model))
        _check_scaling(self.scaling, self.coded, layout.level_count)
        self.metadata.check_image(self.header.channels, self.header.bit_depth)
        for kind, _ in self.ancillary:
            check_range("kind of an ancillary section", kind, ANCILLARY, 0xFF)
            check_range("metadata among the ancillary sections", int(kind in _METADATA), 0, 0)

    @property
    def coded(self) -> Raster:
        """The image that the units are of."""
        return self.header.raster if self.mapping is None else self.mapping.coded

    @property
    def index(self) -> Index:
        """What INDEX says."""
        sizes = tuple(tuple(map(len, streams)) for streams in self.levels)
        mapping = len(pack_mapping(self.mapping))
        return Index(
            self.tile_bits,
            self.coded,
            self.methods,
            sizes,
            mapping,
            len(self.changes),
            self.scaling,
            self.coarsest_bits,
            len(self.condition),
            len(self.model),
        )

    def stream(self, level: int, unit: int) -> bytes:
        """One stream; levels are counted from the coarsest."""
        return self.levels[level][unit]


class Layout:
    """The tiles of an image and what follows from them.

    Args:
        coded: the coded image.
        tile_bits: binary logarithm of a tile's side.
        coarsest_bits: see `Index`.

    Attributes:
        tiles: how many there are, (rows, columns).
        units: components of all tiles.
        halvings: how often a whole tile, or the only one, is halved until it is a single pixel.
        level_count: levels of such a tile.
        coarsest_size: bytes of the first pixels of all units.

    Raises:
        FormatError: `tile_bits` or `coarsest_bits` is out of range.
    """

    def __init__(self, coded: Raster, tile_bits: int, coarsest_bits: int = 0) -> None:
        check_range("binary logarithm of the tiles' side", tile_bits, *TILE_BITS)
        _check_coarsest_bits(coarsest_bits, coded, tile_bits)
        side = 1 << tile_bits
        self._coarsest_bits = coarsest_bits
        self.tiles = -(-coded.height // side), -(-coded.width // side)
        pixels = self.tiles[0] * self.tiles[1]
        self.units = pixels * coded.components
        whole = min(coded.width, side), min(coded.height, side)
        self.halvings = halvings(*whole)
        self.level_count = level_count(*whole, coarsest_bits)
        self.coarsest_size = pixels * coded.channels * coded.dtype.itemsize

    def levels_of(self, width: int, height: int) -> list[int]:
        """The numbers of the levels that a unit of this size has.

        The first level has the coarsest images of all units, where these are coded; a smaller unit lacks the
        levels after it.
        """
        own = level_count(width, height, self._coarsest_bits)
        pyramid = own - own % 2
        return [*range(own % 2), *range(self.level_count - pyramid, self.level_count)]


def halvings(width: int, height: int) -> int:
    """How often a tile is halved until it is a single pixel: ceil(log2(max(width, height)))."""
    return (max(width, height) - 1).bit_length()


def level_count(width: int, height: int, coarsest_bits: int = 0) -> int:
    """Levels of a tile: two for each time that it is halved, and one if the coarsest image is coded."""
    count = halvings(width, height)
    return 2 * max(0, count - coarsest_bits) + (coarsest_bits > 0 and count > 0)


def pixel_digest(samples: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    """The first 16 bytes of the SHA-256 of an image.

    Args:
        samples: uint8 or uint16, (H, W, C) or (H, W); hashed in C order, little-endian.

    Raises:
        TypeError: the dtype is another one.
    """
    if samples.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        raise TypeError(f"samples are {samples.dtype}; pass uint8 or uint16")
    stored = np.ascontiguousarray(samples, dtype=samples.dtype.newbyteorder("<"))
    return hashlib.sha256(stored.data).digest()[:DIGEST_SIZE]


def pack(container: Container) -> bytes:
    """The file of a container."""
    header = container.header
    fields = _FIELDS.pack(
        SIGNATURE,
        VERSION,
        header.channels,
        header.bit_depth,
        header.width,
        header.height,
        header.model_id,
        header.pixel_digest,
        header.information,
    )
    scaling = container.scaling
    mapping = pack_mapping(container.mapping)
    sizes = [len(stream) for streams in container.levels for stream in streams]
    numbers = [container.tile_bits, container.coarsest_bits, len(container.condition), len(mapping)]
    numbers += [container.coded.channels, container.coded.bit_depth] if mapping else []
    numbers += [len(container.levels)]
    numbers += [scaling.used_bits, *scaling.units] if scaling else []
    numbers += [*container.methods, *sizes]
    numbers += [len(container.changes)] if container.changes or container.model else []
    numbers += [len(container.model)] if container.model else []
    sections = [
        (Kind.INDEX, [b"".join(map(write_varint, numbers))]),
        *((kind, [payload]) for kind, payload in pack_metadata(container.metadata)),
        *((kind, [payload]) for kind, payload in container.ancillary),
        *([(Kind.MAPPING, [mapping])] if mapping else []),
        *([(Kind.MODEL, [container.model])] if container.model else []),
        *([(Kind.CHANGES, [container.changes])] if container.changes else []),
        *([(Kind.CONDITION, [container.condition])] if container.condition else []),
        (Kind.COARSEST, [container.coarsest]),
        *((Kind.LEVEL, _stored(streams)) for streams in container.levels if any(streams)),
        (Kind.END, []),
    ]
    # The only copy of the streams is the file itself.
    return b"".join([fields, _crc(fields), *(part for section in sections for part in _section(*section))])


def unpack(data: bytes) -> Container:
    """The container of a whole file.

    Raises:
        NotPpyrError: the signature is another one.
        UnsupportedVersionError: the version, or a section that may not be skipped, is unknown.
        TruncatedError: the file ends too early.
        ChecksumError: a CRC32 does not match.
        FormatError: anything else is not as FORMAT.md says.
    """
    header, index, offset = _read_front(data)
    ancillary: list[tuple[int, bytes]] = []
    metadata, offset = _read_metadata(data, offset, ancillary)
    sections = _critical_sections(data, offset, ancillary)

    mapping = read_mapping(next(sections), header, index) if index.mapping else None
    model = next(sections).expect(Kind.MODEL, index.model) if index.model else b""
    changes = next(sections).expect(Kind.CHANGES, index.changes) if index.changes else b""
    condition = next(sections).expect(Kind.CONDITION, index.condition) if index.condition else b""
    coarsest = next(sections).expect(Kind.COARSEST, Layout(index.coded, index.tile_bits).coarsest_size)
    levels = tuple(_level(sections, streams) for streams in index.streams)
    end = next(sections)
    end.expect(Kind.END, 0)
    if end.stop != len(data):
        raise FormatError(
            f"offset {end.stop}: {len(data) - end.stop} bytes follow the end section; cut them off",
            offset=end.stop,
            expected=end.stop,
            found=len(data),
        )
    return Container(
        header,
        index.tile_bits,
        index.methods,
        coarsest,
        levels,
        mapping,
        changes,
        index.scaling,
        tuple(ancillary),
        metadata,
        index.coarsest_bits,
        condition,
        model,
    )


def read_mapping(section: Section, header: Header, index: Index) -> Mapping:
    """The mapping in its section; raises as `unpack` does."""
    payload = section.expect(Kind.MAPPING, index.mapping)
    try:
        mapping = unpack_mapping(payload, header.raster)
    except FormatError as error:
        raise FormatError(
            f"offset {section.start}: section MAPPING has {error.found}, where {error.expected} belongs; "
            f"{FRESH_COPY}",
            offset=section.start,
            expected=error.expected,
            found=error.found,
        ) from error
    if mapping.coded != index.coded:
        raise FormatError(
            f"offset {section.start}: section MAPPING is of another coded image than INDEX; {FRESH_COPY}",
            offset=section.start,
            expected=index.coded,
            found=mapping.coded,
        )
    return mapping


def read_header(data: bytes) -> Header:
    """The header of a file, from at least its first `HEADER_SIZE` bytes; raises as `unpack` does."""
    signature = data[: len(SIGNATURE)]
    if not signature or not SIGNATURE.startswith(signature):
        raise NotPpyrError(
            "this is not a .ppyr file: its signature is missing; check that this is the right file",
            offset=0,
            expected=SIGNATURE,
            found=signature,
        )
    _check_present(data, _VERSION_OFFSET, _VERSION_OFFSET + 1)
    version = data[_VERSION_OFFSET]
    if version != VERSION:
        raise UnsupportedVersionError(
            f"the file has format version {version}, and this ppyr reads version {VERSION} only; "
            "install a ppyr that reads it",
            offset=_VERSION_OFFSET,
            expected=VERSION,
            found=version,
        )
    _check_present(data, 0, HEADER_SIZE)
    check_crc(data, 0, _FIELDS.size)
    _, _, channels, bit_depth, width, height, model_id, digest, information = _FIELDS.unpack_from(data)
    return Header(width, height, channels, bit_depth, model_id, digest, information)


def read_index(data: bytes) -> tuple[Header, Index]:
    """Header and index of a file, from as many of its first bytes as they have; raises as `unpack` does."""
    header, index, _ = _read_front(data)
    return header, index


def read_metadata(data: bytes) -> Metadata:
    """The metadata of a file, from its beginning up to the end of the first section after them.

    `ppyr.bitstream.front` tells where that is. Raises as `unpack` does.
    """
    header, _, offset = _read_front(data)
    metadata, _ = _read_metadata(data, offset, [])
    metadata.check_image(header.channels, header.bit_depth)
    return metadata


@dataclass(frozen=True)
class Section:
    """A section whose checksum is right: kind, payload, offsets of its first byte and of its end."""

    kind: int
    payload: bytes
    start: int
    stop: int

    @property
    def name(self) -> str:
        """Name of the kind."""
        return _NAMES.get(self.kind, f"ancillary {self.kind}")

    def expect(self, kind: Kind, size: int | None = None) -> bytes:
        """The payload, once kind and size are found right."""
        if self.kind != kind:
            raise FormatError(
                f"offset {self.start}: section {self.name} stands where {kind.name} belongs; {FRESH_COPY}",
                offset=self.start,
                expected=int(kind),
                found=self.kind,
            )
        if size is not None:
            check_range(f"bytes of section {kind.name}", len(self.payload), size, size, offset=self.start)
        return self.payload


class _Numbers:
    """The numbers of INDEX, one after the other, each checked.

    Args:
        data: the file.
        at: offset of the first.
        end: offset of what follows the last.
    """

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.at, self.end = at, end
        self._data = data

    def next(self, name: str, least: int, most: int) -> int:
        """The next one."""
        offset = self.at
        value, self.at = read_varint(self._data, offset, self.end)
        check_range(name, value, least, most, offset=offset)
        return value


def _read_front(data: bytes) -> tuple[Header, Index, int]:
    """Header, index, and the offset after them."""
    header = read_header(data)
    section = read_section(data, HEADER_SIZE)
    end = section.stop - _CRC.size
    numbers = _Numbers(data, end - len(section.expect(Kind.INDEX)), end)

    tile_bits = numbers.next("binary logarithm of the tiles' side", *TILE_BITS)
    at_coarsest = numbers.at
    coarsest_bits = numbers.next("binary logarithm of the coarsest image's side", 0, tile_bits)
    condition = numbers.next("bytes of section CONDITION", 0, CONDITION_SIZE[1])
    mapping = numbers.next("bytes of section MAPPING", 0, _LONGEST)
    coded = header.raster
    if mapping:
        channels = numbers.next("coded channels", 1, header.channels)
        coded = replace(coded, channels=channels, bit_depth=numbers.next("bits of a coded sample", 1, 16))
    _check_coarsest_bits(coarsest_bits, coded, tile_bits, offset=at_coarsest)
    layout = Layout(coded, tile_bits, coarsest_bits)
    levels = numbers.next("levels", layout.level_count, layout.level_count)
    scaling = _read_scaling(numbers, coded, levels) if coded.bit_depth > SHALLOW else None
    _check_present(data, numbers.at, numbers.at + (1 + levels) * layout.units)
    methods = tuple(
        Method(numbers.next("method of a unit", min(Method), max(Method))) for _ in range(layout.units)
    )
    offset = numbers.at
    sizes = tuple(
        tuple(numbers.next("bytes of a stream", 0, _LONGEST) for _ in range(layout.units))
        for _ in range(levels)
    )
    _check_methods(methods, sizes, layout, offset=offset)
    at_changes = numbers.at
    changes = numbers.next("bytes of section CHANGES", 0, _LONGEST) if numbers.at < end else 0
    model = numbers.next("bytes of section MODEL", 1, _LONGEST) if numbers.at < end else 0
    if numbers.at > at_changes and not model:
        check_range("bytes of section CHANGES", changes, 1, _LONGEST, offset=at_changes)
    _check_model(header, methods, changes, condition, model, offset=offset)
    if numbers.at != end:
        raise FormatError(
            f"offset {numbers.at}: the index is longer than its numbers; {FRESH_COPY}",
            offset=numbers.at,
            expected=numbers.at,
            found=end,
        )
    index = Index(
        tile_bits, coded, methods, sizes, mapping, changes, scaling, coarsest_bits, condition, model
    )
    return header, index, section.stop


def _read_scaling(numbers: _Numbers, coded: Raster, levels: int) -> Scaling:
    used = numbers.next("used bits", SHALLOW, coded.bit_depth)
    return Scaling(used, tuple(numbers.next("unit", 0, used - SHALLOW) for _ in range(levels // 2)))


def _read_metadata(data: bytes, offset: int, ancillary: list[tuple[int, bytes]]) -> tuple[Metadata, int]:
    """The metadata after INDEX, and the offset of what follows; unknown sections go to `ancillary`."""
    found = []
    while True:
        section = read_section(data, offset)
        if section.kind in _METADATA:
            found.append((section.kind, offset, section.payload))
        elif section.kind & ANCILLARY:
            ancillary.append((section.kind, section.payload))
        else:
            return unpack_metadata(found), offset
        offset = section.stop


def _critical_sections(data: bytes, offset: int, ancillary: list[tuple[int, bytes]]) -> Iterator[Section]:
    """The sections that may not be skipped; the others go to `ancillary`. Never ends before the data do."""
    while True:
        section = read_section(data, offset)
        offset = section.stop
        if section.kind & ANCILLARY and section.kind not in _METADATA:
            ancillary.append((section.kind, section.payload))
        else:
            yield section


def read_section(data: bytes, offset: int, base: int = 0) -> Section:
    """The section at an offset of data, whose first byte is at offset `base` of the file."""
    _check_present(data, offset, offset + 1)
    kind = data[offset]
    length, start = read_varint(data, offset + 1, len(data))
    end = start + length
    _check_present(data, offset, end + _CRC.size)
    check_crc(data, offset, end, base)
    if not kind & ANCILLARY and kind not in _NAMES:
        raise UnsupportedVersionError(
            f"offset {base + offset}: section kind {kind} is unknown and may not be skipped, and this ppyr "
            f"reads version {VERSION} only; install a newer ppyr",
            offset=base + offset,
            expected=tuple(_NAMES),
            found=kind,
        )
    return Section(kind, data[start:end], base + offset, base + end + _CRC.size)


def sections(data: bytes) -> Iterator[Section]:
    """All sections of a whole file, in their order; raises as `unpack` does."""
    offset = HEADER_SIZE
    while offset < len(data):
        section = read_section(data, offset)
        yield section
        offset = section.stop


def _level(sections: Iterator[Section], sizes: tuple[int, ...]) -> tuple[bytes, ...]:
    """The streams of the next level; one without bytes has no section."""
    if not any(sizes):
        return tuple(b"" for _ in sizes)
    section = next(sections)
    payload = section.expect(Kind.LEVEL, sum(stored_size(size, len(sizes)) for size in sizes))
    first = section.stop - _CRC.size - len(payload)
    streams, start = [], 0
    for size in sizes:
        streams.append(payload[start : start + size])
        if stored_size(size, len(sizes)) > size:
            check_crc(payload, start, start + size, base=first)
        start += stored_size(size, len(sizes))
    return tuple(streams)


def stored_size(size: int, units: int) -> int:
    """Bytes of a stream in its level; one of several is followed by its CRC32, to be read alone."""
    return size + _CRC.size if size and units > 1 else size


def _stored(streams: tuple[bytes, ...]) -> list[bytes]:
    """The payload of a level, in parts."""
    if len(streams) == 1:
        return list(streams)
    return [part for stream in streams if stream for part in (stream, _crc(stream))]


def _section(kind: int, payload: list[bytes]) -> list[bytes]:
    """A section in parts."""
    parts = [bytes([kind]) + write_varint(sum(map(len, payload))), *payload]
    return [*parts, _crc(*parts)]


def _crc(*parts: bytes) -> bytes:
    value = 0
    for part in parts:
        value = zlib.crc32(part, value)
    return _CRC.pack(value)


def check_crc(data: bytes, start: int, stop: int, base: int = 0) -> None:
    """Compares the CRC32 of data[start:stop] with the one after it; data[0] is at offset `base`."""
    (stored,) = _CRC.unpack_from(data, stop)
    computed = zlib.crc32(memoryview(data)[start:stop])
    if computed != stored:
        raise ChecksumError(
            f"offset {base + start}: CRC32 is {computed:08x}, stored is {stored:08x}, so the file is "
            f"damaged; {FRESH_COPY}",
            offset=base + start,
            expected=stored,
            found=computed,
        )


def check_coarsest(samples: bytes, coded: Raster) -> None:
    """Checks that the samples of the coarsest images, at least one, are below 2^bit_depth."""
    largest = int(np.frombuffer(samples, coded.dtype).max())
    check_range("sample of the coarsest image", largest, 0, 2**coded.bit_depth - 1)


def _check_methods(
    methods: tuple[Method, ...], sizes: tuple[tuple[int, ...], ...], layout: Layout, offset: int | None = None
) -> None:
    """Checks that units without a model have no stream but in the coarsest level, constant ones none."""
    check_range("methods", len(methods), layout.units, layout.units, offset=offset)
    for unit, method in enumerate(methods):
        if method is not Method.MODEL:
            own = [row[unit] for row in sizes]
            check_range(
                "bytes of finer levels of a unit without a model",
                sum(own[method is not Method.CONSTANT :]),
                0,
                0,
                offset=offset,
            )


def _check_coarsest_bits(bits: int, coded: Raster, tile_bits: int, offset: int | None = None) -> None:
    """Checks that a coarsest image fits in a tile, and is a single pixel of wide samples."""
    most = 0 if coded.bit_depth > SHALLOW else tile_bits
    check_range("binary logarithm of the coarsest image's side", bits, 0, most, offset=offset)


def _check_model(
    header: Header,
    methods: tuple[Method, ...],
    changes: int,
    condition: int,
    model: int,
    offset: int | None = None,
) -> None:
    """Checks that a file without units of a model names none, holds or changes none, has no condition."""
    if Method.MODEL not in methods:
        check_range("bytes of a model id where no unit has a model", sum(header.model_id), 0, 0, offset=20)
        check_range("bytes of section MODEL where no unit has a model", model, 0, 0, offset=offset)
        check_range("bytes of section CHANGES where no unit has a model", changes, 0, 0, offset=offset)
        check_range("bytes of section CONDITION where no unit has a model", condition, 0, 0, offset=offset)


def _check_scaling(scaling: Scaling | None, coded: Raster, levels: int) -> None:
    deep = coded.bit_depth > SHALLOW
    check_range("scalings", int(scaling is not None), deep, deep)
    if scaling:
        check_range("used bits", scaling.used_bits, SHALLOW, coded.bit_depth)
        check_range("units", len(scaling.units), levels // 2, levels // 2)
        for unit in scaling.units:
            check_range("unit", unit, 0, scaling.used_bits - SHALLOW)


def _check_present(data: bytes, start: int, stop: int) -> None:
    if len(data) < stop:
        raise TruncatedError(
            f"offset {start}: the file ends after {len(data)} bytes, and {stop} are needed; {COMPLETE_COPY}",
            offset=start,
            expected=stop,
            found=len(data),
        )
