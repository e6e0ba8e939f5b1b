"""What the command line says while it works, all on standard error: standard output is for data only."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from ppyr.errors import PpyrError

if TYPE_CHECKING:
    from tqdm import tqdm

Item = TypeVar("Item")

FAILURES = (PpyrError, OSError, MemoryError)
"""What one file can fail of without the command being at fault."""

Failure: TypeAlias = PpyrError | OSError | MemoryError


class Reporter:
    """Prints notes, errors and, on a terminal, a progress bar; counts the errors."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.failures = 0
        self._bar: tqdm[object] | None = None

    def progress(self, items: Sequence[Item]) -> Iterable[Item]:
        """Yield the items, under a progress bar where there is someone to look at it."""
        if self.quiet or len(items) < 2 or not sys.stderr.isatty():
            yield from items
            return
        from tqdm import tqdm

        self._bar = tqdm(total=len(items), unit="file", file=sys.stderr, leave=False)
        try:
            for item in items:
                yield item
                self._bar.update()
        finally:
            self._bar.close()
            self._bar = None

    def note(self, text: str) -> None:
        """Print a line, unless all but errors is to be kept quiet."""
        if not self.quiet:
            self._print(text)

    def error(self, file: str, error: Failure) -> None:
        """Print one line about a file that failed, and count it."""
        self.failures += 1
        self._print(f"ppyr: {file}: {describe(error, file)}")

    def finish(self, count: int) -> int:
        """Sum up the work on `count` files and give the exit code, 0 or 1."""
        if self.failures and count > 1:
            self._print(f"ppyr: {self.failures} of {count} files failed")
        return 1 if self.failures else 0

    def _print(self, text: str) -> None:
        if self._bar is None:
            print(text, file=sys.stderr)
        else:
            self._bar.write(text, file=sys.stderr)


def describe(error: Failure, file: str | None = None) -> str:
    """Put an error in words, naming the file that it is about unless that is `file`."""
    if isinstance(error, OSError) and error.strerror:
        named = error.filename is not None and str(error.filename) != file
        return f"{error.filename}: {error.strerror}" if named else error.strerror
    return str(error) or "not enough memory"
