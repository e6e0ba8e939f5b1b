"""The tensors that a model of this architecture has: names, types and shapes, and how large it may be.

A model file is checked against them before anything else is done with it; FORMAT.md has the same as a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.tables import ALPHABET, MAX_TABLES
from ppyr.errors import ModelError

from .excess import EXCESSES
from .features import PHASES
from .grid import WIDEST
from .integer import weight_type
from .steps import SUBLATTICE

#: Channels of a layer, and layers of a trunk or a phase: what decoding takes for a pixel is bounded by them.
MOST_CHANNELS = 256
MOST_LAYERS = 64
#: Scales of the grid: as many as wide samples need, and so few that all folded tables can be kept.
SCALES = (WIDEST + 1, 64)
PLANES = 3
HEAD_OUTPUTS = 12
COARSE_FEATURES, PHASE_FEATURES = 5 * PLANES, 2 * PLANES

Shape = tuple[int, ...]
Found = Mapping[str, npt.NDArray[np.generic]]


def check(tensors: Found, stages: tuple[str, ...]) -> None:
    """Refuse tensors that are not those of a model with these networks.

    Raises:
        ModelError: one is missing, is one too many, or is of another type or shape.
    """
    (scales,) = _sizes(tensors, "fraction_bits", 1)
    tables, _ = _sizes(tensors, "tables", 2)
    _within("scales", scales, *SCALES)
    _within("tables", tables, 1, MAX_TABLES)
    wanted: dict[str, tuple[type[np.generic], Shape]] = {
        "fraction_bits": (np.uint8, (scales,)),
        "tables": (np.uint32, (tables, ALPHABET)),
    }
    for stage in stages:
        wanted[f"{stage}.spread"] = np.int8, (PLANES, EXCESSES)
        for layer, (outputs, inputs, size) in _layers(tensors, stage):
            wanted[f"{layer}.weight"] = weight_type(size), (outputs, inputs, size, size)
            wanted[f"{layer}.bias"] = np.int32, (outputs,)
            wanted[f"{layer}.shift"] = np.int8, (outputs,)
    for name in sorted(wanted.keys() | tensors.keys()):
        expected, found = _described(*wanted.get(name, ())), "missing"
        if name in tensors:
            found = _described(tensors[name].dtype.type, tensors[name].shape)
        if found != expected:
            raise ModelError(
                f"tensor {name} of the model is {found}, where {expected} belongs: get or export the model "
                "again",
                expected=expected,
                found=found,
            )


def _layers(tensors: Found, stage: str) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Every layer of a network, with its output and input channels and the size of its convolution."""
    width = _sizes(tensors, f"{stage}.trunk_in.weight", 4)[0]
    hidden = _sizes(tensors, f"{stage}.step_mid.{PHASES[0]}_0.weight", 4)[0]
    _within("channels", width, 1, MOST_CHANNELS)
    _within("channels", hidden, 1, MOST_CHANNELS)
    blocks = ["trunk", *(f"phase.{phase}" for phase in PHASES[:-1])]
    yield f"{stage}.trunk_in", (width, COARSE_FEATURES, 3)
    for phase in PHASES[:-1]:
        yield f"{stage}.phase_in.{phase}", (width, PHASE_FEATURES, 3)
    for block in blocks:
        prefix = f"{stage}.{block}."
        count = sum(name.startswith(prefix) and name.endswith(".weight") for name in tensors)
        _within(f"layers {prefix}*", count + count % 2, 0, MOST_LAYERS)
        for number in range(count + count % 2):
            yield f"{prefix}{number}", (width, width, 3)
    for phase in PHASES:
        for step in range(len(SUBLATTICE)):
            if step:
                yield f"{stage}.step_in.{phase}_{step}", (width, PHASE_FEATURES * step, 3)
            yield f"{stage}.step_mid.{phase}_{step}", (hidden, width, 1)
            yield f"{stage}.head.{phase}_{step}", (HEAD_OUTPUTS, hidden, 1)


def _sizes(tensors: Found, name: str, dimensions: int) -> Shape:
    """The shape of a tensor that others follow from."""
    shape = tensors[name].shape if name in tensors else ()
    if len(shape) != dimensions:
        found = f"of shape {shape}" if name in tensors else "missing"
        raise ModelError(
            f"tensor {name} of the model is {found}, and has {dimensions} dimensions: get or export the "
            "model again",
            expected=dimensions,
            found=len(shape),
        )
    return shape


def _within(what: str, number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise ModelError(
            f"the model has {number} {what}: export one with {least} to {most}",
            expected=range(least, most + 1),
            found=number,
        )


def _described(kind: type[np.generic] | None = None, shape: Shape = ()) -> str:
    """Type and shape of a tensor; that of none at all without a type."""
    return f"{np.dtype(kind).name} {shape}" if kind else "nothing"
