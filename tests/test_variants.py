"""The networks of the experiments: what they add begins with no effect, and what they lack is lacking."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.variants import VARIANTS
from ppyr.models.configuration import TrainingConfig
from ppyr.models.data import stage_batch
from ppyr.models.train import Run
from tests.photograph import crop
from tests.random_model import TINY, random_network

BATCH = stage_batch(crop(32, 32).transpose(2, 0, 1)[None].astype(np.int32))
LACKING = ("3 subsampled images", "6 subsampled images", "without excesses", "no coupling")


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_begins_like_the_network_and_learns(name: str) -> None:
    run = Run(VARIANTS[name](random_network(2)), TrainingConfig(steps=20, network=TINY, averaging=0.0))
    plain = Run(random_network(2), run.config).validate([BATCH])
    before = run.validate([BATCH])
    assert (before == plain) == (name not in LACKING)
    for _ in range(20):
        run.advance(iter([BATCH]))
    assert run.validate([BATCH])[-1] < before[-1]
