"""The models that are installed, by name and by id, without loading any.

Model files are .safetensors, or .json for recipes: those of the package, those in the folders, or at the
paths, that the environment variable PPYR_MODEL_PATH lists, and those of `add`. A file says which model it
holds, by its name, `<name>-<id>`, the id in hexadecimal digits, or else inside.
"""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from ppyr.errors import ModelError, UnknownModelError

WEIGHTS = Path(__file__).parent / "weights"
VARIABLE = "PPYR_MODEL_PATH"
SUFFIXES = (".json", ".safetensors")

_ID = re.compile("[0-9a-f]{32}")
_NAMED = re.compile(rf"(.*)-({_ID.pattern})")
#: Bytes of the longest header of a model file that is looked at for an id.
_LONGEST_HEADER = 1 << 20

_added: list[Path] = []


def add(path: Path) -> None:
    """Take a model file, or those of a folder, too, from now on in this process.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ModelError: the file says of no model that it holds it.
    """
    if path.is_file():
        stated_id(path)
    elif not path.is_dir():
        raise FileNotFoundError(f"there is no model file or folder of models {path}")
    if path not in _added:
        _added.append(path)
    installed.cache_clear()


@cache
def installed() -> dict[bytes, Path]:
    """Model files by id."""
    listed = [Path(name) for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]
    return {key: file for path in (*_added, *listed, WEIGHTS) for key, file in found_in(path).items()}


def shipped() -> dict[bytes, Path]:
    """Model files of the package, which are wherever this ppyr is, by id."""
    return found_in(WEIGHTS)


def found_in(path: Path) -> dict[bytes, Path]:
    """Model files by id, of a folder or of the path of one."""
    files = [path] if path.is_file() else [file for one in SUFFIXES for file in sorted(path.glob(f"*{one}"))]
    return {model_id: file for file in files if (model_id := _said_id(file)) is not None}


def stated_id(path: Path) -> bytes:
    """Id of the model that a file says it holds.

    Raises:
        ModelError: it says none.
    """
    found = _said_id(path)
    if found is None:
        raise ModelError(
            f"{path.name} does not say which model it holds: give it the name <name>-<id>{path.suffix} that "
            "it had, or make it again"
        )
    return found


def stated_name(path: Path) -> str:
    """Name of a model by that of its file."""
    named = _NAMED.fullmatch(path.stem)
    return named[1] if named else path.stem


def model_name(model_id: bytes) -> str | None:
    """Name of an installed model, None of others."""
    path = installed().get(model_id)
    return stated_name(path) if path else None


def by_name(name: str) -> bytes:
    """Id of the installed model of this name, or of this id in hexadecimal digits, or in this file.

    A file is told by its suffix, and is installed in this process from then on.

    Raises:
        UnknownModelError: there is none, or several have the name.
        ModelError: the file says of no model that it holds it.
    """
    if Path(name).suffix in SUFFIXES:
        path = Path(name)
        if not path.is_file():
            raise UnknownModelError(f"there is no model file {name}: give the path of one", found=name)
        add(path)
        return stated_id(path)
    found = [model_id for model_id in installed() if name in (model_name(model_id), model_id.hex())]
    if not found:
        names = sorted({str(model_name(model_id)) for model_id in installed()})
        raise UnknownModelError(
            f"there is no model {name!r}: choose one of {', '.join(names)}, or give a model file", found=name
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
            f"the model {model_id.hex()} is needed, which is not installed: give its file (--model) or the "
            f"folder that holds it (--models, or the environment variable {VARIABLE}), or install the "
            "version of ppyr that has it",
            found=model_id.hex(),
        ) from None


def _said_id(path: Path) -> bytes | None:
    """Id that the name of a model file has, or else its header; None if there is none."""
    named = _NAMED.fullmatch(path.stem)
    said = named[2] if named else _header(path).get("id")
    return bytes.fromhex(said) if isinstance(said, str) and _ID.fullmatch(said) else None


def _header(path: Path) -> dict[str, Any]:
    """What a model file tells beside its tensors; {} if nothing can be read."""
    try:
        with path.open("rb") as file:
            if path.suffix == ".json":
                found = json.loads(file.read(_LONGEST_HEADER))
            else:
                length = int.from_bytes(file.read(8), "little")
                found = json.loads(file.read(min(length, _LONGEST_HEADER))).get("__metadata__")
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
