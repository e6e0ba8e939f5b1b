"""Arrays of any axes as chunks: what comes back, and what is refused."""

from __future__ import annotations

import random
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import ppyr
from ppyr.chunks import ChunkCodec, Form
from ppyr.decoding import DEFAULT_MAX_PIXELS
from ppyr.errors import (
    ChecksumError,
    ConfigurationError,
    FormatError,
    ImageTooLargeError,
    NotPpyrError,
    PpyrError,
    TruncatedError,
    UnknownModelError,
    UnsupportedImageError,
)
from ppyr.stacks import pack_stack, unpack_stack

from .photograph import crop

SIZES = {"Y": 6, "X": 9, "C": 3, "T": 2, "Z": 3}
ALL_AXES = ("YX", "XY", "YXC", "CYX", "TYX", "YTX", "TYXC", "CTZYX", "XTCYZ")
DTYPES = ("?", "u1", "<u2", ">u2")


def some_array(axes: str, dtype: npt.DTypeLike, channels: int = SIZES["C"]) -> npt.NDArray[Any]:
    shape = [channels if letter == "C" else SIZES[letter] for letter in axes]
    samples = crop(18, 54, gray=True).ravel()[: np.prod(shape)].reshape(shape)
    if np.dtype(dtype) == np.bool_:
        return samples > 120
    return samples.astype(dtype) * (1 if np.dtype(dtype).itemsize == 1 else 250)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axes", ALL_AXES)
def test_arrays_come_back(axes: str, dtype: str) -> None:
    codec, array = ChunkCodec(axes, effort=1), some_array(axes, dtype)
    back = codec.decode(codec.encode(array))
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype.newbyteorder("=")
    assert back.flags.c_contiguous
    assert back.flags.writeable


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("axes", ["YXC", "CTYX"])
def test_channels_come_back(axes: str, channels: int) -> None:
    codec, array = ChunkCodec(axes, effort=1), some_array(axes, "u1", channels)
    np.testing.assert_array_equal(codec.decode(codec.encode(array)), array, strict=True)


def test_strides_do_not_matter() -> None:
    codec, array = ChunkCodec("TYX", effort=1), some_array("XYT", "u2")[::-1, ::2].T
    assert not array.flags.forc
    np.testing.assert_array_equal(codec.decode(codec.encode(array)), array, strict=True)


def test_a_chunk_without_a_stack_is_a_file() -> None:
    image = crop(12, 9)
    data = ChunkCodec("CYX", model="fast").encode(np.moveaxis(image, -1, 0))
    np.testing.assert_array_equal(ppyr.decode(data), image, strict=True)
    assert data == ppyr.encode(image, model="fast")


def test_settings_choose_the_model(tmp_path: Path) -> None:
    image = crop(12, 9)
    assert ChunkCodec("YXC").config() == {"axes": "YXC", "effort": 5}
    assert ChunkCodec("YXC", model="medium").config() == {"axes": "YXC", "model": "medium"}
    for codec in (ChunkCodec("YXC", effort=4), ChunkCodec("YXC", model="medium")):
        assert ChunkCodec.from_config(codec.config()) == codec
        (tmp_path / "a.ppyr").write_bytes(codec.encode(image))
        assert ppyr.info(tmp_path / "a.ppyr").model == "medium"
    with pytest.raises(UnknownModelError, match="none of that name"):
        ChunkCodec("YXC", model="none of that name").encode(image)


def test_images_that_repeat_cost_a_byte() -> None:
    codec, image = ChunkCodec("TYX", effort=1), crop(6, 9, gray=True)
    once, often = (codec.encode(np.stack([image] * count)) for count in (1, 9))
    assert len(often) == len(once) + 8
    np.testing.assert_array_equal(codec.decode(often), np.stack([image] * 9), strict=True)


def test_the_layout_of_a_stack() -> None:
    front = bytes.fromhex("02 01 ac02 00")
    files = (2, 1), [bytes(300), b""]
    data = pack_stack(*files)
    assert data == front + zlib.crc32(front).to_bytes(4, "little") + bytes(300)
    assert unpack_stack(data, 2) == files
    for end in range(len(data)):
        with pytest.raises(TruncatedError):
            unpack_stack(data[:end], 2)
    with pytest.raises(FormatError, match="310 bytes"):
        unpack_stack(data + b"\0", 2)
    with pytest.raises(ChecksumError, match="axes"):
        unpack_stack(data, 1)
    for sizes, first in (((1,), [b""]), ((0,), [])):
        with pytest.raises(FormatError, match="no first image"):
            unpack_stack(pack_stack(sizes, first), 1)


@pytest.mark.parametrize("axes", ["YXC", "TYX"])
def test_damage_is_an_error(axes: str) -> None:
    codec = ChunkCodec(axes, effort=1)
    data = codec.encode(some_array(axes, "u1"))
    choose = random.Random(1)
    for offset in range(len(data)):
        damaged = bytearray(data)
        damaged[offset] ^= 1 << choose.randrange(8)
        with pytest.raises(PpyrError):
            codec.decode(bytes(damaged))
        with pytest.raises(FormatError):
            codec.decode(data[:offset])


def test_what_is_no_such_chunk_is_refused() -> None:
    gray, colours = (ChunkCodec(axes, effort=1).encode(some_array(axes, "u1")) for axes in ("YX", "YXC"))
    stack = ChunkCodec("TYX", effort=1)
    with pytest.raises(FormatError, match="several kinds"):
        stack.decode(pack_stack((2,), [gray, ppyr.encode(crop(6, 8, gray=True), effort=1)]))
    with pytest.raises(FormatError, match="3 channels, and the axes 'YX' none"):
        ChunkCodec("YX").decode(colours)
    with pytest.raises(FormatError, match="stack"):
        stack.decode(gray)
    with pytest.raises(NotPpyrError):
        ChunkCodec("YX").decode(pack_stack((1,), [gray]))
    for expected in (Form((6, 9), np.dtype("u2")), Form((9, 6), np.dtype("u1"))):
        with pytest.raises(FormatError, match=r"uint8 of shape \(6, 9\)"):
            ChunkCodec("YX").decode(gray, expected)


def test_a_chunk_is_no_bomb() -> None:
    codec = ChunkCodec("TYX", effort=1)
    file = ppyr.encode(np.zeros((256, 256), np.uint8), effort=1)
    count = DEFAULT_MAX_PIXELS // 256**2 + 1
    with pytest.raises(ImageTooLargeError):
        codec.decode(pack_stack((count,), [file, *[b""] * (count - 1)]))


@pytest.mark.parametrize("dtype", ["i1", "i2", "u4", "f2", "f8", "c8", "U2", "M8[s]", "O"])
def test_other_samples_are_refused(dtype: str) -> None:
    with pytest.raises(UnsupportedImageError, match="store bool, uint8 or uint16"):
        ChunkCodec("YX").encode(np.zeros((2, 3), dtype))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="2 dimensions, and this one has 3"):
        ChunkCodec("YX").encode(np.zeros((2, 3, 1), np.uint8))
    with pytest.raises(UnsupportedImageError, match="5 channels"):
        ChunkCodec("CYX").encode(np.zeros((5, 2, 3), np.uint8))
    with pytest.raises(UnsupportedImageError, match="empty"):
        ChunkCodec("TYX").encode(np.zeros((0, 2, 3), np.uint8))


@pytest.mark.parametrize("axes", ["", "Y", "YX2", "YXX", "yx", "TZ"])
def test_other_axes_are_refused(axes: str) -> None:
    with pytest.raises(ConfigurationError, match="a letter of A to Z for each axis"):
        ChunkCodec(axes)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "axes is missing"),
        ({"axes": "YX", "level": 9}, "'level'"),
        ({"axes": ["Y", "X"]}, "give str"),
        ({"axes": "YX", "effort": "5"}, "give int"),
        ({"axes": "YX", "effort": True}, "give int"),
        ({"axes": "YX", "effort": 0}, "give 1 to 9"),
        ({"axes": "YX", "effort": 5, "model": "fast"}, "one of effort and model"),
    ],
)
def test_other_settings_are_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ChunkCodec.from_config(config)
