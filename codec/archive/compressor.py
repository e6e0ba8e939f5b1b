"""What a worker does with one image of an archive: to look whether there is an output, and to make one.

Heavy modules are imported when there is an image to work on: the first process only sends this to workers.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ppyr.about import model_of
from ppyr.archive.rows import Row, State, Task
from ppyr.archive.storage import Found, join, storage_of
from ppyr.bitstream.container import HEADER_SIZE, read_header
from ppyr.errors import OutputExistsError, PpyrError
from ppyr.report import FAILURES, describe

if TYPE_CHECKING:
    from ppyr.imagefile import ImageFile

#: What an image says whose worker was killed.
LOST = "a process ended while it worked on this image: give it more memory, or fewer --jobs"


@dataclass(frozen=True)
class Compressor:
    """Compresses images of an archive; can be pickled.

    Attributes:
        root, target: see `ppyr.archive.manifest.Plan`; all workers reach them under these names.
        options: arguments of `ppyr.files.encode_file`.
        prepare: called first in every worker.
        strip: kinds of metadata to leave out.
        max_pixels: the largest image to take, None for Pillow's limit.
        force: replace outputs that are there and are not those of their sources.
        remove: make sure of outputs whose sources will be removed: they are on the disk, and those that were
            there already have the digest of the report.
        mark: of temporary files.
    """

    root: str
    target: str
    options: Mapping[str, Any]
    prepare: Callable[[], None]
    strip: Collection[str] = ()
    max_pixels: int | None = None
    force: bool = False
    remove: bool = False
    mark: str = ""

    def __call__(self, task: Task) -> Row:
        """What becomes of an image; no exception leaves this."""
        began = perf_counter()
        try:
            row = _Image(self, task).finished()
        except Exception as error:  # noqa: BLE001
            row = _failed(task, error)
        return row if row.state is State.KEPT else replace(row, seconds=perf_counter() - began)

    def lost(self, task: Task) -> Row:
        """The row of an image whose worker was killed."""
        return _failed(task, BrokenExecutor(LOST))


class _Image:
    """One image, its source and its output."""

    def __init__(self, work: Compressor, task: Task) -> None:
        self._work, self._task = work, task
        self._source, self._target = join(work.root, task.path), join(work.target, task.output)
        self._sources, self._targets = storage_of(self._source), storage_of(self._target)
        self._found = self._sources.find(self._source)
        self._size = 0

    def finished(self) -> Row:
        """Bring the work to its end, and give the row.

        Raises:
            OutputExistsError: the output is there, and is not that of the source.
            PpyrError, OSError: see `ppyr.compress_file`.
        """
        output = self._targets.find(self._target)
        row = self._kept(output)
        if row is None:
            file = self._read()
            row = self._checked(output, file)
            if row is None:
                row = self._made(output, file)
        if self._work.remove:
            self._targets.sync(self._target)
        return row

    def _kept(self, output: Found | None) -> Row | None:
        """The row that the report has, if source and output are those that it tells of.

        The source's stamp, and the output's size and the digest in its header are compared. Where the source
        is about to be removed, so is the digest of the whole output.
        """
        known = self._task.known
        if known is None or output is None or output.size != known.bytes_out:
            return None
        if self._found is not None and self._found.stamp != known.source_stamp:
            return None
        whole = self._work.remove and self._found is not None
        data = self._targets.read(self._target, None if whole else HEADER_SIZE)
        try:
            if read_header(data).pixel_digest.hex() != known.pixel_digest:
                return None
        except PpyrError:
            return None
        if whole and sha256(data).hexdigest() != known.file_digest:
            return None
        return replace(known, state=State.KEPT)

    def _read(self) -> ImageFile | None:
        """The source; None if it is gone."""
        from ppyr.imagefile import read_image_file

        if self._found is None:
            return None
        data = self._sources.read(self._source)
        self._size = len(data)
        return read_image_file(io.BytesIO(data), strip=self._work.strip, max_pixels=self._work.max_pixels)

    def _checked(self, output: Found | None, file: ImageFile | None) -> Row | None:
        """The row of an output that is there already and decodes to the source, if that is not gone."""
        from ppyr.decoding import decode
        from ppyr.files import holds

        if output is None:
            return None
        data = self._targets.read(self._target)
        backend = self._work.options["backend"]
        try:
            if file is None:
                decode(data, backend=backend, max_pixels=self._work.max_pixels)
            elif not holds(data, file, backend=backend):
                return None
        except PpyrError:
            return None
        return self._row(State.FOUND, data, file)

    def _made(self, output: Found | None, file: ImageFile | None) -> Row:
        """The row of an output that is made now."""
        from ppyr.files import encode_file

        if file is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self._task.path)
        if output is not None and not self._work.force:
            raise OutputExistsError(
                f"{self._target} is there already, and is not this image's: give --force to replace it",
                found=self._target,
            )
        data = encode_file(file, **self._work.options)
        self._targets.write(self._target, data, force=self._work.force, mark=self._work.mark)
        return self._row(State.ENCODED, data, file)

    def _row(self, state: State, data: bytes, file: ImageFile | None) -> Row:
        header = read_header(data)
        row = Row(
            path=self._task.path,
            output=self._task.output,
            state=state,
            width=header.width,
            height=header.height,
            channels=header.channels,
            bit_depth=header.bit_depth,
            bytes_out=len(data),
            pixel_digest=header.pixel_digest.hex(),
            file_digest=sha256(data).hexdigest(),
            model=model_of(header),
        )
        if file is None or self._found is None:
            return row
        whole = not file.lossy and not self._work.strip
        return replace(row, bytes_in=self._size, source_stamp=self._found.stamp, whole=whole)


def _failed(task: Task, error: Exception) -> Row:
    message = describe(error, task.path) if isinstance(error, FAILURES) else str(error) or repr(error)
    return Row(task.path, task.output, State.FAILED, error=type(error).__name__, message=message)
