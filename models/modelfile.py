"""Model files: a model's integers as .safetensors, or a recipe, a .json file that makes a model of others.

A recipe names the models that networks and tables come from, and may change what they make.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from ppyr.bitstream.tables import TableSet
from ppyr.errors import ModelError

from . import registry
from .changes import apply_changes, unpack_changes
from .family import family_of
from .weights import STAGES, Tensors, Weights, check_changeable

#: What a recipe names a model for: every network, and the tables.
INGREDIENTS = (*STAGES, "tables")
#: Bytes of the largest model file that is read.
LARGEST = 1 << 26


@dataclass(frozen=True)
class Recipe:
    """How a model is made of others.

    Attributes:
        sources: ids of models by `INGREDIENTS`.
        changes: to what they make, as `changes.pack_changes` gives them.
        provenance: what is known of the making of the changes.
    """

    sources: Mapping[str, bytes]
    changes: bytes = b""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def unchanged(self, folder: Path) -> Weights:
        """The model before the changes; models are looked for in `folder`, the recipe's, first.

        Raises:
            UnknownModelError: one that it names is neither there nor installed.
            ModelError: one that it names is damaged or itself a recipe.
        """
        files = {model_id: _source(folder, model_id) for model_id in set(self.sources.values())}
        return compose({key: files[model_id] for key, model_id in self.sources.items()})

    def make(self, folder: Path) -> Weights:
        """The model; see `unchanged`.

        Raises:
            FormatError: the changes are damaged.
        """
        unchanged = self.unchanged(folder)
        if not self.changes:
            return unchanged
        tables = TableSet(unchanged.tensor("tables", np.uint32))
        return apply_changes(unchanged, unpack_changes(self.changes, unchanged, tables))

    def packed(self, folder: Path) -> bytes:
        """The content of its file, which is to be in `folder`."""
        recipe: dict[str, Any] = {"id": self.make(folder).id.hex()}
        recipe |= {key: model_id.hex() for key, model_id in self.sources.items()}
        if self.changes:
            recipe["changes"] = b64encode(self.changes).decode()
            recipe["provenance"] = self.provenance
        return (json.dumps(recipe, indent=1) + "\n").encode()

    def write(self, folder: Path, name: str) -> Path:
        """Write `folder/<name>-<id>.json`."""
        path = folder / f"{name}-{self.make(folder).id.hex()}.json"
        path.write_bytes(self.packed(folder))
        return path


def read(path: Path) -> Weights:
    """Read a model and check that it is the one that the file says it holds, see `registry`.

    Raises:
        ModelError: the file is damaged, or of another architecture or id.
        FormatError: it is a recipe, and its changes are damaged.
        UnknownModelError: it is a recipe, and a model that it names is not installed.
    """
    weights = read_recipe(path).make(path.parent) if is_recipe(path) else parsed(path)
    stated = registry.stated_id(path).hex()
    if (found := weights.id.hex()) != stated:
        raise ModelError(
            f"{path.name} holds the model {found}, not {stated} as it says: get or install it again",
            expected=stated,
            found=found,
        )
    return weights


def write(weights: Weights, folder: Path, name: str) -> Path:
    """Write `folder/<name>-<id>.safetensors`; raises as `packed` does."""
    path = folder / f"{name}-{weights.id.hex()}.safetensors"
    path.write_bytes(packed(weights))
    return path


def packed(weights: Weights) -> bytes:
    """The content of the .safetensors file of a model.

    Raises:
        ModelError: the tensors are not those of a model of its architecture, or there is no such.
    """
    family_of(weights.architecture).check(weights.tensors)
    metadata = {
        "architecture": weights.architecture,
        "id": weights.id.hex(),
        "provenance": json.dumps(weights.provenance, sort_keys=True),
    }
    return save_safetensors(weights.tensors, metadata)


def is_recipe(path: Path) -> bool:
    """Whether a model file is a recipe, by its name."""
    return path.suffix == ".json"


def read_recipe(path: Path) -> Recipe:
    """Read a recipe, but none of the models that it names.

    Raises:
        ModelError: the file is damaged.
    """
    data = _content(path)
    try:
        found = json.loads(data.decode())
        sources = {key: bytes.fromhex(found[key]) for key in INGREDIENTS}
        changes = b64decode(found.get("changes", ""), validate=True)
        provenance = dict(found.get("provenance", {}))
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ModelError(f"{path.name} is no complete recipe of a model: install or make it again") from error
    return Recipe(sources, changes, provenance)


def compose(sources: Mapping[str, Weights]) -> Weights:
    """The model of networks and tables of others, by `INGREDIENTS`."""
    tensors: Tensors = {name: sources["tables"].tensors[name] for name in ("tables", "fraction_bits")}
    for stage in STAGES:
        found = sources[stage].tensors.items()
        tensors |= {name: tensor for name, tensor in found if name.startswith(f"{stage}.")}
    provenance = {stage: sources[stage].provenance.get(stage) for stage in STAGES}
    return Weights(tensors, provenance)


def _source(folder: Path, model_id: bytes) -> Weights:
    path = registry.found_in(folder).get(model_id) or registry.by_id(model_id)
    if is_recipe(path):
        raise ModelError(f"{path.name} is a recipe: a recipe names models that are none")
    found = read(path)
    check_changeable(found)
    return found


def parsed(path: Path) -> Weights:
    """The model of a .safetensors file, whatever it says it holds; raises as `read` does."""
    return parse(_content(path), path.name)


def parse(data: bytes, name: str) -> Weights:
    """The model of the content of a .safetensors file, checked but for what layers have to keep.

    Args:
        data: the content.
        name: what messages call it.

    Raises:
        ModelError: it is damaged, or of another architecture.
    """
    try:
        tensors = load_safetensors(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        metadata = header.get("__metadata__") or {}
        architecture: Any = metadata.get("architecture")
        provenance = dict(json.loads(metadata.get("provenance", "{}")))
    except (SafetensorError, LookupError, ValueError, TypeError, RecursionError) as error:
        raise ModelError(f"{name} is no complete model file ({error}): get or install it again") from error
    family_of(architecture).check(tensors)
    return Weights(tensors, provenance, architecture)


def _content(path: Path) -> bytes:
    """All bytes of a model file, which is not too large and no device or pipe."""
    if not path.is_file():
        raise ModelError(f"{path.name} is no regular file: install the model again")
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ModelError(
            f"{path.name} has more than {LARGEST} bytes: no model of this ppyr is so large",
            expected=LARGEST,
        )
    return data
