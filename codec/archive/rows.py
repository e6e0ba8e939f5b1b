"""What is to be done with one image of an archive, and what became of it."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import Any

from ppyr.errors import FormatError


class State(StrEnum):
    """How the work on an image ended.

    Attributes:
        ENCODED: its output was made, verified and put in place.
        FOUND: its output was there already, and was decoded: it holds the pixels and metadata of the source.
        KEPT: its output was there already, and the report knew it; such a row is not written again.
        FAILED: there is no output of this source.
    """

    ENCODED = "encoded"
    FOUND = "found"
    KEPT = "kept"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Row:
    """One image in a report. What is not known is None.

    Attributes:
        path: of the source, relative to the folder of the sources, or as the manifest has it.
        output: path of the output, relative to the folder of the archive, with slashes.
        state: how the work ended.
        seconds: that it took.
        width, height: in pixels.
        channels: 1 to 4.
        bit_depth: bits a sample.
        bytes_in, bytes_out: sizes of source and output.
        pixel_digest: first 16 bytes of the SHA-256 of the samples, in hexadecimal digits, as in the output's
            header; see `ppyr.bitstream.container.pixel_digest`.
        file_digest: SHA-256 of the output, in hexadecimal digits.
        model: name of the likelihood model, see `ppyr.Info`.
        source_stamp: tells whether the source is still the same; see `ppyr.archive.storage`.
        whole: whether the output holds all that the source does: nothing was stripped, and it was not lossy.
        error: class of the error.
        message: of the error.
    """

    path: str
    output: str
    state: State
    seconds: float = 0.0
    width: int | None = None
    height: int | None = None
    channels: int | None = None
    bit_depth: int | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    pixel_digest: str | None = None
    file_digest: str | None = None
    model: str | None = None
    source_stamp: str | None = None
    whole: bool | None = None
    error: str | None = None
    message: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether there is an output."""
        return self.state is not State.FAILED

    def as_dict(self) -> dict[str, Any]:
        """All fields in their order."""
        return {name: getattr(self, name) for name in FIELDS}

    def line(self) -> bytes:
        """One line of JSON in ASCII, with its end."""
        return json.dumps(self.as_dict()).encode("ascii") + b"\n"

    @classmethod
    def of(cls, record: object) -> Row:
        """The row that a record of a report is.

        Raises:
            FormatError: it is none.
        """
        if not isinstance(record, dict) or record.keys() - FIELDS.keys() or _NEEDED - record.keys():
            raise FormatError("this is no row of a report of ppyr batch: give another file", found=record)
        try:
            return cls(**{**record, "state": State(record["state"])})
        except ValueError as error:
            raise FormatError(f"{error}: install a ppyr that knows it", found=record["state"]) from error


#: Names of the fields, and their types.
FIELDS = {field.name: str(field.type) for field in fields(Row)}
_NEEDED = frozenset(field.name for field in fields(Row) if field.default is MISSING)


@dataclass(frozen=True, slots=True)
class Task:
    """One image to compress.

    Attributes:
        path, output: see `Row`.
        known: the finished row that the report has of it, None if it has none.
    """

    path: str
    output: str
    known: Row | None = None
