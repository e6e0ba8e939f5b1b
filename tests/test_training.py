from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ppyr.about import info
from ppyr.cli import main
from ppyr.coding import encode_changed
from ppyr.decoding import decode
from ppyr.effort import encode
from ppyr.errors import ConfigurationError, ModelError
from ppyr.imagefile import write_image
from ppyr.models import checkpoint, modelfile, predictor, registry
from ppyr.models.checkpoint import describe
from ppyr.models.configuration import TrainingConfig
from ppyr.models.data import Augmentation, CropBatches, CropSize, augmented_crop, stage_batch
from ppyr.models.export import averaged, export, model, network, provenance
from ppyr.models.network import NetworkConfig, StageNet
from ppyr.models.predictor import layer_rules
from ppyr.models.train import CROP_SIZES, TRAINING_SIDE, VALIDATION_SIDE, train
from ppyr.picture import Picture

from .photograph import crop

TINY = NetworkConfig(width=16, trunk_blocks=1, phase_blocks=1, step_width=16)
CONFIG = TrainingConfig(steps=6000, network=TINY, warmup_steps=1)
CHANGES = [field.name for field in fields(Augmentation)]
TINY_TOML = "steps = 1\nnetwork = { width = 16, trunk_blocks = 1, phase_blocks = 1, step_width = 16 }\n"
UNCHANGED = Augmentation(**dict.fromkeys(CHANGES, 0.0))
OFTEN = Augmentation(**dict.fromkeys(CHANGES, 0.5))


def photographs(*sides: int) -> list[np.ndarray]:
    """Smooth waves of colour under a little noise, `sides` pixels a side."""
    rng = np.random.default_rng(7)
    found = []
    for side in sides:
        y, x = np.mgrid[:side, :side] / rng.uniform(9, 40)
        waves = np.stack([np.sin(y + phase) + np.cos(x * phase) for phase in (1.0, 1.5, 2.0)], axis=2)
        found.append((127 + 50 * waves + rng.normal(0, 3, waves.shape)).clip(0, 255).astype(np.uint8))
    return found


IMAGES = photographs(TRAINING_SIDE, TRAINING_SIDE + 9)


def log(folder: Path, stage: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{stage}.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder that stands for that of the installed models."""
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    registry.installed.cache_clear()
    yield tmp_path
    registry.installed.cache_clear()


@pytest.mark.parametrize("integer_part", [0.0, 1.0], ids=["float", "integer"])
def test_the_loss_falls(tmp_path: Path, integer_part: float) -> None:
    flat = [np.full((TRAINING_SIDE, TRAINING_SIDE, 3), (90, 130, 60), np.uint8)]
    config = replace(
        CONFIG, augmentation=UNCHANGED, integer_part=integer_part, learning_rate=0.02, bias_rate=0.02
    )
    train("rest", flat, [], config, tmp_path, workers=0, max_steps=12)
    first, last = log(tmp_path, "rest")
    assert (first["step"], last["step"]) == (1, 12)
    assert 0 < last["loss"] < 0.9 * first["loss"] < 9
    assert "validation" not in last


def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    held_out = photographs(VALIDATION_SIDE)
    for steps in (2, 3):
        path = train("rest", IMAGES, held_out, CONFIG, tmp_path, workers=0, max_steps=steps)
        assert checkpoint.read(path).step == steps
    assert [row["step"] for row in log(tmp_path, "rest")] == [1, 2, 3]
    spent = checkpoint.read(path).spent
    assert spent > 0
    *phases, together = log(tmp_path, "rest")[-1]["validation"]
    assert min(phases) < together < max(phases)

    before = path.read_bytes()
    train("rest", IMAGES, held_out, CONFIG, tmp_path, workers=0, max_steps=3)
    assert path.read_bytes() == before
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["rest.jsonl", "rest.pt"]


def test_a_run_needs_no_warmup(tmp_path: Path) -> None:
    path = train("rest", IMAGES, [], replace(CONFIG, warmup_steps=0), tmp_path, workers=0, max_steps=1)
    assert checkpoint.read(path).step == 1


def test_the_average_of_the_weights_is_exported(tmp_path: Path) -> None:
    states = []
    for steps in (1, 2, 3):
        path = train(
            "rest", IMAGES, [], replace(CONFIG, averaging=0.75), tmp_path, workers=0, max_steps=steps
        )
        states.append(checkpoint.read(path))
    expected = states[0].trained["trunk_in.matrix"]
    for state in states:
        expected = expected.lerp(state.trained["trunk_in.matrix"], 0.25)
        assert torch.equal(state.network["trunk_in.matrix"], expected)
    assert not torch.equal(states[2].network["trunk_in.matrix"], states[2].trained["trunk_in.matrix"])


def test_a_finished_run_is_left_as_it_is(tmp_path: Path) -> None:
    config = replace(CONFIG, steps=1)
    path = train("rest", IMAGES, [], config, tmp_path, workers=0)
    assert checkpoint.read(path).step == 1
    train("rest", IMAGES, [], config, tmp_path, workers=0)
    assert checkpoint.read(path).step == 1


def test_only_the_same_run_goes_on(tmp_path: Path) -> None:
    path = train("rest", IMAGES, [], CONFIG, tmp_path, workers=0, max_steps=1)
    before = path.read_bytes()
    others = [
        replace(CONFIG, steps=6001),
        replace(CONFIG, seed=2),
        replace(CONFIG, network=replace(TINY, width=8)),
        replace(CONFIG, augmentation=UNCHANGED),
    ]
    for config in others:
        with pytest.raises(ModelError, match="other settings or images") as caught:
            train("rest", IMAGES, [], config, tmp_path, workers=0, max_steps=2)
        assert caught.value.expected != caught.value.found
    with pytest.raises(ModelError, match="other settings or images"):
        train("rest", IMAGES[:1], [], CONFIG, tmp_path, workers=0, max_steps=2)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None], ids=["empty", "text", "cut"])
def test_a_damaged_checkpoint_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = train("rest", IMAGES, [], CONFIG, tmp_path, workers=0, max_steps=1)
    path.write_bytes(path.read_bytes()[:-1000] if content is None else content)
    with pytest.raises(ModelError, match="no complete checkpoint"):
        train("rest", IMAGES, [], CONFIG, tmp_path, workers=0, max_steps=2)
    with pytest.raises(ModelError, match="there is no checkpoint"):
        checkpoint.read(tmp_path / "finest.pt")


def test_images_are_told_apart() -> None:
    one, other = IMAGES
    changed = one.copy()
    changed[-1, -1, -1] ^= 1
    lists = [[one], [other], [changed], [one.reshape(-1, 10, 3)], [one, other], [other, one], []]
    described = [describe(images) for images in lists]
    assert [about["count"] for about in described] == [1, 1, 1, 1, 2, 2, 0]
    assert len({about["sha256"] for about in described}) == len(lists)
    assert describe([np.asfortranarray(one)]) == described[0]


@pytest.mark.parametrize("sizes", CROP_SIZES.values(), ids=CROP_SIZES)
def test_batches_depend_on_their_number_alone(sizes: tuple[CropSize, ...]) -> None:
    batches = CropBatches(IMAGES, sizes, OFTEN, seed=3)
    forwards = [batches.pixels(number) for number in range(4)]
    for number in reversed(range(4)):
        assert np.array_equal(batches.pixels(number), forwards[number])
    assert not np.array_equal(forwards[0], forwards[1])
    assert not np.array_equal(CropBatches(IMAGES, sizes, OFTEN, seed=4).pixels(0), forwards[0])
    coarse, phases = next(iter(batches.loader(2, workers=0)))
    expected, expected_phases = stage_batch(forwards[2])
    assert torch.equal(coarse, expected)
    for phase, tensors in expected_phases.items():
        assert all(map(torch.equal, phases[phase], tensors))


def test_some_windows_are_of_graphics() -> None:
    white = np.full((40, 40, 3), 255, np.uint8)
    black, small = np.zeros_like(white), np.full((31, 40, 3), 128, np.uint8)
    few = replace(UNCHANGED, graphics=0.25)
    batches = CropBatches([black], [CropSize(1, 32, 400)], few, seed=1, graphics=[small, white])
    found = batches.pixels(0)[:, 0, 0, 0]
    assert set(found) == {0, 255}
    assert 60 < np.count_nonzero(found) < 140


def test_worker_processes_make_the_same_batches() -> None:
    batches = CropBatches(IMAGES, [CropSize(1, 16, 2)], OFTEN, seed=3)
    found = batches.loader(5, workers=2)
    for number, (coarse, _) in zip(range(5, 9), found, strict=False):
        assert torch.equal(coarse, batches[number][0])


def test_a_batch_takes_the_crops_of_one_window_without_resampling() -> None:
    flat = [np.arange(64 * 64, dtype=np.int64).reshape(64, 64, 1).repeat(3, 2).astype(np.uint8)]
    pixels = CropBatches(flat, [CropSize(4, 16, 6)], UNCHANGED, seed=1).pixels(0)
    assert pixels.shape == (6, 3, 16, 16)
    assert set(np.abs(np.diff(pixels[:, 0], axis=2)).ravel()) <= {0, 4, 252}


@pytest.mark.parametrize("seed", range(25))
def test_augmentation_keeps_shape_and_range(seed: int) -> None:
    extreme = np.random.default_rng(seed).choice(np.array([0, 255], np.uint8), (40, 50, 3))
    found = augmented_crop(extreme, np.random.default_rng(seed), 32, OFTEN)
    assert found.shape == (3, 32, 32)
    assert found.dtype == np.int32
    assert found.min() >= 0
    assert found.max() <= 255


def test_a_scan_has_chroma_of_half_resolution() -> None:
    red_noise = np.full((64, 64, 3), 128, np.uint8)
    red_noise[..., 0] += np.random.default_rng(1).integers(0, 2, (64, 64), np.uint8) * 60
    scan = replace(UNCHANGED, scan=1.0)
    green, red, _ = augmented_crop(red_noise, np.random.default_rng(2), 64, scan)
    difference = red - green
    left, middle, right = difference[:, :-2], difference[:, 1:-1], difference[:, 2:]
    assert difference.std() > 5
    assert np.abs(2 * middle - left - right).mean() < np.abs(right - left).mean()


def test_without_augmentation_a_crop_is_a_turned_window() -> None:
    image = np.arange(32 * 32 * 3, dtype=np.int64).reshape(32, 32, 3).astype(np.uint8)
    turned = {
        side[::y, ::x].tobytes()
        for side in (image, image.transpose(1, 0, 2))
        for y in (1, -1)
        for x in (1, -1)
    }
    found = set()
    for seed in range(60):
        planes = augmented_crop(image, np.random.default_rng(seed), 32, UNCHANGED)[[1, 0, 2]]
        found.add(planes.transpose(1, 2, 0).astype(np.uint8).tobytes())
    assert found == turned


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Checkpoints of three tiny networks, of two steps each."""
    folder = tmp_path_factory.mktemp("trained")
    return {stage: train(stage, IMAGES, [], CONFIG, folder, workers=0, max_steps=2) for stage in CROP_SIZES}


def test_the_exported_network_is_integers(trained: dict[str, Path]) -> None:
    exported = export(trained)
    layers = {name.removesuffix(".weight") for name in exported.tensors if name.endswith(".weight")}
    assert {name.partition(".")[0] for name in layers} == set(CROP_SIZES)
    for name in layers:
        layer = exported.layer(name, **layer_rules(name.partition(".")[2]))
        most = 1024 if layer.weight.shape[-1] == 1 else 64
        assert layer.weight.dtype == (np.int16 if most > 64 else np.int8)
        assert 32 < np.abs(layer.weight.astype(int)).max() <= most
        assert layer.bias.dtype == np.int32
    tables = exported.tensors["tables"]
    assert tables.dtype == np.uint32
    assert tables.min() >= 1
    assert set(tables.sum(1)) == {1 << 24}


def test_a_network_begins_with_another_one(trained: dict[str, Path], tmp_path: Path) -> None:
    rest = checkpoint.read(trained["rest"])
    wider = replace(TINY, width=20)
    still = replace(CONFIG, network=wider, begin_with="rest", learning_rate=0.0, bias_rate=0.0)
    with pytest.raises(ModelError, match=r"no checkpoint .*rest.pt: train this network first"):
        train("finest", IMAGES, [], still, tmp_path, workers=0, max_steps=1)
    shutil.copy(trained["rest"], tmp_path / "rest.pt")
    path = train("finest", IMAGES, [], still, tmp_path, workers=0, max_steps=1)
    found = checkpoint.read(path)
    assert found.start == {"network": "rest", **provenance(rest)}
    batch = stage_batch(crop(32, 32).transpose(2, 0, 1)[None].astype(np.int32))
    nets = averaged(found), averaged(rest)
    for net in nets:
        net.set_quantize(True)
    assert torch.equal(nets[0](*batch), nets[1](*batch))
    assert checkpoint.read(train("finest", IMAGES, [], still, tmp_path, workers=0, max_steps=2)).step == 2
    narrow = replace(still, network=replace(TINY, width=4))
    with pytest.raises(ConfigurationError, match="sizes that are not smaller"):
        train("next", IMAGES, [], narrow, tmp_path, workers=0, max_steps=1)


def test_an_exported_network_is_taken_up_again(trained: dict[str, Path], tmp_path: Path) -> None:
    exported = export(trained)
    networks = {stage: network(exported, stage) for stage in CROP_SIZES}
    again = model(networks, exported.provenance)
    for stage in CROP_SIZES:
        expected, found = networks[stage].state_dict(), network(again, stage).state_dict()
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    batch = stage_batch(crop(32, 32).transpose(2, 0, 1)[None].astype(np.int32))
    rounded = StageNet(TINY)
    rounded.load_state_dict(checkpoint.read(trained["rest"]).network)
    rounded.set_quantize(True)
    networks["rest"].set_quantize(True)
    assert torch.equal(networks["rest"](*batch), rounded(*batch))

    path = train("rest", IMAGES, [], CONFIG, tmp_path, start=exported, workers=0, max_steps=1)
    assert checkpoint.read(path).start == {"model": exported.id.hex(), **exported.provenance["rest"]}
    with pytest.raises(ModelError, match="other settings or images"):
        train("rest", IMAGES, [], CONFIG, tmp_path, workers=0, max_steps=2)
    other = replace(CONFIG, network=replace(TINY, width=4))
    with pytest.raises(ConfigurationError, match="sizes that are not smaller"):
        train("rest", IMAGES, [], other, tmp_path, start=exported, workers=0, max_steps=1)
    with pytest.raises(ModelError, match="does not tell the sizes"):
        network(replace(exported, provenance={}), "rest")
    sizes = {"rest": {"config": {"network": asdict(other.network)}}}
    with pytest.raises(ModelError, match=r"layer trunk_in of network rest is not of the sizes"):
        network(replace(exported, provenance=sizes), "rest")


def test_a_model_knows_where_it_comes_from(trained: dict[str, Path], tmp_path: Path) -> None:
    path = modelfile.write(export(trained), tmp_path, "tiny")
    provenance = modelfile.read(path).provenance
    for stage in CROP_SIZES:
        assert provenance[stage]["config"]["network"] == asdict(TINY)
        assert provenance[stage]["photographs"] == describe(IMAGES)
        assert provenance[stage]["steps"] == 2


def test_a_checkpoint_without_its_photographs_is_exported(trained: dict[str, Path], tmp_path: Path) -> None:
    state = torch.load(trained["rest"], weights_only=True)
    del state["photographs"]
    torch.save(state, tmp_path / "rest.pt")
    exported = export({**trained, "rest": tmp_path / "rest.pt"})
    assert exported.id == export(trained).id
    assert exported.provenance["rest"]["photographs"] is None


@pytest.mark.parametrize("gray", [True, False], ids=["gray", "rgb"])
def test_an_exported_model_codes_images(trained: dict[str, Path], models: Path, gray: bool) -> None:
    image = crop(19, 24, gray=gray)
    modelfile.write(export(trained), models, "tiny")
    data = encode_changed(Picture.of(image), predictor.load(registry.by_name("tiny")), [])
    assert np.array_equal(decode(data), image)
    assert np.array_equal(decode(data, backend="reference"), image)
    assert info(data).model == "tiny"


def test_the_command_trains_and_exports(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in", "more").mkdir(parents=True)
    Path("held").mkdir()
    write_image(IMAGES[0], "in/a.png")
    write_image(IMAGES[1][..., 0].copy(), "in/more/gray.png")
    write_image(crop(19, 24), "in/small.png")
    Path("in/text.png").write_text("no image")
    write_image(photographs(VALIDATION_SIDE)[0], "held/b.png")
    Path("drawn").mkdir()
    write_image(IMAGES[0][:130, :140].copy(), "drawn/c.png")
    Path("tiny.toml").write_text(TINY_TOML)
    same = "in --validation held --graphics drawn --output . --config tiny.toml --device cpu --workers 0"
    assert main(["train", *same.split(), "--network", "next", "--export", "tiny"]) == 2
    assert "no checkpoint of finest, rest" in capsys.readouterr().err

    assert main(["train", *same.split(), "--export", "tiny"]) == 0
    err = capsys.readouterr().err
    assert "in/small.png is left out: 24 x 19 is less than" in err
    assert "in/text.png is left out: this is no PNG" in err
    for stage in CROP_SIZES:
        (row,) = log(tmp_path, stage)
        assert (row["step"], len(row["validation"])) == (1, 4)
    (model,) = models.glob("tiny-*.safetensors")
    provenance = modelfile.read(model).provenance["finest"]
    assert (provenance["photographs"]["count"], provenance["graphics"]["count"]) == (2, 1)
    image = crop(7, 5)
    assert np.array_equal(decode(encode(image, model="tiny")), image)

    assert main(["train", *same.split(), "--network", "rest", "--export", "again"]) == 0
    assert modelfile.read(next(models.glob("again-*"))).id == modelfile.read(model).id
    assert main(["train", *same.split(), "--steps", "2"]) == 1
    assert "other settings or images" in capsys.readouterr().err


def test_the_command_needs_photographs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image(crop(19, 24), tmp_path / "small.png")
    assert main(["train", str(tmp_path), "--output", str(tmp_path), "--steps", "2"]) == 1
    assert "has no image of 320 pixels a side" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--output out --steps 0", "give 1 or more"),
        ("--output out --workers -1", "give 0 or more"),
        ("--output out --network second", "invalid choice"),
        ("--output out --export a/b", "give letters, digits"),
        ("--output out", "has no files to take"),
    ],
)
def test_usage_errors_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    assert main(["train", str(tmp_path), *words.split()]) == 2
    assert message in capsys.readouterr().err
    assert not Path("out").exists()
