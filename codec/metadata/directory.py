"""The directory of a TIFF file, entry by entry, so that types and fractions stay as they are.

Pillow reduces fractions, guesses types and turns the pixels as tag 274 says; here bytes are copied. An Exif
block is a TIFF file without pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ppyr.errors import UnsupportedImageError

ORIENTATION, XMP, EXIF, GPS = 274, 700, 34665, 34853

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7

_INTEROPERABILITY = 40965
_BELOW = {0: (EXIF, GPS), EXIF: (_INTEROPERABILITY,)}
"""The tags of a directory that lead to another one; 0 stands for the first."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_BIG_SIZES = {16: 8, 17: 8, 18: 8}  # BigTIFF alone has these
_UNITS = {**_SIZES, **_BIG_SIZES, RATIONAL: 4, 10: 4}
_OFFSETS = (LONG, 13, 16, 18)


@dataclass(frozen=True, slots=True)
class Entry:
    """The value of a tag: its type and its bytes, every number little-endian."""

    type: int
    data: bytes

    def numbers(self) -> tuple[int, ...]:
        """The value as whole numbers, a fraction as two of them.

        Raises:
            ValueError: the type holds something else.
        """
        size = {SHORT: 2, LONG: 4, RATIONAL: 4}.get(self.type)
        if size is None:
            raise ValueError(f"type {self.type} does not hold whole numbers")
        parts = (self.data[at : at + size] for at in range(0, len(self.data), size))
        return tuple(int.from_bytes(part, "little") for part in parts)


Directory = dict[int, "Entry | Directory | None"]
"""Values by tag; None is a value that can not be read, a directory what an Exif or GPS tag leads to."""


@dataclass(frozen=True, slots=True)
class _Form:
    """How numbers are written: "<" or ">", in a BigTIFF or not."""

    order: str
    big: bool

    @property
    def start(self) -> int:
        """Where the offset of the first directory is."""
        return 8 if self.big else 4

    @property
    def offset(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "I"))

    @property
    def count(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    @property
    def record(self) -> struct.Struct:
        return struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))


def is_tiff(data: bytes) -> bool:
    """Whether this is a TIFF file, by its first bytes."""
    return data[:4] in _FORMS


def read_directory(data: bytes) -> Directory:
    """Read the first directory of a TIFF file or an Exif block, and those that its tags lead to.

    Raises:
        UnsupportedImageError: there is no directory.
    """
    form, offset = _first(data)
    return _Reader(data, form).directory(offset, 0)


def rewritten(
    data: bytes, *, drop: Collection[int] = (), add: Mapping[int, Entry | Directory] | None = None
) -> bytes:
    """A TIFF file with another first directory, which follows all that is there already.

    Args:
        data: the file.
        drop: tags to leave out.
        add: values to put in, in place of those with the same tags.

    Raises:
        UnsupportedImageError: the file has no directory.
    """
    form, offset = _first(data)
    records, following = _records(data, form, offset)
    added = add or {}
    kept = {tag: record for tag, record in records if tag not in {*drop, *added}}
    if not added and len(kept) == len(records):
        return data
    file = bytearray(data)
    place = _append(file, form, added, kept, following)
    form.offset.pack_into(file, form.start, place)
    return bytes(file)


def exif_block(directory: Directory) -> bytes:
    """The Exif block of what the Exif and GPS tags of a TIFF file lead to.

    Raises:
        ValueError: a value can not be read, or not be written to such a block.
    """
    file = bytearray(b"II*\0" + bytes(4))
    below = {tag: _writable(directory[tag]) for tag in _BELOW[0] if tag in directory}
    _LITTLE.offset.pack_into(file, _LITTLE.start, _append(file, _LITTLE, below, {}, 0))
    return bytes(file)


def _writable(value: Entry | Directory | None) -> Entry | Directory:
    if isinstance(value, dict):
        return {tag: _writable(inner) for tag, inner in value.items()}
    if value is None or value.type not in _SIZES:
        raise ValueError("a value of the Exif directory can not be read")
    return value


def _first(data: bytes) -> tuple[_Form, int]:
    form = _FORMS.get(data[:4])
    if form is None or len(data) < 2 * form.start:
        raise UnsupportedImageError("the TIFF header can not be read: get an undamaged copy", offset=0)
    (offset,) = form.offset.unpack_from(data, form.start)
    return form, offset


def _records(data: bytes, form: _Form, offset: int) -> tuple[list[tuple[int, bytes]], int]:
    """Tag and bytes of each entry of a directory, and the offset of the directory after it."""
    size, start = form.record.size, offset + form.count.size
    count = int.from_bytes(data[offset:start], "little" if form.order == "<" else "big")
    stop = start + count * size
    if start > len(data) or stop + form.offset.size > len(data):
        raise UnsupportedImageError(
            f"the TIFF directory at byte {offset} is cut off: get an undamaged copy", offset=offset
        )
    (following,) = form.offset.unpack_from(data, stop)
    parts = (data[at : at + size] for at in range(start, stop, size))
    return [(form.record.unpack(part)[0], part) for part in parts], following


class _Reader:
    """Reads values, in all no more bytes than the file has: in a correct file they do not overlap."""

    def __init__(self, data: bytes, form: _Form) -> None:
        self._data = data
        self._form = form
        self._left = len(data)

    def directory(self, offset: int, parent: int) -> Directory:
        found: Directory = {}
        for tag, record in _records(self._data, self._form, offset)[0]:
            value = None if tag in found else self._value(record)
            found[tag] = self._below(value, tag) if tag in _BELOW.get(parent, ()) else value
        return found

    def _below(self, value: Entry | None, tag: int) -> Directory | None:
        if value is None or value.type not in _OFFSETS or len(value.data) not in (4, 8):
            return None
        try:
            return self.directory(int.from_bytes(value.data, "little"), tag)
        except UnsupportedImageError:
            return None

    def _value(self, record: bytes) -> Entry | None:
        _, kind, count, inline = self._form.record.unpack(record)
        if kind not in _SIZES and not (self._form.big and kind in _BIG_SIZES):
            return None
        size = count * (_SIZES | _BIG_SIZES)[kind]
        if size <= len(inline):
            return Entry(kind, _swapped(inline[:size], kind, self._form))
        (offset,) = self._form.offset.unpack(inline)
        if size > self._left or offset + size > len(self._data):
            return None
        self._left -= size
        return Entry(kind, _swapped(self._data[offset : offset + size], kind, self._form))


def _swapped(value: bytes, kind: int, form: _Form) -> bytes:
    """Little-endian out of the order of the file, or the other way round."""
    unit = _UNITS[kind]
    if form.order == "<" or unit == 1:
        return value
    return b"".join(value[at : at + unit][::-1] for at in range(0, len(value), unit))


def _append(
    file: bytearray,
    form: _Form,
    entries: Mapping[int, Entry | Directory],
    records: Mapping[int, bytes],
    following: int,
) -> int:
    """Add a directory of entries and of records that are there already to a file; gives its offset."""
    made = dict(records)
    for tag, entry in entries.items():
        if isinstance(entry, dict):
            values = {inner: value for inner, value in entry.items() if value is not None}
            place = _append(file, form, values, {}, 0)
            made[tag] = _record(file, form, tag, Entry(LONG, place.to_bytes(4, "little")))
        else:
            made[tag] = _record(file, form, tag, entry)
    _pad(file)
    offset = len(file)
    file += form.count.pack(len(made)) + b"".join(made[tag] for tag in sorted(made))
    file += form.offset.pack(following)
    return offset


def _record(file: bytearray, form: _Form, tag: int, entry: Entry) -> bytes:
    value = _swapped(entry.data, entry.type, form)
    count = len(value) // _SIZES[entry.type]
    if len(value) > form.offset.size:
        _pad(file)
        place = len(file)
        file += value
        value = form.offset.pack(place)
    return form.record.pack(tag, entry.type, count, value)


def _pad(file: bytearray) -> None:
    file += bytes(len(file) % 2)


_LITTLE = _Form("<", big=False)
_FORMS = {
    b"II*\0": _LITTLE,
    b"MM\0*": _Form(">", big=False),
    b"II+\0": _Form("<", big=True),
    b"MM\0+": _Form(">", big=True),
}
