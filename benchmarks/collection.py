"""What one set of changes for a whole collection wins, beside its files or embedded in each.

    python -m benchmarks.collection cq100 FOLDER

The results go to benchmarks/results/collection/cq100.json; `python -m benchmarks.tables` renders them into
docs/effort.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import perf_counter

from ppyr.bench import environment
from ppyr.collection import adapt
from ppyr.imagefile import read_image
from ppyr.models import registry
from ppyr.models.search import Search
from ppyr.threads import use_threads
from ppyr.training import ADAPTING_STEPS

from .density import files

RESULTS = Path(__file__).resolve().parent / "results" / "collection"


def main() -> None:
    """Measure the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="max")
    parser.add_argument("--steps", type=int, default=ADAPTING_STEPS)
    args = parser.parse_args()
    use_threads(1)
    images = [read_image(file, strip=["all"]) for file in files(args.folder)]
    began = perf_counter()
    found = adapt(images, args.model, Search(args.steps, all_layers=True), progress=True)
    result = {
        "set": args.name,
        "model": args.model,
        "id": registry.by_name(args.model).hex(),
        "steps": args.steps,
        "images": len(images),
        "tried": found.images,
        "bytes": {"unchanged": found.before, "changed": found.after, "changes": len(found.recipe.changes)},
        "seconds": perf_counter() - began,
        **environment(),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{args.name}.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
