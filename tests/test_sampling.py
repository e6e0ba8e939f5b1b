"""Images that models draw, and files that they complete."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import ppyr
from ppyr.bitstream.mixtures import Mixtures, frequencies
from ppyr.bitstream.tables import TableSet
from ppyr.cli import main
from ppyr.coding import encode_changed
from ppyr.errors import ConfigurationError, UnsupportedImageError
from ppyr.models import predictor, registry
from ppyr.picture import Picture
from ppyr.sampling import Sampler, complete, sample

from . import some_families
from .photograph import crop


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "models"
    folder.mkdir()
    some_families.install(folder, monkeypatch)
    yield
    some_families.uninstall()


def drawn(seed: int, temperature: float, mixture: Mixtures) -> npt.NDArray[np.uint8]:
    values = np.zeros((1, len(mixture.weights)), np.uint8)
    sampler = Sampler(TableSet(np.empty((0, 256), np.uint32)), np.random.default_rng(seed), temperature)
    sampler.code(values, np.zeros_like(values), mixture)
    return values.ravel()


def coded(image: npt.NDArray[np.generic], name: str) -> bytes:
    """A file that a model codes, whatever would be smaller."""
    model = predictor.load(registry.by_name(name))
    return encode_changed(Picture.of(image, tile_bits=model.tile_bits), model, [])


def test_samples_are_as_frequent_as_a_mixture_says() -> None:
    count = 20000
    one = Mixtures(
        np.full((count, 2), (4096, 2048), np.uint16),
        np.full((count, 2), (3 << 6, 12 << 6), np.int32),
        np.full((count, 2), (12, 18), np.uint8),
        4,
    )
    expected = frequencies(one.part(slice(1)))[0] / 2**24
    found = np.bincount(drawn(1, 1.0, one), minlength=16) / count
    assert np.abs(found - expected).max() < 5 * np.sqrt(0.25 / count)
    assert set(drawn(1, 0.0, one)) == {int(expected.argmax())}
    assert drawn(1, 0.5, one).std() < drawn(1, 1.0, one).std() < drawn(1, 2.0, one).std()


@pytest.mark.parametrize(
    ("name", "shape"),
    [("classes", (9, 7, 1)), ("colours", (9, 7, 3)), ("pyramids", (9, 7, 3)), ("stages", (9, 7, 3))],
)
def test_a_seed_gives_an_image(name: str, shape: tuple[int, int, int]) -> None:
    first = sample(name, *shape, seed=4)
    assert first.shape == (shape if shape[2] > 1 else shape[:2])
    assert np.array_equal(first, sample(name, *shape, seed=4, backend="reference"))
    assert not np.array_equal(first, sample(name, *shape, seed=5))


def test_samples_have_the_bits_that_are_asked_for() -> None:
    assert sample("colours", 12, 12, bits=3, seed=1).max() < 8


def test_a_label_changes_what_is_drawn() -> None:
    draws = [sample("classes", 12, 12, 1, label=label, seed=1) for label in (None, 0, 1, 2)]
    assert len({draw.tobytes() for draw in draws}) == 4


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["pyramids", "stages"])
def test_a_file_is_completed_from_what_it_keeps(name: str, channels: int) -> None:
    image = crop(70, 45)[..., [0, 1, 2, 0][:channels]]
    image = image[..., 0] if channels == 1 else image
    data = coded(image, name)
    found = complete(data, 2, seed=3)
    assert np.array_equal(found[::4, ::4], image[::4, ::4])
    assert not np.array_equal(found, image)
    assert np.array_equal(found, complete(data[: len(data) - 1], 2, seed=3))


def test_levels_that_are_coded_as_a_whole_are_not_completed() -> None:
    with pytest.raises(ConfigurationError, match="codes the coarsest image as a whole"):
        complete(coded(crop(12, 12), "colours"), 1)


def test_wide_samples_are_not_completed() -> None:
    wide = crop(20, 20).astype(np.uint16) * 257
    with pytest.raises(UnsupportedImageError, match="more than 8 bits"):
        complete(coded(wide, "stages"), 1)


def test_files_without_a_model_are_not_completed() -> None:
    with pytest.raises(UnsupportedImageError, match="no part of the file is coded by a model"):
        complete(ppyr.encode(np.zeros((8, 8), np.uint8), model="stages"), 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 17}, "17 columns: 1 to 16"),
        ({"height": 0}, "0 rows"),
        ({"channels": 2}, "2 channels"),
        ({"bits": 9}, "9 bits"),
        ({"label": 3}, "no label 3: give one that it has, 0 to 2"),
        ({"temperature": -1.0}, "temperature of -1"),
    ],
)
def test_what_can_not_be_drawn_is_an_error(arguments: dict[str, float], message: str) -> None:
    given = {"height": 8, "width": 8, "channels": 1} | arguments
    with pytest.raises(ConfigurationError, match=message):
        sample("classes", **given)  # type: ignore[arg-type]


def test_the_command_says_what_it_drew(tmp_path: Path) -> None:
    out = tmp_path / "drawn.png"
    draw = ["sample", "-q", "--model", "classes", "--gray", "--size", "7x5", "--label", "1", "-o", str(out)]
    assert main([*draw, "--seed", "6", "-n", "2"]) == 0
    first, second = (Image.open(tmp_path / f"drawn-{number}.png") for number in (1, 2))
    assert first.size == (7, 5)
    assert first.text["Comment"] == "ppyr drew this image from the model classes: seed 6, temperature 1"  # type: ignore[attr-defined]
    assert np.array_equal(np.asarray(second), sample("classes", 5, 7, 1, label=1, seed=7))


def test_the_command_completes_a_file(tmp_path: Path) -> None:
    image, path, out = crop(40, 30), tmp_path / "a.ppyr", tmp_path / "a.png"
    path.write_bytes(coded(image, "pyramids"))
    assert main(["sample", "-q", str(path), "--level", "2", "-o", str(out)]) == 0
    found = Image.open(BytesIO(out.read_bytes()))
    assert np.array_equal(np.asarray(found)[::4, ::4], image[::4, ::4])
    assert "invented" in found.text["Comment"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "arguments", [[], ["--level", "1"], ["a.ppyr"], ["a.ppyr", "--level", "1", "--model", "classes"]]
)
def test_arguments_that_make_no_sense(arguments: list[str]) -> None:
    assert main(["sample", "-o", "out.png", *arguments]) == 2


def test_what_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "drawn.png"
    out.write_bytes(b"mine")
    assert main(["sample", "--model", "classes", "--gray", "--size", "4x4", "-o", str(out)]) == 1
    assert out.read_bytes() == b"mine"
    assert "--force" in capsys.readouterr().err
