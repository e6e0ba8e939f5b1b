"""What a .ppyr file says about itself: `info` reads its header and index, `verify` checks every byte."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, cast

from ppyr.bitstream.container import VERSION, Header, Index, Layout
from ppyr.bitstream.front import read_front
from ppyr.bitstream.plain import Method
from ppyr.geometry import shapes
from ppyr.metadata import kind_of
from ppyr.models.registry import model_name
from ppyr.models.steps import evaluations
from ppyr.picture import units


@dataclass(frozen=True, slots=True)
class LevelInfo:
    """One level of the pyramid.

    Attributes:
        width, height: of the image that is complete once this level is decoded, in pixels.
        bytes: size of the level's streams.
        evaluations: model evaluations to decode the level; of the coarsest images, where these are coded, one
            for each pixel but the first.
    """

    width: int
    height: int
    bytes: int
    evaluations: int


@dataclass(frozen=True, slots=True)
class Info:
    """What the header and the index of a .ppyr file tell.

    Attributes:
        width, height: in pixels.
        channels: 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA).
        bit_depth: bits a sample.
        version: of the format.
        model: name of the likelihood model, or its id in hexadecimal digits where it is not installed;
            none where nothing is coded by one.
        model_id: the id in hexadecimal digits.
        bytes: size of the whole file.
        bits_per_dim: bits of the file for each sample of the image.
        theoretical_bits_per_dim: the same for the information content of the symbols under the model, and
            for the streams of units that are coded without it.
        units: how many are coded in which way, by the names of FORMAT.md.
        mapping: bytes that say what coded samples stand for.
        embedded: bytes of the model in the file, 0 where it is beside it.
        changes: bytes that change the model for this image.
        condition: bytes that the model is given beside the pixels.
        metadata: bytes in the file of each kind of metadata that is there, see `ppyr.metadata.KINDS`.
        model_evaluations: to decode the whole image.
        levels: coarse to fine.
    """

    width: int
    height: int
    channels: int
    bit_depth: int
    version: int
    model: str
    model_id: str
    bytes: int
    bits_per_dim: float
    theoretical_bits_per_dim: float
    units: dict[str, int]
    mapping: int
    embedded: int
    changes: int
    condition: int
    metadata: dict[str, int]
    model_evaluations: int
    levels: tuple[LevelInfo, ...]

    def as_dict(self) -> dict[str, object]:
        """Give all of it as JSON can hold it."""
        return asdict(self)


def info(source: bytes | str | os.PathLike[str]) -> Info:
    """Read the header and the index of a .ppyr file, without decoding anything.

    Args:
        source: the data, or the path of a file, of which only a few bytes are read.

    Raises:
        FormatError: the header or the index is damaged or cut off, or this is no .ppyr file.
        OSError: the file can not be read.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb", buffering=0) as file:
        return info_of(cast(BinaryIO, file))


def info_of(file: BinaryIO) -> Info:
    """What `info` tells, of an open file."""
    size = file.seek(0, os.SEEK_END)
    front = read_front(file)
    header = front.header
    levels = tuple(_levels(header, front.index))
    metadata: dict[str, int] = {}
    for section, length in front.sizes.items():
        kind = kind_of(section.name.lower())
        metadata[kind] = metadata.get(kind, 0) + length
    samples = header.width * header.height * header.channels
    return Info(
        width=header.width,
        height=header.height,
        channels=header.channels,
        bit_depth=header.bit_depth,
        version=VERSION,
        model=model_of(header),
        model_id=header.model_id.hex(),
        bytes=size,
        bits_per_dim=8 * size / samples,
        theoretical_bits_per_dim=(header.information / 2**16 + 8 * _unmodelled(front.index)) / samples,
        units=dict(Counter(method.name for method in front.index.methods)),
        mapping=front.index.mapping,
        embedded=front.index.model,
        changes=front.index.changes,
        condition=front.index.condition,
        metadata=metadata,
        model_evaluations=sum(level.evaluations for level in levels),
        levels=levels,
    )


def verify(
    source: bytes | str | os.PathLike[str], *, backend: str = "auto", max_pixels: int | None = None
) -> None:
    """Check every checksum of a .ppyr file, decode it and check the digest of its pixels.

    Args:
        source: the data, or the path of a file.
        backend: auto, int8, torch, cuda or reference.
        max_pixels: the largest image to decode; None for no limit.

    Raises:
        PpyrError: the file is not correct, or can not be decoded here.
        OSError: the file can not be read.
    """
    from ppyr.decoding import decode

    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    decode(data, backend=backend, max_pixels=max_pixels)


def model_of(header: Header) -> str:
    """The model of a file, as `Info` names it."""
    return (model_name(header.model_id) or header.model_id.hex()) if any(header.model_id) else "none"


def _unmodelled(index: Index) -> int:
    """Bytes of the streams of units without a model."""
    sizes = index.streams[0] if index.streams else ()
    return sum(size for size, method in zip(sizes, index.methods, strict=False) if method is not Method.MODEL)


def _levels(header: Header, index: Index) -> Iterator[LevelInfo]:
    """Every level, with what all units have of it."""
    layout = Layout(index.coded, index.tile_bits, index.coarsest_bits)
    count = layout.level_count
    made = [0] * count
    alike = Counter(
        unit.shape(header.height, header.width)
        for unit, method in zip(units(index.coded, index.tile_bits), index.methods, strict=True)
        if method is Method.MODEL
    )
    for shape, units_of_it in alike.items():
        own = shapes(*shape, index.coarsest_bits)
        for number, level in enumerate(own, count - len(own)):
            made[number] += units_of_it * evaluations(level.axis, level.fine)
        if len(layout.levels_of(*shape[::-1])) > len(own):
            height, width = own[0].coarse if own else shape
            made[0] += units_of_it * (height * width - 1)
    for number, sizes in enumerate(index.streams):
        left = count - 1 - number
        finer, across = left // 2, -(-left // 2)  # a row level leaves the columns to the next one
        yield LevelInfo(
            width=-(-header.width >> across),
            height=-(-header.height >> finer),
            bytes=sum(sizes),
            evaluations=made[number],
        )
