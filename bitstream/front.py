"""What the front of a file says: header, index, and which metadata there are, whose payloads are not read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

from ppyr.bitstream.checks import COMPLETE_COPY
from ppyr.bitstream.container import ANCILLARY, HEADER_SIZE, Header, Index, read_header, read_index
from ppyr.bitstream.metasections import MetadataKind
from ppyr.bitstream.varint import MAX_BYTES, read_varint
from ppyr.errors import FormatError, TruncatedError

_CRC_SIZE = 4


@dataclass(frozen=True)
class Front:
    """Header, index and the sections with metadata.

    Attributes:
        header: the header.
        index: what INDEX says.
        sizes: bytes of the payload of each section with metadata.
        start, stop: offsets of the first section after them, which is neither metadata nor ancillary, and of
            its end.
    """

    header: Header
    index: Index
    sizes: dict[MetadataKind, int]
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class SectionHead:
    """Where a section is: offsets of it, of its payload and of its end, and the payload's length."""

    kind: int
    offset: int
    start: int
    length: int
    stop: int


def read_front(file: BinaryIO) -> Front:
    """Read header and INDEX, and walk over the sections up to the first after the metadata.

    Raises:
        NotPpyrError, UnsupportedVersionError, ChecksumError: see `container.unpack`.
        TruncatedError: the file ends before that.
        FormatError: header, INDEX or a length is not as FORMAT.md says.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    read_header(file.read(HEADER_SIZE))
    offset = section_head(file, HEADER_SIZE, size).stop
    file.seek(0)
    header, index = read_index(file.read(offset))
    sizes: dict[MetadataKind, int] = {}
    while True:
        head = section_head(file, offset, size)
        if head.kind in list(MetadataKind):
            sizes[MetadataKind(head.kind)] = head.length
        elif not head.kind & ANCILLARY:
            return Front(header, index, sizes, offset, head.stop)
        offset = head.stop


def section_head(file: BinaryIO, offset: int, size: int) -> SectionHead:
    """The section at an offset of a file of `size` bytes, by its first ten bytes.

    Raises:
        TruncatedError: the file ends before the section does.
        FormatError: its length is not as FORMAT.md says.
    """
    file.seek(offset)
    head = file.read(1 + MAX_BYTES)
    try:
        length, start = read_varint(head, 1, len(head))
    except FormatError as error:
        raise type(error)(
            f"offset {offset}: the length of a section can not be read; {COMPLETE_COPY}", offset=offset
        ) from error
    stop = offset + start + length + _CRC_SIZE
    if size < stop:
        raise TruncatedError(
            f"offset {offset}: the file ends after {size} bytes, and {stop} are needed; {COMPLETE_COPY}",
            offset=offset,
            expected=stop,
            found=size,
        )
    return SectionHead(head[0], offset, offset + start, length, stop)
