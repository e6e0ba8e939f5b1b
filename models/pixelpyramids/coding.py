"""PixelPyramids in integers: the mixtures of every level's samples, subsampled image by subsampled image.

Encoder and decoder walk the same steps. The encoder hands in the whole fine image; the decoder an empty one,
and fills in each step's pixels before it asks for the next.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.mixtures import Mixtures
from ppyr.bitstream.tables import ALPHABET
from ppyr.errors import ConfigurationError, FormatError
from ppyr.models.arithmetic import (
    FIRST_PIXEL,
    SETTINGS,
    Exact,
    check_tensors,
    layers_of,
    prepared,
    settings_of,
)
from ppyr.models.backends import Backend, Tensor
from ppyr.models.depth import Depth
from ppyr.models.features import ZERO_POINT, ByteArray, Integers
from ppyr.models.grid import MEAN_BITS
from ppyr.models.mixture import MixtureHead
from ppyr.models.pixelcnn.coding import Front, PixelCnnCoder
from ppyr.models.prediction import Samples
from ppyr.models.weights import Tensors, Weights

from .features import anchors, coarse_map, look, planes_of
from .network import COARSEST, PLANES, SEEN, LevelConfig, PyramidConfig, name_of


class StepPrediction:
    """The distribution of one step's pixels, a subsampled image.

    Args:
        places: rows and columns of the pixels in the level's images.
        coarse, fine: these images, (h, w, C) within the fine one.
        said: by the head, (., ., outputs), of n x m pixels and some beyond the edges.
        guesses: anchors, (h, w, 3).
        head: how mixtures are said.
        bits: of a sample.

    Attributes:
        rows, columns: of the pixels in the fine image.
        fine: view (n, m, C) of the fine image; the channels before the one that is asked for must be in it.
        coarse: the pixels (n, m, C) that the fine ones add to, modulo 256.
        channels: channels in coding order.
    """

    def __init__(
        self,
        places: tuple[slice, slice],
        coarse: Samples,
        fine: Samples,
        said: npt.NDArray[np.int16],
        guesses: Integers,
        head: MixtureHead,
        bits: int,
    ) -> None:
        self.rows, self.columns = places
        self.coarse, self.fine, self.channels = coarse[places], fine[places], tuple(range(fine.shape[2]))
        self._said, self._guesses, self._head, self._bits = said, guesses[places], head, bits

    def distribution(self, channel: int) -> Mixtures:
        """The distributions of the samples of a channel, n m of them in rows from the top."""
        height, width, _ = self.fine.shape
        said = self._said[:height, :width].reshape(height * width, -1)
        residuals = (planes_of(self.coarse + self.fine) << MEAN_BITS) - self._guesses
        guesses, residuals = (array.reshape(height * width, -1) for array in (self._guesses, residuals))
        return self._head.mixtures(channel, said, guesses, residuals, self._bits)


class PyramidPredictor:
    """Predicts the levels of one image, coarse to fine.

    Args:
        model: the networks.
        levels: of the image.
        bits: of a sample.
    """

    def __init__(self, model: PixelPyramids, levels: int, bits: int) -> None:
        self._model, self._left, self._bits = model, levels, bits

    def coarsest(self, image: ByteArray, known: bool) -> Iterator[Front]:
        """All pixels of the image but the first; see `PixelCnnCoder.fronts`."""
        return self._model.coarsest.fronts(image, self._bits, known=known)

    def level(self, axis: int, coarse: Samples, fine: Samples) -> Iterator[StepPrediction]:
        """The steps of the next level.

        Args:
            axis: 0 (a row level) or 1 (a column level), in turn.
            coarse: the image so far (h, w, 1 or 3).
            fine: the level's fine image; read after each step.
        """
        self._left -= 1
        config, arithmetic = self._model.network(self._left)
        runner, planes = self._model.backend, planes_of(coarse)
        height, width, _ = fine.shape
        features = coarse_map(planes, config.multiple, self._bits)
        guesses, within = anchors(planes, axis, height, width), coarse[:height, :width]
        looks = np.full((*features.shape[:2], SEEN), ZERO_POINT, np.uint8)

        def places(row: int, column: int) -> tuple[slice, slice]:
            return slice(row, None, config.stride), slice(column, None, config.stride)

        def seen(row: int, column: int) -> Tensor:
            at = places(row, column)
            looks[:height, :width][at] = look(planes_of(within[at] + fine[at]), guesses[at], self._bits)
            return runner.tensor(looks[at])

        for row, column, output in config.walk(arithmetic, runner.tensor(features), height, width, seen):
            at, said = places(row, column), runner.array(config.say(arithmetic, output))
            yield StepPrediction(at, within, fine, said, guesses, config.head, self._bits)


class PixelPyramids:
    """The networks of a model, prepared for one backend.

    Attributes:
        id: 16 bytes.
        source: the integers.
        backend: what they are computed by.
        frequencies: of shared tables, (0, 256): all distributions are mixtures.
        config: their sizes.
        coarsest: codes coarsest images.

    Raises:
        ModelError: a tensor is missing or breaks the rules of exact inference.
    """

    narrow_only = True
    #: Tiles may be of any size.
    tile_bits: int | None = None

    def __init__(self, source: Weights, runner: Backend) -> None:
        self.id, self.source, self.backend = source.id, source, runner
        self.frequencies = np.empty((0, ALPHABET), np.uint32)
        self.config = _config(source.tensors)
        self._networks = [
            (network, Exact(prepared(source, network.specs(), f"{name_of(number)}.", runner), runner))
            for number, network in enumerate(self.config.networks)
        ]
        layers = layers_of(source, self.config.coarsest.specs(), COARSEST)
        self.coarsest = PixelCnnCoder(self.config.coarsest, layers, runner)

    @property
    def coarsest_bits(self) -> int:
        """See `LikelihoodModel`."""
        return self.config.coarsest.side_bits

    def network(self, distance: int) -> tuple[LevelConfig, Exact]:
        """The network of a level, by its distance from the finest one, and what it is computed with."""
        return self._networks[self.config.network(distance)]

    def first_pixel(self, channels: int) -> npt.NDArray[np.uint8]:
        """See `LikelihoodModel`: that of a typical image of training."""
        return self.source.tensor(FIRST_PIXEL, np.uint8)[:channels]

    def condition(self, image: Samples, bits: int, label: int | None) -> bytes:  # noqa: ARG002
        """What a file stores of what its image is given with: nothing.

        Raises:
            ConfigurationError: there is a label.
        """
        if label is not None:
            raise ConfigurationError(
                f"the model {self.id.hex()} takes no label: choose one that was trained with classes, or "
                "leave the label out",
                found=label,
            )
        return b""

    def predictor(
        self,
        levels: int,
        bits: int,
        depth: Depth,  # noqa: ARG002
        condition: bytes,
    ) -> PyramidPredictor:
        """Of the levels of an image with samples of `bits` bits, at most 8.

        Raises:
            FormatError: there is a condition.
        """
        if condition:
            raise FormatError(
                "the file has a condition, and its model takes none: get a fresh copy of the file",
                expected=0,
                found=len(condition),
            )
        return PyramidPredictor(self, levels, bits)


def check(tensors: Tensors) -> None:
    """Refuse tensors that are not those of PixelPyramids.

    Raises:
        ModelError: see `arithmetic.check_tensors`, `PyramidConfig.of`.
    """
    check_tensors(tensors, _config(tensors).specs(), PLANES, (SETTINGS, COARSEST + SETTINGS))


def _config(tensors: Tensors) -> PyramidConfig:
    return PyramidConfig.of(settings_of(tensors), settings_of(tensors, COARSEST))
