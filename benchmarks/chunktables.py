"""The tables of docs/zarr.md, for `benchmarks.tables`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .markdown import load, table

CODECS = {
    "ppyr-1": "ppyr, effort 1",
    "ppyr-5": "ppyr, effort 5",
    "jpegxl-7": "JPEG XL, effort 7",
    "blosc-bitshuffle": "Blosc, bit shuffle",
    "blosc-shuffle": "Blosc, shuffle",
    "zstd": "Zstandard",
}
WAYS = ("encode", "decode")
PACKAGES = ("python", "numcodecs", "imagecodecs", "torch", "numba")


def chunks(results: Path) -> str:
    """Bytes, and seconds to encode and to decode, of chunks of several kinds."""
    found = load(results / "chunks.json")
    if found is None:
        return ""
    versions = found["versions"]
    kinds = found["kinds"]
    parts = [
        _table(kinds, "bytes a chunk", lambda one, count: f"{one['bytes'] / count:,.0f}"),
        *(_table(kinds, f"ms to {way} a chunk", _milliseconds(f"{way}_seconds")) for way in WAYS),
    ]
    packages = ", ".join(f"{name} {versions[name]}" for name in PACKAGES)
    return "\n".join([*parts, f"Medians of {found['rounds']} rounds; {found['cpu']}; {packages}.\n"])


def _milliseconds(key: str) -> Callable[[Mapping[str, float], int], str]:
    def cell(one: Mapping[str, float], count: int) -> str:
        milliseconds = 1000 * one[key] / count
        return f"{milliseconds:,.{0 if milliseconds >= 10 else 1}f}"

    return cell


def _table(kinds: Mapping[str, Any], title: str, cell: Callable[[Mapping[str, float], int], str]) -> str:
    rows = [
        (
            f"{name}; {kind['chunks']} of them" if kind["chunks"] > 1 else name,
            *(cell(kind["codecs"][codec], kind["chunks"]) for codec in CODECS),
        )
        for name, kind in kinds.items()
    ]
    return table((title, *CODECS.values()), rows)
