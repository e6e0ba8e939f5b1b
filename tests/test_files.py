from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ppyr
from ppyr import atomic, files
from ppyr.atomic import write_file
from ppyr.errors import (
    ConfigurationError,
    ImageTooLargeError,
    ModelError,
    OutputExistsError,
    UnsupportedImageError,
)
from ppyr.files import compress_file, decompress_file
from ppyr.imagefile import image_bytes, read_image, write_image

from .photograph import crop


def no_check(*_: Path, **__: bool) -> None:
    """Stands for a file that appears only after the check."""


def no_links(*_: Path) -> None:
    """Stands for a file system without hard links."""
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("links", [True, False])
def test_a_file_appears_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    write_file(tmp_path / "file", b"content")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"content"}


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("late", [True, False])
def test_an_existing_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool, late: bool
) -> None:
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    if late:
        monkeypatch.setattr(atomic, "refuse_existing", no_check)
    path = tmp_path / "file"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match="--force"):
        write_file(path, b"content")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"mine"}


def test_force_replaces_a_regular_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"mine")
    write_file(path, b"content", force=True)
    assert path.read_bytes() == b"content"
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OutputExistsError, match="no regular file"):
        write_file(folder, b"content", force=True)
    with pytest.raises(OutputExistsError, match="no regular file"):
        write_file(os.devnull, b"content", force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputExistsError):
        write_file(link, b"content")
    assert list(tmp_path.iterdir()) == [link]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("step", ["fsync", "link", "replace"])
def test_an_interrupted_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: type[BaseException]
) -> None:
    def fail(*_: Any) -> None:
        raise error

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "hardlink_to", no_links if step == "replace" else fail)
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(error):
        write_file(tmp_path / "new", b"content")
    assert list(tmp_path.iterdir()) == []

    path = tmp_path / "file"
    path.write_bytes(b"mine")
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(error):
        write_file(path, b"content", force=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"mine"}


@pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")
def test_files_have_the_modes_that_the_user_wants(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "file", b"content")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


@pytest.mark.parametrize("gray", [True, False], ids=["gray", "rgb"])
def test_a_file_goes_there_and_back(tmp_path: Path, gray: bool) -> None:
    image = crop(19, 24, gray=gray)
    source, packed, target = tmp_path / "a.png", tmp_path / "a.ppyr", tmp_path / "b.tif"
    write_image(image, source)
    there = compress_file(source, packed)
    assert np.array_equal(ppyr.decode(packed.read_bytes()), image)
    back = decompress_file(packed, target)
    assert np.array_equal(read_image(target), image)
    for done in (there, back):
        assert (done.width, done.height, done.channels) == (24, 19, 1 if gray else 3)
        assert done.ppyr_bytes == packed.stat().st_size
        assert done.bits_per_dim == 8 * packed.stat().st_size / image.size
        assert done.as_dict()["bits_per_dim"] == done.bits_per_dim
    assert (there.source, there.target) == (str(source), str(packed))
    assert (there.image_bytes, back.image_bytes) == (source.stat().st_size, target.stat().st_size)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.ppyr", "b.tif"]


def test_open_files_work_like_paths() -> None:
    image = crop(5, 4)
    packed, restored = io.BytesIO(), io.BytesIO()
    done = compress_file(io.BytesIO(image_bytes(image, ".tif")), packed)
    assert (done.source, done.target) == ("-", "-")
    decompress_file(io.BytesIO(packed.getvalue()), restored)
    assert restored.getvalue() == image_bytes(image, ".png")


def test_what_does_not_decode_to_itself_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = crop(5, 4)
    source, packed = tmp_path / "a.png", tmp_path / "a.ppyr"
    write_image(image, source)
    other = image.copy()
    other[4, 3, 2] ^= 1
    with monkeypatch.context() as patch:
        patch.setattr(files, "encode", lambda *_, **__: ppyr.encode(other))
        with pytest.raises(ModelError, match="nothing was written"):
            compress_file(source, packed)
    assert not packed.exists()
    compress_file(source, packed, verify=False)
    assert np.array_equal(ppyr.decode(packed.read_bytes()), image)


def test_nothing_is_computed_for_an_output_that_may_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        pytest.fail("work was done")

    monkeypatch.setattr(files, "encode", never)
    monkeypatch.setattr(files, "decode", never)
    source, target = tmp_path / "a.png", tmp_path / "there.png"
    write_image(crop(5, 4), source)
    target.write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        compress_file(source, target)
    with pytest.raises(OutputExistsError):
        decompress_file(source, target)
    with pytest.raises(UnsupportedImageError):
        decompress_file(source, tmp_path / "lossy.jpg")
    assert target.read_bytes() == b"mine"


def test_the_limit_holds_both_ways(tmp_path: Path) -> None:
    source, packed, target = tmp_path / "a.png", tmp_path / "a.ppyr", tmp_path / "b.png"
    write_image(crop(5, 4), source)
    with pytest.raises(ImageTooLargeError):
        compress_file(source, packed, max_pixels=19)
    compress_file(source, packed, max_pixels=20)
    with pytest.raises(ImageTooLargeError):
        decompress_file(packed, target, max_pixels=19)
    assert not target.exists()
    decompress_file(packed, target, max_pixels=20)
    assert np.array_equal(read_image(target), crop(5, 4))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("kind", ["rgba", "gray and alpha", "gray of 16 bits"])
def test_alpha_and_wide_samples_come_back_from_files(tmp_path: Path, kind: str, suffix: str) -> None:
    colours, gray = crop(21, 18), crop(21, 18, gray=True)
    image = {
        "rgba": np.dstack([colours, gray]),
        "gray and alpha": np.dstack([gray, 255 - gray]),
        "gray of 16 bits": gray.astype(np.uint16) * 201,
    }[kind]
    source, packed, target = tmp_path / f"a{suffix}", tmp_path / "a.ppyr", tmp_path / f"b{suffix}"
    write_image(image, source)
    done = compress_file(source, packed)
    assert done.channels == image[:1, :1].size
    decompress_file(packed, target)
    np.testing.assert_array_equal(read_image(target), image, strict=True)
    with pytest.raises(UnsupportedImageError):
        decompress_file(packed, tmp_path / "b.bmp")


def test_sources_are_removed_only_when_all_of_them_is_kept(tmp_path: Path) -> None:
    source, target = tmp_path / "a.png", tmp_path / "a.ppyr"
    write_image(crop(9, 8), source)
    unkept: tuple[dict[str, Any], ...] = ({"verify": False}, {"strip": ["exif"]})
    for options in unkept:
        with pytest.raises(ConfigurationError, match="leave out --rm"):
            compress_file(source, target, model="fast", remove=True, **options)
    with pytest.raises(ConfigurationError, match="leave out --rm"):
        compress_file(source, io.BytesIO(), model="fast", remove=True)
    Image.fromarray(crop(9, 8)).save(tmp_path / "b.jpg")
    with pytest.raises(ConfigurationError, match="leave out --rm"):
        compress_file(tmp_path / "b.jpg", target, model="fast", remove=True)
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.jpg"}
    compress_file(source, target, model="fast", remove=True)
    assert {path.name for path in tmp_path.iterdir()} == {"a.ppyr", "b.jpg"}
    np.testing.assert_array_equal(ppyr.decode(target.read_bytes()), crop(9, 8))


def test_the_source_stays_where_the_file_does_not_decode_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "a.png"
    write_image(crop(9, 8), source)
    monkeypatch.setattr(files, "decodes_to", lambda *_, **__: False)
    with pytest.raises(ModelError, match="nothing was written"):
        compress_file(source, tmp_path / "a.ppyr", model="fast", remove=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
