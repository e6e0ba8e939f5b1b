"""From a trained network to the integers that define a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .grid import TableGrid
from .likelihood import SCALES, SCALES_PER_OCTAVE, SHAPES, SMALLEST_SCALE, interval_mass
from .network import HEAD_BITS, UNIT_BITS, Conv, NetworkConfig, StageNet, weight_exponents
from .weights import STAGES, Tensors, Weights

TOTAL = 1 << 24
ALPHABET = 256


def fraction_bits() -> npt.NDArray[np.uint8]:
    """Eighths of a grey level below a scale of 2, quarters below 4, halves below 8, whole ones above."""
    octave = np.log2(SMALLEST_SCALE) + np.arange(SCALES) / SCALES_PER_OCTAVE
    return np.clip(3 - np.floor(octave), 0, 3).astype(np.uint8)


def tables(grid: TableGrid) -> npt.NDArray[np.uint32]:
    """Frequencies (T, 256) of every table of the grid: at least 1, sum 2^24."""
    distance = torch.arange(-ALPHABET, ALPHABET, dtype=torch.float64)
    rows = []
    for scale_index in range(grid.scales):
        scale = torch.tensor(SMALLEST_SCALE * 2.0 ** (scale_index / SCALES_PER_OCTAVE), dtype=torch.float64)
        for shape in range(SHAPES):
            for fraction in grid.fractions(scale_index):
                at = torch.full_like(distance, shape)
                mass = interval_mass((distance - fraction).abs(), scale, at).numpy()
                rows.append(frequencies(mass[:ALPHABET] + mass[ALPHABET:]))
    return np.stack(rows)


def frequencies(mass: npt.NDArray[np.float64]) -> npt.NDArray[np.uint32]:
    """Probabilities (256,) as integers of at least 1 that sum to 2^24; the largest takes what rounding leaves."""
    found = 1 + np.floor(mass / mass.sum() * (TOTAL - ALPHABET)).astype(np.int64)
    found[found.argmax()] += TOTAL - found.sum()
    return found.astype(np.uint32)


def integers(conv: Conv, head: bool) -> dict[str, npt.NDArray[np.generic]]:
    """A layer's weights, biases and shifts as `integer.Layer` wants them."""
    with torch.no_grad():
        exponent = weight_exponents(conv.weight)
        weight = torch.round(conv.weight * torch.exp2(exponent))
        exponent = exponent.flatten()
        if conv.bias is None:
            raise ValueError("a layer without a bias can not be exported")
        bias = torch.round(conv.bias.double() * torch.exp2(exponent.double() + UNIT_BITS))
        shift = exponent + UNIT_BITS - torch.tensor(HEAD_BITS) if head else exponent
    return {
        "weight": weight.numpy().astype(np.int8),
        "bias": bias.numpy().astype(np.int32),
        "shift": shift.numpy().astype(np.int8),
    }


def export(checkpoints: dict[str, Path]) -> Weights:
    """A model of one checkpoint for every stage.

    Args:
        checkpoints: files that training wrote, by stage: finest, next and rest.
    """
    grid_bits = fraction_bits()
    tensors: Tensors = {"fraction_bits": grid_bits, "tables": tables(TableGrid(grid_bits))}
    provenance: dict[str, Any] = {"torch": torch.__version__}
    for stage in STAGES:
        state = torch.load(checkpoints[stage], weights_only=True, map_location="cpu")
        net = StageNet(NetworkConfig(**state["config"]["network"]))
        net.load_state_dict(state["network"])
        for name, module in net.named_modules():
            if isinstance(module, Conv):
                for part, value in integers(module, name.startswith("head.")).items():
                    tensors[f"{stage}.{name}.{part}"] = value
        provenance[stage] = {
            "config": state["config"],
            "steps": state["step"],
            "seconds": round(state["spent"]),
        }
    return Weights(tensors, provenance)
