"""The gated PixelCNN in training."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ppyr.models.arithmetic import FIRST_PIXEL, SETTINGS
from ppyr.models.differentiable import Differentiable, exported
from ppyr.models.features import ZERO_POINT, ByteArray
from ppyr.models.grid import MEAN_BITS
from ppyr.models.mixture_likelihood import first_biases, mixture_bits, steps_of
from ppyr.models.quantization import STREAM_BITS, straight_through
from ppyr.models.weights import Tensors

from .features import anchors, everywhere, look
from .network import PixelCnnConfig

#: Where in its interval of length 1 a number of a code is taken to be.
CODE_MIDDLE = 0.5


class PixelBatch(NamedTuple):
    """Images as a PixelCNN sees them, float32 tensors of integers.

    Attributes:
        pixels: features, (B, 3 P + 1, h, w).
        anchors: in sample values, (B, P, h, w).
        samples: (B, P, h, w).
        given: (B, D, 1, 1) or (B, D, h, w), None where there is nothing.
    """

    pixels: Tensor
    anchors: Tensor
    samples: Tensor
    given: Tensor | None

    def to(self, device: str) -> PixelBatch:
        """The batch on a device."""
        given = None if self.given is None else self.given.to(device)
        return PixelBatch(self.pixels.to(device), self.anchors.to(device), self.samples.to(device), given)


def pixel_batch(images: ByteArray, bits: int, given: ByteArray | None = None) -> PixelBatch:
    """A batch of images (B, h, w, P), given with bytes (B, D) or (B, h, w, D)."""
    height, width = images.shape[1:3]
    places = everywhere(height, width)
    seen = np.stack([look(image, *places, bits) for image in images])
    guesses = np.stack([anchors(image, *places) for image in images])

    def tensor(array: npt.NDArray[np.integer]) -> Tensor:
        shaped = array.reshape(len(images), height, width, -1)
        return torch.from_numpy(shaped.astype(np.float32)).permute(0, 3, 1, 2)

    with_bytes = None
    if given is not None:
        mapped = given if given.ndim == 4 else given[:, np.newaxis, np.newaxis]
        with_bytes = torch.from_numpy(mapped.astype(np.float32)).permute(0, 3, 1, 2)
    return PixelBatch(tensor(seen), tensor(guesses) / 2**MEAN_BITS, tensor(images), with_bytes)


def model_tensors(net: PixelCnnNet, first: npt.NDArray[np.uint8]) -> Tensors:
    """The integers of a model; `first` is the pixel that images begin with which it draws, (planes,)."""
    config = net.config
    return {
        SETTINGS: config.settings,
        FIRST_PIXEL: first,
        **exported(net.layers, config.head.bits),
    }


class PixelCnnNet(nn.Module):
    """A gated PixelCNN whose mixtures are trained."""

    def __init__(self, config: PixelCnnConfig, bits: int) -> None:
        super().__init__()
        self.config, self.bits = config, bits
        self.layers = Differentiable(config.specs())
        with torch.no_grad():
            self.layers.conv("head").bias.copy_(first_biases(config.head, bits))

    @property
    def quantize(self) -> bool:
        """Whether weights and activations are rounded."""
        return self.layers.quantize

    def set_quantize(self, on: bool) -> None:
        """Switch rounding of weights and activations on or off."""
        self.layers.set_quantize(on)

    def steps(self, batch: PixelBatch) -> Tensor:
        """What the head says, in its integer steps, (B, outputs, h, w)."""
        unit, size = 2.0**-STREAM_BITS, batch.pixels.shape[2:]
        pixels = (batch.pixels - ZERO_POINT) * unit
        given = []
        if batch.given is not None:
            given.append(((batch.given - ZERO_POINT) * unit).expand(-1, -1, *size))
        if self.config.code:
            code = self.config.encode(self.layers, pixels)
            # What a file stores is cut off a byte: a number close below a whole one counts as that.
            whole = torch.floor(torch.round(code / unit) * unit)
            given.append(straight_through(code, whole + CODE_MIDDLE).expand(-1, -1, *size))
        said = self.config.evaluate(self.layers, pixels, torch.cat(given, 1) if given else None)
        return steps_of(said.float(), self.config.head, quantize=self.layers.quantize)

    def forward(self, batch: PixelBatch) -> Tensor:
        """Information of all samples but each image's first pixel, in bits, (B, P, h, w) with 0 for that."""
        found = mixture_bits(self.steps(batch), batch.anchors, batch.samples, self.config.head, self.bits)
        kept = torch.ones_like(found)
        kept[:, :, 0, 0] = 0
        return found * kept
