"""FORMAT.md suffices for gated PixelCNN and PixelPyramids: what is computed from it alone is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ppyr.bitstream.mixtures import Mixtures
from ppyr.coding import encode_changed
from ppyr.errors import FormatError, ModelError
from ppyr.geometry import shapes
from ppyr.models import modelfile, predictor, registry
from ppyr.models.arithmetic import Kind, LayerSpec
from ppyr.models.backends import backend
from ppyr.models.depth import BYTES
from ppyr.models.integer import weight_type
from ppyr.models.pixelcnn.model import PixelCnn, check
from ppyr.models.pixelcnn.network import PixelCnnConfig
from ppyr.models.pixelpyramids.coding import PixelPyramids
from ppyr.models.pixelpyramids.network import PyramidConfig
from ppyr.models.weights import Tensors, Weights
from ppyr.picture import Picture
from ppyr.pyramid import build, merge

from . import plain_decoder, plain_pixelcnn, plain_pixelpyramids
from .plain_layers import Mixture

Bytes = npt.NDArray[np.uint8]

GRAY = PixelCnnConfig(side_bits=4, planes=1, width=5, layers=3, components=3, anchored=1)
COLOUR = replace(GRAY, planes=3, layers=2, anchored=2)
LABELLED = replace(GRAY, classes=3, dilations=2)
CODED = replace(COLOUR, classes=2, code=4, code_side=8)
PYRAMID = PyramidConfig(
    width=3,
    hidden=4,
    components=2,
    anchored=1,
    depths=(2, 1, 2, 1),
    strides=(4, 2, 1, 2),
    coarsest=replace(COLOUR, side_bits=2),
)
ODD = replace(PYRAMID, depths=(1, 3, 1), strides=(2, 2, 4), coarsest=replace(COLOUR, side_bits=1, layers=3))


def loud(specs: dict[str, LayerSpec], rng: np.random.Generator) -> Tensors:
    """Random layers whose outputs fill their range, and leave it."""
    found: Tensors = {}
    for name, spec in specs.items():
        most = 64 if spec.size == 3 else 200
        shape, head = (spec.outputs, spec.inputs, spec.size, spec.size), spec.gives is Kind.HEAD
        shift = rng.integers(*((5, 10) if head else (8, 11)), spec.outputs)
        middle = 16 if head else 110 << shift
        found[f"{name}.weight"] = rng.integers(-most, most + 1, shape).astype(weight_type(spec.size))
        found[f"{name}.bias"] = (rng.integers(-4000, 4000, spec.outputs) + middle).astype(np.int32)
        found[f"{name}.shift"] = shift.astype(np.int8)
    return found


def pixelcnn(config: PixelCnnConfig) -> Weights:
    layers = loud(config.specs(), np.random.default_rng(1))
    first = np.zeros(config.planes, np.uint8)
    return Weights({"settings": config.settings, "first": first, **layers}, {}, "ppyr-pixelcnn-1")


def pyramids(config: PyramidConfig) -> Weights:
    rng = np.random.default_rng(2)
    settings: Tensors = {"settings": config.settings, "coarsest.settings": config.coarsest.settings}
    tensors = settings | {"first": np.zeros(3, np.uint8)} | loud(config.specs(), rng)
    return Weights(tensors, {}, "ppyr-pixelpyramids-1")


def picture(bits: int, *shape: int) -> Bytes:
    """Noise with edges, (h, w, c)."""
    rng = np.random.default_rng(3)
    found = rng.integers(0, 4, shape) + rng.choice([0, 90, 200, 252], (1, shape[1], 1))
    narrow: Bytes = np.right_shift(found, 8 - bits).astype(np.uint8)
    return narrow


class Recorder:
    """Reads the samples of batches, which are known, and keeps their mixtures."""

    def __init__(self, samples: Sequence[npt.NDArray[np.unsignedinteger]]) -> None:
        self.found: list[list[Mixture]] = []
        self._samples = iter(samples)

    def read(self, mixtures: list[Mixture]) -> list[int]:
        self.found.append(mixtures)
        return [int(sample) for sample in next(self._samples)]


def listed(mixtures: Mixtures) -> list[Mixture]:
    parts = np.stack((mixtures.weights, mixtures.means, mixtures.scales), 2, dtype=np.int64)
    return [[tuple(component) for component in one] for one in parts.tolist()]


def differ(found: list[list[Mixture]]) -> bool:
    """Whether most of the mixtures are said of one sample only, so that to compare them tells something."""
    mixtures = [str(mixture) for batch in found for mixture in batch]
    return 2 * len(set(mixtures)) > len(mixtures)


@pytest.mark.parametrize(
    ("config", "bits", "shape", "given"),
    [
        (GRAY, 8, (5, 7, 1), b""),
        (GRAY, 5, (1, 6, 1), b""),
        (COLOUR, 8, (4, 5, 3), b""),
        (COLOUR, 3, (5, 3, 1), b""),
        (LABELLED, 8, (3, 4, 1), b"\x02"),
        (LABELLED, 8, (3, 4, 1), b""),
        (CODED, 8, (3, 3, 3), b"\x01\x2f\x80"),
        (CODED, 8, (3, 3, 3), b"\xff\x2f\x80"),
    ],
)
def test_fronts(config: PixelCnnConfig, bits: int, shape: tuple[int, int, int], given: bytes) -> None:
    weights, image = pixelcnn(config), picture(bits, *shape)
    model = PixelCnn(weights, backend("reference"))
    expected, samples = [], []
    for front in model.predictor(0, bits, BYTES, given).coarsest(image, known=False):
        for channel in front.channels:
            expected.append(listed(front.distribution(channel)))
            samples.append(image[front.rows, front.columns, channel])
    recorder = Recorder(samples)
    plain = plain_pixelcnn.PixelCnn(weights.tensors)
    found = plain.decode(image[0, 0], *shape[:2], bits, plain.given(given), recorder.read)
    assert recorder.found == expected
    assert differ(expected)
    assert np.array_equal(found.transpose(1, 2, 0), image)


@pytest.mark.parametrize("config", [PYRAMID, ODD])
@pytest.mark.parametrize(
    ("bits", "shape"), [(8, (9, 10, 3)), (5, (10, 7, 1)), (8, (1, 5, 3)), (2, (3, 2, 3)), (8, (33, 2, 1))]
)
def test_levels(config: PyramidConfig, bits: int, shape: tuple[int, int, int]) -> None:
    weights, image = pyramids(config), picture(bits, *shape)
    levels = shapes(*shape[:2])
    coarse, fines = build(image, 8)
    prediction = PixelPyramids(weights, backend("reference")).predictor(len(levels), bits, BYTES, b"")
    plain = plain_pixelpyramids.PixelPyramids(weights.tensors)
    for number, (level, fine) in enumerate(zip(levels, fines, strict=True)):
        expected, samples = [], []
        for step in prediction.level(level.axis, coarse, fine):
            for channel in step.channels:
                expected.append(listed(step.distribution(channel)))
                samples.append((step.coarse + step.fine)[..., channel].ravel())
        recorder = Recorder(samples)
        distance = len(levels) - 1 - number
        found = plain.level(
            distance, coarse.transpose(2, 0, 1).astype(np.int64), *level.fine, bits, recorder.read
        )
        assert recorder.found == expected
        assert differ(expected) or not expected
        whole = fine + coarse[: level.fine[0], : level.fine[1]]
        assert np.array_equal(found.transpose(1, 2, 0), whole)
        coarse = merge(coarse, fine, level.axis, 8)
    assert np.array_equal(coarse, image)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Weights], Path]]:
    def installed(weights: Weights) -> Path:
        path = modelfile.write(weights, tmp_path, "loud")
        monkeypatch.setattr(registry, "installed", lambda: {weights.id: path})
        return path

    predictor.load.cache_clear()
    yield installed
    predictor.load.cache_clear()


@pytest.mark.parametrize(
    ("weights", "bits", "shape", "label"),
    [
        (pixelcnn(GRAY), 8, (7, 9, 1), None),
        (pixelcnn(LABELLED), 5, (6, 5, 1), 2),
        (pixelcnn(COLOUR), 8, (3, 17, 4), None),
        (pixelcnn(CODED), 8, (8, 8, 3), None),
        (pixelcnn(CODED), 7, (8, 8, 1), 1),
        (pyramids(PYRAMID), 8, (7, 17, 4), None),
        (pyramids(ODD), 6, (11, 9, 1), None),
        (pyramids(PYRAMID), 8, (4, 3, 3), None),
    ],
)
def test_files(
    weights: Weights,
    bits: int,
    shape: tuple[int, int, int],
    label: int | None,
    install: Callable[[Weights], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of several tiles where they are small, with alpha, and with all that an image can be given with."""
    monkeypatch.setattr(Picture, "plain", lambda *_: None)  # all units are coded by the model
    path, image = install(weights), picture(bits, *shape)
    model = predictor.load(weights.id)
    data = encode_changed(Picture.of(image, bits, model.tile_bits or 4), model, [], label)
    found, _ = plain_decoder.decode(data, path.read_bytes())
    assert data[20:36] == weights.id
    assert np.array_equal(found, image)


def test_what_an_image_is_given_with_is_said_in_one_way() -> None:
    model = pixelcnn(LABELLED)
    for condition in (b"\xff", b"\x03", b"\x01\x01"):
        with pytest.raises(FormatError, match="which the model does not take"):
            PixelCnn(model, backend("reference")).predictor(0, 8, BYTES, condition)
        with pytest.raises(ValueError, match=r"label|CONDITION"):
            plain_pixelcnn.PixelCnn(model.tensors).given(condition)


def test_no_file_stores_a_map() -> None:
    with pytest.raises(ModelError, match="a map of 2 channels, which no file stores"):
        check(pixelcnn(replace(GRAY, map_channels=2)).tensors)


def test_images_that_are_smaller_than_any_tile_are_no_model_of_their_own() -> None:
    with pytest.raises(ModelError, match="images of 8 pixels a side: export one for the sides of tiles"):
        check(pixelcnn(replace(GRAY, side_bits=3)).tensors)
