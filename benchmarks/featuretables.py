"""The tables of docs/comparison.md."""

from __future__ import annotations

from pathlib import Path

from .markdown import load, table

_WORDS = {True: "yes", False: "no", None: "-"}


def features(results: Path) -> str:
    """One table for each kind of feature, and under which versions they were tried."""
    found = load(results / "features.json") or {"sections": {}, "versions": {}, "cpu": ""}
    parts = []
    for title, rows in found["sections"].items():
        names = rows[0]["values"]
        lines = [
            (row["feature"], *(_cell(value, row["unit"]) for value in row["values"].values())) for row in rows
        ]
        parts.append(table((title, *names), lines))
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return "\n".join([*parts, f"On one processor, {found['cpu']}; {versions}.\n"])


def _cell(value: bool | float | None, unit: str) -> str:
    """Yes, no, or a number with its unit, of which no less than a tenth of a per cent is told."""
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if unit != "%":
        return f"{value:,.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
    share = 100 * value
    if 0 < share < 0.1:
        return "< 0.1 %"
    return f"{share:.0f} %" if share == round(share) or share >= 10 else f"{share:.1f} %"
