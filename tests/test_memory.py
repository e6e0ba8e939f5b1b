"""Memory beyond the pixels does not grow with the number of tiles, and no copy of the pixels is spare."""

from __future__ import annotations

import io
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import ReferenceType, WeakSet, ref

import numpy as np
import pytest
from PIL import Image, ImageFile

import ppyr
from ppyr import coding, pyramid
from ppyr.bitstream.container import HEADER_SIZE, Container, Header, Layout, pack, read_header, unpack
from ppyr.bitstream.plain import Method
from ppyr.cli import main
from ppyr.coding import encode_changed
from ppyr.decoding import Decoder, decode, decodes_to
from ppyr.errors import ImageTooLargeError
from ppyr.files import compress_file
from ppyr.imagefile import image_bytes, read_image
from ppyr.metadata.walkers import png_chunk
from ppyr.models import predictor, registry
from ppyr.picture import Picture, units

from .photograph import crop, squares

FAST = predictor.load(registry.by_name("fast"))
IMAGE = crop(2 * 16, 3 * 16)
TILES = 6
#: Bytes that Python's own objects take, at most.
SMALL = 1 << 18


def encoded(image: np.ndarray) -> bytes:
    """A file of tiles of 16 pixels a side."""
    return encode_changed(Picture.of(image, tile_bits=4), FAST, [])


DATA = encoded(IMAGE)
WAYS: dict[str, Callable[[], object]] = {
    "encode": lambda: encoded(IMAGE),
    "decode": lambda: decode(DATA),
    "compare": lambda: decodes_to(DATA, IMAGE),
    "region": lambda: read_all(DATA),
}


def read_all(data: bytes) -> np.ndarray:
    with ppyr.open(data) as parts:
        return parts.read()


def peak(work: Callable[[], object]) -> int:
    """Bytes that work takes at most, and has not given back by then."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("way", WAYS)
def test_what_is_computed_of_one_tile_is_gone_before_the_next(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    alive: WeakSet[Any] = WeakSet()
    before: list[int] = []

    class Counted(predictor.Predictor):
        def __init__(self, *args: Any) -> None:
            before.append(len(alive))
            super().__init__(*args)
            alive.add(self)

    monkeypatch.setattr(predictor, "Predictor", Counted)
    WAYS[way]()
    assert before == [0] * TILES


def test_one_pyramid_is_there_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ReferenceType[np.ndarray]] = []
    before: list[int] = []

    def counted(image: Any, *sizes: int) -> Any:
        before.append(sum(fine() is not None for fine in made))
        coarsest, fines = pyramid.build(image, *sizes)
        made.extend(map(ref, fines))
        return coarsest, fines

    monkeypatch.setattr(coding, "build", counted)
    WAYS["encode"]()
    assert before == [0] * TILES
    assert len(made) == TILES * 8


def test_decoding_makes_one_image_and_comparing_none(monkeypatch: pytest.MonkeyPatch) -> None:
    image = squares(1500, 1100)
    header = Picture.of(image).header
    tiles = [(unit.rows, unit.columns, unit.of(image)) for unit in units(header.raster, 9)]
    monkeypatch.setattr(Decoder, "all_tiles", lambda _: iter(tiles))
    layout = Layout(header.raster, 9)
    levels = ((b"",) * layout.units,) * layout.level_count
    data = pack(Container(header, 9, (Method.CONSTANT,) * layout.units, bytes(layout.coarsest_size), levels))
    assert image.nbytes <= peak(lambda: decode(data)) < image.nbytes + SMALL
    assert decodes_to(data, image)
    assert peak(lambda: decodes_to(data, image)) < 512 * 512 * 3 + SMALL


def test_comparing_finds_what_is_not_the_same() -> None:
    assert decodes_to(DATA, IMAGE)
    other = IMAGE.copy()
    other[-1, -1, 2] ^= 1
    assert not decodes_to(DATA, other)
    assert not decodes_to(DATA, IMAGE.astype(np.uint16))
    assert not decodes_to(DATA, IMAGE[:-1])
    gray = IMAGE[..., 0]
    assert decodes_to(encoded(gray), gray)
    assert not decodes_to(encoded(gray), IMAGE)


def test_a_digest_that_fits_is_not_believed() -> None:
    """Decoded to other pixels than the header promises, a file is found out by the pixels."""
    other = IMAGE.copy()
    other[-1, -1, 2] ^= 1
    container = unpack(encoded(other))
    header = replace(container.header, pixel_digest=read_header(DATA).pixel_digest)
    assert not decodes_to(pack(replace(container, header=header)), IMAGE)


def test_a_file_is_joined_from_its_streams_at_once() -> None:
    header = Header(1024, 2048, 3, 8, bytes(16), bytes(16), 0)
    layout = Layout(header.raster, 10)
    stream = np.random.default_rng(0).bytes(1 << 17)
    levels = ((stream, stream),) * layout.level_count
    container = Container(header, 10, (Method.MODEL,) * layout.units, bytes(layout.coarsest_size), levels)
    size = len(pack(container))
    assert size > 10 * SMALL
    assert peak(lambda: pack(container)) < size + SMALL


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_an_image_file_is_read_into_one_array(suffix: str) -> None:
    image = squares(1400, 1000)
    data = image_bytes(image, suffix)
    assert np.array_equal(read_image(io.BytesIO(data)), image)
    assert peak(lambda: read_image(io.BytesIO(data))) < 1.25 * image.nbytes + 2 * len(data)


HUGE = 60_000


def claiming_png() -> bytes:
    """A PNG whose header claims 60,000 x 60,000 pixels."""
    side = HUGE.to_bytes(4, "big")
    chunks = (b"IHDR", side + side + bytes([8, 2, 0, 0, 0])), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def claiming_file() -> bytes:
    """A .ppyr file that claims the same and is correct, as far as can be seen without decoding."""
    header = Header(HUGE, HUGE, 3, 8, FAST.id, bytes(16), 0)
    layout = Layout(header.raster, 10)
    levels = ((b"",) * layout.units,) * layout.level_count
    return pack(Container(header, 10, (Method.MODEL,) * layout.units, bytes(layout.coarsest_size), levels))


@pytest.mark.parametrize("limit", [{}, {"max_pixels": HUGE * HUGE - 1}])
def test_claims_of_many_pixels_cost_no_memory(limit: dict[str, Any]) -> None:
    data = claiming_file()
    assert len(data) < SMALL
    with pytest.raises(ImageTooLargeError):
        decode(data[:HEADER_SIZE], **limit)  # before anything else is looked at

    def work() -> None:
        with pytest.raises(ImageTooLargeError):
            decode(data, **limit)
        with ppyr.open(data) as parts, pytest.raises(ImageTooLargeError):
            parts.read(**limit)

    assert peak(work) < 4 * SMALL


def test_image_files_that_claim_many_pixels_are_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "huge.png", tmp_path / "huge.ppyr"
    source.write_bytes(claiming_png())
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("pixels were loaded"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1 << 26)
    with pytest.raises(ImageTooLargeError):
        compress_file(source, target)
    for limit in ([], ["--max-pixels", "1000000"], ["--max-pixels", str(HUGE * HUGE - 1)]):
        assert main(["compress", "-q", *limit, str(source)]) == 1
        assert "--max-pixels" in capsys.readouterr().err
    packed = tmp_path / "claims.ppyr"
    packed.write_bytes(claiming_file())
    for command in ("decompress", "verify"):
        assert main([command, "-q", str(packed)]) == 1
        assert "are more than 268435456" in capsys.readouterr().err
    assert not target.exists()
