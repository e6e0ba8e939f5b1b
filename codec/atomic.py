"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ppyr.errors import OutputExistsError


def refuse_existing(path: Path, *, force: bool) -> None:
    """Check that `path` may be written: nothing is there, or with `force` at most a regular file.

    Raises:
        OutputExistsError: something is there that may not be replaced.
        FileNotFoundError: the folder is missing.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder to write to", str(path.parent))
    if not os.path.lexists(path):
        return
    if not force:
        raise OutputExistsError(f"{path} is there already: give another name or --force", found=path)
    if not path.is_file():
        raise OutputExistsError(f"{path} is there and is no regular file: give another name", found=path)


def temporary_prefix(mark: str = "") -> str:
    """What the names of temporary files of this mark begin with."""
    return f".ppyr-{mark}-" if mark else ".ppyr-"


def write_file(path: str | os.PathLike[str], data: bytes, *, force: bool = False, mark: str = "") -> None:
    """Write `data` to `path` through a temporary file in the same folder.

    At every moment `path` holds what it held before or all of `data`, also when the process dies. Without
    `force` a file that another process puts there in the meantime is not overwritten either. With `mark`,
    `temporary_prefix` of it begins the name of the temporary file, which a process that is killed leaves.

    Raises:
        OutputExistsError: `path` is there already and `force` is false, or it is no regular file.
        OSError: the file can not be written; nothing is left behind.
    """
    with place_file(path, force=force, mark=mark) as file:
        file.write(data)


@contextmanager
def place_file(path: str | os.PathLike[str], *, force: bool = False, mark: str = "") -> Iterator[BinaryIO]:
    """Give a file to write what `path` is to hold; the rest is as of `write_file`.

    Raises:
        OutputExistsError: `path` is there already and `force` is false, or it is no regular file.
        OSError: the file can not be written; nothing is left behind.
    """
    path = Path(path)
    refuse_existing(path, force=force)
    temporary = path.with_name(f"{temporary_prefix(mark)}{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if force:
            temporary.replace(path)
        else:
            _place_new(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can tell."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _place_new(temporary: Path, path: Path) -> None:
    try:
        _link_new(temporary, path)
    except FileExistsError:
        raise OutputExistsError(
            f"{path} is there already: give another name or --force", found=path
        ) from None


def _link_new(temporary: Path, path: Path) -> None:
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:
        # No hard links on this file system: an empty file of our own claims the name first.
        path.touch(exist_ok=False)
        try:
            temporary.replace(path)
        except BaseException:
            path.unlink()
            raise
