"""The definition of the integer layer: NumPy, int64, no floating point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ppyr.models.features import ZERO_POINT
from ppyr.models.gates import FORGET_SHIFT, GATE_SHIFT, SIGMOID, STATE_SHIFT, STATE_TANH, TANH, Table
from ppyr.models.integer import Layer, round_half_even

Integers = npt.NDArray[np.int64]


class Reference:
    """The backend; its tensors are int64 arrays (h, w, C)."""

    name = "reference"
    threaded = False
    compiles = False

    def prepare(self, layer: Layer) -> Layer:
        """See `Backend`."""
        return layer

    def tensor(self, array: npt.NDArray[np.uint8]) -> Integers:
        """See `Backend`."""
        return array.astype(np.int64)

    def sublattice(self, x: Integers, row: int, column: int, step: int = 2) -> Integers:
        """See `Backend`."""
        return x[row::step, column::step]

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

    def concatenate(self, parts: Sequence[Integers]) -> Integers:
        """See `Backend`."""
        return np.concatenate(parts, axis=2)

    def pool(self, x: Integers) -> Integers:
        """See `Backend`."""
        height, width, channels = x.shape
        largest: Integers = x.reshape(height // 2, 2, width // 2, 2, channels).max((1, 3))
        return largest

    def enlarge(self, x: Integers) -> Integers:
        """See `Backend`."""
        return x.repeat(2, 0).repeat(2, 1)

    def gate(self, x: Integers) -> Integers:
        """See `Backend`."""
        a, b = np.split(x, 2, axis=2)
        return _gated(TANH[a], SIGMOID[b])

    def cell(self, x: Integers, state: Integers) -> tuple[Integers, Integers]:
        """See `Backend`."""
        into, keep, out, candidate = np.split(x, 4, axis=2)
        kept = SIGMOID[keep].astype(np.int64) * (state - ZERO_POINT) << FORGET_SHIFT
        sums = kept + SIGMOID[into].astype(np.int64) * TANH[candidate]
        state = _byte(sums, STATE_SHIFT)
        return _gated(STATE_TANH[state], SIGMOID[out]), state

    def array(self, tensor: Integers) -> npt.NDArray[np.int16]:
        """See `Backend`."""
        return tensor.astype(np.int16)


def _gated(tanh: Table, sigmoid: Table) -> Integers:
    return _byte(tanh.astype(np.int64) * sigmoid, GATE_SHIFT)


def _byte(value: Integers, shift: int) -> Integers:
    """Signed numbers, shifted with halves rounded upwards, as bytes with the zero point."""
    rounded: Integers = np.clip((value + (1 << shift >> 1) >> shift) + ZERO_POINT, 0, 255)
    return rounded
