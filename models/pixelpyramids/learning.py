"""PixelPyramids in training: every level's network for itself, with the true coarse and earlier pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from ppyr.models.arithmetic import FIRST_PIXEL, SETTINGS
from ppyr.models.differentiable import Differentiable, exported
from ppyr.models.features import ZERO_POINT, ByteArray
from ppyr.models.grid import MEAN_BITS
from ppyr.models.mixture_likelihood import first_biases, mixture_bits, steps_of
from ppyr.models.pixelcnn.learning import PixelCnnNet
from ppyr.models.quantization import STREAM_BITS
from ppyr.models.weights import Tensors

from .features import anchors, coarse_map, look, planes_of
from .network import COARSEST, SEEN, LevelConfig, PyramidConfig, name_of


class LevelBatch(NamedTuple):
    """A level of images as its network sees it, float32 tensors of integers.

    (H, W) are the sides of the coarse images, padded; (h, w) those of the fine ones.

    Attributes:
        coarse: features of the coarse images, (B, 15, H, W).
        seen: of the fine images, (B, 6, H, W); nothing is seen beyond their edges.
        anchors: in sample values, (B, 3, h, w).
        samples: that are coded of the fine images, (B, 1 or 3, h, w).
    """

    coarse: Tensor
    seen: Tensor
    anchors: Tensor
    samples: Tensor

    def to(self, device: str) -> LevelBatch:
        """The batch on a device."""
        return LevelBatch(*(tensor.to(device) for tensor in self))


def level_batch(images: ByteArray, distance: int, config: LevelConfig, bits: int) -> LevelBatch:
    """A level, so many from the finest, of a batch of images (B, h, w, 1 or 3), which are large enough."""
    axis = 1 - distance % 2
    level = images[:, :: 1 << distance // 2, :: 1 << (distance + 1) // 2]
    coarse, fine = (level[:, start::2] if axis == 0 else level[:, :, start::2] for start in (0, 1))
    coarse_planes, fine_planes = ([planes_of(image) for image in images] for images in (coarse, fine))
    guesses = [anchors(planes, axis, *fine.shape[1:3]) for planes in coarse_planes]
    features = np.stack([coarse_map(planes, config.multiple, bits) for planes in coarse_planes])
    seen = np.full((*features.shape[:3], SEEN), ZERO_POINT, np.uint8)
    for number, (planes, guess) in enumerate(zip(fine_planes, guesses, strict=True)):
        seen[number, : planes.shape[0], : planes.shape[1]] = look(planes, guess, bits)

    def tensor(array: npt.NDArray[np.integer]) -> Tensor:
        return torch.from_numpy(array.astype(np.float32)).permute(0, 3, 1, 2)

    means = tensor(np.stack(guesses)) / 2**MEAN_BITS
    return LevelBatch(tensor(features), tensor(seen), means, tensor(fine))


class LevelNet(nn.Module):
    """The network of a level."""

    def __init__(self, config: LevelConfig, bits: int) -> None:
        super().__init__()
        self.config, self.bits = config, bits
        self.layers = Differentiable(config.specs())
        with torch.no_grad():
            self.layers.conv("head").bias.copy_(first_biases(config.head, bits))
            for number in range(2):
                _, keep, _, _ = self.layers.conv(f"lstm_{number}").bias.chunk(4)
                keep.fill_(1.0)

    @property
    def quantize(self) -> bool:
        """Whether weights and activations are rounded."""
        return self.layers.quantize

    def set_quantize(self, on: bool) -> None:
        """Switch rounding of weights and activations on or off."""
        self.layers.set_quantize(on)

    def steps(self, batch: LevelBatch) -> Tensor:
        """What the head says, in its integer steps, (B, outputs, h, w)."""
        config, arithmetic, stride = self.config, self.layers, self.config.stride
        unit, (height, width) = 2.0**-STREAM_BITS, batch.samples.shape[2:]
        coarse, pixels = (batch.coarse - ZERO_POINT) * unit, (batch.seen - ZERO_POINT) * unit

        def seen(row: int, column: int) -> Tensor:
            return arithmetic.sublattice(pixels, row, column, stride)

        walk = config.walk(arithmetic, coarse, height, width, seen)
        found = {(row, column): output for row, column, output in walk}
        nothing = torch.zeros_like(found[0, 0])
        parts = [found.get(place, nothing) for place in np.ndindex(stride, stride)]
        output = functional.pixel_shuffle(torch.stack(parts, 2).flatten(1, 2), stride)
        said = config.say(arithmetic, output[:, :, :height, :width])
        return steps_of(said.float(), config.head, quantize=self.quantize)

    def forward(self, batch: LevelBatch) -> Tensor:
        """Information of the samples in bits, (B, 1 or 3, h, w)."""
        samples = batch.samples.expand_as(batch.anchors)
        found = mixture_bits(self.steps(batch), batch.anchors, samples, self.config.head, self.bits)
        return found[:, : batch.samples.shape[1]]


def model_tensors(
    config: PyramidConfig, nets: Sequence[LevelNet], coarsest: PixelCnnNet, first: npt.NDArray[np.uint8]
) -> Tensors:
    """The integers of a model, of a network for each of `PyramidConfig.networks` and the coarsest image's.

    `first` is the pixel that images begin with which it draws, (3,).
    """
    found: Tensors = {SETTINGS: config.settings, FIRST_PIXEL: first}
    found[COARSEST + SETTINGS] = config.coarsest.settings
    layers = exported(coarsest.layers, config.coarsest.head.bits)
    found |= {COARSEST + name: tensor for name, tensor in layers.items()}
    for number, net in enumerate(nets):
        layers = exported(net.layers, config.head.bits)
        found |= {f"{name_of(number)}.{name}": tensor for name, tensor in layers.items()}
    return found
