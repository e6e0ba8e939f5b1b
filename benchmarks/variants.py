"""Networks that were tried against `StageNet`; experiments name them by the keys of `VARIANTS`.

Each is made of a `StageNet`, which it changes in one place. Those that add something begin with what the
network does without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ppyr.models.features import EXCESS_SHARPNESS, PHASES, PLANES, ZERO_POINT
from ppyr.models.grid import SCALES_PER_OCTAVE
from ppyr.models.likelihood import SMALLEST_SCALE, bits
from ppyr.models.network import StageNet, excess_of, from_sublattices, sublattices
from ppyr.models.quantization import UNIT, Conv

#: Numbers that tell of a whole image.
STATISTICS = 9 * PLANES


class Variant(StageNet):
    """A network with the weights of another one."""

    def __init__(self, net: StageNet) -> None:
        super().__init__(net.config)
        self.load_state_dict(net.state_dict())


class _Masked(nn.Module):
    """A convolution that sees only some of its input channels."""

    def __init__(self, conv: nn.Module, seen: Sequence[bool]) -> None:
        super().__init__()
        self.conv = conv
        self.seen: Tensor
        self.register_buffer("seen", torch.tensor(seen).view(-1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        masked: Tensor = self.conv(x * self.seen)
        return masked


def subsampled_images(count: int) -> Callable[[StageNet], StageNet]:
    """`count` subsampled images for each factor of two, 3 or 6: those of one see nothing of each other."""

    def changed(net: StageNet) -> StageNet:
        together = 12 // count
        for name, conv in net.step_in.items():
            step = int(name[-1])
            seen = [other < step // together * together for other in range(step)]
            net.step_in[name] = _Masked(conv, [known for known in seen for _ in range(2 * PLANES)])
        return net

    return changed


def unsurprised(net: StageNet) -> StageNet:
    """Nothing but the pixels of earlier steps, not how far they were from what was expected."""
    for convs in (net.step_in, net.phase_in):
        for name, conv in convs.items():
            groups = cast(Conv, conv).c_in // (2 * PLANES)
            convs[name] = _Masked(conv, ([True] * PLANES + [False] * PLANES) * groups)
    return net


def wide_steps(net: StageNet) -> StageNet:
    """Steps whose middle layer is 3x3 instead of 1x1."""
    for name, module in net.step_mid.items():
        conv = cast(Conv, module)
        wide = Conv(conv.c_in, len(conv.bias), 3, conv.input_bits)
        with torch.no_grad():
            wide.matrix.zero_()
            wide.weight[:, :, 1:2, 1:2] = conv.weight
            wide.bias.copy_(conv.bias)
        net.step_mid[name] = wide
    return net


class _WithActivity(nn.Module):
    """The first layer with one more input: logarithms of mean absolute differences in large windows."""

    WINDOWS = (9, 33)

    def __init__(self, conv: Conv) -> None:
        super().__init__()
        self.conv = conv
        self.activity = Conv(2 * PLANES * len(self.WINDOWS), len(conv.bias), 3)
        nn.init.zeros_(self.activity.matrix)

    def forward(self, x: Tensor) -> Tensor:
        size = (x[:, PLANES : 3 * PLANES] / UNIT).abs()
        means = [
            functional.avg_pool2d(size, window, 1, window // 2, count_include_pad=False)
            for window in self.WINDOWS
        ]
        activity: Tensor = self.conv(x) + self.activity(torch.log2(torch.cat(means, 1) + 0.125) / 4)
        return activity


def activity(net: StageNet) -> StageNet:
    """Context from far around: how much the coarse image changes in windows of 9 and 33 pixels."""
    net.trunk_in = _WithActivity(net.trunk_in)  # type: ignore[assignment]
    return net


class GlobalStatistics(Variant):
    """Statistics of the whole coarse image scale and shift the hidden layer of every block."""

    def __init__(self, net: StageNet) -> None:
        super().__init__(net)
        self.modulation = nn.ModuleList(
            nn.Linear(STATISTICS, 2 * self.config.width) for _ in (self.trunk, *self.phase.values())
        )
        for parameter in self.modulation.parameters():
            nn.init.zeros_(parameter)

    def forward(self, coarse: Tensor, phases: dict[str, tuple[Tensor, Tensor, Tensor]]) -> Tensor:
        """As of `StageNet`, with statistics of the whole of `coarse`."""
        self._statistics = self.statistics(coarse - ZERO_POINT)
        return super().forward(coarse, phases)

    @staticmethod
    def statistics(x: Tensor) -> Tensor:
        """(B, 15, h, w) -> (B, STATISTICS): sizes and smoothness of differences, and channel correlations."""
        pixels, across, down = (x[:, i : i + PLANES] for i in (0, PLANES, 2 * PLANES))
        found = [pixels.mean((2, 3)) / 64, pixels.std((2, 3)) / 64]
        for difference, axis in ((across, 3), (down, 2)):
            sizes = (difference.abs(), difference.abs().clamp(max=4), difference.diff(dim=axis).abs())
            found += [torch.log2(size.mean((2, 3)) + 0.25) for size in sizes]
        other = across.roll(1, 1)
        product = (across * other).mean((2, 3))
        found.append(product / ((across**2).mean((2, 3)) * (other**2).mean((2, 3)) + 1).sqrt())
        return torch.cat(found, 1)

    def blocks(self, x: Tensor, stack: nn.Module) -> Tensor:
        """Residual blocks with modulated hidden layers."""
        stacks = (self.trunk, *self.phase.values())
        linear = self.modulation[next(number for number, other in enumerate(stacks) if other is stack)]
        scale, shift = linear(self._statistics)[:, :, None, None].chunk(2, 1)
        convs = list(stack.children())
        for first, second in zip(convs[::2], convs[1::2], strict=True):
            hidden = self.hidden(first(x) * (1 + scale) + shift)
            x = self.stream(x + second(hidden))
        return x


class Uncoupled(Variant):
    """Channels that do not see each other in the pixel they share."""

    def distributions(self, said: Tensor, quarters: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As of `StageNet`, without shares and widening."""
        blind = torch.cat((said[:, :9], torch.zeros_like(said[:, 9:])), 1)
        self.spread.data.zero_()
        return super().distributions(blind, quarters, pixels)


class Unwidened(Variant):
    """Coupled means, but scales that do not grow with the residuals of earlier channels."""

    def distributions(self, said: Tensor, quarters: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As of `StageNet`, without widening."""
        self.spread.data.zero_()
        return super().distributions(said, quarters, pixels)


class SmallNets(Variant):
    """Beside the linear coupling, networks of two 1x1 layers from earlier residuals to mean, scale, shape."""

    HIDDEN = 24

    def __init__(self, net: StageNet) -> None:
        super().__init__(net)
        self.nets = nn.ModuleList()
        for inputs in (PLANES, 2 * PLANES):
            last = Conv(self.HIDDEN, 3, 1)
            nn.init.zeros_(last.matrix)
            first = Conv(12 + inputs, self.HIDDEN, 1)
            nn.init.kaiming_normal_(first.matrix, nonlinearity="relu")
            self.nets.append(nn.Sequential(first, nn.ReLU(), last))

    def distributions(self, said: Tensor, quarters: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As of `StageNet`, then changed by the networks."""
        mean, scale, shape = super().distributions(said, quarters, pixels)
        seen = [said / 16]
        for plane, net in enumerate(self.nets.children(), start=1):
            residual, step = (pixels - mean)[:, plane - 1 : plane], scale[:, plane - 1 : plane]
            unit = torch.exp2(step / SCALES_PER_OCTAVE) * SMALLEST_SCALE
            seen += [residual / 16, (residual / unit).clamp(-8, 8) / 4, torch.log2(residual.abs() + 0.25) / 4]
            change = net(torch.cat(seen, 1))
            here = torch.zeros(PLANES, 1, 1)
            here[plane] = 1
            mean = mean + here * change[:, :1] * unit
            scale = scale + here * change[:, 1:2] * 8
            shape = shape + here * change[:, 2:]
        return mean, scale, shape


class HalvedSteps(Variant):
    """24 subsampled images: each step in two, as the fields of a chess board; the second sees the first."""

    def __init__(self, net: StageNet) -> None:
        super().__init__(net)
        self.half_in = nn.ModuleDict({name: Conv(2 * PLANES, self.config.width, 3) for name in self.head})
        for conv in self.half_in.values():
            nn.init.zeros_(cast(Conv, conv).matrix)

    def forward(self, coarse: Tensor, phases: dict[str, tuple[Tensor, Tensor, Tensor]]) -> Tensor:
        """As of `StageNet`, with halved steps."""
        u = self.stream(self.trunk_in((coarse - ZERO_POINT) * UNIT))
        u = self.blocks(u, self.trunk)
        found: list[tuple[Tensor, ...]] = []
        for phase in PHASES:
            residuals, quarters, pixels = phases[phase]
            residuals = (residuals - ZERO_POINT) * UNIT
            lattices = zip(*(sublattices(x) for x in (u, residuals, quarters, pixels)), strict=True)
            known: list[Tensor] = []
            for step, (context, residual, anchors, targets) in enumerate(lattices):
                name = f"{phase}_{step}"
                x = self.stream(context + self.step_in[name](torch.cat(known, 1))) if step else context
                rows, columns = (torch.arange(side) for side in x.shape[2:])
                first = (rows[:, None] + columns) % 2 == 0
                half = self._said(name, x, anchors, targets)
                seen = torch.cat((residual, self._surprise(targets, half)), 1) * first
                whole = self._said(name, self.stream(x + self.half_in[name](seen)), anchors, targets)
                said = [torch.where(first, a, b) for a, b in zip(half, whole, strict=True)]
                found.append((targets, *said))
                known += [residual, self._surprise(targets, said)]
            if phase != PHASES[-1]:
                excess = from_sublattices(known[1::2])
                u = self.stream(u + self.phase_in[phase](torch.cat((residuals, excess), 1)))
                u = self.blocks(u, self.phase[phase])
        return bits(*(torch.stack(t) for t in zip(*found, strict=True))).sum((1, 2, 3, 4))

    def _said(self, name: str, x: Tensor, anchors: Tensor, targets: Tensor) -> tuple[Tensor, ...]:
        said = self.head[name](self.hidden(self.step_mid[name](x)).float())
        return self.distributions(said, anchors, targets)

    @staticmethod
    def _surprise(targets: Tensor, said: Sequence[Tensor]) -> Tensor:
        return (EXCESS_SHARPNESS * excess_of(targets - said[0], said[1])).clamp(max=127) * UNIT


VARIANTS: dict[str, Callable[[StageNet], StageNet]] = {
    "3 subsampled images": subsampled_images(3),
    "6 subsampled images": subsampled_images(6),
    "24 subsampled images": HalvedSteps,
    "without excesses": unsurprised,
    "3x3 in the steps": wide_steps,
    "activity far around": activity,
    "global statistics": GlobalStatistics,
    "no coupling": Uncoupled,
    "coupled means only": Unwidened,
    "small nets": SmallNets,
}
