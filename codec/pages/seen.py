"""What the page of a file shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ppyr.about import Info, info
from ppyr.bitstream.container import Container, Kind, Section, sections, unpack
from ppyr.bitstream.mapping import ChannelMapping, ColourMapping
from ppyr.costs import Costs, costs

from .pictures import shown

_NAMES = {
    1: ("Gray",),
    2: ("Gray", "Alpha"),
    3: ("Red", "Green", "Blue"),
    4: ("Red", "Green", "Blue", "Alpha"),
}


@dataclass(frozen=True)
class Seen:
    """A file, decoded and verified.

    Attributes:
        name: of the file.
        data: the file.
        about: see `ppyr.info`.
        parts: the file taken apart.
        costs: what its samples cost.
        pixels: as they are to be looked at, (H, W, C).
    """

    name: str
    data: bytes
    about: Info
    parts: Container
    costs: Costs
    pixels: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, data: bytes, name: str, backend: str, max_pixels: int | None) -> Seen:
        """The whole file; see `inspection`."""
        parts, spent = unpack(data), costs(data, backend=backend, max_pixels=max_pixels)
        pixels = shown(spent.image, parts.header.bit_depth, parts.metadata)
        return cls(name, data, info(data), parts, spent, pixels)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels of the coded image."""
        mapping, names = self.parts.mapping, self.names
        if isinstance(mapping, ColourMapping):
            return ("Number of the colour",)
        if isinstance(mapping, ChannelMapping):
            return tuple(name for name, one in zip(names, mapping.each, strict=True) if one.is_coded)
        return names

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the channels of the image."""
        return ("Number in the palette",) if self.parts.metadata.palette else _NAMES[self.about.channels]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Classes of the colours of the channels of the coded image."""
        return tuple(name.lower().partition(" ")[0] for name in self.channels)

    @property
    def has_symbols(self) -> bool:
        """Whether a model codes a sample."""
        return bool(self.costs.samples.any())

    @cached_property
    def sections(self) -> list[Section]:
        """All sections in order."""
        return list(sections(self.data))

    @cached_property
    def ends(self) -> list[int]:
        """Offsets up to which there are the first pixels, and then each level, coarse to fine."""
        stops = iter([one.stop for one in self.sections if one.kind == Kind.LEVEL])
        found = [one.stop for one in self.sections if one.kind == Kind.COARSEST]
        for sizes in self.parts.index.streams:
            found.append(next(stops) if any(sizes) else found[-1])
        return found
