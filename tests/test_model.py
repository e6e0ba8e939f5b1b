"""Model files, the rules that the installed model keeps, the grid of tables, the steps."""

from __future__ import annotations

import json
import shutil
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save

from benchmarks.family_models import RECIPES
from ppyr.bitstream.tables import TableSet
from ppyr.effort import EFFORTS
from ppyr.errors import ModelError, UnknownModelError
from ppyr.geometry import shapes
from ppyr.models import modelfile, predictor, registry, weights
from ppyr.models.backends import backend
from ppyr.models.grid import TableGrid, locate
from ppyr.models.modelfile import Recipe
from ppyr.models.pixelcnn.model import PixelCnn
from ppyr.models.pixelpyramids.coding import PixelPyramids
from ppyr.models.predictor import Model, Predictor, layer_rules
from ppyr.models.steps import SUBLATTICE, evaluations, steps
from ppyr.models.weights import Weights
from ppyr.pyramid import build, merge

from .photograph import crop
from .random_model import random_weights
from .some_backends import HERE

#: The shipped models, and the least and most multiplications that each may have for a pixel.
MACS = {
    "fast": (20_000, 25_000),
    "medium": (30_000, 50_000),
    "default": (56_000, 70_000),
    "graphics": (56_000, 70_000),
    "max": (125_000, 250_000),
}
PATHS = {name: registry.by_id(registry.by_name(name)) for name in MACS}
SHIPPED = {name: modelfile.read(path) for name, path in PATHS.items()}
RANDOM = random_weights()
MODELS = {**SHIPPED, "random": RANDOM}
PATH, DEFAULT = PATHS["default"], SHIPPED["default"]


def layer_names(model: Weights) -> list[str]:
    return [name.removesuffix(".weight") for name in model.tensors if name.endswith(".weight")]


def predictions(
    model: Model, image: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]:
    """Centres and table numbers of all coded samples of an image (H, W, C), one after the other."""
    levels = shapes(*image.shape[:2])
    coarse, fines = build(image, 8)
    walk = Predictor(model, len(levels))
    centres, tables = [], []
    for level, fine in zip(levels, fines, strict=True):
        for step in walk.level(level.axis, coarse, fine):
            for channel in step.channels:
                found = step.distribution(channel)
                centres.append(found.centres.ravel().astype(np.uint8))
                tables.append(found.tables.ravel())
        coarse = merge(coarse, fine, level.axis, 8)
    return np.concatenate(centres), np.concatenate(tables)


def test_the_work_for_each_pixel() -> None:
    """Counted by hand for the layers of a random model: 8 channels, 12 in a step, one block everywhere."""
    lattice = 9 * (15 * 8 + 2 * 8 * 8 + 2 * (6 * 8 + 2 * 8 * 8))
    step = 12 * (8 * 12 + 12 * 12) + 3 * 9 * 6 * (1 + 2 + 3) * 8
    factor_of_two = lattice / 4 + step / 16
    assert RANDOM.macs_per_pixel == pytest.approx(factor_of_two * 4 / 3)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_keeps_to_its_work(name: str) -> None:
    least, most = MACS[name]
    assert least < SHIPPED[name].macs_per_pixel <= most


def test_the_models_are_all_that_is_shipped() -> None:
    paths = {path.stem.rpartition("-")[0]: path for path in registry.installed().values()}
    efforts = EFFORTS.values()
    families = paths.keys() & RECIPES.keys()
    assert paths.keys() - families == {
        name for effort in efforts for name in (effort.model, effort.graphics) if name
    }
    assert {path for name, path in paths.items() if path.suffix == ".safetensors"} == {
        *PATHS.values(),
        *(paths[name] for name in families),
    }
    sizes = {name: len(zlib.compress(path.read_bytes())) for name, path in paths.items()}
    assert sum(sizes[name] for name in PATHS) < 6_000_000
    assert sum(sizes[name] for name in families) < 6_000_000


@pytest.mark.parametrize("name", sorted(RECIPES.keys() & set(map(registry.model_name, registry.installed()))))
def test_a_model_of_another_family_is_that_of_its_recipe(name: str) -> None:
    model = predictor.load(registry.by_name(name))
    assert isinstance(model, PixelCnn | PixelPyramids)
    assert model.config == RECIPES[name].config


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_is_installed_under_its_id(name: str) -> None:
    model = SHIPPED[name]
    assert PATHS[name].name == f"{name}-{model.id.hex()}.safetensors"
    assert len(model.id) == 16
    assert predictor.load(model.id).id == model.id
    assert registry.model_name(model.id) == name


def steps_in_all(told: dict[str, Any]) -> int:
    """Training steps of a run and of those that it went on from."""
    steps: int = told["steps"]
    return steps + steps_in_all(told["start"]) if told["start"] else steps


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_tells_how_it_was_trained(name: str) -> None:
    for stage in weights.STAGES:
        told = SHIPPED[name].provenance[stage]
        assert told["config"]["network"]["width"] >= 32
        assert told["photographs"]["count"] > 300
        assert steps_in_all(told) > 1000


@pytest.mark.parametrize("name", SHIPPED)
def test_every_sum_of_a_shipped_model_stays_below_2_to_the_24(name: str) -> None:
    model = SHIPPED[name]
    names = layer_names(model)
    assert {layer.partition(".")[0] for layer in names} == {"finest", "next", "rest"}
    for layer in names:
        rules = layer_rules(layer.partition(".")[2])
        weight, bias, shift = (model.tensors[f"{layer}.{part}"] for part in ("weight", "bias", "shift"))
        assert np.abs(weight.astype(int)).max() <= (1024 if weight.shape[-1] == 1 else 64)
        for o in range(len(weight)):
            reach = 255 * np.abs(weight[o].astype(int)).sum() + abs(int(bias[o]))
            assert reach + rules["skip"] * 255 * 2 ** int(shift[o]) < 2**24


@pytest.mark.parametrize("name", MODELS)
def test_the_tables_of_a_model_are_valid(name: str) -> None:
    model = MODELS[name]
    tables = model.tensor("tables", np.uint32)
    assert len(TableSet(tables)) == TableGrid(model.tensor("fraction_bits", np.uint8)).size <= 1024
    assert tables.min() >= 1
    assert set(tables.sum(1, dtype=np.int64)) == {1 << 24}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(23, 18), (1, 9), (8, 1), (16, 16)])
@pytest.mark.parametrize("gray", [True, False], ids=["gray", "rgb"])
def test_every_backend_predicts_the_same(name: str, shape: tuple[int, int], gray: bool) -> None:
    model = MODELS[name]
    image = crop(*shape, gray=gray).reshape(*shape, -1)
    centres, tables = predictions(Model(model, backend("reference")), image)
    assert len(tables) == image.size - image.shape[2]
    for other in HERE:
        other_centres, other_tables = predictions(Model(model, backend(other)), image)
        np.testing.assert_array_equal(other_centres, centres, strict=True)
        np.testing.assert_array_equal(other_tables, tables, strict=True)


def test_the_random_model_uses_many_tables() -> None:
    centres, tables = predictions(Model(RANDOM, backend("reference")), crop(23, 18))
    assert len(np.unique(tables)) > 100
    assert len(np.unique(centres)) > 50


def test_a_written_model_is_read_back(tmp_path: Path) -> None:
    path = modelfile.write(RANDOM, tmp_path, "random")
    read = modelfile.read(path)
    assert path.name == f"random-{RANDOM.id.hex()}.safetensors"
    assert read.id == RANDOM.id
    assert read.provenance == RANDOM.provenance
    assert read.tensors.keys() == RANDOM.tensors.keys()
    for name, tensor in RANDOM.tensors.items():
        np.testing.assert_array_equal(read.tensors[name], tensor, strict=True)


def test_the_id_covers_names_types_shapes_and_values_in_any_order() -> None:
    tensors = RANDOM.tensors
    one = np.array([1, 0, 0, 0], np.uint8)
    variants = [
        tensors,
        {**tensors, "more": one},
        {**tensors, "other": one},
        {**tensors, "more": one[::-1]},
        {**tensors, "more": one.reshape(2, 2)},
        {**tensors, "more": one.view("<i4")},
        {**tensors, "more": one.astype(np.int8)},
    ]
    assert len({Weights(variant, {}).id for variant in variants}) == len(variants)
    assert Weights(dict(reversed(tensors.items())), {"seed": 1}).id == RANDOM.id


@pytest.mark.parametrize("position", [-1, -(PATH.stat().st_size // 2), -DEFAULT.tensors["tables"].nbytes])
def test_a_changed_tensor_is_refused(tmp_path: Path, position: int) -> None:
    path = Path(shutil.copy(PATH, tmp_path))
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="as it says") as caught:
        modelfile.read(path)
    assert caught.value.expected == DEFAULT.id.hex() != caught.value.found


def test_a_truncated_model_is_refused(tmp_path: Path) -> None:
    data = PATH.read_bytes()
    path = tmp_path / PATH.name
    for size in (0, 7, 8, 9, 1000, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(ModelError, match="no complete model file"):
            modelfile.read(path)


def test_no_flipped_byte_of_a_model_is_overlooked(tmp_path: Path) -> None:
    path = modelfile.write(RANDOM, tmp_path, "random")
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    provenance = range(data.index(b'"provenance"'), data.index(b"}", data.index(b'"provenance"')))
    for position in {*range(0, end, 149), *range(end, len(data), 99991)} - set(provenance):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        try:
            read = modelfile.read(path)
        except ModelError:
            continue
        assert read.id == RANDOM.id, position
        assert read.provenance == RANDOM.provenance, position


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "architecture None"),
        ({"architecture": "ppyr-stages-99", "provenance": "{}"}, "architecture 'ppyr-stages-99'"),
        ({"architecture": weights.ARCHITECTURE, "provenance": "{"}, "no complete model file"),
    ],
    ids=["none", "newer", "damaged"],
)
def test_wrong_metadata_are_refused(tmp_path: Path, metadata: dict[str, str] | None, message: str) -> None:
    path = tmp_path / f"random-{RANDOM.id.hex()}.safetensors"
    path.write_bytes(save(RANDOM.tensors, metadata))
    with pytest.raises(ModelError, match=message):
        modelfile.read(path)


def saved(folder: Path, tensors: weights.Tensors) -> Path:
    """A model file of any tensors, under the id that they have."""
    path = folder / f"any-{Weights(tensors, {}).id.hex()}.safetensors"
    path.write_bytes(save(tensors, {"architecture": weights.ARCHITECTURE}))
    return path


BYTE, SHORT = np.int8, np.int16


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("finest.trunk.1.weight", None, "finest.trunk.1.weight of the model is missing"),
        ("finest.trunk_in.weight", None, "trunk_in.weight of the model is missing"),
        ("rest.head.11_3.shift", None, "missing"),
        ("tables", None, "tables of the model is missing"),
        ("tables", np.array(1, np.uint32), r"of shape \(\), and has 2 dimensions"),
        ("fraction_bits", np.zeros(0, np.uint8), "0 scales"),
        ("fraction_bits", np.zeros(28, np.uint8), "28 scales"),
        ("fraction_bits", np.zeros(65, np.uint8), "65 scales"),
        ("tables", np.zeros((0, 256), np.uint32), "0 tables"),
        ("tables", np.zeros((788, 255), np.uint32), "uint32"),
        ("more", np.zeros(1, BYTE), "more of the model is int8"),
        ("more.trunk.x.weight", np.zeros((1, 1, 3, 3), BYTE), "where nothing belongs"),
        ("finest.trunk.x.weight", np.zeros((8, 8, 3, 3), BYTE), "trunk.2.bias of the model is missing"),
        ("finest.trunk.2.weight", np.zeros((8, 8, 3, 3), BYTE), "trunk.2.bias of the model is missing"),
        ("finest.trunk_in.weight", np.zeros((257, 15, 3, 3), BYTE), "257 channels"),
        ("finest.trunk_in.weight", np.zeros((0, 15, 3, 3), BYTE), "0 channels"),
        ("finest.trunk_in.weight", np.zeros((9, 15, 3, 3), BYTE), r"where int32 \(9,\) belongs"),
        ("next.phase_in.01.weight", np.zeros((8, 6, 1, 1), SHORT), "int16"),
        ("next.phase_in.01.weight", np.zeros((8, 6, 3, 3), np.float32), "float32"),
        ("next.spread", np.zeros((3, 24), BYTE), r"int8 \(3, 24\)"),
        ("rest.step_mid.10_0.weight", np.zeros((), SHORT), "has 4 dimensions"),
    ],
)
def test_a_file_of_other_tensors_is_refused(
    tmp_path: Path, name: str, tensor: npt.NDArray[np.generic] | None, message: str
) -> None:
    tensors = {other: value for other, value in RANDOM.tensors.items() if other != name}
    if tensor is not None:
        tensors[name] = tensor
    path = saved(tmp_path, tensors)
    with pytest.raises(ModelError, match=message):
        modelfile.read(path)
    with pytest.raises(ModelError, match=message):
        modelfile.write(Weights(tensors, {}), tmp_path, "any")


def test_too_many_layers_are_refused(tmp_path: Path) -> None:
    block = {part: RANDOM.tensors[f"rest.trunk.1.{part}"] for part in ("weight", "bias", "shift")}
    tensors = RANDOM.tensors | {f"rest.trunk.{n}.{p}": t for n in range(66) for p, t in block.items()}
    with pytest.raises(ModelError, match=r"66 layers rest.trunk.\*"):
        modelfile.read(saved(tmp_path, tensors))


def test_what_is_no_file_or_very_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = modelfile.write(RANDOM, tmp_path, "random")
    monkeypatch.setattr(modelfile, "LARGEST", path.stat().st_size)
    assert modelfile.read(path).id == RANDOM.id
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match="no model of this ppyr is so large"):
        modelfile.read(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ModelError, match="no regular file"):
        modelfile.read(path)


DEEP = "[" * 100_000


@pytest.mark.parametrize("provenance", [DEEP, "[1]", "3", '"text"'], ids=["deep", "list", "number", "text"])
def test_wrong_provenance_is_refused(tmp_path: Path, provenance: str) -> None:
    path = tmp_path / f"random-{RANDOM.id.hex()}.safetensors"
    path.write_bytes(save(RANDOM.tensors, {"architecture": weights.ARCHITECTURE, "provenance": provenance}))
    with pytest.raises(ModelError, match="no complete model file"):
        modelfile.read(path)


OTHER = random_weights(1)
RECIPE = {"finest": RANDOM, "next": OTHER, "rest": OTHER, "tables": RANDOM}


@pytest.fixture
def cookbook(tmp_path: Path) -> Path:
    """A recipe, beside the models that it names."""
    for model in (RANDOM, OTHER):
        modelfile.write(model, tmp_path, "random")
    return Recipe({key: model.id for key, model in RECIPE.items()}).write(tmp_path, "both")


def test_a_recipe_makes_a_model_of_two(cookbook: Path) -> None:
    model = modelfile.read(cookbook)
    assert cookbook.name == f"both-{model.id.hex()}.json"
    assert set(model.tensors) == set(RANDOM.tensors)
    for name, tensor in model.tensors.items():
        assert tensor is not None
        source = OTHER if name.startswith(("next.", "rest.")) else RANDOM
        assert np.array_equal(tensor, source.tensors[name]), name
    assert model.id not in (RANDOM.id, OTHER.id)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"finest": "00"}', json.dumps(dict.fromkeys(RECIPE, "no")), DEEP, "3", '"a"', "\0"],
    ids=["empty", "list", "nothing", "part", "no id", "deep", "number", "text", "no text"],
)
def test_a_recipe_that_leads_nowhere_is_refused(cookbook: Path, text: str) -> None:
    cookbook.write_text(text, "utf-8")
    with pytest.raises(ModelError, match="no complete recipe"):
        modelfile.read(cookbook)


def test_a_recipe_for_another_model_is_refused(cookbook: Path) -> None:
    cookbook.write_text(json.dumps(dict.fromkeys(RECIPE, RANDOM.id.hex())), "utf-8")
    with pytest.raises(ModelError, match="as it says"):
        modelfile.read(cookbook)


def test_unknown_models_are_refused() -> None:
    unknown = bytes(16)
    assert registry.model_name(unknown) is None
    with pytest.raises(UnknownModelError, match="00000000") as caught:
        predictor.load(unknown)
    assert caught.value.found == unknown.hex()
    with pytest.raises(UnknownModelError, match="default"):
        registry.by_name("defalt")


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("finest.trunk_in.bias", None, "finest.trunk_in.bias of the model is missing"),
        ("next.head.10_0.weight", np.zeros((12, 12, 1, 1), np.int8), "is int8: export it as int16"),
        ("next.trunk_in.weight", np.zeros((8, 15, 3, 3), np.int16), "is int16: export it as int8"),
        ("finest.spread", None, "finest.spread of the model is missing"),
        ("rest.spread", np.zeros((3, 24), np.int8), r"spread of network rest is of shape \(3, 24\)"),
        ("rest.trunk.1.bias", np.full(8, 2**24, np.int32), "layer rest.trunk.1 can reach"),
        ("tables", None, "tables of the model is missing"),
        ("tables", np.full((3, 256), 1 << 16, np.uint32), "the model has 3 tables"),
        ("fraction_bits", np.full(41, 6, np.uint8), "at most 5"),
        ("fraction_bits", np.zeros((41, 1), np.uint8), "one number a scale"),
        ("fraction_bits", np.zeros(41, np.int32), "is int32: export it as uint8"),
    ],
)
def test_a_model_that_breaks_a_rule_is_refused(
    name: str, tensor: npt.NDArray[np.generic] | None, message: str
) -> None:
    tensors = {other: value for other, value in RANDOM.tensors.items() if other != name}
    if tensor is not None:
        tensors[name] = tensor
    with pytest.raises(ModelError, match=message):
        Model(Weights(tensors, {}), backend("reference"))


MEANS = np.arange(255 * 64 + 1, dtype=np.int32)
#: `grid.locate` of arrays of means, scales and shapes.
located = np.vectorize(locate, excluded=(3, 4), otypes=(np.int64, np.int64))


@given(hnp.arrays(np.uint8, st.integers(1, 6), elements=st.integers(0, 5)))
def test_the_grid_covers_every_table_and_keeps_the_mean(fraction_bits: npt.NDArray[np.uint8]) -> None:
    grid = TableGrid(fraction_bits)
    found: list[int] = []
    for scale, bits in enumerate(fraction_bits):
        offsets = (64 * grid.fractions(scale)).astype(np.int32)
        assert len(offsets) == 2**bits
        for shape in range(4):
            centre, table = located(MEANS, scale, shape, grid.fraction_bits, grid.first)
            first = len(found)
            found += np.unique(table).tolist()
            kept = 64 * centre + offsets[table - first]
            assert np.abs(kept - MEANS).max() <= 32 >> bits
    assert found == list(range(grid.size))


@given(st.sampled_from((0, 1)), st.integers(0, 21), st.integers(0, 21))
def test_the_steps_of_a_level_cut_its_fine_image_in_pieces(axis: int, height: int, width: int) -> None:
    count = np.zeros((height, width), int)
    found = steps(axis, (height, width))
    for step in found:
        piece = count[step.rows, step.columns]
        assert piece.size
        piece += 1
    assert (count == 1).all()
    order = [(phase, number) for phase in (["10"], ["01", "11"])[axis] for number in range(len(SUBLATTICE))]
    places = [order.index((step.phase, step.number)) for step in found]
    assert places == sorted(set(places))
    assert evaluations(axis, (height, width)) == len(found) <= len(order)


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_a_factor_of_two_takes_at_most_16_evaluations(height: int, width: int) -> None:
    counts = [evaluations(level.axis, level.fine) for level in shapes(height, width)]
    assert all(rows + columns <= 16 for rows, columns in zip(counts[::2], counts[1::2], strict=True))


def test_twice_the_sides_take_at_most_16_evaluations_more() -> None:
    small, large = (
        sum(evaluations(level.axis, level.fine) for level in shapes(side, side)) for side in (512, 1024)
    )
    assert 0 < large - small <= 16
