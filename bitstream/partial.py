"""Parts of a file: single streams by level and unit, without the bytes of the others.

Sections are found by their heads and the sizes in INDEX. What is read is checked: a section by its CRC32, and
of a level of several units every stream by its own.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from ppyr.bitstream.checks import check_range
from ppyr.bitstream.container import (
    ANCILLARY,
    Kind,
    Layout,
    Section,
    check_coarsest,
    check_crc,
    read_mapping,
    read_section,
    stored_size,
)
from ppyr.bitstream.front import SectionHead, read_front, section_head
from ppyr.errors import TruncatedError


class StreamReader:
    """The streams of an open file.

    Args:
        file: open for reading, with random access.

    Attributes:
        header: the header.
        index: what INDEX says.
        mapping: from the coded image, None where that is the image itself.
        model: payload of MODEL, b"" if there is none.
        changes: payload of CHANGES, likewise.
        condition: payload of CONDITION, likewise.
        coarsest: payload of COARSEST.

    Raises:
        FormatError: these are damaged or cut off; see `container.unpack`.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        front = read_front(file)
        self.header, self.index = front.header, front.index
        layout = Layout(self.index.coded, self.index.tile_bits, self.index.coarsest_bits)
        self._units = layout.units
        self._next = front.start
        mapping, model, changes = self.index.mapping, self.index.model, self.index.changes
        self.mapping = read_mapping(self._read(self._section()), self.header, self.index) if mapping else None
        self.model = self._whole(self._section(), Kind.MODEL, model) if model else b""
        self.changes = self._whole(self._section(), Kind.CHANGES, changes) if changes else b""
        condition = self.index.condition
        self.condition = self._whole(self._section(), Kind.CONDITION, condition) if condition else b""
        self.coarsest = self._whole(self._section(), Kind.COARSEST, layout.coarsest_size)
        check_coarsest(self.coarsest, self.index.coded)
        self._levels: list[SectionHead | None] = []

    def stream(self, level: int, unit: int) -> bytes:
        """One stream; levels are counted from the coarsest.

        Raises:
            FormatError: it is damaged or cut off.
        """
        sizes = self.index.streams[level]
        head = self._level(level)
        if head is None or not sizes[unit]:
            return b""
        stored = [stored_size(size, self._units) for size in sizes]
        if self._units == 1 or head.kind != Kind.LEVEL:
            return self._whole(head, Kind.LEVEL, sum(stored))
        check_range("bytes of section LEVEL", head.length, sum(stored), sum(stored), offset=head.offset)
        start = head.start + sum(stored[:unit])
        self._file.seek(start)
        data = self._file.read(stored[unit])
        check_crc(data, 0, sizes[unit], base=start)
        return data[: sizes[unit]]

    def complete_levels(self) -> int:
        """How many of the coarsest levels the file has whole."""
        for level in range(len(self.index.streams)):
            try:
                self._level(level)
            except TruncatedError:
                return level
        return len(self.index.streams)

    def _level(self, level: int) -> SectionHead | None:
        """The head of the section of a level; None for one without bytes."""
        while len(self._levels) <= level:
            has_bytes = any(self.index.streams[len(self._levels)])
            self._levels.append(self._section() if has_bytes else None)
        return self._levels[level]

    def _section(self) -> SectionHead:
        """The next section that is not ancillary."""
        while True:
            head = section_head(self._file, self._next, self._size)
            self._next = head.stop
            if not head.kind & ANCILLARY:
                return head

    def _whole(self, head: SectionHead, kind: Kind, size: int) -> bytes:
        """The payload of a section of this kind and size."""
        return self._read(head).expect(kind, size)

    def _read(self, head: SectionHead) -> Section:
        self._file.seek(head.offset)
        return read_section(self._file.read(head.stop - head.offset), 0, base=head.offset)
