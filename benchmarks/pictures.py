"""The images that speed is measured on: those of a folder, or mosaics of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ppyr.bench import shown
from ppyr.errors import UnsupportedImageError
from ppyr.imagefile import read_image_file

from .density import files

#: Rows and columns of a mosaic's pieces.
PIECE = (448, 672)
#: Side of a mosaic in pixels.
SIDE = 2048

Image = npt.NDArray[np.uint8]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that choose images."""
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", default="kodak", help="of the results; kodak if nothing is said")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every Nth image only")
    parser.add_argument(
        "--mosaic",
        type=int,
        default=0,
        metavar="COUNT",
        help=f"take so many images of {SIDE} x {SIDE} pixels instead, each of other pieces of the images",
    )


def pictures(args: argparse.Namespace) -> dict[str, Callable[[], Image]]:
    """The chosen images by name, each to be read by a call."""
    found = [Path(file) for file in files(args.folder)[:: args.every]]
    if not args.mosaic:
        return {path.relative_to(args.folder).as_posix(): partial(rgb_pixels, path) for path in found}
    large = [path for path in found if all(np.greater_equal(rgb_pixels(path).shape[:2], PIECE))]
    return {
        f"mosaic {number}": partial(mosaic, large[number :: args.mosaic], SIDE)
        for number in range(args.mosaic)
    }


def mosaic(sources: Sequence[Path], side: int) -> Image:
    """A square (side, side, 3) of the upper left pieces of images, evenly taken from all that there are.

    Raises:
        UnsupportedImageError: there are none.
    """
    if not sources:
        raise UnsupportedImageError(
            f"no image is as large as a piece of a mosaic: give some of at least {PIECE[1]} x {PIECE[0]}",
            expected=PIECE,
        )
    image = np.empty((side, side, 3), np.uint8)
    places = [(y, x) for y in range(0, side, PIECE[0]) for x in range(0, side, PIECE[1])]
    for number, (y, x) in enumerate(places):
        room = image[y : y + PIECE[0], x : x + PIECE[1]]
        piece = rgb_pixels(sources[number * len(sources) // len(places)])
        room[...] = piece[: room.shape[0], : room.shape[1]]
    return image


def rgb_pixels(path: Path) -> Image:
    """Pixels (H, W, 3) of a file.

    Raises:
        UnsupportedImageError: they are not RGB of 8 bits, which every codec takes.
    """
    image, depth = shown(read_image_file(path, strip=["all"]))
    if depth != 8 or image.shape[2:] != (3,):
        raise UnsupportedImageError(
            f"{path} is no RGB image of 8 bits: leave it out of the folder",
            expected=((3,), 8),
            found=(image.shape[2:], depth),
        )
    return image
