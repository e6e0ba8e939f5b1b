"""The default network in training: one factor of two of the paired pyramid.

Source: the factorisation p(F_i | I_i) = prod_s p(F_i^s | F_i^<s, I_i) of PixelPyramids (Mahajan & Roth 2021)
over the paired pyramid of Torbey & Meadows (1989); features carried from phase to phase take the place of
its convolutional LSTM. Every convolution works on the lattice of the coarse image or on one of its four
sub-lattices::

    coarse 00 -> trunk ---------> u --[update with 10]--> u --[update with 01]--> u
                                  |                       |                       |
                              4 steps: 10             4 steps: 01             4 steps: 11

    a step:  u on its sub-lattice --(+ 3x3 of the phase's earlier subsampled images)--> 1x1 -> 1x1 -> head

A subsampled image is seen as its pixels' distances from their anchors and from what the network expected of
them, so what an image does unlike those of training is known from the first step on.

The features u are a residual stream of signed bytes in units of 1/16, what is between the two layers of a
block or step unsigned bytes in units of 1/32; float training keeps both as clamps. The stream is not
rectified: a channel that a rectifier silenced everywhere would get no gradient any more. With `quantize`
set, weights and activations are rounded to what the integer layers hold, straight through for gradients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ppyr.errors import ConfigurationError

from .excess import EXCESS_LIMITS, EXCESSES, RESIDUAL_LIMIT, SMALLEST_SCALE_QUARTERS
from .features import EXCESS_SHARPNESS, PHASES, PLANES, ZERO_POINT
from .grid import MEAN_BITS, SCALES_PER_OCTAVE
from .likelihood import SCALES, bits
from .prediction import COUPLING_BITS, COUPLING_LIMITS
from .predictor import begins_block, ends_block
from .quantization import STREAM_BITS, UNIT, UNIT_BITS, Activation, Conv, straight_through
from .steps import SUBLATTICE

#: What a head says: offset of the mean, scale and shape of each channel in coding order (G, R, B), and the
#: couplings G-R, G-B and R-B; binary logarithm of the integer steps for one unit of the head's real output.
HEAD_BITS = (9,) * 3 + (3,) * 3 + (2,) * 3 + (6,) * 3
HEAD_OUTPUTS = len(HEAD_BITS)
#: The same of `StageNet.spread`, which is added to the scales.
SPREAD_BITS = 3
#: Initial outputs: no offset, a scale of two grey levels, the logistic shape, half of G's residual for R, B.
HEAD_START = (0.0, 0.0, 0.0, 20.0, 20.0, 20.0, 1.0, 1.0, 1.0, 32.0, 32.0, 0.0)


@dataclass(frozen=True)
class NetworkConfig:
    """Widths and depths of one network; all counts are of channels or residual blocks."""

    width: int = 48
    trunk_blocks: int = 2
    phase_blocks: int = 1
    step_width: int = 64

    def __post_init__(self) -> None:
        if min(self.width, self.step_width) < 1 or min(self.trunk_blocks, self.phase_blocks) < 0:
            raise ConfigurationError(
                f"{self}: widths are 1 or more, blocks 0 or more", expected=NetworkConfig(), found=self
            )


def _block_layers(width: int, blocks: int) -> nn.ModuleList:
    """The layers of residual blocks: from the stream, and back to it."""
    bits = (STREAM_BITS, UNIT_BITS) * blocks
    return nn.ModuleList(Conv(width, width, 3, input_bits) for input_bits in bits)


def sublattices(x: Tensor) -> list[Tensor]:
    """The subsampled images (B, C, h/2, w/2) of x (B, C, h, w), in the order of `SUBLATTICE`."""
    batch, channels, height, width = x.shape
    last = x.permute(0, 2, 3, 1).reshape(batch, height // 2, 2, width // 2, 2, channels)
    rows = [row.unbind(3) for row in last.unbind(2)]
    return [rows[dy][dx].permute(0, 3, 1, 2) for dy, dx in SUBLATTICE]


def from_sublattices(parts: Sequence[Tensor]) -> Tensor:
    """The image (B, C, h, w) of its subsampled images (B, C, h/2, w/2), in the order of `SUBLATTICE`."""
    batch, channels, height, width = parts[0].shape
    whole = parts[0].new_empty(batch, height, 2, width, 2, channels)
    for part, (dy, dx) in zip(parts, SUBLATTICE, strict=True):
        whole[:, :, dy, :, dx] = part.permute(0, 2, 3, 1)
    return whole.view(batch, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)


class StageNet(nn.Module):
    """Network of one factor of two: integer features in, bits of every pixel out.

    Call with the stage's integer images as float tensors (see `stage_batch`): returns the information in bits
    of each step, a tensor (12,), summed over the batch. The first `planes` channels count; of a gray image,
    whose three are alike, 1.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.quantize = False
        self.planes = PLANES
        width = config.width
        self.trunk_in = Conv(5 * PLANES, width, 3)
        self.trunk = _block_layers(width, config.trunk_blocks)
        self.phase_in = nn.ModuleDict({p: Conv(2 * PLANES, width, 3) for p in PHASES[:-1]})
        self.phase = nn.ModuleDict({p: _block_layers(width, config.phase_blocks) for p in PHASES[:-1]})
        self.step_in = nn.ModuleDict()
        self.step_mid = nn.ModuleDict()
        self.head = nn.ModuleDict()
        for phase in PHASES:
            for step in range(len(SUBLATTICE)):
                name = f"{phase}_{step}"
                if step:
                    self.step_in[name] = Conv(2 * PLANES * step, width, 3)
                self.step_mid[name] = Conv(width, config.step_width, 1, STREAM_BITS)
                self.head[name] = Conv(config.step_width, HEAD_OUTPUTS, 1)
        self.spread = nn.Parameter(torch.zeros(PLANES * EXCESSES))
        self.reset()

    def reset(self) -> None:
        """Small residual branches and heads that start at `HEAD_START`."""
        start = torch.tensor(HEAD_START) / torch.exp2(torch.tensor(HEAD_BITS))
        for name, conv in self.convolutions():
            with torch.no_grad():
                nn.init.kaiming_normal_(conv.matrix, nonlinearity="relu")
                nn.init.zeros_(conv.bias)
                if ends_block(name):
                    conv.matrix.mul_(0.2)
                elif name.startswith("head."):
                    conv.matrix.mul_(0.05)
                    conv.bias.copy_(start)

    def convolutions(self) -> Iterator[tuple[str, Conv]]:
        """Every convolution and its name."""
        for name, module in self.named_modules():
            if isinstance(module, Conv):
                yield name, module

    def output_bits(self, name: str) -> tuple[int, ...]:
        """Binary digits after the point of a layer's output: one for all channels, or one each of a head."""
        kind = name.partition(".")[0]
        if kind == "head":
            return HEAD_BITS
        return (UNIT_BITS,) if begins_block(name) or kind == "step_mid" else (STREAM_BITS,)

    def set_quantize(self, on: bool) -> None:
        """Switch rounding of weights and activations on or off."""
        self.quantize = on
        for _, conv in self.convolutions():
            conv.quantize = on

    def hidden(self, x: Tensor) -> Tensor:
        """Rectified bytes between two layers, elementwise."""
        bounded: Tensor = Activation.apply(x, UNIT, 0, self.quantize)  # type: ignore[no-untyped-call]
        return bounded

    def stream(self, x: Tensor) -> Tensor:
        """Signed bytes of the residual stream, elementwise."""
        unit = 2.0**-STREAM_BITS
        bounded: Tensor = Activation.apply(x, unit, -ZERO_POINT, self.quantize)  # type: ignore[no-untyped-call]
        return bounded

    def blocks(self, x: Tensor, stack: nn.Module) -> Tensor:
        """Residual blocks, two convolutions each."""
        convs = list(stack.children())
        for first, second in zip(convs[::2], convs[1::2], strict=True):
            x = self.stream(x + second(self.hidden(first(x))))
        return x

    def forward(self, coarse: Tensor, phases: dict[str, tuple[Tensor, Tensor, Tensor]]) -> Tensor:
        """Bits of each of the 12 steps, summed over the batch.

        `coarse` (B, 15, h, w): coarse features; `phases[p]`: sharp residuals, anchors in quarters and pixels,
        (B, 3, h, w) each, all float32 holding the integers of `features`.
        """
        u = self.stream(self.trunk_in((coarse - ZERO_POINT) * UNIT))  # (B, K, h, w)
        u = self.blocks(u, self.trunk)
        found: list[tuple[Tensor, ...]] = []
        for phase in PHASES:
            residuals, quarters, pixels = phases[phase]
            residuals = (residuals - ZERO_POINT) * UNIT
            lattices = zip(*(sublattices(x) for x in (u, residuals, quarters, pixels)), strict=True)
            known: list[Tensor] = []
            for step, (context, residual, anchors, targets) in enumerate(lattices):
                name = f"{phase}_{step}"
                x = context
                if step:
                    x = self.stream(x + self.step_in[name](torch.cat(known, 1)))
                x = self.hidden(self.step_mid[name](x))
                with torch.autocast(x.device.type, enabled=False):
                    said = self.head[name](x.float())  # (B, 12, h/2, w/2)
                    mean, scale, shape = self.distributions(said, anchors, targets)
                    excess = (EXCESS_SHARPNESS * excess_of(targets - mean, scale)).clamp(max=127) * UNIT
                found.append((targets, mean, scale, shape))
                known += [residual, excess]
            if phase != PHASES[-1]:
                excess = from_sublattices(known[1::2])
                u = self.stream(u + self.phase_in[phase](torch.cat((residuals, excess), 1)))
                u = self.blocks(u, self.phase[phase])
        with torch.autocast(u.device.type, enabled=False):
            said_of = (torch.stack(t)[:, :, : self.planes] for t in zip(*found, strict=True))
            return bits(*said_of).sum((1, 2, 3, 4))

    def distributions(self, said: Tensor, quarters: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean (grey levels), scale (index) and shape of every pixel, each (B, 3, h, w).

        From what the heads say (B, 12, h, w), anchors and pixels (B, 3, h, w). Channels are coded in order,
        each with a linear share of the residuals of the channels before it in its mean, and a scale that
        grows with how far they exceed theirs.
        """
        said = said * torch.exp2(torch.tensor(HEAD_BITS, device=said.device, dtype=said.dtype)).view(-1, 1, 1)
        if self.quantize:
            rounded = torch.round(said)
            soft = said[:, 6:9]  # at whole shapes the likelihood has a kink, where gradients are one-sided
            said = straight_through(said, torch.cat((rounded[:, :6], soft, rounded[:, 9:]), 1))
        offset, scale, shape, coupling = said.chunk(4, 1)
        coupling = coupling.clamp(*COUPLING_LIMITS) / 2**COUPLING_BITS
        means = quarters / 4 + offset / 2**MEAN_BITS
        g, r, b = means.unbind(1)
        scale_g, scale_r, scale_b = scale.unbind(1)
        residual_g = pixels[:, 0] - g
        r = r + self.share(coupling[:, 0] * residual_g)
        scale_r = scale_r + self.widening(0, residual_g, scale_g)
        residual_r = pixels[:, 1] - r
        b = b + self.share(coupling[:, 1] * residual_g) + self.share(coupling[:, 2] * residual_r)
        scale_b = scale_b + self.widening(1, residual_g, scale_g) + self.widening(2, residual_r, scale_r)
        return torch.stack((g, r, b), 1), torch.stack((scale_g, scale_r, scale_b), 1), shape

    def share(self, grey_levels: Tensor) -> Tensor:
        """An earlier channel's share in a mean, rounded like one; elementwise."""
        if not self.quantize:
            return grey_levels
        return straight_through(grey_levels, torch.floor(grey_levels * 2**MEAN_BITS + 0.5) / 2**MEAN_BITS)

    def widening(self, pair: int, residual: Tensor, scale: Tensor) -> Tensor:
        """Steps that an earlier channel's residual (grey levels) adds to the scale of a later channel.

        `pair` counts G-R, G-B, R-B; `scale` is the index of the earlier channel's. Elementwise.
        """
        low = EXCESS_LIMITS[0]
        steps = self.spread.view(PLANES, -1)[pair] * 2.0**SPREAD_BITS
        if self.quantize:
            return straight_through(steps, torch.round(steps))[excess_of(residual, scale).long() - low]
        place = _soft_excess(residual, scale) - low
        left = place.detach().long().clamp(max=EXCESSES - 2)
        part = place - left
        return steps[left] * (1 - part) + steps[left + 1] * part


def _soft_excess(residual: Tensor, scale: Tensor) -> Tensor:
    """`excess.excess` before rounding: residual in grey levels, scale an index; elementwise."""
    octaves = torch.log2((residual.abs() * 2**MEAN_BITS).clamp(0.5, RESIDUAL_LIMIT))
    quarters = SCALES_PER_OCTAVE * octaves - SMALLEST_SCALE_QUARTERS
    return (quarters - scale.clamp(0, SCALES - 1)).clamp(*EXCESS_LIMITS)


def excess_of(residual: Tensor, scale: Tensor) -> Tensor:
    """`excess.excess`, without gradient."""
    with torch.no_grad():
        return torch.round(_soft_excess(residual, scale))
