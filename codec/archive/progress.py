"""What is said while an archive grows, and at its end."""

from __future__ import annotations

import sys
from collections import Counter
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING

from ppyr.archive.rows import Row, State
from ppyr.report import Failure, describe

if TYPE_CHECKING:
    from tqdm import tqdm

#: Images that failed are named up to so many; the report has them all.
NAMED = 20


class Progress:
    """A line with images/s, MB/s, saved bytes and the time left, where standard error is a terminal.

    Args:
        count: of the images.
        quiet: say nothing but which images failed.

    Attributes:
        states: how many images ended in each way.
        bytes_in, bytes_out: sizes of sources and outputs, of the images whose outputs were made or found now.
    """

    def __init__(self, count: int, *, quiet: bool) -> None:
        self.states: Counter[State] = Counter()
        self.bytes_in = self.bytes_out = 0
        self._staying = 0
        self._count, self._quiet, self._began = count, quiet, perf_counter()
        self._bar: tqdm[object] | None = None

    def __enter__(self) -> Progress:
        if not self._quiet and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=self._count, unit=" images", file=sys.stderr, leave=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def add(self, row: Row) -> None:
        """Take one more image into account."""
        self.states[row.state] += 1
        if row.state in (State.ENCODED, State.FOUND) and row.bytes_in is not None:
            self.bytes_in += row.bytes_in
            self.bytes_out += row.bytes_out or 0
        if row.state is State.FAILED:
            self._failed(row)
        if self._bar is not None:
            rate, saved = self._megabytes_a_second(), self.bytes_in - self.bytes_out
            self._bar.set_postfix_str(f"{rate:.1f} MB/s, {saved:,} bytes saved", refresh=False)
            self._bar.update()

    def stays(self, row: Row, error: Failure) -> None:
        """Tell of a source that could not be removed."""
        self._staying += 1
        self._print(f"ppyr: {row.path}: it can not be removed: {describe(error)}")

    def finish(self) -> int:
        """Sum up and give the exit code, 0 or 1."""
        failed = self.states[State.FAILED]
        if not self._quiet:
            states = ", ".join(f"{self.states[state]:,} {state}" for state in State)
            saved = 1 - self.bytes_out / self.bytes_in if self.bytes_in else 0
            rate = self.states.total() / (perf_counter() - self._began)
            self._print(
                f"{states}; {self.bytes_in:,} bytes became {self.bytes_out:,}, {100 * saved:.1f} % saved; "
                f"{rate:,.1f} images/s, {self._megabytes_a_second():.2f} MB/s"
            )
        if failed:
            self._print(f"ppyr: {failed:,} of {self._count:,} images failed")
        return 1 if failed or self._staying else 0

    def _failed(self, row: Row) -> None:
        failures = self.states[State.FAILED]
        if failures <= NAMED:
            self._print(f"ppyr: {row.path}: {row.message}")
        elif failures == NAMED + 1:
            self._print("ppyr: more images failed: the report names them all")

    def _megabytes_a_second(self) -> float:
        return self.bytes_in / 1e6 / (perf_counter() - self._began)

    def _print(self, text: str) -> None:
        if self._bar is None:
            print(text, file=sys.stderr)
        else:
            self._bar.write(text, file=sys.stderr)
