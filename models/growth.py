"""A larger network that computes what a trained one does, to go on training from there.

What is new has no way yet into what was there: a new block adds nothing to the stream, and no layer listens
to a new channel. The idea is Net2Net's (Chen, Goodfellow & Shlens 2016), with zeros in place of copies.
"""

from __future__ import annotations

from dataclasses import asdict

import torch
from torch import nn

from ppyr.errors import ConfigurationError

from .network import NetworkConfig, StageNet
from .predictor import ends_block
from .quantization import Conv


def grown(net: StageNet, config: NetworkConfig) -> StageNet:
    """A network of `config`'s sizes, none of them smaller, with the same likelihoods as `net`.

    Raises:
        ConfigurationError: a size is smaller than that of `net`.
    """
    old, new = asdict(net.config), asdict(config)
    if any(new[key] < old[key] for key in old):
        raise ConfigurationError(
            f"a network of {net.config} can not become one of {config}: give sizes that are not smaller",
            expected=net.config,
            found=config,
        )
    larger = StageNet(config)
    known = dict(net.convolutions())
    with torch.no_grad():
        larger.spread.copy_(net.spread)
        for name, conv in larger.convolutions():
            if name in known:
                _embed(known[name], conv)
            elif ends_block(name):
                nn.init.zeros_(conv.matrix)
    return larger


def _embed(old: Conv, new: Conv) -> None:
    """The weights of `old` in the first channels of `new`; they take nothing from the others."""
    outputs, inputs = old.weight.shape[:2]
    new.weight[:outputs, inputs:] = 0
    new.weight[:outputs, :inputs] = old.weight
    new.bias[:outputs] = old.bias
