"""The optimization of one network: float first, integers at the end; averaged, resumed from checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .checkpoint import Checkpoint

GRADIENT_LIMIT = 5.0


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The settings of an optimization.

    Muon with `learning_rate` trains the weights, AdamW with `bias_rate` the biases. Both rates rise in the
    first `warmup_steps` of the `steps` and fall as a cosine; the last `integer_part` of the steps trains the
    rounded network. What is validated and exported is the exponential moving average of the weights, of which
    each step keeps the part `averaging`.

    `autocast` is torch's bfloat16 autocast. In these convolutions it is slower than float32 on the two-core
    machine where the shipped model was trained (torch 2.13.0), and faster on GPUs.
    """

    steps: int
    learning_rate: float = 4e-3
    momentum: float = 0.9
    weight_decay: float = 0.01
    bias_rate: float = 2.5e-3
    warmup_steps: int = 50
    integer_part: float = 0.2
    averaging: float = 0.998
    seed: int = 1
    autocast: bool = False


class Optimization:
    """A network in training: its average, optimizers, steps done and seconds spent.

    Args:
        net: what is trained, an `nn.Module` with `quantize` and `set_quantize`.
        config: the settings.
        device: "cpu" or "cuda".
    """

    def __init__(self, net: Any, config: Schedule, device: str = "cpu") -> None:
        self.net, self.config, self.device = net, config, device
        self.step, self.spent = 0, 0.0
        self.net.to(device, memory_format=torch.channels_last)
        average = get_ema_multi_avg_fn(config.averaging)  # type: ignore[no-untyped-call]
        self.average = AveragedModel(self.net, multi_avg_fn=average)
        self.optimizers = _optimizers(self.net, config)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "network": self.average.module.state_dict(),
            "trained": self.net.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "spent": self.spent,
        }

    def resume(self, found: Checkpoint) -> None:
        """Go on where a checkpoint was written."""
        self.average.module.load_state_dict(found.network)
        self.average.n_averaged.fill_(found.step)
        self.net.load_state_dict(found.trained)
        for optimizer, state in zip(self.optimizers, found.optimizers, strict=True):
            optimizer.load_state_dict(state)
        self.step, self.spent = found.step, found.spent

    def averaged(self) -> Any:
        """The averaged network, rounded if the other one is."""
        net: Any = self.average.module
        net.set_quantize(self.net.quantize)
        return net

    def autocast(self) -> torch.autocast:
        """The context in which losses are computed."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.config.autocast)

    def descend(self, loss: Callable[[], Tensor]) -> float:
        """One step down what `loss` gives, and its value."""
        began = time.monotonic()
        part = self.step / self.config.steps
        self.net.set_quantize(part >= 1 - self.config.integer_part)
        rates = self.config.learning_rate, self.config.bias_rate
        for optimizer, rate in zip(self.optimizers, rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * self._schedule(part)
        found = loss()
        self.net.zero_grad(set_to_none=True)
        found.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), GRADIENT_LIMIT)
        for optimizer in self.optimizers:
            optimizer.step()
        self.average.update_parameters(self.net)
        value = float(found.detach())
        self.step += 1
        self.spent += time.monotonic() - began
        return value

    def _schedule(self, part: float) -> float:
        warm = min(1.0, (self.step + 1) / max(1, self.config.warmup_steps))
        fall = 0.5 * (1 + math.cos(math.pi * part))
        return warm * (0.01 + 0.99 * fall)


def _optimizers(net: nn.Module, config: Schedule) -> tuple[optim.Optimizer, optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the matrices of weights, AdamW for the biases."""
    matrices = [parameter for parameter in net.parameters() if parameter.ndim == 2]
    biases = [parameter for parameter in net.parameters() if parameter.ndim == 1]
    return (
        optim.Muon(
            matrices,
            lr=config.learning_rate,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        ),
        optim.AdamW(biases, lr=config.bias_rate, weight_decay=0.0),
    )
