from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import ppyr
from benchmarks.tables import ROOT

MAGIC = ROOT / "bitstream" / "ppyr.magic"


@pytest.mark.skipif(shutil.which("file") is None, reason="there is no file(1) here")
@pytest.mark.parametrize(
    ("shape", "dtype", "told"),
    [
        ((5, 7), np.uint8, "7 x 5, 8-bit gray"),
        ((5, 7, 2), np.uint16, "7 x 5, 16-bit gray with alpha"),
        ((1, 300, 3), np.uint8, "300 x 1, 8-bit RGB"),
        ((2, 2, 4), np.uint8, "2 x 2, 8-bit RGBA"),
    ],
)
def test_file_names_the_format(
    shape: tuple[int, ...], dtype: type[np.unsignedinteger], told: str, tmp_path: Path
) -> None:
    path = tmp_path / "image"
    path.write_bytes(ppyr.encode(np.zeros(shape, dtype)))

    def said(*options: str) -> str:
        words = ["file", "--brief", "-m", str(MAGIC), *options, str(path)]
        return subprocess.run(words, capture_output=True, check=True, text=True).stdout.strip()

    assert said() == f"ppyr image data, version 0, {told}"
    assert said("--mime-type") == "image/x-ppyr"
