"""Tuning: the networks of a model, trained on for one collection, and judged by files that are held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
from tqdm import tqdm

from ppyr.bitstream.container import pixel_digest, unpack
from ppyr.bitstream.plain import Method
from ppyr.bitstream.raster import SHALLOW, Samples
from ppyr.effort import encode
from ppyr.errors import UnsupportedImageError
from ppyr.mappings import coded
from ppyr.models import modelfile, registry
from ppyr.models.configuration import TrainingConfig
from ppyr.models.export import export, with_tables_of
from ppyr.models.features import ByteArray
from ppyr.models.train import TRAINING_SIDE, train
from ppyr.models.weights import STAGES, check_changeable
from ppyr.picture import units

#: One file in so many is held out.
HELD_OUT = 5


class Image(NamedTuple):
    """An image of a collection: samples (H, W) or (H, W, C), uint8 or uint16, and bits of a sample."""

    samples: Samples
    bit_depth: int


class Split(NamedTuple):
    """A collection, all images different: those to train on, and those that are held out."""

    training: list[Image]
    held_out: list[Image]


@dataclass(frozen=True)
class Tuned:
    """A tuned model, and what it is worth.

    Attributes:
        path: its file, beside the checkpoints.
        samples: of all held-out images.
        before, after: bytes of their files under the model that was tuned, and under the tuned one.
    """

    path: Path
    samples: int
    before: int
    after: int

    def bits_per_dim(self, size: int) -> float:
        """Bits of so many bytes for each sample of the held-out images."""
        return 8 * size / self.samples


def split(images: Sequence[Image]) -> Split:
    """Hold out every fifth image in the order of their digests, so nothing but the pixels decides.

    Raises:
        UnsupportedImageError: there are not two different images.
    """
    different = {(pixel_digest(image.samples), image.samples.shape): image for image in images}
    ordered = [different[key] for key in sorted(different)]
    if len(ordered) < 2:
        raise UnsupportedImageError(
            "a model is tuned on some images and judged by others: add images that differ",
            expected=2,
            found=len(ordered),
        )
    held_out = ordered[::HELD_OUT]
    return Split([image for number, image in enumerate(ordered) if number % HELD_OUT], held_out)


def tune(
    images: Split,
    start: str,
    configs: Mapping[str, TrainingConfig],
    folder: Path,
    name: str,
    *,
    device: str = "cpu",
    workers: int = 1,
    progress: bool = False,
) -> Tuned:
    """Train the networks of a model on a collection; a run that was interrupted goes on.

    The model keeps its tables, so that what it differs by stays small.

    Args:
        images: the collection.
        start: the model, by name, id or file.
        configs: settings of each network's training.
        folder: where checkpoints, logs and the tuned model are.
        name: of the tuned model.
        device: "cpu" or "cuda".
        workers: processes that make crops; 0 makes them in this one.
        progress: show bars on standard error.

    Raises:
        UnknownModelError: there is no such model.
        UnsupportedImageError: the model codes nothing of the images to train on.
        ModelError: the model is of another architecture than can be tuned, or does not tell the sizes of its
            networks; or a checkpoint is damaged, or was made with other settings or images.
    """
    source = modelfile.read(registry.by_id(registry.by_name(start)))
    check_changeable(source)
    bar = tqdm(images.training, disable=not progress, unit="image", desc="reading", leave=False)
    seen = Mirrored([unit for image in bar for unit in modelled(image, start)], TRAINING_SIDE)
    if not seen:
        raise UnsupportedImageError(
            f"no image of the collection is coded by the model {start}, so tuning it gains nothing: leave it"
        )
    checkpoints = {
        stage: train(
            stage,
            seen,
            [],
            configs[stage],
            folder,
            start=source,
            device=device,
            workers=workers,
            progress=progress,
        )
        for stage in STAGES
    }
    path = modelfile.write(with_tables_of(source, export(checkpoints)), folder, name)
    before, after = (file_bytes(images.held_out, model, progress) for model in (start, str(path)))
    return Tuned(path, sum(image.samples.size for image in images.held_out), before, after)


def modelled(image: Image, model: str) -> list[ByteArray]:
    """The units (h, w, 3) of an image that a model codes, as it does; none of more than 8 bits."""
    file = unpack(encode(image.samples, bit_depth=image.bit_depth, model=model))
    if file.coded.bit_depth > SHALLOW:
        return []
    height, width = image.samples.shape[:2]
    samples = coded(image.samples.reshape(height, width, -1), file.mapping)
    found = [
        unit.of(samples)
        for unit, method in zip(units(file.coded, file.tile_bits), file.methods, strict=True)
        if method is Method.MODEL
    ]
    return [np.repeat(unit, 3 // unit.shape[2], 2) for unit in found]


def file_bytes(images: Sequence[Image], model: str, progress: bool = False) -> int:
    """Bytes of the files of images under a model, without metadata."""
    bar = tqdm(images, disable=not progress, unit="image", desc="coding", leave=False)
    return sum(len(encode(image.samples, bit_depth=image.bit_depth, model=model)) for image in bar)


class Mirrored(Sequence[ByteArray]):
    """Images (H, W, 3), those of less than `side` rows or columns continued by their mirror images."""

    def __init__(self, images: Sequence[ByteArray], side: int) -> None:
        self._images, self._side = images, side

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, number: int) -> ByteArray: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[ByteArray]: ...

    def __getitem__(self, number: int | slice) -> ByteArray | Sequence[ByteArray]:
        if isinstance(number, slice):
            return Mirrored(self._images[number], self._side)
        image = self._images[number]
        more = [(0, max(0, self._side - size)) for size in image.shape[:2]]
        return np.pad(image, (*more, (0, 0)), mode="symmetric")
