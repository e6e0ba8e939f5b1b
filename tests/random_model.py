"""A small model with random weights: every shape of layer that the default model has, in milliseconds."""

from __future__ import annotations

import torch

from ppyr.models import export
from ppyr.models.network import NetworkConfig, StageNet
from ppyr.models.weights import STAGES, Weights

TINY = NetworkConfig(width=8, trunk_blocks=1, phase_blocks=1, step_width=12)


def random_network(seed: int) -> StageNet:
    """A network whose biases are not zero and whose heads say something else of every pixel."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = StageNet(TINY)
        for name, conv in network.convolutions():
            conv.bias.add_(0.1 * torch.randn_like(conv.bias))
            if name.startswith("head."):
                conv.weight.mul_(4)
    return network


def random_weights(seed: int = 0) -> Weights:
    """The integers of three such networks."""
    networks = {stage: random_network(3 * seed + number) for number, stage in enumerate(STAGES)}
    return export.model(networks, {"seed": seed})
