"""The models that are installed, by name and by id, without loading any.

Model files are `weights/<name>-<id>.safetensors`, the id in hexadecimal digits.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ppyr.errors import UnknownModelError

WEIGHTS = Path(__file__).parent / "weights"

#: Least effort that takes a model; a higher effort gives smaller files and takes more time.
EFFORTS = {1: "fast", 5: "default", 8: "max"}
LARGEST_EFFORT = 9


@cache
def installed() -> dict[bytes, Path]:
    """Model files by id."""
    models = sorted(WEIGHTS.glob(f"*-{'[0-9a-f]' * 32}.safetensors"))
    return {bytes.fromhex(path.stem.rpartition("-")[2]): path for path in models}


def model_name(model_id: bytes) -> str | None:
    """Name of an installed model, None of others."""
    path = installed().get(model_id)
    return path.stem.rpartition("-")[0] if path else None


def by_name(name: str) -> bytes:
    """Id of the installed model of this name.

    Raises:
        UnknownModelError: there is none.
    """
    names = {model_name(model_id): model_id for model_id in installed()}
    if name not in names:
        raise UnknownModelError(
            f"there is no model {name!r}: choose one of {', '.join(map(str, names))}", found=name
        )
    return names[name]


def for_effort(effort: int) -> str:
    """Name of the model that an effort takes, 1..9.

    Raises:
        ValueError: the effort is out of this range.
    """
    if not 1 <= effort <= LARGEST_EFFORT:
        raise ValueError(f"effort {effort}: give 1 to {LARGEST_EFFORT}")
    return EFFORTS[max(least for least in EFFORTS if least <= effort)]


def by_id(model_id: bytes) -> Path:
    """File of the installed model of this id.

    Raises:
        UnknownModelError: it is not installed.
    """
    try:
        return installed()[model_id]
    except KeyError:
        raise UnknownModelError(
            f"this file needs the model {model_id.hex()}, which is not installed: install the version of "
            "ppyr that wrote it",
            found=model_id.hex(),
        ) from None
