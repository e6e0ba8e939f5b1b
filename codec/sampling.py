"""Images that a model draws: from nothing, or from the coarse levels of a file on.

To draw is to walk as a decoder does, with samples at random in place of those of a stream.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.mixtures import Mixtures, frequencies
from ppyr.bitstream.raster import Samples
from ppyr.bitstream.tables import TableSet
from ppyr.models.family import Distributions

#: Samples that are drawn at once: each takes some kilobytes.
_AT_ONCE = 1 << 12


class Sampler:
    """Draws what a `symbols.Reader` would read.

    Args:
        tables: the model's shared tables, None if it has none.
        rng: makes all choices.
        temperature: probabilities are taken to the power of 1 / temperature; 0 takes the likeliest.
    """

    def __init__(self, tables: TableSet | None, rng: np.random.Generator, temperature: float) -> None:
        self._tables, self._rng, self._temperature = tables, rng, temperature

    def code(self, values: Samples, coarse: Samples, found: Distributions) -> None:
        """See `symbols.Coder`."""
        drawn = np.empty(values.size, np.uint8)
        for first in range(0, values.size, _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            drawn[part] = self._draw(self._rows(found, part))
        samples = drawn.reshape(values.shape)
        if not isinstance(found, Mixtures):
            samples = samples + found.centres.astype(np.uint8).reshape(values.shape)
        values[...] = samples - coarse

    def end_level(self) -> None:
        """See `symbols.Coder`."""

    def _rows(self, found: Distributions, part: slice) -> npt.NDArray[np.uint32]:
        """The frequencies of some of the samples."""
        if isinstance(found, Mixtures):
            return frequencies(found.part(part))
        if self._tables is None:
            raise TypeError("a model without tables says mixtures")
        return self._tables.rows(found.tables.ravel()[part], found.centres.astype(np.uint8).ravel()[part])

    def _draw(self, rows: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
        """A symbol of every row of frequencies."""
        if self._temperature == 0:
            return rows.argmax(1).astype(np.uint8)
        masses = np.cumsum((rows / rows.max(1, keepdims=True)) ** (1 / self._temperature), 1)
        quantiles = self._rng.random((len(rows), 1)) * masses[:, -1:]
        return (masses <= quantiles).sum(1).clip(max=rows.shape[1] - 1).astype(np.uint8)
