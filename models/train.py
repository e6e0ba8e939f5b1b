"""Training of one network: float first, integers at the end, with checkpoints and a log.

The networks of a model are independent given the image (teacher forcing), so each trains alone: `finest` for the last
factor of two, `next` for the one before it, `rest` for all that are coarser.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from .data import CODING_ORDER, Augmentation, ByteArray, CropBatches, Scale, stage_batch
from .network import NetworkConfig, StageNet

MIXED = False
STAGES: dict[str, tuple[Scale, ...]] = {
    "finest": (Scale(1, 128, 8),),
    "next": (Scale(2, 128, 8),),
    "rest": (Scale(4, 80, 12, 0.6), Scale(8, 40, 32, 0.25), Scale(16, 20, 64, 0.15)),
}


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides a training run besides its photographs.

    `minutes` is the budget of training time (kept over interruptions); the learning rate falls as a cosine of the
    part that is spent, and the last `integer_part` of it trains the rounded network.
    """

    stage: str
    minutes: float
    network: NetworkConfig = field(default_factory=NetworkConfig)
    augmentation: Augmentation = field(default_factory=Augmentation)
    learning_rate: float = 2.5e-3
    warmup_steps: int = 100
    integer_part: float = 0.2
    seed: int = 1


def validation_batches(images: Sequence[ByteArray], stage: str) -> list[Any]:
    """The centre of every image, 256 pixels a side, as the stage sees it."""
    batches = []
    for scale in STAGES[stage]:
        size = 256 * min(scale.decimation, 2)
        centres = []
        for image in images:
            top, left = (image.shape[0] - size) // 2, (image.shape[1] - size) // 2
            centre = image[top : top + size, left : left + size, CODING_ORDER].astype(np.int32)
            centres.append(centre[:: scale.decimation, :: scale.decimation].transpose(2, 0, 1))
        batches += [stage_batch(np.stack(centres[i : i + 8])) for i in range(0, len(centres), 8)]
    return batches


def bits_per_dim(total_bits: torch.Tensor, phases: dict[str, Any]) -> torch.Tensor:
    """Mean bits of a coded sample."""
    return total_bits / sum(pixels.numel() for _, _, pixels in phases.values())


def train(
    images: Sequence[ByteArray],
    validation: Sequence[ByteArray],
    config: TrainingConfig,
    folder: Path,
    *,
    device: str = "cpu",
    workers: int = 1,
    progress: bool = True,
) -> Path:
    """Train one network and return its checkpoint, `folder/<stage>.pt`; an unfinished one is resumed.

    Args:
        images: training photographs (H, W, 3), uint8, at least 320 pixels a side.
        validation: photographs of the same kind, at least 512 pixels a side, for the log only.
        config: the run's settings; a checkpoint made with others is not resumed.
        folder: where checkpoint and log (`<stage>.jsonl`) live.
        device: "cpu" or "cuda".
        workers: processes that make crops.
        progress: show a bar on the terminal.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, log_path = folder / f"{config.stage}.pt", folder / f"{config.stage}.jsonl"
    torch.manual_seed(config.seed)
    net = StageNet(config.network).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=1e-4)
    step, spent = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if state["config"] != asdict(config):
            raise ValueError(
                f"{checkpoint} was made with other settings: choose another folder or the same settings"
            )
        net.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    held_out = validation_batches(validation, config.stage)
    budget = config.minutes * 60
    bar = tqdm(total=round(budget), initial=round(spent), unit="s", disable=not progress, desc=config.stage)
    batches = CropBatches(images, STAGES[config.stage], config.augmentation, config.seed)
    stream = iter(batches.loader(step, workers))
    losses: list[float] = []
    next_report = spent
    with log_path.open("a") as log:
        while spent < budget:
            began = time.monotonic()
            net.set_quantize(spent >= budget * (1 - config.integer_part))
            loss = _step(net, optimizer, next(stream), _rate(config, step, spent / budget), device)
            losses.append(loss)
            step += 1
            spent += time.monotonic() - began
            bar.update(round(spent) - bar.n)
            bar.set_postfix(step=step, loss=f"{loss:.3f}")
            if spent >= next_report or spent >= budget:
                next_report = spent + budget / 25
                row = {"step": step, "seconds": round(spent), "loss": float(np.mean(losses))}
                row["validation"] = _validate(net, held_out, device)
                losses.clear()
                log.write(json.dumps(row) + "\n")
                log.flush()
                _save(checkpoint, net, optimizer, config, step, spent)
    bar.close()
    return checkpoint


def _rate(config: TrainingConfig, step: int, part: float) -> float:
    warm = min(1.0, (step + 1) / config.warmup_steps)
    return config.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(part, 1.0))))


def _step(net: StageNet, optimizer: torch.optim.Optimizer, batch: Any, rate: float, device: str) -> float:
    for group in optimizer.param_groups:
        group["lr"] = rate
    coarse, phases = _to(batch, device)
    with torch.autocast(device, torch.bfloat16, enabled=MIXED):
        loss = bits_per_dim(net(coarse, phases).sum(), phases)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def _validate(net: StageNet, batches: Sequence[Any], device: str) -> list[float]:
    """Bits per dimension of the three phases, and of all."""
    total, count = torch.zeros(12, dtype=torch.float64), 0
    with torch.no_grad(), torch.autocast(device, torch.bfloat16):
        for batch in batches:
            coarse, phases = _to(batch, device)
            total += net(coarse, phases).double().cpu()
            count += sum(pixels.numel() for _, _, pixels in phases.values())
    by_phase = total.view(3, 4).sum(1) / (count / 3)
    return [round(float(x), 4) for x in (*by_phase, total.sum() / count)]


def _to(batch: Any, device: str) -> Any:
    coarse, phases = batch
    if device == "cpu":
        return batch
    return coarse.to(device), {p: tuple(t.to(device) for t in tensors) for p, tensors in phases.items()}


def _save(
    path: Path,
    net: StageNet,
    optimizer: torch.optim.Optimizer,
    config: TrainingConfig,
    step: int,
    spent: float,
) -> None:
    state = {
        "network": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "config": asdict(config),
        "step": step,
        "spent": spent,
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)
