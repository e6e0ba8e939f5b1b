"""Checkpoints of training: what a run needs to go on, and an export to say where the weights come from."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ppyr.errors import ModelError


@dataclass(frozen=True)
class Checkpoint:
    """The state of one stage's training.

    Attributes:
        network: state of the averaged network, the one to export.
        trained: state of the network that training goes on with.
        optimizers: state of each optimizer.
        config: the settings, `TrainingConfig` as a nested dict.
        step: number of steps done.
        spent: seconds of training time.
        start: the model that it began with, its id and what it tells of this stage; None for random weights.
        photographs, graphics: what it was trained on, see `describe`; None if not recorded.
    """

    network: dict[str, Any]
    trained: dict[str, Any]
    optimizers: list[dict[str, Any]]
    config: dict[str, Any]
    step: int
    spent: float
    start: dict[str, Any] | None = None
    photographs: dict[str, Any] | None = None
    graphics: dict[str, Any] | None = None


def read(path: Path) -> Checkpoint:
    """Read a checkpoint, its tensors on the CPU.

    Raises:
        ModelError: it is missing, damaged or no checkpoint.
    """
    try:
        return Checkpoint(**torch.load(path, weights_only=True, map_location="cpu"))
    except FileNotFoundError:
        raise ModelError(f"there is no checkpoint {path}: train this network first", found=path) from None
    except (RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
        raise ModelError(
            f"{path} is no complete checkpoint: remove it to train from the start", found=path
        ) from error


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; at every moment `path` holds a whole one, the old or the new."""
    partial = path.with_suffix(".partial")
    torch.save({field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)}, partial)
    partial.replace(path)


def describe(images: Sequence[npt.NDArray[np.uint8]]) -> dict[str, Any]:
    """Count the images, and take the SHA-256 over those of each one's shape and pixels, in order."""
    digest = hashlib.sha256()
    for image in images:
        pixels = hashlib.sha256(f"{image.shape}".encode())
        pixels.update(image.tobytes())
        digest.update(pixels.digest())
    return {"count": len(images), "sha256": digest.hexdigest()}
