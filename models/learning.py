"""Training of a family's network on batches of its own, with checkpoints and a log."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ppyr.errors import ModelError

from . import checkpoint
from .checkpoint import Checkpoint
from .optimization import Optimization, Schedule

REPORTS = 25


class Batch(Protocol):
    """Images as a network sees them."""

    @property
    def samples(self) -> Tensor:
        """Of the images."""

    def to(self, device: str) -> Any:
        """The batch on a device."""


def learn(
    net: Any,
    config: Schedule,
    batches: Callable[[int], Batch],
    held_out: Sequence[Batch],
    path: Path,
    told: dict[str, Any],
    *,
    device: str = "cpu",
    max_steps: int | None = None,
    progress: bool = False,
) -> Path:
    """Train a network and return its checkpoint, `path`; an unfinished one is resumed.

    Args:
        net: an `nn.Module` that gives the information of a batch's samples in bits, see `Optimization`.
        config: the settings.
        batches: the batch of each step; the same for the same step.
        held_out: for the log only.
        path: of the checkpoint; the log is beside it (`.jsonl`).
        told: what the checkpoint says of the network and its images, for a model's provenance.
        device: "cpu" or "cuda".
        max_steps: stop after this many steps in all, as if interrupted; None for all of them.
        progress: show a bar on standard error.

    Raises:
        ModelError: the checkpoint is damaged, or was made with other settings or images.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    run = Optimization(net, config, device)
    settings = {"schedule": asdict(config), **told}
    if path.exists():
        found = checkpoint.read(path)
        if found.config != settings:
            raise ModelError(
                f"{path} was made with other settings or images: give the same ones to go on, or another "
                "folder",
                expected=found.config,
                found=settings,
            )
        run.resume(found)
    end = config.steps if max_steps is None else min(config.steps, max_steps)
    every, losses = max(1, config.steps // REPORTS), list[float]()
    bar = tqdm(total=config.steps, initial=run.step, unit="step", disable=not progress, desc=path.stem)
    with bar, path.with_suffix(".jsonl").open("a", encoding="utf-8") as log:
        while run.step < end:
            batch = batches(run.step).to(device)
            losses.append(run.descend(lambda batch=batch: bits_per_dim(run, run.net, batch)))  # type: ignore[misc]
            bar.update()
            bar.set_postfix(loss=f"{losses[-1]:.3f}")
            if run.step % every == 0 or run.step == end:
                row: dict[str, object] = {"step": run.step, "seconds": round(run.spent)}
                row["loss"] = float(np.mean(losses))
                if held_out:
                    row["validation"] = validated(run, held_out)
                losses.clear()
                log.write(json.dumps(row) + "\n")
                log.flush()
                checkpoint.write(path, Checkpoint(**run.state(), config=settings))
    return path


def bits_per_dim(run: Optimization, net: Any, batch: Batch) -> Tensor:
    """Bits per sample of a batch that is on the device of the run."""
    with run.autocast():
        bits: Tensor = net(batch)
    return bits.sum() / batch.samples.numel()


def validated(run: Optimization, held_out: Sequence[Batch]) -> float:
    """Bits per sample of batches under the averaged network."""
    net, total, count = run.averaged(), 0.0, 0
    with torch.no_grad():
        for batch in held_out:
            size = batch.samples.numel()
            total += float(bits_per_dim(run, net, batch.to(run.device))) * size
            count += size
    return round(total / count, 5)
