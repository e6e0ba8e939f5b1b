"""How integer layers are run: backends, each of which gives the same integers.

`reference` is the definition, slow. `int8` is the fastest, on x86 processors. `torch` runs anywhere PyTorch
does, and `cuda` is the same on a GPU.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ppyr.errors import ModelError
from ppyr.models.integer import Layer, weight_limit

Tensor: TypeAlias = Any
"""A backend's own kind of array of integers, (h, w, C)."""


class Backend(Protocol):
    """How integer layers are run; every backend gives the same integers. Threads may share one.

    Attributes:
        name: what it is chosen by.
        threaded: whether it computes on threads of its own.
        compiles: whether networks of which little is computed at a time are better compiled than run.
    """

    name: str
    threaded: bool
    compiles: bool

    def prepare(self, layer: Layer) -> Any:
        """A layer in the form that `run` takes."""

    def tensor(self, array: npt.NDArray[np.uint8]) -> Tensor:
        """An array (h, w, C) as the backend's tensor."""

    def sublattice(self, x: Tensor, row: int, column: int, step: int = 2) -> Tensor:
        """Every step-th row and column of a tensor, for 1x1 layers, as a skip input or to concatenate."""

    def run(self, prepared: Any, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """One layer: x (h, w, C_in), skip (h, w, C_out) -> (h, w, C_out)."""

    def concatenate(self, parts: Sequence[Tensor]) -> Tensor:
        """The channels of tensors of bytes, one after the other."""

    def pool(self, x: Tensor) -> Tensor:
        """The largest of every 2x2 bytes: (2 h, 2 w, C) -> (h, w, C)."""

    def enlarge(self, x: Tensor) -> Tensor:
        """Every byte four times, as 2x2: (h, w, C) -> (2 h, 2 w, C)."""

    def gate(self, x: Tensor) -> Tensor:
        """`gates`, tanh of the first half of the channels: (h, w, 2 C) -> (h, w, C)."""

    def cell(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """`gates`, output and next state (h, w, C) of x (h, w, 4 C): input, forget, output, candidate."""

    def array(self, tensor: Tensor) -> npt.NDArray[np.int16]:
        """A tensor as a NumPy array (h, w, C), contiguous."""


def _reference() -> Backend:
    from .reference import Reference

    return Reference()


def _int8() -> Backend:
    from .int8 import Int8

    return Int8()


def _torch() -> Backend:
    from .floating import Torch

    return Torch()


def _cuda() -> Backend:
    from .floating import Cuda

    return Cuda()


BACKENDS: dict[str, Callable[[], Backend]] = {
    "int8": _int8,
    "torch": _torch,
    "cuda": _cuda,
    "reference": _reference,
}
#: Layers of the self-test: size, channels of input and output, and whether there is a skip input.
_LAYERS = (
    (3, 48, 48, True),
    (1, 64, 12, False),
    (3, 9, 48, False),
    (3, 16, 32, True),
    (1, 30, 64, False),
    (3, 64, 72, True),
    (3, 6, 10, False),
    (3, 15, 20, True),
)
SELF_TEST = "0fb7fb9e52c42018adce40085be26f0ee0a84f74a5ce76ad9bf7ffcbdae9c7ab"


@cache
def backend(name: str = "auto") -> Backend:
    """A backend by name, proven on a self-test first; "auto" is the fastest that this machine has.

    Raises:
        ModelError: there is no backend of this name, or it does not compute what the definition says.
    """
    if name == "auto":
        from .microkernel import CHOSEN

        name = "torch" if CHOSEN is None else "int8"
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
    for size, c_in, c_out, skip in _LAYERS:
        noise = (np.arange(c_out * c_in * size * size, dtype=np.uint64) * 2654435761 >> 13).astype(np.int64)
        limit = weight_limit(size) - 1
        weight = (noise % (2 * limit + 1) - limit).reshape(c_out, c_in, size, size)
        layer = Layer(
            weight=weight.astype(np.int16) if size == 1 else weight.astype(np.int8),
            bias=(np.arange(c_out, dtype=np.int32) - c_out // 2) * 1001,
            shift=(np.arange(c_out) % 9 + 4).astype(np.int8),
            zero_point=0 if skip else 128,
            skip=skip,
            head=c_out == 12,
        )
        layer.check("self-test")
        x, added = (candidate.tensor(_noise(channels)) for channels in (c_in, c_out))
        y = candidate.run(candidate.prepare(layer), x, added if skip else None)
        digest.update(candidate.array(y).astype("<i2").tobytes())
    for y in _without_weights(candidate):
        digest.update(candidate.array(y).astype("<i2").tobytes())
    return digest.hexdigest()


def _without_weights(candidate: Backend) -> Iterator[Tensor]:
    x = candidate.tensor(_noise(24)[:20])
    yield candidate.pool(x)
    yield candidate.enlarge(x)
    yield candidate.concatenate((x, candidate.sublattice(candidate.enlarge(x), 1, 0)))
    yield candidate.sublattice(x, 2, 3, 4)
    yield candidate.gate(x)
    yield from candidate.cell(x, candidate.tensor(_noise(6)[:20]))


def _noise(channels: int) -> npt.NDArray[np.uint8]:
    """Bytes (21, 34, channels) of a fixed multiplicative sequence."""
    shape = (21, 34, channels)
    return (np.arange(np.prod(shape), dtype=np.uint64) * 2246822519 >> 11).astype(np.uint8).reshape(shape)
