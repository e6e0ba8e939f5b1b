"""Families of likelihood models: what the codec needs of a model, and which family has which architecture.

The codec walks over the coarsest image of a unit, where that is more than a pixel, and then over its levels,
coarse to fine. A model says how the samples of one channel after the other are distributed: by centres and
numbers of shared tables, or by a mixture for each sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.mixtures import Mixtures
from ppyr.errors import ModelError

from . import pixelcnn, pixelpyramids
from .backends import Backend
from .depth import Depth
from .prediction import Distribution, Samples
from .weights import ARCHITECTURE, Tensors, Weights

Distributions = Distribution | Mixtures
"""Of the samples of one channel; mixtures are of the samples row by row."""

Positions = npt.NDArray[np.int64]


class Front(Protocol):
    """Pixels of a coarsest image that are coded at once.

    The samples of one channel are a batch, so that arrays of a `Distribution` are (1, n).
    """

    @property
    def rows(self) -> Positions:
        """Of the pixels, (n,)."""

    @property
    def columns(self) -> Positions:
        """Of the pixels, (n,)."""

    @property
    def channels(self) -> Sequence[int]:
        """Channels in coding order."""

    def distribution(self, channel: int) -> Distributions:
        """The distributions of a channel's samples, once those of the channels before it are known."""


class Step(Protocol):
    """Pixels of a level that are coded at once."""

    @property
    def rows(self) -> slice:
        """Of the pixels in the fine image."""

    @property
    def columns(self) -> slice:
        """Of the pixels in the fine image."""

    @property
    def fine(self) -> Samples:
        """View (n, m, C) of the fine image; a decoder fills it channel by channel."""

    @property
    def coarse(self) -> Samples:
        """The pixels (n, m, C) that the fine ones add to, modulo 256 or 65536."""

    @property
    def channels(self) -> Sequence[int]:
        """Channels in coding order."""

    def distribution(self, channel: int) -> Distributions:
        """The distributions of a channel's samples, once those of the channels before it are known."""


class Prediction(Protocol):
    """Predicts one image."""

    def coarsest(self, image: npt.NDArray[np.uint8], known: bool) -> Iterator[Front]:
        """The fronts of the coarsest image: every pixel but the first, (0, 0), once.

        Args:
            image: (h, w, C), more than a pixel; those of a front are in it before the next one is asked for.
            known: whether all pixels are in it from the beginning. The batches are to be the same: fronts of
                an image of one channel may be joined, others may not.
        """

    def level(self, axis: int, coarse: Samples, fine: Samples) -> Iterator[Step]:
        """The steps of the next level, coarse to fine.

        Args:
            axis: 0 (a row level) or 1 (a column level), in turn.
            coarse: the image so far (h, w, C), uint8, or uint16 if samples are wide.
            fine: the level's fine image, of the same type; read after each step.
        """


class LikelihoodModel(Protocol):
    """A model, prepared for one backend."""

    def __hash__(self) -> int: ...

    @property
    def id(self) -> bytes:
        """The id of its weights, 16 bytes."""

    @property
    def source(self) -> Weights:
        """Its integers."""

    @property
    def backend(self) -> Backend:
        """What it is computed with."""

    @property
    def frequencies(self) -> npt.NDArray[np.uint32]:
        """The shared tables, (T, 256), T = 0 if all its distributions are mixtures."""

    @property
    def coarsest_bits(self) -> int:
        """It codes coarsest images of at most 2^coarsest_bits pixels a side; 0 if they are single pixels."""

    @property
    def tile_bits(self) -> int | None:
        """Binary logarithm of the side of tiles that it is made for; None for any."""

    @property
    def narrow_only(self) -> bool:
        """Whether it codes no samples of more than 8 bits."""

    def first_pixel(self, channels: int) -> npt.NDArray[np.uint8]:
        """The pixel, (channels,), with which images begin that are drawn."""

    def condition(self, image: Samples, bits: int, label: int | None) -> bytes:
        """What `predictor` is to be given with an image (H, W, C), at most 4096 bytes; b"" for nothing.

        Raises:
            ConfigurationError: it has no such label, or takes none.
            UnsupportedImageError: it encodes images, and takes none of this size.
        """

    def predictor(self, levels: int, bits: int, depth: Depth, condition: bytes) -> Prediction:
        """Predicts one image.

        Args:
            levels: of its pyramid.
            bits: of a sample, 1..16.
            depth: how large samples are for the networks.
            condition: as `condition` gives it, or a file has it.

        Raises:
            FormatError: it takes no such condition.
        """


@dataclass(frozen=True)
class Family:
    """The models of one architecture.

    Attributes:
        check: refuses tensors that are not those of a model, by a ModelError.
        make: the model of checked tensors on a backend.
    """

    check: Callable[[Tensors], None]
    make: Callable[[Weights, Backend], LikelihoodModel]


def _check_stages(tensors: Tensors) -> None:
    from . import architecture
    from .weights import STAGES

    architecture.check(tensors, STAGES)


def _make_stages(source: Weights, runner: Backend) -> LikelihoodModel:
    from .predictor import Model

    return Model(source, runner)


def _check_pixelcnn(tensors: Tensors) -> None:
    from .pixelcnn.model import check

    check(tensors)


def _make_pixelcnn(source: Weights, runner: Backend) -> LikelihoodModel:
    from .pixelcnn.model import PixelCnn

    return PixelCnn(source, runner)


def _check_pixelpyramids(tensors: Tensors) -> None:
    from .pixelpyramids.coding import check

    check(tensors)


def _make_pixelpyramids(source: Weights, runner: Backend) -> LikelihoodModel:
    from .pixelpyramids.coding import PixelPyramids

    return PixelPyramids(source, runner)


FAMILIES = {
    ARCHITECTURE: Family(_check_stages, _make_stages),
    pixelcnn.ARCHITECTURE: Family(_check_pixelcnn, _make_pixelcnn),
    pixelpyramids.ARCHITECTURE: Family(_check_pixelpyramids, _make_pixelpyramids),
}
"""By architecture; what makes a model is imported when one is made."""


def family_of(architecture: str) -> Family:
    """The family of an architecture.

    Raises:
        ModelError: there is none.
    """
    if architecture not in FAMILIES:
        raise ModelError(
            f"the model is of architecture {architecture!r}: a newer ppyr may run it",
            expected=tuple(FAMILIES),
            found=architecture,
        )
    return FAMILIES[architecture]
