"""Images to .ppyr data and back, in memory.

Encoder and decoder are one walk over the levels, coarse to fine: the model says how each step's fine values
are distributed, and a coder either writes them or reads them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ppyr.bitstream.container import Container, Header, Layout, pack, pixel_digest, read_header, unpack
from ppyr.bitstream.tables import TableSet
from ppyr.errors import ChecksumError, FormatError, ImageTooLargeError, ModelError
from ppyr.geometry import Level, shapes
from ppyr.models import predictor
from ppyr.models.changes import Change, apply_changes, pack_changes, unpack_changes
from ppyr.models.features import BYTES, Depth
from ppyr.picture import Picture, Samples, Unit, depth_of, units
from ppyr.pyramid import build, merge
from ppyr.symbols import CodedLevel, Coder, Reader, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NOTHING = CodedLevel((b"",), 0)

DEFAULT_MAX_PIXELS = 1 << 28
"""Largest image that is coded from a file or decoded unasked, in pixels."""


def encode_changed(picture: Picture, chosen: predictor.Model, changes: list[Change]) -> bytes:
    """Compress an image.

    Args:
        picture: the image.
        chosen: the model.
        changes: to different parts of the model, in the order of `Weights.changeable`, for this image.

    Raises:
        ModelError: the changed model breaks the rules of exact inference.
    """
    return assemble(picture, chosen, encode_levels(picture, chosen, changes), changes)


def encode_levels(picture: Picture, chosen: predictor.Model, changes: list[Change]) -> list[CodedLevel]:
    """The levels of an image, coarse to fine, under a model that is changed; see `encode_changed`."""
    model, tables = _changed(chosen, changes), tables_of(chosen)
    depth = depth_of(picture.scaling)
    count = Layout(picture.header, picture.tile_bits).level_count
    coded = [encode_unit(unit.of(picture.samples), model, tables, depth) for unit in picture.units]
    return [
        CodedLevel(
            tuple(stream for levels in aligned for stream in levels.streams),
            sum(levels.information for levels in aligned),
        )
        for aligned in zip(*([_NOTHING] * (count - len(levels)) + levels for levels in coded), strict=True)
    ]


def encode_unit(samples: Samples, model: predictor.Model, tables: TableSet, depth: Depth) -> list[CodedLevel]:
    """The levels of one unit (h, w, c), coarse to fine."""
    coarsest, fines = build(samples, 8 * samples.itemsize)
    writer = Writer(tables)
    walk(model, shapes(*samples.shape[:2]), coarsest, fines, writer, depth)
    return writer.levels


def assemble(
    picture: Picture, chosen: predictor.Model, levels: list[CodedLevel], changes: list[Change]
) -> bytes:
    """The file of an image of these levels, each of which was coded under the model with `changes`."""
    information = sum(level.information for level in levels)
    header = replace(picture.header, model_id=chosen.id, information=information)
    coarsest = b"".join(
        unit.of(picture.samples)[0, 0].astype(header.dtype).tobytes() for unit in picture.units
    )
    streams = tuple(level.streams for level in levels)
    payload = pack_changes(changes, chosen.source, tables_of(chosen))
    return pack(Container(header, picture.tile_bits, coarsest, streams, payload, picture.scaling))


def decode(data: bytes, *, backend: str = "auto", max_pixels: int | None = DEFAULT_MAX_PIXELS) -> Samples:
    """Decompress an image.

    Args:
        data: a whole .ppyr file.
        backend: auto, reference or torch; all give the same pixels.
        max_pixels: the largest image to decode; None for no limit.

    Returns:
        The image, (H, W) gray or (H, W, C), C of 2 gray and alpha, 3 RGB, 4 RGBA; uint8, or uint16 for
        more than 8 bits a sample.

    Raises:
        FormatError: the data is no .ppyr file, damaged or cut off; see `ppyr.errors`.
        ImageTooLargeError: the image has more than `max_pixels` pixels.
        UnknownModelError: the model that the file needs is not installed.
        ModelError: the model or the backend does not compute exactly here.
    """
    header = read_header(data)
    check_size(header.width, header.height, max_pixels)
    container = unpack(data)
    image = np.empty((header.height, header.width, header.channels), header.dtype.newbyteorder("="))
    for unit, samples in _decoded_units(container, backend):
        unit.of(image)[...] = samples
    if (found := pixel_digest(image)) != header.pixel_digest:
        raise ChecksumError(
            "the decoded pixels are not the ones that were encoded: try the backend reference, and report "
            "this",
            expected=header.pixel_digest.hex(),
            found=found.hex(),
        )
    return image if header.channels > 1 else image[..., 0]


def decodes_to(data: bytes, image: Samples, *, backend: str = "auto") -> bool:
    """Whether `decode` gives this image, (H, W) or (H, W, C), found without a second one in memory.

    Raises:
        FormatError, ModelError: see `decode`.
    """
    header = read_header(data)
    samples: Samples = image[..., np.newaxis] if image.ndim == 2 else image
    shape, dtype = (header.height, header.width, header.channels), header.dtype.newbyteorder("=")
    if (samples.shape, samples.dtype) != (shape, dtype) or pixel_digest(samples) != header.pixel_digest:
        return False
    parts = [np.array_equal(unit.of(samples), part) for unit, part in _decoded_units(unpack(data), backend)]
    return all(parts)


def _decoded_units(container: Container, backend: str) -> Iterator[tuple[Unit, Samples]]:
    """Every unit of an image with its samples (h, w, c).

    Raises:
        FormatError, UnknownModelError, ModelError: see `decode`.
    """
    header = container.header
    model, tables = prepared(header, container.changes, backend)
    coarsest = np.frombuffer(container.coarsest, header.dtype).astype(header.dtype.newbyteorder("="))
    information = 0
    for number, unit in enumerate(units(header, container.tile_bits)):
        shape = (*unit.shape(header.height, header.width), len(range(header.channels)[unit.channels]))
        pixel, coarsest = coarsest[: shape[2]], coarsest[shape[2] :]
        streams = [streams[number] for streams in container.levels]
        samples, carried = decode_unit(shape, pixel, streams, model, tables, depth_of(container.scaling))
        information += carried
        yield unit, samples
    if information != header.information:
        raise FormatError(
            "the symbols do not have the information content that the header says: get a fresh copy of the "
            "file",
            expected=header.information,
            found=information,
        )


def prepared(header: Header, changes: bytes, backend: str) -> tuple[predictor.Model, TableSet]:
    """The model of a file after its changes, and its tables before them.

    Raises:
        UnknownModelError: the model is not installed.
        FormatError: the changes do not belong to it.
        ModelError: the model or the backend does not compute exactly here.
    """
    chosen = predictor.load(header.model_id, backend)
    tables = tables_of(chosen)
    found = unpack_changes(changes, chosen.source, tables)
    try:
        return _changed(chosen, found), tables
    except ModelError as error:
        raise FormatError(
            f"the file changes its model to one that does not compute exactly ({error}): get a fresh copy of "
            "the file"
        ) from error


def _changed(model: predictor.Model, changes: list[Change]) -> predictor.Model:
    return predictor.Model(apply_changes(model.source, changes), model.backend) if changes else model


@cache
def tables_of(model: predictor.Model) -> TableSet:
    """The tables of a model, with what the coder derives from them."""
    return TableSet(model.frequencies)


def decode_unit(
    shape: tuple[int, ...],
    pixel: Samples,
    streams: Sequence[bytes],
    model: predictor.Model,
    tables: TableSet,
    depth: Depth,
    coarser: int = 0,
) -> tuple[Samples, int]:
    """Decode a unit.

    Args:
        shape: of the unit, (h, w, c).
        pixel: the coarsest image, (c,).
        streams: of all levels that the file has, but for the `2 * coarser` finest ones.
        model: the model, changed.
        tables: its tables.
        depth: of the samples.
        coarser: factors of two to leave out.

    Returns:
        Every 2^coarser-th row and column, and the information content of the symbols.
    """
    height, width, channels = shape
    levels = shapes(height, width)
    count = max(0, len(levels) - 2 * coarser)
    ahead = len(streams) - count
    if any(streams[:ahead]):
        raise FormatError("a small tile has levels that it does not need: get a fresh copy of the file")
    fines = [np.zeros((*level.fine, channels), pixel.dtype) for level in levels[:count]]
    reader = Reader(tables, streams[ahead:])
    image = walk(model, levels, pixel.reshape(1, 1, channels), fines, reader, depth)
    return image, reader.information


def walk(
    model: predictor.Model,
    levels: Sequence[Level],
    coarsest: Samples,
    fines: Sequence[Samples],
    coder: Coder,
    depth: Depth = BYTES,
) -> Samples:
    """Code the levels of a unit, as many of the coarsest as there are `fines`, and give what they make.

    A reader fills `fines` on the way.
    """
    coarse = coarsest
    prediction = predictor.Predictor(model, len(levels), depth)
    for level, fine in zip(levels[: len(fines)], fines, strict=True):
        for step in prediction.level(level.axis, coarse, fine):
            for channel in step.channels:
                coder.code(step.fine[..., channel], step.coarse[..., channel], step.distribution(channel))
        coder.end_level()
        coarse = merge(coarse, fine, level.axis, 8 * coarse.itemsize)
    return coarse


def check_size(width: int, height: int, max_pixels: int | None) -> None:
    """Check that an image is not too large to decode.

    Raises:
        ImageTooLargeError: it has more than `max_pixels` pixels.
    """
    if max_pixels is not None and width * height > max_pixels:
        raise ImageTooLargeError(
            f"{width} x {height} pixels are more than {max_pixels}: raise the limit of pixels if you trust "
            "the file",
            expected=max_pixels,
            found=width * height,
        )
