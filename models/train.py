"""Training of one stage: float first, integers at the end, with checkpoints and a log.

The networks of a model are independent given the image (teacher forcing), so each stage trains alone:
`finest` for the last factor of two, `next` for the one before it, `rest` for all that are coarser.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from ppyr.errors import ModelError

from . import checkpoint
from .checkpoint import Checkpoint, describe
from .configuration import TrainingConfig
from .data import CropBatches, CropSize, PhaseTensors, stage_batch
from .export import averaged, network, provenance
from .features import ByteArray
from .growth import grown
from .network import StageNet
from .optimization import Optimization
from .prediction import CODING_ORDER
from .weights import STAGES, Weights

Batch = tuple[torch.Tensor, dict[str, PhaseTensors]]

#: Sizes of the training crops of every stage: its own first. Those of coarser levels, which are harder to
#: predict, teach the finer networks too.
CROP_SIZES: dict[str, tuple[CropSize, ...]] = {
    "finest": (CropSize(1, 128, 4, 0.6), CropSize(2, 128, 4, 0.25), CropSize(4, 80, 10, 0.15)),
    "next": (CropSize(2, 128, 4, 0.4), CropSize(4, 80, 10, 0.4), CropSize(8, 40, 32, 0.2)),
    "rest": (CropSize(4, 80, 10, 0.6), CropSize(8, 40, 32, 0.25), CropSize(16, 20, 64, 0.15)),
}
#: Shorter side, in pixels, that a photograph needs to train every stage, and to validate every stage.
TRAINING_SIDE = max(size.window for sizes in CROP_SIZES.values() for size in sizes)
VALIDATION_SIDE = 512
#: The same of graphics, for the finest stage; smaller ones than `TRAINING_SIDE` train no coarser stage.
GRAPHICS_SIDE = 128

REPORTS = 25
LONGEST_REPORT = 300.0


def validation_batches(images: Sequence[ByteArray], stage: str) -> list[Batch]:
    """The centre of every image, 256 pixels a side (512 beyond the finest stage), as the stage sees it.

    Without the coarser levels that teach a finer stage.
    """
    batches = []
    for size in CROP_SIZES[stage] if stage == STAGES[-1] else CROP_SIZES[stage][:1]:
        side = VALIDATION_SIDE // 2 * min(size.decimation, 2)
        centres = []
        for image in images:
            top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
            centre = image[top : top + side, left : left + side, CODING_ORDER[3]].astype(np.int32)
            centres.append(centre[:: size.decimation, :: size.decimation].transpose(2, 0, 1))
        batches += [stage_batch(np.stack(centres[i : i + 8])) for i in range(0, len(centres), 8)]
    return batches


def train(
    stage: str,
    images: Sequence[ByteArray],
    validation: Sequence[ByteArray],
    config: TrainingConfig,
    folder: Path,
    *,
    graphics: Sequence[ByteArray] = (),
    start: Weights | None = None,
    device: str = "cpu",
    workers: int = 1,
    max_steps: int | None = None,
    progress: bool = False,
) -> Path:
    """Train one stage and return its checkpoint, `folder/<stage>.pt`; an unfinished one is resumed.

    Args:
        stage: finest, next or rest.
        images: training photographs (H, W, 3), uint8, at least `TRAINING_SIDE` pixels a side.
        validation: photographs of the same kind, at least `VALIDATION_SIDE` pixels a side, for the log only.
        config: the run's settings.
        graphics: images that are no photographs, (H, W, 3), uint8, of any size, for a few of the crops.
        folder: where checkpoint and log (`<stage>.jsonl`) live.
        start: a model to go on from, with networks of the same sizes or smaller ones, which grow; None to
            begin with random weights, or with the network in `folder` that `config.begin_with` names.
        device: "cpu" or "cuda".
        workers: processes that make crops; 0 makes them in this one.
        max_steps: stop after this many steps in all, as if interrupted; None for all of them.
        progress: show a bar on standard error.

    Raises:
        ModelError: the checkpoint in `folder` is damaged, or was made with other settings or images; or that
            of the network to begin with is missing.
        ConfigurationError: the network to begin with is larger.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stage}.pt"
    torch.manual_seed(config.seed)
    net, began = _beginning(stage, config, folder, start)
    run = Run(net, config, device)
    origin: dict[str, Any] = {
        "config": asdict(config),
        "start": began,
        "photographs": describe(images),
        "graphics": describe(graphics),
    }
    if path.exists():
        _resume(run, path, origin)
    held_out = validation_batches(validation, stage)
    batches = CropBatches(images, CROP_SIZES[stage], config.augmentation, config.seed, graphics)
    stream = iter(batches.loader(run.step, workers))
    losses: list[float] = []
    next_report = max(1, run.step)
    next_seconds = run.spent + LONGEST_REPORT
    end = config.steps if max_steps is None else min(config.steps, max_steps)
    bar = tqdm(total=config.steps, initial=run.step, unit="step", disable=not progress, desc=stage)
    with bar, (folder / f"{stage}.jsonl").open("a", encoding="utf-8") as log:
        while run.step < end:
            losses.append(run.advance(stream))
            bar.update()
            bar.set_postfix(step=run.step, loss=f"{losses[-1]:.3f}")
            if run.step in (next_report, end) or run.spent >= next_seconds:
                next_report = run.step + max(1, config.steps // REPORTS)
                next_seconds = run.spent + LONGEST_REPORT
                row: dict[str, object] = {"step": run.step, "seconds": round(run.spent)}
                row["loss"] = float(np.mean(losses))
                if held_out:
                    row["validation"] = run.validate(held_out)
                losses.clear()
                log.write(json.dumps(row) + "\n")
                log.flush()
                checkpoint.write(path, Checkpoint(**run.state(), **origin))
    return path


def _beginning(
    stage: str, config: TrainingConfig, folder: Path, start: Weights | None
) -> tuple[StageNet, dict[str, Any] | None]:
    """The network that training begins with, and what is known of it."""
    if start:
        net, told = network(start, stage), {"model": start.id.hex(), **start.provenance[stage]}
    elif config.begin_with:
        found = checkpoint.read(folder / f"{config.begin_with}.pt")
        net, told = averaged(found), {"network": config.begin_with, **provenance(found)}
    else:
        return StageNet(config.network), None
    return grown(net, config.network), told


def _resume(run: Run, path: Path, origin: dict[str, Any]) -> None:
    found = checkpoint.read(path)
    had = {key: getattr(found, key) for key in origin}
    if had != origin:
        raise ModelError(
            f"{path} was made with other settings or images: give the same ones to go on, or another folder",
            expected=had,
            found=origin,
        )
    run.resume(found)


class Run(Optimization):
    """The optimization of a stage's network."""

    def advance(self, batches: Iterator[Batch]) -> float:
        """One step on the next batch; returns its loss in bits per dimension."""

        def loss() -> torch.Tensor:
            coarse, phases = self._moved(next(batches))
            with self.autocast():
                bits: torch.Tensor = self.net(coarse, phases).sum()
            return bits / _samples(phases)

        return self.descend(loss)

    def validate(self, batches: Sequence[Batch]) -> list[float]:
        """Bits per dimension of the three phases, and of all, under the averaged network."""
        net = self.averaged()
        total, count = torch.zeros(12, dtype=torch.float64), 0
        with torch.no_grad(), self.autocast():
            for batch in batches:
                coarse, phases = self._moved(batch)
                total += net(coarse, phases).double().cpu()
                count += _samples(phases)
        by_phase = total.view(3, 4).sum(1) / (count / 3)
        return [round(float(x), 4) for x in (*by_phase, total.sum() / count)]

    def _moved(self, batch: Batch) -> Batch:
        coarse, phases = batch
        to = self.device
        return coarse.to(to), {p: (a.to(to), b.to(to), c.to(to)) for p, (a, b, c) in phases.items()}


def _samples(phases: dict[str, PhaseTensors]) -> int:
    return sum(pixels.numel() for _, _, pixels in phases.values())
