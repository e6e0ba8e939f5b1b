"""Pages of pictures, times of drawing, and the tables of the families, on tiny models."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import drawings, familytables, sampling
from benchmarks.drawings import Page, Row, completion, crops, digits, enlarged, page
from ppyr.errors import ModelError
from ppyr.imagefile import write_image
from ppyr.models import predictor, registry
from ppyr.models.pixelcnn.network import PixelCnnConfig
from ppyr.models.pixelpyramids.network import LevelConfig
from ppyr.sampling import sample

from . import some_families
from .photograph import crop


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "models"
    folder.mkdir()
    some_families.install(folder, monkeypatch)
    yield
    some_families.uninstall()


def has(found: np.ndarray, picture: np.ndarray) -> bool:
    """Whether a page has a picture somewhere."""
    colours = np.broadcast_to(picture if picture.ndim == 3 else picture[..., None], (*picture.shape[:2], 3))
    windows = np.lib.stride_tricks.sliding_window_view(found, colours.shape)
    return bool((windows == colours).all((3, 4, 5)).any())


def test_a_page_has_all_pictures_and_titles() -> None:
    pictures = [np.full((20, 30, 3), value, np.uint8) for value in (10, 20, 30)]
    pictures[0][3, 4] = 200
    bare = page([Row("", pictures), Row("", pictures[:2])])
    assert bare.shape == (4 + 2 * 24, 8 + 3 * 34, 3)
    assert all(has(bare, picture) for picture in pictures)
    assert (bare[28:48, -34:] == 255).all()
    titled = page([Row("title", pictures), Row("", pictures[:2])], ["head"])
    assert titled.shape[0] > bare.shape[0]
    assert titled.shape[1] > bare.shape[1]
    assert titled[:18].min() < 128 > titled[18:30, :20].min()


def test_digits_are_those_of_their_labels() -> None:
    found = digits("classes", range(3), 8, 2)
    assert found.shape[0] == 4 + 3 * 20
    for label in range(3):
        for number in range(2):
            drawn = sample("classes", 8, 8, 1, label=label, seed=2 * label + number)
            assert has(found, enlarged(drawn, 2))


def test_completed_photographs_keep_what_they_keep() -> None:
    photograph = crop(22, 36)
    found = completion([photograph], ("pyramids", "stages"), (2, 1))
    assert has(found, photograph)
    assert has(found, enlarged(photograph[::4, ::4], 4)[:22, :36])
    assert found.shape[0] == 18 + 3 * 26
    left = found.shape[1] - 3 * 40
    for top in (18 + 26, 18 + 2 * 26):
        completed = found[top : top + 22, left : left + 36]
        assert np.array_equal(completed[::4, ::4], photograph[::4, ::4])
        assert not np.array_equal(completed, photograph)


def test_crops_are_shown_at_one_size() -> None:
    found = crops({"colours": 8, "pyramids": 16}, 2, 3)
    assert found.shape[0] == 4 + 4 * 20
    assert has(found, enlarged(sample("colours", 8, 8, seed=5), 2))
    assert has(found, sample("pyramids", 16, 16, seed=0))


def test_pages_are_written_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(crop(70, 140), tmp_path / "a.png")
    monkeypatch.setattr(drawings, "DOCS", tmp_path)
    monkeypatch.setattr(drawings, "RESULT", tmp_path / "drawings.json")
    pages = {
        "one.png": Page("One", ("classes",), lambda _: digits("classes", range(1), 8, 1)),
        "two.png": Page("Two", ("colours",), lambda folder: drawings.reduced(folder / "a.png")),
    }
    monkeypatch.setattr(drawings, "PAGES", pages)
    for name in pages:
        monkeypatch.setattr(sys, "argv", ["drawings", str(tmp_path), "--pages", name])
        drawings.main()
    capsys.readouterr()
    with Image.open(tmp_path / "two.png") as image:
        assert image.size == (20, 10)
    text = familytables.drawings(tmp_path)
    assert f"![One](one.png)\n\nOne (`classes` {registry.by_name('classes').hex()[:8]}).\n" in text
    assert "![Two](two.png)" in text


def test_drawing_is_timed_and_plotted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sampling, "RESULT", tmp_path / "sampling.json")
    words = ["--models", "pyramids", "colours", "--sides", "8", "16", "32"]
    monkeypatch.setattr(sys, "argv", ["sampling", *words])
    sampling.main()
    capsys.readouterr()
    found = json.loads((tmp_path / "sampling.json").read_text("utf-8"))["models"]
    sides = {name: [one["side"] for one in model["sizes"]] for name, model in found.items()}
    assert sides == {"pyramids": [8, 16, 32], "colours": [8, 16]}
    plot = tmp_path / "plot.svg"
    monkeypatch.setattr(sys, "argv", ["sampling", "--draw", str(plot)])
    sampling.main()
    assert "pyramids" in plot.read_text("utf-8")
    assert familytables.sampling(tmp_path).count("\n| `") == 5


@pytest.mark.parametrize("name", ["pyramids", "colours"])
def test_steps_are_evaluations(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def count(config: type, evaluation: str) -> None:
        original = getattr(config, evaluation)

        def counted(*args: object) -> object:
            done.append(args)
            return original(*args)

        monkeypatch.setattr(config, evaluation, counted)

    count(LevelConfig, "say")
    count(PixelCnnConfig, "evaluate")
    sample(name, 11, 11, backend="reference")
    assert len(done) == sampling.steps(predictor.load(registry.by_name(name)), 11)


def test_other_models_have_no_known_steps() -> None:
    with pytest.raises(ModelError, match="no family with known steps"):
        sampling.steps(predictor.load(registry.by_name("stages")), 8)


def test_tables_of_likelihood_have_all_rows(tmp_path: Path) -> None:
    whole = {
        "model": "pixelcnn-32",
        "set": "32",
        "bits": 8,
        "labelled": False,
        "images": 4,
        "float": 4.0,
        "integer": 4.04,
        "real": 4.0804,
        "streams": 4.2,
        "files": 5.0,
        "shared_tables": 1.25,
        "training_steps": 5000,
        "training_seconds": 120.0,
        "parameters": 1234,
        "macs_per_pixel": 999.5,
        "steps": 253,
        "encode_seconds": 0.5,
        "decode_seconds": 0.25,
        "sample_seconds": 1.0,
    }
    kinds = ("images", "integer", "real", "streams", "files", "encode_seconds", "decode_seconds")
    other = {key: whole[key] for key in kinds}
    rows = [
        whole | {"model": "pixelcnn-mnist", "set": "mnist", "labelled": True, "training_seconds": 60.0},
        whole | {"model": "pixelcnn-mnist", "set": "mnist", "training_seconds": 60.0},
        whole,
        other | {"model": "default", "set": "kodak", "bits": 8, "labelled": False},
    ]
    versions = dict.fromkeys(("python", "torch", "numpy", "numba"), "1")
    result = {"rows": rows, "versions": versions, "cpu": "CPU"}
    (tmp_path / "likelihood.json").write_text(json.dumps(result), "utf-8")
    _, _, given, left_out, colours, last, *_ = familytables.likelihood(tmp_path).splitlines()
    assert given.startswith("| `pixelcnn-mnist` | mnist, 8 bits | given | 4 | 4.0000 | 4.0400 | 4.0804 |")
    assert left_out.startswith("| `pixelcnn-mnist` | mnist, 8 bits | left out |")
    assert colours.endswith("| 4.2000 | 5.0000 | +1.00 % | +1.00 % |")
    assert last.startswith("| `default` | kodak, 8 bits |  | 4 |  | 4.0400 |")
    _, _, *costs = familytables.costs(tmp_path).splitlines()
    assert [cost.split(" | ")[5] for cost in costs] == ["1", "2"]
    assert costs[1].endswith("| 500 | 250 | 1,000 | 253 | +25.00 % |")
    ours = familytables.papers(tmp_path).splitlines()[-1]
    assert ours.startswith("| `pixelcnn-32` | crops of 32, 8 bits | 4.00 | 1,234 | 5,000 steps, 2 minutes ")
