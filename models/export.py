"""From a trained network to the integers that define a model, and back to go on training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ppyr.errors import ModelError

from . import checkpoint
from .checkpoint import Checkpoint
from .excess import EXCESSES
from .features import PLANES, ZERO_POINT
from .grid import SCALES_PER_OCTAVE, SHAPES, TableGrid
from .likelihood import ALPHABET, SCALES, SMALLEST_SCALE, TOTAL, interval_mass
from .network import SPREAD_BITS, NetworkConfig, StageNet
from .predictor import layer_rules
from .quantization import integers
from .weights import STAGES, Tensors, Weights


def fraction_bits() -> npt.NDArray[np.uint8]:
    """Eighths of a grey level below a scale of 2, quarters below 4, halves below 8, whole ones above."""
    octave = np.log2(SMALLEST_SCALE) + np.arange(SCALES) / SCALES_PER_OCTAVE
    bits: npt.NDArray[np.uint8] = np.clip(3 - np.floor(octave), 0, 3).astype(np.uint8)
    return bits


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
    """Probabilities (256,) as integers of at least 1 that sum to 2^24.

    The largest takes what rounding leaves.
    """
    found: npt.NDArray[np.int64] = 1 + np.floor(mass / mass.sum() * (TOTAL - ALPHABET)).astype(np.int64)
    found[found.argmax()] += TOTAL - found.sum()
    return found.astype(np.uint32)


def spread(net: StageNet) -> npt.NDArray[np.int8]:
    """What excesses add to scales, in steps of the scale: (3, EXCESSES)."""
    steps = torch.round(net.spread.detach() * 2.0**SPREAD_BITS).clamp(-128, 127)
    return steps.view(PLANES, EXCESSES).numpy().astype(np.int8)


def model(networks: Mapping[str, StageNet], provenance: dict[str, Any]) -> Weights:
    """The integers of trained networks, one for every stage: finest, next and rest."""
    grid_bits = fraction_bits()
    tensors: Tensors = {"fraction_bits": grid_bits, "tables": tables(TableGrid(grid_bits))}
    for stage in STAGES:
        for name, conv in networks[stage].convolutions():
            for part, value in integers(conv, networks[stage].output_bits(name), offset(name)).items():
                tensors[f"{stage}.{name}.{part}"] = value
        tensors[f"{stage}.spread"] = spread(networks[stage])
    return Weights(tensors, provenance)


def with_tables_of(source: Weights, weights: Weights) -> Weights:
    """A model with the tables of the one that its networks began with."""
    kept = {name: source.tensors[name] for name in ("fraction_bits", "tables")}
    return replace(weights, tensors={**weights.tensors, **kept})


def sizes(weights: Weights, stage: str) -> NetworkConfig:
    """The sizes of the network of a stage.

    Raises:
        ModelError: the model does not tell them.
    """
    try:
        return NetworkConfig(**weights.provenance[stage]["config"]["network"])
    except (KeyError, TypeError):
        raise ModelError(
            f"the model does not tell the sizes of its network {stage}: train from nothing"
        ) from None


def network(weights: Weights, stage: str) -> StageNet:
    """The network of a stage with the weights and biases that its integers stand for.

    Raises:
        ModelError: the model does not tell the sizes of its networks, or its layers have others.
    """
    net = StageNet(sizes(weights, stage))
    steps = torch.from_numpy(weights.tensor(f"{stage}.spread", np.int8).astype(np.float32))
    with torch.no_grad():
        net.spread.copy_(steps.flatten() * 2.0**-SPREAD_BITS)
    for name, conv in net.convolutions():
        layer = weights.layer(f"{stage}.{name}", **layer_rules(name))
        shift = torch.from_numpy(layer.shift.astype(np.float64))
        exponent = shift - conv.input_bits + torch.tensor(net.output_bits(name))
        bias = torch.from_numpy(layer.bias.astype(np.float64)) - offset(name) * torch.exp2(shift)
        weight = torch.from_numpy(layer.weight.astype(np.float64)) * torch.exp2(-exponent).view(-1, 1, 1, 1)
        if weight.shape != conv.weight.shape:
            raise ModelError(
                f"layer {name} of network {stage} is not of the sizes that the model tells: train from "
                "nothing",
                expected=tuple(conv.weight.shape),
                found=tuple(weight.shape),
            )
        with torch.no_grad():
            conv.weight.copy_(weight)
            conv.bias.copy_(bias * torch.exp2(-exponent - conv.input_bits))
    return net


def offset(name: str) -> int:
    """What a layer's output has added; layers with a skip input get the stream's zero point from it."""
    return ZERO_POINT if name == "trunk_in" else 0


def averaged(trained: Checkpoint) -> StageNet:
    """The averaged network of a checkpoint, as it was before rounding."""
    net = StageNet(NetworkConfig(**trained.config["network"]))
    net.load_state_dict(trained.network)
    return net


def provenance(trained: Checkpoint) -> dict[str, Any]:
    """What a model tells of the making of a network."""
    return {
        "config": trained.config,
        "start": trained.start,
        "photographs": trained.photographs,
        "graphics": trained.graphics,
        "steps": trained.step,
        "seconds": round(trained.spent),
    }


def export(checkpoints: Mapping[str, Path]) -> Weights:
    """A model of one checkpoint for every stage.

    Args:
        checkpoints: files that training wrote, by stage: finest, next and rest.

    Raises:
        ModelError: a file is missing, damaged or no checkpoint.
    """
    networks: dict[str, StageNet] = {}
    told: dict[str, Any] = {"torch": torch.__version__}
    for stage in STAGES:
        trained = checkpoint.read(checkpoints[stage])
        networks[stage] = averaged(trained)
        told[stage] = provenance(trained)
    return model(networks, told)
