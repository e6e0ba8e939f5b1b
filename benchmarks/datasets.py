"""The sets of small images that families of models are trained and measured on, each in three fixed parts.

    python -m benchmarks.datasets FOLDER --json benchmarks/results/datasets.json

FOLDER holds `mnist/t10k.npz` and the photographs, in `train/`. The digits of 8 x 8 pixels come with
scikit-learn. Sizes and digests of all parts go to the JSON file; `python -m benchmarks.tables` renders them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from ppyr.bench import environment
from ppyr.errors import UnsupportedImageError

from .density import files
from .pictures import rgb_pixels
from .speed import command_line

Part = Literal["train", "validation", "test"]
Pixels = npt.NDArray[np.uint8]

PARTS: tuple[Part, ...] = get_args(Part)
#: Of the indices of each part.
MNIST_SPLIT: dict[Part, slice] = {
    "train": slice(8000),
    "validation": slice(8000, 9000),
    "test": slice(9000, 10000),
}
DIGITS_SPLIT: dict[Part, slice] = {
    "train": slice(1437),
    "validation": slice(1437, 1617),
    "test": slice(1617, 1797),
}
#: Of the hundred classes of a photograph's name.
PHOTOGRAPHS_SPLIT: dict[Part, range] = {
    "train": range(90),
    "validation": range(90, 95),
    "test": range(95, 100),
}
#: The largest number of crops of each side in a part.
MOST_CROPS = {32: 2000, 64: 600, 128: 200}
CROP_BITS = (8, 5)


@dataclass(frozen=True)
class Images:
    """Images of one size.

    Attributes:
        images: (N, H, W) or (N, H, W, C), uint8, samples below 2^bits.
        labels: (N,) int64, the classes; None if there are none.
        bits: of a sample.
    """

    images: Pixels
    labels: npt.NDArray[np.int64] | None
    bits: int


def mnist(folder: Path, part: Part) -> Images:
    """Digits of the MNIST test set (LeCun and Cortes), (N, 28, 28), of 8 bits, with labels.

    Args:
        folder: holds t10k.npz, with `images` (10000, 28, 28) uint8 and `labels` (10000,).
        part: 8,000, 1,000 and 1,000 of them, in the order of the file.

    Raises:
        UnsupportedImageError: the file has other images.
        OSError: it can not be read.
    """
    path = folder / "t10k.npz"
    with np.load(path) as file:
        images, labels = file["images"], file["labels"]
    found = images.shape, images.dtype, labels.shape
    expected = (10000, 28, 28), np.dtype(np.uint8), (10000,)
    if found != expected:
        raise UnsupportedImageError(
            f"{path} is not the test set of MNIST: make it of t10k-images and t10k-labels",
            expected=expected,
            found=found,
        )
    chosen = MNIST_SPLIT[part]
    return Images(images[chosen], labels[chosen].astype(np.int64), 8)


def digits(part: Part) -> Images:
    """Digits of scikit-learn, of 17 levels, (N, 8, 8), of 5 bits, with labels.

    They are the test set of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998).

    Args:
        part: 1,437, 180 and 180 of them, in their order.
    """
    from sklearn.datasets import load_digits

    found = load_digits()
    chosen = DIGITS_SPLIT[part]
    return Images(found.images[chosen].astype(np.uint8), found.target[chosen].astype(np.int64), 5)


def part_of(name: str) -> Part:
    """The part that a photograph belongs to, by the SHA-256 digest of its file's name, modulo 100."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big") % 100
    return next(part for part, numbers in PHOTOGRAPHS_SPLIT.items() if number in numbers)


def photographs(folder: Path, part: Part) -> list[Pixels]:
    """Photographs (H, W, 3) of a folder and its folders, in the order of their files' names.

    Raises:
        UnsupportedImageError: none belongs to this part, or one is not RGB of 8 bits.
        UsageError: there are none at all.
    """
    chosen = [path for path in map(Path, files(folder)) if part_of(path.name) == part]
    if not chosen:
        raise UnsupportedImageError(f"{folder} has no photograph for the part {part}: add more")
    return [rgb_pixels(path) for path in sorted(chosen, key=lambda path: path.name)]


def crops(folder: Path, side: int, bits: int, part: Part) -> Images:
    """Square crops (N, side, side, 3) of the photographs of a part, without labels.

    A grid from the upper left corner cuts each photograph without overlap. Of all crops, in the order of the
    photographs and row by row, MOST_CROPS are taken evenly. To train, cut `random_crops`.

    Args:
        folder: of photographs.
        side: of a crop in pixels, one of MOST_CROPS.
        bits: that are kept of the upper ones of each sample; 5 as by Kingma and Dhariwal (Glow, 2018) and
            Mahajan and Roth (PixelPyramids, 2021).
        part: of the photographs.

    Raises:
        UnsupportedImageError: as `photographs`; or all are smaller than a crop.
        UsageError: as `photographs`.
    """
    found = [crop for photograph in photographs(folder, part) for crop in _grid(photograph, side)]
    if not found:
        raise UnsupportedImageError(f"{folder} has no photograph of {side} pixels a side: add larger ones")
    count = min(len(found), MOST_CROPS[side])
    images = np.stack([found[number * len(found) // count] for number in range(count)])
    return Images(np.right_shift(images, 8 - bits, dtype=np.uint8), None, bits)


def _grid(photograph: Pixels, side: int) -> Iterator[Pixels]:
    """The squares of a photograph that lie side by side, row by row."""
    height, width = photograph.shape[:2]
    for y in range(0, height - side + 1, side):
        for x in range(0, width - side + 1, side):
            yield photograph[y : y + side, x : x + side]


def random_crops(
    photographs: Sequence[Pixels], side: int, count: int, rng: np.random.Generator, bits: int
) -> Pixels:
    """Crops (count, side, side, 3) at random places of random photographs, half of them mirrored.

    Args:
        photographs: (H, W, 3), each as likely as the others.
        side: of a crop in pixels.
        count: of crops.
        rng: makes all choices.
        bits: that are kept of the upper ones of each sample.

    Raises:
        UnsupportedImageError: a photograph is smaller than a crop.
    """
    cut = np.empty((count, side, side, 3), np.uint8)
    for crop, number in zip(cut, rng.integers(len(photographs), size=count), strict=True):
        photograph = photographs[number]
        room = np.subtract(photograph.shape[:2], side)
        if room.min() < 0:
            raise UnsupportedImageError(
                f"a photograph is smaller than crops of {side} pixels a side: leave it out",
                expected=side,
                found=photograph.shape[:2],
            )
        y, x = rng.integers(room + 1)
        crop[...] = photograph[y : y + side, x : x + side][:, :: rng.choice((1, -1))]
    return np.right_shift(cut, 8 - bits, dtype=np.uint8)


def digest(images: Iterable[Pixels]) -> str:
    """SHA-256 of all samples, a byte each, image by image, row by row, channels last."""
    found = hashlib.sha256()
    for image in images:
        found.update(image.tobytes())
    return found.hexdigest()


def described(images: Sequence[Pixels] | Pixels, bits: int) -> dict[str, Any]:
    """How many images and samples a part has, of what shape and depth, and their digest."""
    shapes = {image.shape for image in images}
    return {
        "images": len(images),
        "shape": list(shapes.pop()) if len(shapes) == 1 else None,
        "bits": bits,
        "samples": sum(image.size for image in images),
        "sha256": digest(images),
    }


def published(folder: Path) -> dict[str, dict[str, Any]]:
    """What tells each part of each set from others: name of the set, part, `described`."""
    train = folder / "train"
    found: dict[str, dict[str, Any]] = {}
    for part in tqdm(PARTS):
        sets = {"mnist": mnist(folder / "mnist", part), "digits": digits(part)}
        for side in MOST_CROPS:
            for bits in CROP_BITS:
                sets[f"crops of {side}, {bits} bits"] = crops(train, side, bits, part)
        for name, one in sets.items():
            found.setdefault(name, {})[part] = described(one.images, one.bits)
        found.setdefault("photographs", {})[part] = described(photographs(train, part), 8)
    return found


def main() -> None:
    """Describe the sets of the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    args = parser.parse_args()
    found = {
        "command": command_line("benchmarks.datasets"),
        "sets": published(args.folder),
        **environment(),
    }
    args.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
