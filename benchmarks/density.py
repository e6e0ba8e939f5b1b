"""Density and time: efforts on a folder of images, beside PNG, WebP and JPEG XL, whole files in one run.

    python -m benchmarks.density kodak FOLDER --efforts 1 5 6

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

from ppyr.bench import PEERS, ImageResult, by_folder, environment, measure, totals, warm_up
from ppyr.effort import EFFORTS
from ppyr.imagefile import READABLE
from ppyr.models import modelfile, registry
from ppyr.plan import expand
from ppyr.threads import use_threads

RESULTS = Path(__file__).resolve().parent / "results" / "density"


def files(folder: Path) -> list[str]:
    """The image files of a folder and its folders."""
    return [path for path, _ in expand(str(folder), READABLE, recursive=True)]


def measure_set(
    name: str, folder: Path, efforts: Sequence[int], peers: Sequence[str] = PEERS
) -> dict[str, Any]:
    """Every effort on the images of a folder, and the peers, measured once, right after the first effort."""
    for effort in efforts:
        warm_up(effort=effort)
    results: dict[int, list[ImageResult]] = {effort: [] for effort in efforts}
    for file in tqdm(files(folder), desc=name):
        first = measure(file, peers, effort=efforts[0])
        rest = [replace(measure(file, (), effort=effort), peers=first.peers) for effort in efforts[1:]]
        inside = Path(file).relative_to(folder).as_posix()
        for effort, row in zip(efforts, (first, *rest), strict=True):
            results[effort].append(replace(row, file=inside))
    found: dict[str, Any] = {"set": name, "threads": 1, **environment(), "efforts": {}}
    for effort, rows in results.items():
        model_id = registry.by_name(EFFORTS[effort].model)
        cost = modelfile.read(registry.by_id(model_id)).macs_per_pixel
        about = {"model": registry.model_name(model_id), "id": model_id.hex(), "macs_per_pixel": cost}
        folders = by_folder(rows)
        found["efforts"][str(effort)] = {
            **about,
            "totals": totals(rows),
            **({"folders": folders} if len(folders) > 1 else {}),
            "images": [asdict(row) for row in rows],
        }
    return found


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--efforts", nargs="+", type=int, default=list(range(1, 8)))
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS)
    args = parser.parse_args()
    use_threads(1)
    result = measure_set(args.name, args.folder, args.efforts, args.peers)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{args.name}.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
