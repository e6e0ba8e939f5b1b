"""How the samples of an image follow from those that are coded.

Levels and tiles know only the coded image. Its samples can be fewer or smaller: channels that repeat another
one or never change are left out, samples of which few values occur are counted by rank, and pixels of few
colours are numbers of colours. FORMAT.md is the specification.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Protocol

import numpy as np

from ppyr.bitstream.checks import FRESH_COPY, check_range
from ppyr.bitstream.deflated import deflated, inflated, read_number
from ppyr.bitstream.raster import Raster, Samples
from ppyr.bitstream.varint import write_varint
from ppyr.errors import FormatError

MOST_COLOURS = 256
"""Colours that pixels can be numbers of."""


class Mapping(Protocol):
    """From coded samples to those of the image.

    Attributes:
        image: what comes of them.
    """

    @property
    def image(self) -> Raster:
        """See above."""

    @property
    def coded(self) -> Raster:
        """The coded image."""

    def restored(self, coded: Samples) -> Samples:
        """The samples (h, w, C) of a part of the image whose coded samples (h, w, c) are given.

        Raises:
            FormatError: a coded sample stands for nothing.
        """

    def content(self) -> bytes:
        """What the section holds, before it is deflated."""


class How(IntEnum):
    """Where the samples of a channel come from: coded ones, their ranks, another channel, nowhere."""

    CODED = 0
    RANKS = 1
    COPY = 2
    CONSTANT = 3


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of the image.

    Attributes:
        how: see `How`.
        values: that occur, ascending, if it is coded as their ranks.
        number: the channel that it repeats, one before it; or its only value.
    """

    how: How
    values: tuple[int, ...] = ()
    number: int = 0

    @property
    def is_coded(self) -> bool:
        """Whether it has a channel of the coded image."""
        return self.how in (How.CODED, How.RANKS)


@dataclass(frozen=True)
class ChannelMapping:
    """Each channel by itself.

    Raises:
        FormatError: a channel is not as FORMAT.md says, or none is coded.
    """

    image: Raster
    each: tuple[Channel, ...]

    def __post_init__(self) -> None:
        check_range("coded channels", sum(channel.is_coded for channel in self.each), 1, 4)
        for number, channel in enumerate(self.each):
            if channel.how is How.COPY:
                check_range("channel that is repeated", channel.number, 0, number - 1)

    @property
    def coded(self) -> Raster:
        """See `Mapping`."""
        depths = [self._bit_depth(channel) for channel in self.each if channel.is_coded]
        return replace(self.image, channels=len(depths), bit_depth=max(depths))

    def restored(self, coded: Samples) -> Samples:
        """See `Mapping`."""
        dtype = self.image.dtype.newbyteorder("=")
        found = np.empty((*coded.shape[:2], len(self.each)), dtype)
        place = 0
        for number, channel in enumerate(self.each):
            if channel.how is How.COPY:
                found[..., number] = found[..., channel.number]
            elif channel.how is How.CONSTANT:
                found[..., number] = channel.number
            elif channel.how is How.RANKS:
                found[..., number] = _looked_up(np.array(channel.values, dtype), coded[..., place])
            else:
                _check_samples(coded[..., place], 1 << self.image.bit_depth)
                found[..., number] = coded[..., place]
            place += channel.is_coded
        return found

    def content(self) -> bytes:
        """See `Mapping`."""
        numbers = [_CHANNELS]
        for channel in self.each:
            numbers.append(channel.how)
            if channel.how is How.RANKS:
                gaps = np.diff(channel.values, prepend=0).tolist()
                numbers += [len(channel.values), *gaps]
            elif channel.how is not How.CODED:
                numbers.append(channel.number)
        return b"".join(map(write_varint, numbers))

    def _bit_depth(self, channel: Channel) -> int:
        if channel.how is How.CODED:
            return self.image.bit_depth
        return max(1, (len(channel.values) - 1).bit_length())


@dataclass(frozen=True)
class ColourMapping:
    """Pixels are numbers of colours.

    Attributes:
        image: see `Mapping`.
        colours: the samples of each, as a tuple of tuples (N, C).

    Raises:
        FormatError: there are too many of them.
    """

    image: Raster
    colours: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        check_range("colours", len(self.colours), 1, MOST_COLOURS)

    @property
    def coded(self) -> Raster:
        """See `Mapping`."""
        return replace(self.image, channels=1, bit_depth=max(1, (len(self.colours) - 1).bit_length()))

    def restored(self, coded: Samples) -> Samples:
        """See `Mapping`."""
        return _looked_up(np.array(self.colours, self.image.dtype.newbyteorder("=")), coded[..., 0])

    def content(self) -> bytes:
        """See `Mapping`."""
        start = write_varint(_COLOURS) + write_varint(len(self.colours))
        planes = np.array(self.colours, self.image.dtype.newbyteorder("=")).T
        return start + np.diff(planes, prepend=planes.dtype.type(0)).astype(self.image.dtype).tobytes()


_CHANNELS, _COLOURS = 1, 2


def pack_mapping(mapping: Mapping | None) -> bytes:
    """The payload of its section; nothing for no mapping."""
    return b"" if mapping is None else deflated(mapping.content())


def unpack_mapping(payload: bytes, image: Raster) -> Mapping:
    """The mapping of a payload.

    Raises:
        FormatError: it is not as FORMAT.md says.
    """
    data = inflated(payload)
    form, at = read_number(data, 0)
    check_range("form of the mapping", form, _CHANNELS, _COLOURS)
    mapping: Mapping
    if form == _COLOURS:
        mapping, at = _read_colours(data, at, image)
    else:
        mapping, at = _read_channels(data, at, image)
    check_range("bytes after the mapping", len(data) - at, 0, 0)
    return mapping


def _read_colours(data: bytes, at: int, image: Raster) -> tuple[ColourMapping, int]:
    count, at = read_number(data, at)
    check_range("colours", count, 1, MOST_COLOURS)
    size = count * image.channels * image.dtype.itemsize
    check_range("bytes of the colours", len(data) - at, size, size)
    apart = np.frombuffer(data, image.dtype, offset=at).reshape(image.channels, count)
    planes = np.add.accumulate(apart, axis=1, dtype=image.dtype)
    _check_samples(planes, 1 << image.bit_depth)
    return ColourMapping(image, tuple(map(tuple, planes.T.tolist()))), at + size


def _read_channels(data: bytes, at: int, image: Raster) -> tuple[ChannelMapping, int]:
    found = []
    for _ in range(image.channels):
        how, at = read_number(data, at)
        check_range("how a channel comes about", how, min(How), max(How))
        values, number = [], 0
        if how == How.RANKS:
            count, at = read_number(data, at)
            check_range("values of a channel", count, 1, 1 << image.bit_depth)
            last = 0
            for place in range(count):
                gap, at = read_number(data, at)
                last += gap
                check_range("value of a channel", last if gap or not place else -1, 0, 2**image.bit_depth - 1)
                values.append(last)
        elif how != How.CODED:
            number, at = read_number(data, at)
            if how == How.CONSTANT:
                check_range("constant", number, 0, 2**image.bit_depth - 1)
        found.append(Channel(How(how), tuple(values), number))
    return ChannelMapping(image, tuple(found)), at


def _looked_up(table: Samples, ranks: Samples) -> Samples:
    _check_samples(ranks, len(table))
    return table[ranks]


def _check_samples(samples: Samples, limit: int) -> None:
    """Check that samples are below a limit."""
    if samples.size and (highest := int(samples.max())) >= limit:
        raise FormatError(
            f"a coded sample is {highest}, where less than {limit} belongs; {FRESH_COPY}",
            expected=range(limit),
            found=highest,
        )
