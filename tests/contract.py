"""The contract of a .ppyr file: what its readers must give back, and how they must end when it is damaged.

A reader is `ppyr.decode`, `ppyr.open`, `ppyr.info` or `ppyr.read_metadata`. Of a damaged file each of them
ends in a `PpyrError`, or gives what the undamaged file holds; where a check says so, only the error will do.
Every other exception fails the check. `python -m tests.contract` prints how many damaged files were tried and
how they ended.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import numpy as np

import ppyr
from ppyr.bitstream.container import HEADER_SIZE, Kind
from ppyr.bitstream.metasections import MetadataKind
from ppyr.bitstream.raster import Samples
from ppyr.bitstream.varint import write_varint
from ppyr.errors import (
    ChecksumError,
    FormatError,
    NotPpyrError,
    PpyrError,
    TruncatedError,
    UnknownModelError,
    UnsupportedVersionError,
)
from ppyr.metadata import NO_METADATA, with_metadata
from ppyr.models import predictor, registry

from .sections import Parts, index_of, joined, numbers, repaired, section, split, with_crc
from .some_files import SomeFile, some_files
from .some_metadata import FULL

Result = TypeVar("Result")
Tally = Counter[str]
"""How often readers ended in which way: an error's class, or `INTACT`."""

INTACT = "what the file holds"
#: Of so many damaged files one is opened for its parts too, which decodes all that is not damaged.
_OPENED = 32

_METADATA = frozenset(map(int, MetadataKind))
_UNKNOWN_CRITICAL, _UNKNOWN_ANCILLARY = (0, 9, 127), (128, 200, 255)
#: Lengths that no file has, and forms of a length that are illegal.
_LONG = (1 << 20, (1 << 31) - 1, 1 << 32, (1 << 63) - 5, (1 << 63) - 1)
_WRONG_FORMS = ("80" * 9 + "01", "ff" * 9 + "7f", "ff" * 10, "8400", "80")
#: Offsets of the fields of the header.
_MODEL, _DIGEST, _INFORMATION = 20, 36, 52


def check_round_trip(file: SomeFile) -> Tally:
    """All readers give back the image, and parts of it."""
    np.testing.assert_array_equal(ppyr.decode(file.data), file.image, strict=True)
    np.testing.assert_array_equal(ppyr.decode(file.data, backend="reference"), file.image, strict=True)
    height, width = file.image.shape[:2]
    with ppyr.open(file.data) as parts:
        for level in range(3):
            some = file.image[:: 1 << level, :: 1 << level]
            np.testing.assert_array_equal(parts.read(level=level), some, strict=True)
        corner = parts.read(region=(width - 1, height - 1, 1, 1))
    np.testing.assert_array_equal(corner, file.image[-1:, -1:], strict=True)
    info = ppyr.info(file.data)
    assert (info.width, info.height, info.bytes) == (width, height, len(file.data))
    assert joined(split(file.data)) == file.data
    return Counter({INTACT: 7})


def check_truncated(file: SomeFile) -> Tally:
    """No beginning of a file is taken for the whole."""
    found = Readings(file, mended=False)
    for size in range(len(file.data)):
        found.read(file.data[:size], TruncatedError if size else NotPpyrError)
    found.read(file.data + b"\0", FormatError)
    return found.tally


def check_bit_flip(file: SomeFile) -> Tally:
    """No single wrong bit is overlooked."""
    found = Readings(file, mended=False)
    for position in range(8 * len(file.data)):
        error: type[PpyrError] = FormatError
        if position < 8 * 9:
            error = NotPpyrError
        elif position < 8 * 10:
            error = UnsupportedVersionError
        elif position < 8 * HEADER_SIZE:
            error = ChecksumError
        found.read(_flipped(file.data, position), error)
    return found.tally


def check_mended_bit_flip(file: SomeFile, count: int = 40) -> Tally:
    """Wrong bits under checksums that fit, which reach the code behind them; `count` of them, by chance."""
    parts, found = split(file.data), Readings(file, opened=4)
    bits = [bit for place in range(-1, len(parts.sections)) for bit in _bits(parts, place)]
    for place, position in random.Random(len(file.data)).sample(bits, min(count, len(bits))):
        if place < 0:
            damaged = replace(parts, fields=_flipped(parts.fields, position))
        else:
            damaged = parts.with_payload(place, _flipped(parts.sections[place][1], position))
        found.read(joined(repaired(damaged)))
    return found.tally


def check_sections(file: SomeFile) -> Tally:
    """Sections that are elsewhere, doubled, missing, longer or shorter, or that nobody knows."""
    parts, found = split(file.data), Readings(file)
    for damaged, error in _section_attacks(parts):
        found.read(damaged, error)
    for place in range(1, len(parts.sections)):
        kind = _UNKNOWN_ANCILLARY[place % len(_UNKNOWN_ANCILLARY)]
        found.read(joined(parts.with_section(place, (kind, b"note"), parts.sections[place])), intact=True)
    return found.tally


def check_index(file: SomeFile) -> Tally:
    """Numbers of INDEX larger, smaller, missing or one too many; streams that overlap or leave holes."""
    parts, found = split(file.data), Readings(file)
    index = numbers(parts.sections[0][1])
    for place, number in enumerate(index):
        others = {number + 1, number - 1, number + 4, number - 4, 0, *_LONG} - {number}
        lists = [[other] for other in sorted(others) if other >= 0]
        for numbers_here in (*lists, [], [number, number]):
            found.read(_with_index(parts, [*index[:place], *numbers_here, *index[place + 1 :]]))
        if place > 1 and number >= 4:
            moved = [*index[: place - 1], index[place - 1] + 4, number - 4, *index[place + 1 :]]
            found.read(_with_index(parts, moved))
    return found.tally


def check_wrong_model(file: SomeFile) -> Tally:
    """Another model, other pixels or another information content than the header says."""
    parts, found = split(file.data), Readings(file, opened=1)
    information = int.from_bytes(parts.fields[_INFORMATION:], "little")
    digest = parts.fields[_DIGEST:_INFORMATION]
    modelled = any(parts.fields[_MODEL:_DIGEST])
    beside = modelled and Kind.MODEL not in [kind for kind, _ in parts.sections]
    other = bytes(16) if modelled else bytes(15) + b"\1"
    error = UnknownModelError if beside else FormatError
    found.read(joined(parts.with_field(_MODEL, other)), error)
    found.read(joined(parts.with_field(_DIGEST, digest[::-1])), ChecksumError)
    for number in sorted({information + 1, abs(information - 1), 2**64 - 1} - {information}):
        wrong = joined(parts.with_field(_INFORMATION, number.to_bytes(8, "little")))
        found.read(wrong, FormatError)
    for name in ("default", "fast2"):  # the networks of an image of a few pixels can be the same
        wrong = joined(parts.with_field(_MODEL, registry.by_name(name)))
        found.read(wrong)
    return found.tally


def check_metadata(file: SomeFile) -> Tally:
    """Metadata come back, change no pixel, and are refused where they are not in order."""
    full = SomeFile(with_metadata(file.data, FULL), file.image)
    assert ppyr.read_metadata(full.data) == FULL
    assert ppyr.read_metadata(with_metadata(full.data, NO_METADATA)) == NO_METADATA
    parts, found = split(full.data), Readings(full)
    for place, one in enumerate(parts.sections):
        if one[0] not in _METADATA:
            continue
        found.read(joined(parts.with_section(place)), intact=True)
        for size in range(len(one[1])):
            found.read(joined(parts.with_payload(place, one[1][:size])), FormatError)
    return found.tally


CHECKS: dict[str, Callable[[SomeFile], Tally]] = {
    check.__name__.removeprefix("check_"): check
    for check in (
        check_round_trip,
        check_truncated,
        check_bit_flip,
        check_mended_bit_flip,
        check_sections,
        check_index,
        check_wrong_model,
        check_metadata,
    )
}


class Readings:
    """What readers make of damaged copies of a file.

    Args:
        file: undamaged.
        opened: of so many copies one is opened for its parts.
        mended: whether their checksums fit; else no metadata but the file's own can be read.

    Attributes:
        tally: how they ended.
    """

    def __init__(self, file: SomeFile, opened: int = _OPENED, *, mended: bool = True) -> None:
        self.tally: Tally = Counter()
        self._file, self._opened, self._count = file, opened, 0
        self._metadata = None if mended else ppyr.read_metadata(file.data)

    def read(self, damaged: bytes, error: type[PpyrError] | None = None, *, intact: bool = False) -> None:
        """Read a copy; `ppyr.decode` must end in this error, or must not mind if the image is intact."""
        found, image = _ending(ppyr.decode, damaged)
        assert error is None or isinstance(found, error), f"{error.__name__} expected, not {found!r}"
        assert found is None or not intact, repr(found)
        self._note(found, image)
        _ending(ppyr.info, damaged)
        _, metadata = _ending(ppyr.read_metadata, damaged)
        assert metadata is None or self._metadata in (None, metadata)
        if self._count % self._opened == 0:
            self._note(*_ending(_opened, damaged))
            _ending(_part, damaged)
        self._count += 1

    def _note(self, error: PpyrError | None, image: Samples | None) -> None:
        if image is not None:
            np.testing.assert_array_equal(image, self._file.image, strict=True)
        self.tally[type(error).__name__ if error else INTACT] += 1


def _ending(read: Callable[[bytes], Result], data: bytes) -> tuple[PpyrError | None, Result | None]:
    """The error that a reader ends in, or what it gives."""
    try:
        return None, read(data)
    except PpyrError as error:
        return error, None


def _opened(data: bytes) -> Samples:
    with ppyr.open(data) as file:
        return file.read()


def _part(data: bytes) -> Samples:
    with ppyr.open(data) as file:
        return file.read(level=1, region=(0, 0, 1, 1))


def _flipped(data: bytes, position: int) -> bytes:
    flipped = bytearray(data)
    flipped[position // 8] ^= 1 << position % 8
    return bytes(flipped)


def _bits(parts: Parts, place: int) -> Iterator[tuple[int, int]]:
    """Every bit of a section's payload, or with place -1 of the header behind signature and version."""
    size, first = (len(parts.fields), 10) if place < 0 else (len(parts.sections[place][1]), 0)
    yield from ((place, position) for position in range(8 * first, 8 * size))


def _section_attacks(parts: Parts) -> Iterator[tuple[bytes, type[PpyrError]]]:
    """Files that must be refused, and how."""
    sections = parts.sections
    for place, (kind, payload) in enumerate(sections):
        one = (kind, payload)
        yield joined(parts.with_section(place, one, one)), FormatError
        yield joined(parts.with_payload(place, payload + b"\0")), FormatError
        if kind not in _METADATA:
            yield joined(parts.with_section(place)), FormatError
        if payload:
            yield joined(parts.with_payload(place, payload[:-1])), FormatError
            yield joined(parts.with_payload(place, b"")), FormatError
        for unknown in _UNKNOWN_CRITICAL:
            yield joined(parts.with_section(place, (unknown, b"news"), one)), UnsupportedVersionError
        start = len(joined(replace(parts, sections=sections[:place])))
        rest = joined(parts)[start + len(section(kind, payload)) :]
        for length in (*(write_varint(number) for number in _LONG), *map(bytes.fromhex, _WRONG_FORMS)):
            claimed = with_crc(bytes([kind]) + length + payload)
            yield joined(replace(parts, sections=sections[:place])) + claimed + rest, FormatError
        damaged = section(200, b"note")[:-1] + b"\0"
        yield joined(replace(parts, sections=sections[:place])) + damaged + joined(parts)[start:], FormatError
    for place, (one, other) in enumerate(pairwise(sections)):
        if one != other:
            swapped = (*sections[:place], other, one, *sections[place + 2 :])
            yield joined(replace(parts, sections=swapped)), FormatError
    yield joined(replace(parts, sections=((200, b"note"), *sections))), FormatError
    yield joined(replace(parts, sections=(*sections, (200, b"note")))), FormatError
    for kind in (Kind.LEVEL, Kind.CHANGES, Kind.MAPPING, Kind.CONDITION):
        for place in range(1, len(sections)):
            more = parts.with_section(place, (int(kind), b""), sections[place])
            yield joined(more), FormatError


def _with_index(parts: Parts, found: list[int]) -> bytes:
    return joined(repaired(parts.with_payload(0, index_of(found))))


def main() -> None:
    """Keep the contract with every small file, and print what was tried."""
    from ppyr.tables import text_table

    files = some_files(predictor.load(registry.by_name("fast")))
    rows = []
    for name, check in CHECKS.items():
        tally: Tally = Counter()
        for file in files.values():
            tally += check(file)
        refused = tally.total() - tally[INTACT]
        rows.append((name, len(files), tally.total(), refused, tally[INTACT]))
    print(text_table(("check", "files", "reads", "ended in a PpyrError", "gave " + INTACT), rows))


if __name__ == "__main__":
    main()
