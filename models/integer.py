"""The exact integer layer.

A layer takes integers x, at most 255 in magnitude, and gives::

    acc = b + sum w x + 2^s skip                 x less its zero point, zero outside the image
    y   = clamp(round_half_even(acc / 2^s))      to 0..255, of a head to -2^15..2^15 - 1

with a shift s for every output channel. |w| <= 64, and |w| <= 1024 in 1x1 layers. Because
`255 sum|w| + |b| + 255 * 2^s < 2^24` holds for every channel (the last term where there is a skip), every
partial sum is an integer that float32 holds: a float32 convolution gives acc exactly, whatever order it adds
in. A layer that breaks the bound is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ppyr.errors import ModelError

#: Largest magnitude of a weight. 1x1 layers, the last ones before the tables, need finer steps.
WEIGHT_MAX = 64
WEIGHT_MAX_1X1 = 1024
ACTIVATION_MAX = 255
EXACT = 1 << 24
SHIFT_MAX = 16
#: What a head's output is clamped to; hidden layers clamp to 0..255.
HEAD_LIMIT = 1 << 15


@dataclass(frozen=True)
class Layer:
    """Integers of one convolution.

    Attributes:
        weight: (C_out, C_in, k, k), k 1 or 3: int8, |w| <= 64; of k = 1 int16, |w| <= 1024.
        bias: int32 (C_out,).
        shift: int8 (C_out,), at most 16; of a head also negative, to the left, from -16.
        zero_point: subtracted from the input, 0 or 128.
        skip: whether a skip input, 0..255, is added; never of a head.
        head: whether the output is wide and signed instead of a byte.
    """

    weight: npt.NDArray[np.int8 | np.int16]
    bias: npt.NDArray[np.int32]
    shift: npt.NDArray[np.int8]
    zero_point: int = 0
    skip: bool = False
    head: bool = False

    @property
    def limits(self) -> tuple[int, int]:
        """What the output is clamped to."""
        return (-HEAD_LIMIT, HEAD_LIMIT - 1) if self.head else (0, ACTIVATION_MAX)

    def check(self, name: str) -> None:
        """Refuse the layer unless every sum it can form is exact in float32.

        Raises:
            ModelError: a shape, a weight, a shift or the bound is out of range.
        """
        square = self.weight.ndim == 4 and self.weight.shape[2] == self.weight.shape[3]
        known = square and self.weight.shape[3] in (1, 3)
        if not known or not self.weight.shape[:1] == self.bias.shape == self.shift.shape:
            raise ModelError(
                f"layer {name} has weights {self.weight.shape}, biases {self.bias.shape} and shifts "
                f"{self.shift.shape}; export the model again",
                found=self.weight.shape,
            )
        if self.head and self.skip:
            raise ModelError(f"layer {name} is a head with a skip input: export the model again", found=True)
        weight = np.abs(self.weight.astype(np.int64))
        limit = weight_limit(weight.shape[-1])
        if weight.max(initial=0) > limit:
            raise ModelError(
                f"layer {name} has a weight of magnitude {weight.max()}; export the model with at most "
                f"{limit}",
                expected=limit,
                found=int(weight.max()),
            )
        low, high = (-SHIFT_MAX if self.head else 0), SHIFT_MAX
        shift = self.shift.astype(np.int64)
        if shift.min(initial=0) < low or shift.max(initial=0) > high:
            raise ModelError(
                f"layer {name} has shifts from {shift.min()} to {shift.max()}; export the model with {low} "
                f"to {high}",
                expected=(low, high),
                found=(int(shift.min()), int(shift.max())),
            )
        reach = ACTIVATION_MAX * weight.sum((1, 2, 3)) + np.abs(self.bias.astype(np.int64))
        if self.skip:
            reach += ACTIVATION_MAX << shift
        if reach.max(initial=0) >= EXACT:
            raise ModelError(
                f"layer {name} can reach {reach.max()}, and float32 counts exactly below 2^24; export the "
                "model with smaller weights",
                expected=EXACT - 1,
                found=int(reach.max()),
            )


def weight_limit(size: int) -> int:
    """Largest magnitude of the weights of a convolution of `size` x `size`."""
    return WEIGHT_MAX_1X1 if size == 1 else WEIGHT_MAX


def weight_type(size: int) -> type[np.int8] | type[np.int16]:
    """Type of the weights of a convolution of `size` x `size`."""
    return np.int16 if size == 1 else np.int8


def round_half_even(value: npt.NDArray[np.int64], shift: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Nearest integers to value / 2^shift, ties to the even one; a negative shift multiplies."""
    left, right = np.maximum(-shift, 0), np.maximum(shift, 0)
    value = value << left
    floor = value >> right
    twice_rest = (value - (floor << right)) << 1
    unit = np.int64(1) << right
    up: npt.NDArray[np.bool_] = (twice_rest > unit) | ((twice_rest == unit) & (floor & 1 == 1))
    return floor + up
