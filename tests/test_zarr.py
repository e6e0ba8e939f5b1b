"""Zarr arrays in real stores, of both formats, with the codec found by its entry point."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import zarr
from zarr.storage import LocalStore, MemoryStore, ZipStore

from benchmarks import chunks as benchmark
from benchmarks.chunktables import CODECS
from benchmarks.chunktables import chunks as tables
from ppyr.decoding import decode
from ppyr.errors import ConfigurationError, FormatError, UnsupportedImageError
from ppyr.imagefile import write_image
from ppyr.zarr import PpyrCodec

from .photograph import crop, squares
from .test_documents import blocks

FORMATS = (2, 3)


def coded(zarr_format: int, axes: str, **settings: object) -> dict[str, Any]:
    """What `zarr.create_array` is told of the codec, in JSON."""
    settings = {"axes": axes, "effort": 1, **settings}
    if zarr_format == 2:
        return {"zarr_format": 2, "compressors": {"id": "ppyr", **settings}}
    return {
        "zarr_format": 3,
        "serializer": {"name": "ppyr", "configuration": settings},
        "compressors": None,
    }


def filled(store: Any, array: npt.NDArray[Any], chunks: tuple[int, ...], **options: Any) -> Any:
    found = zarr.create_array(store, shape=array.shape, chunks=chunks, dtype=array.dtype, **options)
    found[...] = array
    return found


def stack() -> npt.NDArray[np.uint16]:
    return np.stack([crop(21, 30, gray=True).astype(np.uint16) * factor for factor in (1, 16, 256)])


@pytest.mark.parametrize("zarr_format", FORMATS)
@pytest.mark.parametrize(
    ("axes", "array", "chunks"),
    [
        ("YX", crop(21, 30, gray=True), (16, 16)),
        ("YX", crop(21, 30, gray=True) > 120, (16, 16)),
        ("YXC", crop(21, 30), (16, 16, 3)),
        ("CYX", np.moveaxis(crop(21, 30), -1, 0), (1, 16, 16)),
        ("TYX", stack(), (2, 16, 16)),
        ("TZYX", stack()[None], (1, 1, 21, 16)),
    ],
    ids=["gray", "mask", "RGB", "planes", "stack", "stacks"],
)
def test_arrays_come_back(
    tmp_path: Path, zarr_format: int, axes: str, array: npt.NDArray[Any], chunks: tuple[int, ...]
) -> None:
    filled(tmp_path, array, chunks, **coded(zarr_format, axes))
    np.testing.assert_array_equal(zarr.open_array(tmp_path)[...], array, strict=True)


@pytest.mark.parametrize("zarr_format", FORMATS)
def test_stores_of_every_kind(tmp_path: Path, zarr_format: int) -> None:
    image = crop(21, 30)
    for store in (
        LocalStore(tmp_path / "folder"),
        ZipStore(tmp_path / "a.zip", mode="w"),
        MemoryStore(),
    ):
        array = filled(store, image, (16, 16, 3), **coded(zarr_format, "YXC"))
        np.testing.assert_array_equal(array[...], image, strict=True)
        store.close()
    with ZipStore(tmp_path / "a.zip") as store:
        np.testing.assert_array_equal(zarr.open_array(store, mode="r")[...], image, strict=True)


@pytest.mark.parametrize("zarr_format", FORMATS)
def test_parts_of_chunks_are_written_and_read(tmp_path: Path, zarr_format: int) -> None:
    images = stack()
    array = filled(tmp_path, images, (2, 16, 16), fill_value=9, **coded(zarr_format, "TYX"))
    for part in (np.s_[1, 3:20, 5], np.s_[:, 16], np.s_[2, -1, -1], np.s_[::2, ::3, ::4]):
        images[part] = array[part] = images[part] // 2 + 7
        np.testing.assert_array_equal(zarr.open_array(tmp_path)[part], images[part])
    array.resize((5, 40, 30))
    np.testing.assert_array_equal(array[:3, :21], images)
    assert (array[3:] == 9).all()
    assert (array[:, 21:] == 9).all()


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_both_byte_orders_of_format_2(tmp_path: Path, byte_order: str) -> None:
    image = stack()[2].astype(f"{byte_order}u2")
    endian = {"<": "little", ">": "big"}[byte_order]
    array = filled(tmp_path, image, (16, 16), **coded(2, "YX", endian=endian))
    assert array.dtype == image.dtype
    np.testing.assert_array_equal(zarr.open_array(tmp_path)[...], image)


def test_shards(tmp_path: Path) -> None:
    images = stack()
    array = filled(tmp_path, images, (1, 8, 8), shards=(2, 16, 16), **coded(3, "TYX"))
    images[1, 3:7, 4:19] = array[1, 3:7, 4:19] = 4321
    back = zarr.open_array(tmp_path)
    np.testing.assert_array_equal(back[...], images, strict=True)
    np.testing.assert_array_equal(back[1:, 5:9, 3], images[1:, 5:9, 3], strict=True)


def test_a_chunk_is_a_file(tmp_path: Path) -> None:
    filled(tmp_path, crop(21, 30), (16, 16, 3), **coded(3, "YXC"))
    file = (tmp_path / "c" / "0" / "1" / "0").read_bytes()
    np.testing.assert_array_equal(decode(file)[:, :14], crop(21, 30)[:16, 16:], strict=True)


def test_the_codec_can_be_given_as_an_object(tmp_path: Path) -> None:
    codec = PpyrCodec(axes="YXC", model="fast")
    array = filled(tmp_path, crop(16, 16), (16, 16, 3), serializer=codec, compressors=None)
    found = {"name": "ppyr", "configuration": {"axes": "YXC", "model": "fast"}}
    assert codec.to_dict() == found
    assert json.loads((tmp_path / "zarr.json").read_text())["codecs"] == [found]
    assert array.serializer == PpyrCodec.from_dict(codec.to_dict()) == codec
    assert hash(array.serializer) == hash(codec)
    assert codec != PpyrCodec(axes="YXC")


@pytest.mark.parametrize("zarr_format", FORMATS)
def test_another_process_needs_no_import(tmp_path: Path, zarr_format: int) -> None:
    image = crop(64, 96)
    filled(tmp_path / "a.zarr", image, (8, 8, 3), **coded(zarr_format, "YXC", effort=4))
    code = (
        "import sys, numpy, zarr; assert not {'ppyr', 'numba', 'torch'} & {*sys.modules}; "
        "numpy.save('a.npy', zarr.open_array('a.zarr', mode='r')[...])"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), image, strict=True)


@pytest.mark.parametrize(("zarr_format", "chunk"), [(2, "0.1"), (3, "c/0/1")])
def test_damage_in_a_chunk_is_an_error(tmp_path: Path, zarr_format: int, chunk: str) -> None:
    image = crop(16, 32, gray=True)
    array = filled(tmp_path, image, (16, 16), **coded(zarr_format, "YX"))
    path = tmp_path / chunk
    data = path.read_bytes()
    for damaged in (data[:-1], data[:-20] + bytes([data[-20] ^ 1]) + data[-19:], b"", b"no such thing"):
        path.write_bytes(damaged)
        with pytest.raises(FormatError):
            array[...]
        np.testing.assert_array_equal(array[:, :16], image[:, :16], strict=True)


def test_a_chunk_of_another_array_is_an_error(tmp_path: Path) -> None:
    for name, width in (("a", 16), ("b", 8)):
        filled(tmp_path / name, crop(16, width), (16, width, 3), **coded(3, "YXC"))
    (tmp_path / "b/c/0/0/0").replace(tmp_path / "a/c/0/0/0")
    with pytest.raises(FormatError, match=r"\(16, 8, 3\).*\(16, 16, 3\)"):
        zarr.open_array(tmp_path / "a")[...]


@pytest.mark.parametrize(
    ("axes", "dtype", "shape", "message"),
    [
        ("YX", "i2", (9, 9), "samples of int16"),
        ("YX", "f4", (9, 9), "samples of float32"),
        ("YX", "str", (9, 9), "samples of"),
        ("YX", "u1", (9, 9, 3), "this one has 3"),
        ("CYX", "u1", (5, 9, 9), "5 channels"),
    ],
)
def test_what_can_not_be_held_is_refused_before_anything_is_stored(
    tmp_path: Path, axes: str, dtype: str, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises((ConfigurationError, UnsupportedImageError), match=message):
        zarr.create_array(tmp_path / "a", shape=shape, chunks=shape, dtype=dtype, **coded(3, axes))
    assert not any(tmp_path.rglob("*.json"))


def test_shards_refuse_samples_too() -> None:
    with pytest.raises(UnsupportedImageError, match="int16"):
        zarr.create_array({}, shape=(8, 8), shards=(8, 8), chunks=(4, 4), dtype="i2", **coded(3, "YX"))


@pytest.mark.parametrize("zarr_format", FORMATS)
@pytest.mark.parametrize("settings", [{"axes": "Y"}, {"effort": 10}, {"quality": 90}, {"model": "fast"}])
def test_other_settings_are_refused(zarr_format: int, settings: dict[str, Any]) -> None:
    told = coded(zarr_format, **{"axes": "YX", **settings})
    with pytest.raises(ConfigurationError):
        zarr.create_array({}, shape=(9, 9), chunks=(9, 9), dtype="u1", **told)


def test_fortran_order_of_format_2_is_refused() -> None:
    array = zarr.create_array({}, shape=(9, 7), chunks=(9, 7), dtype="u1", order="F", **coded(2, "YX"))
    with pytest.raises(UnsupportedImageError, match="order='C'"):
        array[...] = crop(9, 7, gray=True)


def test_memory_order_of_format_3_does_not_matter() -> None:
    image = crop(21, 30)
    array = filled({}, image, (16, 16, 3), config={"order": "F"}, **coded(3, "YXC"))
    np.testing.assert_array_equal(array[...], image)


def test_the_examples_of_the_guide_run(tmp_path: Path) -> None:
    examples = blocks("docs/zarr.md", "python")
    assert len(examples) >= 3
    for example in examples:
        subprocess.run([sys.executable, "-W", "error", "-c", example], check=True, cwd=tmp_path)
    entry = json.loads(blocks("docs/zarr.md", "json")[0])
    assert PpyrCodec.from_dict(entry).to_dict() == entry


def test_chunks_are_measured_beside_other_codecs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gray = crop(30, 40, gray=True)
    for name, image in (
        ("cq100/a.png", crop(40, 30)),
        ("nonphoto/maps_marble/a_configure-view.png", squares(20, 40)),
        ("nonphoto/gray_video_visp/mire-2_1.pgm", gray),
        ("nonphoto/gray_video_visp/mire-2_2.pgm", gray[::-1].copy()),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(image, tmp_path / name)
    monkeypatch.setattr(benchmark, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["chunks", str(tmp_path), "--rounds", "1", "--sides", "32"])
    benchmark.main()
    capsys.readouterr()
    kinds = json.loads((tmp_path / "chunks.json").read_text("utf-8"))["kinds"]
    video = kinds["video, gray, 2 x 32 x 32"]
    assert (video["chunks"], video["bytes"]) == (1, 2048)
    assert set(video["codecs"]) == set(CODECS)
    sizes, encoding, decoding, _ = tables(tmp_path).split("\n\n")
    assert f"| video, gray, 2 x 32 x 32 | {video['codecs']['ppyr-1']['bytes']:,} |" in sizes
    assert {len(table.splitlines()) for table in (sizes, encoding, decoding)} == {2 + len(kinds)}
