"""Exact prediction: centres and table numbers for every symbol of a level, step by step, coarse to fine.

Encoder and decoder walk the same steps. The encoder hands in the whole fine image; the decoder an empty one,
and fills in each step's pixels before it asks for the next::

    predictor = Predictor(model, len(levels))
    for level in levels:                                     # coarse to fine
        for step in predictor.level(level.axis, coarse, fine):
            for channel in step.channels:
                found = step.distribution(channel)
                ...  # step.fine[..., channel] = found.centres + symbols - step.coarse[..., channel] (mod 256)

The networks are made for samples of 8 bits. Of larger ones they see the upper 8 bits, and differences in the
units of a `Depth`; means and centres have the samples' own precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from ppyr.errors import ConfigurationError, FormatError, ModelError

from . import embedding, features, modelfile, registry, weights
from .backends import Backend, Tensor, backend
from .depth import BYTES, Depth
from .excess import EXCESSES
from .family import Front, LikelihoodModel, family_of
from .features import PHASES, PLANES, ZERO_POINT, Integers
from .grid import TableGrid
from .prediction import CODING_ORDER, SEEN, Samples, StepPrediction, Surroundings
from .steps import LEVEL_PHASES, SUBLATTICE, Step, steps


class Model:
    """A model's layers, prepared for one backend.

    Attributes:
        id: 16 bytes.
        source: the integers.
        frequencies: the tables, uint32 (T, 256).
        grid: their numbering.
        stages: layers by name, for each of the networks in `weights.STAGES`.
        spreads: for each of them int32 (3, EXCESSES), what the excess of an earlier channel's residual adds
            to a later channel's scale: G's to R's, G's to B's, R's to B's.
        coarsest_bits, tile_bits, narrow_only: see `LikelihoodModel`.
    """

    coarsest_bits = 0
    tile_bits: int | None = None
    narrow_only = False

    def __init__(self, source: weights.Weights, runner: Backend) -> None:
        self.id = source.id
        self.source = source
        self.backend = runner
        self.grid = TableGrid(source.tensor("fraction_bits", np.uint8))
        self.frequencies = source.tensor("tables", np.uint32)
        if self.grid.size != len(self.frequencies):
            raise ModelError(
                f"the model has {len(self.frequencies)} tables, and its grid {self.grid.size}: export the "
                "model again",
                expected=self.grid.size,
                found=len(self.frequencies),
            )
        names = {name.removesuffix(".weight") for name in source.tensors if name.endswith(".weight")}
        self.stages: dict[str, dict[str, Any]] = {stage: {} for stage in weights.STAGES}
        for name in sorted(names):
            stage, _, layer = name.partition(".")
            self.stages[stage][layer] = runner.prepare(source.layer(name, **layer_rules(layer)))
        self.spreads = {
            stage: source.tensor(f"{stage}.spread", np.int8).astype(np.int32) for stage in weights.STAGES
        }
        for stage, spread in self.spreads.items():
            if spread.shape != (PLANES, EXCESSES):
                raise ModelError(
                    f"the spread of network {stage} is of shape {spread.shape}: export the model again",
                    expected=(PLANES, EXCESSES),
                    found=spread.shape,
                )

    def first_pixel(self, channels: int) -> npt.NDArray[np.uint8]:
        """See `LikelihoodModel`: mid-grey."""
        return np.full(channels, ZERO_POINT, np.uint8)

    def condition(self, image: Samples, bits: int, label: int | None) -> bytes:  # noqa: ARG002
        """See `LikelihoodModel`: the model is given nothing beside the pixels."""
        if label is not None:
            raise ConfigurationError(
                f"the model {registry.model_name(self.id) or self.id.hex()} takes no label: choose one that "
                "was trained with classes, or leave the label out",
                found=label,
            )
        return b""

    def predictor(self, levels: int, bits: int, depth: Depth, condition: bytes) -> Predictor:  # noqa: ARG002
        """See `LikelihoodModel`."""
        if condition:
            raise FormatError(
                "the file has a condition, and its model takes none: get a fresh copy of the file",
                expected=0,
                found=len(condition),
            )
        return Predictor(self, levels, depth)


def layer_rules(layer: str) -> dict[str, Any]:
    """What a layer's name says of it: inputs with a zero point, a skip input, a head."""
    kind = layer.partition(".")[0]
    return {
        "zero_point": 0 if kind == "head" or ends_block(layer) else ZERO_POINT,
        "skip": kind in ("phase_in", "step_in") or ends_block(layer),
        "head": kind == "head",
    }


def begins_block(layer: str) -> bool:
    """Whether a layer's name says that it is the first one of a residual block."""
    return layer.startswith(("trunk.", "phase.")) and not ends_block(layer)


def ends_block(layer: str) -> bool:
    """Whether a layer's name says that it is the second one of a residual block."""
    return layer.startswith(("trunk.", "phase.")) and int(layer.rpartition(".")[2]) % 2 == 1


@cache
def load(model_id: bytes, backend_name: str = "auto") -> LikelihoodModel:
    """An installed model on a backend; loaded once in a process.

    Raises:
        UnknownModelError: the model is not installed.
        ModelError: its file or the backend breaks the rules of exact inference.
    """
    source = modelfile.read(registry.by_id(model_id))
    return family_of(source.architecture).make(source, backend(backend_name))


@lru_cache(embedding.MOST)
def load_embedded(payload: bytes, model_id: bytes, backend_name: str = "auto") -> LikelihoodModel:
    """The model in a file on a backend; the last few are kept.

    Args:
        payload: of section MODEL.
        model_id: the id that the header of the file has.
        backend_name: auto, int8, torch, cuda or reference.

    Raises:
        FormatError: it is not this model, or breaks the rules of exact inference.
        UnknownModelError: the model that it has differences from is not installed.
        ModelError: the backend breaks the rules of exact inference.
    """
    runner = backend(backend_name)
    source = embedding.unpacked(payload, model_id)
    try:
        return family_of(source.architecture).make(source, runner)
    except ModelError as error:
        raise FormatError(
            f"the file holds a model that does not compute exactly ({error}): get a fresh copy of the file"
        ) from error


class Predictor:
    """Predicts the levels of one image, coarse to fine; keeps what a column level needs of its row level.

    Attributes:
        model: that predicts.
    """

    def __init__(self, model: Model, levels: int, depth: Depth = BYTES) -> None:
        self.model, self._depth = model, depth
        self._unit = 0
        self._levels, self._level = levels, 0
        self._layers: dict[str, Any] = {}
        self._spread = model.spreads[weights.STAGES[0]]
        self._known: dict[str, Integers] = {}
        self._features: Tensor = None

    def coarsest(self, image: npt.NDArray[np.uint8], known: bool) -> Iterator[Front]:  # noqa: ARG002
        """See `Prediction`: coarsest images are single pixels."""
        return iter(())

    def level(self, axis: int, coarse: Samples, fine: Samples) -> Iterator[StepPrediction]:
        """The steps of the next level.

        Args:
            axis: 0 (a row level) or 1 (a column level), in turn.
            coarse: the image so far (h, w, C), uint8, or uint16 if samples are wide.
            fine: the level's fine image, of the same type; read after each step.
        """
        if axis == 0:
            self._begin(coarse)
        self._level += 1
        planned = steps(axis, fine.shape[:2])
        for phase in LEVEL_PHASES[axis]:
            yield from self._phase(phase, [step for step in planned if step.phase == phase], coarse, fine)

    def _begin(self, coarse: Samples) -> None:
        """Trunk of the network of this factor of two."""
        if self._depth.wide:
            self._unit = self._depth.units[self._level // 2 - self._levels // 2]
        stage = weights.stage_of(self._level, self._levels)
        self._layers, self._spread = self.model.stages[stage], self.model.spreads[stage]
        self._known = {"00": _lattice(coarse, np.array(CODING_ORDER[coarse.shape[-1]]))}
        runner = self.model.backend
        seen = features.coarse_features(self._known["00"], self._depth.bits - BYTES.bits, self._unit)
        self._features = self._blocks(runner.run(self._layers["trunk_in"], runner.tensor(seen)), "trunk")

    def _blocks(self, x: Tensor, name: str) -> Tensor:
        """Residual blocks, two layers each."""
        run, layers, number = self.model.backend.run, self._layers, 0
        while f"{name}.{number}" in layers:
            hidden = run(layers[f"{name}.{number}"], x)
            x = run(layers[f"{name}.{number + 1}"], hidden, x)
            number += 2
        return x

    def _phase(
        self, phase: str, planned: list[Step], coarse: Samples, fine: Samples
    ) -> Iterator[StepPrediction]:
        runner, layers = self.model.backend, self._layers
        around = Surroundings.of(features.anchor(phase, self._known))
        for step in planned:
            x = runner.sublattice(self._features, *SUBLATTICE[step.number])
            name = f"{phase}_{step.number}"
            if step.number:
                known = runner.tensor(around.earlier[..., : SEEN * step.number])
                x = runner.run(layers[f"step_in.{name}"], known, x)
            said = runner.array(runner.run(layers[f"head.{name}"], runner.run(layers[f"step_mid.{name}"], x)))
            prediction = StepPrediction(
                step, said, around, coarse, fine, self.model.grid, self._spread, self._depth, self._unit
            )
            yield prediction
            prediction.end()
        self._known[phase] = around.pixels
        if phase != PHASES[-1]:
            x = runner.run(layers[f"phase_in.{phase}"], runner.tensor(around.seen), self._features)
            self._features = self._blocks(x, f"phase.{phase}")


@njit(nogil=True, cache=True)
def _lattice(coarse: Samples, order: npt.NDArray[np.int64]) -> Integers:
    """A coarse image (h, w, C) in coding order (., ., 3), gray three times; sides made even by repetition."""
    height, width, _ = coarse.shape
    found = np.empty((height + height % 2, width + width % 2, PLANES), np.int32)
    for y in range(found.shape[0]):
        for x in range(found.shape[1]):
            pixel = coarse[min(y, height - 1), min(x, width - 1)]
            for plane in range(PLANES):
                found[y, x, plane] = pixel[order[min(plane, len(order) - 1)]]
    return found
