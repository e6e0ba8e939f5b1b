"""Model files, layers, gates, cells and what heads say of mixtures, as FORMAT.md says; nothing of ppyr.

A part of `plain_decoder`, with its names. Maps are arrays (C, h, w).
"""

from __future__ import annotations

import hashlib
import json
import lzma
import math
from collections.abc import Callable, Sequence
from math import exp, tanh
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]
Tensors = dict[str, npt.NDArray[np.generic]]
Mixture = list[tuple[int, int, int]]
"""Of each component weight, mean and scale number."""
Read = Callable[[list[Mixture]], list[int]]
"""Decodes a batch of samples under mixtures."""

TYPES = {"I8": "int8", "I16": "int16", "I32": "int32", "U8": "uint8", "U32": "uint32"}

TANH = np.array([round(128 * tanh((v - 128) / 16)) for v in range(256)])
STATE = np.array([round(128 * tanh((v - 128) / 32)) for v in range(256)])
SIGMOID = np.array([round(256 / (1 + exp((128 - v) / 16))) for v in range(256)])


def require(condition: bool, rule: str) -> None:
    if not condition:
        raise ValueError(rule)


def clamp(a: Array, low: int, high: int) -> Array:
    return np.minimum(np.maximum(a, low), high)


def signed(a: Array) -> Array:
    return clamp(a, -128, 127) + 128


class ModelFile(NamedTuple):
    architecture: str
    tensors: Tensors
    id: bytes


def read_model(data: bytes) -> ModelFile:
    start = 8 + int.from_bytes(data[:8], "little")
    entries = json.loads(data[8:start])
    architecture = entries.pop("__metadata__")["architecture"]
    tensors: Tensors = {}
    for name, entry in entries.items():
        first, end = entry["data_offsets"]
        kind = np.dtype(TYPES[entry["dtype"]]).newbyteorder("<")
        tensors[name] = np.frombuffer(data[start + first : start + end], kind).reshape(entry["shape"])
    return identified(architecture, tensors)


def identified(architecture: str, tensors: Tensors) -> ModelFile:
    digest = hashlib.sha256(architecture.encode())
    kinds = {kind: word for word, kind in TYPES.items()}
    for name in sorted(tensors, key=str.encode):
        tensor = tensors[name]
        words = ["\n" + name, kinds[tensor.dtype.name], *map(str, tensor.shape)]
        digest.update(" ".join(words).encode() + b"\n" + tensor.tobytes())
    return ModelFile(architecture, tensors, digest.digest()[:16])


def held_model(payload: bytes, base_file: bytes) -> ModelFile:
    """The model in MODEL."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**24, "lc": 3, "lp": 0, "pb": 0}]
    content = lzma.decompress(payload[16:], lzma.FORMAT_RAW, filters=filters)
    require(len(content) <= 2**22, "the content of MODEL")
    if payload[:16] == bytes(16):
        return read_model(content)
    base = read_model(base_file)
    require(base.id == payload[:16], "base")
    tensors, at = {}, 0
    for name in sorted(base.tensors, key=str.encode):
        kind, shape = base.tensors[name].dtype, base.tensors[name].shape
        b, n = kind.itemsize, math.prod(shape)
        planes = np.frombuffer(content, np.uint8, b * n, at).reshape(b, n).astype(np.int64)
        f = sum(planes[byte] << 8 * byte for byte in range(b))
        d = np.where(f % 2, -(f + 1) // 2, f // 2).reshape(shape)
        value = (base.tensors[name].astype(np.int64) + d) % 2 ** (8 * b)
        tensors[name] = value.astype(f"<u{b}").view(kind)
        at += b * n
    require(at == len(content), "the content of MODEL")
    return identified(base.architecture, tensors)


def layer(tensors: Tensors, name: str, x: Array, zero: int, skip: Array | None = None) -> Array:
    """The layer of this name: x (C_in, h, w), skip (C_out, h, w) -> (C_out, h, w)."""
    weight, bias, shift = (tensors[f"{name}.{part}"].astype(np.int64) for part in ("weight", "bias", "shift"))
    head = "head" in name.split(".")
    low, high = (-(2**15), 2**15 - 1) if head else (0, 255)
    k = weight.shape[2]
    r = (k - 1) // 2
    padded = np.pad(x - zero, ((0, 0), (r, r), (r, r)))
    a = np.empty((len(weight), *x.shape[1:]), np.int64)
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            window = padded[:, i : i + k, j : j + k].ravel()
            a[:, i, j] = bias + weight.reshape(len(weight), -1) @ window
    shift = shift[:, None, None]
    if skip is not None:
        a += skip << shift
    return clamp(rounded(a, shift), low, high)


def rounded(a: Array, shift: Array) -> Array:
    """a / 2^shift, to the nearest integer, from the middle to the even one."""
    numerator, denominator = a << np.maximum(-shift, 0), 1 << np.maximum(shift, 0)
    quotient, rest = numerator // denominator, numerator % denominator
    nearest: Array = quotient + (2 * rest + quotient % 2 > denominator)
    return nearest


def right(x: Array) -> Array:
    return x[:, :, [*range(1, x.shape[2]), -1]]


def below(x: Array) -> Array:
    return x[:, [*range(1, x.shape[1]), -1]]


def join(*parts: Array) -> Array:
    return np.concatenate(parts)


def pool(x: Array) -> Array:
    rows = np.maximum(x[:, ::2], x[:, 1::2])
    return np.maximum(rows[:, :, ::2], rows[:, :, 1::2])


def enlarge(x: Array) -> Array:
    _, h, w = x.shape
    return x[:, np.arange(2 * h)[:, None] // 2, np.arange(2 * w) // 2]


def taps(x: Array, offsets: Sequence[tuple[int, int]]) -> Array:
    reach = max(max(abs(d), abs(e)) for d, e in offsets)
    padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach)), constant_values=128)
    _, h, w = x.shape
    return join(*(padded[:, reach + d : reach + d + h, reach + e : reach + e + w] for d, e in offsets))


def byte(a: Array, s: int) -> Array:
    return clamp(((a + 2**s // 2) >> s) + 128, 0, 255)


def gate(x: Array) -> Array:
    first, second = np.split(x, 2)
    return byte(TANH[first] * SIGMOID[second], 8)


def cell(x: Array, t: Array) -> tuple[Array, Array]:
    x0, x1, x2, x3 = np.split(x, 4)
    after = byte(4 * SIGMOID[x1] * (t - 128) + SIGMOID[x0] * TANH[x3], 10)
    return byte(STATE[after] * SIGMOID[x2], 8), after


class Head(NamedTuple):
    """What a head's outputs mean: planes P, components Q, and how many of these are anchored."""

    planes: int
    components: int
    anchored: int

    def decode(self, y: Array, anchors: Array, channels: int, read: Read) -> Array:
        """Samples (channels, n) of a step or front of n pixels, batch by batch.

        `y` (outputs, n) is what the head says of them, `anchors` (P, n).
        """
        found = np.zeros((channels, y.shape[1]), np.int64)
        for q in range(channels):
            columns = zip(y.T.tolist(), anchors.T.tolist(), found.T.tolist(), strict=True)
            found[q] = read([self.mixture(q, *column) for column in columns])
        return found

    def mixture(self, q: int, y: list[int], anchors: list[int], samples: list[int]) -> Mixture:
        """Of plane q of one pixel."""
        size = self.components
        logit, offset, scale = (y[(number * self.planes + q) * size :][:size] for number in range(3))
        shares = [[0] * size, [0] * size, [0] * size]
        if self.planes == 3:
            shares = [y[(9 + number) * size :][:size] for number in range(3)]
        found = []
        for k in range(size):
            mean = offset[k] + (anchors[q] if k < self.anchored else 0)
            for p, number in {0: [], 1: [(0, 0)], 2: [(0, 1), (1, 2)]}[q]:
                mean += (shares[number][k] * (64 * samples[p] - anchors[p]) + 32) >> 6
            weight = round(4096 * exp((logit[k] - max(logit)) / 32))
            found.append((weight, min(max(mean, -(2**16)), 2**16), min(max(scale[k], 0), 47)))
        return found
