"""Parts of .ppyr files: an image at a fraction of its size, or a region of it, from the bytes it needs."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from ppyr.about import Info, info_of
from ppyr.bitstream.container import Layout
from ppyr.bitstream.partial import StreamReader
from ppyr.bitstream.raster import Samples
from ppyr.decoding import DEFAULT_MAX_PIXELS, Decoder, Parts, check_digest, check_size
from ppyr.errors import ConfigurationError

Region = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""


@contextmanager
def open(  # noqa: A001
    source: str | os.PathLike[str] | bytes | BinaryIO,
) -> Iterator[PpyrFile]:
    """Open a .ppyr file for reading parts of it.

    Args:
        source: path, data or open binary file.

    Raises:
        FormatError: the beginning of the file is not correct.
        OSError: the file can not be read.
    """
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb", buffering=0) as file:
            yield PpyrFile(cast(BinaryIO, file))
    else:
        yield PpyrFile(io.BytesIO(source) if isinstance(source, bytes) else source)


class PpyrFile:
    """An open .ppyr file, of which no more is read than is asked for; see `open`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._streams = StreamReader(file)

    @property
    def info(self) -> Info:
        """What the file says about itself."""
        return info_of(self._file)

    @property
    def parts(self) -> Parts:
        """What a decoder needs of the file."""
        return self._streams

    @property
    def complete_level(self) -> int:
        """The smallest k for which the file has all bytes of the image at 1/2^k of its size."""
        index, complete = self._streams.index, self._streams.complete_levels()
        if not complete:
            return Layout(index.coded, index.tile_bits).halvings
        return -(-(len(index.streams) - complete) // 2)

    def read(
        self,
        *,
        level: int = 0,
        region: Region | None = None,
        backend: str = "auto",
        max_pixels: int | None = DEFAULT_MAX_PIXELS,
    ) -> Samples:
        """Decode a part of the image.

        Only the levels and tiles that it needs are read, and their checksums are compared; the digest of all
        pixels where these are all.

        Args:
            level: k for every 2^k-th row and column of the image, from the first, as the pyramid has them.
            region: of the image at this level, (left, top, width, height); all of it by default.
            backend: auto, int8, torch, cuda or reference.
            max_pixels: the largest part to decode; None for no limit.

        Returns:
            (h, w) for gray or (h, w, C); see `ppyr.decode`.

        Raises:
            ConfigurationError: the level is negative, or the region is not inside the image.
            FormatError: what is needed is damaged or cut off.
            ImageTooLargeError: the part has more than `max_pixels` pixels.
            UnknownModelError: the model that the file needs is not installed.
            ModelError: the model or the backend does not compute exactly here.
        """
        header = self._streams.header
        if level < 0:
            raise ConfigurationError(f"level {level}: give 0 or more", expected=0, found=level)
        size = (-(-header.width >> level), -(-header.height >> level))
        left, top, width, height = region or (0, 0, *size)
        if min(left, top) < 0 or min(width, height) < 1 or left + width > size[0] or top + height > size[1]:
            raise ConfigurationError(
                f"region {left},{top},{width},{height}: at level {level} the image has {size[0]} x {size[1]} "
                "pixels, give a part of them",
                expected=size,
                found=region,
            )
        check_size(width, height, max_pixels)
        decoder = Decoder(self._streams, backend)
        image = np.empty((height, width, header.channels), header.raster.dtype.newbyteorder("="))
        needed: dict[int, tuple[range, range, range, range]] = {}
        for number, tile in enumerate(decoder.tiles):
            tall, wide = tile.shape(header.height, header.width)
            down, across = _places(tile.rows.start, tall, level), _places(tile.columns.start, wide, level)
            rows, columns = _common(down, top, height), _common(across, left, width)
            if rows and columns:
                needed[number] = down, rows, across, columns
        found = zip(needed.values(), decoder.samples(needed, level), strict=True)
        for (down, rows, across, columns), samples in found:
            part = samples[_from(rows, down.start), _from(columns, across.start)]
            image[_from(rows, top), _from(columns, left)] = part
        if not level and (width, height) == size:
            check_digest(image, header)
        return image if header.channels > 1 else image[..., 0]


def _places(start: int, length: int, level: int) -> range:
    """Rows or columns of the image at a level that a unit has."""
    return range(-(-start >> level), -(-(start + length) >> level))


def _common(places: range, start: int, length: int) -> range:
    """Those of them that lie in start .. start + length - 1."""
    return range(max(places.start, start), min(places.stop, start + length))


def _from(places: range, start: int) -> slice:
    """They as a slice of what begins at `start`."""
    return slice(places.start - start, places.stop - start)
