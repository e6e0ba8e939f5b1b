"""An image as what is coded apart: tiles, and of each tile its colours and its alpha.

Every such *unit* has a pyramid of its own, so memory is bounded by a tile, and a part of an image needs only
its tiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.container import DIGEST_SIZE, Header, Layout, Scaling, pixel_digest
from ppyr.bitstream.mapping import Mapping
from ppyr.bitstream.plain import Method, pack_plain, quick_size, stored_size
from ppyr.bitstream.raster import SHALLOW, Raster, Samples
from ppyr.errors import UnsupportedImageError
from ppyr.mappings import coded, is_repetitive, mappings
from ppyr.models.depth import BYTES, Depth

#: Binary logarithm of the side of the tiles of a large image, and of the largest image that is one tile. A
#: tile takes some hundred bytes of memory for each pixel while it is coded.
TILE_BITS, WHOLE_BITS = 9, 10
_LZMA = (Method.LZMA, Method.LZMA_UP, Method.LZMA_NEIGHBOURS)
#: Quick size over that of a model up to which LZMA is worth its time. Most photographs are above 1.6.
_PROMISING = 1.3
#: Mean distance from what neighbours foretell that a grey level of a model is made for.
TYPICAL_RESIDUAL = 3.0


@dataclass(frozen=True, slots=True)
class Unit:
    """One component of one tile."""

    rows: slice
    columns: slice
    channels: slice

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the unit in an image of this size."""
        return len(range(height)[self.rows]), len(range(width)[self.columns])

    def of(self, image: Samples) -> Samples:
        """The unit's part (h, w, c) of an image (H, W, C), a view."""
        return image[self.rows, self.columns, self.channels]


class Picture:
    """An image as it is to be coded.

    Args:
        image: (H, W, C), see `checked`.
        header: of its file, but for model and information.
        mapping: from the samples that are coded; None to code those of the image.
        tile_bits: binary logarithm of a tile's side.
        modelled: whether every unit is to be coded by a model, however small it were without.

    Attributes:
        samples: the coded image (H, W, c).
        coded: its size and samples.
        units: what is coded apart.
        scaling: of wide samples.
        is_graphic: whether `plain` found a unit for which LZMA is about as good as a model.
    """

    def __init__(
        self,
        image: Samples,
        header: Header,
        mapping: Mapping | None,
        tile_bits: int,
        *,
        modelled: bool = False,
    ) -> None:
        self.header, self.mapping, self.tile_bits = header, mapping, tile_bits
        self.samples = coded(image, mapping)
        self.coded = header.raster if mapping is None else mapping.coded
        self.units = units(self.coded, tile_bits)
        levels = Layout(self.coded, tile_bits).level_count
        self.scaling = scaling_of(self.samples, levels) if self.coded.bit_depth > SHALLOW else None
        self._modelled = modelled
        self.is_graphic = False
        self._plain: dict[int, tuple[Method, bytes]] = {}

    @classmethod
    def of(
        cls, image: npt.NDArray[np.generic], bit_depth: int | None = None, tile_bits: int | None = None
    ) -> Picture:
        """An image whose own samples are coded, all by a model.

        Args:
            image: (H, W) or (H, W, C), uint8 or uint16; C of 1 to 4 is gray, gray and alpha, RGB, RGBA.
            bit_depth: of the samples; by default all bits of their type.
            tile_bits: binary logarithm of a tile's side; by default the whole of an image that is not large.

        Raises:
            UnsupportedImageError: the array is no such image.
        """
        samples, header, tile_bits = _headed(image, bit_depth, tile_bits)
        return cls(samples, header, None, tile_bits, modelled=True)

    @classmethod
    def all_of(
        cls, image: npt.NDArray[np.generic], bit_depth: int | None = None, tile_bits: int | None = None
    ) -> Iterator[Picture]:
        """The ways to code an image of which the best one can not be told beforehand.

        Args and errors as of `of`.
        """
        samples, header, tile_bits = _headed(image, bit_depth, tile_bits)
        for mapping in mappings(samples, header.raster):
            yield cls(samples, header, mapping, tile_bits)

    @property
    def colours(self) -> npt.NDArray[np.uint8]:
        """The coded image without alpha, of at most 8 bits, (H, W, 1) or (H, W, 3)."""
        return self.samples[..., self.units[0].channels].astype(np.uint8, copy=False)

    def is_constant(self, unit: Unit) -> bool:
        """Whether all pixels of a unit are the same, and need no model."""
        samples = unit.of(self.samples)
        return not self._modelled and bool((samples == samples[0, 0]).all())

    def plain(self, number: int, modelled: int) -> tuple[Method, bytes] | None:
        """The smallest stream of a unit that needs no model, and its method.

        None if it is to have a model, or can not be smaller than the `modelled` bytes that one takes.
        """
        if self._modelled:
            return None
        if number in self._plain:
            return self._plain[number]
        unit, depth = self.units[number], self.coded.bit_depth
        if self.is_constant(unit):
            return Method.CONSTANT, b""
        samples = unit.of(self.samples)
        methods = [Method.STORED] if stored_size(samples, depth) <= modelled else []
        if is_repetitive(samples) and quick_size(samples) <= _PROMISING * modelled:
            self.is_graphic = True
            methods += _LZMA
        if not methods:
            return None
        packed = [(method, pack_plain(samples, method, depth)) for method in methods]
        found = min(packed, key=lambda one: len(one[1]))
        if len(methods) > 1:
            self._plain[number] = found
        return found


def _headed(
    image: npt.NDArray[np.generic], bit_depth: int | None, tile_bits: int | None
) -> tuple[Samples, Header, int]:
    """An image, checked, as (H, W, C), the header of its file, and the size of its tiles."""
    samples, depth = checked(image, bit_depth)
    height, width, channels = samples.shape
    if tile_bits is None:
        tile_bits = TILE_BITS if max(height, width) > 1 << WHOLE_BITS else WHOLE_BITS
    digest = pixel_digest(samples)
    return samples, Header(width, height, channels, depth, bytes(DIGEST_SIZE), digest, 0), tile_bits


def units(coded: Raster, tile_bits: int) -> tuple[Unit, ...]:
    """The units of a coded image in the order of their streams."""
    side = 1 << tile_bits
    alpha = coded.channels - coded.components + 1
    parts = (slice(0, alpha), slice(alpha, coded.channels))[: coded.components]
    rows, columns = Layout(coded, tile_bits).tiles
    return tuple(
        Unit(slice(y * side, (y + 1) * side), slice(x * side, (x + 1) * side), part)
        for y in range(rows)
        for x in range(columns)
        for part in parts
    )


def checked(image: npt.NDArray[np.generic], bit_depth: int | None) -> tuple[Samples, int]:
    """The image as (H, W, C), and its bit depth.

    Raises:
        UnsupportedImageError: it is no image of 1 to 4 channels of uint8 or uint16, or has larger samples
            than `bit_depth` says.
    """
    if image.dtype not in (np.uint8, np.uint16):
        raise UnsupportedImageError(
            f"samples of {image.dtype} can not be kept: give uint8, or uint16 for more than 8 bits",
            found=str(image.dtype),
        )
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or not 1 <= image.shape[2] <= 4 or 0 in image.shape:
        raise UnsupportedImageError(
            f"an array of shape {image.shape} is no image: give (H, W) or (H, W, C), C of 1 to 4 for gray, "
            "gray and alpha, RGB, RGBA",
            found=image.shape,
        )
    whole = 8 * image.dtype.itemsize
    depth = whole if bit_depth is None else bit_depth
    if not whole - 7 <= depth <= whole:
        raise UnsupportedImageError(
            f"{depth} bits a sample do not go with {image.dtype}: uint8 has 1 to 8, uint16 has 9 to 16",
            expected=range(whole - 7, whole + 1),
            found=depth,
        )
    if depth < whole and (highest := int(image.max())) >> depth:
        raise UnsupportedImageError(
            f"a sample of {highest} does not fit in {depth} bits: give the image's true bit depth",
            expected=range(1 << depth),
            found=highest,
        )
    return np.ascontiguousarray(image), depth


def scaling_of(image: Samples, level_count: int) -> Scaling:
    """How an image (H, W, C) of uint16 is shown to a model: as quiet as images of 8 bits are."""
    used = max(SHALLOW, int(image.max()).bit_length())
    found = []
    for factor in range(level_count // 2):
        some = image[:: 1 << factor, :: 1 << factor].astype(np.int32)
        apart = abs(2 * some[1:-1:2] - some[:-2:2] - some[2::2]) / 2
        mean = float(np.minimum(apart, 8 * np.median(apart) + 1).mean()) if apart.size else 0.0
        unit = round(np.log2(max(mean, 1) / TYPICAL_RESIDUAL))
        found.append(min(max(unit, 0), used - SHALLOW))
    return Scaling(used, tuple(found[::-1]))


def depth_of(scaling: Scaling | None) -> Depth:
    """The same for a predictor."""
    return Depth(scaling.used_bits, scaling.units) if scaling else BYTES
