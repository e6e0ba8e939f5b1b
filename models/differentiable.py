"""The arithmetic of training: networks of `arithmetic` in PyTorch, in float or rounded as integers are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .arithmetic import HERE, Kind, LayerSpec, Offsets
from .features import ZERO_POINT
from .gates import STATE_BITS
from .quantization import STREAM_BITS, UNIT, UNIT_BITS, Activation, Conv, integers
from .weights import Tensors

#: What gated features are multiplied by, so that a stream's units are fine enough for them.
GATE_SCALE = 8.0
_STREAM_UNIT = 2.0**-STREAM_BITS
#: Binary digits after the point of a layer's input and output, by kind; heads have their own.
KIND_BITS = {Kind.STREAM: STREAM_BITS, Kind.RECTIFIED: UNIT_BITS}


class Differentiable(nn.Module):
    """An arithmetic of tensors (B, C, h, w) of the real numbers that bytes stand for.

    Args:
        specs: the layers by name.
    """

    def __init__(self, specs: Mapping[str, LayerSpec]) -> None:
        super().__init__()
        self.specs = dict(specs)
        self.quantize = False
        self.convolutions = nn.ModuleDict()
        for name, spec in specs.items():
            conv = Conv(spec.inputs, spec.outputs, spec.size, KIND_BITS[spec.takes])
            gain: Literal["relu", "linear"] = "relu" if spec.gives is Kind.RECTIFIED else "linear"
            nn.init.kaiming_normal_(conv.matrix, nonlinearity=gain)
            with torch.no_grad():
                conv.matrix.mul_(0.2 if spec.skip else 0.05 if spec.gives is Kind.HEAD else 1)
            self.convolutions[name] = conv

    def conv(self, name: str) -> Conv:
        """A layer's convolution."""
        return cast(Conv, self.convolutions[name])

    def set_quantize(self, on: bool) -> None:
        """Switch rounding of weights and activations on or off."""
        self.quantize = on
        for name in self.specs:
            self.conv(name).quantize = on

    def layer(self, name: str, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """See `Arithmetic`."""
        y = self.conv(name)(x)
        kind = self.specs[name].gives
        if kind is Kind.HEAD:
            return cast(Tensor, y)
        if skip is not None:
            y = y + skip
        return self._bytes(y, _STREAM_UNIT, -ZERO_POINT) if kind is Kind.STREAM else self._bytes(y, UNIT, 0)

    def concatenate(self, *parts: Tensor) -> Tensor:
        """See `Arithmetic`."""
        return torch.cat(parts, 1)

    def gate(self, x: Tensor) -> Tensor:
        """See `Arithmetic`."""
        a, b = x.chunk(2, 1)
        return self._bytes(GATE_SCALE * torch.tanh(a) * torch.sigmoid(b), _STREAM_UNIT, -ZERO_POINT)

    def cell(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `Arithmetic`."""
        into, keep, out, candidate = x.chunk(4, 1)
        state = torch.sigmoid(keep) * state + torch.sigmoid(into) * torch.tanh(candidate)
        state = self._bytes(state, 2.0**-STATE_BITS, -ZERO_POINT)
        y = GATE_SCALE * torch.sigmoid(out) * torch.tanh(state)
        return self._bytes(y, _STREAM_UNIT, -ZERO_POINT), state

    def zeros(self, like: Tensor, channels: int) -> Tensor:
        """See `Arithmetic`."""
        return like.new_zeros(like.shape[0], channels, *like.shape[2:])

    def pool(self, x: Tensor) -> Tensor:
        """See `Arithmetic`."""
        return functional.max_pool2d(x, 2)

    def enlarge(self, x: Tensor) -> Tensor:
        """See `Arithmetic`."""
        return functional.interpolate(x, scale_factor=2.0, mode="nearest")

    def sublattice(self, x: Tensor, row: int, column: int, step: int) -> Tensor:
        """See `Arithmetic`."""
        return x[:, :, row::step, column::step]

    def taps(self, x: Tensor, offsets: Offsets, ahead: int = 0) -> Tensor:  # noqa: ARG002
        """See `Arithmetic`."""
        if offsets == HERE:
            return x
        reach = max(max(abs(row), abs(column)) for row, column in offsets)
        height, width = x.shape[2:]
        padded = functional.pad(x, (reach,) * 4)
        return torch.cat(
            [
                padded[:, :, reach + row : reach + row + height, reach + column : reach + column + width]
                for row, column in offsets
            ],
            1,
        )

    def _bytes(self, x: Tensor, unit: float, low: int) -> Tensor:
        found: Tensor = Activation.apply(x, unit, low, self.quantize)  # type: ignore[no-untyped-call]
        return found


def exported(network: Differentiable, head_bits: tuple[int, ...]) -> Tensors:
    """The integers of all layers, by the names of a model's tensors.

    `head_bits` are the binary digits after the point of each output of the head.
    """
    found: Tensors = {}
    for name, spec in network.specs.items():
        bits = head_bits if spec.gives is Kind.HEAD else (KIND_BITS[spec.gives],)
        # A skip input brings the zero point of the stream with it.
        offset = ZERO_POINT if spec.gives is Kind.STREAM and not spec.skip else 0
        for part, value in integers(network.conv(name), bits, offset).items():
            found[f"{name}.{part}"] = value
    return found
