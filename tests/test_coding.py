"""Whole images in memory: exact round trips, small overhead, refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ppyr.about import info
from ppyr.bitstream.container import pack, read_header, unpack
from ppyr.coding import encode_changed
from ppyr.decoding import Decoder, decode
from ppyr.effort import encode
from ppyr.errors import (
    ChecksumError,
    FormatError,
    ImageTooLargeError,
    ModelError,
    UnknownModelError,
    UnsupportedImageError,
)
from ppyr.models import predictor, registry
from ppyr.picture import Picture

from .photograph import crop

FAST = predictor.load(registry.by_name("fast"))

Bytes = npt.NDArray[np.uint8]


def check_round_trip(image: Bytes) -> bytes:
    """The file of an image, which decodes to it and is not much larger than its information."""
    data = encode(image)
    found = decode(data)
    np.testing.assert_array_equal(found, image, strict=True)
    assert found.flags.writeable
    theoretical = info(data).theoretical_bits_per_dim * image.size / 8
    assert len(data) <= 1.001 * theoretical + 300
    return data


def constant(shape: tuple[int, ...], _: np.random.Generator) -> Bytes:
    return np.full(shape, 201, np.uint8)


def noise(shape: tuple[int, ...], rng: np.random.Generator) -> Bytes:
    return rng.integers(0, 256, shape, np.uint8)


def gradient(shape: tuple[int, ...], _: np.random.Generator) -> Bytes:
    y, x, c = np.indices((*shape, 1)[:3])
    samples: Bytes = (7 * x + 11 * y + 40 * c).astype(np.uint8)
    return samples.reshape(shape)


def black_and_white(shape: tuple[int, ...], rng: np.random.Generator) -> Bytes:
    return rng.choice(np.array([0, 255], np.uint8), shape)


sides = st.integers(1, 20)
shapes = st.tuples(sides, sides) | st.tuples(sides, sides, st.just(3))
kinds = st.sampled_from((constant, noise, gradient, black_and_white))


@settings(max_examples=60)
@given(shapes, kinds, st.integers(0, 9))
def test_images_of_every_size_come_back(
    shape: tuple[int, ...], kind: Callable[[tuple[int, ...], np.random.Generator], Bytes], seed: int
) -> None:
    check_round_trip(kind(shape, np.random.default_rng(seed)))


@settings(max_examples=30)
@given(hnp.arrays(np.uint8, shapes))
def test_any_image_comes_back(image: Bytes) -> None:
    check_round_trip(image)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 20), (19, 1), (1, 257), (130, 3), (97, 61)])
@pytest.mark.parametrize("gray", [True, False], ids=["gray", "rgb"])
def test_photographs_come_back(shape: tuple[int, int], gray: bool) -> None:
    check_round_trip(crop(*shape, gray=gray))


def test_a_photograph_becomes_smaller() -> None:
    image = crop(97, 61)
    assert len(encode(image)) < 0.75 * image.nbytes


def test_memory_order_does_not_matter() -> None:
    image = crop(15, 18)
    data = encode(image)
    assert encode(np.asfortranarray(image)) == data
    assert encode(np.repeat(image, 2, axis=1)[:, ::2]) == data
    read_only = image.copy()
    read_only.flags.writeable = False
    assert encode(read_only) == data


def test_one_channel_is_gray() -> None:
    image = crop(9, 14, gray=True)
    assert encode(image[..., None]) == encode(image)


@pytest.mark.parametrize("dtype", [np.uint32, np.int8, np.float32, np.bool_])
def test_other_samples_are_refused(dtype: type[np.generic]) -> None:
    with pytest.raises(UnsupportedImageError, match="uint16") as caught:
        encode(np.zeros((3, 4, 3), dtype))
    assert caught.value.found == np.dtype(dtype).name


@pytest.mark.parametrize("shape", [(), (5,), (3, 4, 5), (3, 4, 0), (0, 4), (4, 0, 3), (1, 3, 4, 3), (0, 0)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UnsupportedImageError, match=r"\(H, W\)") as caught:
        encode(np.zeros(shape, np.uint8))
    found = caught.value.found
    assert isinstance(found, tuple)
    assert found[: len(shape)] == shape


@pytest.mark.parametrize(
    ("dtype", "bit_depth"), [(np.uint8, 0), (np.uint8, 9), (np.uint16, 8), (np.uint16, 17)]
)
def test_bit_depths_that_do_not_go_with_the_type(dtype: type[np.generic], bit_depth: int) -> None:
    with pytest.raises(UnsupportedImageError, match="do not go with"):
        encode(np.zeros((3, 4), dtype), bit_depth=bit_depth)


def test_a_sample_beyond_the_bit_depth_is_refused() -> None:
    with pytest.raises(UnsupportedImageError, match="does not fit in 4 bits"):
        encode(np.full((3, 4), 16, np.uint8), bit_depth=4)


def test_unknown_models_and_backends_are_refused() -> None:
    image = crop(3, 4)
    with pytest.raises(UnknownModelError):
        encode(image, model="defalt")
    with pytest.raises(ModelError):
        encode(image, backend="abacus")
    with pytest.raises(ModelError):
        decode(encode(crop(20, 30)), backend="abacus")


IMAGE = crop(12, 17)
DATA = encode(IMAGE)


def with_header(**fields: Any) -> bytes:
    """The file with other fields in its header, and checksums that fit."""
    container = unpack(DATA)
    return pack(replace(container, header=replace(container.header, **fields)))


def test_the_header_tells_the_image() -> None:
    header = read_header(DATA)
    assert (header.height, header.width, header.channels, header.bit_depth) == (12, 17, 3, 8)
    assert with_header() == DATA


def test_other_pixels_than_the_encoder_saw_are_an_error() -> None:
    digest = bytes(16)
    with pytest.raises(ChecksumError, match="decoded pixels") as caught:
        decode(with_header(pixel_digest=digest))
    assert caught.value.expected == digest.hex()
    assert caught.value.found == read_header(DATA).pixel_digest.hex()


@pytest.mark.parametrize("change", [1, -1])
def test_other_information_than_the_header_says_is_an_error(change: int) -> None:
    information = read_header(DATA).information
    with pytest.raises(FormatError, match="information") as caught:
        decode(with_header(information=information + change))
    assert (caught.value.expected, caught.value.found) == (information + change, information)


def test_less_information_than_so_many_pixels_can_have_is_refused_before_decoding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(predictor, "load", lambda *_: pytest.fail("a model was loaded"))
    least = 3 * (12 * 17 - 1)
    with pytest.raises(FormatError, match="at least") as caught:
        decode(with_header(information=least - 1))
    assert (caught.value.expected, caught.value.found) == (least, least - 1)


def test_no_more_tiles_are_decoded_than_the_information_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode_changed(Picture.of(crop(17, 40), tile_bits=4), FAST, [])
    container, decoded = unpack(data), []
    tile = Decoder._tile

    def look(*args: Any) -> Any:
        decoded.append(args)
        return tile(*args)

    monkeypatch.setattr(Decoder, "_tile", look)
    assert np.array_equal(decode(data), crop(17, 40))
    assert len(decoded) == 6
    decoded.clear()
    header = replace(container.header, information=container.header.information // 4)
    with pytest.raises(FormatError, match="information"):
        decode(pack(replace(container, header=header)))
    assert 1 <= len(decoded) < 6


def test_another_size_than_the_encoder_saw_is_an_error() -> None:
    for fields in ({"width": 18}, {"height": 11}, {"width": 12, "height": 17}):
        with pytest.raises(FormatError):
            decode(with_header(**fields))


def test_another_model_than_the_encoder_used_is_an_error() -> None:
    with pytest.raises(UnknownModelError, match="install") as caught:
        decode(with_header(model_id=bytes(16)))
    assert caught.value.found == bytes(16).hex()


def test_swapped_levels_are_an_error() -> None:
    container = unpack(DATA)
    *first, one, two = container.levels
    with pytest.raises(FormatError):
        decode(pack(replace(container, levels=(*first, two, one))))


def test_larger_images_than_the_limit_are_refused_unread() -> None:
    assert np.array_equal(decode(DATA, max_pixels=12 * 17), IMAGE)
    assert np.array_equal(decode(DATA, max_pixels=None), IMAGE)
    with pytest.raises(ImageTooLargeError, match="12") as caught:
        decode(DATA, max_pixels=12 * 17 - 1)
    assert (caught.value.expected, caught.value.found) == (203, 204)
