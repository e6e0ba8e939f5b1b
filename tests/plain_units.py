"""Mappings and units without a model, read as FORMAT.md says; it imports nothing of ppyr.

A part of `plain_decoder`, with its names.
"""

from __future__ import annotations

import lzma
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]
Varint = Callable[[bytes, int], tuple[int, int]]

MODEL, CONSTANT, STORED, LZMA, LZMA_UP, LZMA_NEIGHBOURS = range(6)


def require(condition: bool, rule: str) -> None:
    if not condition:
        raise ValueError(rule)


def unit(method: int, stream: bytes, pixel: Array, shape: tuple[int, int, int], bits: int) -> Array:
    """The samples (h, w, c) of a unit that no model codes; `pixel` is its coarsest image."""
    h, w, c = shape
    size = 1 if bits <= 8 else 2
    if method == CONSTANT:
        return np.broadcast_to(pixel, shape)
    if method == STORED:
        require(len(stream) == (h * w * c * bits + 7) // 8, "the size of a stored unit")
        number = int.from_bytes(stream, "big") >> (-(h * w * c * bits) % 8)
        found = [(number >> bits * place) % 2**bits for place in reversed(range(h * w * c))]
        return np.array(found, np.int64).reshape(shape)
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**24, "lc": 3, "lp": size - 1, "pb": size - 1}]
    data = lzma.decompress(stream, lzma.FORMAT_RAW, filters=filters)
    which = data[: h * w] if method == LZMA_NEIGHBOURS else b""
    values = np.frombuffer(data, f"<u{size}", offset=len(which)).astype(np.int64)
    samples = np.zeros((h + 1, w + 2, c), np.int64)
    if method == LZMA_NEIGHBOURS:
        given = iter(values.reshape(-1, c))
        for n, neighbour in enumerate(which):
            i, j = 1 + n // w, 1 + n % w
            near = ((i, j - 1), (i - 1, j), (i - 1, j + 1), (i - 1, j - 1))
            samples[i, j] = samples[near[neighbour]] if neighbour < 4 else next(given)
        require(next(given, None) is None, "no pixel is left")
    else:
        samples[1:, 1:-1] = values.reshape(shape)
        if method == LZMA_UP:
            samples = np.cumsum(samples, 0) % 256**size
    require(int(samples.max()) < 2**bits, "a sample is below 2^bits")
    return samples[1:, 1:-1]


def mapped(content: bytes, coded: Array, channels: int, bit_depth: int, varint: Varint) -> Array:
    """The image (H, W, C) of a coded image (H, W, c)."""
    form, at = varint(content, 0)
    if form == 2:
        count, at = varint(content, at)
        size = 1 if bit_depth <= 8 else 2
        differences = np.frombuffer(content, f"<u{size}", offset=at).astype(np.int64).reshape(channels, count)
        colours = np.cumsum(differences, 1) % 256**size
        require(int(colours.max()) < 2**bit_depth and int(coded.max()) < count, "a colour, and its number")
        found: Array = colours[:, coded[..., 0]].transpose(1, 2, 0)
        return found
    require(form == 1, "form")
    planes: list[Array] = []
    place = 0
    for _ in range(channels):
        how, at = varint(content, at)
        if how == 0:
            planes.append(coded[..., place])
        elif how == 1:
            count, at = varint(content, at)
            values = [0]
            for number in range(count):
                gap, at = varint(content, at)
                require(gap > 0 or number == 0, "values ascend")
                values.append(values[-1] + gap)
            planes.append(np.array(values[1:])[coded[..., place]])
        else:
            number, at = varint(content, at)
            planes.append(planes[number] if how == 2 else np.full(coded.shape[:2], number))
        place += how < 2
    require(at == len(content) and place == coded.shape[2], "all of the mapping, and all channels")
    image = np.stack(planes, 2)
    require(int(image.max()) < 2**bit_depth, "a sample is below 2^bit_depth")
    return image
