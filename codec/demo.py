"""The main job once, on the bundled photograph: compress, decompress, compare, through real files."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from ppyr.about import Info, info
from ppyr.bench import warm_up
from ppyr.errors import ModelError
from ppyr.files import compress_file, decompress_file
from ppyr.imagefile import read_image

PHOTOGRAPH = "chelsea.png"


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demonstration measured.

    Attributes:
        photograph: name of the image file.
        png_bytes: its size.
        info: what the .ppyr file says about itself.
        compress_seconds, decompress_seconds: from file to file, start-up and verification left out.
    """

    photograph: str
    png_bytes: int
    info: Info
    compress_seconds: float
    decompress_seconds: float


def demonstrate(*, backend: str = "auto", **density: Any) -> DemoResult:
    """Send the bundled photograph through a .ppyr file and back.

    `density` is effort, model and time_budget, see `ppyr.encode`.

    Raises:
        ModelError: the pixels did not come back bit for bit.
        PpyrError: as for `ppyr.files.compress_file` and `decompress_file`.
    """
    warm_up(backend=backend, **density)
    with as_file(files("ppyr").joinpath("data", PHOTOGRAPH)) as original, TemporaryDirectory() as folder:
        packed, restored = Path(folder, "photograph.ppyr"), Path(folder, "photograph.png")
        start = perf_counter()
        compress_file(original, packed, backend=backend, verify=False, **density)
        middle = perf_counter()
        decompress_file(packed, restored, backend=backend)
        end = perf_counter()
        if not np.array_equal(read_image(restored), read_image(original)):
            raise ModelError("the photograph does not come back bit for bit: try --backend reference")
        return DemoResult(PHOTOGRAPH, original.stat().st_size, info(packed), middle - start, end - middle)
