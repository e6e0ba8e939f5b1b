"""Real bits against theory: what the families' models cost on images that they were not trained on.

    python -m benchmarks.likelihood FOLDER --runs RUNS

FOLDER is that of `benchmarks.datasets`, with the Kodak images in `kodak/`; RUNS holds the checkpoints that
`benchmarks.family_models` wrote. Each row is a model on the test part of a set:

    float      the mixtures of the networks as they were trained, before rounding, in floating point
    integer    the tables that integers make of them: what the symbols should cost
    real       one ANS stream for all images of the set, decoded again
    streams    a stream for every image
    files      whole .ppyr files, containers included

All are in bits per sample, with 8 bits for each sample of an image's first pixel. The results go to
benchmarks/results/likelihood.json; `python -m benchmarks.tables` renders them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from ppyr.bench import environment
from ppyr.bitstream.mixtures import Mixtures, frequencies
from ppyr.bitstream.tables import TableSet
from ppyr.coding import Given, encode_changed, tables_of, walk
from ppyr.decoding import decode
from ppyr.geometry import coarsest_shape, shapes
from ppyr.models import checkpoint, predictor, registry
from ppyr.models.family import Distributions, LikelihoodModel
from ppyr.models.pixelcnn.learning import PixelCnnNet, pixel_batch
from ppyr.models.pixelcnn.network import PixelCnnConfig
from ppyr.models.pixelpyramids.learning import level_batch
from ppyr.models.pixelpyramids.network import PyramidConfig
from ppyr.models.pixelpyramids.sizes import macs_per_pixel, parameters, sequential_steps
from ppyr.picture import Picture
from ppyr.pyramid import build
from ppyr.sampling import sample
from ppyr.symbols import Reader, Writer
from ppyr.threads import use_threads

from .datasets import Pixels
from .density import files
from .family_models import RECIPES, checkpoints, load, pixels_of, trained
from .pictures import rgb_pixels
from .speed import command_line

RESULT = Path(__file__).resolve().parent / "results" / "likelihood.json"
#: Images that are timed.
TIMED = 5
#: Samples of which the cost of shared tables is measured.
SHARED = 100_000


@dataclass(frozen=True)
class Row:
    """A model on a set.

    Attributes:
        model: its name.
        images: name of the set, see `family_models.load`, or kodak.
        bits: of a sample.
        most: images of the set that are taken, the first ones.
        labelled: whether the images are given with their labels.
    """

    model: str
    images: str
    bits: int
    most: int
    labelled: bool = False


ROWS = (
    Row("pixelcnn-mnist", "mnist", 8, 1000, labelled=True),
    Row("pixelcnn-mnist", "mnist", 8, 1000),
    Row("pixelcnn-autoencoder", "mnist", 8, 1000),
    Row("pixelcnn-digits", "digits", 5, 180, labelled=True),
    Row("pixelcnn-digits", "digits", 5, 180),
    Row("pixelcnn-32", "32", 8, 200),
    Row("pixelcnn-32-5bit", "32", 5, 200),
    Row("pixelpyramids", "32", 8, 200),
    Row("pixelpyramids", "64", 8, 200),
    Row("pixelpyramids", "128", 8, 100),
    Row("pixelpyramids", "kodak", 8, 24),
    Row("pixelpyramids-5bit", "64", 5, 200),
    Row("pixelpyramids-5bit", "128", 5, 100),
    Row("default", "kodak", 8, 24),
)


class _Chain(Writer):
    """Codes all that comes into one stream."""

    def end_level(self) -> None:
        """The stream goes on."""

    def finish(self) -> bytes:
        """The stream."""
        super().end_level()
        return self.levels[0].stream


class _ChainReader(Reader):
    """Decodes what `_Chain` coded."""

    def end_level(self) -> None:
        """The stream goes on."""

    def finish(self) -> None:
        """The stream has to be used up."""
        super().end_level()


class _Shared:
    """Counts what samples would cost under the shared tables of another model, the best one for each mixture.

    Attributes:
        mixed, shared: bits under the mixtures, and under the tables.
        left: samples to go.
    """

    def __init__(self, tables: TableSet) -> None:
        self.mixed = self.shared = 0.0
        self.left = SHARED
        self._tables = tables
        self._costs = 24 - np.log2(tables.frequencies.astype(np.float64)).T

    def code(self, values: Pixels, coarse: Pixels, found: Distributions) -> None:
        """See `symbols.Coder`."""
        if not isinstance(found, Mixtures) or found.bits != 8:
            return
        samples = (values + coarse).astype(np.uint8).ravel()
        for first in range(0, min(len(samples), self.left), 1000):
            part = slice(first, min(first + 1000, self.left))
            self._count(samples[part], found.part(part))
        self.left = max(0, self.left - len(samples))

    def end_level(self) -> None:
        """See `symbols.Coder`."""

    def _count(self, samples: Pixels, mixtures: Mixtures) -> None:
        masses = frequencies(mixtures).astype(np.float64) / 2**24
        places = np.arange(len(samples))
        self.mixed -= float(np.log2(masses[places, samples]).sum())
        mean = masses @ np.arange(256)
        centres = np.rint(mean).clip(0, 255).astype(np.uint8)
        expected = np.stack([np.roll(row, -int(c)) for row, c in zip(masses, centres, strict=True)])
        tables = (expected @ self._costs).argmin(1).astype(np.uint16)
        rows = self._tables.rows(tables, centres)
        own = rows[places, samples - centres].astype(np.float64)
        self.shared += float((24 - np.log2(own)).sum())


def images_of(row: Row, folder: Path) -> tuple[list[Pixels], npt.NDArray[np.int64] | None]:
    """Images (H, W, C) of the row, and their labels if they are given with them."""
    if row.images == "kodak":
        return [rgb_pixels(Path(path)) for path in sorted(files(folder / "kodak"))][: row.most], None
    found = load(row.images, folder, row.bits, "test")
    images = [np.atleast_3d(image) for image in found.images[: row.most]]
    return images, found.labels if row.labelled else None


def float_bits(row: Row, images: Sequence[Pixels], labels: Sequence[int | None], runs: Path) -> float:
    """Bits of all samples but the first pixels' under the networks before rounding."""
    nets, config = trained(row.model, runs), RECIPES[row.model].config
    total = 0.0
    with torch.inference_mode():
        together = 20 if len({image.shape for image in images}) == 1 else 1
        for first in tqdm(range(0, len(images), together), desc=f"{row.model}, float", leave=False):
            batch = np.stack(images[first : first + together])
            if isinstance(config, PixelCnnConfig):
                known = np.array(
                    [-1 if label is None else label for label in labels[first : first + together]]
                )
                net: PixelCnnNet = nets[0]
                total += float(net(pixels_of(batch, row.bits, known, config)).sum())
                continue
            levels = shapes(batch.shape[1], batch.shape[2], config.coarsest.side_bits)
            step = 1 << len(levels) // 2
            coarsest = pixel_batch(np.ascontiguousarray(batch[:, ::step, ::step]), row.bits)
            total += float(nets[-1](coarsest).sum())
            for distance, level in enumerate(reversed(levels)):
                number = config.network(distance)
                if 0 not in level.fine:
                    seen = level_batch(batch, distance, nets[number].config, row.bits)
                    total += float(nets[number](seen).sum())
    return total


def coded(model: LikelihoodModel, image: Pixels, given: Given, coder: Any) -> None:
    """Code an image that is one unit."""
    levels = shapes(image.shape[0], image.shape[1], model.coarsest_bits)
    coarsest, fines = build(image, 8, model.coarsest_bits)
    walk(model.predictor(len(levels), *given), levels, coarsest, fines, coder, known=True)


def restored(model: LikelihoodModel, image: Pixels, given: Given, reader: Any) -> Pixels:
    """The image that a reader gives; of `image` only the first pixel is taken."""
    levels, channels = shapes(image.shape[0], image.shape[1], model.coarsest_bits), image.shape[2]
    coarsest = np.zeros(
        (*coarsest_shape(image.shape[0], image.shape[1], model.coarsest_bits), channels), np.uint8
    )
    coarsest[0, 0] = image[0, 0]
    fines = [np.zeros((*level.fine, channels), np.uint8) for level in levels]
    found = walk(model.predictor(len(levels), *given), levels, coarsest, fines, reader, known=False)
    return found.astype(np.uint8, copy=False)


def measured(row: Row, folder: Path, runs: Path) -> dict[str, Any]:
    """All figures of a row but the times."""
    images, known = images_of(row, folder)
    labels = [None if known is None else int(known[number]) for number in range(len(images))]
    model = predictor.load(registry.by_name(row.model))
    tables = tables_of(model)
    reference = False
    chain, streams, information, whole = _Chain(tables, reference=reference), 0, 0, 0
    conditions, shared = [], _Shared(tables_of(predictor.load(registry.by_name("default"))))
    side_bits = 0
    for image, label in tqdm(list(zip(images, labels, strict=True)), desc=f"{row.model} on {row.images}"):
        condition = model.condition(image, row.bits, label)
        conditions.append(condition)
        given = Given(row.bits, condition=condition)
        side_bits += 8 * len(condition) if known is None else 0
        coded(model, image, given, chain)
        alone = Writer(tables, reference=reference)
        coded(model, image, given, alone)
        streams += 8 * sum(len(level.stream) for level in alone.levels)
        information += sum(level.information for level in alone.levels)
        whole += 8 * len(encode_changed(Picture.of(image, row.bits, model.tile_bits), model, [], label))
        if shared.left:
            coded(model, image, given, shared)
    stream = chain.finish()
    reader = _ChainReader(tables, [stream], reference=reference)
    for image, condition in zip(tqdm(images, desc="decoded again"), conditions, strict=True):
        found = restored(model, image, Given(row.bits, condition=condition), reader)
        if not np.array_equal(found, image):
            raise SystemExit(f"{row.model} on {row.images}: an image does not come back")
    reader.finish()
    samples = sum(image.size for image in images)
    first = 8 * sum(image.shape[2] for image in images) + side_bits
    figures: dict[str, Any] = {
        "model": row.model,
        "set": row.images,
        "bits": row.bits,
        "labelled": row.labelled,
        "images": len(images),
        "samples": samples,
        "integer": (information / 65536 + first) / samples,
        "real": (8 * len(stream) + first) / samples,
        "streams": (streams + first) / samples,
        "files": whole / samples,
    }
    if row.model in RECIPES:
        figures["float"] = (float_bits(row, images, labels, runs) + first) / samples
        if RECIPES[row.model].config and shared.mixed:
            figures["shared_tables"] = shared.shared / shared.mixed
        figures |= sizes(row, images[0], runs)
    return figures


def sizes(row: Row, image: Pixels, runs: Path) -> dict[str, Any]:
    """Parameters, multiplications a pixel, steps one after the other, and what training took."""
    config = RECIPES[row.model].config
    height, width, _ = image.shape
    found = [checkpoint.read(path) for path in checkpoints(row.model, runs)]
    told = {
        "training_steps": sum(one.step for one in found),
        "training_seconds": sum(one.spent for one in found),
    }
    if isinstance(config, PyramidConfig):
        return told | {
            "parameters": parameters(config),
            "macs_per_pixel": macs_per_pixel(config, height, width),
            "steps": sequential_steps(config, height, width),
        }
    return told | {
        "parameters": sum(spec.parameters for spec in config.specs().values()),
        "macs_per_pixel": float(config.weights),
        "steps": width + config.slope * (height - 1) + config.ahead[0],
    }


def times(row: Row, folder: Path) -> dict[str, float]:
    """Median seconds to encode, decode and draw an image, on one thread."""
    use_threads(1)
    images, known = images_of(row, folder)
    model = predictor.load(registry.by_name(row.model))
    height, width, channels = images[0].shape
    label = None if known is None else int(known[0])
    pictures = [Picture.of(image, row.bits, model.tile_bits) for image in images[:TIMED]]
    data = [encode_changed(picture, model, [], label) for picture in pictures]
    decode(data[0])

    def timed(work: Callable[[Any], Any], items: Sequence[Any]) -> float:
        spent = []
        for item in items:
            began = time.perf_counter()
            work(item)
            spent.append(time.perf_counter() - began)
        return median(spent)

    found = {
        "encode_seconds": timed(lambda picture: encode_changed(picture, model, [], label), pictures),
        "decode_seconds": timed(decode, data),
    }
    if row.model in RECIPES and not getattr(RECIPES[row.model].config, "code", 0):
        side = 1 << (model.tile_bits or 10)
        size = min(height, side), min(width, side)

        def draw(seed: int) -> Pixels:
            found = sample(row.model, *size, channels, bits=row.bits, label=label, seed=seed)
            return found.astype(np.uint8, copy=False)

        draw(0)
        found["sample_seconds"] = timed(draw, range(TIMED))
    return found


def main() -> None:
    """Measure all rows, or those of some models, and store the results."""
    parser = argparse.ArgumentParser(description="Real bits of the families' models against theory.")
    parser.add_argument("folder", type=Path, help="mnist/t10k.npz, photographs in train/, kodak/")
    parser.add_argument("--runs", type=Path, required=True, help="checkpoints of benchmarks.family_models")
    parser.add_argument("--models", help="only these, separated by commas; the other rows stay")
    parser.add_argument("--times", action="store_true", help="measure times alone again")
    args = parser.parse_args()
    torch.set_num_threads(1)
    chosen = set(args.models.split(",")) if args.models else {row.model for row in ROWS}
    for row in ROWS:
        if row.model in chosen:
            found = stored(row) if args.times else measured(row, args.folder, args.runs)
            store(row, found | times(row, args.folder))
            print(json.dumps(stored(row)))


def key_of(row: Row) -> list[Any]:
    """What a row is found by."""
    return [row.model, row.images, row.labelled]


def stored(row: Row) -> dict[str, Any]:
    """What is stored of a row."""
    return next(one for one in _rows() if [one["model"], one["set"], one["labelled"]] == key_of(row))


def store(row: Row, figures: dict[str, Any]) -> None:
    """Store a row in place of the one before; rows that are measured no more go."""
    rows = {json.dumps([one["model"], one["set"], one["labelled"]]): one for one in _rows()}
    rows[json.dumps(key_of(row))] = figures
    ordered = [rows[key] for key in (json.dumps(key_of(one)) for one in ROWS) if key in rows]
    result = {"command": command_line("benchmarks.likelihood"), **environment(), "rows": ordered}
    RESULT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


def _rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(RESULT.read_text("utf-8"))["rows"] if RESULT.exists() else []
    return found


if __name__ == "__main__":
    main()
