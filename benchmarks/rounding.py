"""What is lost between the networks in floating point and the file.

    python -m benchmarks.rounding FOLDER default=RUN fast=RUN

RUN is the folder where the model was trained. On the central square of every image of FOLDER that has one it
counts the bits under the networks in floating point, under the networks in integers (weights and activations
rounded), and of the symbols in the file (distributions rounded to tables, and the tables calibrated). The
results are written to benchmarks/results/rounding.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from benchmarks.density import files
from ppyr import encode, info
from ppyr.bench import environment
from ppyr.imagefile import read_image
from ppyr.models import checkpoint, registry
from ppyr.models.data import stage_batch
from ppyr.models.export import averaged
from ppyr.models.network import StageNet
from ppyr.models.prediction import CODING_ORDER
from ppyr.models.weights import STAGES

RESULTS = Path(__file__).resolve().parent / "results" / "rounding.json"
#: Side of the squares: a power of two, so that every level but the coarsest few pixels has a lattice of even
#: sides.
SQUARE = 512


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


def losses(model: str, run: Path, folder: Path) -> dict[str, Any]:
    """Bits/dim of the central squares in floating point, in integers, and as the file stores them."""
    nets = {stage: averaged(checkpoint.read(run / f"{stage}.pt")) for stage in STAGES}
    sums = {"float": 0.0, "integers": 0.0, "file": 0.0}
    squares = 0
    for file in tqdm(files(folder), desc=model):
        image = read_image(file, strip=["all"])
        if image.ndim < 3 or min(image.shape[:2]) < SQUARE:
            continue
        top, left = (image.shape[0] - SQUARE) // 2, (image.shape[1] - SQUARE) // 2
        square = np.ascontiguousarray(image[top : top + SQUARE, left : left + SQUARE])
        sums["float"] += network_bits(nets, square, quantize=False)
        sums["integers"] += network_bits(nets, square, quantize=True)
        sums["file"] += info(encode(square, model=model)).theoretical_bits_per_dim * square.size
        squares += 1
    bits = {name: round(total / (squares * SQUARE**2 * 3), 5) for name, total in sums.items()}
    return {"id": registry.by_name(model).hex(), "squares": squares, "bits_per_dim": bits}


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("runs", nargs="+", metavar="MODEL=RUN")
    args = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for word in args.runs:
        model, _, run = word.partition("=")
        found[model] = losses(model, Path(run), args.folder)
    RESULTS.write_text(json.dumps({"models": found, **environment()}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
