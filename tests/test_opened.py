"""Parts of a file: levels, regions, files that are cut off; and how many bytes each needs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ppyr
from ppyr.bitstream.container import HEADER_SIZE, Kind, read_index, stored_size
from ppyr.cli import main
from ppyr.coding import encode_changed
from ppyr.errors import ChecksumError, ConfigurationError, FormatError, ImageTooLargeError, TruncatedError
from ppyr.imagefile import read_image
from ppyr.metadata import Metadata, with_metadata
from ppyr.models import predictor, registry
from ppyr.picture import Picture

from .photograph import crop
from .sections import Parts, joined, repaired, split

FAST = predictor.load(registry.by_name("fast"))
COLOURS = crop(75, 90)
IMAGES: dict[str, np.ndarray] = {
    "rgb": COLOURS,
    "gray": crop(75, 90, gray=True),
    "rgba": np.dstack([COLOURS, crop(75, 90, gray=True)]),
    "wide": COLOURS.astype(np.uint16) * 100,
}


def packed(image: np.ndarray, tile_bits: int) -> bytes:
    return encode_changed(Picture.of(image, tile_bits=tile_bits), FAST, [])


FILES = {(kind, bits): packed(image, bits) for kind, image in IMAGES.items() for bits in (4, 5, 10)}


class Counting(io.BytesIO):
    """A file that counts the bytes that are read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


@pytest.mark.parametrize(("kind", "tile_bits"), FILES)
@pytest.mark.parametrize("level", range(9))
def test_a_level_is_a_plain_subsample(kind: str, tile_bits: int, level: int) -> None:
    image = IMAGES[kind][:: 1 << level, :: 1 << level]
    with ppyr.open(FILES[kind, tile_bits]) as file:
        np.testing.assert_array_equal(file.read(level=level), image, strict=True)


@settings(max_examples=60)
@given(st.sampled_from(list(FILES)), st.integers(0, 7), st.data())
def test_a_region_is_cut_out(file: tuple[str, int], level: int, data: Any) -> None:
    image = IMAGES[file[0]][:: 1 << level, :: 1 << level]
    height, width = image.shape[:2]
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    across, down = data.draw(st.integers(1, width - left)), data.draw(st.integers(1, height - top))
    with ppyr.open(FILES[file]) as parts:
        found = parts.read(level=level, region=(left, top, across, down))
    np.testing.assert_array_equal(found, image[top : top + down, left : left + across], strict=True)


def test_no_more_is_read_than_is_needed() -> None:
    data = with_metadata(FILES["rgb", 5], Metadata(icc=bytes(np.random.default_rng(0).bytes(5000))))
    _, index = read_index(data)
    heads = 11 * (len(index.streams) + 6)
    front = HEADER_SIZE + 40 + 3 * len(index.streams) * 9 + 2 * 3 * 9
    for level in range(6):
        file = Counting(data)
        with ppyr.open(file) as parts:
            parts.read(level=level)
        kept = index.streams[: max(0, len(index.streams) - 2 * level)]
        wanted = sum(stored_size(size, 9) for sizes in kept for size in sizes)
        assert wanted <= file.count <= wanted + front + heads
    file = Counting(data)
    with ppyr.open(file) as parts:
        parts.read(region=(33, 40, 20, 20))
    wanted = sum(stored_size(sizes[4], 9) for sizes in index.streams)
    assert wanted <= file.count <= wanted + front + heads
    assert file.count < len(data) / 3


@pytest.mark.parametrize("tile_bits", [5, 10])
def test_a_file_that_is_cut_off_has_its_complete_levels(tile_bits: int) -> None:
    data = FILES["rgb", tile_bits]
    seen = set()
    for size in range(HEADER_SIZE, len(data), 97):
        try:
            with ppyr.open(data[:size]) as parts:
                level = parts.complete_level
                found = parts.read(level=level)
                if level:
                    with pytest.raises(TruncatedError):
                        parts.read(level=level - 1)
        except TruncatedError:
            assert size < 1000
            continue
        seen.add(level)
        assert np.array_equal(found, COLOURS[:: 1 << level, :: 1 << level])
    assert seen >= {1, 2, 3, 4}


@pytest.mark.parametrize("tile_bits", [5, 10])
def test_damage_is_found_in_what_is_read_and_nowhere_else(tile_bits: int) -> None:
    data = bytearray(FILES["rgb", tile_bits])
    data[-40] ^= 1
    with ppyr.open(bytes(data)) as parts:
        assert np.array_equal(parts.read(level=1), COLOURS[::2, ::2])
        with pytest.raises(ChecksumError) as caught:
            parts.read()
        assert isinstance(caught.value.offset, int)
        assert caught.value.offset > 1000


def mended(parts: Parts) -> bytes:
    return joined(repaired(parts))


@pytest.mark.parametrize("kind", ["rgb", "wide"])
@pytest.mark.parametrize("tile_bits", [5, 10])
def test_sections_of_another_size_or_kind_are_refused(kind: str, tile_bits: int) -> None:
    """Under right checksums, where nothing else would find them."""
    parts = split(FILES[kind, tile_bits])
    coarsest, level = parts.place(Kind.COARSEST), parts.place(Kind.LEVEL)
    samples, stream = parts.sections[coarsest][1], parts.sections[level][1]
    for damaged in (
        parts.with_payload(coarsest, b""),
        parts.with_payload(coarsest, samples[:-1]),
        parts.with_payload(coarsest, samples + samples),
        parts.with_payload(level, stream + bytes(4)),
        parts.with_section(level, (int(Kind.COARSEST), stream)),
        parts.with_section(level, (int(Kind.END), stream)),
    ):
        with pytest.raises(FormatError), ppyr.open(mended(damaged)) as file:
            file.read()


def test_a_coarsest_sample_beyond_the_bit_depth_is_refused() -> None:
    parts = split(encode_changed(Picture.of(np.zeros((2, 3), np.uint8), 4), FAST, []))
    with pytest.raises(FormatError, match="sample of the coarsest"):
        ppyr.open(mended(parts.with_payload(parts.place(Kind.COARSEST), b"\x10"))).__enter__()


def test_the_whole_image_has_the_right_digest_or_is_not_given() -> None:
    one = encode_changed(Picture.of(crop(1, 1)), FAST, [])
    parts = split(one)
    other = mended(parts.with_payload(parts.place(Kind.COARSEST), b"\1\2\3"))
    with pytest.raises(ChecksumError, match="decoded pixels"), ppyr.open(other) as file:
        file.read()


def test_what_is_not_there_is_refused() -> None:
    with ppyr.open(FILES["rgb", 10]) as parts:
        for options in ({"level": -1}, {"region": (0, 0, 91, 1)}, {"level": 1, "region": (44, 0, 2, 1)}):
            with pytest.raises(ConfigurationError):
                parts.read(**options)
        for region in ((-1, 0, 5, 5), (0, 0, 0, 5)):
            with pytest.raises(ConfigurationError, match="give a part"):
                parts.read(region=region)
        with pytest.raises(ImageTooLargeError):
            parts.read(level=1, max_pixels=45 * 38 - 1)
        assert parts.info == ppyr.info(FILES["rgb", 10])
    with pytest.raises(FormatError), ppyr.open(b"\x8bPPYR"):
        pass


def test_the_command_gives_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.ppyr").write_bytes(FILES["rgb", 5])
    Path("cut.ppyr").write_bytes(FILES["rgb", 5][:-100])
    assert main(["decompress", "-q", "--level", "2", "a.ppyr", "-o", "small.png"]) == 0
    assert np.array_equal(read_image("small.png"), COLOURS[::4, ::4])
    assert main(["decompress", "-q", "--region", "10,20,30,40", "a.ppyr", "-o", "part.png"]) == 0
    assert np.array_equal(read_image("part.png"), COLOURS[20:60, 10:40])
    assert main(["decompress", "-q", "--region", "10,20,300,40", "a.ppyr", "-o", "no.png"]) == 1
    assert main(["decompress", "-q", "--region", "10,20", "a.ppyr", "-o", "no.png"]) == 2
    assert main(["decompress", "-q", "cut.ppyr", "-o", "no.png"]) == 1
    assert not Path("no.png").exists()
    assert main(["decompress", "-q", "--allow-truncated", "cut.ppyr", "-o", "cut.png"]) == 0
    assert np.array_equal(read_image("cut.png"), COLOURS[::2, ::2])
    assert main(["decompress", "-q", "--allow-truncated", "a.ppyr", "-o", "whole.png"]) == 0
    assert np.array_equal(read_image("whole.png"), COLOURS)
