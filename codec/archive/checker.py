"""What a worker does with one row of a report: to look whether the archive still has what the row says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from ppyr.archive.compressor import LOST
from ppyr.archive.rows import Row
from ppyr.archive.storage import join, storage_of
from ppyr.bitstream.container import read_header
from ppyr.report import FAILURES, describe


class Verdict(StrEnum):
    """What was found of an image.

    Attributes:
        OK: the output decodes to the pixels of the report, and has its bytes.
        MISSING: there is no output.
        CHANGED: the output is a correct file, of other pixels or with other metadata.
        UNREADABLE: the output can not be read or decoded.
        FAILED: the report says that there never was an output.
    """

    OK = "ok"
    MISSING = "missing"
    CHANGED = "changed"
    UNREADABLE = "unreadable"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """An output, what was found of it, and why."""

    output: str
    verdict: Verdict
    message: str = ""


@dataclass(frozen=True)
class Checker:
    """Checks outputs of an archive; can be pickled.

    Attributes:
        target: location of the archive's folder.
        backend: to decode with.
        prepare: called first in every worker.
        max_pixels: the largest image to decode, None for no limit.
    """

    target: str
    backend: str
    prepare: Callable[[], None]
    max_pixels: int | None = None

    def __call__(self, row: Row) -> Finding:
        """Look at an output; no exception leaves this."""
        if not row.is_finished:
            return Finding(row.output, Verdict.FAILED, row.message or "")
        try:
            return self._finding(row)
        except FileNotFoundError:
            return Finding(row.output, Verdict.MISSING, "there is no such file")
        except Exception as error:  # noqa: BLE001
            message = describe(error) if isinstance(error, FAILURES) else str(error) or repr(error)
            return Finding(row.output, Verdict.UNREADABLE, message)

    def lost(self, row: Row) -> Finding:
        """What to say of an output whose worker was killed."""
        return Finding(row.output, Verdict.UNREADABLE, LOST)

    def _finding(self, row: Row) -> Finding:
        from ppyr.decoding import decode

        location = join(self.target, row.output)
        data = storage_of(location).read(location)
        decode(data, backend=self.backend, max_pixels=self.max_pixels)
        if read_header(data).pixel_digest.hex() != row.pixel_digest:
            return Finding(row.output, Verdict.CHANGED, "it has other pixels than the report says")
        if sha256(data).hexdigest() != row.file_digest:
            return Finding(row.output, Verdict.CHANGED, "it has the pixels of the report, but other bytes")
        return Finding(row.output, Verdict.OK)
