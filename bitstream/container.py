"""The .ppyr file around its ANS streams: a fixed header, then sections with a length and a CRC32.

`pack` and `unpack` translate between a whole file and a `Container`; `read_header` and `read_index` need only
its first `HEADER_SIZE` or `PREFIX_SIZE` bytes. What is read is checked before it is used: no length is
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

from ppyr.bitstream.checks import COMPLETE_COPY as _COMPLETE_COPY
from ppyr.bitstream.checks import FRESH_COPY as _FRESH_COPY
from ppyr.bitstream.checks import check_range as _check_range
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

PREFIX_SIZE = 1024
"""Bytes that `read_index` needs at most."""

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
        _check_range("channels", self.channels, 1, 4, offset=10)
        _check_range("bit depth", self.bit_depth, 1, 16, offset=11)
        _check_range("width", self.width, 1, 2**32 - 1, offset=12)
        _check_range("height", self.height, 1, 2**32 - 1, offset=16)
        _check_range("bytes of the model id", len(self.model_id), DIGEST_SIZE, DIGEST_SIZE, offset=20)
        _check_range("bytes of the pixel digest", len(self.pixel_digest), DIGEST_SIZE, DIGEST_SIZE, offset=36)
        _check_range("information", self.information, 0, 2**64 - 1, offset=52)

    @property
    def level_count(self) -> int:
        """Levels of the pyramid."""
        return level_count(self.width, self.height)

    @property
    def coarsest_size(self) -> int:
        """Bytes of the one pixel of the coarsest image."""
        return self.channels * (1 if self.bit_depth <= 8 else 2)


@dataclass(frozen=True)
class Index:
    """Sizes in bytes.

    Attributes:
        changes: of the payload of the section that changes the model, 0 where there is none.
        streams: of each stream, streams[level][tile], coarse to fine.
    """

    changes: int
    streams: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Container:
    """What a file holds.

    Attributes:
        header: the fixed header.
        coarsest: the samples of the 1x1 image that the pyramid ends in, one byte each, or two (little-endian)
            when the bit depth is above 8.
        levels: the ANS streams, levels[level][tile], coarse to fine. Version 0 has one tile.
        changes: payload of the section that changes the model, b"" where there is none.
        ancillary: kind (128..255) and payload of the sections that this version has no use for.
        metadata: what the file says of the image beside its pixels.

    Raises:
        FormatError: the parts do not fit the header.
    """

    header: Header
    coarsest: bytes
    levels: tuple[tuple[bytes, ...], ...]
    changes: bytes = b""
    ancillary: tuple[tuple[int, bytes], ...] = ()
    metadata: Metadata = NO_METADATA

    def __post_init__(self) -> None:
        size = self.header.coarsest_size
        _check_range("bytes of the coarsest image", len(self.coarsest), size, size)
        width = size // self.header.channels
        for start in range(0, size, width):
            sample = int.from_bytes(self.coarsest[start : start + width], "little")
            _check_range("sample of the coarsest image", sample, 0, 2**self.header.bit_depth - 1)
        count = self.header.level_count
        _check_range("levels", len(self.levels), count, count)
        for streams in self.levels:
            _check_range("tiles", len(streams), 1, 1)
        for kind, _ in self.ancillary:
            _check_range("kind of an ancillary section", kind, ANCILLARY, 0xFF)
            _check_range("metadata among the ancillary sections", int(kind in _METADATA), 0, 0)


def level_count(width: int, height: int) -> int:
    """Levels of the pyramid of an image: 2 * ceil(log2(max(width, height)))."""
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
    sizes = [len(stream) for streams in container.levels for stream in streams]
    numbers = [1, len(container.levels), *sizes, *([len(container.changes)] if container.changes else [])]
    return b"".join(
        [
            _with_crc(fields),
            _section(Kind.INDEX, b"".join(map(write_varint, numbers))),
            *(_section(kind, payload) for kind, payload in pack_metadata(container.metadata)),
            *(_section(kind, payload) for kind, payload in container.ancillary),
            *([_section(Kind.CHANGES, container.changes)] if container.changes else []),
            _section(Kind.COARSEST, container.coarsest),
            *(_section(Kind.LEVEL, b"".join(streams)) for streams in container.levels if any(streams)),
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
    coarsest = next(sections).expect(Kind.COARSEST, header.coarsest_size)
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
    return Container(header, coarsest, levels, changes, tuple(ancillary), metadata)


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
    _check_crc(data, 0, _FIELDS.size)
    _, _, channels, bit_depth, width, height, model_id, digest, information = _FIELDS.unpack_from(data)
    return Header(width, height, channels, bit_depth, model_id, digest, information)


def read_index(data: bytes) -> tuple[Header, Index]:
    """Header and index of a file, from at least its first `PREFIX_SIZE` bytes; raises as `unpack` does."""
    header, index, _ = _read_front(data)
    return header, index


def read_metadata(data: bytes) -> Metadata:
    """The metadata of a file, from its beginning up to the end of the first section after them.

    `ppyr.bitstream.front` tells where that is. Raises as `unpack` does.
    """
    _, _, offset = _read_front(data)
    metadata, _ = _read_metadata(data, offset, [])
    return metadata


@dataclass(frozen=True)
class _Section:
    kind: int
    payload: bytes
    start: int
    stop: int

    def expect(self, kind: Kind, size: int | None = None) -> bytes:
        """The payload, once kind and size are found right."""
        if self.kind != kind:
            found = _NAMES.get(self.kind, f"ancillary {self.kind}")
            raise FormatError(
                f"offset {self.start}: section {found} stands where {kind.name} belongs; {_FRESH_COPY}",
                offset=self.start,
                expected=int(kind),
                found=self.kind,
            )
        if size is not None:
            _check_range(f"bytes of section {kind.name}", len(self.payload), size, size, offset=self.start)
        return self.payload


def _read_front(data: bytes) -> tuple[Header, Index, int]:
    """Header, index, and the offset after them."""
    header = read_header(data)
    section = _read_section(data, HEADER_SIZE)
    payload = section.expect(Kind.INDEX)
    end = section.stop - _CRC.size
    first = end - len(payload)

    tiles, position = read_varint(data, first, end)
    _check_range("tiles", tiles, 1, 1, offset=first)
    levels, after = read_varint(data, position, end)
    _check_range("levels", levels, header.level_count, header.level_count, offset=position)
    sizes = []
    for _ in range(levels):
        size, after = read_varint(data, after, end)
        sizes.append((size,))
    changes = 0
    if after < end:
        start = after
        changes, after = read_varint(data, start, end)
        _check_range("bytes of section CHANGES", changes, 1, 2**63 - 1, offset=start)
    if after != end:
        raise FormatError(
            f"offset {after}: the index is longer than its numbers; {_FRESH_COPY}",
            offset=after,
            expected=after,
            found=end,
        )
    return header, Index(changes, tuple(sizes)), section.stop


def _read_metadata(data: bytes, offset: int, ancillary: list[tuple[int, bytes]]) -> tuple[Metadata, int]:
    """The metadata after INDEX, and the offset of what follows; unknown sections go to `ancillary`."""
    found = []
    while True:
        section = _read_section(data, offset)
        if section.kind in _METADATA:
            found.append((section.kind, offset, section.payload))
        elif section.kind & ANCILLARY:
            ancillary.append((section.kind, section.payload))
        else:
            return unpack_metadata(found), offset
        offset = section.stop


def _critical_sections(data: bytes, offset: int, ancillary: list[tuple[int, bytes]]) -> Iterator[_Section]:
    """The sections that may not be skipped; the others go to `ancillary`. Never ends before the data do."""
    while True:
        section = _read_section(data, offset)
        offset = section.stop
        if section.kind & ANCILLARY and section.kind not in _METADATA:
            ancillary.append((section.kind, section.payload))
        else:
            yield section


def _read_section(data: bytes, offset: int) -> _Section:
    _check_present(data, offset, offset + 1)
    kind = data[offset]
    length, start = read_varint(data, offset + 1, len(data))
    end = start + length
    _check_present(data, offset, end + _CRC.size)
    _check_crc(data, offset, end)
    if not kind & ANCILLARY and kind not in _NAMES:
        raise UnsupportedVersionError(
            f"offset {offset}: section kind {kind} is unknown and may not be skipped, and this ppyr reads "
            f"version {VERSION} only; install a newer ppyr",
            offset=offset,
            expected=tuple(_NAMES),
            found=kind,
        )
    return _Section(kind, data[start:end], offset, end + _CRC.size)


def _level(sections: Iterator[_Section], sizes: tuple[int, ...]) -> tuple[bytes, ...]:
    """The streams of the next level; one without bytes has no section."""
    size = sum(sizes)
    payload = next(sections).expect(Kind.LEVEL, size) if size else b""
    streams, start = [], 0
    for size in sizes:
        streams.append(payload[start : start + size])
        start += size
    return tuple(streams)


def _section(kind: int, payload: bytes) -> bytes:
    return _with_crc(bytes([kind]) + write_varint(len(payload)) + payload)


def _with_crc(data: bytes) -> bytes:
    return data + _CRC.pack(zlib.crc32(data))


def _check_crc(data: bytes, start: int, stop: int) -> None:
    """Compares the CRC32 of data[start:stop] with the one stored after it."""
    (stored,) = _CRC.unpack_from(data, stop)
    computed = zlib.crc32(memoryview(data)[start:stop])
    if computed != stored:
        raise ChecksumError(
            f"offset {start}: CRC32 is {computed:08x}, stored is {stored:08x}, so the file is damaged; "
            f"{_FRESH_COPY}",
            offset=start,
            expected=stored,
            found=computed,
        )


def _check_present(data: bytes, start: int, stop: int) -> None:
    if len(data) < stop:
        raise TruncatedError(
            f"offset {start}: the file ends after {len(data)} bytes, and {stop} are needed; {_COMPLETE_COPY}",
            offset=start,
            expected=stop,
            found=len(data),
        )
