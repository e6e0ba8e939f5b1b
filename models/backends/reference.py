"""The definition of the integer layer: NumPy, int64, no floating point."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ppyr.models.integer import Layer, round_half_even

Integers = npt.NDArray[np.int64]


class Reference:
    """The backend; its tensors are int64 arrays (h, w, C)."""

    name = "reference"
    threaded = False

    def prepare(self, layer: Layer) -> Layer:
        """See `Backend`."""
        return layer

    def tensor(self, array: npt.NDArray[np.uint8]) -> Integers:
        """See `Backend`."""
        return array.astype(np.int64)

    def sublattice(self, x: Integers, row: int, column: int) -> Integers:
        """See `Backend`."""
        return x[row::2, column::2]

    def run(self, prepared: Layer, x: Integers, skip: Integers | None = None) -> Integers:
        """See `Backend`."""
        size = prepared.weight.shape[-1]
        height, width, _ = x.shape
        weight = prepared.weight.astype(np.int64)
        padded = np.pad(x - prepared.zero_point, ((size // 2,) * 2, (size // 2,) * 2, (0, 0)))
        acc = np.zeros((height, width, len(weight)), np.int64) + prepared.bias
        for i in range(size):
            for j in range(size):
                acc += padded[i : i + height, j : j + width] @ weight[:, :, i, j].T
        shift = prepared.shift.astype(np.int64)
        if skip is not None:
            acc += skip << shift
        return np.clip(round_half_even(acc, shift), *prepared.limits)

    def array(self, tensor: Integers) -> npt.NDArray[np.int16]:
        """See `Backend`."""
        return tensor.astype(np.int16)
