"""Reports: a row for each image, in lines of JSON that outlive every crash, or in a Parquet file.

A journal (.jsonl) grows by a line with each image. A line that a crash has cut off is dropped when the
journal is opened again; of several rows with one output the last one counts. A report in Parquet is made of
its journal, which lies beside it, at the end of every run.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ppyr.archive.manifest import name_hash
from ppyr.archive.rows import FIELDS, Row
from ppyr.atomic import place_file
from ppyr.errors import FormatError, PpyrError
from ppyr.plan import UsageError

if TYPE_CHECKING:
    from pyarrow import Schema

JOURNAL, PARQUET = ".jsonl", ".parquet"
#: Rows of a row group of a Parquet file.
GROUP = 1 << 16
#: What every line begins with.
_START = b'{"path": '
_TYPES = {"str": "string", "State": "string", "int": "int64", "float": "float64", "bool": "bool"}


class Journal:
    """A journal that is open, for one process at a time.

    Args:
        path: of the file, which is made where it is not there.

    Attributes:
        known: what earlier runs have written.

    Raises:
        UsageError: another process writes it.
        FormatError: it is no journal.
        OSError: it can not be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = FileIO(path, "a+")
        try:
            _lock(self._file)
            self.known = Known(path)
            self._file.truncate(self.known.end)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, row: Row) -> None:
        """Write a row; from now on it survives the end of the process."""
        left = memoryview(row.line())
        while left:
            left = left[self._file.write(left) :]

    def sync(self) -> None:
        """Wait until all rows are on the disk."""
        os.fsync(self._file.fileno())


def rows_of(report: Path) -> Iterator[Row]:
    """The last row of every output of a report.

    Raises:
        UsageError: its name ends in neither .jsonl nor .parquet.
        FormatError: it is no report.
        PpyrError: pyarrow is not installed.
        OSError: it can not be read.
    """
    if journal_of(report) == report:
        yield from Known(report)
        return
    import_parquet()
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(report) as file:
            for group in file.iter_batches():
                for record in group.to_pylist():
                    yield Row.of(record)
    except ArrowException as error:
        raise FormatError(f"{report} is no report in Parquet ({error}): give another file") from error


def journal_of(report: Path) -> Path:
    """The journal of a report: itself, or the file beside it.

    Raises:
        UsageError: its name ends in neither .jsonl nor .parquet.
    """
    if report.suffix not in (JOURNAL, PARQUET):
        raise UsageError(f"{report} is no name of a report: let it end in {JOURNAL} or {PARQUET}")
    return report.with_suffix(JOURNAL)


def write_parquet(journal: Path, target: Path) -> None:
    """Make a report in Parquet of a journal, whole or not at all.

    Raises:
        UnicodeEncodeError: a name is not in UTF-8.
        OSError: a file can not be read or written.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    schema = parquet_schema()
    with place_file(target, force=True) as file, ParquetWriter(file, schema) as writer:
        group: list[dict[str, object]] = []
        for row in Known(journal):
            group.append(row.as_dict())
            if len(group) == GROUP:
                writer.write_table(pa.Table.from_pylist(group, schema))
                group.clear()
        writer.write_table(pa.Table.from_pylist(group, schema))


def parquet_schema() -> Schema:
    """Columns of a report in Parquet."""
    import pyarrow as pa

    kinds = {name: kind.partition(" | ")[0] for name, kind in FIELDS.items()}
    return pa.schema([(name, _TYPES[kind]) for name, kind in kinds.items()])


def import_parquet() -> None:
    """Check that Parquet files can be read and written.

    Raises:
        PpyrError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise PpyrError("a report in Parquet needs pyarrow: pip install 'ppyr[batch]'") from error


class Known:
    """What a journal tells: the last row of every output, some bytes of memory for each.

    Args:
        path: of the journal.

    Attributes:
        end: size of its whole lines in bytes.

    Raises:
        FormatError: it is no journal.
        OSError: it can not be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        hashes, offsets = array("Q"), array("Q")
        self.end = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n") and _START.startswith(line[: len(_START)]):
                    break
                hashes.append(name_hash(self._row(line, number).output))
                offsets.append(self.end)
                self.end += len(line)
        found = np.frombuffer(hashes, np.uint64) if hashes else np.empty(0, np.uint64)
        order = np.argsort(found, kind="stable")
        self._hashes = found[order]
        self._offsets = np.frombuffer(offsets, np.uint64)[order] if offsets else found

    def __iter__(self) -> Iterator[Row]:
        offset = 0
        with self._path.open("rb") as file:
            while offset < self.end:
                line = file.readline()
                row = Row.of(json.loads(line))
                if self._is_last(row, offset):
                    yield row
                offset += len(line)

    def finished(self, path: str, output: str) -> Row | None:
        """The last row of an output, if it is a finished one of this source."""
        for offset in self._offsets_of(output):
            if (row := self._at(offset)).output == output:
                return row if row.is_finished and row.path == path else None
        return None

    def _is_last(self, row: Row, offset: int) -> bool:
        """Whether no later row has the same output."""
        later = [other for other in self._offsets_of(row.output) if other > offset]
        return all(self._at(other).output != row.output for other in later)

    def _offsets_of(self, output: str) -> list[int]:
        """Offsets of the lines whose outputs have the same hash, the last one first."""
        wanted = np.uint64(name_hash(output))
        first, last = (np.searchsorted(self._hashes, wanted, side=side) for side in ("left", "right"))
        return self._offsets[first:last][::-1].tolist()  # type: ignore[no-any-return]

    def _at(self, offset: int) -> Row:
        with self._path.open("rb") as file:
            file.seek(offset)
            return Row.of(json.loads(file.readline()))

    def _row(self, line: bytes, number: int) -> Row:
        try:
            return Row.of(json.loads(line))
        except ValueError as error:
            raise FormatError(f"{self._path}, line {number}: {error}") from error


def _lock(file: FileIO) -> None:
    """Keep other processes away from an open file, where the system can."""
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:
        return
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        raise UsageError(
            f"{file.name!s} is being written by another run: wait, or give another --report"
        ) from None
