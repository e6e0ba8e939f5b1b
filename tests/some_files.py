"""Small files of every kind: channels, depths, shapes, tiles, metadata, a changed model, one of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ppyr.bitstream.container import Container, Layout, pack
from ppyr.bitstream.plain import Method, pack_plain
from ppyr.bitstream.raster import Samples
from ppyr.coding import encode_changed
from ppyr.metadata import with_metadata
from ppyr.models import predictor
from ppyr.models.embedding import embedded
from ppyr.models.family import LikelihoodModel
from ppyr.models.weights import Weights
from ppyr.picture import Picture

from .photograph import crop
from .some_changes import some_changes
from .some_metadata import FULL


@dataclass(frozen=True)
class SomeFile:
    """A file and the image that it holds."""

    data: bytes
    image: Samples


def some_files(model: LikelihoodModel) -> dict[str, SomeFile]:
    """Small files of one model by what they stand for."""
    gray, colours = crop(5, 4, gray=True), crop(4, 3)
    rgba = np.dstack([crop(3, 4), crop(3, 4, gray=True)])
    tiled = crop(17, 18)
    pictures = {
        "gray": Picture.of(gray),
        "rgb": Picture.of(colours),
        "rgba": Picture.of(rgba),
        "gray and alpha": Picture.of(np.dstack([gray, 255 - gray])),
        "12 bits": Picture.of(gray.astype(np.uint16) * 16 + 5, 12),
        "16 bits": Picture.of(colours.astype(np.uint16) * 257),
        "1 bit": Picture.of(gray & 1, 1),
        "1x1": Picture.of(crop(1, 1)),
        "1x1 of 16 bits": Picture.of(crop(1, 1).astype(np.uint16) * 201),
        "1x7": Picture.of(crop(1, 7, gray=True)),
        "tiles": Picture.of(tiled[:, :17, 1].copy(), tile_bits=4),
        "tiles with alpha": Picture.of(np.dstack([tiled[:2], tiled[:2, :, 0]]), tile_bits=4),
    }
    files = {
        name: SomeFile(encode_changed(picture, model, []), _squeezed(picture.samples))
        for name, picture in pictures.items()
    }
    repeated = np.tile(colours, (3, 4, 1))
    for method in list(Method)[Method.STORED :]:
        files[method.name] = SomeFile(_unmodelled(repeated, method), repeated)
    mapped = {
        "ranks": (np.tile(gray // 32, (4, 4)).astype(np.uint16) * 500, 0),
        "copies and constants": (np.dstack([repeated[..., 0]] * 3 + [np.full((12, 12), 9, np.uint8)]), 0),
        "colours": (np.dstack([repeated, repeated[..., 0]]), 1),
    }
    for name, (image, way) in mapped.items():
        picture = list(Picture.all_of(image))[way]
        files[name] = SomeFile(encode_changed(picture, model, []), image)
    files["metadata"] = SomeFile(with_metadata(files["rgb"].data, FULL), colours)
    changed = encode_changed(pictures["rgb"], model, some_changes(model.source))
    files["changes"] = SomeFile(changed, colours)
    own = predictor.Model(nudged(model.source), model.backend)
    held = encode_changed(pictures["rgb"], own, some_changes(own.source), embedded=embedded(own))
    files["model"] = SomeFile(held, colours)
    return files


def nudged(source: Weights) -> Weights:
    """A model of which a weight, biases and a table differ."""
    weight = source.tensor("finest.trunk_in.weight", np.int8).copy()
    weight[0, 0] = 3
    bias = source.tensor("rest.head.10_0.bias", np.int32) - np.int32(700)
    tables = source.tensor("tables", np.uint32).copy()
    tables[5, 0] += 1
    tables[5, 1] -= 1
    found = {"finest.trunk_in.weight": weight, "rest.head.10_0.bias": bias, "tables": tables}
    return Weights({**source.tensors, **found}, source.provenance)


def _unmodelled(image: Samples, method: Method) -> bytes:
    """The file of an image, (H, W, C) of 8 bits, whose only unit is coded so."""
    header = Picture.of(image).header
    count = Layout(header.raster, 10).level_count
    levels = ((pack_plain(image, method, 8),), *[(b"",)] * (count - 1))
    return pack(Container(header, 10, (method,), image[0, 0].tobytes(), levels))


def _squeezed(samples: Samples) -> Samples:
    return samples if samples.shape[2] > 1 else samples[..., 0]
