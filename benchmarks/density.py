"""Density: every model on sets of images, beside PNG, WebP and JPEG XL, whole files in one run.

    python benchmarks/density.py kodak=DIR cq100=DIR --checkpoints default=run

With `--checkpoints MODEL=FOLDER`, the folder where the model was trained, it also tells what is lost between
the network in floating point and the file: by rounding weights and activations to integers, and by rounding
distributions to tables. Results go to benchmarks/results/density.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from ppyr import encode, info
from ppyr.bench import PEERS, ImageResult, environment, measure, totals, warm_up
from ppyr.imagefile import READABLE, read_image
from ppyr.models import checkpoint, registry, weights
from ppyr.models.data import stage_batch
from ppyr.models.export import averaged
from ppyr.models.network import StageNet
from ppyr.models.predictor import CODING_ORDER
from ppyr.models.weights import STAGES
from ppyr.plan import expand

RESULTS = Path(__file__).resolve().parent / "results" / "density.json"
#: Side of the squares on which floats, integers and tables are compared: a power of two, so that every level
#: but the coarsest few pixels has a lattice of even sides.
SQUARE = 512


def files(folder: Path) -> list[str]:
    """The image files of a folder and its folders."""
    return [path for path, _ in expand(str(folder), READABLE, recursive=True)]


def measure_set(folder: Path, models: Sequence[str]) -> dict[str, Any]:
    """Totals of every model on the images of a folder, the peers measured once."""
    results: dict[str, list[ImageResult]] = {name: [] for name in models}
    for file in tqdm(files(folder), desc=folder.name):
        first = measure(file, PEERS, model=models[0])
        results[models[0]].append(first)
        for name in models[1:]:
            results[name].append(replace(measure(file, (), model=name), peers=first.peers))
    return {name: totals(rows) for name, rows in results.items()}


def network_bits(nets: dict[str, StageNet], square: npt.NDArray[np.uint8], quantize: bool) -> float:
    """Bits of a square under the networks, for all but its coarsest four pixels, without any tables."""
    planes = square[..., CODING_ORDER[3]].transpose(2, 0, 1).astype(np.int32)
    total = 0.0
    for factor in range(SQUARE.bit_length() - 2):
        net = nets[STAGES[min(factor, len(STAGES) - 1)]]
        net.set_quantize(quantize)
        with torch.no_grad():
            total += float(net(*stage_batch(planes[None, :, :: 1 << factor, :: 1 << factor])).double().sum())
    return total


def losses(model: str, run: Path, folders: Sequence[Path]) -> dict[str, Any]:
    """Bits/dim of the central squares in floating point, in integers, and as the file stores them."""
    nets = {stage: averaged(checkpoint.read(run / f"{stage}.pt")) for stage in STAGES}
    sums = {"float": 0.0, "integers": 0.0, "tables": 0.0}
    squares = 0
    for file in tqdm([file for folder in folders for file in files(folder)], desc=f"{model}, rounding"):
        image = read_image(file, strip=["all"])
        if image.ndim < 3 or min(image.shape[:2]) < SQUARE:
            continue
        top, left = (image.shape[0] - SQUARE) // 2, (image.shape[1] - SQUARE) // 2
        square = np.ascontiguousarray(image[top : top + SQUARE, left : left + SQUARE])
        sums["float"] += network_bits(nets, square, quantize=False)
        sums["integers"] += network_bits(nets, square, quantize=True)
        sums["tables"] += info(encode(square, model=model)).theoretical_bits_per_dim * square.size
        squares += 1
    return {"squares": squares, **{name: bits / (squares * SQUARE**2 * 3) for name, bits in sums.items()}}


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="NAME=DIR")
    parser.add_argument("--models", nargs="+", default=["default"])
    parser.add_argument("--checkpoints", nargs="*", default=[], metavar="MODEL=FOLDER")
    parser.add_argument("--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    sets = {name: Path(folder) for name, _, folder in (word.partition("=") for word in args.sets)}
    result: dict[str, Any] = {**environment(), "models": {}, "sets": {}, "rounding": {}}
    for name in args.models:
        model_id = warm_up(model=name)
        cost = weights.read(registry.by_id(bytes.fromhex(model_id))).macs_per_pixel
        result["models"][name] = {"id": model_id, "macs_per_pixel": cost}
    for name, folder in sets.items():
        result["sets"][name] = measure_set(folder, args.models)
    for word in args.checkpoints:
        name, _, run = word.partition("=")
        result["rounding"][name] = losses(name, Path(run), list(sets.values()))
    args.output.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
