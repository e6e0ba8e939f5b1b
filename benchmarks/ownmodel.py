"""What a model that was tuned to a collection wins on the files of it that were held out.

    ppyr train FOLDER --from default -o MODEL.safetensors
    python -m benchmarks.ownmodel NAME FOLDER MODEL.safetensors

Whole files, as `ppyr compress` writes them, each decoded and compared. The results go to
benchmarks/results/ownmodel.json, beside those of other collections; `python -m benchmarks.tables` renders
them into docs/own-model.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from safetensors.numpy import save

from ppyr.bench import environment
from ppyr.bitstream.container import pixel_digest
from ppyr.bitstream.lzma2 import compressed
from ppyr.decoding import decodes_to
from ppyr.effort import encode
from ppyr.imagefile import ImageFile, read_image_file
from ppyr.models import embedding, predictor, registry
from ppyr.models.weights import STAGES
from ppyr.threads import use_threads
from ppyr.tuning import Image, split

from .density import files
from .markdown import load

RESULT = Path(__file__).resolve().parent / "results" / "ownmodel.json"


def main() -> None:
    """Measure the collection that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name", help="what the collection is called")
    parser.add_argument("folder", type=Path)
    parser.add_argument("model", help="the tuned model")
    args = parser.parse_args()
    use_threads(1)
    read = {
        pixel_digest((image := read_image_file(file)).samples): (file, image) for file in files(args.folder)
    }
    chosen = split([Image(image.samples, image.bit_depth) for _, image in read.values()])
    images = dict(read[pixel_digest(image.samples)] for image in chosen.held_out)
    ways: dict[str, dict[str, Any]] = {
        "default": {"model": "default"},
        "effort 5": {"effort": 5},
        "tuned": {"model": args.model},
    }
    found = {
        str(Path(file).relative_to(args.folder)): {way: size(image, options) for way, options in ways.items()}
        for file, image in images.items()
    }
    tuned = predictor.load(registry.by_name(args.model))
    told = tuned.source.provenance
    result = {
        "images": len(chosen.training) + len(chosen.held_out),
        "held_out": len(images),
        "samples": sum(image.samples.size for image in images.values()),
        "bytes": {way: sum(sizes[way] for sizes in found.values()) for way in ways},
        "model": {
            "id": tuned.id.hex(),
            "start": registry.model_name(bytes.fromhex(told[STAGES[0]]["start"]["model"])),
            "training": {stage: {key: told[stage][key] for key in ("steps", "seconds")} for stage in STAGES},
            "file": Path(args.model).stat().st_size,
            "compressed": len(compressed(save(tuned.source.tensors))),
            "embedded": len(embedding.embedded(tuned)),
        },
        "files": found,
        **environment(),
    }
    results = load(RESULT) or {}
    RESULT.write_text(json.dumps({**results, args.name: result}, indent=1) + "\n", "utf-8")


def size(image: ImageFile, options: dict[str, Any]) -> int:
    """Bytes of a file that gives the image back."""
    data = encode(image.samples, bit_depth=image.bit_depth, metadata=image.metadata, **options)
    if not decodes_to(data, image.samples):
        raise RuntimeError("a file does not give its image back")
    return len(data)


if __name__ == "__main__":
    main()
