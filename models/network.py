"""The default network in training: one factor of two of the paired pyramid.

Source: the factorisation p(F_i | I_i) = prod_s p(F_i^s | F_i^<s, I_i) of PixelPyramids (Mahajan & Roth 2021)
over the paired pyramid of Torbey & Meadows (1989); features carried from phase to phase take the place of
its convolutional LSTM. Every convolution works on the lattice of the coarse image or on one of its four
sub-lattices::

    coarse 00 -> trunk ---------> u --[update with 10]--> u --[update with 01]--> u
                                  |                       |                       |
                              4 steps: 10             4 steps: 01             4 steps: 11

    a step:  u on its sub-lattice --(+ 3x3 of the phase's earlier subsampled images)--> 1x1 -> 1x1 -> head

Activations are unsigned bytes in units of 1/32, which float training keeps as a clamp to [0, 255/32]. With
`quantize` set, weights and activations are rounded to what the integer layers hold, straight through for
gradients.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .features import PHASES, ZERO_POINT
from .grid import MEAN_BITS
from .integer import ACTIVATION_MAX, WEIGHT_MAX
from .likelihood import bits
from .predictor import COUPLING_BITS, COUPLING_LIMITS, PLANES, ends_block
from .steps import SUBLATTICE

UNIT_BITS = 5
UNIT = 2.0**-UNIT_BITS
CEILING = ACTIVATION_MAX * UNIT

#: What a head says: offset of the mean, scale and shape of each channel in coding order (G, R, B), and the
#: couplings G-R, G-B and R-B; binary logarithm of the integer steps for one unit of the head's real output.
HEAD_BITS = (9,) * 3 + (3,) * 3 + (1,) * 3 + (6,) * 3
HEAD_OUTPUTS = len(HEAD_BITS)
#: Initial outputs: no offset, a scale of two grey levels, the logistic shape, half of G's residual for R, B.
HEAD_START = (0.0, 0.0, 0.0, 20.0, 20.0, 20.0, 1.0, 1.0, 1.0, 32.0, 32.0, 0.0)


@dataclass(frozen=True)
class NetworkConfig:
    """Widths and depths of one network; all counts are of channels or residual blocks."""

    width: int = 48
    trunk_blocks: int = 2
    phase_blocks: int = 1
    step_width: int = 64


def straight_through(value: Tensor, rounded: Tensor) -> Tensor:
    """The rounded value with the gradient of the value."""
    return value + (rounded - value).detach()


def weight_exponents(weight: Tensor) -> Tensor:
    """Per output channel the largest k with round(max|w| 2^k) <= 64, as float (C_out, 1, 1, 1)."""
    peak = weight.detach().float().abs().amax((1, 2, 3), keepdim=True).clamp(min=2.0**-12)
    return torch.floor(torch.log2(WEIGHT_MAX / peak)).clamp(0, 12)


class Conv(nn.Conv2d):
    """A convolution whose weights can be rounded to |w| <= 64 steps of a power of two per output channel."""

    bias: Tensor
    quantize = False

    def __init__(self, c_in: int, c_out: int, size: int) -> None:
        super().__init__(c_in, c_out, size, padding=size // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, h, w) -> (B, C_out, h, w)."""
        weight, bias = self.weight, self.bias
        if self.quantize:
            step = torch.exp2(-weight_exponents(weight))
            weight = straight_through(weight, torch.round(weight / step) * step)
            bias_step = step.flatten() * UNIT
            bias = straight_through(bias, torch.round(bias / bias_step) * bias_step)
        return nn.functional.conv2d(x, weight, bias, padding=self.padding)


class _Activation(torch.autograd.Function):
    """Clamp to [0, 255/32], and round to 1/32 if asked; the gradient passes where the clamp does not act."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, quantize: bool) -> Tensor:
        ctx.save_for_backward(x)
        x = x.clamp(0, CEILING)
        return x.div_(UNIT).round_().mul_(UNIT) if quantize else x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(grads[0], x, 0.0, CEILING), None


class StageNet(nn.Module):
    """Network of one factor of two: integer features in, bits of every pixel out.

    Call with the stage's integer images as float tensors (see `stage_batch`): returns the information in bits
    of each step, a tensor (12,), summed over the batch.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.quantize = False
        width = config.width
        self.trunk_in = Conv(3 * PLANES, width, 3)
        self.trunk = nn.ModuleList(Conv(width, width, 3) for _ in range(2 * config.trunk_blocks))
        self.phase_in = nn.ModuleDict({p: Conv(2 * PLANES, width, 3) for p in PHASES[:-1]})
        self.phase = nn.ModuleDict(
            {
                p: nn.ModuleList(Conv(width, width, 3) for _ in range(2 * config.phase_blocks))
                for p in PHASES[:-1]
            }
        )
        self.step_in = nn.ModuleDict()
        self.step_mid = nn.ModuleDict()
        self.head = nn.ModuleDict()
        for phase in PHASES:
            for step in range(len(SUBLATTICE)):
                name = f"{phase}_{step}"
                if step:
                    self.step_in[name] = Conv(2 * PLANES * step, width, 3)
                self.step_mid[name] = Conv(width, config.step_width, 1)
                self.head[name] = Conv(config.step_width, HEAD_OUTPUTS, 1)
        self.reset()

    def reset(self) -> None:
        """Small residual branches and heads that start at `HEAD_START`."""
        start = torch.tensor(HEAD_START) / torch.exp2(torch.tensor(HEAD_BITS))
        for name, conv in self.convolutions():
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)
            with torch.no_grad():
                if ends_block(name):
                    conv.weight.mul_(0.3)
                elif name.startswith("head."):
                    conv.weight.mul_(0.05)
                    conv.bias.copy_(start)

    def convolutions(self) -> Iterator[tuple[str, Conv]]:
        """Every convolution and its name."""
        for name, module in self.named_modules():
            if isinstance(module, Conv):
                yield name, module

    def set_quantize(self, on: bool) -> None:
        """Switch rounding of weights and activations on or off."""
        self.quantize = on
        for _, conv in self.convolutions():
            conv.quantize = on

    def activate(self, x: Tensor) -> Tensor:
        """What the next layer sees of `x`, elementwise."""
        activated: Tensor = _Activation.apply(x, self.quantize)  # type: ignore[no-untyped-call]
        return activated

    def blocks(self, x: Tensor, stack: nn.Module) -> Tensor:
        """Residual blocks, two convolutions each."""
        convs = list(stack.children())
        for first, second in zip(convs[::2], convs[1::2], strict=True):
            x = self.activate(x + second(self.activate(first(x))))
        return x

    def forward(self, coarse: Tensor, phases: dict[str, tuple[Tensor, Tensor, Tensor]]) -> Tensor:
        """Bits of each of the 12 steps, summed over the batch.

        `coarse` (B, 9, h, w): coarse features; `phases[p]`: residual features (B, 6, h, w), anchors in
        quarters (B, 3, h, w) and pixels (B, 3, h, w), all float32 holding the integers of `features`.
        """
        u = self.activate(self.trunk_in((coarse - ZERO_POINT) * UNIT))  # (B, K, h, w)
        u = self.blocks(u, self.trunk)
        heads: list[tuple[Tensor, Tensor, Tensor]] = []
        for phase in PHASES:
            features, quarters, pixels = phases[phase]
            features = (features - ZERO_POINT) * UNIT
            earlier: list[Tensor] = []
            for step, (dy, dx) in enumerate(SUBLATTICE):
                name = f"{phase}_{step}"
                sub = (..., slice(dy, None, 2), slice(dx, None, 2))
                x = u[sub]
                if earlier:
                    x = self.activate(x + self.step_in[name](torch.cat(earlier, 1)))
                x = self.activate(self.step_mid[name](x))
                with torch.autocast(x.device.type, enabled=False):
                    said = self.head[name](x.float())  # (B, 12, h/2, w/2)
                heads.append((said, quarters[sub], pixels[sub]))
                earlier.append(features[sub])
            if phase != PHASES[-1]:
                u = self.activate(u + self.phase_in[phase](features))
                u = self.blocks(u, self.phase[phase])
        with torch.autocast(u.device.type, enabled=False):
            return self.pixel_bits(*(torch.stack(t) for t in zip(*heads, strict=True))).sum((1, 2, 3, 4))

    def pixel_bits(self, said: Tensor, quarters: Tensor, pixels: Tensor) -> Tensor:
        """Bits of every pixel: heads (S, B, 12, h, w), anchors and pixels (S, B, 3, h, w) -> (S, B, 3, h, w).

        Channels are coded in order, each with a linear share of the residuals of the channels before it.
        """
        gains = torch.exp2(torch.tensor(HEAD_BITS, device=said.device, dtype=said.dtype)).view(-1, 1, 1)
        said = said * gains
        if self.quantize:
            rounded = torch.round(said)
            soft = said[:, :, 6:9]  # a rounded shape would have no gradient in the hat functions
            said = straight_through(said, torch.cat((rounded[:, :, :6], soft, rounded[:, :, 9:]), 2))
        offset, scale, shape, coupling = said.chunk(4, 2)
        coupling = coupling.clamp(*COUPLING_LIMITS) / 2**COUPLING_BITS
        means = quarters / 4 + offset / 2**MEAN_BITS
        g, r, b = means.unbind(2)
        residual_g = pixels[:, :, 0] - g
        r = r + coupling[:, :, 0] * residual_g
        residual_r = pixels[:, :, 1] - r
        b = b + coupling[:, :, 1] * residual_g + coupling[:, :, 2] * residual_r
        return bits(pixels, torch.stack((g, r, b), 2), scale, shape)
