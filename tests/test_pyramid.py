import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ppyr.errors import UnsupportedImageError
from ppyr.geometry import Level, axes, shapes
from ppyr.pyramid import Image, build, merge, split

BIT_DEPTHS = range(1, 17)
SIZES = [(1, 1), (1, 2), (2, 1), (1, 7), (7, 1), (2, 2), (3, 3), (5, 4), (4, 5), (16, 33)]


def dtype_of(bit_depth: int) -> type[np.uint8] | type[np.uint16]:
    return np.uint8 if bit_depth <= 8 else np.uint16


def random_image(shape: tuple[int, ...], bit_depth: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 1 << bit_depth, shape, dtype_of(bit_depth))


@st.composite
def images(draw: st.DrawFn, longest: int = 19) -> tuple[Image, int]:
    bit_depth = draw(st.sampled_from(BIT_DEPTHS))
    sides = st.integers(1, longest)
    shape = draw(st.tuples(sides, sides, st.integers(1, 4)))
    samples = st.integers(0, (1 << bit_depth) - 1)
    return draw(hnp.arrays(dtype_of(bit_depth), shape, elements=samples)), bit_depth


def numpy_split(image: Image, axis: int, bit_depth: int) -> tuple[Image, Image]:
    along_rows = image if axis == 0 else image.swapaxes(0, 1)
    coarse, other = along_rows[0::2], along_rows[1::2]
    fine = (other.astype(np.int64) - coarse[: len(other)]) % (1 << bit_depth)
    if axis == 1:
        coarse, fine = coarse.swapaxes(0, 1), fine.swapaxes(0, 1)
    return coarse, fine.astype(image.dtype)


def check_split(image: Image, axis: int, bit_depth: int) -> None:
    coarse, fine = split(image, axis, bit_depth)
    expected_coarse, expected_fine = numpy_split(image, axis, bit_depth)
    np.testing.assert_array_equal(coarse, expected_coarse, strict=True)
    np.testing.assert_array_equal(fine, expected_fine, strict=True)
    merged = merge(coarse, fine, axis, bit_depth)
    np.testing.assert_array_equal(merged, image, strict=True)
    assert all(array.flags.c_contiguous for array in (coarse, fine, merged))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bit_depth", BIT_DEPTHS)
def test_split_equals_its_definition_and_merge_inverts_it(axis: int, channels: int, bit_depth: int) -> None:
    for height, width in SIZES:
        check_split(random_image((height, width, channels), bit_depth), axis, bit_depth)


@given(images(), st.sampled_from([0, 1]))
def test_split_and_merge_on_any_image(sample: tuple[Image, int], axis: int) -> None:
    image, bit_depth = sample
    check_split(image, axis, bit_depth)


@given(images())
def test_a_built_pyramid_has_the_listed_shapes_and_merges_back(sample: tuple[Image, int]) -> None:
    image, bit_depth = sample
    height, width, channels = image.shape
    coarse, fines = build(image, bit_depth)
    np.testing.assert_array_equal(coarse, image[:1, :1], strict=True)
    assert coarse.size + sum(fine.size for fine in fines) == image.size
    for level, fine in zip(shapes(height, width), fines, strict=True):
        assert coarse.shape == (*level.coarse, channels)
        assert fine.shape == (*level.fine, channels)
        coarse = merge(coarse, fine, level.axis, bit_depth)
    np.testing.assert_array_equal(coarse, image, strict=True)


def test_a_small_pyramid_by_hand() -> None:
    image = np.array([[10, 13, 255], [250, 4, 7]], np.uint8)[:, :, None]
    coarsest, fines = build(image, 8)
    assert coarsest.tolist() == [[[10]]]
    assert [fine[:, :, 0].tolist() for fine in fines] == [
        [],  # rows: one is left
        [[245]],  # columns: 255 - 10
        [[240, 8]],  # rows: 250 - 10, 7 - 255
        [[3], [10]],  # columns: 13 - 10, 4 - 250
    ]


def test_differences_wrap_at_the_bit_depth() -> None:
    image = np.array([[[7], [0]]], np.uint8)
    assert split(image, 1, 3)[1].item() == 1
    assert split(image, 1, 4)[1].item() == 9
    assert split(image, 1, 8)[1].item() == 249
    assert split(image.astype(np.uint16), 1, 9)[1].item() == 505


def test_build_leaves_the_image_alone() -> None:
    for shape in [(1, 1, 3), (6, 5, 3)]:
        image = random_image(shape, 8)
        before = image.copy()
        coarsest, _ = build(image, 8)
        coarsest += 1
        np.testing.assert_array_equal(image, before, strict=True)


def test_any_memory_layout_is_read() -> None:
    image = random_image((9, 8, 3), 8)
    for view in (image[::-1, ::2], image.transpose(1, 0, 2), np.asfortranarray(image)):
        for axis in (0, 1):
            check_split(view, axis, 8)
            coarse, fine = (np.asfortranarray(half) for half in split(view, axis, 8))
            np.testing.assert_array_equal(merge(coarse, fine, axis, 8), view, strict=True)


def test_geometry_by_hand() -> None:
    assert shapes(1, 1) == ()
    assert shapes(2, 3) == (
        Level(0, (1, 1), (0, 1)),
        Level(1, (1, 1), (1, 1)),
        Level(0, (1, 2), (1, 2)),
        Level(1, (2, 2), (2, 1)),
    )


def test_levels_alternate_and_their_number_follows_the_longer_side() -> None:
    for height, width in itertools.product([*range(1, 18), 512, 513, 1024], repeat=2):
        levels = shapes(height, width)
        assert len(levels) == 2 * math.ceil(math.log2(max(height, width)))
        assert axes(height, width) == tuple(level.axis for level in levels) == (0, 1) * (len(levels) // 2)


@pytest.mark.parametrize(("height", "width"), [(0, 1), (1, 0), (-1, 4)])
def test_geometry_refuses_an_empty_image(height: int, width: int) -> None:
    with pytest.raises(ValueError, match="empty"):
        shapes(height, width)


@pytest.mark.parametrize("bit_depth", [1, 5, 7, 9, 12, 15])
def test_a_sample_above_the_bit_depth_is_refused(bit_depth: int) -> None:
    image = np.zeros((3, 3, 1), dtype_of(bit_depth))
    image[2, 2] = (1 << bit_depth) - 1
    check_split(image, 1, bit_depth)
    image[2, 2] = 1 << bit_depth
    for refused in (lambda: split(image, 1, bit_depth), lambda: build(image, bit_depth)):
        with pytest.raises(UnsupportedImageError, match="does not fit") as caught:
            refused()
        assert caught.value.found == 1 << bit_depth


@pytest.mark.parametrize(
    ("image", "bit_depth"),
    [
        (np.zeros((2, 2, 1), np.uint16), 8),
        (np.zeros((2, 2, 1), np.uint8), 9),
        (np.zeros((2, 2, 1), np.int16), 9),
        (np.zeros((2, 2, 1), np.float32), 8),
        (np.zeros((2, 2, 1), np.uint8), 0),
        (np.zeros((2, 2, 1), np.uint16), 17),
        (np.zeros((2, 2, 0), np.uint8), 8),
        (np.zeros((0, 2, 1), np.uint8), 8),
        (np.zeros((2, 0, 1), np.uint8), 8),
        (np.zeros((2, 2, 5), np.uint8), 8),
        (np.zeros((2, 2), np.uint8), 8),
    ],
)
def test_what_is_no_image_of_this_bit_depth_is_refused(image: Image, bit_depth: int) -> None:
    with pytest.raises(UnsupportedImageError):
        split(image, 1, bit_depth)
    with pytest.raises(UnsupportedImageError):
        build(image, bit_depth)
    with pytest.raises(UnsupportedImageError):
        merge(image, image, 1, bit_depth)


@pytest.mark.parametrize("axis", [0, 1])
def test_merge_refuses_halves_that_do_not_match(axis: int) -> None:
    coarse, fine = split(np.zeros((7, 7, 3), np.uint8), axis, 8)
    longer = np.concatenate([fine] * 2, axis)
    for other in (longer, fine[1:, 1:], fine[:, :, :1], fine[:, :, 0], fine.astype(np.uint16)):
        with pytest.raises(ValueError, match="not the other half"):
            merge(coarse, other, axis, 8)
