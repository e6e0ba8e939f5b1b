"""Models inside files: the payload of the container's section MODEL.

It holds all integers of a model, or their differences from those of a shipped one, whichever is smaller.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from ppyr.bitstream.checks import FRESH_COPY, check_range
from ppyr.bitstream.lzma2 import compressed, decompressed
from ppyr.errors import ConfigurationError, FormatError, ModelError

from . import modelfile, registry
from .weights import ID_SIZE, Tensors, Weights

if TYPE_CHECKING:
    from .family import LikelihoodModel

LARGEST = 1 << 22
"""Bytes of the integers of a model in a file."""

MOST = 4
"""Models of which what was packed or unpacked is kept for the next file."""

Tensor = npt.NDArray[np.generic]


@lru_cache(MOST)
def embedded(model: LikelihoodModel) -> bytes:
    """The payload for a model, b"" for one that is shipped, which every decoder has.

    Raises:
        ConfigurationError: it is too large.
    """
    if model.id in registry.shipped():
        return b""
    source = model.source
    whole = save(source.tensors, {"architecture": source.architecture})
    if len(whole) > LARGEST:
        raise ConfigurationError(
            f"the model takes {len(whole)} bytes, more than the {LARGEST} of one in a file: keep it beside "
            "the files",
            expected=LARGEST,
            found=len(whole),
        )
    bases = [modelfile.read(path) for path in registry.shipped().values() if not modelfile.is_recipe(path)]
    parts = [base.id + compressed(_differences(base, source)) for base in bases if _alike(base, source)]
    return min([bytes(ID_SIZE) + compressed(whole), *parts], key=len)


def unpacked(payload: bytes, model_id: bytes) -> Weights:
    """The model of this id in a payload, checked but for what layers have to keep.

    Raises:
        FormatError: the payload is not as FORMAT.md says, or holds another model.
        UnknownModelError: the model that it has differences from is not installed.
    """
    check_range("bytes of section MODEL", len(payload), ID_SIZE + 1, LARGEST)
    base, stream = payload[:ID_SIZE], payload[ID_SIZE:]
    if any(base):
        source = _changed(modelfile.read(registry.by_id(base)), stream)
    else:
        content = decompressed(stream, LARGEST)
        check_range("bytes of a model", len(content), 1, LARGEST)
        try:
            source = modelfile.parse(content, "section MODEL")
        except ModelError as error:
            raise FormatError(f"the file holds a model that is none ({error}); {FRESH_COPY}") from error
    if source.id != model_id:
        raise FormatError(
            f"the file holds the model {source.id.hex()}, and is coded by {model_id.hex()}; {FRESH_COPY}",
            expected=model_id.hex(),
            found=source.id.hex(),
        )
    return source


def _alike(one: Weights, other: Weights) -> bool:
    """Whether two models have tensors of the same names, types and shapes."""

    def kinds(model: Weights) -> dict[str, object]:
        return {name: (tensor.dtype, tensor.shape) for name, tensor in model.tensors.items()}

    return one.architecture == other.architecture and kinds(one) == kinds(other)


def _differences(base: Weights, source: Weights) -> bytes:
    """How the integers differ: 2 d for d from 0 on, -2 d - 1 below, of each tensor the lowest bytes first."""
    parts = []
    for name in sorted(base.tensors):
        unsigned, signed = _types(base.tensors[name])
        apart = (source.tensors[name].view(unsigned) - base.tensors[name].view(unsigned)).view(signed)
        folded = (apart << 1) ^ (apart >> (8 * apart.itemsize - 1))
        little = np.ascontiguousarray(folded.astype(folded.dtype.newbyteorder("<")))
        parts.append(little.reshape(-1, 1).view(np.uint8).T.tobytes())
    return b"".join(parts)


def _changed(base: Weights, stream: bytes) -> Weights:
    """The model that differs so from another one; the reverse of `_differences`."""
    size = sum(tensor.nbytes for tensor in base.tensors.values())
    check_range("bytes of a model", size, 1, LARGEST)
    content = decompressed(stream, size)
    check_range("bytes of the differences of a model", len(content), size, size)
    return Weights(dict(_sums(base.tensors, content)), {}, base.architecture)


def _sums(tensors: Tensors, content: bytes) -> Iterator[tuple[str, Tensor]]:
    at = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        unsigned, _ = _types(tensor)
        planes = np.frombuffer(content, np.uint8, tensor.nbytes, at).reshape(tensor.itemsize, -1)
        folded = planes.T.copy().view(unsigned.newbyteorder("<")).astype(unsigned).reshape(tensor.shape)
        apart = (folded >> 1) ^ -(folded & 1)
        yield name, (tensor.view(unsigned) + apart).view(tensor.dtype)
        at += tensor.nbytes


def _types(tensor: Tensor) -> tuple[np.dtype[np.unsignedinteger], np.dtype[np.signedinteger]]:
    """The unsigned and the signed integers of a tensor's size."""
    return np.dtype(f"u{tensor.itemsize}"), np.dtype(f"i{tensor.itemsize}")
