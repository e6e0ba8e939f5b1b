"""Calibration: the tables of a trained model, set to what photographs really do under it.

Training assumes one smooth family of distributions for all tables. The symbols that each table meets on
photographs are counted, and the counts correct the family's frequencies; predictions stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from ppyr.bitstream.mixtures import Mixtures
from ppyr.bitstream.raster import Samples
from ppyr.bitstream.tables import TableSet
from ppyr.coding import walk
from ppyr.geometry import shapes
from ppyr.models.backends import backend
from ppyr.models.export import frequencies
from ppyr.models.family import Distributions
from ppyr.models.features import ByteArray
from ppyr.models.predictor import Model, Predictor
from ppyr.models.weights import Weights
from ppyr.pyramid import build

#: Symbols that the family's own frequencies count for, and their least share among those counted.
PRIOR_SYMBOLS = 3000
PRIOR_SHARE = 1.0
#: Photographs that are enough to count on.
PHOTOGRAPHS = 120


class _Counter:
    """Counts symbols of tables, but not of folded ones: some do not tell how far they lie from the mean."""

    def __init__(self, tables: TableSet) -> None:
        self.counts = np.zeros((len(tables), 256), np.int64)
        self._tables = tables

    def code(self, values: Samples, coarse: Samples, found: Distributions) -> None:
        if isinstance(found, Mixtures):
            return
        symbols = (values + coarse - found.centres).astype(np.uint8, copy=False).ravel()
        tables = found.tables.ravel()
        shared = ~self._tables.are_folded(tables, found.centres.astype(np.uint8, copy=False).ravel())
        pairs = (tables.astype(np.int64) << 8 | symbols)[shared]
        self.counts += np.bincount(pairs, minlength=self.counts.size).reshape(self.counts.shape)

    def end_level(self) -> None:
        pass


def count_symbols(weights: Weights, photographs: Iterable[ByteArray]) -> npt.NDArray[np.int64]:
    """How often each table meets each symbol, where it is not folded, on photographs (H, W, 3), uint8.

    Returns:
        int64 (T, 256).
    """
    model = Model(weights, backend())
    counter = _Counter(TableSet(model.frequencies))
    for photograph in photographs:
        coarsest, fines = build(photograph, 8)
        levels = shapes(*photograph.shape[:2])
        walk(Predictor(model, len(levels)), levels, coarsest, fines, counter, known=True)
    return counter.counts


def calibrate(weights: Weights, photographs: Sequence[ByteArray], *, progress: bool = False) -> Weights:
    """The model calibrated on at most `PHOTOGRAPHS` of `photographs` (H, W, 3), uint8, evenly chosen."""
    chosen = photographs[:: -(-len(photographs) // PHOTOGRAPHS)]
    bar = tqdm(chosen, unit="photograph", disable=not progress, desc="calibration")
    return corrected(weights, count_symbols(weights, bar))


def corrected(weights: Weights, counts: npt.NDArray[np.int64]) -> Weights:
    """The model with its tables corrected by `counts` (T, 256); rarely met tables change little.

    A table's frequencies become the mean of the counts and its own, which weigh as many symbols as
    `PRIOR_SYMBOLS` and a share `PRIOR_SHARE` of those counted.
    """
    tables = weights.tensor("tables", np.uint32)
    totals = counts.sum(1, keepdims=True)
    prior = tables / tables.sum(1, keepdims=True) * (PRIOR_SYMBOLS + PRIOR_SHARE * totals)
    changed = np.stack([frequencies(row) for row in counts + prior])
    provenance = {**weights.provenance, "calibration": {"symbols": int(counts.sum())}}
    return replace(weights, tensors={**weights.tensors, "tables": changed}, provenance=provenance)
