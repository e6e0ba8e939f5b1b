"""Small pieces of the bundled photograph."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import ppyr
from ppyr.imagefile import read_image

PATH = Path(ppyr.__file__).parent / "data" / "chelsea.png"


def crop(height: int, width: int, *, gray: bool = False) -> np.ndarray:
    """(height, width, 3) or, of the green channel, (height, width), uint8, around an eye."""
    piece = read_image(PATH)[80 : 80 + height, 130 : 130 + width]
    return piece[..., 1].copy() if gray else piece
