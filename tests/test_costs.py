"""What samples cost: the same as the header, the encoder and the definition say, to the last unit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ppyr import costs as module
from ppyr import symbols
from ppyr.bitstream import mixtures, tables
from ppyr.bitstream.container import unpack
from ppyr.bitstream.mixtures import Mixtures
from ppyr.bitstream.plain import Method
from ppyr.bitstream.tables import TableSet
from ppyr.coding import encode_changed, encode_levels
from ppyr.costs import Costs, costs
from ppyr.effort import encode
from ppyr.errors import ChecksumError, ImageTooLargeError
from ppyr.models import predictor, registry
from ppyr.models.prediction import Distribution
from ppyr.picture import Picture

from . import neighbour_family, some_families
from .photograph import crop
from .some_files import SomeFile, some_files

FAST = predictor.load(registry.by_name("fast"))
TABLES = TableSet(FAST.frequencies)
FILES = some_files(FAST)


def check(data: bytes, image: np.ndarray) -> Costs:
    """Costs that are those of the header, of the streams and of the first pixels."""
    found, parts = costs(data), unpack(data)
    assert np.array_equal(found.image, image)
    assert found.blocks.sum() == found.levels.sum() == parts.header.information
    assert found.levels.sum(0).tolist() == found.blocks.sum((0, 1)).tolist()
    plain = [
        len(stream)
        for row in parts.levels
        for stream, method in zip(row, parts.methods, strict=True)
        if method is not Method.MODEL
    ]
    assert round(found.plain.sum(), 6) == 8 * (len(parts.coarsest) + sum(plain))
    return found


@pytest.mark.parametrize("file", FILES.values(), ids=list(FILES))
def test_all_symbols_cost_what_the_header_says(file: SomeFile) -> None:
    check(file.data, file.image)


def test_so_they_do_in_every_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some_families.install(tmp_path, monkeypatch)
    for name in some_families.NAMES:
        side = 8 if name == "autoencoder" else 13
        image = crop(side, side, gray=name in ("classes", "autoencoder"))
        model = predictor.load(registry.by_name(name))
        check(encode_changed(Picture.of(image, tile_bits=model.tile_bits), model, []), image)
    some_families.uninstall()


@pytest.mark.parametrize("tile_bits", [4, 10])
@pytest.mark.parametrize("kind", ["rgb", "rgba", "wide"])
def test_levels_cost_what_the_encoder_says(kind: str, tile_bits: int) -> None:
    colours = crop(21, 35)
    image = {
        "rgb": colours,
        "rgba": np.dstack([colours, colours[..., 0]]),
        "wide": colours.astype(np.uint16) * 201,
    }[kind]
    picture = Picture.of(image, tile_bits=tile_bits)
    coded = encode_levels(picture, FAST, [])
    found = check(encode_changed(picture, FAST, []), image)
    assert found.levels.sum(1).tolist() == [sum(one.information for one in row) for row in coded]
    tiles = len(picture.units) // picture.coded.components
    assert found.samples.sum() == image.size - tiles * picture.coded.channels


def test_costs_are_in_their_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a model that guesses that a pixel is as its partner, or in the coarsest image as its neighbour."""
    name = neighbour_family.install(tmp_path, monkeypatch)
    image = crop(20, 27)
    found = costs(encode(image, model=name))
    coarsest = 32 >> neighbour_family.COARSEST_BITS
    for y, x in np.ndindex(image.shape[:2]):
        step = min(y & -y or 64, x & -x or 64)
        step = min(step, coarsest)
        partner = (y, x - step) if x // step % 2 or (step == coarsest and x) else (y - step, x)
        if y or x:
            around = neighbour_family.Around(20, 8).mixtures(image[partner])
            rows = mixtures.frequencies(around)
            spent = tables.informations(rows[np.arange(3), image[y, x], np.newaxis])[:, 0]
            assert np.array_equal(found.blocks[y, x], spent), (y, x)
    predictor.load.cache_clear()


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 3, 128, 250, 255, None]))
def test_symbols_carry_what_their_tables_say(seed: int, centre: int | None) -> None:
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 256, (2, 300), dtype=np.uint8)
    numbers = rng.integers(0, len(TABLES), 300).astype(np.uint16)
    centres = drawn[0] if centre is None else np.full(300, centre, np.uint8)
    rows = TABLES.rows(numbers, centres)
    wanted = tables.informations(rows[np.arange(300), drawn[1], np.newaxis])[:, 0]
    assert np.array_equal(TABLES.informations(drawn[1], numbers, centres), wanted)


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_samples_carry_what_their_mixtures_say(bits: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = 50
    given_ = Mixtures(
        rng.integers(1, 4097, (count, 3)).astype(np.uint16),
        rng.integers(-1000, 64 << bits, (count, 3)).astype(np.int32),
        rng.integers(0, 48, (count, 3)).astype(np.uint8),
        bits,
    )
    samples = rng.integers(0, 1 << bits, count).astype(np.uint8)
    samples[:2] = 0, (1 << bits) - 1
    rows = mixtures.frequencies(given_)
    wanted = tables.informations(rows[np.arange(count), samples, np.newaxis])[:, 0]
    assert np.array_equal(mixtures.informations(samples, given_), wanted)


def test_low_bits_cost_a_bit_each() -> None:
    centres, numbers = np.zeros((1, 2), np.int64), np.zeros((1, 2), np.uint16)
    samples: npt.NDArray[np.uint16] = np.array([[5, 9]], np.uint16)
    bits = np.zeros((1, 2), np.uint8), np.full((1, 2), 3, np.uint8)
    bare, more = (
        symbols.informations(shifted, np.zeros_like(shifted), Distribution(centres, numbers, low), TABLES)
        for shifted, low in zip((samples, 8 * samples), bits, strict=True)
    )
    assert np.array_equal(more - bare, np.full((1, 2), 3 << 16))


@pytest.mark.parametrize("tile_bits", [4, 10])
def test_blocks_of_a_large_image_have_all_its_costs(tile_bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    image = crop(37, 50)
    data = encode_changed(Picture.of(image, tile_bits=tile_bits), FAST, [])
    whole = check(data, image)
    for most, bits in ((400, 2), (5, 5)):
        monkeypatch.setattr(module, "MOST_BLOCKS", most)
        found = check(data, image)
        assert found.block_bits == bits
        assert found.blocks.shape == (-(-37 >> bits), -(-50 >> bits), 3)
        side = 1 << bits
        assert np.array_equal(found.blocks[0, 0], whole.blocks[:side, :side].sum((0, 1)))
        assert found.blocks[-1, -1].tolist() == (
            whole.blocks[37 >> bits << bits :, 50 >> bits << bits :].sum((0, 1)).tolist()
        )


def test_a_wrong_file_has_no_costs() -> None:
    data = bytearray(FILES["rgb"].data)
    data[-20] ^= 1
    with pytest.raises(ChecksumError):
        costs(bytes(data))
    with pytest.raises(ImageTooLargeError):
        costs(FILES["rgb"].data, max_pixels=11)
