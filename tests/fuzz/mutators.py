"""Mutations that know the format: what they break passes the checksums and reaches the code behind them."""

from __future__ import annotations

import json
import math
import random
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from ppyr.bitstream.container import Kind
from ppyr.bitstream.metasections import MetadataKind
from ppyr.bitstream.varint import read_varint, write_varint
from ppyr.errors import FormatError, UnsupportedImageError
from ppyr.metadata.walkers import PNG_SIGNATURE, png_chunk, png_chunks

from ..sections import Parts, index_of, joined, numbers, repaired, split

Mutate = Callable[[bytes, int], bytes]
"""A mutation that knows nothing: data and the largest size to data."""

_WIDTHS = {
    "I8": 1,
    "U8": 1,
    "I16": 2,
    "I32": 4,
    "U32": 4,
    "F32": 4,
    "BF16": 2,
    "I64": 8,
    "BOOL": 1,
    "F8_E5M2": 1,
}
_DEFLATED = (MetadataKind.ICC, MetadataKind.EXIF, MetadataKind.XMP, MetadataKind.TEXT)
_NUMBERS = (
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    9,
    10,
    15,
    16,
    17,
    255,
    256,
    1 << 16,
    1 << 31,
    1 << 32,
    1 << 62,
    (1 << 63) - 1,
)
#: Offset and size of the fields of the header.
_FIELDS = ((10, 1), (11, 1), (12, 4), (16, 4), (20, 16), (36, 16), (52, 8))


class Tensor(NamedTuple):
    """A tensor of a model file."""

    dtype: str
    shape: list[int]
    values: bytes


def ppyr_file(data: bytes, most: int, rng: random.Random, mutate: Mutate) -> bytes:
    """Change a .ppyr file: its sections, and mostly with checksums that fit."""
    try:
        parts = split(data)
    except FormatError:
        return mutate(data, most)
    if not parts.sections or rng.random() < 0.1:
        return mutate(data, most)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        parts = rng.choice((_payload, _payload, _field, _index, _order, _kind))(parts, rng, mutate)
    if rng.random() < 0.7:
        parts = _fitting(parts)
    return joined(repaired(parts))


def png_file(data: bytes, most: int, rng: random.Random, mutate: Mutate) -> bytes:
    """Change an image file; of a PNG the chunks, with checksums that fit."""
    if not data.startswith(PNG_SIGNATURE) or rng.random() < 0.2:
        return mutate(data, most)
    try:
        chunks = list(png_chunks(data))
    except UnsupportedImageError:
        return mutate(data, most)
    place = rng.randrange(len(chunks))
    kind, body = chunks[place]
    match rng.randrange(4):
        case 0:
            chunks.insert(rng.randrange(len(chunks)), chunks[place])
        case 1:
            del chunks[place]
        case _:
            chunks[place] = kind, mutate(body or b"\0", most)
    return PNG_SIGNATURE + b"".join(png_chunk(kind, body) if kind else body for kind, body in chunks)


def model_file(data: bytes, most: int, rng: random.Random, mutate: Mutate) -> bytes:
    """Change a .safetensors file: mostly its tensors, whose offsets follow from their shapes."""
    size = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + size])
        about = header.pop("__metadata__", {})
        tensors = {
            name: Tensor(found["dtype"], found["shape"], data[8 + size :][slice(*found["data_offsets"])])
            for name, found in header.items()
        }
        if rng.random() < 0.8:
            _change_tensors(tensors, rng, mutate)
            return _model_file(tensors, about)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError):
        return mutate(data, most)
    text = mutate(data[8 : 8 + size], most)
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def _change_tensors(tensors: dict[str, Tensor], rng: random.Random, mutate: Mutate) -> None:
    """One tensor missing, doubled, of another type, shape or content."""
    name, other = rng.choice(sorted(tensors)), rng.choice(sorted(tensors))
    found = tensors[name]
    match rng.randrange(7):
        case 0:
            del tensors[name]
        case 1:
            tensors[rng.choice((f"{name}.0", "a", name.replace("0", "x"), "more.trunk.x.weight"))] = found
        case 2:
            tensors[name] = found._replace(dtype=rng.choice(tuple(_WIDTHS)))
        case 3:
            shape = [rng.choice((0, 1, 2, 3, 8, 12)) for _ in range(rng.randrange(5))]
            tensors[name] = found._replace(shape=shape)
        case 4:
            tensors[name] = found._replace(shape=[1, *found.shape])
        case 5:
            tensors[name], tensors[other] = tensors[other], found
        case _:
            tensors[name] = found._replace(values=mutate(found.values[:4096] or b"\0", 4096))


#: Bytes that a tensor of a made file has at most, however large it claims to be.
_MOST_VALUES = 1 << 20


def _model_file(tensors: dict[str, Tensor], about: object) -> bytes:
    """A .safetensors file whose offsets fit."""
    header: dict[str, object] = {"__metadata__": about}
    body = b""
    for name, (dtype, shape, values) in tensors.items():
        length = math.prod(shape) * _WIDTHS.get(dtype, 1)
        offsets = [len(body), len(body) + length]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        body += values[:length].ljust(min(length, _MOST_VALUES), b"\1")
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def _payload(parts: Parts, rng: random.Random, mutate: Mutate) -> Parts:
    """Another payload of a section; what is deflated is changed before."""
    place = rng.randrange(len(parts.sections))
    kind, payload = parts.sections[place]
    if kind in _DEFLATED and rng.random() < 0.8:
        try:
            _, start = read_varint(payload, 0, len(payload))
            inflated = mutate(zlib.decompressobj().decompress(payload[start:], 1 << 16) or b"\0", 1 << 12)
        except (FormatError, zlib.error):
            inflated = b"\0"
        return parts.with_payload(place, write_varint(len(inflated)) + zlib.compress(inflated))
    if rng.random() < 0.5 and payload:
        flipped = bytearray(payload)
        flipped[rng.randrange(len(payload))] ^= 1 << rng.randrange(8)
        return parts.with_payload(place, bytes(flipped))
    return parts.with_payload(place, mutate(payload or b"\0", 1 << 12))


def _field(parts: Parts, rng: random.Random, mutate: Mutate) -> Parts:
    """Another value in the header."""
    offset, size = rng.choice(_FIELDS)
    value = rng.choice((*_NUMBERS, rng.randrange(40))) % (1 << 8 * size)
    if rng.random() < 0.2:
        return parts.with_field(offset, mutate(parts.fields[offset : offset + size], size).ljust(size, b"\0"))
    return parts.with_field(offset, value.to_bytes(size, "little"))


def _index(parts: Parts, rng: random.Random, _mutate: Mutate) -> Parts:
    """Another number in INDEX, one more or one less."""
    try:
        place = parts.place(Kind.INDEX)
        found = numbers(parts.sections[place][1])
    except (ValueError, FormatError):
        return parts
    at = rng.randrange(len(found) + 1)
    match rng.randrange(3):
        case 0:
            found.insert(at, rng.choice(_NUMBERS))
        case 1:
            del found[at : at + 1]
        case _:
            found[at : at + 1] = [rng.choice((*_NUMBERS, 4 * rng.randrange(20)))]
    return parts.with_payload(place, index_of(found))


def _order(parts: Parts, rng: random.Random, _mutate: Mutate) -> Parts:
    """A section doubled, removed or elsewhere."""
    sections = list(parts.sections)
    found = sections.pop(rng.randrange(len(sections)))
    for _ in range(rng.randrange(3)):
        sections.insert(rng.randrange(len(sections) + 1), found)
    return replace(parts, sections=tuple(sections) or (found,))


def _kind(parts: Parts, rng: random.Random, _mutate: Mutate) -> Parts:
    """A section of another kind."""
    place = rng.randrange(len(parts.sections))
    kind = rng.choice((*Kind, *MetadataKind, 0, 6, 127, 128, 255))
    return parts.with_section(place, (int(kind), parts.sections[place][1]))


def _fitting(parts: Parts) -> Parts:
    """The same with the sizes in INDEX that the sections have, where there is one unit."""
    sizes = [len(payload) for kind, payload in parts.sections if kind == Kind.LEVEL]
    changes = [len(payload) for kind, payload in parts.sections if kind == Kind.CHANGES]
    try:
        place = parts.place(Kind.INDEX)
        found = numbers(parts.sections[place][1])
    except (ValueError, FormatError):
        return parts
    levels = found[4] if len(found) > 4 and not found[3] else 0
    first = 6 + (1 + levels // 2) * (parts.fields[11] > 8)
    if not levels or len(found) - first not in (levels, levels + 1):
        return parts
    streams = iter(sizes)
    kept = [next(streams, 0) if size else 0 for size in found[first : first + levels]]
    return parts.with_payload(place, index_of([*found[:first], *kept, *filter(None, changes[:1])]))
