"""Effort: which model an image is coded with, and how long that model is fitted to the image."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from ppyr.changes import Change, pack_changes, with_tables
from ppyr.coding import CodedLevel, assemble, encode_changed, encode_levels, samples, tables_of
from ppyr.errors import ConfigurationError, ModelError
from ppyr.models import predictor, registry
from ppyr.models.search import Search
from ppyr.models.weights import STAGES, stage_of

DEFAULT_EFFORT = 5


@dataclass(frozen=True)
class Effort:
    """A model by name, and the searches for changes to it, one after the other."""

    model: str
    searches: tuple[Search, ...] = ()


_HEADS, _LAYERS, _LONG = Search(60), Search(100, all_layers=True), Search(300, all_layers=True, rate=0.5)

#: From the fastest to the densest. What an effort searches begins with what the one below does.
EFFORTS = {
    1: Effort("fast"),
    2: Effort("fast2"),
    3: Effort("fast3"),
    4: Effort("fast3"),
    5: Effort("default"),
    6: Effort("max"),
    7: Effort("max", (_HEADS,)),
    8: Effort("max", (_HEADS, _LAYERS)),
    9: Effort("max", (_HEADS, _LAYERS, _LONG)),
}


def encode(
    image: npt.NDArray[np.uint8],
    *,
    effort: int | None = None,
    model: str | None = None,
    backend: str = "auto",
    time_budget: float | None = None,
    seed: int = 0,
    progress: bool = False,
) -> bytes:
    """Compress an image.

    Args:
        image: (H, W), (H, W, 1) or (H, W, 3), uint8, gray or RGB.
        effort: 1 (fast) to 9 (small), 5 by default; from 7 on the model is fitted to the image, which takes
            much longer than to decode.
        model: name of a likelihood model, in place of an effort.
        backend: auto, reference or torch; all give the same bytes.
        time_budget: seconds after which fitting stops, without a limit by default. A budget that is reached
            makes the bytes depend on the machine's speed.
        seed: of what fitting draws at random.
        progress: show a bar on standard error while the model is fitted.

    Raises:
        UnsupportedImageError: the array is of another dtype or shape.
        UnknownModelError: there is no such model.
        ConfigurationError: the effort is out of range, or a model is given too.
        ModelError: the model or the backend does not compute exactly here.
    """
    chosen = _chosen(effort, model)
    prepared = predictor.load(registry.by_name(chosen.model), backend)
    if not chosen.searches:
        return encode_changed(image, prepared, [])
    deadline = math.inf if time_budget is None else time.monotonic() + time_budget
    return _fitted(image, prepared, chosen.searches, deadline, seed, progress)


def _chosen(effort: int | None, model: str | None) -> Effort:
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
class _Stage:
    """The levels of a stage under changes to its network, and the bytes of both."""

    levels: list[CodedLevel]
    changes: list[Change]
    size: int


def _fitted(
    image: npt.NDArray[np.uint8],
    model: predictor.Model,
    searches: Sequence[Search],
    deadline: float,
    seed: int,
    progress: bool,
) -> bytes:
    """The smallest file of those without changes and after each search, for each stage by itself."""
    from ppyr.models.adaptation import Adaptation

    best = _stages(image, model, [])
    adaptation = Adaptation(model.source, [samples(image)], seed)
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
                stages = _stages(image, model, found)
            except ModelError:  # sums that a changed layer can reach are not exact: the search went too far
                continue
            best = {stage: min(best[stage], stages[stage], key=lambda one: one.size) for stage in STAGES}
    changes = [change for stage in STAGES for change in best[stage].changes]
    levels = [level for stage in reversed(STAGES) for level in best[stage].levels]
    return assemble(image, model, levels, changes)


def _stages(image: npt.NDArray[np.uint8], model: predictor.Model, changes: list[Change]) -> dict[str, _Stage]:
    levels = encode_levels(image, model, changes)
    found = {}
    for stage in STAGES:
        mine = [level for number, level in enumerate(levels) if stage_of(number, len(levels)) == stage]
        changed = [change for change in changes if change.part.startswith(f"{stage}.")]
        size = sum(len(level.stream) for level in mine)
        size += len(pack_changes(changed, model.source, tables_of(model)))
        found[stage] = _Stage(mine, changed, size)
    return found
