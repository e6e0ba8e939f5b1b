"""The same bytes and the same pixels whatever instructions, threads and backend compute them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ppyr.decoding import decode
from ppyr.effort import encode

from .photograph import crop
from .some_backends import HERE, OTHER_PROCESSORS

SHAPE = (91, 121)
SMALL = (24, 20)

#: Encodes the photograph, decodes the file of another environment, and prints the digests of both.
PROGRAM = """
import hashlib, json, sys
from pathlib import Path
import numpy as np
from ppyr.coding import encode_changed
from ppyr.decoding import decode
from ppyr.models import predictor, registry
from ppyr.picture import Picture
from ppyr.threads import use_threads
from tests.some_changes import some_changes

model, backend, threads, photograph, other, own = sys.argv[1:]
use_threads(int(threads))
name, changed, _ = model.partition("-changed")
chosen = predictor.load(registry.by_name(name), backend)
picture = Picture.of(np.load(photograph), tile_bits=chosen.tile_bits or 6)
data = encode_changed(picture, chosen, some_changes(chosen.source) if changed else [])
Path(own).write_bytes(data)
image = decode(Path(other).read_bytes() if Path(other).exists() else data, backend=backend)
print(json.dumps([hashlib.sha256(part).hexdigest() for part in (data, image.tobytes())]))
"""

#: Backends, and variables that make another processor of this one.
ENVIRONMENTS: dict[str, tuple[str, dict[str, str]]] = {
    "default": ("auto", {}),
    "torch": ("torch", {}),
    "torch-sse41": ("torch", {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default"}),
    "torch-avx2": ("torch", {"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    "torch-avx512": ("torch", {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}),
    **{f"int8-{name}": ("int8", variables) for name, variables in OTHER_PROCESSORS.items()},
}


MODELS = ("fast", "default", "max")
#: The models, and one that its file changes.
CASES = (*MODELS, "fast-changed")
#: Models of other families, of which small images are enough: some decode pixel after pixel.
FAMILIES = ("pixelcnn-32", "pixelpyramids")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the photograph, and the files that the default environment makes of it."""
    folder = tmp_path_factory.mktemp("exactness")
    for model in (*CASES, *FAMILIES):
        np.save(folder / f"{model}.npy", photograph(model))
        run(folder, "default", 1, model, f"{model}.ppyr")
    return folder


def photograph(model: str) -> npt.NDArray[np.uint8]:
    return crop(*(SMALL if model in FAMILIES else SHAPE))


def run(folder: Path, environment: str, threads: int, model: str, own: str) -> list[str]:
    backend, variables = ENVIRONMENTS[environment]
    files = [str(folder / file) for file in (f"{model}.npy", f"{model}.ppyr", own)]
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, model, backend, str(threads), *files],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        check=True,
    )
    digests: list[str] = json.loads(finished.stdout)
    return digests


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize(
    ("model", "threads"),
    [*((model, threads) for model in CASES for threads in (1, 2)), *((model, 1) for model in FAMILIES)],
)
def test_files_and_pixels_are_the_same_in_every_environment(
    folder: Path, model: str, environment: str, threads: int
) -> None:
    parts = (folder / f"{model}.ppyr").read_bytes(), photograph(model).tobytes()
    expected = [hashlib.sha256(part).hexdigest() for part in parts]
    assert run(folder, environment, threads, model, "own.ppyr") == expected


@pytest.mark.parametrize("model", [*MODELS, *FAMILIES])
@pytest.mark.parametrize("gray", [True, False], ids=["gray", "rgb"])
def test_files_and_pixels_are_the_same_on_all_backends(gray: bool, model: str) -> None:
    image = crop(*SMALL, gray=gray)
    data = encode(image, model=model, backend="reference")
    for backend in ("reference", *HERE):
        assert encode(image, model=model, backend=backend) == data
        np.testing.assert_array_equal(decode(data, backend=backend), image, strict=True)
