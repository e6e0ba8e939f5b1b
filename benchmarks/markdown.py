"""What all tables of the documents are made of: stored results, and Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def load(path: Path) -> Any:
    """What a file of results holds; None if it is not there."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def percent(ratio: float) -> str:
    """A ratio as a change."""
    return f"{100 * (ratio - 1):+.2f} %"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is to the left and whose others are to the right."""
    lines = [head, ("---", *["---:"] * (len(head) - 1)), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
