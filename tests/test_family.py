"""Another family of models: coarsest images, mixtures, conditions and fixed tiles, from end to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import ppyr
from ppyr.bitstream.container import pack as packed
from ppyr.bitstream.container import read_header, read_index, unpack
from ppyr.bitstream.plain import Method
from ppyr.cli import main
from ppyr.coding import encode_changed
from ppyr.errors import (
    ConfigurationError,
    FormatError,
    ModelError,
    PpyrError,
    TruncatedError,
    UnsupportedImageError,
)
from ppyr.imagefile import write_image
from ppyr.models import modelfile, predictor, registry
from ppyr.models.changes import Change
from ppyr.models.modelfile import INGREDIENTS, Recipe
from ppyr.models.weights import ARCHITECTURE
from ppyr.picture import Picture

from . import neighbour_family
from .contract import CHECKS, Tally
from .neighbour_family import COARSEST_BITS, TILE_BITS, WEIGHTS
from .photograph import crop
from .some_files import SomeFile


@pytest.fixture(autouse=True)
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    folder = tmp_path / "models"
    folder.mkdir()
    yield neighbour_family.install(folder, monkeypatch)
    predictor.load.cache_clear()


def coded(image: npt.NDArray[np.uint8], label: int | None = None, bit_depth: int | None = None) -> bytes:
    """A file whose units are all coded by the model."""
    chosen = predictor.load(registry.by_name("neighbours"))
    return encode_changed(Picture.of(image, bit_depth, TILE_BITS), chosen, [], label)


SHAPES = [(1, 1), (1, 2), (2, 1), (7, 8), (8, 8), (9, 8), (1, 20), (32, 32), (33, 65), (40, 70)]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_round_trip_at_every_size(shape: tuple[int, int], channels: int) -> None:
    image = crop(*shape)[..., [0, 1, 2, 0][:channels]]
    image = image if channels > 1 else image[..., 0]
    data = coded(image, 3)
    _, index = read_index(data)
    halvings = (max(min(shape[0], 32), min(shape[1], 32)) - 1).bit_length()
    assert len(index.streams) == 2 * max(0, halvings - COARSEST_BITS) + (halvings > 0)
    assert index.coarsest_bits == COARSEST_BITS
    for backend in ("auto", "reference"):
        assert np.array_equal(ppyr.decode(data, backend=backend), image)
    with ppyr.open(data) as file:
        for level in range(8):
            smaller = image[:: 1 << level, :: 1 << level]
            assert np.array_equal(file.read(level=level), smaller)
            height, width = smaller.shape[:2]
            region = width // 2, height // 3, width - width // 2, 1
            found = file.read(level=level, region=region)
            assert np.array_equal(found, smaller[region[1] : region[1] + 1, region[0] :])


def test_both_backends_write_the_same() -> None:
    image = crop(20, 40)
    files = [
        encode_changed(Picture.of(image, None, TILE_BITS), predictor.load(WEIGHTS.id, backend), [], 2)
        for backend in ("reference", "torch")
    ]
    assert files[0] == files[1]


@pytest.mark.parametrize("bit_depth", range(1, 8))
def test_samples_of_few_bits(bit_depth: int) -> None:
    image = crop(13, 37, gray=True) // np.uint8(1 << 8 - bit_depth)
    assert np.array_equal(ppyr.decode(coded(image, None, bit_depth)), image)


@pytest.mark.parametrize("shape", [(9, 9), (30, 45), (40, 33)])
def test_a_file_that_is_cut_off_has_its_complete_levels(shape: tuple[int, int]) -> None:
    image = crop(*shape)
    data, seen = coded(image), set()
    for size in (*range(0, len(data), 13), len(data) - 1):
        try:
            with ppyr.open(data[:size]) as file:
                level = file.complete_level
                found = file.read(level=level)
                if level:
                    with pytest.raises(TruncatedError):
                        file.read(level=level - 1)
        except (TruncatedError, ppyr.NotPpyrError):
            continue
        seen.add(level)
        assert np.array_equal(found, image[:: 1 << level, :: 1 << level])
    whole = (max(min(shape[0], 32), min(shape[1], 32)) - 1).bit_length()
    assert seen == {whole, *range(whole - COARSEST_BITS + 1)}


@pytest.mark.parametrize("channels", [1, 3])
def test_every_damaged_byte_is_found(channels: int) -> None:
    data = coded(crop(9, 12)[..., :channels], 4)
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x55
        with pytest.raises(PpyrError):
            ppyr.decode(bytes(damaged))


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_the_contract_of_all_files(check: Callable[[SomeFile], Tally]) -> None:
    image = crop(10, 5)
    assert check(SomeFile(coded(image, 2), image)).total()


def test_a_label_is_kept_and_matters() -> None:
    image = crop(16, 16)
    files = {label: coded(image, label) for label in (None, 0, 9)}
    assert unpack(files[9]).condition == b"\x09"
    assert unpack(files[None]).condition == b""
    assert ppyr.info(files[9]).condition == 1
    assert read_header(files[0]).information == read_header(files[None]).information
    assert read_header(files[9]).information != read_header(files[0]).information
    with pytest.raises(ConfigurationError, match="label 10"):
        coded(image, 10)


@pytest.mark.parametrize("condition", [b"\x0a", b"\x01\x01"])
def test_a_condition_that_the_model_does_not_know_is_refused(condition: bytes) -> None:
    container = replace(unpack(coded(crop(16, 16), 1)), condition=condition)
    with pytest.raises(FormatError, match="no such class"):
        ppyr.decode(packed(container))


def test_the_default_family_takes_neither_labels_nor_conditions() -> None:
    image = crop(16, 16)
    for effort, model in ((1, None), (9, None), (None, "fast")):
        with pytest.raises(ConfigurationError, match="takes no label"):
            ppyr.encode(image, label=1, effort=effort, model=model)
    data = encode_changed(Picture.of(image), predictor.load(registry.by_name("fast")), [])
    with pytest.raises(FormatError, match="its model takes none"):
        ppyr.decode(packed(replace(unpack(data), condition=b"1")))


def test_tiles_and_coarsest_images_are_those_of_the_model() -> None:
    image = crop(16, 16)
    chosen = predictor.load(WEIGHTS.id)
    other_tiles = encode_changed(Picture.of(image, None, 6), chosen, [])
    with pytest.raises(FormatError, match="other tiles"):
        ppyr.decode(other_tiles)
    container = unpack(coded(image))
    levels = (*container.levels[:1], *container.levels[-2:], *container.levels[-2:])
    with pytest.raises(FormatError, match="other tiles"):
        ppyr.decode(packed(replace(container, coarsest_bits=2, levels=levels)))
    fast = encode_changed(Picture.of(image), predictor.load(registry.by_name("fast")), [])
    header = replace(unpack(fast).header, model_id=WEIGHTS.id)
    with pytest.raises(FormatError, match="other tiles"):
        ppyr.decode(packed(replace(unpack(fast), header=header)))


def test_wide_samples_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UnsupportedImageError, match="neighbours codes samples of at most 8 bits"):
        ppyr.encode(rng.integers(0, 1 << 16, (16, 40), np.uint16), model="neighbours")
    few = rng.choice(np.array([5, 999, 30000, 65535], np.uint16), (16, 40))
    assert np.array_equal(ppyr.decode(ppyr.encode(few, model="neighbours")), few)


def test_only_the_default_family_is_changed() -> None:
    picture = Picture.of(crop(8, 8), None, TILE_BITS)
    change = Change("scale", 0, 0, np.ones(1, np.int8))
    with pytest.raises(ModelError, match="can not be changed"):
        encode_changed(picture, predictor.load(WEIGHTS.id), [change])
    container = unpack(coded(crop(8, 8)))
    with pytest.raises(FormatError, match="changes"):
        ppyr.decode(packed(replace(container, changes=b"\1\0\1\0\0")))
    recipe = Recipe(dict.fromkeys(INGREDIENTS, WEIGHTS.id))
    with pytest.raises(ModelError, match="can not be changed"):
        recipe.make(Path())


def test_architectures_have_their_own_ids_and_checks(tmp_path: Path) -> None:
    path = registry.by_id(WEIGHTS.id)
    read = modelfile.read(path)
    assert (read.architecture, read.id, read.provenance) == (
        WEIGHTS.architecture,
        WEIGHTS.id,
        {"from": "a test"},
    )
    assert replace(WEIGHTS, architecture=ARCHITECTURE).id != WEIGHTS.id
    with pytest.raises(ModelError, match="other tensors than a scale"):
        modelfile.write(replace(WEIGHTS, tensors={}), tmp_path, "none")
    with pytest.raises(ModelError, match="architecture 'unknown'"):
        modelfile.write(replace(WEIGHTS, architecture="unknown"), tmp_path, "none")


def test_constant_and_stored_tiles_beside_modelled_ones() -> None:
    image = crop(32, 96)
    image[:, :32] = 7
    image[:, 32:64] = np.random.default_rng(0).integers(0, 256, (32, 32, 3))
    data = ppyr.encode(image, model="neighbours")
    assert read_index(data)[1].methods == (Method.CONSTANT, Method.STORED, Method.MODEL)
    assert np.array_equal(ppyr.decode(data), image)
    with ppyr.open(data) as file:
        assert np.array_equal(file.read(level=4), image[::16, ::16])
    flat = ppyr.encode(np.full((40, 40), 3, np.uint8), model="neighbours", label=3)
    assert unpack(flat).condition == b""


def test_what_info_says() -> None:
    levels = ppyr.info(coded(crop(32, 48))).levels
    assert [(level.width, level.height) for level in levels] == [
        (12, 8),
        (12, 16),
        (24, 16),
        (24, 32),
        (48, 32),
    ]
    assert levels[0].evaluations == (8 * 8 - 1) + (8 * 4 - 1)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, source, target = crop(20, 20), str(tmp_path / "a.png"), str(tmp_path / "a.ppyr")
    write_image(image, source)
    assert main(["compress", source, "--model", "neighbours", "--label", "7"]) == 0
    assert main(["info", target]) == 0
    assert "1 bytes are given to the model" in capsys.readouterr().out
    assert main(["decompress", target, "-o", str(tmp_path / "b.png")]) == 0
    assert np.array_equal(ppyr.decode(Path(target).read_bytes()), image)
    assert main(["compress", source, "-f", "--label", "7"]) == 1
    assert "takes no label" in capsys.readouterr().err
