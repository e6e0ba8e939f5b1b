"""The files of every family keep the contract of all files, and are the same on all backends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ppyr.coding import encode_changed
from ppyr.decoding import decode
from ppyr.errors import ConfigurationError, FormatError, UnsupportedImageError
from ppyr.models import predictor, registry
from ppyr.picture import Picture

from . import some_families
from .contract import CHECKS, INTACT, Tally
from .photograph import crop
from .some_backends import HERE
from .some_files import SomeFile


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "models"
    folder.mkdir()
    some_families.install(folder, monkeypatch)
    yield
    some_families.uninstall()


def photograph(*shape: int) -> npt.NDArray[np.uint8]:
    """A crop (h, w) or (h, w, C)."""
    found = crop(*shape[:2])
    return found[..., [0, 1, 2, 0][: shape[2]]] if len(shape) == 3 else found[..., 0]


def coded(image: npt.NDArray[np.uint8], name: str, label: int | None = None, backend: str = "auto") -> bytes:
    """A file that a model codes, whatever would be smaller."""
    model = predictor.load(registry.by_name(name), backend)
    return encode_changed(Picture.of(image, tile_bits=model.tile_bits), model, [], label)


#: Model, shape of the image, label.
FILES = [
    ("classes", (5, 4), 2),
    ("classes", (5, 4), None),
    ("colours", (4, 3, 3), None),
    ("colours", (3, 4, 4), None),
    ("autoencoder", (8, 8), None),
    ("autoencoder", (8, 8), 0),
    ("pyramids", (4, 3, 3), None),
    ("pyramids", (3, 5, 2), None),
]


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize(("name", "shape", "label"), FILES)
def test_contract(
    name: str, shape: tuple[int, ...], label: int | None, check: Callable[[SomeFile], Tally]
) -> None:
    image = photograph(*shape)
    tally = check(SomeFile(coded(image, name, label), image))
    assert tally.total() > tally[INTACT] or check is CHECKS["round_trip"]


@pytest.mark.parametrize(
    ("name", "shape", "label"),
    [
        ("classes", (16, 13), 1),
        ("colours", (40, 18, 3), None),
        ("autoencoder", (8, 8), 2),
        ("pyramids", (37, 21, 3), None),
        ("pyramids", (9, 40, 1), None),
    ],
)
def test_files_are_the_same_on_all_backends(name: str, shape: tuple[int, ...], label: int | None) -> None:
    image = photograph(*shape)
    data = coded(image, name, label, "reference")
    for backend in ("reference", *HERE):
        assert coded(image, name, label, backend) == data
        assert np.array_equal(decode(data, backend=backend).squeeze(), image.squeeze())


@pytest.mark.parametrize(
    ("name", "label", "message"),
    [
        ("classes", 3, "no label 3: give one that it has, 0 to 2"),
        ("colours", 0, "no label 0: give one that it has, none"),
        ("pyramids", 0, "label"),
        ("stages", 0, "takes no label"),
    ],
)
def test_labels_that_a_model_has_not(name: str, label: int, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        coded(photograph(4, 4), name, label)


def test_an_encoder_takes_images_of_its_size() -> None:
    with pytest.raises(UnsupportedImageError, match="takes images of 8 x 8 pixels"):
        coded(photograph(8, 7), "autoencoder")


@pytest.mark.parametrize("name", ["classes", "colours", "pyramids"])
def test_wide_samples_are_refused(name: str) -> None:
    with pytest.raises(UnsupportedImageError, match="at most 8 bits"):
        coded((photograph(4, 4).astype(np.uint16) * 257), name)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("classes", b"\x03"),
        ("classes", b"\x01\x01"),
        ("colours", b"\x00"),
        ("autoencoder", b"\x00\x00"),
        ("autoencoder", b"\x03\x00\x00"),
        ("pyramids", b"\x00"),
    ],
)
def test_conditions_that_a_model_does_not_give(name: str, condition: bytes) -> None:
    from ppyr.models.depth import BYTES

    with pytest.raises(FormatError):
        predictor.load(registry.by_name(name)).predictor(0, 8, BYTES, condition)
