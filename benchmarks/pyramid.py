"""Time of one split and merge of the paired pyramid, as a ratio to a NumPy copy of the same array.

    python benchmarks/pyramid.py [--runs N] [--output FILE]

One thread; the runs of all operations take turns, so that a change of the machine's load meets all of them,
and the medians are compared. A split and a merge each read and write as many bytes as a copy does.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numba
import numpy as np

import ppyr
from ppyr.pyramid import merge, split

SHAPES = [(512, 768, 3), (4096, 4096, 3)]
AXES = {0: "rows", 1: "columns"}


@dataclass(frozen=True)
class Result:
    """Median times, in milliseconds, for one image shape (H, W, C) and one axis."""

    shape: tuple[int, int, int]
    axis: str
    copy_ms: float
    split_ms: float
    merge_ms: float
    ratio: float


def medians_ms(operations: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Give the median time of each operation over `runs` rounds of all of them, after one warm-up round."""
    times: dict[str, list[float]] = {name: [] for name in operations}
    for run in range(runs + 1):
        for name, operation in operations.items():
            start = time.perf_counter()
            operation()
            if run > 0:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def measure(shape: tuple[int, int, int], runs: int) -> list[Result]:
    """Measure both axes of an image of random 8-bit samples."""
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    operations: dict[str, Callable[[], object]] = {"copy": image.copy}
    for axis in AXES:
        operations[f"split {axis}"] = partial(split, image, axis, 8)
        operations[f"merge {axis}"] = partial(merge, *split(image, axis, 8), axis, 8)
    times = medians_ms(operations, runs)
    results = []
    for axis, name in AXES.items():
        copy, apart, together = (times[key] for key in ("copy", f"split {axis}", f"merge {axis}"))
        results.append(Result(shape, name, copy, apart, together, (apart + together) / copy))
    return results


def main() -> None:
    """Print the table and write the results."""
    parser = argparse.ArgumentParser(description="Time split and merge against a NumPy copy.")
    parser.add_argument("--runs", type=int, default=31, help="rounds per array (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "pyramid.json")
    arguments = parser.parse_args()

    results = [result for shape in SHAPES for result in measure(shape, arguments.runs)]
    print(
        f"{'array':>12} {'axis':>8} {'copy ms':>9} {'split ms':>9} {'merge ms':>9} {'(split+merge)/copy':>19}"
    )
    for r in results:
        array = "x".join(map(str, r.shape))
        print(f"{array:>12} {r.axis:>8} {r.copy_ms:9.3f} {r.split_ms:9.3f} {r.merge_ms:9.3f} {r.ratio:19.2f}")
    report = {
        "command": " ".join(["python", *sys.argv]),
        "versions": {
            "ppyr": ppyr.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "numba": numba.__version__,
        },
        "machine": platform.machine(),
        "runs": arguments.runs,
        "results": [asdict(result) for result in results],
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
