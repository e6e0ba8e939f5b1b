"""Search for the changes to a model that make the files of images smaller, their own bytes included.

The networks of a model are trained on the images, straight through the rounding of their integers. Their
changes are what a file can hold (`Weights.changeable`): weights and biases of the heads, and for all other
layers biases and gains of their channels. The loss is a description length: the bits of the pixels under the
changed network, and the bits of the changes under the tables that suit them best. A change is a real number
at first, and rounded in the last part of a search.

A search is deterministic on one machine; a file decodes everywhere, whatever the search found.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .data import PhaseTensors, stage_batch
from .export import network, offset
from .features import PLANES, ByteArray
from .integer import Layer, weight_limit
from .likelihood import ALPHABET, TOTAL, bits
from .network import SPREAD_BITS, StageNet
from .prediction import CODING_ORDER
from .predictor import layer_rules
from .quantization import Conv, straight_through
from .search import Search
from .weights import GAIN_BITS, STAGES, Weights

#: Factors by which the image is subsampled where a stage works, and its part of a search's steps.
DECIMATIONS: dict[str, tuple[int, ...]] = {"finest": (1,), "next": (2,), "rest": (4, 8)}
STEPS_SHARE = {"finest": 1.0, "next": 0.5, "rest": 0.25}
#: A stage with fewer pixels is left alone: its changes seldom pay for themselves.
LEAST_PIXELS = 1 << 16
#: Side of the crops of a search, how many make a batch, and how many at most a search of the heads sees.
CROP_SIDE = 128
#: Side of the blocks by whose bits crops are chosen.
BLOCK = 16
CROPS = 4
HEAD_CROPS = 24
#: Part of the positions of these crops that a step of a search of the heads takes.
HEAD_SHARE = 1 / 8

#: The rate rises in the first steps, then falls linearly; from this part of a search on changes are rounded.
WARM_STEPS = 10
ROUNDED_FROM = 0.6
#: Work of a step for all layers, in such for the heads; and what a search has at least, in seconds.
LAYERS_WORK = 8.0
LEAST_SECONDS = 1e-3
LARGEST_DIFFERENCE = 127
#: What a bit of the changes counts in bits of pixels: what is won on the crops is a little less on the image.
PRUDENCE = 1.5


@dataclass(frozen=True)
class Group:
    """How a group of parts is changed: shift of the differences, and learning rate in differences a step."""

    shift: int
    rate: float


GROUPS = {
    "head weights": Group(4, 0.4),
    "head biases": Group(9, 0.4),
    "spread": Group(0, 0.03),
    "biases": Group(6, 0.2),
    "gains": Group(6, 0.3),
}
#: The groups whose changes leave the inputs of the heads nearly as they are.
HEAD_GROUPS = ("head weights", "head biases", "spread")


class _Part(nn.Module):
    """The change to one part of a model, in differences; real numbers until `rounded` is set."""

    def __init__(self, name: str, group: str, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.name, self.group, self.shift = name, group, GROUPS[group].shift
        self.rounded = False
        self.differences = nn.Parameter(torch.zeros(shape))

    def forward(self) -> Tensor:
        limited = self.differences.clamp(-LARGEST_DIFFERENCE, LARGEST_DIFFERENCE)
        whole = straight_through(limited, torch.round(limited)) if self.rounded else limited
        return whole * 2.0**self.shift

    def change(self) -> tuple[int, npt.NDArray[np.int8]]:
        """Shift and differences, int8."""
        limited = self.differences.detach().clamp(-LARGEST_DIFFERENCE, LARGEST_DIFFERENCE)
        return self.shift, limited.round().to(torch.int8).numpy()


class _ChangedConv(nn.Module):
    """A layer's integers under changes, in the place of the convolution that it was made of."""

    weight: Tensor
    weight_step: Tensor
    bias: Tensor
    bias_step: Tensor

    def __init__(self, stage: str, name: str, layer: Layer, conv: Conv, output_bits: tuple[int, ...]) -> None:
        super().__init__()
        self.size, self.limit = conv.size, weight_limit(conv.size)
        shift = torch.from_numpy(layer.shift.astype(np.float32))
        exponent = shift - conv.input_bits + torch.tensor(output_bits)
        bias = torch.from_numpy(layer.bias.astype(np.float32)) - offset(name) * torch.exp2(shift)
        self.register_buffer("weight", torch.from_numpy(layer.weight.astype(np.float32)))
        self.register_buffer("bias", bias)
        self.register_buffer("weight_step", torch.exp2(-exponent).view(-1, 1, 1, 1))
        self.register_buffer("bias_step", torch.exp2(-exponent - conv.input_bits))
        outputs, inputs = layer.weight.shape[:1], layer.weight.shape[1:]
        path = f"{stage}.{name}"
        self.bias_change = _Part(f"{path}.bias", "head biases" if layer.head else "biases", outputs)
        self.weight_change = (
            _Part(f"{path}.weight", "head weights", layer.weight.shape) if layer.head else None
        )
        self.gains = nn.ModuleList()
        if not layer.head:
            self.gains.extend(
                [_Part(f"{path}.outputs", "gains", outputs), _Part(f"{path}.inputs", "gains", inputs)]
            )

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight
        if self.gains:
            outputs, inputs = (1 + part() * 2.0**-GAIN_BITS for part in self.gains)
            weight = weight * outputs.view(-1, 1, 1, 1) * inputs
            weight = straight_through(weight, torch.floor(weight + 0.5))
        if self.weight_change is not None:
            weight = weight + self.weight_change()
        weight = (weight.clamp(-self.limit, self.limit) * self.weight_step).contiguous(
            memory_format=torch.channels_last
        )
        bias = (self.bias + self.bias_change()) * self.bias_step
        return nn.functional.conv2d(x, weight, bias, padding=self.size // 2)


@dataclass(frozen=True)
class Heard:
    """What a head hears of some pixels: its name, its input (1, K, n, 1), anchors and pixels (1, 3, n, 1)."""

    head: str
    hidden: Tensor
    anchors: Tensor
    pixels: Tensor

    @property
    def size(self) -> int:
        """How many pixels."""
        return self.hidden.shape[2]

    def some(self, chosen: Tensor) -> Heard:
        """The same of the pixels of these numbers."""
        return Heard(
            self.head, self.hidden[:, :, chosen], self.anchors[:, :, chosen], self.pixels[:, :, chosen]
        )


class ChangedNet(StageNet):
    """A network of a model under changes, which alone are trained.

    Args:
        source: the model.
        stage: finest, next or rest.
        planes: channels that count, 1 for gray or 3.
    """

    steps: Tensor
    table_bits: Tensor

    def __init__(self, source: Weights, stage: str, planes: int = PLANES) -> None:
        exported = network(source, stage)
        super().__init__(exported.config)
        self.quantize, self.planes = True, planes
        for name, conv in list(exported.convolutions()):
            layer = source.layer(f"{stage}.{name}", **layer_rules(name))
            parent, _, last = name.rpartition(".")
            changed = _ChangedConv(stage, name, layer, conv, self.output_bits(name))
            setattr(self.get_submodule(parent), last, changed)
        steps = torch.from_numpy(source.tensor(f"{stage}.spread", np.int8).astype(np.float32))
        del self.spread
        self.register_buffer("steps", steps)
        self.spread_change = _Part(f"{stage}.spread", "spread", tuple(steps.shape))
        self.parts = [module for module in self.modules() if isinstance(module, _Part)]
        bits_of = math.log2(TOTAL) - np.log2(source.tensor("tables", np.uint32))
        by_distance = np.roll(bits_of, ALPHABET // 2, axis=1).astype(np.float32)
        self.register_buffer("table_bits", torch.from_numpy(by_distance))
        self._recorder: Callable[[Tensor, Tensor], None] | None = None

    def forward(self, coarse: Tensor, phases: dict[str, PhaseTensors]) -> Tensor:
        """Bits of each of the 12 steps, as `StageNet` gives them."""
        self._change_spread()
        return super().forward(coarse, phases)

    def distributions(self, said: Tensor, quarters: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `StageNet`."""
        if self._recorder is not None:
            self._recorder(quarters, pixels)
        return super().distributions(said, quarters, pixels)

    def hear(self, coarse: Tensor, phases: dict[str, PhaseTensors]) -> list[Heard]:
        """What the 12 heads hear, one after the other."""
        found: list[Heard] = []
        inputs: list[Tensor] = []
        heads = [(name, self.head[name]) for name in self.head]
        hooks = [head.register_forward_pre_hook(lambda _, x: inputs.append(x[0])) for _, head in heads]

        def record(quarters: Tensor, pixels: Tensor) -> None:
            columns = (
                t.permute(1, 0, 2, 3).flatten(1)[None, :, :, None] for t in (inputs[-1], quarters, pixels)
            )
            found.append(Heard(heads[len(found)][0], *columns))

        self._recorder = record
        try:
            with torch.no_grad():
                self(coarse, phases)
        finally:
            self._recorder = None
            for hook in hooks:
                hook.remove()
        return found

    def bits_of_heads(self, heard: Sequence[Heard]) -> Tensor:
        """Bits of the pixels that heads were heard of."""
        self._change_spread()
        total = torch.zeros(())
        for one in heard:
            said = self.head[one.head](one.hidden)
            found = self.distributions(said, one.anchors, one.pixels)
            total = total + bits(*(t[:, : self.planes] for t in (one.pixels, *found))).sum()
        return total

    def description(self) -> Tensor:
        """Bits of the changes, each group under the table of the model that suits it best.

        Between whole differences it is interpolated.
        """
        total = torch.zeros(())
        for group in GROUPS:
            parts = [part.differences.flatten() for part in self.parts if part.group == group]
            place = torch.cat(parts).clamp(-LARGEST_DIFFERENCE, LARGEST_DIFFERENCE) + ALPHABET // 2
            with torch.no_grad():
                counts = torch.bincount(place.round().long(), minlength=ALPHABET).float()
                table = self.table_bits[(self.table_bits @ counts).argmin()]
                left = place.floor().long()
            slope = table[left + 1] - table[left]
            total = total + (table[left] + slope * (place - left)).sum()
        return total

    def _change_spread(self) -> None:
        self.spread = (self.steps + self.spread_change()).flatten() * 2.0**-SPREAD_BITS


class _Image:
    """A subsampled image: its planes (3, h, w) in coding order, and about how many bits its blocks take."""

    def __init__(self, planes: ByteArray) -> None:
        self.planes = planes
        rows = planes[:, :: BLOCK // 4].astype(np.int16)
        apart = abs(np.diff(rows, axis=2, append=rows[..., -1:]))
        bits = np.log2(2 + apart, dtype=np.float32).sum(0)
        across = np.add.reduceat(bits, np.arange(0, bits.shape[1], BLOCK), axis=1)
        self.bits = np.add.reduceat(across, np.arange(0, bits.shape[0], 4), axis=0).astype(np.float64)


_Scales = list[list[_Image]]
"""Images for every factor by which they are subsampled."""


class Adaptation:
    """The changes to a model for some images, better after each search.

    Args:
        source: the model.
        images: (H, W, C), uint8, C 1 or 3; gray ones count only if all are gray.
        seed: of the crops.
    """

    def __init__(self, source: Weights, images: Sequence[ByteArray], seed: int = 0) -> None:
        channels = max(image.shape[-1] for image in images)
        planes = [
            image[..., CODING_ORDER[channels]].transpose(2, 0, 1).repeat(PLANES // channels, 0)
            for image in images
            if image.shape[-1] == channels
        ]
        self._generator = np.random.default_rng(seed)
        self._images: dict[str, _Scales] = {}
        self._nets: dict[str, ChangedNet] = {}
        for stage in STAGES:
            scales = [
                [_Image(_whole(p[:, ::step, ::step])) for p in planes if min(p.shape[1:]) > 3 * step]
                for step in DECIMATIONS[stage]
            ]
            if _area(scales[0]) >= LEAST_PIXELS:
                self._images[stage] = scales
                self._nets[stage] = ChangedNet(source, stage, channels)

    def changes(self) -> dict[str, tuple[int, npt.NDArray[np.int8]]]:
        """What was found so far, by the names of `Weights.changeable`."""
        return {part.name: part.change() for net in self._nets.values() for part in net.parts}

    def run(
        self, search: Search, *, advance: Callable[[], object] = lambda: None, seconds: float = math.inf
    ) -> None:
        """Go on with a search from the changes so far.

        Args:
            search: what to search.
            advance: called after each step; see `steps`.
            seconds: the search ends early when they are over.
        """
        share = sum(STEPS_SHARE[stage] for stage in self._nets)
        for stage, net in self._nets.items():
            self._search(stage, net, search, advance, seconds * STEPS_SHARE[stage] / share)

    def work(self, search: Search) -> float:
        """About how long a search takes, in steps of a search of the heads."""
        return self.steps(search) * (LAYERS_WORK if search.all_layers else 1)

    def steps(self, search: Search) -> int:
        """How many steps a search takes in all stages."""
        return sum(_steps(search, stage) for stage in self._nets)

    def _search(
        self, stage: str, net: ChangedNet, search: Search, advance: Callable[[], object], seconds: float
    ) -> None:
        groups = list(GROUPS) if search.all_layers else list(HEAD_GROUPS)
        settings: list[dict[str, Any]] = [
            {
                "params": [part.differences for part in net.parts if part.group == group],
                "lr": GROUPS[group].rate,
            }
            for group in groups
        ]
        rates = [setting["lr"] for setting in settings]
        optimizer = torch.optim.Adam(settings, betas=(0.9, 0.98))
        net.requires_grad_(False)
        for setting in settings:
            for parameter in setting["params"]:
                parameter.requires_grad_(True)
        pixels = sum(map(_area, self._images[stage])) * 3 / 4
        asked = time.monotonic()
        batches = self._crops(stage, net) if search.all_layers else self._heads(stage, net)
        began = time.monotonic()
        seconds = max(0.0, seconds - (began - asked)) + LEAST_SECONDS
        steps = _steps(search, stage)
        for step in range(steps):
            part = max(step / steps, (time.monotonic() - began) / seconds)
            if part >= 1:
                break
            for one, rate in zip(optimizer.param_groups, rates, strict=True):
                one["lr"] = search.rate * rate * min(1.0, (step + 1) / WARM_STEPS) * (1 - part)
            for changing in net.parts:
                changing.rounded = part >= ROUNDED_FROM
            loss = next(batches) + PRUDENCE * net.description() / pixels
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            advance()

    def _crops(self, stage: str, net: ChangedNet) -> Iterator[Tensor]:
        """Bits a pixel of batches of crops."""
        while True:
            batch = self._batch(stage, CROPS)
            yield net(*stage_batch(batch)).sum() / (batch[:, 0].size * 3 / 4)

    def _heads(self, stage: str, net: ChangedNet) -> Iterator[Tensor]:
        """Bits a pixel of some positions of the same crops, for changes of the heads."""
        area = sum(map(_area, self._images[stage]))
        count = min(HEAD_CROPS, -(-area // CROP_SIDE**2))
        heard = [net.hear(*stage_batch(self._batch(stage, 1))) for _ in range(count)]
        whole = [_joined(step) for step in zip(*heard, strict=True)]

        def some(one: Heard) -> Heard:
            number = int(one.size * HEAD_SHARE) + 1
            return one.some(torch.from_numpy(self._generator.integers(one.size, size=number)))

        def batches() -> Iterator[Tensor]:
            while True:
                chosen = [some(one) for one in whole]
                yield net.bits_of_heads(chosen) / sum(one.size for one in chosen)

        return batches()

    def _batch(self, stage: str, count: int) -> npt.NDArray[np.int32]:
        """Crops (count, 3, side, side), all of one subsampling; of what has more bits more often."""
        scales = [scale for scale in self._images[stage] if scale]
        scale = scales[self._chosen([sum(image.bits.sum() for image in scale) for scale in scales])]
        images = [scale[self._chosen([image.bits.sum() for image in scale])] for _ in range(count)]
        sides = [min(CROP_SIDE, *(image.planes.shape[axis] for image in images)) for axis in (1, 2)]
        return np.stack([self._crop(image, *sides) for image in images]).astype(np.int32)

    def _crop(self, image: _Image, height: int, width: int) -> ByteArray:
        """A crop with a block somewhere in it, blocks of more bits more often."""
        block = divmod(self._chosen(image.bits.ravel()), image.bits.shape[1])
        top, left = (
            int(np.clip(BLOCK * place - self._generator.integers(want), 0, have - want))
            for place, want, have in zip(block, (height, width), image.planes.shape[1:], strict=True)
        )
        return image.planes[:, top : top + height, left : left + width]

    def _chosen(self, weights: Sequence[float] | npt.NDArray[np.float64]) -> int:
        return int(self._generator.choice(len(weights), p=np.asarray(weights) / np.sum(weights)))


def _steps(search: Search, stage: str) -> int:
    return max(1, round(search.steps * STEPS_SHARE[stage]))


def _area(scale: Sequence[_Image]) -> int:
    """Pixels of images."""
    return sum(image.planes[0].size for image in scale)


def _whole(image: ByteArray) -> ByteArray:
    """The image (C, h, w) without the last rows and columns that fill no 4 x 4 pixels, one of each step."""
    height, width = image.shape[1:]
    return image[:, : height // 4 * 4, : width // 4 * 4]


def _joined(heard: Sequence[Heard]) -> Heard:
    columns = zip(*((one.hidden, one.anchors, one.pixels) for one in heard), strict=True)
    return Heard(heard[0].head, *(torch.cat(column, 2) for column in columns))
