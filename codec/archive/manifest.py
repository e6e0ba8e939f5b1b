"""The images of an archive: listed once, before any work, in a file that holds as many as there are.

A manifest is a text (.txt) with a path or URL on each line, or JSON (.jsonl) with an object on each line:
`path`, and where it is to go otherwise than by its own name `output`, a path in the archive.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from tempfile import TemporaryFile
from typing import IO

import numpy as np
import numpy.typing as npt

from ppyr.archive.storage import absolute, join, storage_of
from ppyr.imagefile import READABLE
from ppyr.plan import UsageError

#: Endings of manifests.
MANIFESTS = (".txt", ".jsonl")

Hashes = npt.NDArray[np.uint64]


@contextmanager
def planned(source: str, target: str) -> Iterator[Plan]:
    """The plan of an archive, see `Plan`, while there is need for it."""
    with TemporaryFile() as file:
        yield Plan(file, source, target)


class Plan:
    """Sources and outputs, in a temporary file.

    Args:
        file: empty, to be written.
        source: location of a folder or of a manifest.
        target: location of the archive's folder.

    Attributes:
        root: absolute location of the folder that the paths of the sources are relative to; the current one,
            where they are those of a manifest.
        target: absolute location of the archive's folder.
        count: of the images.

    Raises:
        UsageError: `source` is neither folder nor manifest; there are no images; a line of a manifest makes
            no sense; or two outputs, or an output and a source, are the same file.
    """

    def __init__(self, file: IO[bytes], source: str, target: str) -> None:
        folder = storage_of(source).is_folder(source)
        self.root, self.target = absolute(source if folder else "."), absolute(target)
        self.count = 0
        self._file = file
        hashes = array("Q"), array("Q")
        for path, output in _folder(source) if folder else _manifest(source):
            self._file.write(json.dumps([path, output]).encode("ascii") + b"\n")
            for found, location in zip(hashes, self._locations(path, output), strict=True):
                found.append(name_hash(location))
            self.count += 1
        if not self.count:
            raise UsageError(f"{source} has no images: their names must end in {', '.join(sorted(READABLE))}")
        sources, outputs = (np.frombuffer(found, np.uint64) for found in hashes)
        self._refuse_collisions(_twice(outputs) | set(np.intersect1d(sources, outputs).tolist()))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Path and output of every image."""
        self._file.seek(0)
        for line in self._file:
            path, output = json.loads(line)
            yield path, output

    def _locations(self, path: str, output: str) -> tuple[str, str]:
        return absolute(join(self.root, path)), absolute(join(self.target, output))

    def _refuse_collisions(self, suspects: set[int]) -> None:
        """Look at those closely whose hashes are the same."""
        if not suspects:
            return
        sources: set[str] = set()
        targets: dict[str, str] = {}
        for path, output in self:
            location, target = self._locations(path, output)
            if name_hash(location) in suspects:
                sources.add(location)
            if name_hash(target) not in suspects:
                continue
            if target in targets:
                raise UsageError(
                    f"{targets[target]} and {path} would both be written to {target}: name their outputs in "
                    "a manifest in JSON"
                )
            targets[target] = path
        for target in targets.keys() & sources:
            raise UsageError(f"{target} is a source as well: name another output")


def name_hash(name: str) -> int:
    """64 bits of a name."""
    encoded = name.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest(), "little")


def _twice(hashes: Hashes) -> set[int]:
    ordered = np.sort(hashes)
    return set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())


def _folder(source: str) -> Iterator[tuple[str, str]]:
    for name in storage_of(source).names(source):
        if PurePosixPath(name).suffix.lower() in READABLE:
            yield name, _output(name)


def _manifest(source: str) -> Iterator[tuple[str, str]]:
    suffix = PurePosixPath(source).suffix.lower()
    if suffix not in MANIFESTS:
        raise UsageError(f"{source} is neither a folder nor a manifest that ends in {' or '.join(MANIFESTS)}")
    entry: Callable[[str], tuple[str, str]] = _record if suffix == ".jsonl" else _line
    for number, line in enumerate(storage_of(source).lines(source), 1):
        if line:
            try:
                yield entry(line)
            except ValueError as error:
                raise UsageError(f"{source}, line {number}: {error}") from error


def _line(line: str) -> tuple[str, str]:
    return line, _output(line)


def _record(line: str) -> tuple[str, str]:
    record = json.loads(line)
    if (
        not isinstance(record, dict)
        or record.keys() not in ({"path"}, {"path", "output"})
        or not all(isinstance(value, str) and value for value in record.values())
    ):
        raise ValueError('give {"path": ...}, or {"path": ..., "output": ...}')
    path: str = record["path"]
    return path, _inside(PurePosixPath(record["output"])) if "output" in record else _output(path)


def _output(path: str) -> str:
    """Where a source goes: its own path without what is outside of every folder."""
    inner = path.rpartition("://")[2].replace(os.sep, "/").lstrip("/")
    return _inside(PurePosixPath(inner).with_suffix(".ppyr"))


def _inside(output: PurePosixPath) -> str:
    if output.is_absolute() or ".." in output.parts or not output.name:
        raise ValueError(f"{output} is no path in the archive: give an output that is one")
    return str(output)
