"""Pillow, imageio and matplotlib with .ppyr files."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

import ppyr
import ppyr.pillow
from ppyr.bitstream.front import read_front
from ppyr.coding import encode_changed
from ppyr.errors import (
    ChecksumError,
    ConfigurationError,
    TruncatedError,
    UnknownModelError,
    UnsupportedImageError,
    UnsupportedVersionError,
)
from ppyr.imagefile import image_bytes
from ppyr.metadata import Metadata, Palette, Resolution, Unit, with_metadata
from ppyr.models import predictor, registry
from ppyr.picture import Picture

from .photograph import crop
from .sections import joined, split
from .some_metadata import FULL
from .test_documents import blocks
from .test_opened import Counting

FAST = predictor.load(registry.by_name("fast"))
COLOURS = crop(75, 90)
DATA = encode_changed(Picture.of(COLOURS), FAST, [])
CARRYING = with_metadata(encode_changed(Picture.of(crop(9, 11)), FAST, []), FULL)
TILES = encode_changed(Picture.of(COLOURS, tile_bits=4), FAST, [])


def opened(data: bytes) -> ImageFile.ImageFile:
    return Image.open(io.BytesIO(data))


def saved(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "PPYR", **{"effort": 1, **options})
    return file.getvalue()


def indexed() -> Image.Image:
    """Colours that nothing uses, one that is there twice, and alpha of the first two."""
    image = Image.fromarray(crop(20, 30, gray=True) % 5).convert("L")
    image.putpalette(bytes([9, 8, 7, 9, 8, 7, *range(12)]))
    image.info["transparency"] = b"\0\x80"
    return image


def some_images() -> dict[str, Image.Image]:
    gray, colours = crop(20, 30, gray=True), crop(20, 30)
    deep = gray.astype(np.uint16) * 257 + 3
    transparent, few = Image.fromarray(colours), Image.fromarray(colours).quantize(7)
    transparent.info["transparency"] = (1, 2, 3)
    few.info["transparency"] = 3
    return {
        "1": Image.fromarray(gray > 99),
        "L": Image.fromarray(gray),
        "LA": Image.fromarray(np.dstack([gray, gray[::-1]])),
        "P": indexed(),
        "P with one transparent colour": few,
        "RGB": Image.fromarray(colours),
        "RGB with a transparent colour": transparent,
        "RGBA": Image.fromarray(np.dstack([colours, gray[::-1]])),
        "I;16": Image.fromarray(deep),
        "I;16B": Image.frombytes("I;16B", (30, 20), deep.astype(">u2").tobytes()),
    }


IMAGES = some_images()


@pytest.mark.parametrize("name", IMAGES)
def test_every_mode_comes_back(name: str, tmp_path: Path) -> None:
    image, path = IMAGES[name], tmp_path / "a.ppyr"
    image.save(path, effort=1)
    with Image.open(path) as found:
        assert (found.format, found.size, found.mode) == ("PPYR", image.size, image.mode.replace("16B", "16"))
        np.testing.assert_array_equal(np.asarray(found), np.asarray(image))
        assert found.getpalette() == image.getpalette()
        assert np.array_equal(np.asarray(found.convert("RGBA")), np.asarray(image.convert("RGBA")))
        assert saved(found) == path.read_bytes()


@pytest.mark.parametrize("mode", ["CMYK", "F", "HSV", "I", "LAB", "La", "PA", "RGBX", "RGBa", "YCbCr"])
def test_other_modes_are_refused_by_name(mode: str) -> None:
    with pytest.raises(OSError, match=f"cannot write mode {mode} as PPYR"):
        saved(Image.new(mode, (2, 2)))


@pytest.mark.parametrize(
    ("shape", "bits"),
    [((2, 3, 3), 16), ((2, 3, 2), 16), ((2, 3, 4), 9), ((2, 3), 12), ((2, 3), 4), ((2, 3, 3), 7)],
)
def test_what_pillow_can_not_hold_is_refused(shape: tuple[int, ...], bits: int) -> None:
    image = np.zeros(shape, np.uint8) if bits <= 8 else np.zeros(shape, np.uint16)
    with pytest.raises(OSError, match=r"no mode for . channels of \d+ bits: call ppyr.decode") as caught:
        opened(ppyr.encode(image, bit_depth=bits, effort=1))
    assert isinstance(caught.value.__cause__, UnsupportedImageError)


def test_indices_of_any_depth_open() -> None:
    palette = Palette(bytes(range(9)), b"\7")
    data = ppyr.encode(
        np.array([[0, 2, 1]], dtype=np.uint8), bit_depth=3, effort=1, metadata=Metadata(palette=palette)
    )
    image = opened(data)
    assert image.getpalette() == list(palette.colours)
    assert np.array_equal(np.asarray(image.convert("RGBA")), [[[0, 1, 2, 7], [6, 7, 8, 255], [3, 4, 5, 255]]])


def test_info_is_that_of_the_png_file() -> None:
    meant = replace(
        FULL,
        orientation=None,
        resolution=Resolution((11811, 1), (5906, 1), Unit.METRE),
        transparent=(1, 2, 3),
    )
    png = opened(image_bytes(COLOURS, ".png", meant)).info
    found = opened(with_metadata(DATA, meant)).info
    assert found.items() <= png.items()
    assert png.keys() - found.keys() <= {"XML:com.adobe.xmp"}
    gray: np.ndarray = COLOURS[..., 0] & 1
    bits = image_bytes(gray, ".png", Metadata(transparent=(1,)), 1)
    one = ppyr.encode(gray, bit_depth=1, effort=1, metadata=Metadata(transparent=(1,)))
    assert opened(one).info == opened(bits).info == {"transparency": 255}


@pytest.mark.parametrize(
    ("unit", "wanted"),
    [
        (Unit.INCH, {"dpi": (300, 72.5)}),
        (Unit.CENTIMETRE, {"dpi": (300 * 2.54, 72.5 * 2.54)}),
        (Unit.NONE, {"aspect": (300, 72.5)}),
    ],
)
def test_resolutions_are_in_inches(unit: Unit, wanted: dict[str, object]) -> None:
    assert (
        opened(with_metadata(DATA, Metadata(resolution=Resolution((600, 2), (145, 2), unit)))).info == wanted
    )


@pytest.mark.parametrize("exif", [b"", FULL.exif])
def test_the_orientation_of_a_file_turns_the_image(exif: bytes) -> None:
    image = opened(with_metadata(DATA, Metadata(orientation=6, exif=exif)))
    for found in (image, image.copy()):
        assert np.array_equal(np.asarray(ImageOps.exif_transpose(found)), np.rot90(COLOURS, -1))


def test_no_text_takes_the_place_of_something_else() -> None:
    texts = [replace(FULL.text[0], keyword=keyword) for keyword in ("Title", "transparency", "icc_profile")]
    assert opened(with_metadata(DATA, Metadata(text=tuple(texts)))).info == {"Title": "é"}


def test_a_profile_is_carried_and_what_is_given_is_written() -> None:
    exif = Image.Exif()
    exif[270] = "words"
    image = Image.fromarray(COLOURS)
    data = saved(image, icc_profile=b"profile", exif=exif, xmp=b"<x/>", dpi=(11811 * 0.0254, 72))
    found = opened(data)
    assert found.getexif()[270] == "words"
    assert {
        "icc_profile": b"profile",
        "xmp": b"<x/>",
        "dpi": (11811 * 0.0254, 72),
    }.items() <= found.info.items()
    assert opened(saved(found)).info == {"icc_profile": b"profile"}
    assert opened(saved(found, icc_profile=None)).info == {}
    assert opened(saved(found, exif=found.info["exif"])).info["exif"] == found.info["exif"]
    assert ppyr.read_metadata(saved(image, metadata=FULL)) == FULL
    assert ppyr.read_metadata(saved(image, metadata=FULL, icc_profile=b"p")) == replace(FULL, icc=b"p")


def test_effort_and_model_are_those_of_the_codec() -> None:
    image = Image.fromarray(COLOURS)
    assert saved(image, effort=2) == ppyr.encode(COLOURS, effort=2) != saved(image)
    file = io.BytesIO()
    image.save(file, "PPYR", model="fast")
    assert file.getvalue() == ppyr.encode(COLOURS, model="fast")
    with pytest.raises(ConfigurationError, match="effort 11"):
        saved(image, effort=11)
    with pytest.raises(OSError, match="model") as caught:
        image.save(file, "PPYR", model="none such")
    assert isinstance(caught.value.__cause__, UnknownModelError)


def test_several_frames_are_refused() -> None:
    image = Image.fromarray(COLOURS)
    for options in ({"append_images": [image]}, {"append_images": [image], "save_all": True}):
        with pytest.raises(OSError, match="several frames"):
            saved(image, **options)
    assert saved(image, save_all=True) == saved(image)


def test_opening_reads_the_front_and_loads_little(tmp_path: Path) -> None:
    path = tmp_path / "a.ppyr"
    path.write_bytes(with_metadata(DATA, FULL))
    script = (
        "import sys, ppyr.pillow; from PIL import Image; image = Image.open(sys.argv[1]); "
        "image.draft(None, (20, 18)); image.getexif(); print(image.size, image.mode, len(image.info)); "
        "image.verify(); print([name for name in ('torch', 'numba') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, check=True, text=True)
    assert done.stdout == "(23, 19) RGB 9\n[]\n"
    large = saved(Image.fromarray(crop(170, 250)))
    file = Counting(large)
    assert Image.open(file).size == (250, 170)
    assert file.count < 500 < len(large) / 50


@pytest.mark.parametrize("data", [DATA, TILES])
@pytest.mark.parametrize("level", range(6))
def test_draft_gives_a_level_from_its_bytes(data: bytes, level: int) -> None:
    needed = Counting(data)
    with ppyr.open(needed) as parts:
        parts.read(level=level)
    file = Counting(data)
    image = Image.open(file)
    front = file.count
    wanted = COLOURS[:: 1 << level, :: 1 << level]
    size = 90 >> level, 75 >> level
    assert image.draft("RGB", size) == ("RGB", (0, 0, 90 / 2**level, 75 / 2**level))
    assert image.size == (wanted.shape[1], wanted.shape[0])
    assert np.array_equal(np.asarray(image), wanted)
    assert file.count == front + needed.count
    assert image.draft(None, (5, 5)) is None


def test_drafts_add_up_and_never_enlarge() -> None:
    image = opened(DATA)
    assert image.draft(None, None) is None
    assert image.draft(None, (1000, 1000)) == ("RGB", (0, 0, 90, 75))
    assert image.draft(None, (45, 37)) == ("RGB", (0, 0, 45, 37.5))
    assert image.draft(None, (20, 19)) == ("RGB", (0, 0, 22.5, 19))
    assert np.array_equal(np.asarray(image), COLOURS[::4, ::4])


def test_a_thumbnail_of_a_large_image_takes_few_bytes() -> None:
    noise = np.random.default_rng(0).integers(0, 9, (1200, 1200, 3), np.uint8)
    large = np.tile(crop(150, 200), (8, 6, 1)) + noise
    file = Counting(saved(Image.fromarray(large)))
    image = Image.open(file)
    image.thumbnail((64, 64))
    assert image.size == (64, 64)
    assert file.count < len(file.getvalue()) / 30
    assert image.tobytes() == Image.fromarray(large[::8, ::8]).resize((64, 64), reducing_gap=2).tobytes()


def test_the_limit_of_pixels_holds_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ppyr.pillow._Decoder, "decode", None)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 75 * 90 // 2 - 1)
    with pytest.raises(Image.DecompressionBombError):
        opened(DATA)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 75 * 90 - 1)
    with pytest.warns(Image.DecompressionBombWarning):
        opened(DATA)


def test_what_is_no_ppyr_file_goes_on_to_other_formats() -> None:
    with pytest.raises(SyntaxError):
        ppyr.pillow.PpyrImageFile(io.BytesIO(b"GIF89a"))
    with pytest.raises(UnidentifiedImageError):
        opened(b"\x8bPPYX" + DATA[5:])


def test_damage_is_an_oserror() -> None:
    def damaged(at: int) -> bytes:
        return DATA[:at] + bytes([DATA[at] ^ 1]) + DATA[at + 1 :]

    cases: list[tuple[bytes, type[Exception]]] = [
        (DATA[:12], TruncatedError),
        (DATA[:70], TruncatedError),
        (damaged(9), UnsupportedVersionError),
        (damaged(15), ChecksumError),
        (damaged(80), ChecksumError),
    ]
    for data, cause in cases:
        with pytest.raises(OSError, match=r"offset|version") as caught:
            opened(data)
        assert isinstance(caught.value.__cause__, cause)
        assert str(caught.value) == str(caught.value.__cause__)
    for data, cause in ((damaged(len(DATA) - 40), ChecksumError), (DATA[:-9], TruncatedError)):
        image = opened(data)
        for attempt in (image.load, image.load, opened(data).verify):
            with pytest.raises(OSError, match="offset") as caught:
                attempt()
            assert isinstance(caught.value.__cause__, cause)


@settings(max_examples=200)
@given(st.integers(0, len(CARRYING) - 1), st.integers(0, 7), st.sampled_from([len(CARRYING), 200, 400]))
def test_a_wrong_bit_is_an_oserror_or_is_not_in_the_pixels(at: int, bit: int, size: int) -> None:
    data = (CARRYING[:at] + bytes([CARRYING[at] ^ 1 << bit]) + CARRYING[at + 1 :])[:size]
    with pytest.raises(OSError, match=r"."):
        opened(data).verify()
    try:
        found = np.asarray(opened(data))
    except OSError:
        return
    assert np.array_equal(found, crop(9, 11))
    assert at >= len(CARRYING) - 6  # of the section END, which only `verify` reads


def test_only_pixels_need_the_model() -> None:
    data = joined(split(DATA).with_field(20, bytes(range(16))))
    opened(data).verify()
    with pytest.raises(OSError, match="model") as caught:
        opened(data).load()
    assert isinstance(caught.value.__cause__, UnknownModelError)


def test_verify_walks_all_bytes_and_closes() -> None:
    image = opened(DATA)
    image.verify()
    for again in (image.verify, image.load):
        with pytest.raises((RuntimeError, AssertionError)):
            again()
    with pytest.raises(OSError, match="follow the end section"):
        opened(DATA + b"\0").verify()


@pytest.mark.parametrize("data", [DATA, TILES])
def test_a_file_that_is_cut_off_has_its_smaller_levels(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = data[: len(data) // 3]
    with ppyr.open(cut) as parts:
        level = parts.complete_level
    assert level
    with pytest.raises(OSError, match="offset"):
        opened(cut).load()
    small = opened(cut)
    small.draft(None, (90 >> level, 75 >> level))
    there = COLOURS[:: 1 << level, :: 1 << level]
    assert np.array_equal(np.asarray(small), there)

    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    image = opened(cut)
    assert image.size == (90, 75)
    every = np.arange(75)[:, None] >> level, np.arange(90) >> level
    assert np.array_equal(np.asarray(image), there[every])
    assert np.array_equal(np.asarray(opened(data)), COLOURS)
    coarsest = read_front(io.BytesIO(data)).start + 3
    with pytest.raises(OSError, match="CRC32"):
        opened(cut[:coarsest] + bytes([cut[coarsest] ^ 1]) + cut[coarsest + 1 :]).load()


def test_a_parser_gets_the_file_in_pieces() -> None:
    with ImageFile.Parser() as parser:
        for at in range(0, len(DATA), 500):
            parser.feed(DATA[at : at + 500])
            assert parser.image is None or parser.image.size == (90, 75)
        assert np.array_equal(np.asarray(parser.close()), COLOURS)


def test_it_is_an_image_like_others(tmp_path: Path) -> None:
    path = tmp_path / "a.dat"
    path.write_bytes(DATA)
    with Image.open(path) as image:
        assert image.get_format_mimetype() == "image/x-ppyr"
        assert ppyr.pillow.register_pillow is ppyr.register_pillow
        assert image.load() is not None
        assert image.load() is not None
        copy = image.copy()
    assert np.array_equal(np.asarray(copy), COLOURS)
    with path.open("rb") as file:
        file.seek(40)
        image = Image.open(file)
        assert np.array_equal(
            np.asarray(image.convert("L").convert("RGB"))[..., 0], np.asarray(image.convert("L"))
        )
        assert not file.closed
    again = pickle.loads(pickle.dumps(opened(DATA)))
    assert np.array_equal(np.asarray(again), COLOURS)
    other = tmp_path / "b.other"
    with pytest.raises(ValueError, match="unknown file extension"):
        copy.save(other)
    copy.save(other, "PPYR", effort=1)
    Image.open(other).save(other, "PPYR", effort=1)
    assert np.array_equal(np.asarray(Image.open(other)), COLOURS)


def test_threads_open_files_at_the_same_time() -> None:
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda data: np.asarray(opened(data)), [DATA, TILES] * 6)
    assert all(np.array_equal(image, COLOURS) for image in found)


def test_imageio_reads_and_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "a.ppyr"
    iio.imwrite(path, COLOURS, effort=1)
    assert np.array_equal(ppyr.decode(path.read_bytes()), COLOURS)
    assert np.array_equal(iio.imread(path), COLOURS)
    assert iio.improps(path).shape == COLOURS.shape
    assert np.array_equal(iio.imread(DATA, plugin="pillow"), COLOURS)


def test_matplotlib_reads_and_shows_it(tmp_path: Path) -> None:
    mpl.use("agg")
    path = tmp_path / "a.ppyr"
    path.write_bytes(DATA)
    image = plt.imread(path)
    assert np.array_equal(image, COLOURS)
    figure = plt.figure()
    assert figure.add_subplot().imshow(image).get_size() == (75, 90)
    plt.close(figure)


def test_the_guide_runs(tmp_path: Path) -> None:
    Image.fromarray(crop(120, 160)).save(tmp_path / "photo.png", dpi=(300, 300))
    script = "".join(blocks("docs/pillow.md", "python"))
    assert script.count("import ppyr.pillow") == 1
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, check=False, text=True
    )
    assert done.stderr == ""
