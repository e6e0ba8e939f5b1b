"""The models that are installed, by name and by id, without loading any.

Model files are `<name>-<id>.safetensors`, or `.json` for recipes, the id in hexadecimal digits: those of the
package, those in the folders that the environment variable PPYR_MODEL_PATH lists, and those of `add`.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from ppyr.errors import UnknownModelError

WEIGHTS = Path(__file__).parent / "weights"
VARIABLE = "PPYR_MODEL_PATH"

_added: list[Path] = []


def add(folder: Path) -> None:
    """Take the models of a folder too, from now on in this process.

    Raises:
        NotADirectoryError: it is no folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder of models")
    if folder not in _added:
        _added.append(folder)
    installed.cache_clear()


@cache
def installed() -> dict[bytes, Path]:
    """Model files by id."""
    listed = [Path(name) for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]
    models = [
        path
        for folder in (*_added, *listed, WEIGHTS)
        for kind in ("json", "safetensors")
        for path in sorted(folder.glob(f"*-{'[0-9a-f]' * 32}.{kind}"))
    ]
    return {bytes.fromhex(path.stem.rpartition("-")[2]): path for path in models}


def model_name(model_id: bytes) -> str | None:
    """Name of an installed model, None of others."""
    path = installed().get(model_id)
    return path.stem.rpartition("-")[0] if path else None


def by_name(name: str) -> bytes:
    """Id of the installed model of this name, or of this id in hexadecimal digits.

    Raises:
        UnknownModelError: there is none, or several have the name.
    """
    found = [model_id for model_id in installed() if name in (model_name(model_id), model_id.hex())]
    if not found:
        names = sorted({str(model_name(model_id)) for model_id in installed()})
        raise UnknownModelError(
            f"there is no model {name!r}: choose one of {', '.join(names)}, or add its folder", found=name
        )
    if len(found) > 1:
        ids = ", ".join(model_id.hex() for model_id in found)
        raise UnknownModelError(f"several models are called {name!r}: give the id of one, {ids}", found=name)
    return found[0]


def by_id(model_id: bytes) -> Path:
    """File of the installed model of this id.

    Raises:
        UnknownModelError: it is not installed.
    """
    try:
        return installed()[model_id]
    except KeyError:
        raise UnknownModelError(
            f"the model {model_id.hex()} is needed, which is not installed: add the folder that holds it, or "
            "install the version of ppyr that has it",
            found=model_id.hex(),
        ) from None
