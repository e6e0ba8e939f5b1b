"""The .ppyr data of images back to their samples."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.container import (
    Header,
    Index,
    Layout,
    halvings,
    pixel_digest,
    read_header,
    unpack,
)
from ppyr.bitstream.mapping import Mapping
from ppyr.bitstream.plain import Method, unpack_plain
from ppyr.bitstream.raster import SHALLOW, Samples
from ppyr.bitstream.tables import LEAST_INFORMATION, TableSet
from ppyr.coding import changed, coarsest_bits_of, tables_of, threads_for, walk
from ppyr.errors import ChecksumError, FormatError, ImageTooLargeError, ModelError
from ppyr.geometry import coarsest_shape, shapes
from ppyr.models import predictor
from ppyr.models.changes import unpack_changes
from ppyr.models.family import LikelihoodModel, Prediction
from ppyr.models.weights import ARCHITECTURE
from ppyr.picture import Unit, depth_of, units
from ppyr.symbols import Reader
from ppyr.threads import on_threads

DEFAULT_MAX_PIXELS = 1 << 28
"""Largest image that is decoded unasked, in pixels."""


class Parts(Protocol):
    """What a decoder needs of a file, whole or open."""

    @property
    def header(self) -> Header:
        """The header."""

    @property
    def index(self) -> Index:
        """What INDEX says."""

    @property
    def mapping(self) -> Mapping | None:
        """From the coded image, None where that is the image itself."""

    @property
    def model(self) -> bytes:
        """Payload of MODEL."""

    @property
    def changes(self) -> bytes:
        """Payload of CHANGES."""

    @property
    def condition(self) -> bytes:
        """Payload of CONDITION."""

    @property
    def coarsest(self) -> bytes:
        """Payload of COARSEST."""

    def stream(self, level: int, unit: int) -> bytes:
        """One stream; levels are counted from the coarsest."""


def decode(data: bytes, *, backend: str = "auto", max_pixels: int | None = DEFAULT_MAX_PIXELS) -> Samples:
    """Decompress an image.

    Args:
        data: a whole .ppyr file.
        backend: auto, int8, torch, cuda or reference; all give the same pixels.
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
    return Decoder(unpack(data), backend).image()


def decodes_to(data: bytes, image: Samples, *, backend: str = "auto") -> bool:
    """Whether `decode` gives this image, (H, W) or (H, W, C), found without a second one in memory.

    Raises:
        FormatError, ModelError: see `decode`.
    """
    header = read_header(data)
    samples: Samples = image[..., np.newaxis] if image.ndim == 2 else image
    shape, dtype = (header.height, header.width, header.channels), header.raster.dtype.newbyteorder("=")
    if (samples.shape, samples.dtype) != (shape, dtype) or pixel_digest(samples) != header.pixel_digest:
        return False
    tiles = Decoder(unpack(data), backend).all_tiles()
    return all(np.array_equal(samples[rows, columns], part) for rows, columns, part in tiles)


class CodedUnit(NamedTuple):
    """What one unit is decoded from: its first pixel, and streams of as many levels as are wanted."""

    number: int
    pixel: Samples
    method: Method
    streams: list[bytes]


class Decoder:
    """The tiles of a file.

    Args:
        parts: of the file.
        backend: auto, int8, torch, cuda or reference.

    Attributes:
        information: of all symbols that were decoded so far.

    Raises:
        FormatError: the file can not have as many symbols as it says.
    """

    def __init__(self, parts: Parts, backend: str) -> None:
        self.information = 0
        self._parts, self._backend = parts, backend
        self._index = parts.index
        coded = self._index.coded
        self._units = units(coded, self._index.tile_bits)
        self._layout = Layout(coded, self._index.tile_bits, self._index.coarsest_bits)
        stored = coded.dtype
        self._coarsest = np.frombuffer(parts.coarsest, stored).astype(stored.newbyteorder("="))
        self._check_information()

    @property
    def tiles(self) -> tuple[Unit, ...]:
        """The first unit of each tile."""
        return self._units[:: self._index.coded.components]

    def image(self) -> Samples:
        """The image; see `decode`.

        Raises:
            FormatError, UnknownModelError, ModelError: see `decode`.
        """
        header = self._parts.header
        dtype = header.raster.dtype.newbyteorder("=")
        image = np.empty((header.height, header.width, header.channels), dtype)
        for rows, columns, samples in self.all_tiles():
            image[rows, columns] = samples
        check_digest(image, header)
        return image if header.channels > 1 else image[..., 0]

    def all_tiles(self) -> Iterator[tuple[slice, slice, Samples]]:
        """Rows, columns and samples (h, w, C) of every tile.

        Raises:
            FormatError, UnknownModelError, ModelError: see `decode`.
        """
        stated = self._parts.header.information
        for unit, samples in zip(self.tiles, self.samples(range(len(self.tiles))), strict=True):
            yield unit.rows, unit.columns, samples
            if self.information > stated:
                break
        if self.information != stated:
            raise FormatError(
                "the symbols do not have the information content that the header says: get a fresh copy of "
                "the file",
                expected=stated,
                found=self.information,
            )

    def samples(self, tiles: Collection[int], coarser: int = 0) -> Iterator[Samples]:
        """The samples (h, w, C) of tiles of the image, by their numbers: every 2^coarser-th row and column.

        Raises:
            FormatError, UnknownModelError, ModelError: see `decode`.
        """
        modelled = Method.MODEL in self._index.methods
        threads = threads_for(self.model[0] if modelled else None, len(tiles))
        components = range(self._index.coded.components)
        coded = (
            [self._coded(number * len(components) + component, coarser) for component in components]
            for number in tiles
        )
        for samples, information in on_threads(lambda units: self._tile(units, coarser), coded, threads):
            self.information += information
            yield samples

    def _coded(self, number: int, coarser: int) -> CodedUnit:
        """What a unit is decoded from, of the file."""
        unit, index = self._units[number], self._index
        shape = self._shape(unit)
        start = unit.channels.start + number // index.coded.components * index.coded.channels
        pixel = self._coarsest[start : start + shape[2]].reshape(1, 1, -1)
        method = index.methods[number]
        if coarser >= halvings(shape[1], shape[0]) or method is Method.CONSTANT:
            return CodedUnit(number, pixel, Method.CONSTANT, [])
        if method is not Method.MODEL:
            return CodedUnit(number, pixel, method, [self._parts.stream(0, number)])
        levels = self._layout.levels_of(shape[1], shape[0])
        if any(sizes[number] for level, sizes in enumerate(index.streams) if level not in levels):
            raise FormatError("a small tile has levels that it does not need: get a fresh copy of the file")
        wanted = max(len(levels) - 2 * coarser, len(levels) % 2)
        streams = [self._parts.stream(level, number) for level in levels[:wanted]]
        return CodedUnit(number, pixel, method, streams)

    def _tile(self, units: list[CodedUnit], coarser: int) -> tuple[Samples, int]:
        """The samples of a tile, and the information content of its symbols."""
        (coded, information), *alpha = (self.unit(unit, coarser) for unit in units)
        if alpha:
            colours, shape = coded, (*coded.shape[:2], self._index.coded.channels)
            coded = _nothing(*shape, dtype=colours.dtype)
            coded[..., :-1], coded[..., -1:] = colours, alpha[0][0]
            information += alpha[0][1]
        mapping = self._parts.mapping
        return coded if mapping is None else mapping.restored(coded), information

    def unit(self, unit: CodedUnit, coarser: int) -> tuple[Samples, int]:
        """The coded samples of a unit, and the information content of its symbols."""
        index, pixel = self._index, unit.pixel
        shape = self._shape(self._units[unit.number])
        if unit.method is Method.CONSTANT:
            step = 1 << coarser
            size = (-(-shape[0] // step), -(-shape[1] // step), shape[2])
            return np.full(size, pixel, pixel.dtype), 0
        if unit.method is not Method.MODEL:
            whole = unpack_plain(unit.streams[0], unit.method, shape, index.coded.bit_depth, pixel.dtype)
            return whole[:: 1 << coarser, :: 1 << coarser], 0
        levels = shapes(*shape[:2], index.coarsest_bits)
        coarsest = _nothing(*coarsest_shape(*shape[:2], index.coarsest_bits), shape[2], dtype=pixel.dtype)
        coarsest[0, 0] = pixel
        wanted = len(unit.streams) // 2 * 2  # beside the one of the coarsest image, where that is coded
        fines = [_nothing(*level.fine, shape[2], dtype=pixel.dtype) for level in levels[:wanted]]
        model, tables = self.model
        reader = Reader(tables, unit.streams, reference=model.backend.name == "reference")
        samples = walk(self.prediction(len(levels)), levels, coarsest, fines, reader, known=False)
        step = 1 << max(0, coarser - len(levels) // 2)
        return samples[::step, ::step], reader.information

    def prediction(self, levels: int) -> Prediction:
        """The model's prediction of a unit of so many levels."""
        index = self._index
        given = index.coded.bit_depth, depth_of(index.scaling), self._parts.condition
        return self.model[0].predictor(levels, *given)

    def _shape(self, unit: Unit) -> tuple[int, int, int]:
        coded = self._index.coded
        return *unit.shape(coded.height, coded.width), len(range(coded.channels)[unit.channels])

    @cached_property
    def model(self) -> tuple[LikelihoodModel, TableSet]:
        """The model after the changes of the file, and its tables before them."""
        model_id, embedded = self._parts.header.model_id, self._parts.model
        chosen = (
            predictor.load_embedded(embedded, model_id, self._backend)
            if embedded
            else predictor.load(model_id, self._backend)
        )
        self._check_fitting(chosen)
        tables = tables_of(chosen)
        found = unpack_changes(self._parts.changes, chosen.source, tables)
        try:
            return changed(chosen, found), tables
        except ModelError as error:
            raise FormatError(
                f"the file changes its model to one that does not compute exactly ({error}): get a fresh "
                "copy of the file"
            ) from error

    def _check_fitting(self, model: LikelihoodModel) -> None:
        """Check that tiles, coarsest images and samples are those that the model codes."""
        index = self._index
        coarsest_bits = coarsest_bits_of(model, index.coded)
        wanted = (model.tile_bits or index.tile_bits, coarsest_bits)
        found = (index.tile_bits, index.coarsest_bits)
        wide = model.narrow_only and index.coded.bit_depth > SHALLOW
        changes = self._parts.changes and model.source.architecture != ARCHITECTURE
        if found != wanted or wide or changes:
            raise FormatError(
                "the file has other tiles, coarsest images, samples or changes than its model takes: get a "
                "fresh copy of the file",
                expected=wanted,
                found=found,
            )

    def _check_information(self) -> None:
        """Check that as many symbols as the units need can have the information content of the header."""
        index, stated = self._index, self._parts.header.information
        modelled = [
            self._shape(unit)
            for unit, method in zip(self._units, index.methods, strict=True)
            if method is Method.MODEL
        ]
        least = LEAST_INFORMATION * sum((height * width - 1) * count for height, width, count in modelled)
        if stated < least:
            raise FormatError(
                f"the symbols have an information content of {least} at least, and the header says {stated}: "
                "get a fresh copy of the file",
                expected=least,
                found=stated,
            )


def _nothing(*shape: int, dtype: npt.DTypeLike) -> Samples:
    """Samples that are to be decoded."""
    return np.zeros(shape, dtype)


def check_digest(image: Samples, header: Header) -> None:
    """Check that decoded pixels are those that the header tells.

    Raises:
        ChecksumError: they are others.
    """
    if (found := pixel_digest(image)) != header.pixel_digest:
        raise ChecksumError(
            "the decoded pixels are not the ones that were encoded: try the backend reference, and report "
            "this",
            expected=header.pixel_digest.hex(),
            found=found.hex(),
        )


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
