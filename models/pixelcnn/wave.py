"""Fronts of a gated PixelCNN, each on the layers of a backend: what layers see of earlier fronts is kept."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ppyr.models.arithmetic import Exact, Offsets
from ppyr.models.backends import Backend, Tensor
from ppyr.models.features import ZERO_POINT, ByteArray

from .features import Positions, everywhere
from .network import PixelCnnConfig


class Kept:
    """A feature map that fills up, front by front; zeros beyond its edges, so far as a layer sees."""

    def __init__(self, height: int, width: int, channels: int, edge: int) -> None:
        self._width, self._edge = width, edge
        self._values = np.full((height + 2 * edge, width + 2 * edge, channels), ZERO_POINT, np.uint8)

    def put(self, values: ByteArray, rows: Positions, columns: Positions) -> None:
        """Enter the values (n, C) of pixels, as far as they are in the map."""
        inside = (columns >= 0) & (columns < self._width)
        self._values[rows[inside] + self._edge, columns[inside] + self._edge] = values[inside]

    def taps(self, offsets: Offsets, rows: Positions, columns: Positions) -> ByteArray:
        """See `Arithmetic`; (n, C * offsets), anything for pixels that are not in the map."""
        down, across = np.array(offsets).T
        columns = columns.clip(0, self._width - 1)[:, np.newaxis] + self._edge
        found: ByteArray = self._values[rows[:, np.newaxis] + self._edge + down, columns + across]
        return found.reshape(len(rows), -1)


class Part(NamedTuple):
    """Features (1, n, C) of the pixels that are so many columns ahead of those of a front."""

    tensor: Tensor
    ahead: int


class Wave:
    """Evaluates a network front by front; an arithmetic of the pixels of one front.

    Args:
        config: the network's sizes.
        exact: what the pixels of a front are computed with.
        runner: the backend.
        height: of the image.
        width: of the image.
        given: what each pixel is given with, (h, w, D), None for nothing.
    """

    def __init__(
        self,
        config: PixelCnnConfig,
        exact: Exact,
        runner: Backend,
        height: int,
        width: int,
        given: ByteArray | None,
    ) -> None:
        self._config, self._exact, self._runner, self._size = config, exact, runner, (height, width)
        self._pixels = self._empty(config.features)
        self._given = None if given is None else self._filled(given)
        #: Maps in the order in which an evaluation meets them.
        self._maps: list[Kept] = []
        self._next = 0
        self._rows = self._columns = np.zeros(0, np.int64)

    def put(self, seen: ByteArray, rows: Positions, columns: Positions) -> None:
        """See `CompiledWave`."""
        self._pixels.put(seen, rows, columns)

    def evaluate(self, rows: Positions, columns: Positions) -> npt.NDArray[np.int16]:
        """See `CompiledWave`."""
        self._next, self._rows, self._columns = 0, rows, columns
        arithmetic: Any = self  # what it takes, maps that are kept, is not what it gives
        said: Part = self._config.evaluate(arithmetic, self._pixels, self._given)
        wide: npt.NDArray[np.int16] = self._runner.array(said.tensor)[0]
        return wide

    def _empty(self, channels: int) -> Kept:
        return Kept(*self._size, channels, self._config.edge)

    def _filled(self, values: ByteArray) -> Kept:
        """A map (h, w, C) that is known."""
        found = self._empty(values.shape[2])
        rows, columns = everywhere(*self._size)
        found.put(values.reshape(len(rows), -1), rows, columns)
        return found

    def taps(self, x: Part | Kept, offsets: Offsets, ahead: int = 0) -> Part:
        """See `Arithmetic`."""
        kept = x if isinstance(x, Kept) else self._keep(x)
        found = kept.taps(offsets, self._rows, self._columns + ahead)
        return Part(self._runner.tensor(found[np.newaxis]), ahead)

    def _keep(self, x: Part) -> Kept:
        values = self._runner.array(x.tensor)[0].astype(np.uint8)
        if self._next == len(self._maps):
            self._maps.append(self._empty(values.shape[1]))
        kept = self._maps[self._next]
        self._next += 1
        kept.put(values, self._rows, self._columns + x.ahead)
        return kept

    def layer(self, name: str, x: Part, skip: Part | None = None) -> Part:
        """See `Arithmetic`."""
        return Part(self._exact.layer(name, x.tensor, skip and skip.tensor), x.ahead)

    def concatenate(self, *parts: Part) -> Part:
        """See `Arithmetic`."""
        return Part(self._exact.concatenate(*(part.tensor for part in parts)), parts[0].ahead)

    def gate(self, x: Part) -> Part:
        """See `Arithmetic`."""
        return Part(self._exact.gate(x.tensor), x.ahead)
