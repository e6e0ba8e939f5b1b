from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import load_digits

from benchmarks import datasets
from benchmarks.datasets import (
    PARTS,
    PHOTOGRAPHS_SPLIT,
    Part,
    crops,
    digest,
    digits,
    mnist,
    part_of,
    photographs,
    random_crops,
)
from benchmarks.tables import RESULTS
from benchmarks.tables import datasets as datasets_table
from ppyr.errors import UnsupportedImageError
from ppyr.imagefile import write_image

NAMES = [f"{number:03}.png" for number in range(100)]
HEIGHT, WIDTH = 70, 97


def photograph(name: str, height: int = HEIGHT, width: int = WIDTH) -> npt.NDArray[np.uint8]:
    """Noise that the name alone decides on."""
    return np.random.default_rng(list(name.encode())).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        write_image(photograph(name), tmp_path / name)
    return tmp_path


def write_mnist(folder: Path) -> npt.NDArray[np.uint8]:
    images = np.random.default_rng(0).integers(0, 256, (10000, 28, 28), np.uint8)
    np.savez(folder / "t10k.npz", images=images, labels=(np.arange(10000) % 10).astype(np.uint8))
    return images


def cut_from(
    photograph: npt.NDArray[np.uint8], crop: npt.NDArray[np.uint8], bits: int
) -> list[tuple[int, int]]:
    """Places of a photograph where this crop comes from."""
    side = len(crop)
    windows = np.lib.stride_tricks.sliding_window_view(photograph >> (8 - bits), (side, side, 3))[:, :, 0]
    return [(int(y), int(x)) for y, x in np.argwhere((windows == crop).all((2, 3, 4)))]


def test_names_decide_on_parts() -> None:
    assert sorted(number for numbers in PHOTOGRAPHS_SPLIT.values() for number in numbers) == list(range(100))
    for name in NAMES:
        assert int(hashlib.sha256(name.encode()).hexdigest(), 16) % 100 in PHOTOGRAPHS_SPLIT[part_of(name)]


def test_every_photograph_is_in_one_part(folder: Path) -> None:
    found = [digest([image]) for part in PARTS for image in photographs(folder, part)]
    assert sorted(found) == sorted(digest([photograph(name)]) for name in NAMES)


@pytest.mark.parametrize("part", PARTS)
def test_folders_inside_change_nothing(folder: Path, part: Part) -> None:
    before = digest(photographs(folder, part))
    for number, name in enumerate(NAMES):
        inside = folder / str(-number % 3)
        inside.mkdir(exist_ok=True)
        (folder / name).rename(inside / name)
    assert digest(photographs(folder, part)) == before


@pytest.mark.parametrize("most", [1000, 7])
def test_crops_are_evenly_taken_from_a_grid(folder: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setitem(datasets.MOST_CROPS, 32, most)
    grid = [
        photograph(name)[y : y + 32, x : x + 32]
        for name in NAMES
        if part_of(name) == "train"
        for y in (0, 32)
        for x in (0, 32, 64)
    ]
    expected = grid if most > len(grid) else [grid[len(grid) * number // most] for number in range(most)]
    found = crops(folder, 32, 8, "train")
    np.testing.assert_array_equal(found.images, np.stack(expected), strict=True)
    assert found.labels is None


def test_five_bits_are_the_upper_ones(folder: Path) -> None:
    wide, narrow = (crops(folder, 64, bits, "train") for bits in (8, 5))
    assert (wide.bits, narrow.bits) == (8, 5)
    np.testing.assert_array_equal(narrow.images, wide.images // 8, strict=True)


@pytest.mark.parametrize("bits", [8, 5])
def test_random_crops_are_pieces_of_photographs(bits: int) -> None:
    sources = [photograph(name) for name in NAMES[:3]]
    found, again, other = (
        random_crops(sources, 32, 40, np.random.default_rng(seed), bits) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(found, again, strict=True)
    assert not np.array_equal(found, other)
    places, mirrored = (
        [
            (number, *place)
            for crop in images
            for number, source in enumerate(sources)
            for place in cut_from(source, crop, bits)
        ]
        for images in (found, found[:, :, ::-1])
    )
    assert len(places) + len(mirrored) == len(found) == len({*places, *mirrored})
    assert min(len(places), len(mirrored)) >= 10
    assert {number for number, *_ in places} == {0, 1, 2}


def test_random_crops_reach_the_edges() -> None:
    whole = photograph("a", 32, 33)
    found = random_crops([whole], 32, 20, np.random.default_rng(0), 8)
    assert {place for crop in found for place in cut_from(whole, crop, 8)} == {(0, 0), (0, 1)}


def test_what_can_not_be_cut_is_refused(folder: Path) -> None:
    with pytest.raises(UnsupportedImageError, match="smaller than crops of 71"):
        random_crops([photograph("a")], 71, 1, np.random.default_rng(0), 8)
    with pytest.raises(UnsupportedImageError, match="128 pixels a side: add larger"):
        crops(folder, 128, 8, "test")
    for name in NAMES:
        if part_of(name) == "test":
            (folder / name).unlink()
    with pytest.raises(UnsupportedImageError, match="no photograph for the part test"):
        photographs(folder, "test")
    gray = next(name for name in NAMES if part_of(name) == "train")
    write_image(photograph(gray)[..., 0], folder / gray, force=True)
    with pytest.raises(UnsupportedImageError, match="no RGB image of 8 bits"):
        photographs(folder, "train")


def test_mnist_is_cut_in_order(tmp_path: Path) -> None:
    images = write_mnist(tmp_path)
    parts = [mnist(tmp_path, part) for part in PARTS]
    np.testing.assert_array_equal(np.concatenate([part.images for part in parts]), images, strict=True)
    assert [len(part.images) for part in parts] == [8000, 1000, 1000]
    for part in parts:
        assert part.labels is not None
        np.testing.assert_array_equal(part.labels, np.arange(len(part.images)) % 10, strict=True)


def test_another_file_than_mnist_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "t10k.npz", images=np.zeros((9, 28, 28), np.uint8), labels=np.zeros(9, np.uint8))
    with pytest.raises(UnsupportedImageError, match="not the test set of MNIST"):
        mnist(tmp_path, "test")


def test_digits_are_cut_in_order() -> None:
    parts = [digits(part) for part in PARTS]
    images, whole = np.concatenate([part.images for part in parts]), load_digits()
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, whole.images)
    labels = [part.labels for part in parts if part.labels is not None]
    np.testing.assert_array_equal(np.concatenate(labels), whole.target, strict=True)
    assert {part.bits for part in parts} == {5}


@pytest.mark.parametrize("part", PARTS)
def test_digits_are_those_that_were_published(part: Part) -> None:
    published = json.loads((RESULTS / "datasets.json").read_text("utf-8"))["sets"]["digits"]
    assert datasets.described(digits(part).images, 5) == published[part]


def test_sets_are_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, stored = tmp_path / "data", tmp_path / "datasets.json"
    for name in ("mnist", "train"):
        (data / name).mkdir(parents=True)
    write_mnist(data / "mnist")
    for part in PARTS:
        name = next(name for name in NAMES if part_of(name) == part)
        write_image(photograph(name, 128, 256), data / "train" / name)
    monkeypatch.setattr(sys, "argv", ["datasets", str(data), "--json", str(stored)])
    datasets.main()
    capsys.readouterr()
    sets = json.loads(stored.read_text("utf-8"))["sets"]
    assert sets["crops of 128, 5 bits"]["test"] == {
        "images": 2,
        "shape": [128, 128, 3],
        "bits": 5,
        "samples": 98304,
        "sha256": digest(crops(data / "train", 128, 5, "test").images),
    }
    digests = [part["sha256"] for one in sets.values() for part in one.values()]
    assert len(set(digests)) == len(digests) == 27
    table = datasets_table(tmp_path)
    assert all(table.count(f"`{one[:16]}`") == 1 for one in digests)
    assert "| crops of 128, 5 bits | test | 2 | 128 x 128 x 3 | 5 | 98,304 |" in table
