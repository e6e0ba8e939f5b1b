"""How much a network computes: an arithmetic that counts instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .arithmetic import LayerSpec, Offsets


class MapShape(NamedTuple):
    """The shape of a feature map."""

    height: int
    width: int
    channels: int


class Counting:
    """An arithmetic of the shapes of feature maps.

    Args:
        specs: the layers by name.

    Attributes:
        macs: multiplications and additions of weights so far.
    """

    def __init__(self, specs: Mapping[str, LayerSpec]) -> None:
        self._specs, self.macs = specs, 0

    def layer(self, name: str, x: MapShape, skip: MapShape | None = None) -> MapShape:
        """See `Arithmetic`.

        Raises:
            ValueError: the layer does not take an input or a skip input of this shape.
        """
        spec, found = self._specs[name], x._replace(channels=self._specs[name].outputs)
        if x.channels != spec.inputs or skip != (found if spec.skip else None):
            raise ValueError(f"layer {name}, {spec}, with the input {x} and the skip input {skip}")
        self.macs += spec.weights * x.height * x.width
        return found

    def concatenate(self, *parts: MapShape) -> MapShape:
        """See `Arithmetic`."""
        ((height, width),) = {part[:2] for part in parts}
        return MapShape(height, width, sum(part.channels for part in parts))

    def gate(self, x: MapShape) -> MapShape:
        """See `Arithmetic`."""
        return x._replace(channels=x.channels // 2)

    def cell(self, x: MapShape, state: MapShape) -> tuple[MapShape, MapShape]:
        """See `Arithmetic`."""
        found = x._replace(channels=x.channels // 4)
        if state != found:
            raise ValueError(f"a cell of {x} with the state {state}")
        return found, found

    def zeros(self, like: MapShape, channels: int) -> MapShape:
        """See `Arithmetic`."""
        return like._replace(channels=channels)

    def pool(self, x: MapShape) -> MapShape:
        """See `Arithmetic`."""
        return x._replace(height=x.height // 2, width=x.width // 2)

    def enlarge(self, x: MapShape) -> MapShape:
        """See `Arithmetic`."""
        return x._replace(height=2 * x.height, width=2 * x.width)

    def sublattice(self, x: MapShape, row: int, column: int, step: int) -> MapShape:
        """See `Arithmetic`."""
        return x._replace(height=len(range(row, x.height, step)), width=len(range(column, x.width, step)))

    def taps(self, x: MapShape, offsets: Offsets, ahead: int = 0) -> MapShape:  # noqa: ARG002
        """See `Arithmetic`."""
        return x._replace(channels=x.channels * len(offsets))
