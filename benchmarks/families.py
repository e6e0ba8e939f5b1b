"""What families of tables give away: bits/dim of a model's finest network under coarser or other families.

    python -m benchmarks.families VALIDATION [--model NAME]

The network's distributions, not rounded, are taken on the centres of the images in VALIDATION; then one thing
at a time is changed. The results are written to benchmarks/results/families.json.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.validation import validation
from ppyr.bench import environment
from ppyr.models.export import network
from ppyr.models.grid import SCALES_PER_OCTAVE, SHAPES
from ppyr.models.likelihood import (
    ALPHABET,
    SCALES,
    SMALLEST_SCALE,
    TOTAL,
    bits,
    interval_mass,
)
from ppyr.models.network import StageNet
from ppyr.models.train import validation_batches

RESULTS = Path(__file__).resolve().parent / "results" / "families.json"


@dataclass(frozen=True)
class Distributions:
    """Pixels and the mean (grey levels), scale (index) and shape that the network gives them."""

    pixels: Tensor
    mean: Tensor
    scale: Tensor
    shape: Tensor


class _Listener(StageNet):
    """Keeps the distributions of every step."""

    def forward(self, coarse: Tensor, phases: dict[str, tuple[Tensor, Tensor, Tensor]]) -> Tensor:
        """As of `StageNet`."""
        self.heard: list[Distributions] = []
        return super().forward(coarse, phases)

    def distributions(self, said: Tensor, quarters: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As of `StageNet`."""
        found = super().distributions(said, quarters, pixels)
        self.heard.append(Distributions(pixels, *found))
        return found


def rounded(values: Tensor, per_unit: float) -> Tensor:
    """To the nearest of `per_unit` values in every unit."""
    return torch.round(values * per_unit) / per_unit


def adaptive(d: Distributions, finest: int) -> Tensor:
    """Means in 1/finest grey level for scales below 2 and in half as fine steps for every octave above."""
    octave = torch.floor(d.scale / SCALES_PER_OCTAVE + torch.log2(torch.tensor(SMALLEST_SCALE)))
    per_unit = (finest / torch.exp2(octave.clamp(min=0))).clamp(min=1)
    return torch.round(d.mean * per_unit) / per_unit


def without_ends(d: Distributions) -> Tensor:
    """Bits if what lies beyond 0 and 255 is lost."""
    return -torch.log2(_mass(d, (d.pixels - d.mean).abs()) * (1 - ALPHABET / TOTAL) + 1 / TOTAL)


def truncated(d: Distributions) -> Tensor:
    """Bits if what lies beyond 0 and 255 is shared out to all values between."""
    outside = torch.full_like(d.mean, True, dtype=torch.bool)
    beyond = _mass(d, d.mean + 1, outside) + _mass(d, ALPHABET - d.mean, outside)
    mass = _mass(d, (d.pixels - d.mean).abs()) / (1 - beyond).clamp(min=1e-6)
    return -torch.log2(mass * (1 - ALPHABET / TOTAL) + 1 / TOTAL)


def _mass(d: Distributions, distance: Tensor, end: Tensor | None = None) -> Tensor:
    scale = SMALLEST_SCALE * torch.exp2(d.scale.clamp(0, SCALES - 1) / SCALES_PER_OCTAVE)
    return interval_mass(distance, scale, d.shape.clamp(0, SHAPES - 1), end)


FAMILIES: dict[str, Callable[[Distributions], Tensor]] = {
    "nothing rounded": lambda d: bits(d.pixels, d.mean, d.scale, d.shape),
    "means in 1/8": lambda d: bits(d.pixels, rounded(d.mean, 8), d.scale, d.shape),
    "means in 1/4": lambda d: bits(d.pixels, rounded(d.mean, 4), d.scale, d.shape),
    "means in 1/8, coarser for wide tables": lambda d: bits(d.pixels, adaptive(d, 8), d.scale, d.shape),
    "4 scales an octave": lambda d: bits(d.pixels, d.mean, rounded(d.scale, 1), d.shape),
    "2 scales an octave": lambda d: bits(d.pixels, d.mean, rounded(d.scale, 0.5), d.shape),
    "4 shapes": lambda d: bits(d.pixels, d.mean, d.scale, rounded(d.shape.clamp(0, 3), 1)),
    "2 shapes": lambda d: bits(d.pixels, d.mean, d.scale, rounded(d.shape.clamp(0, 2), 0.5)),
    "1 shape, logistic": lambda d: bits(d.pixels, d.mean, d.scale, torch.ones_like(d.shape)),
    "as shipped": lambda d: bits(
        d.pixels, adaptive(d, 8), rounded(d.scale, 1), rounded(d.shape.clamp(0, 3), 1)
    ),
    "truncated instead of folded": truncated,
    "neither truncated nor folded": without_ends,
}


def main() -> None:
    """Measure every family."""
    asked = validation(__doc__)
    finest = network(asked.model, "finest")
    net = _Listener(finest.config)
    net.load_state_dict(finest.state_dict())
    totals, count = dict.fromkeys(FAMILIES, 0.0), 0
    with torch.no_grad():
        for batch in validation_batches(asked.images, "finest"):
            net(*batch)
            for heard in net.heard:
                count += heard.pixels.numel()
                for name, family in FAMILIES.items():
                    totals[name] += float(family(heard).double().sum())
    found = {name: round(total / count, 4) for name, total in totals.items()}
    for name, value in found.items():
        print(f"{value:.4f}  {100 * (value / found['nothing rounded'] - 1):+.2f} %  {name}")
    about = {"model": asked.model.id.hex(), "images": len(asked.images)}
    content = {**about, "bits_per_dim": found, **environment()}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
