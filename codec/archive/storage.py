"""Files on disks and behind URLs, by one interface.

A location is a path, a URL file://... of one, or another URL that fsspec knows, such as s3://bucket/key. Only
URLs need fsspec. A stamp is a text that changes when a file does: of a path its size and time of change, of
a URL the hash of what the storage tells of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ppyr.atomic import sync_folder, temporary_prefix, write_file
from ppyr.errors import OutputExistsError, PpyrError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# Paths are put together by os.path, which is many times as fast as pathlib where there are millions.

_FILE = "file://"


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is there: its size in bytes, and its stamp."""

    size: int
    stamp: str


class Storage(Protocol):
    """Where files are. All methods raise OSError where something can not be read or written."""

    def find(self, location: str) -> Found | None:
        """What is there; None if nothing is."""

    def is_folder(self, location: str) -> bool:
        """Whether this is a folder."""

    def names(self, folder: str) -> Iterator[str]:
        """Paths of all files in a folder, relative to it, with slashes; none if it is not there."""

    def lines(self, location: str) -> Iterator[str]:
        """Lines of a text in UTF-8, without their ends."""

    def read(self, location: str, size: int | None = None) -> bytes:
        """A file, or at most so many of its first bytes."""

    def write(self, location: str, data: bytes, *, force: bool, mark: str) -> None:
        """Write a file, which appears whole or not at all, and its folders.

        Args:
            location: of the file.
            data: all of it.
            force: replace what is there.
            mark: of the temporary file, see `ppyr.atomic.write_file`.

        Raises:
            OutputExistsError: something is there that may not be replaced.
        """

    def sync(self, location: str) -> None:
        """Wait until a file that was written is on the disk with its name."""

    def remove(self, location: str) -> None:
        """Remove a file."""

    def sweep(self, folder: str, mark: str) -> None:
        """Remove temporary files of this mark, which a process left that was killed."""


def is_url(location: str) -> bool:
    """Whether this is a URL of something else than a local file."""
    return "://" in location and not location.startswith(_FILE)


def join(folder: str, name: str) -> str:
    """The location of a file in a folder; its own name, where that is a whole location already."""
    if is_url(name) or name.startswith(_FILE):
        return name
    return f"{folder.rstrip('/')}/{name}" if is_url(folder) else os.path.join(_path(folder), name)  # noqa: PTH118


def absolute(location: str) -> str:
    """A name of a location that no other location has, but for symbolic links."""
    return location if is_url(location) else os.path.abspath(_path(location))  # noqa: PTH100


def storage_of(location: str) -> Storage:
    """The storage of a location.

    Raises:
        PpyrError: it is a URL and fsspec is not installed.
    """
    return _remote() if is_url(location) else _LOCAL


class _Local:
    def find(self, location: str) -> Found | None:
        try:
            about = Path(_path(location)).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Found(about.st_size, f"{about.st_size} bytes, {about.st_mtime_ns} ns")

    def is_folder(self, location: str) -> bool:
        return Path(_path(location)).is_dir()

    def names(self, folder: str) -> Iterator[str]:
        root = _path(folder)
        for place, folders, files in os.walk(root):
            folders.sort()
            inner = Path(place).relative_to(root)
            for name in sorted(files):
                yield (inner / name).as_posix()

    def lines(self, location: str) -> Iterator[str]:
        with Path(_path(location)).open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            for line in file:
                yield line.rstrip("\r\n")

    def read(self, location: str, size: int | None = None) -> bytes:
        with Path(_path(location)).open("rb", buffering=0) as file:
            return file.read(-1 if size is None else size)

    def write(self, location: str, data: bytes, *, force: bool, mark: str) -> None:
        path = Path(_path(location))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, data, force=force, mark=mark)

    def sync(self, location: str) -> None:
        sync_folder(Path(_path(location)).parent)

    def remove(self, location: str) -> None:
        Path(_path(location)).unlink()

    def sweep(self, folder: str, mark: str) -> None:
        for name in self.names(folder):
            path = Path(_path(folder), name)
            if path.name.startswith(temporary_prefix(mark)):
                path.unlink(missing_ok=True)


_LOCAL = _Local()


class _Remote:
    def __init__(self) -> None:
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise PpyrError("URLs need fsspec: pip install 'ppyr[batch]'") from error
        self._url_to_fs = url_to_fs

    def find(self, location: str) -> Found | None:
        files, path = self._at(location)
        try:
            about = files.info(path)
        except FileNotFoundError:
            return None
        return Found(int(about["size"]), str(files.ukey(path)))

    def is_folder(self, location: str) -> bool:
        files, path = self._at(location)
        return bool(files.isdir(path))

    def names(self, folder: str) -> Iterator[str]:
        files, root = self._at(folder)
        with suppress(FileNotFoundError):
            for place, folders, names in files.walk(root, on_error="raise"):
                folders.sort()
                inner = place.removeprefix(root).strip("/")
                for name in sorted(names):
                    yield f"{inner}/{name}" if inner else name

    def lines(self, location: str) -> Iterator[str]:
        files, path = self._at(location)
        with files.open(path, "r", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            for line in file:
                yield line.rstrip("\r\n")

    def read(self, location: str, size: int | None = None) -> bytes:
        files, path = self._at(location)
        return bytes(files.cat_file(path, 0, size))

    def write(self, location: str, data: bytes, *, force: bool, mark: str) -> None:  # noqa: ARG002
        files, path = self._at(location)
        upload = partial(files.pipe_file, path, data, mode="overwrite" if force else "create")
        try:
            try:
                upload()
            except FileNotFoundError:
                files.makedirs(path.rpartition("/")[0], exist_ok=True)
                upload()
        except FileExistsError as error:
            raise OutputExistsError(
                f"{location} is there already: give another name or --force", found=location
            ) from error

    def sync(self, location: str) -> None:
        """A store of objects has what it has taken."""

    def remove(self, location: str) -> None:
        files, path = self._at(location)
        files.rm_file(path)

    def sweep(self, folder: str, mark: str) -> None:
        """There are no temporary files."""

    def _at(self, location: str) -> tuple[AbstractFileSystem, str]:
        return self._url_to_fs(location)  # type: ignore[no-any-return]


@cache
def _remote() -> _Remote:
    return _Remote()


def _path(location: str) -> str:
    return location.removeprefix(_FILE)
