"""What each effort wins and costs: sizes, bytes of changes, times, beside JPEG XL, one thread each.

    python -m benchmarks.effort cq100 FOLDER --every 4
    python -m benchmarks.effort --draw docs/effort.svg

Of a folder's images every fourth is taken; fitting takes minutes an image. The results go to
benchmarks/results/effort/cq100.json; `python -m benchmarks.tables` renders them into docs/effort.md, and
`--draw` plots those of all sets.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from tqdm import tqdm

from ppyr.about import info
from ppyr.bench import environment, measure, warm_up
from ppyr.decoding import decode
from ppyr.effort import EFFORTS, encode
from ppyr.imagefile import read_image
from ppyr.threads import use_threads

from .density import files
from .markdown import load
from .tables import SETS

RESULTS = Path(__file__).resolve().parent / "results" / "effort"
PEERS = ("jpegxl-7", "jpegxl-9")
#: Decodings of a fitted file and of one that is not, in turn; the ratio is of their medians.
ROUNDS = 5


def measure_image(file: str, efforts: Sequence[int]) -> dict[str, Any]:
    """Every effort on one image, each decoded and compared."""
    image = read_image(file, strip=["all"])
    peers = measure(file, PEERS, effort=efforts[0]).peers
    found: dict[str, Any] = {
        "samples": image.size,
        "peers": {
            name: {"bytes": one.bytes, "encode_seconds": one.encode_seconds} for name, one in peers.items()
        },
        "efforts": {},
    }
    for effort in efforts:
        began = perf_counter()
        data = encode(image, effort=effort)
        seconds = perf_counter() - began
        about = info(data)
        found["efforts"][str(effort)] = {
            "bytes": len(data),
            "changes": about.changes,
            "model": about.model,
            "encode_seconds": seconds,
            **_decoding(image, data, about.model),
        }
    return found


def _decoding(image: np.ndarray, data: bytes, model: str) -> dict[str, float]:
    """Seconds to decode a file, and their ratio to those of a file without changes to the same model."""
    plain = encode(image, model=model)
    times: dict[bytes, list[float]] = {data: [], plain: []}
    for _ in range(ROUNDS if data != plain else 1):
        for one, seconds in times.items():
            began = perf_counter()
            decoded = decode(one)
            seconds.append(perf_counter() - began)
            if not np.array_equal(decoded, image):
                raise AssertionError("an image does not come back")
    return {
        "decode_seconds": median(times[data]),
        "decode_ratio": median(times[data]) / median(times[plain]),
    }


def draw(results: Mapping[str, Any], output: Path) -> None:
    """Bits/dim over seconds to encode, a panel for each set."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "ppyr"
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(results), figsize=(5.5 * len(results), 3.8), squeeze=False)
    for axis, (name, found) in zip(axes[0], results.items(), strict=True):
        ours = points(found, "efforts")
        theirs = points(found, "peers")
        axis.plot(*zip(*ours.values(), strict=True), "o-", label="ppyr, efforts")
        axis.plot(*zip(*theirs.values(), strict=True), "s--", label="JPEG XL, efforts")
        for label, place in (*ours.items(), *theirs.items()):
            axis.annotate(label.removeprefix("jpegxl-"), place, (4, 4), textcoords="offset points")
        axis.set(
            title=f"{SETS[name]}, {len(found['images'])} images",
            xscale="log",
            xlabel="seconds to encode an image",
            ylabel="bits/dim",
        )
        axis.grid(alpha=0.3)
        axis.legend()
    figure.tight_layout()
    figure.savefig(output, metadata={"Date": None} if output.suffix == ".svg" else None)


def points(found: Mapping[str, Any], kind: str) -> dict[str, tuple[float, float]]:
    """Mean seconds to encode and bits/dim of all images, by effort or peer."""
    images = list(found["images"].values())
    return {
        label: (
            float(np.mean([image[kind][label]["encode_seconds"] for image in images])),
            float(np.mean([8 * image[kind][label]["bytes"] / image["samples"] for image in images])),
        )
        for label in images[0][kind]
    }


def main() -> None:
    """Measure what the command line names, or draw what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name", nargs="?")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--efforts", nargs="+", type=int, default=list(EFFORTS))
    parser.add_argument("--draw", type=Path, metavar="OUTPUT")
    args = parser.parse_args()
    if args.draw:
        found = {name: load(RESULTS / f"{name}.json") for name in SETS}
        draw({name: result for name, result in found.items() if result}, args.draw)
        return
    if args.folder is None:
        parser.error("give a name and a folder of images, or --draw")
    use_threads(1)
    for effort in args.efforts:
        warm_up(effort=effort)
    images = {
        Path(file).relative_to(args.folder).as_posix(): measure_image(file, args.efforts)
        for file in tqdm(files(args.folder)[:: args.every], desc=args.name)
    }
    result = {"set": args.name, "every": args.every, "threads": 1, **environment(), "images": images}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{args.name}.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
