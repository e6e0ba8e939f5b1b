"""Small pieces of the bundled photograph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

import ppyr
from ppyr.imagefile import read_image

PATH = Path(ppyr.__file__).parent / "data" / "chelsea.png"


def crop(height: int, width: int, *, gray: bool = False) -> np.ndarray:
    """(height, width, 3) or, of the green channel, (height, width), uint8, around an eye."""
    piece = read_image(PATH)[80 : 80 + height, 130 : 130 + width]
    return piece[..., 1].copy() if gray else piece


def squares(height: int, width: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Squares of random colours, (height, width, 3), like no photograph: there is much to learn."""
    shape = -(-height // 4), -(-width // 4), 3
    colours = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return np.ascontiguousarray(colours.repeat(4, 0).repeat(4, 1)[:height, :width])
