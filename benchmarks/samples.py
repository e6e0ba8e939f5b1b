"""Samples of more than 8 bits, and alpha, made from a folder of photographs of 8 bits.

    python -m benchmarks.samples FOLDER

Sums of 4 x 4 pixels have 12 bits. They are coded in that depth, in the upper bits of 16, and as linear
light of 16 bits, gray and RGB, beside JPEG XL. The photographs themselves are coded with and without an alpha
that has soft edges. The results go to benchmarks/results/samples.json; `python -m benchmarks.tables` renders
them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

import ppyr
from ppyr.bench import environment
from ppyr.errors import PpyrError
from ppyr.imagefile import read_image
from ppyr.threads import use_threads

from .density import files

RESULTS = Path(__file__).resolve().parent / "results"
Wide = npt.NDArray[np.uint16]


def sums(image: npt.NDArray[np.uint8]) -> Wide:
    """Sums of 4 x 4 pixels, (H / 4, W / 4, C), below 2^12."""
    height, width = (side // 4 * 4 for side in image.shape[:2])
    blocks = image[:height, :width].astype(np.uint16).reshape(height // 4, 4, width // 4, 4, -1)
    added: Wide = blocks.sum((1, 3), dtype=np.uint16)
    return added


def wide_images(image: npt.NDArray[np.uint8]) -> dict[str, tuple[Wide, int]]:
    """The images that are made of a photograph, and their bit depths."""
    found = {}
    for name, samples in (("RGB", sums(image)), ("gray", sums(image)[..., 1])):
        linear = (65535 * (samples / 4080) ** 2.2).round().astype(np.uint16)
        found[f"{name}, 12 bits"] = samples, 12
        found[f"{name}, 12 of 16 bits"] = np.left_shift(samples, 4, dtype=np.uint16), 16
        found[f"{name}, 16 bits, linear light"] = linear, 16
    return found


def soft_alpha(height: int, width: int) -> npt.NDArray[np.uint8]:
    """An ellipse that fades out over some pixels."""
    y, x = np.mgrid[-1 : 1 : 1j * height, -1 : 1 : 1j * width]
    alpha: npt.NDArray[np.uint8] = (255 * np.clip(8 * (0.9 - np.hypot(y, x)), 0, 1)).astype(np.uint8)
    return alpha


def jpegxl_bytes(image: Wide, bit_depth: int, effort: int) -> int:
    """Bytes of a JPEG XL file that gives the image back."""
    import imagecodecs

    data = imagecodecs.jpegxl_encode(
        image, lossless=True, effort=effort, bitspersample=bit_depth, numthreads=1
    )
    if not np.array_equal(imagecodecs.jpegxl_decode(data), image):
        raise PpyrError(f"JPEG XL does not give back {image.shape} of {bit_depth} bits")
    return len(data)


def ppyr_bytes(image: npt.NDArray[Any], bit_depth: int, effort: int) -> int:
    """Bytes of a .ppyr file that gives the image back."""
    data = ppyr.encode(image, bit_depth=bit_depth, effort=effort)
    if not np.array_equal(ppyr.decode(data), image):
        raise PpyrError(f"ppyr does not give back {image.shape} of {bit_depth} bits")
    return len(data)


def main() -> None:
    """Measure the photographs of the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--effort", type=int, default=5)
    args = parser.parse_args()
    use_threads(1)
    wide: dict[str, dict[str, int]] = {}
    alpha = {"RGBA": 0, "RGB": 0, "alpha alone": 0}
    chosen = files(args.folder)
    for file in tqdm(chosen):
        image = read_image(file, strip=["all"])
        for name, (samples, depth) in wide_images(image).items():
            row = wide.setdefault(name, {"ppyr": 0, "jpegxl-7": 0, "jpegxl-9": 0})
            row["ppyr"] += ppyr_bytes(samples, depth, args.effort)
            for effort in (7, 9):
                row[f"jpegxl-{effort}"] += jpegxl_bytes(samples, depth, effort)
        mask = soft_alpha(*image.shape[:2])
        for name, part in (("RGBA", np.dstack([image, mask])), ("RGB", image), ("alpha alone", mask)):
            alpha[name] += ppyr_bytes(part, 8, args.effort)
    found = {"effort": args.effort, "images": len(chosen), "wide": wide, "alpha": alpha, **environment()}
    (RESULTS / "samples.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
