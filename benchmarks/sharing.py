"""One network for several levels or one for each: every network of a model on the levels of every other.

    python -m benchmarks.sharing CQ100

Bits/dim in integers on the centres of the images, as training sees them. The results go to
benchmarks/results/sharing/, in a file named after the model's id.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from benchmarks.validation import validation
from ppyr.bench import environment
from ppyr.models.export import network
from ppyr.models.train import validation_batches
from ppyr.models.weights import STAGES

RESULTS = Path(__file__).resolve().parent / "results" / "sharing"


def main() -> None:
    """Measure every network on every stage's levels."""
    asked = validation(__doc__)
    found: dict[str, dict[str, float]] = {}
    for levels in STAGES:
        batches = validation_batches(asked.images, levels)
        samples = sum(phase[2].numel() for _, phases in batches for phase in phases.values())
        for stage in STAGES:
            net = network(asked.model, stage)
            net.set_quantize(True)
            with torch.no_grad():
                total = sum(net(*batch).double().sum().item() for batch in batches)
            found.setdefault(levels, {})[stage] = round(total / samples, 4)
        print(levels, found[levels], flush=True)
    model_id = asked.model.id.hex()
    content = {
        "model": asked.name,
        "id": model_id,
        "images": len(asked.images),
        "bits_per_dim": found,
        **environment(),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{model_id[:8]}.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
