"""The tables of results in the README, from the JSON files that `ppyr bench` wrote.

    ppyr bench DIR --json benchmarks/results/kodak.json      # and another into cq100.json
    python benchmarks/tables.py

Replaces what stands between the two markers in the README; run it again after every measurement.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results"
BEGIN = "<!-- begin results -->\n"
END = "<!-- end results -->\n"

DATA_SETS = {"kodak": "Kodak", "cq100": "CQ100"}
CODECS = {
    "png": "PNG, level 9",
    "webp": "WebP lossless, method 6",
    "jpegxl-7": "JPEG XL, effort 7",
    "jpegxl-9": "JPEG XL, effort 9",
}


def load(folder: Path) -> dict[str, Any]:
    """Read the results that are there, by data set."""
    found = {}
    for name in DATA_SETS:
        path = folder / f"{name}.json"
        if path.exists():
            found[name] = json.loads(path.read_text(encoding="utf-8"))
    return found


def render(results: Mapping[str, Any]) -> str:
    """Lay out one Markdown table for each data set, and under which versions it was measured."""
    if not results:
        return "No results are stored in benchmarks/results.\n"
    return "\n".join(_table(DATA_SETS[name], result) for name, result in results.items())


def fill(text: str, block: str) -> str:
    """Replace what stands between the markers of `text` by `block`.

    Raises:
        ValueError: the markers are not there once each, in order.
    """
    before, begin, rest = text.partition(BEGIN)
    old, end, after = rest.partition(END)
    if not begin or not end or BEGIN in old + after or END in before + after:
        raise ValueError(f"put the lines {BEGIN.strip()} and {END.strip()} in, once each")
    return before + BEGIN + block + END + after


def _table(title: str, result: Mapping[str, Any]) -> str:
    totals, versions = result["totals"], result["versions"]
    images = totals["images"]
    rows = [
        (f"{title}, {images} images", "bytes", "bits/dim", "bytes, ppyr / it", "encode", "decode"),
        ("---", *["---:"] * 5),
        ("ppyr", *_figures(totals, images, "")),
        *(
            (CODECS[name], *_figures(peer, images, f"{peer['bytes_ratio']:.3f}"))
            for name, peer in totals["peers"].items()
        ),
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    threads = result["threads"]
    conditions = (
        f"Model `{result['model_id'][:8]}`; theoretical {totals['theoretical_bits_per_dim']:.3f} bits/dim; "
        f"times an image on {threads} thread{'s' * (threads > 1)} of an {result['cpu']}; "
        f"Python {versions['python']}, torch {versions['torch']}, "
        f"imagecodecs {versions.get('imagecodecs', 'not installed')}."
    )
    return "\n".join([*lines, "", conditions]) + "\n"


def _figures(total: Mapping[str, Any], images: int, ratio: str) -> tuple[str, ...]:
    return (
        f"{total['bytes']:,}",
        f"{total['bits_per_dim']:.3f}",
        ratio,
        f"{1000 * total['encode_seconds'] / images:,.0f} ms",
        f"{1000 * total['decode_seconds'] / images:,.0f} ms",
    )


if __name__ == "__main__":
    README.write_text(fill(README.read_text(encoding="utf-8"), render(load(RESULTS))), encoding="utf-8")
