"""The gate and the memory cell, held against their formulas; all backends are held against the reference."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from ppyr.models.backends import backend
from ppyr.models.gates import SIGMOID, STATE_TANH, TANH

RUNNER = backend("reference")
BYTES = np.arange(256)
STREAM = (BYTES - 128) / 16


def sigmoid(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = 1 / (1 + np.exp(-x))
    return found


def test_the_tables_are_those_of_the_format() -> None:
    digest = hashlib.sha256(b"".join(table.astype("<i2").tobytes() for table in (TANH, SIGMOID, STATE_TANH)))
    assert digest.hexdigest() == "9e8efd4ae5966ac426dbb94b73ea86d3ff1fd1a1ee0f5feb2cdc1e48d633c8ee"


def test_a_gate_is_tanh_times_sigmoid_in_units_of_a_sixteenth() -> None:
    a, b = (x.ravel() for x in np.meshgrid(BYTES, BYTES))
    found = RUNNER.array(RUNNER.gate(np.stack((a, b), 1)[np.newaxis]))[0, :, 0]
    expected = 128 + 16 * 8 * np.tanh(STREAM[a]) * sigmoid(STREAM[b])
    assert abs(found - expected).max() <= 1.25
    assert found[(a == 128)].tolist() == [128] * 256


def test_a_cell_is_that_of_an_lstm() -> None:
    rng = np.random.default_rng(1)
    into, keep, out, candidate = x = rng.integers(0, 256, (4, 5000))
    state = rng.integers(0, 256, (1, 5000, 1))
    output, following = (RUNNER.array(y)[0, :, 0] for y in RUNNER.cell(x.T[np.newaxis], state))
    real = (state[0, :, 0] - 128) / 32
    kept = sigmoid(STREAM[keep]) * real + sigmoid(STREAM[into]) * np.tanh(STREAM[candidate])
    assert abs(following - (128 + 32 * kept).clip(0, 255)).max() <= 1.25
    expected = 128 + 16 * 8 * sigmoid(STREAM[out]) * np.tanh((following - 128) / 32)
    assert abs(output - expected).max() <= 1.25
