"""A model's integers, the digest over them that is the model's id, and what a file may change of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ppyr.errors import ModelError

from .integer import Layer, weight_limit, weight_type

ID_SIZE = 16
ARCHITECTURE = "ppyr-stages-3"
#: Networks of a model by distance from the finest factor of two; the last serves all that are coarser.
STAGES = ("finest", "next", "rest")
#: Pixels that the factors of two of a stage give, for each pixel of a large image.
_PIXELS = {"finest": 1.0, "next": 1 / 4, "rest": 1 / 12}

#: Steps of a gain of 1: what a file may multiply weights by is 1 + gain / 2^GAIN_BITS.
GAIN_BITS = 10

Tensors = dict[str, npt.NDArray[np.generic]]
Differences = Mapping[str, npt.NDArray[np.int32]]
"""Changes by the names of `Weights.changeable`, each of the shape that it says."""

DType = TypeVar("DType", bound=np.generic)


@dataclass(frozen=True)
class Weights:
    """A model: tensors by name, what is known of their making, and which family computes with them.

    Tensors of the architecture `ARCHITECTURE`, the only one that files and recipes change, are
    `<stage>.<layer>.weight` (C_out, C_in, k, k), int16 of 1x1 layers and int8 of others, `.bias` int32 and
    `.shift` int8 (C_out,) for every layer of the stages finest, next and rest; `<stage>.spread` int8 (3, 25);
    `tables` uint32 (T, 256); `fraction_bits` uint8 (scales,).
    """

    tensors: Tensors
    provenance: dict[str, Any]
    architecture: str = ARCHITECTURE

    @property
    def id(self) -> bytes:
        """First 16 bytes of SHA-256 over the architecture and every tensor's name, type, shape and values."""
        digest = hashlib.sha256(self.architecture.encode())
        for name in sorted(self.tensors):
            tensor = np.ascontiguousarray(self.tensors[name])
            little = tensor.astype(tensor.dtype.newbyteorder("<"))
            kind = f"{tensor.dtype.kind}{8 * tensor.dtype.itemsize}".upper()
            digest.update(" ".join(["\n" + name, kind, *map(str, tensor.shape)]).encode() + b"\n")
            digest.update(little.tobytes())
        return digest.digest()[:ID_SIZE]

    def tensor(self, name: str, dtype: type[DType]) -> npt.NDArray[DType]:
        """The tensor of this name.

        Raises:
            ModelError: it is missing or of another dtype.
        """
        tensor = self.tensors.get(name)
        if tensor is None or tensor.dtype != dtype:
            found = tensor.dtype.name if tensor is not None else "missing"
            raise ModelError(
                f"tensor {name} of the model is {found}: export it as {dtype.__name__}",
                expected=dtype.__name__,
                found=found,
            )
        return tensor.astype(dtype, copy=False)

    def layer(self, name: str, **rules: Any) -> Layer:
        """The layer of this name, checked.

        Raises:
            ModelError: it is missing or breaks the rules of exact inference.
        """
        found = self.tensors.get(f"{name}.weight")
        size = found.shape[-1] if found is not None and found.ndim else 0
        layer = Layer(
            self.tensor(f"{name}.weight", weight_type(size)),
            self.tensor(f"{name}.bias", np.int32),
            self.tensor(f"{name}.shift", np.int8),
            **rules,
        )
        layer.check(name)
        return layer

    @property
    def changeable(self) -> dict[str, tuple[int, ...]]:
        """What a file may change, by names, in the order in which it numbers them: shapes.

        `<layer>.weight`, `<layer>.bias` and `<network>.spread` are added to the tensors of these names;
        `<layer>.outputs` (C_out,) and `<layer>.inputs` (C_in, k, k) are gains of the weights.
        """
        shapes: dict[str, tuple[int, ...]] = {}
        for name, tensor in self.tensors.items():
            layer, _, part = name.rpartition(".")
            if part in ("weight", "bias", "spread"):
                shapes[name] = tensor.shape
            if part == "weight":
                shapes[f"{layer}.outputs"], shapes[f"{layer}.inputs"] = tensor.shape[:1], tensor.shape[1:]
        return dict(sorted(shapes.items(), key=lambda item: part_order(item[0])))

    def changed(self, differences: Differences) -> Weights:
        """The model after changes.

        A weight becomes weight (1 + out / 2^10) (1 + in / 2^10) + change, where out and in are the gains of
        its output channel and of its place in the inputs; the product is rounded, halves upwards, and the
        sum clamped to the limit of the layer. To biases and spreads their changes are added.

        Raises:
            ModelError: a bias or spread leaves the range of its tensor's type.
        """
        tensors = dict(self.tensors)
        nothing = np.zeros((), np.int32)
        for name in differences:
            if name.endswith((".bias", ".spread")):
                wide = tensors[name].astype(np.int64) + differences[name]
                tensors[name] = wide.astype(tensors[name].dtype)
                if not np.array_equal(tensors[name], wide):
                    raise ModelError(
                        f"a value of {name} would not fit {tensors[name].dtype}: change it less",
                        expected=tensors[name].dtype.name,
                        found=(int(wide.min()), int(wide.max())),
                    )
        layers = {name.rpartition(".")[0] for name in differences if not name.endswith((".bias", ".spread"))}
        for layer in layers:
            parts = ("outputs", "inputs", "weight")
            outputs, inputs, change = (differences.get(f"{layer}.{part}", nothing) for part in parts)
            weight = tensors[f"{layer}.weight"]
            one, limit = np.int64(1 << GAIN_BITS), weight_limit(weight.shape[-1])
            scaled = weight.astype(np.int64) * (one + outputs).reshape(-1, 1, 1, 1) * (one + inputs)
            rounded = (scaled + (1 << (2 * GAIN_BITS - 1))) >> (2 * GAIN_BITS)
            tensors[f"{layer}.weight"] = (rounded + change).clip(-limit, limit).astype(weight.dtype)
        return replace(self, tensors=tensors)

    @property
    def macs_per_pixel(self) -> float:
        """Multiplications and additions of weights for each pixel of a large image, over all its levels.

        A step's layers work on a quarter of the lattice of the coarse image, the others on all of it, and
        the lattice has a quarter of the pixels of the factor of two.
        """
        total = 0.0
        for name, tensor in self.tensors.items():
            stage, _, layer = name.partition(".")
            if layer.endswith(".weight"):
                positions = 1 / 16 if layer.startswith(("step_", "head")) else 1 / 4
                total += tensor.size * positions * _PIXELS[stage]
        return total


def check_changeable(source: Weights) -> None:
    """Refuse a model that neither files nor recipes can change.

    Raises:
        ModelError: it is of another architecture.
    """
    if source.architecture != ARCHITECTURE:
        raise ModelError(
            f"a model of architecture {source.architecture!r} can not be changed: choose one of "
            f"{ARCHITECTURE!r}",
            expected=ARCHITECTURE,
            found=source.architecture,
        )


def stage_of(level: int, levels: int) -> str:
    """The network that codes a level, of `levels` of an image, counted from the coarsest, 0."""
    return STAGES[min((levels - 1 - level) // 2, len(STAGES) - 1)]


def part_order(name: str) -> tuple[str, str, str]:
    """What the parts of `Weights.changeable` are ordered by: network, kind of part, layer."""
    stage, _, rest = name.partition(".")
    layer, _, kind = rest.rpartition(".")
    return stage, kind, layer
