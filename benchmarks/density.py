"""Density and time: models on a folder of images, beside PNG, WebP and JPEG XL, whole files in one run.

    python -m benchmarks.density kodak FOLDER --models fast default max

One thread each. The results go to benchmarks/results/density/kodak.json; `python -m benchmarks.tables`
renders them into the documents.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ppyr.bench import PEERS, ImageResult, environment, measure, totals, warm_up
from ppyr.imagefile import READABLE
from ppyr.models import registry, weights
from ppyr.plan import expand
from ppyr.threads import use_threads

RESULTS = Path(__file__).resolve().parent / "results" / "density"


def files(folder: Path) -> list[str]:
    """The image files of a folder and its folders."""
    return [path for path, _ in expand(str(folder), READABLE, recursive=True)]


def measure_set(name: str, folder: Path, models: Sequence[str]) -> dict[str, Any]:
    """Every model on the images of a folder, and the peers, measured once, right after the first model."""
    ids = {model: warm_up(model=model) for model in models}
    results: dict[str, list[ImageResult]] = {model: [] for model in models}
    for file in tqdm(files(folder), desc=name):
        first = measure(file, PEERS, model=models[0])
        rest = [replace(measure(file, (), model=model), peers=first.peers) for model in models[1:]]
        inside = Path(file).relative_to(folder).as_posix()
        for model, row in zip(models, (first, *rest), strict=True):
            results[model].append(replace(row, file=inside))
    found: dict[str, Any] = {"set": name, "threads": 1, **environment(), "models": {}}
    for model, rows in results.items():
        cost = weights.read(registry.by_id(bytes.fromhex(ids[model]))).macs_per_pixel
        found["models"][model] = {"id": ids[model], "macs_per_pixel": cost, "totals": totals(rows)}
        found["models"][model]["images"] = [asdict(row) for row in rows]
    return found


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="+", default=["fast", "default", "max"])
    args = parser.parse_args()
    use_threads(1)
    result = measure_set(args.name, args.folder, args.models)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{args.name}.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
