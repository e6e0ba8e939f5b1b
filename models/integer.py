"""The exact integer layer, and the backends that run it.

A layer takes integers x, at most 255 in magnitude, and gives::

    acc = b + sum w x + 2^s skip                 x less its zero point, zero outside the image
    y   = clamp(round_half_even(acc / 2^s))      to 0..255, of a head to -2^15..2^15 - 1

with a shift s for every output channel. |w| <= 64, and |w| <= 1024 in 1x1 layers. Because
`255 sum|w| + |b| + 255 * 2^s < 2^24` holds for every channel (the last term where there is a skip), every
partial sum is an integer that float32 holds: a float32 convolution gives acc exactly, whatever order it adds
in. A layer that breaks the bound is refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeAlias

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

Tensor: TypeAlias = Any
"""A backend's own array of integers, (C, h, w)."""


@dataclass(frozen=True)
class Layer:
    """Integers of one convolution.

    Attributes:
        weight: (C_out, C_in, k, k), k odd: int8, |w| <= 64; of k = 1 int16, |w| <= 1024.
        bias: int32 (C_out,).
        shift: int8 (C_out,), at most 16; of a head without a skip input also negative, to the left, from -16.
        zero_point: subtracted from the input, 0 or 128.
        skip: whether a skip input, 0..255, is added.
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
        odd = square and self.weight.shape[3] % 2 == 1
        if not odd or not self.weight.shape[:1] == self.bias.shape == self.shift.shape:
            raise ModelError(
                f"layer {name} has weights {self.weight.shape}, biases {self.bias.shape} and shifts "
                f"{self.shift.shape}; export the model again",
                found=self.weight.shape,
            )
        weight = np.abs(self.weight.astype(np.int64))
        limit = weight_limit(weight.shape[-1])
        if weight.max(initial=0) > limit:
            raise ModelError(
                f"layer {name} has a weight of magnitude {weight.max()}; export the model with at most "
                f"{limit}",
                expected=limit,
                found=int(weight.max()),
            )
        low, high = (-SHIFT_MAX if self.head and not self.skip else 0), SHIFT_MAX
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


class Backend(Protocol):
    """How integer layers are run; every backend gives the same integers."""

    name: str

    def prepare(self, layer: Layer) -> Any:
        """A layer in the form that `run` takes."""

    def tensor(self, array: npt.NDArray[np.uint8]) -> Tensor:
        """An array (C, h, w) as the backend's tensor."""

    def run(self, prepared: Any, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """One layer: x (C_in, h, w), skip (C_out, h, w) -> (C_out, h, w)."""

    def concatenate(self, tensors: list[Tensor]) -> Tensor:
        """Tensors of equal height and width, channels one after the other."""

    def array(self, tensor: Tensor) -> npt.NDArray[np.int32]:
        """A tensor as a NumPy array (C, h, w)."""


class _Reference:
    """The definition: NumPy, int64, no floating point."""

    name = "reference"

    def prepare(self, layer: Layer) -> Layer:
        return layer

    def tensor(self, array: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        return array.astype(np.int64)

    def run(
        self, prepared: Layer, x: npt.NDArray[np.int64], skip: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.int64]:
        size = prepared.weight.shape[-1]
        height, width = x.shape[1:]
        weight = prepared.weight.astype(np.int64)
        padded = np.pad(x - prepared.zero_point, ((0, 0), (size // 2,) * 2, (size // 2,) * 2))
        acc = np.zeros((len(weight), height, width), np.int64) + prepared.bias[:, None, None]
        for i in range(size):
            for j in range(size):
                acc += np.tensordot(weight[:, :, i, j], padded[:, i : i + height, j : j + width], 1)
        shift = prepared.shift.astype(np.int64)[:, None, None]
        if skip is not None:
            acc += skip << shift
        return np.clip(round_half_even(acc, shift), *prepared.limits)

    def concatenate(self, tensors: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
        return np.concatenate(tensors)

    def array(self, tensor: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        return tensor.astype(np.int32)


def round_half_even(value: npt.NDArray[np.int64], shift: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Nearest integers to value / 2^shift, ties to the even one; a negative shift multiplies."""
    left, right = np.maximum(-shift, 0), np.maximum(shift, 0)
    value = value << left
    floor = value >> right
    twice_rest = (value - (floor << right)) << 1
    unit = np.int64(1) << right
    up: npt.NDArray[np.bool_] = (twice_rest > unit) | ((twice_rest == unit) & (floor & 1 == 1))
    return floor + up


class _Torch:
    """PyTorch float32 convolutions on the CPU, exact by the bound that `Layer.check` proves."""

    name = "torch"

    def __init__(self) -> None:
        import torch

        precision = torch.get_float32_matmul_precision()
        if precision != "highest":
            raise ModelError(
                f"torch's float32 matmul precision is {precision!r} and may round: set it to 'highest'",
                expected="highest",
                found=precision,
            )
        # NNPACK's Winograd convolution is not exact. Its switch is global: a thread that put it back would do
        # so under the convolutions of the others.
        torch.backends.nnpack.set_flags(False)  # type: ignore[no-untyped-call]
        self._torch = torch

    def prepare(self, layer: Layer) -> tuple[Any, ...]:
        torch = self._torch
        weight = torch.from_numpy(layer.weight.astype(np.float32)).contiguous(
            memory_format=torch.channels_last
        )
        bias = torch.from_numpy(layer.bias.astype(np.float32))
        scale = torch.from_numpy(np.ldexp(np.float32(1), -layer.shift.astype(np.int32))).view(1, -1, 1, 1)
        return weight, bias, scale, layer.zero_point, layer.limits

    def tensor(self, array: npt.NDArray[np.uint8]) -> Any:
        torch = self._torch
        x = torch.from_numpy(np.ascontiguousarray(array)).unsqueeze(0)
        return x.to(torch.float32, memory_format=torch.channels_last)

    def run(self, prepared: tuple[Any, ...], x: Any, skip: Any = None) -> Any:
        torch = self._torch
        weight, bias, scale, zero_point, limits = prepared
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            x = x - zero_point if zero_point else x
            acc = torch.nn.functional.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)
            acc.mul_(scale)
            if skip is not None:
                acc.add_(skip)
            return acc.round_().clamp_(*limits)

    def concatenate(self, tensors: list[Any]) -> Any:
        return self._torch.cat(tensors, 1)

    def array(self, tensor: Any) -> npt.NDArray[np.int32]:
        array: npt.NDArray[np.int32] = tensor[0].to(self._torch.int32).numpy()
        return array


BACKENDS: dict[str, type[Backend]] = {"reference": _Reference, "torch": _Torch}
SELF_TEST = "5366e6456f565748ea3711e80ce42470e0f42d9d017fc776120fbfb20f96d987"


@cache
def backend(name: str = "auto") -> Backend:
    """A backend by name, proven on a self-test first; "auto" is the fastest that this machine has.

    Raises:
        ModelError: there is no backend of this name, or it does not compute what the definition says.
    """
    if name == "auto":
        name = "torch"
    if name not in BACKENDS:
        raise ModelError(f"there is no backend {name!r}: choose auto, {', '.join(BACKENDS)}", found=name)
    chosen = BACKENDS[name]()
    if (found := self_test(chosen)) != SELF_TEST:
        raise ModelError(
            f"backend {name} does not compute exactly on this machine: use another one, for instance "
            "reference",
            expected=SELF_TEST,
            found=found,
        )
    return chosen


def self_test(candidate: Backend) -> str:
    """Digest of what a backend computes for extreme layers, made from a fixed multiplicative sequence."""
    digest = hashlib.sha256()
    for size, c_in, c_out, skip in ((3, 48, 48, True), (1, 64, 12, False), (3, 9, 48, False)):
        noise = (np.arange(c_out * c_in * size * size, dtype=np.uint64) * 2654435761 >> 13).astype(np.int64)
        limit = weight_limit(size) - 1
        weight = (noise % (2 * limit + 1) - limit).reshape(c_out, c_in, size, size)
        layer = Layer(
            weight=weight.astype(np.int16) if size == 1 else weight.astype(np.int8),
            bias=(np.arange(c_out, dtype=np.int32) - c_out // 2) * 1001,
            shift=(np.arange(c_out) % 9 + 4).astype(np.int8),
            zero_point=0 if skip else 128,
            skip=skip,
            head=size == 1,
        )
        layer.check("self-test")
        shape = (c_in, 21, 34)
        pixels = ((np.arange(np.prod(shape), dtype=np.uint64) * 2246822519 >> 11) & 255).astype(np.uint8)
        x = candidate.tensor(pixels.reshape(shape))
        y = candidate.run(candidate.prepare(layer), x, x if skip else None)
        digest.update(candidate.array(y).astype("<i4").tobytes())
    return digest.hexdigest()
