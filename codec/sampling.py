"""Images that a model draws: from nothing, or from the coarse levels of a file on.

To draw is to decode noise: a decoder's walk, with random words in place of a stream. At another temperature
than 1 samples are drawn from changed probabilities, in floating point.
"""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.coder import StreamDecoder
from ppyr.bitstream.mixtures import Mixtures, frequencies
from ppyr.bitstream.raster import SHALLOW, Samples
from ppyr.bitstream.tables import TableSet
from ppyr.coding import tables_of, walk, walk_levels
from ppyr.decoding import Decoder
from ppyr.errors import ConfigurationError, UnsupportedImageError
from ppyr.geometry import coarsest_shape, shapes
from ppyr.models import predictor, registry
from ppyr.models.depth import BYTES
from ppyr.models.family import Distributions, LikelihoodModel
from ppyr.models.features import ByteArray
from ppyr.opened import open as open_file
from ppyr.picture import WHOLE_BITS, units

#: Samples that are drawn at once: each takes some kilobytes.
_AT_ONCE = 1 << 12


def sample(
    model: str,
    height: int,
    width: int,
    channels: int = 3,
    *,
    bits: int = 8,
    label: int | None = None,
    temperature: float = 1.0,
    seed: int = 0,
    backend: str = "auto",
) -> Samples:
    """Draw an image from a model.

    Args:
        model: its name or id.
        height: of the image, which is one tile: at most 1024 pixels, or what the model takes.
        width: the same.
        channels: 1 for gray, or 3.
        bits: of a sample, 1..8.
        label: of a class, for models that were trained with classes.
        temperature: probabilities are taken to the power of 1 / temperature; 0 takes the likeliest sample.
        seed: of all choices. At a temperature of 1 or 0 it gives the same image on every machine.
        backend: auto, int8, torch, cuda or reference.

    Returns:
        (H, W) for gray or (H, W, 3), uint8.

    Raises:
        ConfigurationError: a number is out of range, or the model has no such label.
        UnknownModelError: there is no such model.
        ModelError: the model or the backend does not compute exactly here.
    """
    chosen = predictor.load(registry.by_name(model), backend)
    side = 1 << (chosen.tile_bits or WHOLE_BITS)
    _check("rows", height, range(1, side + 1))
    _check("columns", width, range(1, side + 1))
    _check("channels", channels, (1, 3))
    # Shared tables are of distances, which any sample of a byte can have.
    _check("bits", bits, (SHALLOW,) if len(chosen.frequencies) else range(1, SHALLOW + 1))
    sampler = _sampler(chosen, temperature, seed)
    coarsest = np.zeros((*coarsest_shape(height, width, chosen.coarsest_bits), channels), np.uint8)
    coarsest[0, 0] = np.minimum(chosen.first_pixel(channels), (1 << bits) - 1)
    levels = shapes(height, width, chosen.coarsest_bits)
    fines = [np.zeros((*level.fine, channels), np.uint8) for level in levels]
    prediction = chosen.predictor(len(levels), bits, BYTES, chosen.condition(coarsest, bits, label))
    image = walk(prediction, levels, coarsest, fines, sampler, known=False)
    return image if channels > 1 else image[..., 0]


def complete(
    source: str | bytes | BinaryIO,
    level: int,
    *,
    temperature: float = 1.0,
    seed: int = 0,
    backend: str = "auto",
) -> Samples:
    """Draw the finer levels of a .ppyr file from its coarser ones: detail is invented.

    Args:
        source: path, data or open binary file, as much of it as the coarser levels need.
        level: k, of which every 2^k-th row and column are kept.
        temperature: see `sample`.
        seed: see `sample`.
        backend: see `sample`.

    Returns:
        (H, W) for gray or (H, W, C), uint8.

    Raises:
        ConfigurationError: the level is negative, or the file's model codes it as a whole.
        UnsupportedImageError: the file has wide samples, numbers in place of its colours, or no model.
        FormatError, UnknownModelError, ModelError: see `ppyr.decode`.
    """
    with open_file(source) as file:
        coarse = np.atleast_3d(file.read(level=level, backend=backend))
        parts = file.parts
    header, index, coded = parts.header, parts.index, parts.index.coded
    if index.mapping or coded.bit_depth > SHALLOW:
        raise UnsupportedImageError(
            "the file has numbers of colours, or samples of more than 8 bits: only others can be completed",
            found=coded,
        )
    if not any(header.model_id):
        raise UnsupportedImageError("no part of the file is coded by a model: there is none to complete it")
    chosen, _ = Decoder(parts, backend).model
    sampler = _sampler(chosen, temperature, seed)
    image = np.zeros((header.height, header.width, header.channels), np.uint8)
    step = 1 << level
    for unit in units(coded, index.tile_bits):
        height, width = unit.shape(header.height, header.width)
        levels = shapes(height, width, chosen.coarsest_bits)
        missing = levels[max(0, len(levels) - 2 * level) :]
        if len(missing) < 2 * level and chosen.coarsest_bits:
            raise ConfigurationError(
                f"level {level}: the model codes the coarsest image as a whole, give a finer level",
                expected=len(levels) // 2,
                found=level,
            )
        places = _coarser(unit.rows, step), _coarser(unit.columns, step), unit.channels
        known = np.ascontiguousarray(coarse[places])
        fines = [np.zeros((*one.fine, known.shape[2]), np.uint8) for one in missing]
        prediction = chosen.predictor(len(missing), coded.bit_depth, BYTES, parts.condition)
        unit.of(image)[...] = walk_levels(prediction, missing, known, fines, sampler)
    return image if header.channels > 1 else image[..., 0]


def _coarser(places: slice, step: int) -> slice:
    """Every step-th of the rows or columns of a tile, which begins at a multiple of the step."""
    return slice(places.start // step, -(-places.stop // step))


def _sampler(chosen: LikelihoodModel, temperature: float, seed: int) -> Sampler:
    if not 0 <= temperature < float("inf"):
        raise ConfigurationError(f"a temperature of {temperature}: give 0 or more", found=temperature)
    return Sampler(tables_of(chosen), np.random.default_rng(seed), temperature)


def _check(name: str, value: int, possible: range | tuple[int, ...]) -> None:
    if value not in possible:
        raise ConfigurationError(
            f"a drawing of {value} {name}: {possible[0]} to {possible[-1]} are possible",
            expected=possible,
            found=value,
        )


class Sampler:
    """Draws what a `symbols.Reader` would read.

    Args:
        tables: the model's shared tables.
        rng: makes all choices.
        temperature: probabilities are taken to the power of 1 / temperature; 0 takes the likeliest.
    """

    def __init__(self, tables: TableSet, rng: np.random.Generator, temperature: float) -> None:
        self._tables, self._rng, self._temperature = tables, rng, temperature

    def code(self, values: Samples, coarse: Samples, found: Distributions) -> None:
        """See `symbols.Coder`."""
        symbols = self._decoded(found) if self._temperature == 1 else self._drawn(found)
        samples = symbols.reshape(values.shape)
        if not isinstance(found, Mixtures):
            samples = samples + found.centres.astype(np.uint8).reshape(values.shape)
        values[...] = samples - coarse

    def end_level(self) -> None:
        """See `symbols.Coder`."""

    def _decoded(self, found: Distributions) -> ByteArray:
        """Symbols as they come from a stream of random words, one for each and two more than are used."""
        count = len(found.weights) if isinstance(found, Mixtures) else found.tables.size
        words = self._rng.integers(1, 1 << 32, count + 2, np.uint32)
        stream = StreamDecoder(self._tables, words.astype("<u4").tobytes())
        if isinstance(found, Mixtures):
            return stream.get_mixtures(found)
        return stream.get(found.tables.ravel(), found.centres.astype(np.uint8).ravel())

    def _drawn(self, found: Distributions) -> ByteArray:
        """Symbols at another temperature."""
        count = len(found.weights) if isinstance(found, Mixtures) else found.tables.size
        drawn = np.empty(count, np.uint8)
        for first in range(0, count, _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            rows = self._rows(found, part)
            if self._temperature == 0:
                drawn[part] = rows.argmax(1)
                continue
            masses = np.cumsum((rows / rows.max(1, keepdims=True)) ** (1 / self._temperature), 1)
            quantiles = self._rng.random((len(rows), 1)) * masses[:, -1:]
            drawn[part] = (masses <= quantiles).sum(1).clip(max=rows.shape[1] - 1)
        return drawn

    def _rows(self, found: Distributions, part: slice) -> npt.NDArray[np.uint32]:
        """The frequencies of some of the samples."""
        if isinstance(found, Mixtures):
            return frequencies(found.part(part))
        return self._tables.rows(found.tables.ravel()[part], found.centres.astype(np.uint8).ravel()[part])
