"""FORMAT.md suffices: a decoder written from it alone reads what ppyr writes, and the example it shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import ppyr
from ppyr.coding import encode_changed
from ppyr.metadata import with_metadata
from ppyr.models import modelfile, predictor, registry
from ppyr.models.weights import Weights
from ppyr.picture import Picture
from tests import format_example, plain_decoder
from tests.photograph import crop
from tests.some_metadata import FULL

TEXT = format_example.DOCUMENT.read_text(encoding="utf-8")


def plain_decode(data: bytes) -> npt.NDArray[np.uint8]:
    """The image (height, width, channels)."""
    model_id = data[20:36] if any(data[20:36]) else registry.by_name("fast")
    return plain_decoder.decode(data, registry.by_id(model_id).read_bytes())[0]


def coded(image: npt.NDArray[np.uint8], model: str = "default") -> bytes:
    """A file whose units are all coded by the model."""
    return encode_changed(Picture.of(image), predictor.load(registry.by_name(model)), [])


def noise(channels: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(5).choice(np.array([0, 1, 128, 254, 255], np.uint8), (11, 14, channels))


@pytest.mark.parametrize("gray", [False, True], ids=["rgb", "gray"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 2), (1, 7), (5, 1), (3, 3), (13, 9), (22, 17)])
def test_photographs(shape: tuple[int, int], gray: bool) -> None:
    image = crop(*shape, gray=gray)
    decoded = plain_decode(coded(image))
    assert np.array_equal(decoded, image.reshape(decoded.shape))


@pytest.mark.parametrize("model", ["fast", "default", "max"])
@pytest.mark.parametrize("channels", [1, 3])
def test_noise(channels: int, model: str) -> None:
    """Means and scales that no photograph gives."""
    image = noise(channels)
    assert np.array_equal(plain_decode(coded(image, model)), image)


@pytest.fixture
def loud_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A random model whose outputs reach every clamp, with fewer blocks here and there."""
    rng = np.random.default_rng(3)
    tensors = dict(modelfile.read(registry.by_id(registry.by_name("default"))).tensors)
    for name, tensor in tensors.items():
        if name.endswith(".weight"):
            most = 300 if tensor.shape[-1] == 1 else 64
            tensors[name] = rng.integers(-most, most + 1, tensor.shape).astype(tensor.dtype)
        elif name.endswith(".spread"):
            tensors[name] = rng.integers(-128, 128, tensor.shape, np.int8)
        elif name.endswith(".bias"):
            tensors[name] = rng.integers(-(2**18), 2**18, tensor.shape, np.int32)
        elif name.endswith(".shift"):
            tensors[name] = rng.integers(*((-4, 17) if ".head." in name else (6, 12)), tensor.shape, np.int8)
    shallow = {
        name: t for name, t in tensors.items() if not name.startswith(("next.trunk.", "rest.phase.10."))
    }
    model = Weights(shallow, {})
    path = modelfile.write(model, tmp_path, "loud")
    monkeypatch.setattr(registry, "installed", lambda: {model.id: path})
    return "loud"


@pytest.mark.parametrize("channels", [1, 3])
def test_any_model(channels: int, loud_model: str) -> None:
    image = noise(channels)
    assert np.array_equal(plain_decode(coded(image, loud_model)), image)


def test_example_is_up_to_date() -> None:
    assert format_example.rewritten(TEXT) == TEXT, "run python -m tests.format_example"


def test_example_decodes() -> None:
    data, image = format_example.dump(TEXT), format_example.image(TEXT)
    assert np.array_equal(ppyr.decode(data), image)
    assert np.array_equal(plain_decode(data)[..., 0], image)
    assert coded(image) == data


def test_metadata_change_no_pixel() -> None:
    image = crop(5, 4)
    data = with_metadata(coded(image), FULL)
    assert np.array_equal(plain_decode(data), image)
    doubled = bytearray(data)
    start = data.index(b"\x12\x01\x06")  # ORIENTATION, 7 bytes with its CRC32
    doubled[start:start] = data[start : start + 7]
    with pytest.raises(ValueError, match="the order of metadata"):
        plain_decode(bytes(doubled))


def test_another_model_is_refused() -> None:
    data = coded(crop(2, 2))
    model = bytearray(registry.by_id(data[20:36]).read_bytes())
    model[len(model) // 2] ^= 1
    with pytest.raises(ValueError, match="model id"):
        plain_decoder.decode(data, bytes(model))


def test_a_file_of_a_composed_model_is_as_the_document_says(tmp_path: Path) -> None:
    model = modelfile.read(registry.by_id(registry.by_name("fast3")))
    image = crop(21, 26)
    whole = modelfile.write(model, tmp_path, "fast3").read_bytes()
    found, _ = plain_decoder.decode(coded(image, "fast3"), whole)
    assert np.array_equal(found, image)
