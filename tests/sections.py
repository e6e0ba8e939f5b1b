"""A .ppyr file as header and sections, to be broken and put together again with checksums that fit."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

from ppyr.bitstream.container import HEADER_SIZE, Kind, read_index
from ppyr.bitstream.varint import read_varint, write_varint
from ppyr.errors import FormatError

Section = tuple[int, bytes]
"""Kind and payload."""


@dataclass(frozen=True)
class Parts:
    """A file without its checksums: the fields of the header, 60 bytes, and the sections."""

    fields: bytes
    sections: tuple[Section, ...]

    def place(self, kind: Kind) -> int:
        """Where the first section of a kind is among the sections."""
        return [number for number, _ in self.sections].index(kind)

    def with_field(self, offset: int, value: bytes) -> Parts:
        """The same with another value in the header."""
        return replace(self, fields=self.fields[:offset] + value + self.fields[offset + len(value) :])

    def with_payload(self, place: int, payload: bytes) -> Parts:
        """The same with another payload of one section."""
        return self.with_section(place, (self.sections[place][0], payload))

    def with_section(self, place: int, *sections: Section) -> Parts:
        """The same with any number of sections in place of one."""
        return replace(self, sections=self.sections[:place] + sections + self.sections[place + 1 :])


def with_crc(data: bytes) -> bytes:
    return data + zlib.crc32(data).to_bytes(4, "little")


def section(kind: int, payload: bytes = b"") -> bytes:
    return with_crc(bytes([kind]) + write_varint(len(payload)) + payload)


def split(data: bytes) -> Parts:
    """The parts of a file whose sections cover it; FormatError for others."""
    sections, offset = [], HEADER_SIZE
    while offset < len(data):
        length, start = read_varint(data, offset + 1, len(data))
        sections.append((data[offset], data[start : start + length]))
        offset = start + length + 4
    return Parts(data[: HEADER_SIZE - 4], tuple(sections))


def joined(parts: Parts) -> bytes:
    """The file of these parts; `split` is the inverse."""
    return with_crc(parts.fields) + b"".join(section(kind, payload) for kind, payload in parts.sections)


def repaired(parts: Parts) -> Parts:
    """The same with fitting checksums of single streams, as far as INDEX tells where they are."""
    try:
        _, index = read_index(joined(parts))
    except FormatError:
        return parts
    sizes = [level for level in index.streams if len(level) > 1 and any(level)]
    places = [place for place, (kind, _) in enumerate(parts.sections) if kind == Kind.LEVEL]
    for place, level in zip(places, sizes, strict=False):
        _, payload = parts.sections[place]
        start, streams = 0, b""
        for size in filter(None, level):
            streams += with_crc(payload[start : start + size])
            start += size + 4
        if start == len(payload):
            parts = parts.with_payload(place, streams)
    return parts


def numbers(payload: bytes) -> list[int]:
    """The varints of INDEX."""
    found, at = [], 0
    while at < len(payload):
        number, at = read_varint(payload, at, len(payload))
        found.append(number)
    return found


def index_of(found: list[int]) -> bytes:
    """The payload of INDEX."""
    return b"".join(map(write_varint, found))
