"""One network for several levels or one for each: every network of a model on the levels of every other.

    python -m benchmarks.sharing CQ100

Bits/dim in integers on the centres of the images, as training sees them. The results go to
benchmarks/results/sharing/, in a file named after the model's id.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from ppyr.bench import environment
from ppyr.models import registry, weights
from ppyr.models.export import network
from ppyr.models.train import VALIDATION_SIDE, validation_batches
from ppyr.models.weights import STAGES
from ppyr.report import Reporter
from ppyr.training import load_images

RESULTS = Path(__file__).resolve().parent / "results" / "sharing"


def main() -> None:
    """Measure every network on every stage's levels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("validation")
    parser.add_argument("--model", default="default")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model_id = registry.by_name(args.model)
    source = weights.read(registry.by_id(model_id))
    images = load_images(args.validation, VALIDATION_SIDE, Reporter(quiet=True))
    found: dict[str, dict[str, float]] = {}
    for levels in STAGES:
        batches = validation_batches(images, levels)
        samples = sum(phase[2].numel() for _, phases in batches for phase in phases.values())
        for stage in STAGES:
            net = network(source, stage)
            net.set_quantize(True)
            with torch.no_grad():
                total = sum(net(*batch).double().sum().item() for batch in batches)
            found.setdefault(levels, {})[stage] = round(total / samples, 4)
        print(levels, found[levels], flush=True)
    content = {
        "model": args.model,
        "id": model_id.hex(),
        "images": len(images),
        "bits_per_dim": found,
        **environment(),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{model_id.hex()[:8]}.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
