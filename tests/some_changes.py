"""Changes to a model that it bears, of every kind, the same at every call."""

from __future__ import annotations

import numpy as np

from ppyr.models.changes import Change
from ppyr.models.weights import Weights, part_order

#: Parts and shifts.
PARTS = {
    "finest.head.10_0.weight": 2,
    "finest.spread": 0,
    "finest.trunk.0.inputs": 5,
    "finest.trunk.0.outputs": 6,
    "next.head.11_3.bias": 4,
    "next.step_mid.10_0.outputs": 6,
    "rest.step_mid.01_1.bias": 1,
}


def some_changes(source: Weights) -> list[Change]:
    """Small random differences of some parts of `source`."""
    generator = np.random.default_rng(7)
    return [
        Change(part, 100, PARTS[part], generator.integers(-3, 4, source.changeable[part], dtype=np.int8))
        for part in sorted(PARTS, key=part_order)
    ]
