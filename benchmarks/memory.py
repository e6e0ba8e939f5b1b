"""How much memory coding takes, in processes of its own: peaks of the library and of the command line.

    python -m benchmarks.memory --megapixels 1 4 16 100 --model fast
    python -m benchmarks.memory --megapixels 4 16 --model default

The image is made of the bundled photograph, mirrored, with noise, so any size of it is the same everywhere.
The results go to benchmarks/results/memory.json, each in place of an older one of the same model and size;
`python -m benchmarks.tables` renders them into the README and docs/memory.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from ppyr.bench import environment, warm_up
from ppyr.bitstream.container import pixel_digest
from ppyr.decoding import DEFAULT_MAX_PIXELS, decode
from ppyr.effort import encode
from ppyr.imagefile import image_bytes, read_image
from ppyr.threads import use_threads

from .markdown import load

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "memory.json"
#: Rows of the image that are made at once.
BAND = 250
#: Width to height of the images.
ASPECT = 12500 / 8000


def photograph(megapixels: float) -> npt.NDArray[np.uint8]:
    """An image (H, W, 3) of about so many millions of pixels: the bundled one, mirrored, and noise."""
    piece = read_image(ROOT / "codec" / "data" / "chelsea.png")
    wide = np.concatenate((piece, piece[:, ::-1]), 1)
    tile = np.concatenate((wide, wide[::-1])).astype(np.int16)
    height = round(math.sqrt(megapixels * 1e6 / ASPECT))
    image = np.empty((height, round(height * ASPECT), 3), np.uint8)
    columns = np.arange(image.shape[1]) % tile.shape[1]
    for top in range(0, height, BAND):
        band = image[top : top + BAND]
        noise = np.random.default_rng(top).integers(-3, 4, band.shape, np.int16)
        rows = np.arange(top, top + len(band)) % tile.shape[0]
        band[...] = np.clip(tile[rows[:, np.newaxis], columns] + noise, 0, 255)
    return image


def _make(args: argparse.Namespace) -> dict[str, Any]:
    """The image as an array and as a PNG file."""
    image = photograph(args.megapixels[0])
    np.save(args.folder / "image.npy", image)
    png = image_bytes(image, ".png")
    (args.folder / "image.png").write_bytes(png)
    return {"shape": image.shape, "png_bytes": len(png), "digest": pixel_digest(image).hex()}


def _encode(args: argparse.Namespace) -> dict[str, Any]:
    """The library's encoder, on an array that is there already."""
    image = np.load(args.folder / "image.npy")
    warm_up(model=args.model)
    before = _resident()
    data = encode(image, model=args.model)
    (args.folder / "library.ppyr").write_bytes(data)
    return {"held": image.nbytes, "before": before, "bytes": len(data)}


def _decode(args: argparse.Namespace) -> dict[str, Any]:
    """The library's decoder, on bytes that are there already; it compares the digest of the pixels."""
    data = (args.folder / "library.ppyr").read_bytes()
    warm_up(model=args.model)
    before = _resident()
    image = decode(data)
    return {"held": len(data), "before": before, "digest": pixel_digest(image).hex()}


def _compare(args: argparse.Namespace) -> dict[str, Any]:
    """What the command line gave back."""
    image = read_image(args.folder / "restored.png", max_pixels=DEFAULT_MAX_PIXELS)
    return {"digest": pixel_digest(image).hex()}


STEPS = {"make": _make, "encode": _encode, "decode": _decode, "compare": _compare}


def _resident() -> int:
    """Bytes of memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _run(words: Sequence[str], folder: Path) -> tuple[dict[str, Any], int]:
    """What a new Python process prints as JSON, and the peak of its memory in bytes."""
    # Settings of glibc's allocator would be measured in place of the program.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    with (folder / "output.json").open("w+", encoding="utf-8") as output:
        process = subprocess.Popen([sys.executable, "-m", *words], stdout=output, env=environ)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{shlex.join(words)} failed: see above")
        output.seek(0)
        return json.load(output), usage.ru_maxrss * 1024


def measure(model: str, megapixels: float) -> dict[str, Any]:
    """Peaks of the ways to code an image of this size, each of which gives it back bit for bit."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        common = ["--folder", name, "--model", model, "--megapixels", str(megapixels)]

        def step(name: str) -> dict[str, Any]:
            found, peak = _run(["benchmarks.memory", "--step", name, *common], folder)
            return {**found, "peak": peak}

        def command(name: str, source: str, target: str, *options: str) -> dict[str, Any]:
            files = [str(folder / source), "-o", str(folder / target)]
            found, peak = _run(["ppyr", name, "-qT1", "--json", *options, *files], folder)
            return {"peak": peak, "bytes": found["ppyr_bytes"]}

        made = step("make")
        found = {
            "shape": made["shape"],
            "png_bytes": made["png_bytes"],
            "encode": step("encode"),
            "decode": step("decode"),
            "compress": command("compress", "image.png", "command.ppyr", "--model", model),
            "decompress": command("decompress", "command.ppyr", "restored.png"),
        }
        digests = {found["decode"].pop("digest"), step("compare")["digest"]}
        if digests != {made["digest"]}:
            raise AssertionError("the image does not come back")
        return found


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 4, 16, 100])
    parser.add_argument("--model", default="fast")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    use_threads(1)
    if args.step:
        print(json.dumps(STEPS[args.step](args)))
        return
    command = shlex.join(["python", "-m", "benchmarks.memory", *sys.argv[1:]])
    for megapixels in tqdm(args.megapixels, desc=args.model):
        found = measure(args.model, megapixels)
        result = load(RESULTS) or {"models": {}}
        result["models"].setdefault(args.model, {})[f"{megapixels:g}"] = {"command": command, **found}
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        result |= {"threads": 1, "machine_memory": total, **environment()}
        RESULTS.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
