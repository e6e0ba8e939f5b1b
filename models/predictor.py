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
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ppyr.errors import ModelError

from . import features, modelfile, registry, weights
from .excess import EXCESS_LIMITS, EXCESSES, excess
from .features import BYTES, PHASES, ZERO_POINT, ByteArray, Depth, IntArray
from .grid import MEAN_BITS, SHAPES, TableGrid
from .integer import Backend, Tensor, backend
from .steps import LEVEL_PHASES, SUBLATTICE, Step, steps

#: Order in which the channels of an image are coded: gray; green, red, blue.
CODING_ORDER = {1: (0,), 3: (1, 0, 2)}
PLANES = 3

Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
#: Share of an earlier channel's residual that a later one adds to its mean, in 1/64.
COUPLING_BITS = 6
COUPLING_LIMITS = (-128, 127)


class Distribution(NamedTuple):
    """What is said of the pixels of a channel of a step, arrays (n, m).

    Attributes:
        centres: grey levels, uint8; for wide samples sample values without their low bits, int64.
        tables: table numbers.
        low_bits: how many low bits of wide samples are equally likely, uint8; None for samples of 8 bits.
        wraps: number of the table that tells how often the distances of wide samples wrap.
    """

    centres: IntArray | ByteArray
    tables: npt.NDArray[np.uint16]
    low_bits: npt.NDArray[np.uint8] | None = None
    wraps: int = 0


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
    """

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
def load(model_id: bytes, backend_name: str = "auto") -> Model:
    """An installed model on a backend; loaded once in a process.

    Raises:
        UnknownModelError: the model is not installed.
        ModelError: its file or the backend breaks the rules of exact inference.
    """
    return Model(modelfile.read(registry.by_id(model_id)), backend(backend_name))


class StepPrediction:
    """The distribution of one step's pixels, channel after channel.

    Attributes:
        fine: view (n, m, C) of the fine image; the channels before the one that is asked for must be in it.
        coarse: the pixels (n, m, C) that the fine ones add to, modulo 256.
        channels: channels in coding order.
    """

    def __init__(
        self,
        fine: Samples,
        coarse: Samples,
        means: IntArray,
        said: IntArray,
        grid: TableGrid,
        spread: IntArray,
        depth: Depth,
        unit: int,
    ) -> None:
        self._depth, self._unit = depth, unit
        self.fine = fine
        self.channels = CODING_ORDER[fine.shape[-1]]
        self.coarse = coarse
        self._means, self._grid, self._spread = means, grid, spread
        _, scales, self._shapes, self._couplings = said.reshape(-1, PLANES, *said.shape[1:])
        self._scales = scales.copy()
        self._predicted = 0
        self._residuals: list[IntArray] = []
        self._excesses: list[IntArray] = []

    def distribution(self, channel: int) -> Distribution:
        """The distribution of the pixels of a channel.

        To be asked once for every channel, in the order of `channels`.
        """
        plane = self.channels.index(channel)
        self._predict(plane)
        shape = np.clip(self._shapes[plane], 0, SHAPES - 1)
        mean = np.clip(self._means[plane], 0, ((1 << self._depth.bits) - 1) << MEAN_BITS)
        if self._depth.wide:
            found = self._grid.locate_wide(mean, self._scales[plane], shape, self._unit)
            return Distribution(*found, self._grid.sharpest)
        centres, tables = self._grid.locate(mean, self._scales[plane], shape)
        return Distribution(centres.astype(np.uint8), tables)

    def excesses(self) -> IntArray:
        """Excess of every pixel, (PLANES, n, m), when all of them are known."""
        self._predict(PLANES - 1)
        self._learn(PLANES - 1)
        return np.stack(self._excesses)

    def _predict(self, plane: int) -> None:
        """Means and scales of a plane and those before it."""
        for later in range(self._predicted, plane + 1):
            if later:
                self._learn(later - 1)
            for earlier, residual in enumerate(self._residuals):
                pair = later - 1 + earlier
                share = np.clip(self._couplings[pair], *COUPLING_LIMITS) * residual
                self._means[later] += (share + (1 << (COUPLING_BITS - 1))) >> COUPLING_BITS
                self._scales[later] += self._spread[pair][self._excesses[earlier] - EXCESS_LIMITS[0]]
            np.clip(self._scales[later], 0, self._grid.scales - 1, out=self._scales[later])
        self._predicted = max(self._predicted, plane + 1)

    def _learn(self, plane: int) -> None:
        """Residuals, in 1/64 sample value, and excesses of a plane whose pixels are known."""
        channel = self.channels[min(plane, len(self.channels) - 1)]
        pixel = self.coarse[..., channel] + self.fine[..., channel]
        residual = (pixel.astype(np.int32) << MEAN_BITS) - self._means[plane]
        self._residuals.append(residual)
        self._excesses.append(excess(features.in_units(residual, self._unit), self._scales[plane]))


class Predictor:
    """Predicts the levels of one image, coarse to fine; keeps what a column level needs of its row level."""

    def __init__(self, model: Model, levels: int, depth: Depth = BYTES) -> None:
        self._model, self._depth = model, depth
        self._unit = 0
        self._levels, self._level = levels, 0
        self._layers: dict[str, Any] = {}
        self._spread = model.spreads[weights.STAGES[0]]
        self._known: dict[str, IntArray] = {}
        self._features: Tensor = None

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
        self._layers, self._spread = self._model.stages[stage], self._model.spreads[stage]
        self._known = {"00": _lattice(coarse)}
        run, layers = self._model.backend.run, self._layers
        lower = self._depth.bits - BYTES.bits
        seen = features.coarse_features(self._known["00"], lower, self._unit)
        x = self._model.backend.tensor(seen)
        self._features = self._blocks(run(layers["trunk_in"], x), "trunk")

    def _blocks(self, x: Tensor, name: str) -> Tensor:
        """Residual blocks, two layers each."""
        run, layers, number = self._model.backend.run, self._layers, 0
        while f"{name}.{number}" in layers:
            hidden = run(layers[f"{name}.{number}"], x)
            x = run(layers[f"{name}.{number + 1}"], hidden, x)
            number += 2
        return x

    def _phase(
        self, phase: str, planned: list[Step], coarse: Samples, fine: Samples
    ) -> Iterator[StepPrediction]:
        runner, layers = self._model.backend, self._layers
        quarters = features.anchor(phase, self._known)
        guess = features.rounded(quarters)
        pixels = guess.copy()  # positions outside the image keep the guess
        excesses = np.zeros_like(guess)
        earlier: list[Tensor] = []
        for step in planned:
            dy, dx = SUBLATTICE[step.number]
            while len(earlier) < step.number:
                down, across = SUBLATTICE[len(earlier)]
                known = (a[:, down::2, across::2] for a in (pixels, guess, excesses))
                earlier.append(self._residual_features(*known))
            x = self._features[..., dy::2, dx::2]
            name = f"{phase}_{step.number}"
            if earlier:
                x = runner.run(layers[f"step_in.{name}"], runner.concatenate(earlier), x)
            said = runner.array(runner.run(layers[f"head.{name}"], runner.run(layers[f"step_mid.{name}"], x)))
            view = fine[step.rows, step.columns]
            height, width = view.shape[:2]
            pair = coarse[: fine.shape[0], : fine.shape[1]][step.rows, step.columns]
            said = said[:, :height, :width]
            means = quarters[:, dy::2, dx::2][:, :height, :width] << (MEAN_BITS - 2)
            offsets = said[:PLANES]
            if self._depth.wide:
                means, offsets = means.astype(np.int64), offsets.astype(np.int64) << self._unit
            prediction = StepPrediction(
                view, pair, means + offsets, said, self._model.grid, self._spread, self._depth, self._unit
            )
            yield prediction
            pixels[:, dy::2, dx::2][:, :height, :width] = _planes(pair + view)
            excesses[:, dy::2, dx::2][:, :height, :width] = prediction.excesses()
        self._known[phase] = pixels
        if phase != PHASES[-1]:
            x = self._residual_features(pixels, guess, excesses)
            x = runner.run(layers[f"phase_in.{phase}"], x, self._features)
            self._features = self._blocks(x, f"phase.{phase}")

    def _residual_features(self, pixels: IntArray, guess: IntArray, excesses: IntArray) -> Tensor:
        sharp = features.sharp_residual(pixels - guess, self._unit), features.sharp_excess(excesses)
        return self._model.backend.tensor(np.concatenate(sharp))


def _planes(image: Samples) -> IntArray:
    """(h, w, C) -> (3, h, w) int32 in coding order; gray stands for all three."""
    order = CODING_ORDER[image.shape[-1]]
    planes = image[..., order].transpose(2, 0, 1).astype(np.int32)
    return planes if len(planes) == PLANES else planes.repeat(PLANES, 0)


def _lattice(coarse: Samples) -> IntArray:
    """Planes of the coarse image, the last row and column repeated to even sides."""
    height, width = coarse.shape[:2]
    return np.pad(_planes(coarse), ((0, 0), (0, height % 2), (0, width % 2)), mode="edge")
