"""Experiments: short training runs that differ in one setting, from the same seed, beside each other.

    python benchmarks/ablation.py photographs validation benchmarks/experiments/capacity.toml --steps 420

The last file has one table for each variant, with the keys of a training configuration; what it does not say
is as in the configuration `default`, but the weights are not averaged, which short runs have no use for. The
results are appended to benchmarks/results/experiments.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ppyr.bench import environment
from ppyr.models import checkpoint, configuration
from ppyr.models.train import GRAPHICS_SIDE, TRAINING_SIDE, VALIDATION_SIDE, train
from ppyr.models.weights import STAGES
from ppyr.report import Reporter
from ppyr.training import load_images

RESULTS = Path(__file__).resolve().parent / "results" / "experiments.json"


def run(variant: str, own: dict[str, Any], stage: str, steps: int, images: dict[str, Any]) -> dict[str, Any]:
    """Train one variant and give its row of the table."""
    base = tomllib.loads((configuration.FOLDER / "default.toml").read_text("utf-8"))
    configs = configuration.parse(configuration.merged(base, {stage: own}), variant)
    config = replace(configs[stage], steps=steps, averaging=0.0)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = train(
            stage,
            images["photographs"],
            images["validation"],
            config,
            Path(folder),
            graphics=images["graphics"],
            workers=0,
            progress=True,
        )
        last = json.loads(path.with_suffix(".jsonl").read_text("utf-8").splitlines()[-1])
        size = sum(tensor.numel() for tensor in checkpoint.read(path).network.values())
    return {
        "variant": variant,
        "settings": own,
        "stage": stage,
        "steps": steps,
        "parameters": size,
        "seconds": round(time.monotonic() - began),
        "loss": last["loss"],
        "validation": last["validation"],
    }


def main() -> None:
    """Run every variant that the file names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photographs")
    parser.add_argument("validation")
    parser.add_argument("variants", type=Path)
    parser.add_argument("--graphics")
    parser.add_argument("--stage", choices=STAGES, default="finest")
    parser.add_argument("--steps", type=int, default=420)
    parser.add_argument("--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    reporter = Reporter(quiet=True)
    images = {
        "photographs": load_images(args.photographs, TRAINING_SIDE, reporter),
        "validation": load_images(args.validation, VALIDATION_SIDE, reporter),
        "graphics": load_images(args.graphics, GRAPHICS_SIDE, reporter) if args.graphics else [],
    }
    for variant, own in tomllib.loads(args.variants.read_text("utf-8")).items():
        row = run(variant, own, args.stage, args.steps, images)
        done = json.loads(args.output.read_text("utf-8")) if args.output.exists() else []
        args.output.write_text(json.dumps([*done, {**row, **environment()}], indent=1) + "\n", "utf-8")
        print(variant, row["loss"], row["validation"])


if __name__ == "__main__":
    main()
