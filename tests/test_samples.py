"""Samples of every depth, alpha, tiles: exact round trips, and files that are as the document says."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ppyr
from ppyr.bitstream.container import Layout, read_index, unpack
from ppyr.coding import encode_changed
from ppyr.decoding import decode
from ppyr.models import predictor, registry
from ppyr.picture import Picture, scaling_of

from . import plain_decoder
from .photograph import crop

FAST = predictor.load(registry.by_name("fast"))
CHANNELS = (1, 2, 3, 4)


def textured(height: int, width: int, channels: int, bit_depth: int, seed: int = 0) -> npt.NDArray[Any]:
    """Noise on a slope, some of it at the ends of the range, (height, width, channels)."""
    rng = np.random.default_rng(seed)
    y, x, c = np.indices((height, width, channels))
    slope = (3 * y + 2 * x + 20 * c) * 2.0**bit_depth / 200 + rng.normal(0, 2.0**bit_depth / 100, y.shape)
    samples = np.empty(slope.shape, np.uint8 if bit_depth <= 8 else np.uint16)
    samples[...] = slope.clip(0, 2**bit_depth - 1)
    return samples


def noise(height: int, width: int, channels: int, bit_depth: int, seed: int = 0) -> npt.NDArray[Any]:
    """Samples that are all equally likely."""
    dtype = np.uint8 if bit_depth <= 8 else np.uint16
    return np.random.default_rng(seed).integers(0, 2**bit_depth, (height, width, channels), dtype)


def squeezed(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(H, W) of gray, as a decoder gives it."""
    return image[..., 0] if image.shape[2] == 1 else image


@pytest.mark.parametrize("bit_depth", range(1, 17))
@pytest.mark.parametrize("channels", CHANNELS)
def test_every_depth_comes_back(channels: int, bit_depth: int) -> None:
    for make in (textured, noise):
        image = squeezed(make(13, 18, channels, bit_depth))
        data = ppyr.encode(image, model="fast", bit_depth=bit_depth)
        np.testing.assert_array_equal(ppyr.decode(data), image, strict=True)
        about = ppyr.info(data)
        assert (about.channels, about.bit_depth) == (channels, bit_depth)
        streams = len(about.levels) * (2 - channels % 2)
        assert len(data) <= 1.001 * about.theoretical_bits_per_dim * image.size / 8 + 300 + 8 * streams


@settings(max_examples=40)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(CHANNELS),
    st.integers(1, 16),
    st.integers(4, 6),
    st.integers(0, 9),
)
def test_tiles_of_every_size_come_back(
    height: int, width: int, channels: int, bit_depth: int, tile_bits: int, seed: int
) -> None:
    image = squeezed(textured(height, width, channels, bit_depth, seed))
    data = encode_changed(Picture.of(image, bit_depth, tile_bits), FAST, [])
    np.testing.assert_array_equal(decode(data), image, strict=True)


@pytest.mark.parametrize(
    ("shape", "bit_depth", "tile_bits"),
    [
        ((18, 21, 3), 8, 4),
        ((17, 9, 2), 8, 4),
        ((6, 5, 4), 8, 10),
        ((9, 12, 1), 1, 10),
        ((11, 17, 1), 16, 4),
        ((9, 7, 3), 12, 10),
        ((8, 5, 4), 9, 10),
    ],
)
@pytest.mark.parametrize("make", [textured, noise])
def test_the_file_is_as_the_document_says(
    make: Any, shape: tuple[int, int, int], bit_depth: int, tile_bits: int
) -> None:
    image = make(*shape, bit_depth)
    data = encode_changed(Picture.of(image, bit_depth, tile_bits), FAST, [])
    found, _ = plain_decoder.decode(data, registry.by_id(FAST.id).read_bytes())
    np.testing.assert_array_equal(found.astype(image.dtype), image, strict=True)


def test_wide_samples_that_would_fit_a_byte_are_seen_as_bytes() -> None:
    image = crop(40, 44)
    assert scaling_of(image.astype(np.uint16), 12).used_bits == 8
    wide = ppyr.info(ppyr.encode(image.astype(np.uint16), model="fast"))
    narrow = ppyr.info(ppyr.encode(image, model="fast"))
    assert wide.theoretical_bits_per_dim < 1.03 * narrow.theoretical_bits_per_dim


def test_wide_photographs_cost_little_more_than_their_noise() -> None:
    image = crop(64, 64)
    low = np.random.default_rng(0).integers(0, 16, image.shape, np.uint16)
    wide = ppyr.info(ppyr.encode(16 * image.astype(np.uint16) + low, model="fast", bit_depth=12))
    narrow = ppyr.info(ppyr.encode(image, model="fast"))
    assert abs(wide.theoretical_bits_per_dim - narrow.theoretical_bits_per_dim - 4) < 0.1


def test_alpha_costs_what_it_does_alone() -> None:
    image = np.dstack([crop(33, 47), crop(33, 47, gray=True)[::-1]])
    sizes = [
        ppyr.info(ppyr.encode(part, model="fast")).theoretical_bits_per_dim * part.size
        for part in (image, image[..., :3], image[..., 3])
    ]
    assert sizes[0] == pytest.approx(sizes[1] + sizes[2], abs=1e-3)


def test_a_tile_does_not_know_its_neighbours() -> None:
    image = crop(32, 32)
    other = image.copy()
    other[:16, 16:] = 255 - other[:16, 16:]
    files = [unpack(encode_changed(Picture.of(one, None, 4), FAST, [])) for one in (image, other)]
    for level, changed in zip(*(file.levels for file in files), strict=True):
        assert [level[tile] == changed[tile] for tile in (0, 2, 3)] == [True] * 3
    assert files[0].levels != files[1].levels


def test_a_small_last_tile_has_fewer_levels() -> None:
    image = crop(16, 18)
    data = encode_changed(Picture.of(image, None, 4), FAST, [])
    index = read_index(data)[1]
    assert Layout(index.coded, index.tile_bits).tiles == (1, 2)
    assert len(index.streams) == 8
    about = ppyr.info(data)
    assert [(level.height, level.width) for level in about.levels] == [
        (2, 2),
        (2, 3),
        (4, 3),
        (4, 5),
        (8, 5),
        (8, 9),
        (16, 9),
        (16, 18),
    ]
    parts = [ppyr.info(ppyr.encode(part)) for part in (image[:, :16], image[:, 16:])]
    assert about.model_evaluations == sum(part.model_evaluations for part in parts)


@pytest.mark.parametrize(("shape", "tile_bits"), [((1024, 3), 10), ((3, 1025), 9)])
def test_large_images_have_smaller_tiles(shape: tuple[int, int], tile_bits: int) -> None:
    assert Picture.of(np.zeros(shape, np.uint8)).tile_bits == tile_bits
