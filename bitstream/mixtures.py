"""Mixtures of discretised logistics, in integers: distributions that a model computes for each sample.

A sample x is one of 0..A - 1, A = 2^bits. Each of K components has a weight w, a mean m and a scale, and the
mass below x is what the logistic function has at x - 1/2 (Salimans et al., "PixelCNN++", ICLR 2017, equation
2, which gives the mass beyond both ends to the first and the last sample, as this does):

    B(x) / 2^24 = sum of w sigmoid((x - 1/2 - m) / scale) / sum of w

The logistic function is a table with lines between its entries, scales are quarter octaves, and everything is
computed in 64-bit integers, so that it is the same on every machine. FORMAT.md has the definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal

import numpy as np
import numpy.typing as npt

from ppyr.bitstream import tables
from ppyr.bitstream.exponential import sigmoids
from ppyr.bitstream.tables import ALPHABET, PRECISION, Symbols
from ppyr.errors import ModelError

COMPONENTS = (1, 16)
MOST_WEIGHT = 1 << 12
#: Binary digits of a mean: means are counted in 1/64 of a sample value.
MEAN_DIGITS = 6
LARGEST_MEAN = 1 << 16
SCALES = 48
"""Scale number j stands for 2^(j / 4 - 4) sample values."""

#: z = (x - 1/2 - m) / scale is counted in 2^-17, and clamped to -16..16 - 2^-17.
REACH = 1 << 21
#: Binary digits of z between two entries of the logistic function, and those that a slope has more than z.
BETWEEN, SLOPE_DIGITS = 12, 8

_EXACT = Context(prec=50)

LOGISTIC = np.array(sigmoids(512, 32, 1 << PRECISION), np.int64)
"""2^24 sigmoid((i - 512) / 32), rounded."""

SLOPES = np.array([round(_EXACT.sqrt(_EXACT.sqrt(Decimal(1 << 92 - j)))) for j in range(SCALES)], np.int64)
"""2^(23 - j / 4), rounded: what 1/64 of a sample value is of the scale number j, in 2^-25."""

for _table in (LOGISTIC, SLOPES):
    _table.flags.writeable = False


@dataclass(frozen=True, slots=True)
class Mixtures:
    """The distributions of n samples; K is 1..16.

    Attributes:
        weights: 0..4096, some of each mixture above 0; uint16 (n, K).
        means: in 1/64 sample value, -2^16..2^16; int32 (n, K).
        scales: numbers of scales, 0..47; uint8 (n, K).
        bits: 1..8, samples are below 2^bits.
    """

    weights: npt.NDArray[np.uint16]
    means: npt.NDArray[np.int32]
    scales: npt.NDArray[np.uint8]
    bits: int

    @staticmethod
    def joined(parts: Sequence[Mixtures]) -> Mixtures:
        """Several, one after the other; ValueError unless they are of the same K and bits."""
        (bits,) = {part.bits for part in parts}
        return Mixtures(
            np.concatenate([part.weights for part in parts]),
            np.concatenate([part.means for part in parts]),
            np.concatenate([part.scales for part in parts]),
            bits,
        )

    def part(self, which: slice) -> Mixtures:
        """Those of some of the samples."""
        return Mixtures(self.weights[which], self.means[which], self.scales[which], self.bits)

    def check(self) -> None:
        """Refuse what is no mixture.

        Raises:
            TypeError: a dtype is another one.
            ValueError: the shapes are not (n, K) each, or `bits` is out of range.
            ModelError: a weight, a mean, a scale or K is out of range, or all weights of a mixture are 0.
        """
        dtypes = {"weights": np.uint16, "means": np.int32, "scales": np.uint8}
        for name, dtype in dtypes.items():
            array = getattr(self, name)
            if array.dtype != dtype:
                raise TypeError(f"{name} are {array.dtype}; pass {np.dtype(dtype)}")
            if array.ndim != 2 or array.shape != self.weights.shape:
                raise ValueError(f"{name} have shape {array.shape}; pass (n, K), as the weights have")
        if 1 << self.bits not in range(2, ALPHABET + 1):
            raise ValueError(f"samples of {self.bits} bits; pass 1 to 8")
        _check("number of components", self.weights[0].size if len(self.weights) else 1, *COMPONENTS)
        _check("weight", int(self.weights.max(initial=0)), 0, MOST_WEIGHT)
        _check("mean", int(self.means.max(initial=0)), -LARGEST_MEAN, LARGEST_MEAN)
        _check("mean", int(self.means.min(initial=0)), -LARGEST_MEAN, LARGEST_MEAN)
        _check("scale", int(self.scales.max(initial=0)), 0, SCALES - 1)
        if not self.weights.any(1).all():
            _check("sum of weights", 0, 1, COMPONENTS[1] * MOST_WEIGHT)


def frequencies(mixtures: Mixtures) -> npt.NDArray[np.uint32]:
    """The frequencies of all samples under each of n mixtures, by definition; uint32 (n, 2^bits).

    Each is at least 1, and a row sums to 2^24.
    """
    starts = _starts(mixtures, np.arange(1, 1 << mixtures.bits)[np.newaxis])
    return np.diff(starts, prepend=0, append=1 << PRECISION).astype(np.uint32)


def informations(samples: Symbols, mixtures: Mixtures) -> npt.NDArray[np.int32]:
    """Information content of each of n samples, in units of 2^-16 bit; int32 (n,)."""
    edges = samples[:, np.newaxis] + np.arange(2)
    starts = _starts(mixtures, edges)
    starts[edges == 0], starts[edges >> mixtures.bits > 0] = 0, 1 << PRECISION
    return tables.informations(np.diff(starts).astype(np.uint32))[:, 0]


def _starts(mixtures: Mixtures, samples: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The first quantiles of samples (n, m), or (1, m), each within 1..2^bits - 1."""
    mass = np.zeros((len(mixtures.weights), samples.shape[1]), np.int64)
    for weight, mean, scale in zip(
        mixtures.weights.T.astype(np.int64), mixtures.means.T, mixtures.scales.T, strict=True
    ):
        distance = (samples << MEAN_DIGITS) - (1 << MEAN_DIGITS - 1) - mean[:, np.newaxis].astype(np.int64)
        z = ((distance * SLOPES[scale][:, np.newaxis]) >> SLOPE_DIGITS).clip(-REACH, REACH - 1)
        place, rest = (z + REACH) >> BETWEEN, z & (1 << BETWEEN) - 1
        line = ((LOGISTIC[place + 1] - LOGISTIC[place]) * rest) >> BETWEEN
        mass += weight[:, np.newaxis] * (LOGISTIC[place] + line)
    mass //= mixtures.weights.sum(1, dtype=np.int64)[:, np.newaxis]
    shared = (1 << PRECISION) - (1 << mixtures.bits)
    return samples + (mass * shared >> PRECISION)


def _check(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ModelError(
            f"a mixture has a {name} of {value}, where {least}..{most} belongs: export the model again",
            expected=range(least, most + 1),
            found=value,
        )
