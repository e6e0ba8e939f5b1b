"""Chunks of Zarr arrays: size and time of ppyr beside other codecs of numcodecs.

    python -m benchmarks.chunks FOLDER

FOLDER has the photographs of CQ100 in `cq100/` and screenshots of maps and frames of gray videos in
`nonphoto/`. Chunks are cut out of the middle of images; those of images that are smaller are padded by
zeros, as Zarr pads chunks at an edge. All codecs run on one thread and take turns in every round; the time of
a chunk is the median of the rounds, and each is decoded and compared. The results go to
benchmarks/results/chunks.json; `python -m benchmarks.tables` renders them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from ppyr.bench import environment, warm_up
from ppyr.errors import PpyrError
from ppyr.imagefile import read_image
from ppyr.numcodecs import Ppyr
from ppyr.threads import use_threads

from .turns import Work, in_turn

RESULTS = Path(__file__).resolve().parent / "results"
EFFORTS = (1, 5)
PHOTOGRAPHS, FRAMES = 8, 8
Chunk = npt.NDArray[Any]


def middle(image: Chunk, side: int) -> Chunk:
    """(side, side) or (side, side, C) out of the middle of an image, zeros where it ends before."""
    top, left = (max(0, length - side) // 2 for length in image.shape[:2])
    part = image[top : top + side, left : left + side]
    padding = [(0, side - length) for length in part.shape[:2]]
    return np.pad(part, padding + [(0, 0)] * (image.ndim - 2))


def sums(image: Chunk) -> Chunk:
    """Sums of 2 x 2 green samples, which have 10 bits, as uint16."""
    height, width = (side // 2 * 2 for side in image.shape[:2])
    blocks = image[:height, :width, 1].reshape(height // 2, 2, width // 2, 2)
    added: npt.NDArray[np.uint16] = blocks.sum((1, 3), dtype=np.uint16)
    return added


def kinds(folder: Path, sides: Sequence[int] = (256, 512)) -> dict[str, tuple[str, list[Chunk]]]:
    """Chunks of every kind, and their axes."""
    photographs = [read_image(path, strip=["all"]) for path in some(folder / "cq100", "*.png", PHOTOGRAPHS)]
    maps = [
        read_image(path, strip=["all"]) for path in some(folder / "nonphoto", "maps_marble/*configure-view*")
    ]
    video = some(folder / "nonphoto", "gray_video_visp/*mire-2*", FRAMES)
    frames = np.stack([middle(read_image(path), sides[0]) for path in video])
    found = {}
    for side in sides:
        found[f"photographs, RGB, {side} x {side}"] = "YXC", [middle(image, side) for image in photographs]
        found[f"screenshots of maps, RGB, {side} x {side}"] = "YXC", [middle(image, side) for image in maps]
    side = sides[0]
    wide = [middle(sums(image), side) for image in photographs]
    found[f"photographs, gray, 10 of 16 bits, {side} x {side}"] = "YX", wide
    found[f"video, gray, {len(frames)} x {side} x {side}"] = "TYX", [frames]
    found[f"zeros, RGB, {side} x {side}"] = "YXC", [np.zeros((side, side, 3), np.uint8)]
    return found


def some(folder: Path, pattern: str, count: int | None = None) -> list[Path]:
    """So many files of a folder, spread over all of them."""
    files = sorted(folder.glob(pattern))
    return files[:: max(1, len(files) // count)][:count] if count else files


def codecs(axes: str) -> dict[str, Any]:
    """Codecs of numcodecs by name, for arrays of these axes."""
    from imagecodecs.numcodecs import Jpegxl
    from numcodecs import Blosc, Zstd

    return {
        **{f"ppyr-{effort}": Ppyr(axes, effort=effort) for effort in EFFORTS},
        "jpegxl-7": Stacked(Jpegxl(effort=7, lossless=True, numthreads=1, squeeze=False), axes),
        "blosc-bitshuffle": Blosc("zstd", clevel=5, shuffle=Blosc.BITSHUFFLE),
        "blosc-shuffle": Blosc("zstd", clevel=5, shuffle=Blosc.SHUFFLE),
        "zstd": Zstd(),
    }


class Stacked:
    """A codec of single images on the images of a stack, one after the other."""

    def __init__(self, codec: Any, axes: str) -> None:
        self._codec, self._stacked = codec, axes.startswith("T")

    def encode(self, chunk: Chunk) -> list[bytes]:
        """The data of each image."""
        return [self._codec.encode(image) for image in (chunk if self._stacked else [chunk])]

    def decode(self, data: list[bytes]) -> Chunk:
        """The images."""
        images = [self._codec.decode(one) for one in data]
        return np.stack(images) if self._stacked else np.asarray(images[0])


def measured(chunk: Chunk, chosen: Mapping[str, Any], rounds: int) -> dict[str, dict[str, float]]:
    """Bytes and seconds of every codec on a chunk.

    Raises:
        PpyrError: one does not give the chunk back.
    """
    files = {name: codec.encode(chunk) for name, codec in chosen.items()}
    works: dict[tuple[str, str], Work] = {}
    for name, codec in chosen.items():
        if np.asarray(codec.decode(files[name])).tobytes() != chunk.tobytes():
            raise PpyrError(f"{name} does not give back a chunk of shape {chunk.shape}: leave it out")
        works[name, "encode"] = partial(codec.encode, chunk)
        works[name, "decode"] = partial(codec.decode, files[name])
    seconds = in_turn(works, dict.fromkeys(works, rounds))
    return {
        name: {
            "bytes": sum(map(len, data)) if isinstance(data, list) else len(data),
            "encode_seconds": seconds[name, "encode"],
            "decode_seconds": seconds[name, "decode"],
        }
        for name, data in files.items()
    }


def total(chunks: Sequence[Chunk], axes: str, rounds: int) -> dict[str, Any]:
    """The sums over chunks of a kind."""
    found = [measured(chunk, codecs(axes), rounds) for chunk in tqdm(chunks, leave=False)]
    return {
        "chunks": len(chunks),
        "bytes": sum(chunk.nbytes for chunk in chunks),
        "codecs": {
            name: {key: sum(one[name][key] for one in found) for key in found[0][name]} for name in found[0]
        },
    }


def main() -> None:
    """Measure the chunks of the images in the folder that the command line names."""
    import numcodecs.blosc

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sides", type=int, nargs="+", default=(256, 512))
    args = parser.parse_args()
    use_threads(1)
    numcodecs.blosc.set_nthreads(1)
    for effort in EFFORTS:
        warm_up(effort=effort)
    chunks = kinds(args.folder, args.sides)
    found = {
        "rounds": args.rounds,
        "kinds": {name: total(some, axes, args.rounds) for name, (axes, some) in tqdm(chunks.items())},
        **environment(),
    }
    found["versions"]["numcodecs"] = metadata.version("numcodecs")
    (RESULTS / "chunks.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
