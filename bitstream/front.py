"""Where the metadata of a file lie, found by seeking: payloads are not read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

from ppyr.bitstream.checks import COMPLETE_COPY
from ppyr.bitstream.container import ANCILLARY, HEADER_SIZE, Kind
from ppyr.bitstream.metasections import MetadataKind
from ppyr.bitstream.varint import MAX_BYTES, read_varint
from ppyr.errors import FormatError, TruncatedError

_CRC_SIZE = 4


@dataclass(frozen=True)
class Front:
    """The sections with metadata.

    Attributes:
        sizes: bytes of the payload of each.
        stop: offset of the end of the first section after them, which is neither metadata nor ancillary.
    """

    sizes: dict[MetadataKind, int]
    stop: int


def read_front(file: BinaryIO) -> Front:
    """Walk over the sections up to the first after the metadata, reading ten bytes of each.

    Args:
        file: a whole .ppyr file, whose header and INDEX are known to be right.

    Raises:
        TruncatedError: the file ends before that.
        FormatError: a length is not as FORMAT.md says.
    """
    size = file.seek(0, os.SEEK_END)
    sizes: dict[MetadataKind, int] = {}
    offset = HEADER_SIZE
    while True:
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
        kind = head[0]
        if kind in list(MetadataKind):
            sizes[MetadataKind(kind)] = length
        elif kind != Kind.INDEX and not kind & ANCILLARY:
            return Front(sizes, stop)
        offset = stop
