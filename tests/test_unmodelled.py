"""Images that are coded without a model or by way of a mapping: what is chosen, and that it comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ppyr
from ppyr import coding
from ppyr.bitstream.container import Container, unpack
from ppyr.bitstream.mapping import (
    Channel,
    ChannelMapping,
    ColourMapping,
    How,
    Mapping,
    pack_mapping,
    unpack_mapping,
)
from ppyr.bitstream.plain import Method, pack_plain, unpack_plain
from ppyr.bitstream.raster import Raster
from ppyr.cli import main
from ppyr.coding import encode_changed
from ppyr.errors import FormatError
from ppyr.mappings import coded, mappings
from ppyr.models import predictor, registry
from ppyr.picture import Picture

from . import plain_decoder
from .photograph import crop
from .some_mappings import any_mapping

FAST = predictor.load(registry.by_name("fast"))
MODEL_FILE = registry.by_id(FAST.id).read_bytes()
Image = npt.NDArray[Any]


def sprite(height: int = 40, width: int = 50) -> Image:
    """Few colours, shapes that repeat, transparent around them, (height, width, 4)."""
    y, x = np.indices((height, width))
    colours = np.array([(0, 0, 0, 0), (200, 30, 40, 255), (20, 90, 210, 255), (250, 250, 240, 128)], np.uint8)
    return colours[((x // 3 + y // 5) % 7 < 4) * (1 + (x // 10 + y // 8) % 3)]


def many_colours(height: int = 64, width: int = 64) -> Image:
    """A small pattern of many colours, repeated, (height, width, 3)."""
    pattern = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    flat = np.repeat(np.repeat(pattern[:16, :16], 2, 0), 2, 1)
    return np.tile(flat, (height // 32, width // 32, 1))


def stretched() -> Image:
    """A photograph whose samples lie three apart, (48, 64, 3)."""
    return (crop(48, 64) // 4 * 3).astype(np.uint8)


def twelve_of_sixteen() -> Image:
    """A photograph of 16 bits whose low four are 0, (48, 64)."""
    fine = crop(48, 64, gray=True).astype(np.uint16) * 16 + np.random.default_rng(0).integers(0, 16, (48, 64))
    return (fine * 16).astype(np.uint16)


IMAGES: dict[str, tuple[Callable[[], Image], int]] = {
    "sprite": (sprite, 8),
    "many colours": (many_colours, 8),
    "stretched": (stretched, 8),
    "gray as RGB": (lambda: np.dstack([crop(33, 47, gray=True)] * 3), 8),
    "opaque": (lambda: np.dstack([crop(33, 47), np.full((33, 47), 255, np.uint8)]), 8),
    "12 of 16 bits": (twelve_of_sixteen, 16),
    "noise": (lambda: np.random.default_rng(0).integers(0, 256, (20, 31, 3), np.uint8), 8),
    "5 bits of noise": (lambda: np.random.default_rng(0).integers(0, 32, (20, 31, 3), np.uint8), 5),
    "11 bits of noise": (lambda: np.random.default_rng(0).integers(0, 2048, (20, 31, 2), np.uint16), 11),
    "bilevel": (lambda: (sprite()[..., 0] > 100).astype(np.uint8), 1),
    "one colour": (lambda: np.full((19, 5, 3), (1, 2, 3), np.uint8), 8),
    "one pixel": (lambda: np.full((1, 1, 4), 77, np.uint8), 8),
    "a row": (lambda: sprite(1, 200)[0][None], 8),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images_come_back_and_their_files_are_as_the_document_says(name: str) -> None:
    make, bit_depth = IMAGES[name]
    image = make()
    data = ppyr.encode(image, model="fast", bit_depth=bit_depth)
    np.testing.assert_array_equal(ppyr.decode(data), image, strict=True)
    found, _ = plain_decoder.decode(data, MODEL_FILE)
    np.testing.assert_array_equal(found.reshape(image.shape).astype(image.dtype), image, strict=True)
    with ppyr.open(data) as parts:
        np.testing.assert_array_equal(parts.read(level=1), image[::2, ::2], strict=True)
        np.testing.assert_array_equal(parts.read(), image, strict=True)


def file_of(name: str) -> Container:
    make, bit_depth = IMAGES[name]
    return unpack(ppyr.encode(make(), model="fast", bit_depth=bit_depth))


def hows(mapping: Mapping | None) -> list[How]:
    assert isinstance(mapping, ChannelMapping)
    return [channel.how for channel in mapping.each]


def test_few_colours_are_numbered() -> None:
    file = file_of("sprite")
    assert isinstance(file.mapping, ColourMapping)
    assert len(file.mapping.colours) == 4
    assert Method.MODEL not in file.methods
    assert file.header.model_id == bytes(16)


def test_what_repeats_goes_without_the_model() -> None:
    assert file_of("many colours").methods[0] >= Method.LZMA


def test_sparse_values_are_ranked_and_their_gaps_cost_nothing() -> None:
    for name, alike in (("stretched", crop(48, 64) // 4), ("12 of 16 bits", twelve_of_sixteen() // 16)):
        file = file_of(name)
        assert set(hows(file.mapping)) == {How.RANKS}
        dense = ppyr.encode(alike, model="fast", bit_depth=8 if alike.dtype == np.uint8 else 12)
        assert file.header.information < 1.05 * unpack(dense).header.information


def test_channels_that_say_nothing_cost_nothing() -> None:
    assert hows(file_of("gray as RGB").mapping) == [How.CODED, How.COPY, How.COPY]
    assert hows(file_of("opaque").mapping) == [How.CODED] * 3 + [How.CONSTANT]
    gray = crop(33, 47, gray=True)
    alone = ppyr.encode(gray, model="fast")
    assert len(ppyr.encode(np.dstack([gray] * 3), model="fast")) < len(alone) + 40


def test_info_tells_how_units_are_coded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ppyr.encode(sprite(), model="fast")
    about = ppyr.info(data)
    assert (about.model, about.model_evaluations) == ("none", 0)
    assert sum(about.units.values()) == 1
    assert about.mapping == len(pack_mapping(unpack(data).mapping))
    assert about.bytes - about.theoretical_bits_per_dim * sprite().size / 8 < 200
    (tmp_path / "a.ppyr").write_bytes(data)
    assert main(["info", str(tmp_path / "a.ppyr")]) == 0
    said = capsys.readouterr().out
    assert f"tiles: 1 {unpack(data).methods[0].name}" in said
    assert f"{about.mapping} bytes map" in said


def test_one_colour_has_no_streams() -> None:
    file = file_of("one colour")
    assert set(file.methods) == {Method.CONSTANT}
    assert not any(any(streams) for streams in file.levels)


def test_one_colour_asks_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    coded_units: list[int] = []
    monkeypatch.setattr(coding, "encode_unit", lambda *_: coded_units.append(1))
    for image in (np.full((20, 30, 3), 7, np.uint8), np.zeros((9, 8), np.uint16)):
        assert np.array_equal(ppyr.decode(ppyr.encode(image)), image)
    assert not coded_units


@pytest.mark.parametrize("name", ["noise", "5 bits of noise", "11 bits of noise"])
def test_noise_takes_its_own_bits_and_no_more(name: str) -> None:
    make, bit_depth = IMAGES[name]
    image = make()
    data = ppyr.encode(image, model="fast", bit_depth=bit_depth)
    assert set(unpack(data).methods) == {Method.STORED}
    assert len(data) < image.size * bit_depth / 8 + 160


def test_photographs_are_coded_by_the_model_alone() -> None:
    file = unpack(ppyr.encode(crop(64, 64), model="fast"))
    assert (file.mapping, file.methods) == (None, (Method.MODEL,))


def test_tiles_choose_apart() -> None:
    noise = np.random.default_rng(0).integers(0, 4, (512, 1040, 3), np.uint8)
    photograph = np.tile(crop(200, 200), (3, 6, 1))[:512, :1040] // 2 + noise
    image = np.vstack([photograph, np.tile(many_colours(512, 544), (1, 2, 1))[:, :1040]])
    data = ppyr.encode(image, model="fast")
    methods = unpack(data).methods
    assert methods[0] is Method.MODEL
    assert Method.MODEL not in methods[3:]
    np.testing.assert_array_equal(ppyr.decode(data), image, strict=True)


def test_a_picture_for_a_model_is_coded_by_it() -> None:
    assert unpack(encode_changed(Picture.of(sprite()), FAST, [])).methods == (Method.MODEL,) * 2


@given(st.data(), st.integers(1, 4), st.integers(1, 16))
def test_mappings_are_packed_and_restored(data: st.DataObject, channels: int, bit_depth: int) -> None:
    image = Raster(5, 4, channels, bit_depth)
    mapping = data.draw(any_mapping(image))
    assert unpack_mapping(pack_mapping(mapping), image) == mapping
    limit = min(2**mapping.coded.bit_depth, len(getattr(mapping, "colours", "x" * 2**16)))
    if isinstance(mapping, ChannelMapping):
        limit = min(len(one.values) or limit for one in mapping.each if one.is_coded)
    dtype = mapping.coded.dtype.newbyteorder("=")
    samples: Any = np.random.default_rng(0).integers(0, limit, (4, 5, mapping.coded.channels)).astype(dtype)
    restored = mapping.restored(samples)
    assert restored.shape == (4, 5, channels)
    if isinstance(mapping, ChannelMapping):
        np.testing.assert_array_equal(coded(restored, mapping), samples, strict=True)


def test_a_channel_of_one_bit_can_be_a_copy_of_the_third() -> None:
    image = Raster(5, 4, 4, 1)
    mapping = ChannelMapping(image, (*[Channel(How.CODED)] * 3, Channel(How.COPY, number=2)))
    assert unpack_mapping(pack_mapping(mapping), image) == mapping


@given(st.integers(0, 99), st.integers(1, 4), st.integers(1, 16), st.integers(1, 9), st.integers(1, 300))
def test_every_mapping_that_is_tried_gives_the_image_back(
    seed: int, channels: int, bit_depth: int, side: int, colours: int
) -> None:
    rng = np.random.default_rng(seed)
    dtype = np.uint8 if bit_depth <= 8 else np.uint16
    table = rng.integers(0, 2**bit_depth, (colours, channels)).astype(dtype)
    image: Any = table[rng.integers(0, colours, (2 * side, 9 * side))]
    for mapping in mappings(image, Raster(9 * side, 2 * side, channels, bit_depth)):
        if mapping is not None:
            np.testing.assert_array_equal(mapping.restored(coded(image, mapping)), image, strict=True)


@given(
    st.sampled_from(list(Method)[Method.STORED :]),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3)),
    st.integers(1, 16),
    st.integers(1, 16),
    st.integers(0, 99),
)
def test_streams_without_a_model(
    method: Method, shape: tuple[int, int, int], bit_depth: int, used: int, seed: int
) -> None:
    dtype = np.uint8 if bit_depth <= 8 else np.uint16
    samples: Any = np.random.default_rng(seed).integers(0, 2 ** min(used, bit_depth), shape).astype(dtype)
    stream = pack_plain(samples, method, bit_depth)
    np.testing.assert_array_equal(unpack_plain(stream, method, shape, bit_depth, dtype), samples, strict=True)


@pytest.mark.parametrize("method", list(Method)[Method.STORED :])
def test_damaged_streams_without_a_model_are_refused(method: Method) -> None:
    samples = sprite(12, 9)[..., :3]
    stream = pack_plain(samples, method, 8)
    for damaged in (stream[:-1], stream + b"\0", b"", bytes(len(stream))):
        with pytest.raises(FormatError):
            unpack_plain(damaged, method, (12, 9, 3), 7 if method is Method.STORED else 8, np.uint8)
    for shape in ((13, 9, 3), (11, 9, 3), (12, 9, 1)):
        with pytest.raises(FormatError):
            unpack_plain(stream, method, shape, 8, np.uint8)
    if method is not Method.STORED:
        with pytest.raises(FormatError):
            unpack_plain(stream, method, (12, 9, 3), 4, np.uint8)
