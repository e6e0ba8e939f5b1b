"""Networks that are written once, as steps of an arithmetic: integers of a backend, or training in PyTorch.

What goes from step to step is a feature map of bytes. Those of a *stream* are signed, in units of 1/16 with
the zero point 128, *rectified* ones are in units of 1/32; a *head* says wide integers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ppyr.errors import ModelError

from .backends import Backend, Tensor
from .features import ZERO_POINT, ByteArray
from .integer import Layer, weight_type
from .weights import Tensors, Weights

Map = TypeVar("Map")
Offsets = Sequence[tuple[int, int]]
"""Rows down and columns to the right."""

HERE: Offsets = ((0, 0),)
SETTINGS = "settings"
"""The tensor that holds the sizes of a family's networks, int32 (n,)."""
FIRST_PIXEL = "first"
"""The tensor that holds the pixel with which images begin that a model draws, uint8 (planes,)."""


class Kind(Enum):
    """What a feature map's integers stand for."""

    STREAM = "stream"
    RECTIFIED = "rectified"
    HEAD = "head"


@dataclass(frozen=True)
class LayerSpec:
    """A layer of a network.

    Attributes:
        inputs: channels.
        outputs: channels.
        size: of the convolution, 1 or 3.
        takes, gives: kinds of its input and output.
        skip: whether a stream is added to its output, a stream.
    """

    inputs: int
    outputs: int
    size: int = 1
    takes: Kind = Kind.STREAM
    gives: Kind = Kind.STREAM
    skip: bool = False

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weights + self.outputs

    @property
    def weights(self) -> int:
        """Weights, which are multiplied once for every pixel of the feature map."""
        return self.inputs * self.outputs * self.size**2

    def layer(self, weights: Weights, name: str) -> Layer:
        """The layer of this name, checked.

        Raises:
            ModelError: it is missing or breaks the rules of exact inference.
        """
        zero_point = ZERO_POINT if self.takes is Kind.STREAM else 0
        return weights.layer(name, zero_point=zero_point, skip=self.skip, head=self.gives is Kind.HEAD)


class Arithmetic(Protocol[Map]):
    """What a network is computed with."""

    def layer(self, name: str, x: Map, skip: Map | None = None) -> Map:
        """A convolution by its name, what it gives clamped to the bytes of its kind."""

    def concatenate(self, *parts: Map) -> Map:
        """The channels of feature maps of one kind, one after the other."""

    def gate(self, x: Map) -> Map:
        """See `Backend.gate`."""

    def cell(self, x: Map, state: Map) -> tuple[Map, Map]:
        """See `Backend.cell`."""

    def zeros(self, like: Map, channels: int) -> Map:
        """A stream of zeros, as large as another feature map."""

    def pool(self, x: Map) -> Map:
        """See `Backend.pool`."""

    def enlarge(self, x: Map) -> Map:
        """See `Backend.enlarge`."""

    def sublattice(self, x: Map, row: int, column: int, step: int) -> Map:
        """See `Backend.sublattice`."""

    def taps(self, x: Map, offsets: Offsets, ahead: int = 0) -> Map:
        """For every pixel the channels of the pixels at these offsets, of a stream, 0 beyond the edges.

        Where pixels are evaluated one after the other, what comes of it is so many columns ahead of them.
        """


class Exact:
    """The arithmetic of coding: a backend's tensors.

    Args:
        layers: by name, prepared by the backend.
        runner: the backend.
    """

    def __init__(self, layers: Mapping[str, Any], runner: Backend) -> None:
        self._layers, self._runner = layers, runner
        self.gate, self.cell = runner.gate, runner.cell
        self.pool, self.enlarge, self.sublattice = runner.pool, runner.enlarge, runner.sublattice

    def layer(self, name: str, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """See `Arithmetic`."""
        return self._runner.run(self._layers[name], x, skip)

    def concatenate(self, *parts: Tensor) -> Tensor:
        """See `Arithmetic`."""
        return self._runner.concatenate(parts)

    def zeros(self, like: Tensor, channels: int) -> Tensor:
        """See `Arithmetic`."""
        height, width, _ = self._runner.array(like).shape
        return self._runner.tensor(np.full((height, width, channels), ZERO_POINT, np.uint8))

    def taps(self, x: Tensor, offsets: Offsets, ahead: int = 0) -> Tensor:  # noqa: ARG002
        """See `Arithmetic`."""
        if offsets == HERE:
            return x
        return self._runner.tensor(tapped(self._runner.array(x).astype(np.uint8), offsets))


def tapped(x: ByteArray, offsets: Offsets) -> ByteArray:
    """`Arithmetic.taps` of bytes (h, w, C) -> (h, w, C * offsets)."""
    reach = max(max(abs(row), abs(column)) for row, column in offsets)
    height, width, _ = x.shape
    padded = np.pad(x, ((reach, reach), (reach, reach), (0, 0)), constant_values=ZERO_POINT)
    shifted = [
        padded[reach + row : reach + row + height, reach + column : reach + column + width]
        for row, column in offsets
    ]
    return np.concatenate(shifted, axis=2)


def layers_of(weights: Weights, specs: Mapping[str, LayerSpec], prefix: str = "") -> dict[str, Layer]:
    """The layers of a network by name; its tensors' names begin with `prefix`.

    Raises:
        ModelError: one is missing or breaks the rules of exact inference.
    """
    return {name: spec.layer(weights, prefix + name) for name, spec in specs.items()}


def prepared(
    weights: Weights, specs: Mapping[str, LayerSpec], prefix: str, runner: Backend
) -> dict[str, Any]:
    """The same, prepared for a backend."""
    return {name: runner.prepare(layer) for name, layer in layers_of(weights, specs, prefix).items()}


def settings_of(tensors: Tensors, prefix: str = "") -> npt.NDArray[np.int32]:
    """The numbers that a network's sizes follow from, the tensor `SETTINGS` after the prefix of its names.

    Raises:
        ModelError: there is no such tensor.
    """
    found = tensors.get(prefix + SETTINGS, np.zeros(0))
    if found.dtype != np.int32 or found.ndim != 1:
        raise ModelError(
            f"the model's settings are {found.dtype} {found.shape}: get or export the model again",
            expected="int32 (n,)",
            found=f"{found.dtype} {found.shape}",
        )
    return found.astype(np.int32, copy=False)


def check_tensors(
    tensors: Tensors, specs: Mapping[str, LayerSpec], planes: int, settings: Collection[str] = (SETTINGS,)
) -> None:
    """Refuse tensors that are not those of these layers, of these settings, and `FIRST_PIXEL`, (planes,).

    Raises:
        ModelError: one is missing, is one too many, or is of another type or shape.
    """
    wanted: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {FIRST_PIXEL: (np.uint8, (planes,))}
    for name, spec in specs.items():
        wanted[f"{name}.weight"] = weight_type(spec.size), (spec.outputs, spec.inputs, spec.size, spec.size)
        wanted[f"{name}.bias"] = np.int32, (spec.outputs,)
        wanted[f"{name}.shift"] = np.int8, (spec.outputs,)
    for name in sorted(wanted.keys() | tensors.keys() - {*settings}):
        expected, found = ("nothing" if name not in wanted else _described(*wanted[name])), "missing"
        if name in tensors:
            found = _described(tensors[name].dtype.type, tensors[name].shape)
        if found != expected:
            raise ModelError(
                f"tensor {name} of the model is {found}, where {expected} belongs: get or export the model "
                "again",
                expected=expected,
                found=found,
            )


def _described(kind: type[np.generic], shape: tuple[int, ...]) -> str:
    return f"{np.dtype(kind).name} {shape}"
