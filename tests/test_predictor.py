"""What decoding computes is what training computed, and nothing in it comes from pixels not yet decoded."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ppyr.geometry import shapes
from ppyr.models.backends import Tensor, backend
from ppyr.models.backends.floating import Torch
from ppyr.models.data import stage_batch
from ppyr.models.features import PHASES
from ppyr.models.network import HEAD_BITS
from ppyr.models.prediction import CODING_ORDER
from ppyr.models.predictor import Model, Predictor
from ppyr.models.steps import SUBLATTICE, steps
from ppyr.pyramid import build, merge, split

from .photograph import crop
from .random_model import random_network, random_weights

WEIGHTS = random_weights()


class Recorder(Torch):
    """A backend that keeps what goes in and what comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.features: list[npt.NDArray[np.uint8]] = []
        self.heads: list[npt.NDArray[np.int16]] = []

    def tensor(self, array: npt.NDArray[np.uint8]) -> Tensor:
        self.features.append(array)
        return super().tensor(array)

    def array(self, tensor: Tensor) -> npt.NDArray[np.int16]:
        self.heads.append(super().array(tensor))
        return self.heads[-1]


def decoded(image: npt.NDArray[np.uint8], levels_above: int) -> Recorder:
    """What the backend sees of the last factor of two of `image`, with `levels_above` finer ones to come."""
    recorder = Recorder()
    half, columns = split(image, 1, 8)
    quarter, rows = split(half, 0, 8)
    walk = Predictor(Model(WEIGHTS, recorder), 2 + levels_above)
    for axis, coarse, fine in ((0, quarter, rows), (1, half, columns)):
        for step in walk.level(axis, coarse, fine):
            for channel in step.channels:
                step.distribution(channel)
    return recorder


def trained(image: npt.NDArray[np.uint8]) -> tuple[torch.Tensor, dict[str, Any]]:
    """What training makes of the same image."""
    planes = image[..., CODING_ORDER[3]].transpose(2, 0, 1).astype(np.int32)
    return stage_batch(planes[None])


@pytest.mark.parametrize("shape", [(24, 32), (4, 4), (12, 4)])
def test_features_are_those_of_training(shape: tuple[int, int]) -> None:
    """But for the excesses, without which the heads of the next test would be others."""
    image = crop(*shape)
    coarse, phases = trained(image)
    expected = [coarse]
    for phase in PHASES:
        residual = phases[phase][0]
        expected += [residual[..., dy::2, dx::2] for dy, dx in SUBLATTICE[:-1]]
        expected += [residual] if phase != PHASES[-1] else []
    found = decoded(image, 0).features
    assert len(found) == len(expected)
    for array, tensor in zip(found, expected, strict=True):
        assert array.dtype == np.uint8
        # A step sees the earlier ones one after the other, the latest last: residuals, then excesses.
        latest = array if array.shape[-1] == tensor.shape[1] else array[..., -6:-3]
        np.testing.assert_array_equal(latest.transpose(2, 0, 1), tensor[0].numpy())


@pytest.mark.parametrize(("levels_above", "stage"), [(0, 0), (2, 1), (4, 2), (6, 2)])
def test_heads_are_those_of_training(levels_above: int, stage: int) -> None:
    image = crop(24, 32)
    network = random_network(stage)
    network.set_quantize(True)
    said: list[torch.Tensor] = []
    for head in network.head.values():
        head.register_forward_hook(lambda _head, _given, output: said.append(output))
    with torch.no_grad():
        network(*trained(image))
    found = decoded(image, levels_above).heads
    assert len(found) == len(said) == len(PHASES) * len(SUBLATTICE)
    gains = np.exp2(np.array(HEAD_BITS, np.float32))
    for integers, real in zip(found, said, strict=True):
        expected = np.rint(real[0].permute(1, 2, 0).numpy() * gains).clip(-(2**15), 2**15 - 1)
        assert len(np.unique(expected)) > 100
        np.testing.assert_array_equal(integers, expected)


@pytest.mark.parametrize("shape", [(13, 10, 3), (10, 13, 1), (1, 6, 3), (7, 1, 3)])
def test_predictions_depend_on_decoded_pixels_only(shape: tuple[int, int, int]) -> None:
    image = crop(*shape[:2], gray=shape[2] == 1).reshape(shape)
    rng = np.random.default_rng(0)
    model = Model(WEIGHTS, backend("torch"))
    levels = shapes(*shape[:2])
    coarse, fines = build(image, 8)
    encoder, decoder = Predictor(model, len(levels)), Predictor(model, len(levels))
    for level, fine in zip(levels, fines, strict=True):
        unknown = rng.integers(0, 256, fine.shape, np.uint8)
        walks = zip(
            steps(level.axis, level.fine),
            encoder.level(level.axis, coarse, fine),
            decoder.level(level.axis, coarse, unknown),
            strict=True,
        )
        for place, encoded, step in walks:
            true = fine[place.rows, place.columns]
            np.testing.assert_array_equal(encoded.fine, true, strict=True)
            for channel in step.channels:
                for found, expected in zip(
                    step.distribution(channel), encoded.distribution(channel), strict=True
                ):
                    np.testing.assert_array_equal(found, expected, strict=True)
                step.fine[..., channel] = true[..., channel]
        coarse = merge(coarse, unknown, level.axis, 8)
    np.testing.assert_array_equal(coarse, image, strict=True)
