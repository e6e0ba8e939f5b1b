"""A front of a gated PixelCNN in one compiled call: the same integers as in `coding`, many times faster.

A front has few pixels, so calls of layers would cost more than their multiplications. Features are kept less
their zero point, so that there are zeros beyond the edges.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from ppyr.models.features import ZERO_POINT, ByteArray, Number, clamped
from ppyr.models.gates import GATE_SHIFT, SIGMOID, TANH
from ppyr.models.integer import ACTIVATION_MAX, HEAD_LIMIT, Layer

from .features import Positions
from .network import PixelCnnConfig

Signed = npt.NDArray[np.int16]


class Program(NamedTuple):
    """The layers of a network in the order of `_names`, one after the other.

    Attributes:
        weights: int16, (C_out, C_in) of each layer, flat.
        biases, shifts: int32 (sum of C_out,).
        places: of each layer its first weight and bias, C_in and C_out; int64 (layers, 4).
        above, left: what the layers of both stacks see, one after the other; int64 (taps, 2).
        taps: of each layer the first and last one of `above`, then of `left`; int64 (layers, 4).
        ahead: columns that each layer of the vertical stack is ahead; int64 (layers,).
    """

    weights: Signed
    biases: npt.NDArray[np.int32]
    shifts: npt.NDArray[np.int32]
    places: npt.NDArray[np.int64]
    above: Positions
    left: Positions
    taps: Positions
    ahead: Positions


class Maps(NamedTuple):
    """What is kept of earlier fronts, less the zero point.

    Attributes:
        pixels: what is seen of them, (h + 2 edges, w + 2 edges, features).
        given: (h, w, D).
        stacks: the vertical one and the horizontal one, (2, layers, h + 2 edges, w + 2 edges, width).
        links: what the horizontal stack sees of the vertical one, (layers, h, w, 2 width).
    """

    pixels: Signed
    given: Signed
    stacks: Signed
    links: Signed


def program(config: PixelCnnConfig, layers: Mapping[str, Layer]) -> Program:
    """The layers of a network as `CompiledWave` takes them."""
    own = [layers[name] for name in _names(config)]
    sizes = np.array([layer.weight.shape[:2] for layer in own], np.int64)
    products, outputs = sizes.prod(1), sizes[:, 0]
    places = np.stack(
        (np.cumsum(products) - products, np.cumsum(outputs) - outputs, sizes[:, 1], sizes[:, 0]), 1
    )
    return Program(
        np.concatenate([layer.weight.ravel() for layer in own]).astype(np.int16),
        np.concatenate([layer.bias for layer in own]).astype(np.int32),
        np.concatenate([layer.shift for layer in own]).astype(np.int32),
        places,
        *_taps(config),
        np.array(config.ahead, np.int64),
    )


def _taps(config: PixelCnnConfig) -> tuple[Positions, Positions, Positions]:
    """`Program.above`, `left` and `taps`."""
    found, ends = [], []
    for seen in (config.above, config.left):
        each = [seen(number) for number in range(config.layers)]
        last = np.cumsum([len(offsets) for offsets in each])
        found.append(np.array([offset for offsets in each for offset in offsets], np.int64))
        ends += [last - [len(offsets) for offsets in each], last]
    return found[0], found[1], np.stack(ends, 1).astype(np.int64)


def _names(config: PixelCnnConfig) -> list[str]:
    kinds = "vertical", "horizontal", "residual"
    return [*(f"{kind}_{number}" for number in range(config.layers) for kind in kinds), "last", "head"]


class CompiledWave:
    """Evaluates a network front by front; see `wave.Wave`.

    Args:
        config: its sizes.
        made: its layers.
        height, width: of the image.
        given: what each pixel is given with, (h, w, D), None for nothing.
    """

    def __init__(
        self, config: PixelCnnConfig, made: Program, height: int, width: int, given: ByteArray | None
    ) -> None:
        self._config, self._program = config, made
        edge = config.edge
        size = height + 2 * edge, width + 2 * edge
        self._pixels = np.zeros((*size, config.features), np.int16)
        self._stacks = np.zeros((2, config.layers, *size, config.width), np.int16)
        self._links = np.zeros((config.layers, height, width, 2 * config.width), np.int16)
        self._given = np.zeros((height, width, 0), np.int16)
        if given is not None:
            self._given = given.astype(np.int16) - np.int16(ZERO_POINT)

    def put(self, seen: ByteArray, rows: Positions, columns: Positions) -> None:
        """Enter what is seen of pixels, (n, features)."""
        edge = self._config.edge
        self._pixels[rows + edge, columns + edge] = seen.astype(np.int16) - np.int16(ZERO_POINT)

    def evaluate(self, rows: Positions, columns: Positions) -> Signed:
        """What the head says of the pixels of a front, (n, P); nothing that counts for columns below 0."""
        said = np.zeros((len(rows), self._config.head.outputs), np.int16)
        maps = Maps(self._pixels, self._given, self._stacks, self._links)
        _evaluate(rows, columns, self._program, maps, said)
        return said


@njit(nogil=True, cache=True)
def _evaluate(
    rows: Positions,
    columns: Positions,
    made: Program,
    maps: Maps,
    said: Signed,
) -> None:
    """`PixelCnnConfig.evaluate`, pixel by pixel; the vertical stack ahead of the horizontal one."""
    pixels, given, stacks, links = maps
    places = made.places
    layers, _, width, twice = links.shape
    channels, edge = twice // 2, (stacks.shape[3] - width) // 2
    verticals, horizontals = stacks[0], stacks[1]
    longest = places[:, 2].max()
    x, y = np.empty(longest, np.int16), np.empty(max(longest, places[:, 3].max()), np.int16)
    nothing = np.empty(0, np.int16)
    for n in range(len(rows)):
        row = rows[n]
        for number in range(layers):
            column = columns[n] + made.ahead[number]
            if 0 <= column < width:
                above = made.above[made.taps[number, 0] : made.taps[number, 1]]
                below = pixels if number == 0 else verticals[number - 1]
                count = _gather(below, above, row + edge, column + edge, x)
                count = _append(given[row, column], x, count)
                _layer(x, nothing, made, 3 * number, -ZERO_POINT, y)
                links[number, row, column] = y[:twice]
                _gate(y, channels, verticals[number, row + edge, column + edge])
        column = columns[n]
        if column >= 0:
            for number in range(layers):
                left = made.left[made.taps[number, 2] : made.taps[number, 3]]
                below = pixels if number == 0 else horizontals[number - 1]
                count = _gather(below, left, row + edge, column + edge, x)
                count = _append(links[number, row, column], x, count)
                count = _append(given[row, column], x, count)
                _layer(x, nothing, made, 3 * number + 1, -ZERO_POINT, y)
                _gate(y, channels, x)
                skip = horizontals[number - 1, row + edge, column + edge] if number else nothing
                _layer(x, skip, made, 3 * number + 2, -ZERO_POINT, y)
                horizontals[number, row + edge, column + edge] = y[:channels]
            _layer(y, nothing, made, 3 * layers, 0, x)
            _layer(x, nothing, made, 3 * layers + 1, -HEAD_LIMIT, said[n])


@njit(nogil=True)
def _gather(values: Signed, taps: Positions, row: int, column: int, x: Signed) -> int:
    """The features at the taps of a place, into x; where they end."""
    count = 0
    for tap in range(len(taps)):
        count = _append(values[row + taps[tap, 0], column + taps[tap, 1]], x, count)
    return count


@njit(nogil=True)
def _append(values: Signed, x: Signed, count: int) -> int:
    for channel in range(len(values)):
        x[count + channel] = values[channel]
    return count + len(values)


@njit(nogil=True)
def _layer(
    x: Signed,
    skip: Signed,
    made: Program,
    number: int,
    low: int,
    y: Signed,
) -> None:
    """A layer of one pixel: of a stream less its zero point where low is -128, bytes for 0, else a head."""
    weights, biases, shifts = made.weights, made.biases, made.shifts
    first, bias, inputs, outputs = made.places[number]
    high = -low - 1 if low else ACTIVATION_MAX
    # What leaves a layer for a stream has the zero point in its bias, or its skip input.
    offset = ZERO_POINT if low == -ZERO_POINT else 0
    for output in range(outputs):
        row = weights[first + output * inputs : first + (output + 1) * inputs]
        total = np.int32(0)
        for channel in range(inputs):
            total += np.int32(row[channel]) * np.int32(x[channel])
        shift = np.int64(shifts[bias + output])
        value = np.int64(total) + biases[bias + output]
        if len(skip):
            value += (np.int64(skip[output]) + ZERO_POINT) << shift
        y[output] = clamped(_rounded(value, shift) - offset, low, high)


@njit(nogil=True)
def _rounded(value: Number, shift: Number) -> Number:
    """Value / 2^shift, halves to the even number."""
    if shift <= 0:
        return value << -shift
    floor = value >> shift
    twice_rest, unit = (value - (floor << shift)) << 1, np.int64(1) << shift
    return floor + np.int64(twice_rest > unit or (twice_rest == unit and floor & 1 == 1))


@njit(nogil=True)
def _gate(x: Signed, channels: int, y: Signed) -> None:
    """`gates`, of signed numbers."""
    for channel in range(channels):
        product = np.int64(TANH[x[channel] + ZERO_POINT]) * SIGMOID[x[channels + channel] + ZERO_POINT]
        y[channel] = clamped((product + (1 << GATE_SHIFT >> 1)) >> GATE_SHIFT, -ZERO_POINT, ZERO_POINT - 1)
