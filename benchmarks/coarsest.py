"""What the coarsest image of a file costs: by the levels of `default`, and by a gated PixelCNN.

    python -m benchmarks.coarsest FOLDER

The PixelCNN is the one of `pixelpyramids`, trained on coarsest images of photographs. Both code the same
image of at most 8 x 8 pixels, all but its first pixel; decoders are timed in turns. The results go to
benchmarks/results/coarsest.json; `python -m benchmarks.tables` renders them into docs/families.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from tqdm import tqdm

from ppyr.bench import environment
from ppyr.coding import encode_changed, tables_of, walk
from ppyr.geometry import coarsest_shape, shapes
from ppyr.models import predictor, registry
from ppyr.models.depth import BYTES
from ppyr.models.family import LikelihoodModel
from ppyr.picture import Picture
from ppyr.pyramid import build
from ppyr.symbols import Reader, Writer
from ppyr.threads import use_threads

from .datasets import Pixels
from .density import files
from .pictures import rgb_pixels
from .speed import command_line

RESULT = Path(__file__).resolve().parent / "results" / "coarsest.json"
LEVELS, PIXELCNN = "default", "pixelpyramids"
ROUNDS = 5


@dataclass
class Cost:
    """What a model takes for the coarsest images.

    Attributes:
        bits: information.
        seconds: of a decoder, the median of each image's.
    """

    bits: float = 0
    seconds: list[float] = field(default_factory=list)


def main() -> None:
    """Measure the images of the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    use_threads(1)
    models = {name: predictor.load(registry.by_name(name)) for name in (LEVELS, PIXELCNN)}
    costs = {name: Cost() for name in models}
    whole, pixels, chosen = 0, 0, files(args.folder)
    for file in tqdm(chosen):
        image = rgb_pixels(file)
        whole += len(encode_changed(Picture.of(image), models[LEVELS], []))
        halvings = len(shapes(image.shape[0], image.shape[1], models[PIXELCNN].coarsest_bits)) // 2
        coarsest = np.ascontiguousarray(image[:: 1 << halvings, :: 1 << halvings])
        pixels += coarsest.shape[0] * coarsest.shape[1] - 1
        # `default` has a network for the finest levels, which these are not.
        decoders = [_decoder(model, coarsest, 2 * halvings, costs[name]) for name, model in models.items()]
        for cost, times in zip(costs.values(), _timed(decoders), strict=True):
            cost.seconds.append(median(times))
    found: dict[str, Any] = {
        "command": command_line("benchmarks.coarsest"),
        "set": args.folder.name,
        "images": len(chosen),
        "bytes": whole,
        "pixels": pixels,
        "models": {
            name: {
                "id": models[name].id.hex(),
                "bytes": cost.bits / 8,
                "bits_per_dim": cost.bits / (3 * pixels),
                "decode_seconds": median(cost.seconds),
            }
            for name, cost in costs.items()
        },
        **environment(),
    }
    RESULT.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def _decoder(model: LikelihoodModel, image: Pixels, finer: int, cost: Cost) -> Callable[[], None]:
    """Code an image that has so many finer levels, and give what decodes it."""
    tables, bits, (height, width, _) = tables_of(model), model.coarsest_bits, image.shape
    levels = shapes(height, width, bits)
    coarsest, fines = build(image, 8, bits)
    writer = Writer(tables, reference=False)
    walk(model.predictor(len(levels) + finer, 8, BYTES, b""), levels, coarsest, fines, writer, known=True)
    cost.bits += sum(level.information for level in writer.levels) / 65536

    def decode() -> None:
        reader = Reader(tables, [level.stream for level in writer.levels], reference=False)
        empty = np.zeros((*coarsest_shape(height, width, bits), 3), np.uint8)
        empty[0, 0] = image[0, 0]
        found = [np.zeros_like(fine) for fine in fines]
        prediction = model.predictor(len(levels) + finer, 8, BYTES, b"")
        if not np.array_equal(walk(prediction, levels, empty, found, reader, known=False), image):
            raise SystemExit("an image does not come back")

    return decode


def _timed(decoders: list[Callable[[], None]]) -> list[list[float]]:
    """Seconds of each, in turns, after a turn that is not timed."""
    times: list[list[float]] = [[] for _ in decoders]
    for number in range(ROUNDS + 1):
        for decode, found in zip(decoders, times, strict=True):
            began = perf_counter()
            decode()
            if number:
                found.append(perf_counter() - began)
    return times


if __name__ == "__main__":
    main()
