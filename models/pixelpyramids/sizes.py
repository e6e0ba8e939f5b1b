"""How large PixelPyramids are, and how much they compute: parameters, multiplications, steps."""

from __future__ import annotations

from collections.abc import Iterator

from ppyr.models.counting import Counting, MapShape
from ppyr.models.pixelcnn.coding import fronts
from ppyr.models.pixelcnn.network import PixelCnnConfig
from ppyr.models.steps import Shape

from .network import FEATURES, SEEN, LevelConfig, PyramidConfig

#: The paper's sizes for 256 x 256 pixels: width, hidden size, S of 16 and 4, U-Nets of one to four halvings,
#: one network a level, down to 4 x 4 pixels. Where its poster leaves a choice, there are two 3x3 convolutions
#: on every scale, and depths and a PixelCNN of the coarsest image that bring the parameters near its 166
#: million.
PUBLISHED = PyramidConfig(
    width=64,
    hidden=128,
    components=10,
    anchored=5,
    depths=(4, 4, 4, 4, 3, 2, 1, 1, 1, 1, 1, 1),
    strides=(4, 4, 4, 4, 2, 2, 2, 2, 2, 2, 2, 2),
    coarsest=PixelCnnConfig(2, 3, width=128, layers=6, components=10),
)


def parameters(config: PyramidConfig) -> int:
    """Weights and biases of all networks."""
    return sum(spec.parameters for spec in config.specs().values())


def macs_per_pixel(config: PyramidConfig, height: int, width: int) -> float:
    """Multiplications and additions of weights for each pixel of an image, over all its levels."""
    macs = sum(_macs(network, coarse, fine) for network, coarse, fine in _levels(config, height, width))
    rows, columns = _coarsest(config, height, width)
    return (macs + rows * columns * config.coarsest.weights) / (height * width)


def sequential_steps(config: PyramidConfig, height: int, width: int) -> int:
    """Steps that decode an image one after the other, over all its levels."""
    pyramid = sum(len(network.steps(*fine)) for network, _, fine in _levels(config, height, width))
    coarsest, (rows, columns) = config.coarsest, _coarsest(config, height, width)
    waves = fronts(rows, columns, coarsest.slope, coarsest.ahead[0]) if rows * columns > 1 else ()
    return pyramid + sum(1 for _ in waves)


def _halvings(config: PyramidConfig, height: int, width: int) -> int:
    """How often both sides of an image are halved until its coarsest image is left."""
    return max(0, (max(height, width) - 1).bit_length() - config.coarsest.side_bits)


def _coarsest(config: PyramidConfig, height: int, width: int) -> Shape:
    halvings = _halvings(config, height, width)
    return -(-height >> halvings), -(-width >> halvings)


def _levels(config: PyramidConfig, height: int, width: int) -> Iterator[tuple[LevelConfig, Shape, Shape]]:
    """Network and shapes of the coarse and the fine image of every level, the finest first."""
    for distance in range(2 * _halvings(config, height, width)):
        rows, columns = -(-height // 2 ** (distance // 2)), -(-width // 2 ** ((distance + 1) // 2))
        halves = ((rows + 1) // 2, columns), (rows // 2, columns)
        if distance % 2 == 0:
            halves = (rows, (columns + 1) // 2), (rows, columns // 2)
        yield config.networks[config.network(distance)], *halves


def _macs(network: LevelConfig, coarse: Shape, fine: Shape) -> int:
    counting = Counting(network.specs())
    height, width = (-(-side // network.multiple) * network.multiple for side in coarse)
    sublattice = MapShape(height // network.stride, width // network.stride, SEEN)
    given = MapShape(height, width, FEATURES)
    for _, _, output in network.walk(counting, given, *fine, lambda _row, _column: sublattice):
        network.say(counting, output)
    return counting.macs
