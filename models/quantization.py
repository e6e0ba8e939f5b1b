"""Convolutions and activations in training, rounded on demand to what the integer layers hold.

Features are bytes in the integer layers: a signed *stream* in units of 1/16, and rectified ones in units of
1/32. Float training keeps both as clamps. With `quantize` set, weights and activations are rounded, straight
through for gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .integer import ACTIVATION_MAX, EXACT, weight_limit, weight_type

#: Binary digits after the point of rectified features, and of a stream.
UNIT_BITS = 5
STREAM_BITS = 4
UNIT = 2.0**-UNIT_BITS


def straight_through(value: Tensor, rounded: Tensor) -> Tensor:
    """The rounded value with the gradient of the value."""
    return value + (rounded - value).detach()


def weight_exponents(weight: Tensor) -> Tensor:
    """Per output channel the exponent of the weights' integer steps, as float (C_out, 1, 1, 1).

    The largest k of 1..12 with round(max|w| 2^k) in the limit of `integer.Layer` and 255 sum|w| 2^k <= 2^23.
    """
    size = weight.detach().float().abs()
    peak, total = size.amax((1, 2, 3), keepdim=True), size.sum((1, 2, 3), keepdim=True)
    room = torch.minimum(weight_limit(weight.shape[-1]) / peak, EXACT / 2 / ACTIVATION_MAX / total)
    return torch.floor(torch.log2(room)).clamp(1, 12)


class Conv(nn.Module):
    """A convolution whose weights can be rounded to integer steps of a power of two per output channel.

    Its input has `input_bits` binary digits after the point. The weights are kept as a matrix
    (C_out, size * size * C_in), which is what the optimizer of matrices takes.
    """

    quantize = False

    def __init__(self, c_in: int, c_out: int, size: int, input_bits: int = UNIT_BITS) -> None:
        super().__init__()
        self.c_in, self.size, self.input_bits = c_in, size, input_bits
        self.matrix = nn.Parameter(torch.empty(c_out, size * size * c_in))
        self.bias = nn.Parameter(torch.zeros(c_out))

    @property
    def weight(self) -> Tensor:
        """The weights as (C_out, C_in, size, size), channels last."""
        return self.matrix.view(-1, self.size, self.size, self.c_in).permute(0, 3, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, h, w) -> (B, C_out, h, w)."""
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        if self.quantize:
            step = torch.exp2(-weight_exponents(weight))
            weight = straight_through(weight, torch.round(weight / step) * step)
            bias_step = step.flatten() * 2.0**-self.input_bits
            bias = straight_through(bias, torch.round(bias / bias_step) * bias_step)
        return nn.functional.conv2d(x, weight, bias, padding=self.size // 2)


class Activation(torch.autograd.Function):
    """Clamp to low..low + 255 units, rounded to whole ones if asked; the gradient passes inside the clamp."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, unit: float, low: int, quantize: bool) -> Tensor:
        """Elementwise."""
        ctx.save_for_backward(x)
        ctx.limits = (low * unit, (low + ACTIVATION_MAX) * unit)
        x = x.clamp(*ctx.limits)
        return x.div_(unit).round_().mul_(unit) if quantize else x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        """That of the clamp."""
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(grads[0], x, *ctx.limits), None, None, None


def integers(conv: Conv, output_bits: tuple[int, ...], offset: int) -> dict[str, npt.NDArray[np.generic]]:
    """A layer's weights, biases and shifts as `integer.Layer` wants them; `offset` is added to its output."""
    with torch.no_grad():
        exponent = weight_exponents(conv.weight)
        weight = torch.round(conv.weight * torch.exp2(exponent))
        exponent = exponent.flatten()
        bias = torch.round(conv.bias.double() * torch.exp2(exponent.double() + conv.input_bits))
        shift = exponent + conv.input_bits - torch.tensor(output_bits)
        bias += offset * torch.exp2(shift.double())
    return {
        "weight": weight.numpy().astype(weight_type(conv.size), order="C"),
        "bias": bias.numpy().astype(np.int32),
        "shift": shift.numpy().astype(np.int8),
    }
