"""Experiments: short training runs that differ in one setting, from the same seed, beside each other.

    python -m benchmarks.ablation PHOTOGRAPHS VALIDATION benchmarks/experiments/capacity.toml --start MODEL

The last file has one table for each run, with the keys of a training configuration, and `variant`, a network
of benchmarks/variants.py; what it does not say is as in its table `all` and then in the configuration
`default`. Runs begin with random weights, or with the networks of a model, which grow as needed. Validation
is the mean bits/dim of the centres of the images in the folder VALIDATION. Results are appended to
benchmarks/results/experiments.json.
"""

from __future__ import annotations

import argparse
import json
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import trange

from benchmarks.variants import VARIANTS
from ppyr.bench import environment
from ppyr.models import configuration, modelfile
from ppyr.models.data import CropBatches
from ppyr.models.export import network
from ppyr.models.features import ByteArray
from ppyr.models.growth import grown
from ppyr.models.network import StageNet
from ppyr.models.train import (
    CROP_SIZES,
    GRAPHICS_SIDE,
    TRAINING_SIDE,
    VALIDATION_SIDE,
    Batch,
    Run,
    validation_batches,
)
from ppyr.models.weights import STAGES, Weights
from ppyr.report import Reporter
from ppyr.training import load_images

RESULTS = Path(__file__).resolve().parent / "results" / "experiments.json"
#: Training losses that the mean in the results is over.
LAST = 100


@dataclass(frozen=True)
class Images:
    """What to train on, (H, W, 3) uint8 each, and the batches to validate on."""

    photographs: Sequence[ByteArray]
    validation: Sequence[Batch]
    graphics: Sequence[ByteArray]


def measure(
    name: str, settings: dict[str, Any], stage: str, steps: int, start: Weights | None, images: Images
) -> dict[str, Any]:
    """Train one network and give its row of the table."""
    base = tomllib.loads((configuration.FOLDER / "default.toml").read_text("utf-8"))
    own = {key: value for key, value in settings.items() if key != "variant"}
    common = {"integer_part": 0.0, "averaging": 0.99, **own, "steps": steps}
    config = configuration.parse(configuration.merged(base, {stage: common}), name)[stage]
    torch.manual_seed(config.seed)
    net = grown(network(start, stage), config.network) if start else StageNet(config.network)
    if "variant" in settings:
        net = VARIANTS[settings["variant"]](net)
    run = Run(net, config)
    batches = CropBatches(
        images.photographs, CROP_SIZES[stage], config.augmentation, config.seed, images.graphics
    )
    stream = iter(batches.loader(0, workers=0))
    began = time.monotonic()
    losses = [run.advance(stream) for _ in trange(steps, desc=name)]
    return {
        "experiment": name,
        "settings": settings,
        "stage": stage,
        "steps": steps,
        "start": start.id.hex() if start else None,
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "seconds": round(time.monotonic() - began),
        "loss": round(float(np.mean(losses[-LAST:])), 4),
        "validation": run.validate(images.validation),
    }


def main() -> None:
    """Make every run that the file names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photographs")
    parser.add_argument("validation")
    parser.add_argument("experiments", type=Path)
    parser.add_argument("--graphics")
    parser.add_argument("--start", type=Path, help="a model file")
    parser.add_argument("--stage", choices=STAGES, default="finest")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    reporter = Reporter(quiet=True)
    images = Images(
        load_images(args.photographs, TRAINING_SIDE, reporter),
        validation_batches(load_images(args.validation, VALIDATION_SIDE, reporter), args.stage),
        load_images(args.graphics, GRAPHICS_SIDE, reporter) if args.graphics else [],
    )
    start = modelfile.read(args.start) if args.start else None
    runs = tomllib.loads(args.experiments.read_text("utf-8"))
    common = runs.pop("all", {})
    for name, own in runs.items():
        settings = configuration.merged(common, own)
        row = {
            "file": args.experiments.stem,
            **measure(name, settings, args.stage, args.steps, start, images),
        }
        row |= environment()
        done = json.loads(args.output.read_text("utf-8")) if args.output.exists() else []
        args.output.write_text(json.dumps([*done, row], indent=1) + "\n", "utf-8")
        print(name, row["loss"], row["validation"])


if __name__ == "__main__":
    main()
