"""Images to .ppyr data and back, in memory.

Encoder and decoder are one walk over the levels, coarse to fine: the model says how each step's fine values
are distributed, and a coder either writes them or reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.coder import StreamDecoder, StreamEncoder
from ppyr.bitstream.container import Container, Header, pack, pixel_digest, read_header, unpack
from ppyr.bitstream.tables import TableSet
from ppyr.errors import (
    ChecksumError,
    FormatError,
    ImageTooLargeError,
    ModelError,
    UnsupportedImageError,
    UnsupportedVersionError,
)
from ppyr.geometry import Level, shapes
from ppyr.models import predictor
from ppyr.models.changes import Change, apply_changes, pack_changes, unpack_changes
from ppyr.pyramid import build, merge

if TYPE_CHECKING:
    from collections.abc import Sequence

ByteArray = npt.NDArray[np.uint8]

BIT_DEPTH = 8
DEFAULT_MAX_PIXELS = 1 << 28
"""Largest image that is decoded unasked, in pixels."""


def encode_changed(image: ByteArray, chosen: predictor.Model, changes: list[Change]) -> bytes:
    """Compress an image.

    Args:
        image: (H, W), (H, W, 1) or (H, W, 3), uint8, gray or RGB.
        chosen: the model.
        changes: to different parts of the model, in the order of `Weights.changeable`, for this image.

    Raises:
        UnsupportedImageError: the array is of another dtype or shape.
        ModelError: the changed model breaks the rules of exact inference.
    """
    return assemble(image, chosen, encode_levels(image, chosen, changes), changes)


def encode_levels(image: ByteArray, chosen: predictor.Model, changes: list[Change]) -> list[CodedLevel]:
    """The levels of an image, coarse to fine, under a model that is changed; see `encode_changed`."""
    image = samples(image)
    coarsest, fines = build(image, BIT_DEPTH)
    writer = _Writer(tables_of(chosen))
    walk(_changed(chosen, changes), shapes(*image.shape[:2]), coarsest, fines, writer)
    return writer.levels


def assemble(
    image: ByteArray, chosen: predictor.Model, levels: list[CodedLevel], changes: list[Change]
) -> bytes:
    """The file of an image of these levels, each of which was coded under the model with `changes`."""
    image = samples(image)
    height, width, channels = image.shape
    header = Header(
        width=width,
        height=height,
        channels=channels,
        bit_depth=BIT_DEPTH,
        model_id=chosen.id,
        pixel_digest=pixel_digest(image),
        information=sum(level.information for level in levels),
    )
    streams = tuple((level.stream,) for level in levels)
    payload = pack_changes(changes, chosen.source, tables_of(chosen))
    return pack(Container(header, image[:1, :1].tobytes(), streams, payload))


def decode(data: bytes, *, backend: str = "auto", max_pixels: int | None = DEFAULT_MAX_PIXELS) -> ByteArray:
    """Decompress an image.

    Args:
        data: a whole .ppyr file.
        backend: auto, reference or torch; all give the same pixels.
        max_pixels: the largest image to decode; None for no limit.

    Returns:
        The image, (H, W) gray or (H, W, 3) RGB, uint8.

    Raises:
        FormatError: the data is no .ppyr file, damaged or cut off; see `ppyr.errors`.
        ImageTooLargeError: the image has more than `max_pixels` pixels.
        UnknownModelError: the model that the file needs is not installed.
        ModelError: the model or the backend does not compute exactly here.
    """
    header = read_header(data)
    _check_supported(header, max_pixels)
    container = unpack(data)
    chosen = predictor.load(header.model_id, backend)
    tables = tables_of(chosen)
    changes = unpack_changes(container.changes, chosen.source, tables)
    try:
        changed = _changed(chosen, changes)
    except ModelError as error:
        raise FormatError(
            f"the file changes its model to one that does not compute exactly ({error}): get a fresh copy of "
            "the file"
        ) from error
    levels = shapes(header.height, header.width)
    coarsest = np.frombuffer(bytearray(container.coarsest), np.uint8).reshape(1, 1, header.channels)
    fines = [np.zeros((*level.fine, header.channels), np.uint8) for level in levels]
    reader = _Reader(tables, [stream for (stream,) in container.levels])
    image = walk(changed, levels, coarsest, fines, reader)
    if reader.information != header.information:
        raise FormatError(
            "the symbols do not have the information content that the header says: get a fresh copy of the "
            "file",
            expected=header.information,
            found=reader.information,
        )
    if (found := pixel_digest(image)) != header.pixel_digest:
        raise ChecksumError(
            "the decoded pixels are not the ones that were encoded: try the backend reference, and report "
            "this",
            expected=header.pixel_digest.hex(),
            found=found.hex(),
        )
    return image if header.channels > 1 else image[..., 0]


def _changed(model: predictor.Model, changes: list[Change]) -> predictor.Model:
    return predictor.Model(apply_changes(model.source, changes), model.backend) if changes else model


@cache
def tables_of(model: predictor.Model) -> TableSet:
    """The tables of a model, with what the coder derives from them."""
    return TableSet(model.frequencies)


class Coder(Protocol):
    """What a walk does with the symbols: write, read or count them, level by level, coarse to fine."""

    def code(
        self, values: ByteArray, coarse: ByteArray, centres: ByteArray, tables: npt.NDArray[np.uint16]
    ) -> None:
        """One channel of one step, everything (n, m).

        Fine values, the coarse ones that make samples of them (modulo 256), centres and table numbers.
        """

    def end_level(self) -> None:
        """The level is complete."""


@dataclass(frozen=True)
class CodedLevel:
    """The stream of a level, and the information content of its symbols in 2^-16 bit."""

    stream: bytes
    information: int


class _Writer:
    def __init__(self, tables: TableSet) -> None:
        self.levels: list[CodedLevel] = []
        self._tables = tables
        self._stream = StreamEncoder(tables)

    def code(
        self, values: ByteArray, coarse: ByteArray, centres: ByteArray, tables: npt.NDArray[np.uint16]
    ) -> None:
        self._stream.put((values + coarse - centres).ravel(), tables.ravel(), centres.ravel())

    def end_level(self) -> None:
        self.levels.append(CodedLevel(self._stream.finish(), self._stream.information))
        self._stream = StreamEncoder(self._tables)


class _Reader:
    def __init__(self, tables: TableSet, streams: Sequence[bytes]) -> None:
        self.information = 0
        self._streams = [StreamDecoder(tables, stream) for stream in streams]
        self._level = 0

    def code(
        self, values: ByteArray, coarse: ByteArray, centres: ByteArray, tables: npt.NDArray[np.uint16]
    ) -> None:
        symbols = self._streams[self._level].get(tables.ravel(), centres.ravel())
        values[...] = centres + symbols.reshape(values.shape) - coarse

    def end_level(self) -> None:
        stream = self._streams[self._level]
        stream.finish()
        self.information += stream.information
        self._level += 1


def walk(
    model: predictor.Model,
    levels: Sequence[Level],
    coarsest: ByteArray,
    fines: Sequence[ByteArray],
    coder: Coder,
) -> ByteArray:
    """Code every level and give the whole image; a reader fills `fines` on the way."""
    coarse = coarsest
    prediction = predictor.Predictor(model, len(levels))
    for level, fine in zip(levels, fines, strict=True):
        for step in prediction.level(level.axis, coarse, fine):
            for channel in step.channels:
                centres, tables = step.distribution(channel)
                coder.code(step.fine[..., channel], step.coarse[..., channel], centres, tables)
        coder.end_level()
        coarse = merge(coarse, fine, level.axis, BIT_DEPTH)
    return coarse


def samples(image: ByteArray) -> ByteArray:
    """The image as (H, W, C)."""
    if image.dtype != np.uint8:
        raise UnsupportedImageError(
            f"samples of {image.dtype} are not supported yet: give 8-bit samples, uint8",
            found=str(image.dtype),
        )
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in predictor.CODING_ORDER or 0 in image.shape:
        raise UnsupportedImageError(
            f"an array of shape {image.shape} is not supported yet: give gray (H, W) or RGB (H, W, 3)",
            found=image.shape,
        )
    return np.ascontiguousarray(image)


def _check_supported(header: Header, max_pixels: int | None) -> None:
    if header.bit_depth != BIT_DEPTH or header.channels not in predictor.CODING_ORDER:
        raise UnsupportedVersionError(
            f"{header.channels} channels of {header.bit_depth} bits: install a newer version of ppyr",
            found=(header.channels, header.bit_depth),
        )
    if max_pixels is not None and header.width * header.height > max_pixels:
        raise ImageTooLargeError(
            f"{header.width} x {header.height} pixels are more than {max_pixels}: raise the limit of pixels "
            "if you trust the file",
            expected=max_pixels,
            found=header.width * header.height,
        )
