"""A model's integers in a .safetensors file, and the digest over them that is the model's id."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from ppyr.errors import ModelError

from .integer import Layer

ID_SIZE = 16
ARCHITECTURE = "ppyr-stages-1"
#: Networks of a model by distance from the finest factor of two; the last serves all that are coarser.
STAGES = ("finest", "next", "rest")

Tensors = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Weights:
    """A model: tensors by name, and what is known of their making.

    Tensors are `<stage>.<layer>.weight` int8 (C_out, C_in, k, k), `.bias` int32 and `.shift` int8 (C_out,) for
    every layer of the stages finest, next and rest; `tables` uint32 (T, 256); `fraction_bits` uint8 (scales,).
    """

    tensors: Tensors
    provenance: dict[str, Any]

    @property
    def id(self) -> bytes:
        """First 16 bytes of SHA-256 over the architecture's name and every tensor: name, type, shape, values."""
        digest = hashlib.sha256(ARCHITECTURE.encode())
        for name in sorted(self.tensors):
            tensor = np.ascontiguousarray(self.tensors[name])
            little = tensor.astype(tensor.dtype.newbyteorder("<"))
            digest.update(f"\n{name} {tensor.dtype.name} {tensor.shape}\n".encode())
            digest.update(little.tobytes())
        return digest.digest()[:ID_SIZE]

    def layer(self, name: str, **rules: Any) -> Layer:
        """The layer of this name, checked.

        Raises:
            ModelError: it is missing or breaks the rules of exact inference.
        """
        try:
            weight, bias, shift = (self.tensors[f"{name}.{part}"] for part in ("weight", "bias", "shift"))
        except KeyError as error:
            raise ModelError(f"the model has no tensor {error.args[0]}: get the model again") from None
        if (weight.dtype, bias.dtype, shift.dtype) != (np.int8, np.int32, np.int8):
            raise ModelError(
                f"layer {name} is {weight.dtype}, {bias.dtype}, {shift.dtype}: export it as int8, int32, int8",
                expected=("int8", "int32", "int8"),
                found=(weight.dtype.name, bias.dtype.name, shift.dtype.name),
            )
        layer = Layer(weight, bias, shift, **rules)  # type: ignore[arg-type]
        layer.check(name)
        return layer

    def write(self, folder: Path, name: str) -> Path:
        """Write `folder/<name>-<id>.safetensors`."""
        metadata = {"architecture": ARCHITECTURE, "provenance": json.dumps(self.provenance, sort_keys=True)}
        path = folder / f"{name}-{self.id.hex()}.safetensors"
        path.write_bytes(save_safetensors(self.tensors, metadata))  # type: ignore[arg-type]
        return path


def read(path: Path) -> Weights:
    """Read a model and check that it is the one that its file name says.

    Raises:
        ModelError: the file is damaged, or of another architecture or id.
    """
    data = path.read_bytes()
    try:
        tensors = load_safetensors(data)
    except SafetensorError as error:
        raise ModelError(f"{path.name} is no complete model file ({error}): install ppyr again") from error
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    metadata = header.get("__metadata__", {})
    if metadata.get("architecture") != ARCHITECTURE:
        raise ModelError(
            f"{path.name} is a model of architecture {metadata.get('architecture')!r}: a newer ppyr may run it",
            expected=ARCHITECTURE,
            found=metadata.get("architecture"),
        )
    weights = Weights(tensors, json.loads(metadata.get("provenance", "{}")))
    if (found := weights.id.hex()) != path.stem.rpartition("-")[2]:
        raise ModelError(
            f"{path.name} holds the model {found}, not the one in its name: install ppyr again",
            expected=path.stem.rpartition("-")[2],
            found=found,
        )
    return weights
