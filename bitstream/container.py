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
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.checks import COMPLETE_COPY, FRESH_COPY, check_range
from ppyr.bitstream.metadata import NO_METADATA, Metadata
from ppyr.bitstream.metasections import MetadataKind, pack_metadata, unpack_metadata
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

SHALLOW = 8
"""Bits of a sample that a model needs no scaling for."""

TILE_BITS = (4, 15)
"""Least and greatest binary logarithm of a tile's side."""

_VERSION_OFFSET = len(SIGNATURE)


class Kind(IntEnum):
    """The kinds of sections that version 0 knows, beside those with metadata."""

    INDEX = 1
    LEVEL = 2
    END = 3
    COARSEST = 4
    CHANGES = 5


_METADATA = frozenset(map(int, MetadataKind))
_NAMES = {int(kind): kind.name for kind in (*Kind, *MetadataKind)}


@dataclass(frozen=True)
class Header:
    """The fixed header.

    Attributes:
        width: 1..2^32 - 1 pixels.
        height: 1..2^32 - 1 pixels.
        channels: 1..4 samples a pixel.
        bit_depth: 1..16 bits a sample.
        model_id: 16 bytes, the digest of the model that codes the levels.
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
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Of a stored sample: one byte, or two where the bit depth is above 8."""
        return np.dtype("u1" if self.bit_depth <= SHALLOW else "<u2")

    @property
    def components(self) -> int:
        """What is coded apart: the colours, and alpha as the second of two."""
        return 2 - self.channels % 2


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
        streams: sizes of the streams, streams[level][unit], coarse to fine; units are the tiles row by row,
            of each tile the colours, then alpha.
        changes: size of the payload of the section that changes the model, 0 where there is none.
        scaling: of samples of more than 8 bits, None of others.
    """

    tile_bits: int
    streams: tuple[tuple[int, ...], ...]
    changes: int = 0
    scaling: Scaling | None = None


@dataclass(frozen=True)
class Container:
    """What a file holds.

    Attributes:
        header: the fixed header.
        tile_bits: see `Index`.
        coarsest: the samples of the 1x1 image that the pyramid of each unit ends in, one byte each, or two
            (little-endian) when the bit depth is above 8.
        levels: the ANS streams, levels[level][unit], coarse to fine.
        changes: payload of the section that changes the model, b"" where there is none.
        scaling: see `Index`.
        ancillary: kind (128..255) and payload of the sections that this version has no use for.
        metadata: what the file says of the image beside its pixels.

    Raises:
        FormatError: the parts do not fit the header.
    """

    header: Header
    tile_bits: int
    coarsest: bytes
    levels: tuple[tuple[bytes, ...], ...]
    changes: bytes = b""
    scaling: Scaling | None = None
    ancillary: tuple[tuple[int, bytes], ...] = ()
    metadata: Metadata = NO_METADATA

    def __post_init__(self) -> None:
        layout = Layout(self.header, self.tile_bits)
        size = layout.coarsest_size
        check_range("bytes of the coarsest image", len(self.coarsest), size, size)
        largest = max(np.frombuffer(self.coarsest, self.header.dtype).tolist())
        check_range("sample of the coarsest image", largest, 0, 2**self.header.bit_depth - 1)
        check_range("levels", len(self.levels), layout.level_count, layout.level_count)
        for streams in self.levels:
            check_range("units", len(streams), layout.units, layout.units)
        _check_scaling(self.scaling, self.header, layout.level_count)
        self.metadata.check_image(self.header.channels, self.header.bit_depth)
        for kind, _ in self.ancillary:
            check_range("kind of an ancillary section", kind, ANCILLARY, 0xFF)
            check_range("metadata among the ancillary sections", int(kind in _METADATA), 0, 0)


class Layout:
    """The tiles of an image and what follows from them.

    Args:
        header: of the image.
        tile_bits: binary logarithm of a tile's side.

    Attributes:
        tile_bits: as given.
        tiles: how many there are, (rows, columns).
        units: components of all tiles.
        level_count: levels of the pyramid of a whole tile, or of the only one.
        coarsest_size: bytes of the coarsest images of all units.

    Raises:
        FormatError: `tile_bits` is out of range.
    """

    def __init__(self, header: Header, tile_bits: int) -> None:
        check_range("binary logarithm of the tiles' side", tile_bits, *TILE_BITS)
        side = 1 << tile_bits
        self.tile_bits = tile_bits
        self.tiles = -(-header.height // side), -(-header.width // side)
        pixels = self.tiles[0] * self.tiles[1]
        self.units = pixels * header.components
        self.level_count = level_count(min(header.width, side), min(header.height, side))
        self.coarsest_size = pixels * header.channels * header.dtype.itemsize


def level_count(width: int, height: int) -> int:
    """Levels of the pyramid of a tile: 2 * ceil(log2(max(width, height)))."""
    return 2 * (max(width, height) - 1).bit_length()


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
    sizes = [len(stream) for streams in container.levels for stream in streams]
    numbers = [container.tile_bits, len(container.levels)]
    numbers += [scaling.used_bits, *scaling.units] if scaling else []
    numbers += [*sizes, *([len(container.changes)] if container.changes else [])]
    return b"".join(
        [
            _with_crc(fields),
            _section(Kind.INDEX, b"".join(map(write_varint, numbers))),
            *(_section(kind, payload) for kind, payload in pack_metadata(container.metadata)),
            *(_section(kind, payload) for kind, payload in container.ancillary),
            *([_section(Kind.CHANGES, container.changes)] if container.changes else []),
            _section(Kind.COARSEST, container.coarsest),
            *(_section(Kind.LEVEL, _joined(streams)) for streams in container.levels if any(streams)),
            _section(Kind.END, b""),
        ]
    )


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

    changes = next(sections).expect(Kind.CHANGES, index.changes) if index.changes else b""
    coarsest = next(sections).expect(Kind.COARSEST, Layout(header, index.tile_bits).coarsest_size)
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
        header, index.tile_bits, coarsest, levels, changes, index.scaling, tuple(ancillary), metadata
    )


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

    def expect(self, kind: Kind, size: int | None = None) -> bytes:
        """The payload, once kind and size are found right."""
        if self.kind != kind:
            found = _NAMES.get(self.kind, f"ancillary {self.kind}")
            raise FormatError(
                f"offset {self.start}: section {found} stands where {kind.name} belongs; {FRESH_COPY}",
                offset=self.start,
                expected=int(kind),
                found=self.kind,
            )
        if size is not None:
            check_range(f"bytes of section {kind.name}", len(self.payload), size, size, offset=self.start)
        return self.payload


def _read_front(data: bytes) -> tuple[Header, Index, int]:
    """Header, index, and the offset after them."""
    header = read_header(data)
    section = read_section(data, HEADER_SIZE)
    payload = section.expect(Kind.INDEX)
    end = section.stop - _CRC.size
    first = end - len(payload)

    tile_bits, after = read_varint(data, first, end)
    check_range("binary logarithm of the tiles' side", tile_bits, *TILE_BITS, offset=first)
    layout = Layout(header, tile_bits)
    start = after
    levels, after = read_varint(data, start, end)
    check_range("levels", levels, layout.level_count, layout.level_count, offset=start)
    scaling = None
    if header.bit_depth > SHALLOW:
        start = after
        used, after = read_varint(data, start, end)
        check_range("used bits", used, SHALLOW, header.bit_depth, offset=start)
        units = []
        for _ in range(levels // 2):
            start = after
            unit, after = read_varint(data, start, end)
            check_range("unit", unit, 0, used - SHALLOW, offset=start)
            units.append(unit)
        scaling = Scaling(used, tuple(units))
    _check_present(data, after, after + levels * layout.units)
    sizes = []
    for _ in range(levels):
        row = []
        for _ in range(layout.units):
            size, after = read_varint(data, after, end)
            row.append(size)
        sizes.append(tuple(row))
    changes = 0
    if after < end:
        start = after
        changes, after = read_varint(data, start, end)
        check_range("bytes of section CHANGES", changes, 1, 2**63 - 1, offset=start)
    if after != end:
        raise FormatError(
            f"offset {after}: the index is longer than its numbers; {FRESH_COPY}",
            offset=after,
            expected=after,
            found=end,
        )
    return header, Index(tile_bits, tuple(sizes), changes, scaling), section.stop


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


def _joined(streams: tuple[bytes, ...]) -> bytes:
    """The payload of a level."""
    if len(streams) == 1:
        return streams[0]
    return b"".join(_with_crc(stream) for stream in streams if stream)


def _section(kind: int, payload: bytes) -> bytes:
    return _with_crc(bytes([kind]) + write_varint(len(payload)) + payload)


def _with_crc(data: bytes) -> bytes:
    return data + _CRC.pack(zlib.crc32(data))


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


def _check_scaling(scaling: Scaling | None, header: Header, levels: int) -> None:
    deep = header.bit_depth > SHALLOW
    check_range("scalings", int(scaling is not None), deep, deep)
    if scaling:
        check_range("used bits", scaling.used_bits, SHALLOW, header.bit_depth)
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
