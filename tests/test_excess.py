"""The excess of a residual over its scale, against the definition in real numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ppyr.models.excess import EXCESSES, excess
from ppyr.models.export import spread
from tests.random_model import random_network

#: Of arrays, elementwise.
excesses = np.vectorize(excess, otypes=[np.int64])


def test_it_is_the_rounded_logarithm() -> None:
    """The quarter octave of an integer never lies in the middle, as 2^(odd / 8) is irrational."""
    for scale in (0, 7, 40):
        for residual in [*range(1, 2000), *range(2000, 1 << 14, 97)]:
            exact = 4 * math.log2(residual / 64) - 4 * math.log2(2**-4 * 2 ** (scale / 4))
            expected = min(max(round(exact), -8), 16)
            assert excess(residual, scale) == excess(-residual, scale) == expected


@pytest.mark.parametrize(
    ("residual", "scale", "expected"), [(0, 0, -8), (0, 40, -8), (4, 0, 0), (4096, 40, 0)]
)
def test_of_nothing_and_of_just_the_scale(residual: int, scale: int, expected: int) -> None:
    assert excess(residual, scale) == expected


def test_it_has_limits() -> None:
    residuals = np.array([-(2**22), -(2**14), 2**14 - 1, 2**14, 2**22], np.int32)
    assert excesses(residuals, np.zeros(5, np.int32)).tolist() == [16] * 5
    assert excesses(residuals, np.full(5, 40, np.int32)).tolist() == [8] * 5
    assert len(range(-8, 16 + 1)) == EXCESSES


def test_training_and_integers_widen_by_the_same_steps() -> None:
    rng = np.random.default_rng(4)
    residual, scale = rng.integers(-20000, 20001, 5000, np.int32), rng.integers(0, 41, 5000, np.int32)
    net = random_network(1)
    with torch.no_grad():
        net.spread.copy_(torch.from_numpy(rng.normal(0, 0.7, len(net.spread)).astype(np.float32)))
    net.set_quantize(True)
    for pair in range(3):
        expected = spread(net)[pair][excesses(residual, scale) + 8]
        widening = net.widening(pair, torch.from_numpy(residual / np.float32(64)), torch.from_numpy(scale))
        assert np.array_equal(widening.detach().numpy(), expected)
