"""Which mappings from a smaller coded image an image can have, by what occurs in it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.mapping import (
    MOST_COLOURS,
    Channel,
    ChannelMapping,
    ColourMapping,
    How,
    Mapping,
    pack_mapping,
)
from ppyr.bitstream.raster import Raster, Samples

#: Least bits a sample that ranks in place of values have to promise.
_WORTH = 0.05
#: Least share of pixels that repeat a neighbour where LZMA is tried: of a photograph it is a few percent.
REPETITION = 0.1
#: Of at least so many rows, every so many-th is looked at for repetition; and of what part of the rows and
#: columns a channel whose values are dense is told.
_MANY, _ROWS, _SPARSE = 256, 4, 8
#: Samples that are looked at in one go, and before all others for more colours than a mapping has.
_PART, _FEW = 1 << 20, 1 << 12


def mappings(image: Samples, raster: Raster) -> list[Mapping | None]:
    """The mappings to try, None for none; each gives back every sample of the image (H, W, C)."""
    found = [_by_channel(image, raster, ranks=True)]
    if is_repetitive(image):  # where LZMA may win, to which ranks are no better than values
        unranked = _by_channel(image, raster, ranks=False)
        found += [unranked] if unranked != found[0] else []
    by_colour = _by_colour(image, raster) if raster.channels > 1 else None
    return [*found, by_colour] if by_colour is not None else found


def is_repetitive(samples: Samples) -> bool:
    """Whether many pixels of (h, w, c) equal the one to the left or the one above, so that LZMA may pay."""
    from ppyr.bitstream.neighbours import repeats

    step = 1 if len(samples) < _MANY else _ROWS
    pixels = len(range(0, len(samples), step)) * samples.shape[1]
    contiguous = samples if samples.flags.c_contiguous else samples.copy()
    return bool(repeats(contiguous, step) >= REPETITION * pixels)


def coded(image: Samples, mapping: Mapping | None) -> Samples:
    """The coded image (H, W, c) of an image (H, W, C); the reverse of `Mapping.restored`."""
    if isinstance(mapping, ColourMapping):
        keys = _keys(np.array(mapping.colours, np.uint16))
        found = np.concatenate([np.searchsorted(keys, _keys(part)) for part in _parts(image)])
        return found.astype(np.uint8).reshape(*image.shape[:2], 1)
    if not isinstance(mapping, ChannelMapping):
        return image
    made = np.empty((*image.shape[:2], mapping.coded.channels), mapping.coded.dtype.newbyteorder("="))
    sources = [(number, channel) for number, channel in enumerate(mapping.each) if channel.is_coded]
    for place, (number, channel) in enumerate(sources):
        if channel.how is How.RANKS:
            ranks = np.zeros(max(channel.values) + 1, made.dtype)
            ranks[list(channel.values)] = np.arange(len(channel.values))
            made[..., place] = ranks[image[..., number]]
        else:
            made[..., place] = image[..., number]
    return made


def _by_channel(image: Samples, raster: Raster, *, ranks: bool) -> Mapping | None:
    """Channels that repeat another one or never change left out, sparse values ranked if asked for."""
    each: list[Channel] = []
    for number in range(raster.channels):
        plane = image[..., number]
        same = next((other for other in range(number) if _are_equal(image, other, number)), None)
        if same is not None:
            each.append(Channel(How.COPY, number=same))
        elif _is_dense(plane[::_SPARSE, ::_SPARSE], raster.bit_depth):
            each.append(Channel(How.CODED))
        else:
            each.append(_by_values(plane, raster, ranks=ranks))
    if not any(channel.is_coded for channel in each):
        each[0] = Channel(How.CODED)
    mapping = ChannelMapping(raster, tuple(each))
    return mapping if any(channel.how is not How.CODED for channel in each) else None


def _by_values(plane: Samples, raster: Raster, *, ranks: bool) -> Channel:
    """A channel left out if it has one value, or ranked if asked for and worth it."""
    counts = _counts(plane, raster.bit_depth)
    values = np.flatnonzero(counts)
    if len(values) == 1:
        return Channel(How.CONSTANT, number=int(values[0]))
    return _ranked(values, counts, raster) if ranks else Channel(How.CODED)


def _is_dense(some: Samples, bit_depth: int) -> bool:
    """Whether so many values occur in some pixels of a channel that ranks can not be worth it for all."""
    values = np.flatnonzero(_counts(some, bit_depth))
    return bool(len(values) > 1 and np.log2((values[-1] - values[0] + 1) / len(values)) < _WORTH)


def _ranked(values: npt.NDArray[np.intp], counts: npt.NDArray[np.int64], raster: Raster) -> Channel:
    """A channel as ranks, if they promise more than the list of its values costs.

    Where every d-th value occurs, a rank has log2(d) bits less than a value.
    """
    ranked = Channel(How.RANKS, tuple(values.tolist()))
    spacing = np.gradient(values.astype(np.float64))
    gain = float((counts[values] * np.log2(spacing)).sum())
    alone = Raster(raster.width, raster.height, 1, raster.bit_depth)
    cost = 8 * len(pack_mapping(ChannelMapping(alone, (ranked,))))
    return ranked if gain > max(2 * cost, _WORTH * counts.sum()) else Channel(How.CODED)


def _by_colour(image: Samples, raster: Raster) -> Mapping | None:
    """Pixels as numbers of colours, where there are few of these."""
    pixels = image.reshape(-1, raster.channels)
    found = np.unique(_keys(pixels[:: max(1, len(pixels) // _FEW)]))
    for part in _parts(image):
        if len(found) > MOST_COLOURS:
            return None
        found = np.union1d(found, _keys(part))
    if len(found) > MOST_COLOURS:
        return None
    places = np.arange(raster.channels - 1, -1, -1, dtype=np.uint64) << np.uint64(4)
    colours = found[:, None] >> places & np.uint64(0xFFFF)
    mapping = ColourMapping(raster, tuple(map(tuple, colours.tolist())))
    return mapping if len(pack_mapping(mapping)) < image.nbytes // 4 else None


def _keys(pixels: Samples) -> npt.NDArray[np.uint64]:
    """One number for each pixel of (n, C), in the order of the samples."""
    keys = np.zeros(len(pixels), np.uint64)
    for channel in range(pixels.shape[1]):
        keys = keys << np.uint64(16) | pixels[:, channel]
    return keys


def _counts(plane: Samples, bit_depth: int) -> npt.NDArray[np.int64]:
    """How often each value occurs in (H, W)."""
    counts = np.zeros(1 << bit_depth, np.int64)
    for part in _bands(plane):
        counts += np.bincount(part.ravel(), minlength=len(counts))
    return counts


def _are_equal(image: Samples, one: int, other: int) -> bool:
    """Whether two channels of (H, W, C) are the same."""
    return all(np.array_equal(part[..., one], part[..., other]) for part in _bands(image))


def _parts(image: Samples) -> Iterator[Samples]:
    """The pixels (n, C) of an image, some rows at a time."""
    for part in _bands(image):
        yield part.reshape(-1, image.shape[2])


def _bands(image: Samples) -> Iterator[Samples]:
    """Some rows of an image at a time."""
    rows = max(1, _PART // image.shape[1])
    for top in range(0, len(image), rows):
        yield image[top : top + rows]
