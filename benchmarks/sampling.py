"""How long it takes to draw images from the families' models, and in how many steps, by the images' sides.

    python -m benchmarks.sampling
    python -m benchmarks.sampling --draw docs/sampling.svg

Sides are powers of two, up to what a model takes. Times are medians on one thread. The results go to
benchmarks/results/sampling.json; `python -m benchmarks.tables` renders them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from tqdm import tqdm

from ppyr.bench import environment
from ppyr.errors import ModelError
from ppyr.models import predictor, registry
from ppyr.models.family import LikelihoodModel
from ppyr.models.pixelcnn.coding import fronts
from ppyr.models.pixelcnn.model import PixelCnn
from ppyr.models.pixelpyramids.coding import PixelPyramids
from ppyr.models.pixelpyramids.sizes import sequential_steps
from ppyr.sampling import sample
from ppyr.threads import use_threads

from .markdown import load
from .speed import command_line

RESULT = Path(__file__).resolve().parent / "results" / "sampling.json"
MODELS = ("pixelpyramids", "pixelcnn-32")
SIDES = (8, 16, 32, 64, 128, 256, 512)
ROUNDS = 3


def steps(model: LikelihoodModel, side: int) -> int:
    """Evaluations of the network, one after the other, that draw a square image.

    Raises:
        ModelError: the model is of another family.
    """
    if isinstance(model, PixelPyramids):
        return sequential_steps(model.config, side, side)
    if isinstance(model, PixelCnn):
        config = model.config
        return sum(1 for _ in fronts(side, side, config.slope, config.ahead[0]))
    raise ModelError(f"the model {model.id.hex()} is of no family with known steps: choose another one")


def measure(name: str, sides: Sequence[int]) -> dict[str, Any]:
    """Id of a model, and seconds and steps for RGB images of those sides that it takes."""
    model = predictor.load(registry.by_name(name))
    largest = max(sides) if model.tile_bits is None else 1 << model.tile_bits
    sample(name, min(sides), min(sides))
    sizes = []
    for side in tqdm([side for side in sides if side <= largest], desc=name):
        spent = []
        for seed in range(ROUNDS):
            began = perf_counter()
            sample(name, side, side, seed=seed)
            spent.append(perf_counter() - began)
        sizes.append({"side": side, "steps": steps(model, side), "seconds": median(spent)})
    return {"id": model.id.hex(), "sizes": sizes}


def draw(models: Mapping[str, Any], output: Path) -> None:
    """One panel for seconds, one for steps, both over the side, on log axes."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "ppyr"
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6))
    for axis, kind in zip(axes, ("seconds", "steps"), strict=True):
        for name, model in models.items():
            places = [(one["side"], one[kind]) for one in model["sizes"]]
            axis.plot(*zip(*places, strict=True), "o-", label=name)
        axis.set_xscale("log", base=2)
        axis.set(
            yscale="log", xlabel="side N of an image of N x N pixels, log", ylabel=f"{kind} to draw it, log"
        )
        for ticks in (axis.xaxis, axis.yaxis):
            ticks.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_formatter(mpl.ticker.LogFormatter())
        axis.grid(which="both", alpha=0.3)
        axis.legend()
    figure.tight_layout()
    figure.savefig(output, metadata={"Date": None} if output.suffix == ".svg" else None)
    plt.close(figure)


def main() -> None:
    """Measure, or draw what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--sides", nargs="+", type=int, default=SIDES)
    parser.add_argument("--draw", type=Path, metavar="OUTPUT")
    args = parser.parse_args()
    if args.draw:
        found = load(RESULT)
        if found is None:
            parser.error("nothing is measured: run python -m benchmarks.sampling first")
        draw(found["models"], args.draw)
        return
    use_threads(1)
    result = {
        "command": command_line("benchmarks.sampling"),
        "threads": 1,
        "rounds": ROUNDS,
        **environment(),
        "models": {name: measure(name, args.sides) for name in args.models},
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
