"""The networks of PixelPyramids: the fine image of a level from the coarse one, in S subsampled images.

Source: PixelPyramids: Exact Inference Models from Lossless Image Pyramids, Mahajan and Roth, ICCV 2021. A
U-Net looks at the coarse image. A convolutional LSTM of two layers walks the subsampled images in a fixed
order: each step is fed with the U-Net's map at the places of its pixels, and with the subsampled image
before, and says the mixtures of its own pixels, all at once::

    coarse --U-Net--> map        on the lattice of the coarse image
                       | every stride-th pixel from (row, column)
    image s - 1 ----> LSTM --1x1--1x1--> mixtures of image s

Pixels themselves are predicted, by means that count from an anchor, and not modular differences, whose
distribution is torn apart where they wrap. The coarsest image is left to a gated PixelCNN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple

import numpy as np
import numpy.typing as npt

from ppyr.errors import ModelError
from ppyr.models.arithmetic import Arithmetic, Kind, LayerSpec, Map
from ppyr.models.mixture import MixtureHead
from ppyr.models.pixelcnn.network import PixelCnnConfig
from ppyr.models.steps import SUBLATTICE

PLANES = 3
_COARSEST = PixelCnnConfig(3, PLANES, width=24, layers=4, components=5)
#: What the tensors of the coarsest image's network begin with.
COARSEST = "coarsest."
#: Channels of what is seen of a coarse pixel, and of a pixel of an earlier subsampled image.
FEATURES, SEEN = 5 * PLANES, 2 * PLANES


class Memory(NamedTuple, Generic[Map]):
    """What an LSTM of two layers keeps from step to step: outputs and states."""

    first: Map
    first_state: Map
    second: Map
    second_state: Map


@dataclass(frozen=True)
class LevelConfig:
    """Sizes of the network of a level.

    Attributes:
        width: channels of the U-Net's finest scale, twice as many on each that is coarser.
        hidden: channels of each layer of the LSTM.
        depth: how often the U-Net halves its lattice.
        stride: rows and columns between the pixels of a subsampled image, whose number S is its square.
        head: how the mixtures are said.
    """

    width: int
    hidden: int
    depth: int
    stride: int
    head: MixtureHead

    @property
    def multiple(self) -> int:
        """What rows and columns of the lattice are padded to a multiple of."""
        return max(1 << self.depth, self.stride)

    @property
    def order(self) -> tuple[tuple[int, int], ...]:
        """Row and column of the first pixel of every subsampled image, far apart first."""
        places = [(0, 0)]
        step = self.stride
        while step > 1:
            step //= 2
            places = [(y + step * down, x + step * right) for down, right in SUBLATTICE for y, x in places]
        return tuple(places)

    def steps(self, height: int, width: int) -> tuple[tuple[int, int], ...]:
        """`order` without the subsampled images of a fine image of these sides that are empty."""
        return tuple((row, column) for row, column in self.order if row < height and column < width)

    def specs(self) -> dict[str, LayerSpec]:
        """The layers by name."""
        rectified = Kind.RECTIFIED
        widths = [self.width << scale for scale in range(self.depth + 1)]
        found = {}
        for scale, width in enumerate(widths):
            below, kind = (widths[scale - 1], rectified) if scale else (FEATURES, Kind.STREAM)
            found[f"down_{scale}_0"] = LayerSpec(below, width, 3, kind, rectified)
            found[f"down_{scale}_1"] = LayerSpec(width, width, 3, rectified, rectified)
        for scale in reversed(range(self.depth)):
            width, last = widths[scale], rectified if scale else Kind.STREAM
            found[f"up_{scale}_0"] = LayerSpec(widths[scale + 1] + width, width, 3, rectified, rectified)
            found[f"up_{scale}_1"] = LayerSpec(width, width, 3, rectified, last)
        for number, inputs in enumerate((self.width + SEEN, self.hidden)):
            found[f"lstm_{number}"] = LayerSpec(inputs + self.hidden, 4 * self.hidden, 3)
        found["last"] = LayerSpec(self.hidden, 2 * self.hidden, gives=rectified)
        found["head"] = LayerSpec(2 * self.hidden, self.head.outputs, takes=rectified, gives=Kind.HEAD)
        return found

    def walk(
        self,
        arithmetic: Arithmetic[Map],
        coarse: Map,
        height: int,
        width: int,
        seen: Callable[[int, int], Map],
    ) -> Iterator[tuple[int, int, Map]]:
        """The steps of a fine image of these sides: row and column of the first pixel, output of the LSTM.

        `coarse` is what is seen of the coarse image, FEATURES channels. What is seen of the pixels of a step,
        SEEN channels, is asked for by row and column when the next step is.
        """
        steps = self.steps(height, width)
        if not steps:
            return
        given = self._look(arithmetic, coarse)
        zeros = arithmetic.zeros(arithmetic.sublattice(given, 0, 0, self.stride), self.hidden)
        memory, before = Memory(zeros, zeros, zeros, zeros), arithmetic.zeros(zeros, SEEN)
        for number, (row, column) in enumerate(steps):
            if number:
                before = seen(*steps[number - 1])
            here = arithmetic.sublattice(given, row, column, self.stride)
            memory = self._step(arithmetic, here, before, memory)
            yield row, column, memory.second

    def _look(self, arithmetic: Arithmetic[Map], coarse: Map) -> Map:
        """The U-Net's map."""
        x, skips = coarse, []
        for scale in range(self.depth + 1):
            x = arithmetic.pool(x) if scale else x
            for number in range(2):
                x = arithmetic.layer(f"down_{scale}_{number}", x)
            skips.append(x)
        for scale in reversed(range(self.depth)):
            x = arithmetic.concatenate(arithmetic.enlarge(x), skips[scale])
            for number in range(2):
                x = arithmetic.layer(f"up_{scale}_{number}", x)
        return x

    def _step(self, arithmetic: Arithmetic[Map], given: Map, before: Map, memory: Memory[Map]) -> Memory[Map]:
        """What the LSTM keeps after a step."""
        gates = arithmetic.layer("lstm_0", arithmetic.concatenate(given, before, memory.first))
        first, first_state = arithmetic.cell(gates, memory.first_state)
        gates = arithmetic.layer("lstm_1", arithmetic.concatenate(first, memory.second))
        return Memory(first, first_state, *arithmetic.cell(gates, memory.second_state))

    def say(self, arithmetic: Arithmetic[Map], output: Map) -> Map:
        """What the head says of pixels, from the LSTM's output."""
        return arithmetic.layer("head", arithmetic.layer("last", output))


@dataclass(frozen=True)
class PyramidConfig:
    """Sizes of the networks of all levels.

    The finest levels have a network each; the last two of these serve all levels that are coarser too, one
    those of rows, one those of columns.

    Attributes:
        width, hidden: see `LevelConfig`.
        components, anchored: see `MixtureHead`.
        depths, strides: see `LevelConfig`, by distance from the finest level.
        coarsest: the PixelCNN of the coarsest image, of three planes and given nothing.

    Raises:
        ModelError: a number is out of range.
    """

    width: int = 12
    hidden: int = 24
    components: int = 10
    anchored: int = 5
    depths: tuple[int, ...] = (2, 2, 2, 2)
    strides: tuple[int, ...] = (4, 4, 2, 2)
    coarsest: PixelCnnConfig = _COARSEST

    def __post_init__(self) -> None:
        limits = {"width": (1, 256), "hidden": (1, 256), "depths": (1, 4), "strides": (1, 4)}
        for name, (low, high) in limits.items():
            found = getattr(self, name)
            sizes = found if isinstance(found, tuple) else (found,)
            if not all(low <= size <= high for size in sizes) or (name == "strides" and 3 in sizes):
                raise ModelError(
                    f"PixelPyramids with {name} = {found}: {low} to {high} are possible, and no stride of 3",
                    expected=(low, high),
                    found=found,
                )
        if not 2 <= len(self.depths) == len(self.strides) <= 16:
            counts = len(self.depths), len(self.strides)
            raise ModelError(
                f"PixelPyramids with {counts[0]} depths and {counts[1]} strides: one of each for 2 to 16 "
                "networks is possible",
                found=counts,
            )
        if self.coarsest.planes != PLANES or self.coarsest.given:
            raise ModelError(
                f"PixelPyramids with a PixelCNN of {self.coarsest.planes} planes that is given "
                f"{self.coarsest.given} numbers: only one of {PLANES} planes is possible, given nothing",
                found=self.coarsest,
            )
        _ = self.head

    @property
    def head(self) -> MixtureHead:
        """How the networks say mixtures."""
        return MixtureHead(self.components, PLANES, self.anchored)

    @property
    def networks(self) -> tuple[LevelConfig, ...]:
        """The networks, by distance from the finest level."""
        return tuple(
            LevelConfig(self.width, self.hidden, depth, stride, self.head)
            for depth, stride in zip(self.depths, self.strides, strict=True)
        )

    def network(self, distance: int) -> int:
        """The number of the network of a level, by its distance from the finest one."""
        beyond = distance - len(self.depths)
        return distance if beyond < 0 else len(self.depths) - 2 + beyond % 2

    @property
    def settings(self) -> npt.NDArray[np.int32]:
        """The numbers in their order but for those of `coarsest`, as a model's tensor."""
        sizes = self.width, self.hidden, self.components, self.anchored
        return np.array([*sizes, *self.depths, *self.strides], np.int32)

    @classmethod
    def of(cls, settings: npt.NDArray[np.int32], coarsest: npt.NDArray[np.int32]) -> PyramidConfig:
        """The sizes that a model's tensors tell, its own and that of the coarsest image's network.

        Raises:
            ModelError: they are none.
        """
        if settings.ndim != 1 or len(settings) < 4 or len(settings) % 2:
            raise ModelError(
                f"the settings of PixelPyramids are of shape {settings.shape}: get or export the model again",
                found=settings.shape,
            )
        width, hidden, components, anchored, *levels = settings.tolist()
        count = len(levels) // 2
        depths, strides = tuple(levels[:count]), tuple(levels[count:])
        return cls(width, hidden, components, anchored, depths, strides, PixelCnnConfig.of(coarsest))

    def specs(self) -> dict[str, LayerSpec]:
        """The layers of all networks, by the names that their tensors have in a model."""
        found = {
            f"{name_of(number)}.{name}": spec
            for number, network in enumerate(self.networks)
            for name, spec in network.specs().items()
        }
        return found | {COARSEST + name: spec for name, spec in self.coarsest.specs().items()}


def name_of(number: int) -> str:
    """What the tensors of a network begin with, before a point."""
    return f"level_{number}"
