import numpy as np
import pytest
from numpy.random import default_rng

from ppyr import calibration
from ppyr.bitstream import tables
from ppyr.bitstream.tables import TableSet
from ppyr.calibration import calibrate, corrected, count_symbols
from ppyr.models.weights import Weights
from tests.random_model import random_weights


@pytest.fixture(scope="module")
def weights() -> Weights:
    return random_weights(1)


PHOTOGRAPHS = [default_rng(seed).normal(128, 6, (24, 20, 3)).astype(np.uint8) for seed in range(3)]


def information(weights: Weights, counts: np.ndarray) -> float:
    return float((TableSet(weights.tensor("tables", np.uint32)).lookup.information * counts).sum())


def test_every_sample_is_counted_but_under_folded_tables(
    weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = sum(photograph.size - 3 for photograph in PHOTOGRAPHS)
    assert 0.9 * samples < count_symbols(weights, PHOTOGRAPHS).sum() < samples
    dark = [photograph // 40 for photograph in PHOTOGRAPHS]
    assert count_symbols(weights, dark).sum() < 0.5 * samples
    monkeypatch.setattr(tables, "FOLDED_MASS", 1 << 24)
    assert count_symbols(weights, dark).sum() == samples


def test_counted_symbols_get_cheaper(weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "PRIOR_SYMBOLS", 10)
    counts = count_symbols(weights, PHOTOGRAPHS)
    assert information(corrected(weights, counts), counts) < 0.95 * information(weights, counts)


def test_only_tables_that_were_met_change(weights: Weights) -> None:
    counts = np.zeros((len(weights.tensor("tables", np.uint32)), 256), np.int64)
    counts[5, 7] = 100_000
    before, after = (model.tensor("tables", np.uint32) for model in (weights, corrected(weights, counts)))
    met = np.arange(len(counts)) == 5
    assert np.abs(after[~met].astype(np.int64) - before[~met]).max() <= 256
    assert after[5, 7] > before[5, 7]
    assert (after.sum(1) == 1 << 24).all()


def test_calibrated_model_is_another_model(weights: Weights) -> None:
    model = calibrate(weights, PHOTOGRAPHS)
    assert model.id != weights.id
    assert model.provenance["calibration"]["symbols"] > 0
    assert all(
        np.array_equal(model.tensors[name], tensor)
        for name, tensor in weights.tensors.items()
        if name != "tables"
    )
