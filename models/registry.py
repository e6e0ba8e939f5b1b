"""The models that are installed, by name and by id, without loading any.

Model files are `weights/<name>-<id>.safetensors`, or `.json` for recipes, the id in hexadecimal digits.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ppyr.errors import UnknownModelError

WEIGHTS = Path(__file__).parent / "weights"


@cache
def installed() -> dict[bytes, Path]:
    """Model files by id."""
    models = sorted(
        path for kind in ("safetensors", "json") for path in WEIGHTS.glob(f"*-{'[0-9a-f]' * 32}.{kind}")
    )
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
