"""A tiny family of models with ten classes: mixtures around a neighbour, also in coarsest images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from ppyr.bitstream.mixtures import Mixtures
from ppyr.errors import ConfigurationError, FormatError, ModelError
from ppyr.models import family, modelfile, predictor, registry
from ppyr.models.backends import Backend
from ppyr.models.depth import Depth
from ppyr.models.prediction import Samples
from ppyr.models.weights import Tensors, Weights

ARCHITECTURE = "test-neighbours"
COARSEST_BITS, TILE_BITS, CLASSES = 3, 5, 10
WEIGHTS = Weights({"scale": np.array([20], np.uint8)}, {"from": "a test"}, ARCHITECTURE)


class Around(NamedTuple):
    """Of each sample: a narrow and a wide component around its guess."""

    scale: int
    bits: int

    def mixtures(self, guesses: Samples) -> Mixtures:
        means = 64 * guesses.astype(np.int32).reshape(-1, 1).repeat(2, 1)
        scales = np.full(means.shape, self.scale, np.uint8)
        scales[:, 1] += 12
        return Mixtures(np.full(means.shape, 2000, np.uint16), means, scales, self.bits)


class Front(NamedTuple):
    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    channels: Sequence[int]
    image: npt.NDArray[np.uint8]
    around: Around

    def distribution(self, channel: int) -> Mixtures:
        rows, columns = np.where(self.columns > 0, self.rows, self.rows - 1), np.maximum(self.columns - 1, 0)
        return self.around.mixtures(self.image[rows, columns, channel])


class Step(NamedTuple):
    rows: slice
    columns: slice
    fine: Samples
    coarse: Samples
    channels: Sequence[int]
    around: Around

    def distribution(self, channel: int) -> Mixtures:
        return self.around.mixtures(self.coarse[..., channel])


class Prediction(NamedTuple):
    around: Around

    def coarsest(self, image: npt.NDArray[np.uint8], known: bool) -> Iterator[Front]:
        height, width, channels = image.shape
        rows, columns = (places.ravel()[1:] for places in np.indices((height, width)))
        parts = [slice(None)] if known and channels == 1 else [slice(n, n + 1) for n in range(len(rows))]
        for part in parts:
            yield Front(rows[part], columns[part], range(channels), image, self.around)

    def level(self, axis: int, coarse: Samples, fine: Samples) -> Iterator[Step]:
        for half in (slice(0, None, 2), slice(1, None, 2)) if axis else (slice(None),):
            if fine[half].size:
                near = coarse[: fine.shape[0], : fine.shape[1]][half]
                yield Step(half, slice(None), fine[half], near, range(fine.shape[2]), self.around)


class Model:
    """See `LikelihoodModel`."""

    coarsest_bits, tile_bits, narrow_only = COARSEST_BITS, TILE_BITS, True
    frequencies = np.empty((0, 256), np.uint32)

    def __init__(self, source: Weights, backend: Backend) -> None:
        self.id, self.source, self.backend = source.id, source, backend
        self._scale = int(source.tensor("scale", np.uint8)[0])

    def first_pixel(self, channels: int) -> npt.NDArray[np.uint8]:
        return np.full(channels, 9, np.uint8)

    def condition(self, _image: Samples, _bits: int, label: int | None) -> bytes:
        if label is None:
            return b""
        if label >= CLASSES:
            raise ConfigurationError(f"label {label}: give 0 to {CLASSES - 1}", found=label)
        return bytes([label])

    def predictor(self, _levels: int, bits: int, _depth: Depth, condition: bytes) -> Prediction:
        label, *more = condition or b"\0"
        if more or label >= CLASSES:
            raise FormatError("there is no such class: get a fresh copy of the file", found=condition)
        return Prediction(Around(self._scale + label, bits))


def check(tensors: Tensors) -> None:
    if tensors.keys() != {"scale"}:
        raise ModelError("the model has other tensors than a scale: export it again", found=sorted(tensors))


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Install the family and a model of it; gives the model's name."""
    monkeypatch.setitem(family.FAMILIES, ARCHITECTURE, family.Family(check, Model))
    path = modelfile.write(WEIGHTS, folder, "neighbours")
    found = {**registry.installed(), WEIGHTS.id: path}
    monkeypatch.setattr(registry, "installed", lambda: found)
    predictor.load.cache_clear()
    return "neighbours"
