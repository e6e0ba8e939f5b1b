"""The family of distributions a table can have, and its likelihood in training.

A pixel's distribution has a mean (grey levels), a scale and a shape. Scales are a geometric grid, four to
the octave. Shapes go from light to heavy tails: 0 is half a normal and half a logistic distribution, 1 a
logistic one, 3 a mixture of two logistic ones, and what is between is interpolated. Training has all shapes
of 0..3, the tables the four whole ones.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .grid import SCALES_PER_OCTAVE, SHAPES

SCALES = 41
SMALLEST_SCALE = 2.0**-4

#: Entries of a table, and what they sum to.
ALPHABET = 256
TOTAL = 1 << 24

#: (weight, scale relative to the grid's) of the logistics that shape 3 mixes.
HEAVY_SHAPE = ((0.5, 0.6), (0.5, 1.6))
#: Standard deviation of the normal beside a logistic of scale 1.
NORMAL_SIGMA = 1.7
#: A distance with no probability beyond, in grey levels.
FARTHEST = 1e5


def interval_mass(distance: Tensor, scale: Tensor, shape: Tensor, end: Tensor | None = None) -> Tensor:
    """Probability of the unit interval whose centre lies at `distance` >= 0 from the mean.

    Elementwise, float32; `scale` in grey levels; `shape` in [0, 3]. Where `end` is true the interval has no
    far end.
    """
    far = distance + 0.5
    if end is not None:
        far = torch.where(end, FARTHEST, far)
    low, high = (distance - 0.5) / scale, far / scale
    logistic = _logistic(low, high)
    heavy = torch.stack([weight * _logistic(low / r, high / r) for weight, r in HEAVY_SHAPE]).sum(0)
    lighter, heavier = (1 - shape).clamp(min=0) / 2, (shape - 1).clamp(min=0) / 2
    return lighter * _normal(low, high) + (1 - lighter - heavier) * logistic + heavier * heavy


def _logistic(low: Tensor, high: Tensor) -> Tensor:
    return torch.sigmoid(-low) - torch.sigmoid(-high)


def _normal(low: Tensor, high: Tensor) -> Tensor:
    unit = 1 / (NORMAL_SIGMA * math.sqrt(2))
    return 0.5 * (torch.erfc(low * unit) - torch.erfc(high * unit))


def bits(pixel: Tensor, mean: Tensor, scale_index: Tensor, shape: Tensor) -> Tensor:
    """Information of `pixel` in bits, elementwise, with the floor that every table entry has.

    The values 0 and 255 have all the probability beyond them, as in PixelCNN++ (Salimans et al. 2017,
    section 2.1); a mean beyond them counts as theirs, and its gradient passes.
    """
    scale = SMALLEST_SCALE * torch.exp2(scale_index.clamp(0, SCALES - 1) / SCALES_PER_OCTAVE)
    mean = mean + (mean.clamp(0, ALPHABET - 1) - mean).detach()
    end = (pixel == 0) | (pixel == ALPHABET - 1)
    mass = interval_mass((pixel - mean).abs(), scale, shape.clamp(0, SHAPES - 1), end)
    return -torch.log2(mass * (1 - ALPHABET / TOTAL) + 1 / TOTAL)
