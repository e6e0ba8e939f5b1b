"""Integer layers in the byte multiplications of x86 processors.

Everything is integer arithmetic, so nothing has to be proven of rounding. A layer is one pass over its input:
sums stay in registers until they are shifted, rounded and clamped, and only bytes are written. PyTorch is not
needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

from ppyr.errors import ModelError
from ppyr.models.features import ZERO_POINT, Number, clamped
from ppyr.models.gates import FORGET_SHIFT, GATE_SHIFT, SIGMOID, STATE_SHIFT, STATE_TANH, TANH
from ppyr.models.integer import ACTIVATION_MAX, HEAD_LIMIT, WEIGHT_MAX, Layer

from .microkernel import BLOCKS, CHOSEN, HEAD, INSTRUCTIONS, PART_BITS, PLAIN, SKIP, layer_block

Bytes = npt.NDArray[np.uint8]
Values = TypeVar("Values", bound=np.generic)

#: Channels of a pixel in memory are a multiple of this, so that whole vectors can be written.
_PITCH = 16
#: Pixels of memory behind a feature map: more than the widest block of pixels reaches beyond the last one.
_BEHIND = 64
#: Bytes, what weights and rules are aligned to.
_ALIGNMENT = 64
_NOTHING = np.empty(0, np.uint8)
_LANES, _SUMS = (INSTRUCTIONS[CHOSEN].lanes, INSTRUCTIONS[CHOSEN].sums) if CHOSEN is not None else (0, 0)


class FeatureMap(NamedTuple):
    """Integers of a layer: bytes, or int16 of a head.

    Attributes:
        values: view (h, w, C) of the memory.
        memory: (h + 2) (w + 2) pixels and some behind, each of `_PITCH` channels or a multiple: a line of
            pixels lies around the values, which a convolution needs that is larger than 1x1. None of a
            subsampled one and of a head.
    """

    values: npt.NDArray[Any]
    memory: npt.NDArray[Any] | None

    @classmethod
    def empty(cls, height: int, width: int, channels: int) -> FeatureMap:
        """Memory for a feature map of bytes."""
        pitch = -(-channels // _PITCH) * _PITCH
        memory = np.empty(((height + 2) * (width + 2) + _BEHIND) * pitch, np.uint8)
        row = (width + 2) * pitch
        values: Bytes = np.ndarray((height, width, channels), np.uint8, memory, row + pitch, (row, pitch, 1))
        return cls(values, memory)

    @classmethod
    def of_head(cls, height: int, width: int, channels: int) -> FeatureMap:
        """Memory for what a head says, without gaps where all channels of a pixel are computed at once."""
        vectors = -(-channels // _LANES)
        pitch = channels if vectors <= BLOCKS else vectors * _LANES
        memory = np.empty((height * width + _BEHIND) * pitch + _PITCH, np.int16)
        return cls(memory[: height * width * pitch].reshape(height, width, pitch)[..., :channels], None)


class Packed(NamedTuple):
    """A layer as `_convolve` takes it.

    Attributes:
        weights: int8, for every `BLOCKS` vectors of output channels as `layer_block` says.
        rules: int32, the same.
        vectors: of output channels.
        channels: of the output.
        groups: of four input channels.
        size: of the convolution.
        parts: of the weights.
        zero_point: what lies around the input.
        kind: `PLAIN`, `SKIP` or `HEAD`.
    """

    weights: npt.NDArray[np.int8]
    rules: npt.NDArray[np.int32]
    vectors: int
    channels: int
    groups: int
    size: int
    parts: int
    zero_point: int
    kind: int


class Int8:
    """The backend.

    Raises:
        ModelError: the processor has none of the instructions.
    """

    name = "int8"
    threaded = False
    compiles = True

    def __init__(self) -> None:
        if CHOSEN is None:
            raise ModelError(
                "the backend int8 needs an x86 processor with AVX2: use another one, for instance torch",
                expected=[one.name for one in INSTRUCTIONS],
            )

    def prepare(self, layer: Layer) -> Packed:
        """See `Backend`."""
        channels, c_in, size, _ = layer.weight.shape
        groups, vectors = -(-c_in // 4), -(-channels // _LANES)
        parts = _parts(layer.weight.astype(np.int32))
        weights = np.zeros((len(parts), vectors * _LANES, 4 * groups, size, size), np.int8)
        weights[:, :channels, :c_in] = parts
        rules = np.zeros((7, vectors * _LANES), np.int32)
        rules[:, :channels] = _rules(layer)
        weights = weights.reshape(len(parts), vectors, _LANES, groups, 4, size, size)
        weights = weights.transpose(0, 5, 6, 3, 1, 2, 4)
        rules = rules.reshape(7, vectors, _LANES)
        pieces = [slice(start, start + BLOCKS) for start in range(0, vectors, BLOCKS)]
        return Packed(
            _aligned([weights[:, :, :, :, piece] for piece in pieces]),
            _aligned([rules[:, piece] for piece in pieces]),
            vectors,
            channels,
            groups,
            size,
            len(parts),
            layer.zero_point,
            HEAD if layer.head else SKIP if layer.skip else PLAIN,
        )

    def tensor(self, array: Bytes) -> FeatureMap:
        """See `Backend`."""
        found = FeatureMap.empty(*array.shape)
        found.values[...] = array
        return found

    def sublattice(self, x: FeatureMap, row: int, column: int, step: int = 2) -> FeatureMap:
        """See `Backend`."""
        return FeatureMap(x.values[row::step, column::step], None)

    def run(self, prepared: Packed, x: FeatureMap, skip: FeatureMap | None = None) -> FeatureMap:
        """See `Backend`."""
        weights, rules, vectors, channels, groups, size, parts, zero_point, kind = prepared
        values, memory = x
        if memory is None:
            if size > 1:
                raise ValueError("a subsampled feature map has no border: pass a whole one")
            memory = _NOTHING
        height, width, _ = values.shape
        make = FeatureMap.of_head if kind == HEAD else FeatureMap.empty
        found = make(height, width, channels)
        skips = values if skip is None else skip.values
        if (kind == SKIP) != (skip is not None) or (skip is not None and skips.shape != found.values.shape):
            raise ValueError("a skip input of the shape of the output goes with a layer that adds one")
        layer = weights, rules, vectors, groups, size, parts, zero_point, kind
        _convolve(values, memory, skips, found.values, *layer)
        return found

    def concatenate(self, parts: Sequence[FeatureMap]) -> FeatureMap:
        """See `Backend`."""
        height, width, _ = parts[0].values.shape
        found = FeatureMap.empty(height, width, sum(part.values.shape[2] for part in parts))
        np.concatenate([part.values for part in parts], axis=2, out=found.values)
        return found

    def pool(self, x: FeatureMap) -> FeatureMap:
        """See `Backend`."""
        height, width, channels = x.values.shape
        found = FeatureMap.empty(height // 2, width // 2, channels)
        above, below = (np.maximum(x.values[row::2, ::2], x.values[row::2, 1::2]) for row in (0, 1))
        np.maximum(above, below, out=found.values)
        return found

    def enlarge(self, x: FeatureMap) -> FeatureMap:
        """See `Backend`."""
        height, width, channels = x.values.shape
        found = FeatureMap.empty(2 * height, 2 * width, channels)
        for row, column in np.ndindex(2, 2):
            found.values[row::2, column::2] = x.values
        return found

    def gate(self, x: FeatureMap) -> FeatureMap:
        """See `Backend`."""
        height, width, channels = x.values.shape
        found = FeatureMap.empty(height, width, channels // 2)
        _gate(x.values, found.values)
        return found

    def cell(self, x: FeatureMap, state: FeatureMap) -> tuple[FeatureMap, FeatureMap]:
        """See `Backend`."""
        output, following = (FeatureMap.empty(*state.values.shape) for _ in range(2))
        _cell(x.values, state.values, output.values, following.values)
        return output, following

    def array(self, tensor: FeatureMap) -> npt.NDArray[np.int16]:
        """See `Backend`."""
        return np.ascontiguousarray(tensor.values, np.int16)


def _parts(weight: npt.NDArray[np.int32]) -> list[npt.NDArray[np.int32]]:
    """Weights as one part of at most `WEIGHT_MAX`, or as an upper and a lower one."""
    if np.abs(weight).max(initial=0) <= WEIGHT_MAX:
        return [weight]
    upper = (weight + (1 << PART_BITS >> 1)) >> PART_BITS
    return [upper, weight - (upper << PART_BITS)]


def _rules(layer: Layer) -> npt.NDArray[np.int64]:
    """The rules (7, C_out) of `layer_block`."""
    bias = layer.bias - layer.zero_point * layer.weight.astype(np.int64).sum((1, 2, 3))
    right, left = np.maximum(layer.shift, 0).astype(np.int64), np.maximum(-layer.shift.astype(np.int64), 0)
    one = (right > 0).astype(np.int64)
    wide = np.iinfo(np.int32)
    low, high = np.where(left > 0, -HEAD_LIMIT, wide.min), np.where(left > 0, HEAD_LIMIT - 1, wide.max)
    return np.stack((bias, right, (one << right >> 1) - one, one, low, high, left))


def _aligned(pieces: Sequence[npt.NDArray[Values]]) -> npt.NDArray[Values]:
    """The pieces one after the other, flat, at an aligned address."""
    flat = np.concatenate([piece.ravel() for piece in pieces])
    memory = np.empty(flat.nbytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    aligned = memory[start : start + flat.nbytes].view(flat.dtype)
    aligned[:] = flat
    return aligned


@njit(nogil=True)
def _address(array: npt.NDArray[Any]) -> np.int64:
    return np.int64(array.ctypes.data)


@njit(nogil=True, cache=True)
def _convolve(
    x: Bytes,
    memory: Bytes,
    skips: Bytes,
    outputs: npt.NDArray[Any],
    weights: npt.NDArray[np.int8],
    rules: npt.NDArray[np.int32],
    vectors: int,
    groups: int,
    size: int,
    parts: int,
    zero_point: int,
    kind: int,
) -> None:
    """Every pixel of a layer. A block of them may reach beyond its row into memory that is written later."""
    height, width, _ = x.shape
    if size > 1:
        _fill_border(memory, height, width, x.strides[1], zero_point)
    row, pixel, line, output_pixel = x.strides[0], x.strides[1], outputs.strides[0], outputs.strides[1]
    corner = _address(x) - size // 2 * (row + pixel)
    lane = outputs.itemsize * _LANES
    for y in range(height):
        weight, rule = _address(weights), _address(rules)
        for first in range(0, vectors, BLOCKS):
            blocks = min(BLOCKS, vectors - first)
            step = _SUMS // blocks
            for start in range(0, width, step):
                place = (
                    corner + y * row + start * pixel,
                    weight,
                    rule,
                    _address(skips) + y * skips.strides[0] + start * skips.strides[1] + first * _LANES,
                    _address(outputs) + y * line + start * output_pixel + first * lane,
                    size,
                    parts,
                    groups,
                    row,
                    pixel,
                    skips.strides[1],
                    output_pixel,
                )
                layer_block(blocks, kind, place)
            weight += parts * size * size * groups * blocks * 4 * _LANES
            rule += 7 * blocks * 4 * _LANES


@njit(nogil=True, cache=True)
def _gate(x: Bytes, found: Bytes) -> None:
    """`gates`: tanh(a) sigmoid(b)."""
    height, width, channels = found.shape
    for y in range(height):
        for at in range(width):
            for channel in range(channels):
                a, b = x[y, at, channel], x[y, at, channels + channel]
                found[y, at, channel] = _byte(np.int64(TANH[a]) * SIGMOID[b], GATE_SHIFT)


@njit(nogil=True, cache=True)
def _cell(x: Bytes, state: Bytes, output: Bytes, following: Bytes) -> None:
    """`gates`: the cell of an LSTM."""
    height, width, channels = state.shape
    for y in range(height):
        for at in range(width):
            for channel in range(channels):
                into, keep = x[y, at, channel], x[y, at, channels + channel]
                out, candidate = x[y, at, 2 * channels + channel], x[y, at, 3 * channels + channel]
                kept = SIGMOID[keep] * (np.int64(state[y, at, channel]) - ZERO_POINT) << FORGET_SHIFT
                byte = _byte(kept + np.int64(SIGMOID[into]) * TANH[candidate], STATE_SHIFT)
                following[y, at, channel] = byte
                output[y, at, channel] = _byte(np.int64(STATE_TANH[byte]) * SIGMOID[out], GATE_SHIFT)


@njit(nogil=True)
def _byte(value: Number, shift: int) -> Number:
    """A signed number, shifted with halves rounded upwards, as a byte with the zero point."""
    return clamped(((value + (1 << shift >> 1)) >> shift) + ZERO_POINT, 0, ACTIVATION_MAX)


@njit(nogil=True)
def _fill_border(memory: Bytes, height: int, width: int, pitch: int, value: int) -> None:
    """The line of pixels around those of a feature map."""
    row = (width + 2) * pitch
    memory[:row] = value
    memory[(height + 1) * row : (height + 2) * row] = value
    for y in range(1, height + 1):
        memory[y * row : y * row + pitch] = value
        memory[(y + 1) * row - pitch : (y + 1) * row] = value
