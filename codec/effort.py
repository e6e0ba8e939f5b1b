"""Effort: which model an image is coded with, and how long that model is fitted to the image."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from ppyr.bitstream.container import read_header
from ppyr.bitstream.plain import Method
from ppyr.coding import CodedLevels, assemble, encode_changed, encode_levels, tables_of, without_model
from ppyr.errors import ConfigurationError, ModelError, UnsupportedImageError
from ppyr.metadata import Metadata, with_metadata
from ppyr.models import embedding, modelfile, predictor, registry
from ppyr.models.changes import Change, pack_changes, unpack_changes, with_tables
from ppyr.models.family import LikelihoodModel
from ppyr.models.search import Search
from ppyr.models.weights import STAGES, stage_of
from ppyr.picture import Picture

DEFAULT_EFFORT = 5


@dataclass(frozen=True)
class Effort:
    """A model by name, and the searches for changes to it, one after the other.

    Where one of `others` gives a smaller file without any search, that file is taken. `graphics` is another
    one, for images in which pixels repeat.
    """

    model: str
    searches: tuple[Search, ...] = ()
    others: tuple[str, ...] = ()
    graphics: str | None = None


_HEADS, _LAYERS, _LONG = Search(60), Search(100, all_layers=True), Search(150, all_layers=True, rate=0.5)

#: From the fastest to the densest. What an effort searches begins with what the one below does.
EFFORTS = {
    1: Effort("fast"),
    2: Effort("fast2"),
    3: Effort("fast3"),
    4: Effort("medium"),
    5: Effort("default", graphics="graphics"),
    6: Effort("max", (), ("default",), "graphics"),
    7: Effort("max", (_HEADS,), ("default",), "graphics"),
    8: Effort("max", (_HEADS, _LAYERS), ("default",), "graphics"),
    9: Effort("max", (_HEADS, _LAYERS, _LONG), ("default",), "graphics"),
}


def encode(
    image: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
    *,
    bit_depth: int | None = None,
    effort: int | None = None,
    model: str | None = None,
    embed_model: bool = False,
    backend: str = "auto",
    time_budget: float | None = None,
    seed: int = 0,
    progress: bool = False,
    metadata: Metadata | None = None,
    label: int | None = None,
) -> bytes:
    """Compress an image.

    Args:
        image: (H, W) or (H, W, C), uint8 or uint16; C of 1 to 4 is gray, gray and alpha, RGB, RGBA.
        bit_depth: of the samples, by default all bits of their type.
        effort: 1 (fast) to 9 (small), 5 by default; from 7 on the model is fitted to the image, which takes
            much longer than to decode; not to samples of more than 8 bits.
        model: name or id of a likelihood model, or path of its file, in place of an effort.
        embed_model: whether a model that does not come with ppyr is stored in the file, which then decodes
            without it: all of it, or its changes to the one that it was adapted from.
        backend: auto, int8, torch, cuda or reference; all give the same bytes.
        time_budget: seconds after which fitting stops, without a limit by default. A budget that is reached
            makes the bytes depend on the machine's speed.
        seed: of what fitting draws at random.
        progress: show a bar on standard error while the model is fitted.
        metadata: what the file is to say of the image beside its pixels.
        label: number of the image's class, from 0 on, for models that were trained with classes; it is stored
            in the file.

    Raises:
        UnsupportedImageError: the array is no such image, or of more bits than the model codes.
        FormatError: the metadata have a palette or a transparent colour that does not go with the image.
        UnknownModelError: there is no such model.
        ConfigurationError: the effort is out of range, or a model is given too; or the model has no such
            label.
        ModelError: the model or the backend does not compute exactly here.
    """
    choice = chosen(effort, model)
    model_id = registry.by_name(choice.model)
    prepared, changes, embedded = (
        _embedded(model_id, backend) if embed_model else (predictor.load(model_id, backend), [], b"")
    )
    deadline = math.inf if time_budget is None else time.monotonic() + time_budget
    found = []
    refused: UnsupportedImageError | None = None
    for picture in Picture.all_of(image, bit_depth, prepared.tile_bits):
        if metadata is not None:
            metadata.check_image(picture.header.channels, picture.header.bit_depth)
        try:
            if choice.searches and not picture.scaling and label is None:
                found.append(_fitted(picture, prepared, choice.searches, deadline, seed, progress))
            else:
                found.append(encode_changed(picture, prepared, changes, label, embedded))
        except UnsupportedImageError as error:  # another mapping can give samples that the model codes
            refused = error
            continue
        others = choice.others
        if choice.graphics is not None and picture.is_graphic and any(read_header(found[-1]).model_id):
            others += (choice.graphics,)
        for name in others:
            other = predictor.load(registry.by_name(name), backend)
            found.append(encode_changed(picture, other, []))
    if not found and refused is not None:
        raise refused
    data = min(found, key=len)
    return data if metadata is None else with_metadata(data, metadata)


def _embedded(model_id: bytes, backend: str) -> tuple[LikelihoodModel, list[Change], bytes]:
    """What a file has of a model: one that it is made of, the changes to it, and the payload of MODEL."""
    path = registry.by_id(model_id)
    recipe = modelfile.read_recipe(path) if modelfile.is_recipe(path) else None
    if recipe is None or not recipe.changes:
        chosen = predictor.load(model_id, backend)
        return chosen, [], embedding.embedded(chosen)
    unchanged = predictor.load(recipe.unchanged(path.parent).id, backend)
    changes = unpack_changes(recipe.changes, unchanged.source, tables_of(unchanged))
    return unchanged, changes, embedding.embedded(unchanged)


def chosen(effort: int | None, model: str | None) -> Effort:
    """What to encode with, where one of an effort and the name of a model is given, or neither.

    Raises:
        ConfigurationError: the effort is out of range, or both are given.
    """
    if model is not None:
        if effort is not None:
            raise ConfigurationError("an effort chooses its model: give one of effort and model", found=model)
        return Effort(model)
    if effort is None:
        effort = DEFAULT_EFFORT
    if effort not in EFFORTS:
        raise ConfigurationError(
            f"effort {effort}: give 1 to {max(EFFORTS)}", expected=max(EFFORTS), found=effort
        )
    return EFFORTS[effort]


@dataclass(frozen=True)
class CodedStage:
    """The levels of a stage under changes to its network, and the bytes of both."""

    levels: CodedLevels
    changes: list[Change]
    size: int


def _fitted(
    picture: Picture,
    model: LikelihoodModel,
    searches: Sequence[Search],
    deadline: float,
    seed: int,
    progress: bool,
) -> bytes:
    """The smallest file of those without changes and after each search, for each stage by itself."""
    from ppyr.models.adaptation import Adaptation

    unchanged = encode_levels(picture, model, [])
    if Method.MODEL not in without_model(picture, unchanged)[0]:
        return assemble(picture, model, unchanged, [])
    best = by_stage(unchanged, model, [])
    adaptation = Adaptation(model.source, [picture.colours], seed)
    work = [adaptation.work(search) for search in searches]
    steps = sum(adaptation.steps(search) for search in searches)
    with tqdm(total=steps, disable=not progress, unit="step", desc="fitting", leave=False) as bar:
        for number, search in enumerate(searches):
            left = deadline - time.monotonic()
            if left <= 0 or not work[number]:
                break
            share = work[number] / sum(work[number:])
            adaptation.run(search, advance=bar.update, seconds=left * share)
            found = with_tables(adaptation.changes(), model.source, tables_of(model))
            try:
                stages = by_stage(encode_levels(picture, model, found), model, found)
            except ModelError:  # sums that a changed layer can reach are not exact: the search went too far
                continue
            best = {stage: min(best[stage], stages[stage], key=lambda one: one.size) for stage in STAGES}
    changes = [change for stage in STAGES for change in best[stage].changes]
    levels = [level for stage in reversed(STAGES) for level in best[stage].levels]
    return assemble(picture, model, levels, changes)


def by_stage(levels: CodedLevels, model: LikelihoodModel, changes: list[Change]) -> dict[str, CodedStage]:
    """The levels of an image by the networks that code them, under a model that is changed."""
    found = {}
    for stage in STAGES:
        mine = [level for number, level in enumerate(levels) if stage_of(number, len(levels)) == stage]
        own = [change for change in changes if change.part.startswith(f"{stage}.")]
        size = sum(len(one.stream) for level in mine for one in level)
        found[stage] = CodedStage(mine, own, size + len(pack_changes(own, model.source, tables_of(model))))
    return found
