"""Collections: a model adapted to many images, beside their files or embedded in them; folders of models."""

from __future__ import annotations

import shutil
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ppyr
from ppyr import mappings
from ppyr.bitstream.container import unpack
from ppyr.cli import main
from ppyr.coding import encode_changed
from ppyr.collection import adapt
from ppyr.errors import FormatError, ModelError, UnknownModelError
from ppyr.models import adaptation, modelfile, predictor, registry
from ppyr.models.modelfile import INGREDIENTS, Recipe
from ppyr.models.search import Search
from ppyr.picture import Picture

from .photograph import squares
from .random_model import random_weights

SEARCH = Search(30, all_layers=True)


IMAGES = [squares(*size, seed) for seed, size in enumerate([(90, 100), (128, 60), (3, 50), (77, 140)])]


@pytest.fixture(autouse=True)
def few_pixels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Small images are enough, no LZMA, and what a test adds to the models is forgotten."""
    monkeypatch.setattr(adaptation, "LEAST_PIXELS", 1 << 10)
    monkeypatch.setattr(mappings, "REPETITION", 2)
    monkeypatch.setattr(registry, "_added", [])
    registry.installed.cache_clear()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    registry.installed.cache_clear()


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model `mine`, which is `fast` adapted to the images."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adaptation, "LEAST_PIXELS", 1 << 10)
        patch.setattr(mappings, "REPETITION", 2)
        patch.setattr(registry, "_added", [])
        found = adapt(IMAGES, "fast", SEARCH)
        assert found.images == len(IMAGES)
        assert found.after + len(found.recipe.changes) < found.before
        assert found.before == level_bytes("fast")
        assert found.recipe.provenance == {"images": len(IMAGES), "steps": SEARCH.steps, "seed": 0}
        found.recipe.write(folder, "mine")
        registry.add(folder)
        assert found.after == level_bytes("mine")
    registry.installed.cache_clear()
    return folder


def level_bytes(model: str) -> int:
    """Bytes of the levels of all images under a model."""
    chosen = predictor.load(registry.by_name(model))
    files = [unpack(encode_changed(Picture.of(image), chosen, [])) for image in IMAGES]
    return sum(len(stream) for file in files for level in file.levels for stream in level)


def test_files_need_the_adapted_model_unless_it_is_embedded(adapted: Path) -> None:
    registry.add(adapted)
    beside, embedded = (ppyr.encode(IMAGES[0], model="mine", embed_model=embed) for embed in (False, True))
    changes = modelfile.read_recipe(next(adapted.iterdir())).changes
    assert ppyr.info(beside).changes == 0
    assert unpack(embedded).changes == changes
    assert unpack(embedded).levels == unpack(beside).levels
    assert ppyr.info(beside).model == "mine"
    assert ppyr.info(embedded).model == "fast"
    for data in (beside, embedded):
        assert np.array_equal(ppyr.decode(data), IMAGES[0])
    registry._added.clear()
    registry.installed.cache_clear()
    assert np.array_equal(ppyr.decode(embedded), IMAGES[0])
    with pytest.raises(UnknownModelError, match="no model 'mine'"):
        registry.by_name("mine")
    with pytest.raises(UnknownModelError, match="give its file"):
        registry.by_id(unpack(beside).header.model_id)


def test_a_model_that_was_not_adapted_is_embedded_as_itself() -> None:
    assert ppyr.encode(IMAGES[2], model="fast3", embed_model=True) == ppyr.encode(IMAGES[2], model="fast3")


def test_the_environment_names_folders_of_models(adapted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.VARIABLE, f"/nowhere:{adapted}")
    registry.installed.cache_clear()
    assert registry.by_id(registry.by_name("mine")).parent == adapted


def test_a_model_is_named_by_its_id_where_names_are_not_enough(tmp_path: Path) -> None:
    models = [random_weights(seed) for seed in (1, 2)]
    for model in models:
        modelfile.write(model, tmp_path, "twin")
    registry.add(tmp_path)
    with pytest.raises(UnknownModelError, match="several") as caught:
        registry.by_name("twin")
    for model in models:
        assert model.id.hex() in str(caught.value)
        assert registry.by_name(model.id.hex()) == model.id


def test_what_is_no_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--models", str(tmp_path / "none"), "x.ppyr"]) == 1
    assert "no model file or folder of models" in capsys.readouterr().err


def test_a_recipe_keeps_the_networks_of_the_recipe_that_was_adapted() -> None:
    found = adapt([IMAGES[0]], "fast2", Search(2, all_layers=True)).recipe
    path = registry.by_id(registry.by_name("fast2"))
    assert found.sources == modelfile.read_recipe(path).sources
    assert found.unchanged(path.parent).id == registry.by_name("fast2")


def test_an_adapted_model_is_not_adapted_again(adapted: Path) -> None:
    registry.add(adapted)
    with pytest.raises(ModelError, match="adapted already"):
        adapt(IMAGES, "mine", SEARCH)


def test_changes_that_do_not_pay_are_left_out() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    found = adapt([noise], "fast", Search(1, all_layers=True))
    assert found.recipe.changes == b""
    assert found.after == found.before


def test_a_recipe_with_damaged_changes_is_refused(adapted: Path, tmp_path: Path) -> None:
    path = next(adapted.iterdir())
    copy = Path(shutil.copy(path, tmp_path))
    recipe = modelfile.read_recipe(path)
    for changes, error in ((recipe.changes[:-4], FormatError), (b"", ModelError)):
        written = replace(recipe, changes=changes)
        text = copy.read_text("utf-8")
        copy.write_text(text.replace(encoded(recipe), encoded(written)), "utf-8")
        with pytest.raises(error):
            modelfile.read(copy)
        copy.write_text(text, "utf-8")
    copy.write_text(copy.read_text("utf-8").replace('"changes": "', '"changes": "%'), "utf-8")
    with pytest.raises(ModelError, match="no complete recipe"):
        modelfile.read(copy)


def encoded(recipe: Recipe) -> str:
    return b64encode(recipe.changes).decode()


def test_a_recipe_of_recipes_is_refused(tmp_path: Path) -> None:
    sources = dict.fromkeys(INGREDIENTS, registry.by_name("fast2"))
    with pytest.raises(ModelError, match="is a recipe"):
        Recipe(sources).write(tmp_path, "twice")


def test_the_command_adapts_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures, models = tmp_path / "pictures", tmp_path / "models"
    pictures.mkdir()
    for number, image in enumerate(IMAGES):
        Image.fromarray(image).save(pictures / f"{number}.png")
    models.mkdir()
    options = ["--adapt", "--from", "fast", "--steps", "20"]
    assert main(["train", str(pictures), "-o", str(models / "ours.json"), *options]) == 0
    assert "bytes each where it is embedded" in capsys.readouterr().err
    packed = str(tmp_path / "0.ppyr")
    use = ["--models", str(models), "--model", "ours"]
    assert main(["compress", "-q", *use, str(pictures / "0.png"), "-o", packed]) == 0
    assert main(["verify", "-q", "--models", str(models), packed]) == 0
    assert main(["compress", "-q", "-f", *use, "--embed-model", str(pictures / "0.png"), "-o", packed]) == 0
    registry._added.clear()
    registry.installed.cache_clear()
    assert main(["verify", "-q", packed]) == 0


@pytest.mark.parametrize(
    "options",
    [["x", "--adapt"], ["x.safetensors", "--adapt"], ["x.json"], ["x.json", "--adapt", "--graphics", "x"]],
    ids=["no file", "tuned and adapted", "no adapting", "graphics"],
)
def test_options_that_do_not_go_together(options: list[str], tmp_path: Path) -> None:
    assert main(["train", str(tmp_path), "--output", *options]) == 2
