"""What tiles cost: bytes of files of tiles of several sides, in one run.

    python -m benchmarks.tiling FOLDER

The results go to benchmarks/results/tiling.json; `python -m benchmarks.tables` renders them into docs/.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tqdm import tqdm

from ppyr.bench import environment
from ppyr.coding import encode_changed
from ppyr.imagefile import read_image
from ppyr.models import predictor, registry
from ppyr.picture import WHOLE_BITS, Picture
from ppyr.threads import use_threads

from .density import files

RESULTS = Path(__file__).resolve().parent / "results"
SIDES = (WHOLE_BITS, 9, 8, 7)


def main() -> None:
    """Measure the images of the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--every", type=int, default=1)
    args = parser.parse_args()
    use_threads(1)
    model = predictor.load(registry.by_name(args.model))
    sizes = dict.fromkeys(SIDES, 0)
    chosen = files(args.folder)[:: args.every]
    for file in tqdm(chosen):
        image = read_image(file, strip=["all"])
        for bits in SIDES:
            sizes[bits] += len(encode_changed(Picture.of(image, tile_bits=bits), model, []))
    found = {
        "model": args.model,
        "id": model.id.hex(),
        "images": len(chosen),
        "bytes": {str(1 << bits): size for bits, size in sizes.items()},
        **environment(),
    }
    (RESULTS / "tiling.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
