"""Models of one's own: tuned to a collection, given by the path of a file, and embedded in files."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save

import ppyr
from benchmarks import ownmodel
from benchmarks.tables import own_model
from ppyr import mappings, training, tuning
from ppyr.bitstream.container import Kind, pack, unpack
from ppyr.bitstream.lzma2 import compressed
from ppyr.cli import main
from ppyr.errors import ConfigurationError, FormatError, ModelError, PpyrError, UnknownModelError
from ppyr.imagefile import read_image, write_image
from ppyr.models import adaptation, configuration, embedding, modelfile, predictor, registry
from ppyr.models.train import train
from ppyr.models.weights import STAGES, Weights
from ppyr.tuning import Image, Mirrored, modelled, split

from . import plain_decoder
from .photograph import crop, squares
from .sections import joined
from .sections import split as sections_of
from .some_files import nudged

IMAGE = crop(19, 24)
GUIDE = Path(__file__).parent.parent / "docs" / "own-model.md"


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test adds to the models is forgotten, and nothing goes through LZMA."""
    monkeypatch.setattr(mappings, "REPETITION", 2)
    monkeypatch.setattr(registry, "_added", [])
    registry.installed.cache_clear()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    registry.installed.cache_clear()


def forget() -> None:
    registry._added.clear()
    registry.installed.cache_clear()
    predictor.load.cache_clear()


def own(name: str) -> Weights:
    """A model that is nearly a shipped one."""
    return nudged(modelfile.read(registry.by_id(registry.by_name(name))))


def written(weights: Weights, path: Path) -> str:
    path.write_bytes(modelfile.packed(weights))
    return str(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Model files with plain names: `near` is nearly a shipped file, `mine` only nearly made of several."""
    folder = tmp_path_factory.mktemp("files")
    for name, base in (("mine", "fast2"), ("near", "default")):
        written(own(base), folder / f"{name}.safetensors")
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def embedded(files: dict[str, Path]) -> dict[str, bytes]:
    """Files that hold these models."""
    found = {name: ppyr.encode(IMAGE, model=str(path), embed_model=True) for name, path in files.items()}
    forget()
    return found


# The guide


def test_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tune.toml").write_text(
        "steps = 8\nlearning_rate = 2e-3\nbias_rate = 2e-3\naveraging = 0.8\n"
    )
    monkeypatch.setattr(configuration, "FOLDER", tmp_path)
    monkeypatch.setattr(training, "ADAPTING_STEPS", 2)
    monkeypatch.setattr(adaptation, "LEAST_PIXELS", 1 << 10)
    monkeypatch.chdir(tmp_path)
    Path("scans").mkdir()
    for number, name in enumerate(("first", "second", "third", "fourth")):
        write_image(squares(60, 70 + number, number), f"scans/{name}.png")
    ran = 0
    for language, example in re.findall(
        r"^```(\w+)\n(.*?)^```$", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    ):
        if language == "python":
            exec(compile(example, GUIDE.name, "exec"), {})
            continue
        for line in example.splitlines():
            forget()
            assert main(shlex.split(line)[1:]) == 0, line
            ran += 1
    assert ran == 7
    for path in Path("scans").iterdir():
        assert np.array_equal(read_image(path), read_image(Path("restored", path.name)))
    forget()
    assert main(["verify", "-q", *map(str, Path("packed").iterdir())]) == 0


# Given by a path


def test_a_file_needs_its_model_and_says_which(files: dict[str, Path]) -> None:
    data = ppyr.encode(IMAGE, model=str(files["mine"]))
    assert ppyr.info(data).model == "mine"
    assert ppyr.info(data).embedded == 0
    assert np.array_equal(ppyr.decode(data), IMAGE)
    forget()
    with pytest.raises(UnknownModelError) as caught:
        ppyr.decode(data)
    for word in (own("fast2").id.hex(), "--model", "--models", "PPYR_MODEL_PATH"):
        assert word in str(caught.value)


@pytest.mark.parametrize("way", ["--model", "--models", "folder", "variable"])
def test_the_ways_to_give_a_model(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    source, packed, back = (str(tmp_path / name) for name in ("a.png", "a.ppyr", "b.png"))
    write_image(IMAGE, source)
    assert main(["compress", "-q", "--model", str(files["mine"]), source]) == 0
    forget()
    assert main(["decompress", "-q", packed, "-o", back]) == 1
    words = {"folder": ["--models", str(files["mine"].parent)], "variable": []}
    if way == "variable":
        monkeypatch.setenv("PPYR_MODEL_PATH", str(files["mine"]))
        registry.installed.cache_clear()
    given = words.get(way, [way, str(files["mine"])])
    assert main(["verify", "-q", *given, packed]) == 0
    assert main(["decompress", "-q", *given, packed, "-o", back]) == 0
    assert np.array_equal(read_image(back), IMAGE)


def test_a_path_is_read_as_what_it_says_it_is(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match=r"there is no model file .*none\.safetensors"):
        registry.by_name(str(tmp_path / "none.safetensors"))
    data = bytearray(files["mine"].read_bytes())
    data[-1] ^= 1
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(data)
    forget()
    with pytest.raises(ModelError, match=r"holds the model [0-9a-f]{32}, not [0-9a-f]{32} as it says"):
        ppyr.encode(IMAGE, model=str(damaged))
    shipped = registry.by_id(registry.by_name("fast"))
    renamed = tmp_path / "renamed.safetensors"
    shutil.copy(shipped, renamed)
    with pytest.raises(ModelError, match="does not say which model it holds"):
        registry.by_name(str(renamed))
    for content in (b"", b"\xff" * 9, (2).to_bytes(8, "little") + b"[]"):
        renamed.write_bytes(content)
        with pytest.raises(ModelError, match="does not say which model it holds"):
            registry.by_name(str(renamed))
    registry.add(tmp_path)  # a folder can hold other files
    assert set(registry.found_in(tmp_path)) == {own("fast2").id}


def test_a_recipe_has_a_path_too(tmp_path: Path) -> None:
    recipe = modelfile.read_recipe(registry.by_id(registry.by_name("fast2")))
    path = tmp_path / "two.json"
    path.write_bytes(recipe.packed(tmp_path))
    assert registry.by_name(str(path)) == registry.by_name("fast2")


# Embedded


@pytest.mark.parametrize("name", ["mine", "near"])
def test_a_file_that_holds_its_model_needs_no_other(
    files: dict[str, Path], embedded: dict[str, bytes], name: str
) -> None:
    data = embedded[name]
    beside = ppyr.encode(IMAGE, model=str(files[name]))
    forget()
    found, without = unpack(data), unpack(beside)
    assert replace(found, model=b"") == without
    assert found.header.model_id == modelfile.read(files[name]).id
    assert np.array_equal(ppyr.decode(data), IMAGE)
    assert np.array_equal(ppyr.decode(data, backend="reference"), IMAGE)
    with ppyr.open(data) as file:
        assert np.array_equal(file.read(level=1), IMAGE[::2, ::2])
    about = ppyr.info(data)
    assert (about.embedded, about.model) == (len(found.model), found.header.model_id.hex())


def test_what_is_near_a_shipped_model_is_small(embedded: dict[str, bytes]) -> None:
    default = registry.by_name("default")
    mine, near = unpack(embedded["mine"]).model, unpack(embedded["near"]).model
    assert not any(mine[:16])
    assert near[:16] == default
    assert len(near) < 1000 < len(mine)


def test_a_stranger_reads_the_models_in_files(embedded: dict[str, bytes]) -> None:
    base = registry.by_id(registry.by_name("default")).read_bytes()
    for data in embedded.values():
        samples, _ = plain_decoder.decode(data, base)
        assert np.array_equal(samples, IMAGE)


def test_the_bytes_do_not_depend_on_the_process(files: dict[str, Path], embedded: dict[str, bytes]) -> None:
    embedding.embedded.cache_clear()
    for name, data in embedded.items():
        assert ppyr.encode(IMAGE, model=str(files[name]), embed_model=True) == data


def test_only_a_model_that_codes_something_is_embedded(files: dict[str, Path]) -> None:
    assert ppyr.encode(IMAGE, model="fast", embed_model=True) == ppyr.encode(IMAGE, model="fast")
    flat = np.full((9, 9), 7, np.uint8)
    assert unpack(ppyr.encode(flat, model=str(files["mine"]), embed_model=True)).model == b""


def test_a_model_that_is_too_large_is_refused(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding.embedded.cache_clear()
    monkeypatch.setattr(embedding, "LARGEST", 1 << 10)
    with pytest.raises(ConfigurationError, match="keep it beside the files"):
        ppyr.encode(IMAGE, model=str(files["mine"]), embed_model=True)


def test_the_command_embeds_and_tells(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, packed = str(tmp_path / "a.png"), str(tmp_path / "a.ppyr")
    write_image(IMAGE, source)
    assert main(["compress", "-q", "--model", str(files["near"]), "--embed-model", source]) == 0
    forget()
    assert main(["verify", "-q", packed]) == 0
    assert main(["info", packed]) == 0
    size = len(unpack(Path(packed).read_bytes()).model)
    assert f"{size:,} bytes are the model" in capsys.readouterr().out
    assert main(["info", "--json", packed]) == 0
    assert json.loads(capsys.readouterr().out)["embedded"] == size


# Damaged and hostile


def with_model(data: bytes, payload: bytes, model_id: bytes | None = None) -> bytes:
    """The file with another payload of MODEL, everything around it mended."""
    found = unpack(data)
    header = found.header if model_id is None else replace(found.header, model_id=model_id)
    return pack(replace(found, header=header, model=payload))


def holding(weights: Weights) -> bytes:
    """A payload with all of a model, whatever it is."""
    content = save(weights.tensors, {"architecture": weights.architecture})
    return bytes(16) + compressed(content)


@pytest.mark.parametrize("name", ["mine", "near"])
def test_flipped_bits_of_a_payload_are_errors(embedded: dict[str, bytes], name: str) -> None:
    payload = unpack(embedded[name]).model
    places = np.random.default_rng(4).choice(len(payload), 60, replace=False)
    for place in (*range(24), *places):
        broken = bytearray(payload)
        broken[place] ^= 1 << place % 8
        with pytest.raises(PpyrError):
            ppyr.decode(with_model(embedded[name], bytes(broken)))


def test_payloads_that_are_no_model(embedded: dict[str, bytes]) -> None:
    data, near = embedded["mine"], unpack(embedded["near"]).model
    huge = bytes(16) + compressed(bytes(1 << 26))
    cases = [
        (near, "holds the model .* and is coded by"),
        (near[:-1], "ends of a stream"),
        (near + b"\0", "bytes after a stream"),
        (near[:16], "bytes of section MODEL"),
        (bytes(16) + near[16:], "holds a model that is none"),
        (near[:16] + compressed(b"short"), "bytes of the differences"),
        (huge, "ends of a stream|bytes of a model"),
        (near[:16] + huge[16:], "ends of a stream|bytes of the differences"),
        (bytes(16) + compressed(b""), "bytes of a model"),
        (bytes(16) + b"no stream", "stream of LZMA2 can not be read"),
    ]
    for payload, message in cases:
        with pytest.raises(FormatError, match=message):
            ppyr.decode(with_model(data, payload))
    with pytest.raises(UnknownModelError, match="07070707"):
        ppyr.decode(with_model(data, b"\7" * 16 + near[16:]))


def test_a_model_that_does_not_compute_exactly_is_refused(embedded: dict[str, bytes]) -> None:
    tensors = dict(own("fast").tensors)
    tensors["finest.trunk_in.weight"] = np.full_like(tensors["finest.trunk_in.weight"], 65)
    heavy = replace(own("fast"), tensors=tensors)
    with pytest.raises(FormatError, match="does not compute exactly"):
        ppyr.decode(with_model(embedded["mine"], holding(heavy), heavy.id))
    del tensors["rest.spread"]
    with pytest.raises(FormatError, match=r"holds a model that is none \(tensor rest.spread"):
        ppyr.decode(with_model(embedded["mine"], holding(replace(heavy, tensors=tensors))))


def test_the_section_has_its_place_and_size(embedded: dict[str, bytes]) -> None:
    data = embedded["mine"]
    parts = sections_of(data)
    place = parts.place(Kind.MODEL)
    assert [kind for kind, _ in parts.sections[:4]] == [Kind.INDEX, Kind.MODEL, Kind.COARSEST, Kind.LEVEL]
    moved = parts.with_section(place + 1, parts.sections[place + 1], parts.sections[place])
    for broken in (
        parts.with_section(place),
        parts.with_payload(place, b"x" * 20),
        moved.with_section(place),
    ):
        for read in (ppyr.decode, opened):
            with pytest.raises(FormatError):
                read(joined(broken))


def opened(data: bytes) -> np.ndarray:
    with ppyr.open(data) as file:
        return file.read()


# Tuned


def collection(folder: Path) -> list[Path]:
    """Six images: RGB, gray, with alpha and of 16 bits, all smaller than a crop."""
    folder.mkdir()
    found = [squares(40 + 9 * seed, 90 - 5 * seed, seed) for seed in range(3)]
    alpha = np.dstack([squares(50, 50, 9), squares(50, 50, 10)[..., 0]])
    images = [*found, squares(60, 64, 5)[..., 0].copy(), alpha, np.uint16(257) * squares(33, 40, 6)]
    for number, image in enumerate(images):
        write_image(image, folder / f"{number}.png")
    return sorted(folder.iterdir())


def test_a_model_is_tuned_to_a_collection(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = collection(tmp_path / "in")
    shutil.copy(images[0], tmp_path / "in" / "same.png")
    Path(tmp_path, "in", "text.png").write_text("no image")
    start, mine = written(own("fast"), tmp_path / "start.safetensors"), tmp_path / "mine.safetensors"
    words = [
        "train",
        str(tmp_path / "in"),
        "--from",
        start,
        "-o",
        str(mine),
        "--steps",
        "12",
        "--workers",
        "0",
    ]
    assert main(words) == 0
    err = capsys.readouterr().err
    assert "text.png is left out" in err
    assert "4 images to train on, and 2 are held out: every 5th" in err
    assert f"files of the held-out images under {start}: " in err
    assert f"the model is {mine}" in err
    model = modelfile.read(mine)
    assert model.provenance["finest"]["start"]["model"] == own("fast").id.hex()
    assert np.array_equal(model.tensors["tables"], own("fast").tensors["tables"])
    sizes = {}
    for name in (start, str(mine)):
        coded = [ppyr.encode(image.samples, model=name) for image in held_out(images)]
        sizes[name] = sum(map(len, coded))
        assert f"{sizes[name]:,} bytes" in err
    assert sizes[str(mine)] < sizes[start]
    assert {path.name for path in tmp_path.iterdir()} == {"in", "mine.run", mine.name, Path(start).name}

    assert main(words) == 1
    assert "mine.safetensors is there already" in capsys.readouterr().err
    before = mine.read_bytes()
    assert main([*words, "--force"]) == 0  # nothing is left to train
    assert modelfile.read(mine).id == model.id
    mine.write_bytes(before)
    assert main([*words, "--force", "--steps", "13"]) == 1
    assert "other settings or images" in capsys.readouterr().err
    assert mine.read_bytes() == before


def held_out(paths: list[Path]) -> list[Image]:
    return split([Image(read_image(path), 8) for path in paths]).held_out


def test_a_model_that_is_no_better_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    collection(tmp_path / "in")
    mine = tmp_path / "mine.safetensors"
    Path(tmp_path, "still.toml").write_text("steps = 1\nlearning_rate = 0.0\nbias_rate = 0.0\n")
    words = ["--config", str(tmp_path / "still.toml"), "--workers", "0", "-q"]
    assert main(["train", str(tmp_path / "in"), "--from", "fast", "-o", str(mine), *words]) == 1
    assert "no better than" in capsys.readouterr().err
    assert not mine.exists()


def test_an_interrupted_run_gives_the_same_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection(tmp_path / "in")

    def tuned(name: str) -> int:
        words = ["train", str(tmp_path / "in"), "--from", "fast", "-o", str(tmp_path / name), "--steps", "9"]
        return main([*words, "-q", "--workers", "0"])

    def interrupted(stage: str, *args: Any, **options: Any) -> Path:
        last = stage == "next"
        path = train(stage, *args, **options, max_steps=4 if last else None)
        if last:
            raise KeyboardInterrupt
        return path

    assert tuned("one.safetensors") == 0
    with monkeypatch.context() as patch:
        patch.setattr(tuning, "train", interrupted)
        assert tuned("two.safetensors") == 130
    assert not (tmp_path / "two.safetensors").exists()
    assert tuned("two.safetensors") == 0
    one, two = (modelfile.read(tmp_path / f"{name}.safetensors").id for name in ("one", "two"))
    assert one == two


def test_what_is_held_out_depends_on_the_pixels_alone() -> None:
    images = [Image(squares(9, 8 + seed, seed), 8) for seed in range(11)]
    found, turned = split(images), split([*reversed(images), images[3]])
    assert (len(found.training), len(found.held_out)) == (8, 3)
    for one, other in zip(found, turned, strict=True):
        assert [image.samples.tobytes() for image in one] == [image.samples.tobytes() for image in other]
    with pytest.raises(ppyr.UnsupportedImageError, match="add images that differ"):
        split([images[0], images[0]])


def test_a_network_sees_what_the_model_codes() -> None:
    colours = crop(100, 120)
    gray, alpha = colours[..., 1].copy(), colours[::-1, :, 1].copy()
    (units,) = modelled(Image(gray, 8), "fast")
    assert np.array_equal(units, np.dstack([gray] * 3))
    both = modelled(Image(np.dstack([gray, alpha]), 8), "fast")
    assert [unit[..., 0].tobytes() for unit in both] == [gray.tobytes(), alpha.tobytes()]
    opaque = np.dstack([colours, np.full(gray.shape, 255, np.uint8)])
    (units,) = modelled(Image(opaque, 8), "fast")
    assert np.array_equal(units, colours)
    (units,) = modelled(Image(gray // 8 * 8, 8), "fast")
    assert set(units.ravel()) == set(range(len(set(gray.ravel() // 8))))
    assert modelled(Image(np.full((9, 9), 3, np.uint8), 8), "fast") == []
    assert modelled(Image(np.uint16(256) * gray + alpha, 16), "fast") == []


def test_small_images_are_continued_by_their_mirror_images() -> None:
    image = squares(5, 70, 4)
    (found,) = Mirrored([image], 64)
    assert found.shape == (64, 70, 3)
    assert np.array_equal(found[:5], image)
    assert np.array_equal(found[5:10], image[::-1])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-o x.safetensors --export y", "--export is for training in a folder"),
        ("-o x.safetensors --network rest", "leave --network out"),
        ("-o x.safetensors", "has no files to take"),
        ("-o x.json", "tuning writes a .safetensors file"),
    ],
)
def test_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, message: str) -> None:
    assert main(["train", str(tmp_path), *words.split()]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"), [("pixelcnn-digits", "does not tell the sizes"), ("nothing", "there is no model")]
)
def test_a_model_that_can_not_be_tuned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    collection(tmp_path / "in")
    words = ["train", str(tmp_path / "in"), "--from", name, "-o", str(tmp_path / "x.safetensors")]
    assert main(words) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x.safetensors").exists()


def test_a_collection_that_no_model_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    for number in range(4):
        write_image(np.full((9, 9), number, np.uint8), tmp_path / "in" / f"{number}.png")
    assert main(["train", str(tmp_path / "in"), "-o", str(tmp_path / "x.safetensors")]) == 1
    assert "tuning it gains nothing" in capsys.readouterr().err


def test_what_a_model_wins_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = collection(tmp_path / "in")
    told = {"start": {"model": registry.by_name("fast").hex()}, "steps": 1200, "seconds": 90}
    mine = replace(own("fast"), provenance=dict.fromkeys(STAGES, told))
    model = written(mine, tmp_path / "mine.safetensors")
    monkeypatch.setattr(ownmodel, "RESULT", tmp_path / "ownmodel.json")
    monkeypatch.setattr(sys, "argv", ["ownmodel", "squares", str(tmp_path / "in"), model])
    ownmodel.main()
    found = json.loads((tmp_path / "ownmodel.json").read_text("utf-8"))["squares"]
    assert (found["images"], found["held_out"], len(found["files"])) == (6, 2, 2)
    assert found["bytes"]["tuned"] == sum(
        len(ppyr.encode(read_image(path), model=model)) for path in paths if path.name in found["files"]
    )
    table = own_model(tmp_path)
    assert f"| squares, 2 of 6 | {found['bytes']['default']:,} |" in table
    assert f"| squares | `{mine.id.hex()[:8]}` | `fast` | 1,200 + 1,200 + 1,200 | 4 | " in table
