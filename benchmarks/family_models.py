"""Train the models of the families on the sets of `benchmarks.datasets`.

    python -m benchmarks.family_models pixelcnn-mnist FOLDER --output RUNS
    python -m benchmarks.family_models pixelpyramids FOLDER --output RUNS --network 0
    python -m benchmarks.family_models pixelpyramids FOLDER --output RUNS --export MODELS

An interrupted run goes on when the same command is given again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ppyr.models import checkpoint, modelfile, pixelcnn, pixelpyramids
from ppyr.models.checkpoint import describe
from ppyr.models.features import ZERO_POINT
from ppyr.models.learning import learn
from ppyr.models.optimization import Schedule
from ppyr.models.pixelcnn.learning import PixelBatch, PixelCnnNet, model_tensors, pixel_batch
from ppyr.models.pixelcnn.network import PixelCnnConfig
from ppyr.models.pixelpyramids.learning import LevelBatch, LevelNet, level_batch
from ppyr.models.pixelpyramids.learning import model_tensors as level_tensors
from ppyr.models.pixelpyramids.network import PyramidConfig
from ppyr.models.weights import Weights

from .datasets import Images, Part, Pixels, crops, digits, mnist, photographs, random_crops

#: The part of the training images that are given without their label, so that files without one can be coded.
UNLABELLED = 0.15
#: The same of the batches of a level that are coarser than the finest that its network serves.
COARSER = 0.3
MOST_HELD_OUT = 200
#: Pixels of a photograph from one of the coarsest image's to the next, in training.
APART = (1, 2, 4, 8, 16, 32, 48)
#: What the place of a label says where it is the image's.
LABELLED = 255


@dataclass(frozen=True)
class Recipe:
    """A model, its data and training.

    Attributes:
        images: name of the data: mnist, digits, or the side of crops.
        bits: of a sample.
        config: sizes of the networks.
        schedules: of the training of each network, of PixelPyramids that of the coarsest image last.
        batch: images of a step.
    """

    images: str
    bits: int
    config: PixelCnnConfig | PyramidConfig
    schedules: tuple[Schedule, ...]
    batch: int


_SMALL = PixelCnnConfig(
    side_bits=5, planes=1, width=32, layers=7, dilations=3, components=10, anchored=4, classes=10
)
_COLOUR = PixelCnnConfig(side_bits=5, planes=3, width=48, layers=5, components=5, anchored=5)
_PYRAMID = PyramidConfig(
    width=16,
    hidden=32,
    components=5,
    anchored=5,
    depths=(2, 2, 3, 3, 2, 2),
    strides=(4, 4, 2, 2, 2, 2),
    coarsest=PixelCnnConfig(side_bits=3, planes=3, width=32, layers=4, components=5, anchored=3),
)


def _schedules(*steps: int, rate: float = 1.5e-2, averaging: float = 0.998) -> tuple[Schedule, ...]:
    return tuple(Schedule(steps=count, learning_rate=rate, averaging=averaging) for count in steps)


RECIPES: dict[str, Recipe] = {
    "pixelcnn-mnist": Recipe("mnist", 8, _SMALL, _schedules(2500), 32),
    "pixelcnn-autoencoder": Recipe(
        "mnist",
        8,
        replace(_SMALL, layers=6, dilations=1, classes=0, code=8, code_side=28),
        _schedules(2500),
        32,
    ),
    "pixelcnn-digits": Recipe(
        "digits",
        5,
        replace(_SMALL, side_bits=4, width=16, layers=4, dilations=2, components=5),
        _schedules(450, averaging=0.98),
        64,
    ),
    "pixelcnn-32": Recipe("32", 8, _COLOUR, _schedules(5000), 16),
    "pixelcnn-32-5bit": Recipe("32", 5, _COLOUR, _schedules(2500, rate=5e-3), 16),
    "pixelpyramids": Recipe(
        "64", 8, _PYRAMID, _schedules(3000, 2500, 2000, 2000, 1500, 1500, 4000, rate=6e-3), 8
    ),
    "pixelpyramids-5bit": Recipe(
        "64", 5, _PYRAMID, _schedules(1500, 1200, 1000, 1000, 800, 800, 4000, rate=6e-3), 8
    ),
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


def training_batches(
    recipe: Recipe, folder: Path, number: int
) -> tuple[Callable[[int], PixelBatch | LevelBatch], dict[str, object]]:
    """The batch of every step for a network of the recipe, and what is told of the images."""
    seed, bits, count = recipe.schedules[number].seed, recipe.bits, recipe.batch
    if recipe.images.isdigit():
        shots, side = photographs(folder / "train", "train"), int(recipe.images)
        return partial(_cut, recipe.config, shots, side, bits, count, seed, number), describe(shots)
    known = load(recipe.images, folder, bits, "train")
    labels = np.zeros(len(known.images), np.int64) if known.labels is None else known.labels

    def pick(step: int) -> PixelBatch:
        rng = np.random.default_rng((seed, step))
        chosen = rng.integers(0, len(known.images), count)
        given = np.where(rng.random(count) < UNLABELLED, -1, labels[chosen])
        return pixels_of(known.images[chosen], bits, given, recipe.config)

    return pick, describe([known.images])


def _cut(
    config: PixelCnnConfig | PyramidConfig,
    shots: Sequence[Pixels],
    side: int,
    bits: int,
    count: int,
    seed: int,
    number: int,
    step: int,
) -> PixelBatch | LevelBatch:
    """Random crops of photographs as a network sees them."""
    rng = np.random.default_rng((seed, number, step))
    if isinstance(config, PixelCnnConfig):
        return pixel_batch(random_crops(shots, side, count, rng, bits), bits)
    if number == len(config.networks):
        return coarsest_batch(shots, config, count, rng, bits)
    # The networks that serve all coarser levels see some of these.
    coarser = number >= len(config.depths) - 2 and rng.random() < COARSER
    cut = random_crops(shots, side << number // 2, count * (4 if coarser else 1), rng, bits)
    return level_batch(cut, number + 2 * coarser, config.networks[number], bits)


def coarsest_batch(
    shots: Sequence[Pixels], config: PyramidConfig, count: int, rng: np.random.Generator, bits: int
) -> PixelBatch:
    """Coarsest images of pyramids of every height, `count` of each."""
    side = 1 << config.coarsest.side_bits
    found = []
    for apart in APART:
        large = [shot for shot in shots if min(shot.shape[:2]) >= side * apart]
        found.append(random_crops(large, side * apart, count, rng, bits)[:, ::apart, ::apart])
    return pixel_batch(np.concatenate(found), bits)


def pixels_of(
    images: Pixels, bits: int, labels: npt.NDArray[np.int64], config: PixelCnnConfig | PyramidConfig
) -> PixelBatch:
    """Images (N, h, w) or (N, h, w, 3) with labels as a batch; -1 is no label."""
    classes = config.classes if isinstance(config, PixelCnnConfig) else 0
    planes = images[..., np.newaxis] if images.ndim == 3 else images
    return pixel_batch(planes, bits, labelled(labels, classes) if classes else None)


def held_out(recipe: Recipe, folder: Path, number: int) -> Iterator[PixelBatch | LevelBatch]:
    """Batches of validation images, with their labels, for a network of the recipe."""
    if isinstance(recipe.config, PyramidConfig) and number == len(recipe.config.networks):
        shots = photographs(folder / "train", "validation")
        yield coarsest_batch(shots, recipe.config, 40, np.random.default_rng(0), recipe.bits)
        return
    if isinstance(recipe.config, PyramidConfig):
        images = load("128", folder, recipe.bits, "validation").images[:MOST_HELD_OUT]
        for first in range(0, len(images), 20):
            chosen = images[first : first + 20]
            yield level_batch(chosen, number, recipe.config.networks[number], recipe.bits)
        return
    known = load(recipe.images, folder, recipe.bits, "validation")
    for first in range(0, MOST_HELD_OUT, 50):
        part = slice(first, min(first + 50, MOST_HELD_OUT))
        pixels = known.images[part]
        labels = np.zeros(len(pixels), np.int64) if known.labels is None else known.labels[part]
        yield pixels_of(pixels, recipe.bits, labels, recipe.config)


def train(name: str, number: int, folder: Path, output: Path, *, max_steps: int | None = None) -> Path:
    """Train a network of a model of `RECIPES` and return its checkpoint."""
    recipe = RECIPES[name]
    batches, told = training_batches(recipe, folder, number)
    config = recipe.config
    return learn(
        networks(recipe)[number],
        recipe.schedules[number],
        batches,
        list(held_out(recipe, folder, number)),
        output / f"{name}_{number}.pt",
        {"network": asdict(config), "images": told},
        max_steps=max_steps,
        progress=True,
    )


def trained(name: str, runs: Path) -> list[Any]:
    """The averaged networks of a model of `RECIPES`, as they were before rounding."""
    found = networks(RECIPES[name])
    for net, path in zip(found, checkpoints(name, runs), strict=True):
        net.load_state_dict(checkpoint.read(path).network)
    return found


def networks(recipe: Recipe) -> list[Any]:
    """The networks of a model before training, in the order of its schedules."""
    config, bits = recipe.config, recipe.bits
    if isinstance(config, PixelCnnConfig):
        return [PixelCnnNet(config, bits)]
    return [*(LevelNet(level, bits) for level in config.networks), PixelCnnNet(config.coarsest, bits)]


def checkpoints(name: str, runs: Path) -> list[Path]:
    """Of the networks of a model of `RECIPES`."""
    return [runs / f"{name}_{number}.pt" for number in range(len(RECIPES[name].schedules))]


def export(name: str, folder: Path, runs: Path, models: Path) -> Path:
    """Write the model of trained networks into the folder `models`."""
    recipe, nets = RECIPES[name], trained(name, runs)
    found = [checkpoint.read(path) for path in checkpoints(name, runs)]
    provenance = {
        "torch": torch.__version__,
        "networks": [{**one.config, "steps": one.step, "seconds": round(one.spent)} for one in found],
    }
    first = first_pixel(recipe, folder)
    if isinstance(recipe.config, PyramidConfig):
        tensors = level_tensors(recipe.config, nets[:-1], nets[-1], first)
        architecture = pixelpyramids.ARCHITECTURE
    else:
        tensors, architecture = model_tensors(nets[0], first), pixelcnn.ARCHITECTURE
    return modelfile.write(Weights(tensors, provenance, architecture), models, name)


def first_pixel(recipe: Recipe, folder: Path) -> Pixels:
    """The median of the first pixels of training images, for each plane."""
    images = load(recipe.images, folder, recipe.bits, "train").images
    found: Pixels = np.median(images[:, 0, 0].reshape(len(images), -1), axis=0).astype(np.uint8)
    return found


def main() -> None:
    """Train one model."""
    parser = argparse.ArgumentParser(description="Train the models of the families.")
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument("folder", type=Path, help="mnist/t10k.npz and the photographs, in train/")
    parser.add_argument("--output", type=Path, required=True, help="checkpoints and logs")
    parser.add_argument("--network", type=int, help="one of several, by its number (default: all)")
    parser.add_argument("--export", type=Path, help="write the model of the checkpoints into this folder")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.export:
        print(export(args.name, args.folder, args.output, args.export))
        return
    every = range(len(RECIPES[args.name].schedules))
    for number in every if args.network is None else [args.network]:
        train(args.name, number, args.folder, args.output)


if __name__ == "__main__":
    main()
