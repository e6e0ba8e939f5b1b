"""A grown network says what the smaller one says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ppyr.errors import ConfigurationError
from ppyr.models.data import stage_batch
from ppyr.models.growth import grown
from ppyr.models.network import StageNet
from tests.photograph import crop
from tests.random_model import TINY, random_network

LARGER: list[dict[str, int]] = [
    {},
    {"width": 11},
    {"step_width": 17},
    {"trunk_blocks": 2},
    {"phase_blocks": 3},
    {"width": 16, "step_width": 16, "trunk_blocks": 3, "phase_blocks": 2},
]


@pytest.mark.parametrize("sizes", LARGER, ids=str)
@pytest.mark.parametrize("quantize", [False, True])
def test_a_grown_network_gives_the_same_bits(sizes: dict[str, int], quantize: bool) -> None:
    small = random_network(2)
    with torch.no_grad():
        small.spread.copy_(torch.linspace(-1, 1, len(small.spread)))
    large = grown(small, replace(TINY, **sizes))
    batch = stage_batch(crop(32, 32).transpose(2, 0, 1)[None].astype(np.int32))
    for net in (small, large):
        net.set_quantize(quantize)
    assert large.config == replace(TINY, **sizes)
    with torch.no_grad():
        # A sum with further zeros may be added up in another order.
        assert large(*batch).numpy() == pytest.approx(small(*batch).numpy(), rel=1e-3 if quantize else 1e-5)


def test_what_is_new_can_learn() -> None:
    large = grown(random_network(2), replace(TINY, width=11, step_width=17, trunk_blocks=2))
    large(*stage_batch(crop(32, 32).transpose(2, 0, 1)[None].astype(np.int32))).sum().backward()
    for name, conv in large.convolutions():
        if name != "trunk.2":  # first layer of a block that adds nothing yet
            assert conv.matrix.grad is not None
            assert conv.matrix.grad.any(), name


@pytest.mark.parametrize("size", ["width", "step_width", "trunk_blocks", "phase_blocks"])
def test_a_network_does_not_shrink(size: str) -> None:
    smaller = replace(TINY, **{size: getattr(TINY, size) - 1})
    with pytest.raises(ConfigurationError, match="not smaller") as caught:
        grown(StageNet(TINY), smaller)
    assert (caught.value.expected, caught.value.found) == (TINY, smaller)
