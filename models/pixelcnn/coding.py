"""The gated PixelCNN in integers: the mixtures of an image's pixels, front by front.

A pixel can be coded as soon as the row above is far enough ahead, so all pixels of one *front* are coded at
once: those whose column plus `slope` times the row is the same. An encoder, who knows all pixels, evaluates
the network once, and a decoder once for every front, where each feature map keeps what earlier fronts gave::

    row 0    0 1 2 3 4 5 6 7        the front of each pixel, with a slope of 3
    row 1    3 4 5 6 7 8 9 .
    row 2    6 7 8 9 . . . .
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.mixtures import Mixtures
from ppyr.errors import UnsupportedImageError
from ppyr.models.arithmetic import Exact
from ppyr.models.backends import Backend
from ppyr.models.features import ByteArray, Integers
from ppyr.models.grid import MEAN_BITS
from ppyr.models.integer import Layer
from ppyr.models.mixture import MixtureHead

from .compiled import CompiledWave, program
from .features import Positions, anchors, everywhere, look
from .network import PixelCnnConfig
from .wave import Wave

_Said = tuple[Positions, Positions, npt.NDArray[np.int16]]
"""Rows and columns (n,) of pixels, and what the head says of them (n, P)."""


class Front(NamedTuple):
    """Pixels of an image that are coded at once.

    Attributes:
        rows, columns: of the pixels, (n,).
        channels: in coding order.
        image: (h, w, C); of these pixels the channels before the one that is asked for must be known.
        head: how mixtures are said.
        said: by the head, (n, outputs).
        anchors: (n, planes), in 1/64 sample value.
        bits: of a sample.
    """

    rows: Positions
    columns: Positions
    channels: tuple[int, ...]
    image: ByteArray
    head: MixtureHead
    said: npt.NDArray[np.int16]
    anchors: Integers
    bits: int

    def distribution(self, channel: int) -> Mixtures:
        """The distributions of the samples of a channel."""
        pixels = self.image[self.rows, self.columns].astype(np.int32) << MEAN_BITS
        residuals = pixels - self.anchors[:, : len(self.channels)]
        return self.head.mixtures(channel, self.said, self.anchors, residuals, self.bits)


class PixelCnnCoder:
    """A gated PixelCNN on a backend.

    Args:
        config: its sizes.
        layers: by name.
        runner: the backend.
    """

    def __init__(self, config: PixelCnnConfig, layers: Mapping[str, Layer], runner: Backend) -> None:
        self.config, self._runner = config, runner
        self._arithmetic = Exact({name: runner.prepare(layer) for name, layer in layers.items()}, runner)
        self._program = program(config, layers) if runner.compiles else None

    def fronts(
        self, image: ByteArray, bits: int, given: ByteArray | None = None, *, known: bool
    ) -> Iterator[Front]:
        """All pixels of an image but the first, in coding order.

        Where they are known, those of an image of one channel are one front.

        Args:
            image: (h, w, C); its first pixel is known, and the others as soon as the next front is asked for.
            bits: of a sample.
            given: what the image is given with, (D,), or (h, w, D) where there is a map; None for nothing.
            known: whether all pixels are known.

        Raises:
            UnsupportedImageError: the network does not see so many channels.
        """
        height, width, channels = image.shape
        if channels not in (1, self.config.planes):
            raise UnsupportedImageError(
                f"the model codes images of {self.config.planes} channels, and this one has {channels}: "
                "choose another model",
                expected=self.config.planes,
                found=channels,
            )
        seen = np.repeat(image, self.config.planes // channels, axis=2)
        mapped = None if given is None else np.array(np.broadcast_to(given, (height, width, given.shape[-1])))
        if known:
            found = self._at_once(seen, bits, mapped, joined=channels == 1)
        else:
            found = self._in_turn(seen, image, bits, mapped)
        for rows, columns, said in found:
            guesses, order = anchors(seen, rows, columns), tuple(range(channels))
            yield Front(rows, columns, order, image, self.config.head, said, guesses, bits)

    def _at_once(
        self, seen: ByteArray, bits: int, given: ByteArray | None, *, joined: bool
    ) -> Iterator[_Said]:
        """The fronts of an image of which all pixels are known, as one if they are to be joined."""
        height, width, _ = seen.shape
        pixels = look(seen, *everywhere(height, width), bits).reshape(height, width, -1)
        there = None if given is None else self._runner.tensor(given)
        said = self.config.evaluate(self._arithmetic, self._runner.tensor(pixels), there)
        wide = self._runner.array(said)
        _, *steps = fronts(height, width, self.config.slope)
        if joined:
            rows, columns = (np.concatenate(parts) for parts in zip(*steps, strict=True))
            steps = [(rows, columns)]
        for rows, columns in steps:
            yield rows, columns, wide[rows, columns]

    def _in_turn(
        self, seen: ByteArray, image: ByteArray, bits: int, given: ByteArray | None
    ) -> Iterator[_Said]:
        """Front by front; after each its pixels are known."""
        height, width, _ = seen.shape
        wave: CompiledWave | Wave
        if self._program:
            wave = CompiledWave(self.config, self._program, height, width, given)
        else:
            wave = Wave(self.config, self._arithmetic, self._runner, height, width, given)
        for places in fronts(height, width, self.config.slope, self.config.ahead[0]):
            said = wave.evaluate(*places)
            inside = places[1] >= 0
            rows, columns = (place[inside] for place in places)
            if rows.any() or columns.any():
                yield rows, columns, said[inside]
            seen[rows, columns] = image[rows, columns]
            wave.put(look(seen, rows, columns, bits), rows, columns)


def fronts(height: int, width: int, slope: int, ahead: int = 0) -> Iterator[tuple[Positions, Positions]]:
    """Rows and columns of the pixels of each front, in order; a row begins with the column -ahead."""
    for number in range(-ahead, width + slope * (height - 1)):
        first, last = max(0, -(-(number - width + 1) // slope)), min(height - 1, (number + ahead) // slope)
        rows = np.arange(first, last + 1, dtype=np.int64)
        if len(rows):
            yield rows, number - slope * rows
