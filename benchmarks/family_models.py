"""Train the models of the families on the sets of `benchmarks.datasets`.

    python -m benchmarks.family_models pixelcnn-mnist FOLDER --output RUNS

An interrupted run goes on when the same command is given again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ppyr.models.checkpoint import describe
from ppyr.models.features import ZERO_POINT
from ppyr.models.learning import learn
from ppyr.models.optimization import Schedule
from ppyr.models.pixelcnn.learning import PixelBatch, PixelCnnNet, pixel_batch
from ppyr.models.pixelcnn.network import PixelCnnConfig

from .datasets import Images, Part, crops, digits, mnist, photographs, random_crops

#: The part of the training images that are given without their label, so that files without one can be coded.
UNLABELLED = 0.15
#: What the place of a label says where it is the image's.
LABELLED = 255


@dataclass(frozen=True)
class Recipe:
    """A gated PixelCNN, its data and training.

    Attributes:
        images: name of the data: mnist, digits, or the side of crops.
        bits: of a sample.
        config: sizes of the network.
        schedule: of the training.
        batch: images of a step.
    """

    images: str
    bits: int
    config: PixelCnnConfig
    schedule: Schedule
    batch: int


_SMALL = PixelCnnConfig(side_bits=5, planes=1, width=32, layers=6, components=10, anchored=4, classes=10)
_COLOUR = PixelCnnConfig(side_bits=5, planes=3, width=48, layers=5, components=5, anchored=5)
RECIPES: dict[str, Recipe] = {
    "pixelcnn-mnist": Recipe("mnist", 8, _SMALL, Schedule(steps=4000, learning_rate=1.5e-2), 32),
    "pixelcnn-digits": Recipe(
        "digits",
        5,
        replace(_SMALL, side_bits=4, width=16, layers=3, components=5),
        Schedule(steps=1500, learning_rate=1.5e-2, averaging=0.99),
        64,
    ),
    "pixelcnn-32": Recipe("32", 8, _COLOUR, Schedule(steps=5000, learning_rate=1.5e-2), 16),
    "pixelcnn-32-5bit": Recipe("32", 5, _COLOUR, Schedule(steps=3000, learning_rate=1.5e-2), 16),
}


def labelled(labels: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.uint8]:
    """What a network is given with (N, classes): zeros, but for the place of a label; -1 has none."""
    found = np.full((len(labels), classes), ZERO_POINT, np.uint8)
    known = np.flatnonzero(labels >= 0)
    found[known, labels[known]] = LABELLED
    return found


def load(name: str, folder: Path, bits: int, part: Part) -> Images:
    """Images of a part of a data set: mnist, digits, or the side of crops."""
    if name == "mnist":
        return mnist(folder / "mnist", part)
    if name == "digits":
        return digits(part)
    return crops(folder / "train", int(name), bits, part)


def batch_of(images: Images, chosen: slice, classes: int, labels: npt.NDArray[np.int64] | None) -> PixelBatch:
    """Some images as a batch."""
    found = images.images[chosen]
    planes = found[..., np.newaxis] if found.ndim == 3 else found
    return pixel_batch(planes, images.bits, None if labels is None else labelled(labels[chosen], classes))


def training_batches(recipe: Recipe, folder: Path) -> tuple[Callable[[int], PixelBatch], dict[str, object]]:
    """The batch of every step, and what is told of the images."""
    seed, classes = recipe.schedule.seed, recipe.config.classes
    if recipe.images.isdigit():
        shots = photographs(folder / "train", "train")

        def cut(step: int) -> PixelBatch:
            rng = np.random.default_rng((seed, step))
            return pixel_batch(
                random_crops(shots, int(recipe.images), recipe.batch, rng, recipe.bits), recipe.bits
            )

        return cut, describe(shots)
    known = load(recipe.images, folder, recipe.bits, "train")
    all_labels = np.zeros(len(known.images), np.int64) if known.labels is None else known.labels

    def pick(step: int) -> PixelBatch:
        rng = np.random.default_rng((seed, step))
        chosen = rng.integers(0, len(known.images), recipe.batch)
        labels = np.where(rng.random(recipe.batch) < UNLABELLED, -1, all_labels[chosen])
        return batch_of(replace(known, images=known.images[chosen]), slice(None), classes, labels)

    return pick, describe([known.images])


def held_out(recipe: Recipe, folder: Path, part: Part, most: int) -> Iterator[PixelBatch]:
    """Batches of the first images of a part, with their labels."""
    images = load(recipe.images, folder, recipe.bits, part)
    for first in range(0, min(most, len(images.images)), 50):
        yield batch_of(images, slice(first, first + 50), recipe.config.classes, images.labels)


def train(name: str, folder: Path, output: Path, *, max_steps: int | None = None) -> Path:
    """Train a model of `RECIPES` and return its checkpoint."""
    recipe = RECIPES[name]
    batches, told = training_batches(recipe, folder)
    return learn(
        PixelCnnNet(recipe.config, recipe.bits),
        recipe.schedule,
        batches,
        list(held_out(recipe, folder, "validation", 200)),
        output / f"{name}.pt",
        {"network": asdict(recipe.config), "images": told},
        max_steps=max_steps,
        progress=True,
    )


def main() -> None:
    """Train one model."""
    parser = argparse.ArgumentParser(description="Train the models of the families.")
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument("folder", type=Path, help="mnist/t10k.npz and the photographs, in train/")
    parser.add_argument("--output", type=Path, required=True, help="checkpoints and logs")
    args = parser.parse_args()
    torch.set_num_threads(1)
    train(args.name, args.folder, args.output)


if __name__ == "__main__":
    main()
