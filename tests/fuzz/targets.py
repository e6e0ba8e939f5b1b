"""What is fuzzed: from what data on, with which mutations, and what must hold of the result."""

from __future__ import annotations

import io
import json
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

import ppyr
import ppyr.about
import ppyr.effort
import ppyr.opened
from ppyr.bitstream.container import pixel_digest, read_header, unpack
from ppyr.bitstream.tables import TableSet
from ppyr.coding import Given, encode_unit, tables_of
from ppyr.errors import ConfigurationError
from ppyr.geometry import shapes
from ppyr.imagefile import image_bytes, read_image_file
from ppyr.metadata import stripped
from ppyr.models import modelfile, predictor, registry
from ppyr.models.backends import backend
from ppyr.models.changes import apply_changes, pack_changes, unpack_changes
from ppyr.models.modelfile import INGREDIENTS
from ppyr.models.weights import Tensors, Weights

from ..photograph import crop
from ..random_model import random_weights
from ..some_changes import some_changes
from ..some_files import some_files
from ..some_metadata import FULL
from . import mutators
from .mutators import Mutate

#: Largest image that is decoded here: others only take time.
MOST_PIXELS = 1 << 12
#: Largest data: a file that holds the whole of a model is larger.
MOST = 1 << 12

FOLDER = Path(tempfile.mkdtemp(prefix="ppyr-fuzz-"))
WEIGHTS = random_weights()
modelfile.write(WEIGHTS, FOLDER, "random")
registry.add(FOLDER)
MODEL = predictor.load(WEIGHTS.id)
FILES = some_files(MODEL)
CHANGES = pack_changes(some_changes(WEIGHTS), WEIGHTS, tables_of(MODEL))


@dataclass(frozen=True)
class Target:
    """One fuzz target.

    Attributes:
        seeds: data to begin with.
        run: reads data; raises what reading raises, AssertionError if the result is wrong.
        mutate: data, largest size, generator of chance, and a mutation that knows nothing, to other data.
        most: largest size of the data.
    """

    seeds: Callable[[], Iterator[bytes]]
    run: Callable[[bytes], object]
    mutate: Callable[..., bytes] | None = None
    most: int = MOST


def decode(data: bytes) -> None:
    """The whole file: pixels whose digest is right, or an error."""
    image = ppyr.decode(data, max_pixels=MOST_PIXELS)
    header = read_header(data)
    assert image.shape[:2] == (header.height, header.width)
    assert pixel_digest(image) == header.pixel_digest


def parts(data: bytes) -> None:
    """A part of a file; the first five bytes say which."""
    level, *numbers = data[:5].ljust(5, b"\0")
    with ppyr.open(data[5:]) as file:
        assert file.complete_level >= 0
        for region in ((numbers[0], numbers[1], numbers[2], numbers[3]), None):
            try:
                image = file.read(level=level % 8, region=region, max_pixels=MOST_PIXELS)
            except ConfigurationError:
                continue
            if region:
                assert image.shape[:2] == (region[3], region[2])
            elif level % 8 == 0:
                assert pixel_digest(image) == read_header(data[5:]).pixel_digest


def front(data: bytes) -> None:
    """Header, INDEX and metadata."""
    info = ppyr.info(data)
    assert info.bytes == len(data)
    json.dumps(info.as_dict())
    ppyr.read_metadata(data)


def changes(data: bytes) -> None:
    """The payload of CHANGES, and the model that it makes."""
    found = unpack_changes(data, WEIGHTS, tables_of(MODEL))
    predictor.Model(apply_changes(WEIGHTS, found), MODEL.backend)


def model(data: bytes) -> None:
    """A model file, whatever its id; one that is accepted codes an image."""
    path = FOLDER / "other.safetensors"
    path.write_bytes(data)
    weights = modelfile.parsed(path)
    chosen = predictor.Model(weights, backend("torch"))
    tables = TableSet(chosen.frequencies)
    image = crop(3, 4)
    levels = encode_unit(image, chosen, tables, Given())
    assert len(levels) == len(shapes(3, 4))


def recipe(data: bytes) -> None:
    """A recipe, beside the models that it may name."""
    path = FOLDER / "other.json"
    path.write_bytes(data)
    predictor.Model(modelfile.read_recipe(path).make(FOLDER), MODEL.backend)


def image_file(data: bytes) -> None:
    """An image file and its metadata."""
    samples = read_image_file(io.BytesIO(data), max_pixels=MOST_PIXELS).samples
    assert samples.dtype in (np.uint8, np.uint16)


def _files() -> Iterator[bytes]:
    yield from (file.data for file in FILES.values() if len(file.data) <= MOST)


def _changes() -> Iterator[bytes]:
    yield CHANGES
    yield unpack(FILES["changes"].data).changes


def _model() -> Iterator[bytes]:
    """With few tables, so that more of the file is layers."""
    few: Tensors = {
        "fraction_bits": np.zeros(29, np.uint8),
        "tables": np.full((4 * 29, 256), 1 << 16, np.uint32),
    }
    yield modelfile.write(Weights(WEIGHTS.tensors | few, {}), FOLDER, "few").read_bytes()


def _recipe() -> Iterator[bytes]:
    plain: dict[str, object] = dict.fromkeys(INGREDIENTS, WEIGHTS.id.hex())
    yield json.dumps(plain).encode()
    yield json.dumps(plain | {"changes": b64encode(CHANGES).decode(), "provenance": {"a": 1}}).encode()


def _image_files() -> Iterator[bytes]:
    colours, gray = crop(4, 5), crop(5, 4, gray=True)
    for image in (colours, gray, np.dstack([gray, gray]), gray.astype(np.uint16) * 257):
        yield image_bytes(image, ".png", stripped(FULL, ["orientation", "icc"]))
    for suffix in (".tif", ".webp", ".bmp", ".ppm"):
        yield image_bytes(colours, suffix)
    turned = ppyr.Metadata(orientation=6, icc=b"profile", resolution=FULL.resolution)
    yield image_bytes(colours, ".tif", turned)
    for form in ("JPEG", "TIFF", "PNG", "GIF"):
        file = io.BytesIO()
        Image.fromarray(colours).save(file, form, dpi=(72, 72), exif=FULL.exif, icc_profile=b"profile")
        yield file.getvalue()
    text = PngImagePlugin.PngInfo()
    text.add_itxt("Title", "x", "en", "Title")
    text.add_text("Comment", "y" * 40, zip=True)
    file = io.BytesIO()
    Image.fromarray(gray).save(file, "PNG", pnginfo=text)
    yield file.getvalue()


def _of_part(data: bytes, most: int, rng: object, mutate: Mutate) -> bytes:
    """Another part, or another file."""
    head, rest = data[:5].ljust(5, b"\0"), data[5:]
    if mutate(b"\0\1", 2)[0] % 4 == 0:
        return mutate(head, 5).ljust(5, b"\0")[:5] + rest
    return head + mutators.ppyr_file(rest, most - 5, rng, mutate)  # type: ignore[arg-type]


TARGETS = {
    "decode": Target(_files, decode, mutators.ppyr_file),
    "open": Target(lambda: (bytes(5) + data for data in _files()), parts, _of_part),
    "info": Target(_files, front, mutators.ppyr_file),
    "changes": Target(_changes, changes),
    "model": Target(_model, model, mutators.model_file, most=1 << 20),
    "recipe": Target(_recipe, recipe),
    "image": Target(_image_files, image_file, mutators.png_file),
}
