"""A gated PixelCNN as a model: it codes images whole, as the coarsest image of their pyramid."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.container import TILE_BITS
from ppyr.bitstream.tables import ALPHABET
from ppyr.errors import ConfigurationError, FormatError, ModelError, UnsupportedImageError
from ppyr.models.arithmetic import FIRST_PIXEL, Exact, check_tensors, layers_of, settings_of
from ppyr.models.backends import Backend
from ppyr.models.depth import Depth
from ppyr.models.family import Step
from ppyr.models.features import ZERO_POINT, ByteArray
from ppyr.models.prediction import Samples
from ppyr.models.weights import Tensors, Weights

from .coding import Front, PixelCnnCoder
from .features import everywhere, look
from .network import PixelCnnConfig

#: What the place of a label says where it is the image's.
LABELLED = 255
#: In a file, in place of a label: there is none.
UNLABELLED = 255
#: Bits that a file stores of a number of a code, and what stands for the others, their middle.
CODE_BITS = 4
_REST = 8 - CODE_BITS


def check(tensors: Tensors) -> None:
    """Refuse tensors that are not those of a PixelCNN.

    Raises:
        ModelError: images are given with a map, or are smaller than any tile; see also
            `arithmetic.check_tensors`, `PixelCnnConfig.of`.
    """
    config = PixelCnnConfig.of(settings_of(tensors))
    if config.map_channels:
        raise ModelError(
            f"images of the model are given with a map of {config.map_channels} channels, which no file "
            "stores: export a model without one",
            expected=0,
            found=config.map_channels,
        )
    if not TILE_BITS[0] <= config.side_bits <= TILE_BITS[1]:
        raise ModelError(
            f"the model codes images of {1 << config.side_bits} pixels a side: export one for the sides of "
            f"tiles, {1 << TILE_BITS[0]} to {1 << TILE_BITS[1]}",
            expected=TILE_BITS,
            found=config.side_bits,
        )
    check_tensors(tensors, config.specs(), config.planes)


class PixelCnn:
    """The network of a model, prepared for one backend.

    Attributes:
        id: 16 bytes.
        source: the integers.
        backend: what it is computed by.
        config: its sizes.

    Raises:
        ModelError: a tensor is missing or breaks the rules of exact inference.
    """

    narrow_only = True

    def __init__(self, source: Weights, runner: Backend) -> None:
        self.id, self.source, self.backend = source.id, source, runner
        self.config = PixelCnnConfig.of(settings_of(source.tensors))
        layers = layers_of(source, self.config.specs())
        self._encoder = Exact(
            {name: runner.prepare(layer) for name, layer in layers.items() if name.startswith("encoder")},
            runner,
        )
        self._coder = PixelCnnCoder(self.config, layers, runner)
        self.frequencies = np.empty((0, ALPHABET), np.uint32)

    @property
    def coarsest_bits(self) -> int:
        """See `LikelihoodModel`: images are coded whole."""
        return self.config.side_bits

    @property
    def tile_bits(self) -> int:
        """See `LikelihoodModel`: larger images are cut."""
        return self.config.side_bits

    def first_pixel(self, channels: int) -> npt.NDArray[np.uint8]:
        """See `LikelihoodModel`: that of a typical image of training."""
        return self.source.tensor(FIRST_PIXEL, np.uint8)[:channels]

    def condition(self, image: Samples, bits: int, label: int | None) -> bytes:
        """See `LikelihoodModel`: the image's label, then its code.

        Raises:
            ConfigurationError: the model has no such label.
            UnsupportedImageError: its encoder takes no image of this size.
        """
        stored = b""
        if label is not None and not 0 <= label < self.config.classes:
            known = f"0 to {self.config.classes - 1}" if self.config.classes else "none"
            raise ConfigurationError(
                f"the model has no label {label}: give one that it has, {known}",
                expected=range(self.config.classes),
                found=label,
            )
        if self.config.classes and (label is not None or self.config.code):
            stored += bytes([UNLABELLED if label is None else label])
        return stored + (self._encoded(image, bits) if self.config.code else b"")

    def predictor(self, levels: int, bits: int, depth: Depth, condition: bytes) -> PixelCnnPredictor:  # noqa: ARG002
        """See `LikelihoodModel`."""
        return PixelCnnPredictor(self._coder, bits, self._given(condition))

    def _given(self, condition: bytes) -> ByteArray | None:
        """What the network is given with, (D,), of what a file stores."""
        config = self.config
        given = np.full(config.given, ZERO_POINT, np.uint8)
        sizes = {0, 1} if config.classes and not config.code else {bool(config.classes) + config.code // 2}
        label = condition[0] if config.classes and condition else UNLABELLED
        told = label < config.classes or (label == UNLABELLED and (config.code > 0 or not condition))
        if len(condition) not in sizes or not told:
            raise FormatError(
                f"the image is given with {condition.hex() or 'nothing'}, which the model does not take: get "
                "a fresh copy of the file",
                found=condition,
            )
        if label != UNLABELLED:
            given[label] = LABELLED
        if config.code:
            pairs = np.frombuffer(condition[bool(config.classes) :], np.uint8)
            numbers = np.stack((pairs >> CODE_BITS, pairs & (1 << CODE_BITS) - 1), 1).ravel()
            given[config.classes :] = (numbers << _REST) + (1 << _REST - 1)
        return given if len(given) else None

    def _encoded(self, image: Samples, bits: int) -> bytes:
        """The code of an image, two numbers a byte."""
        height, width, channels = image.shape
        side = self.config.code_side
        if (height, width) != (side, side) or channels not in (1, self.config.planes):
            raise UnsupportedImageError(
                f"the model's encoder takes images of {side} x {side} pixels: choose another model",
                expected=(side, side),
                found=(height, width, channels),
            )
        seen = np.repeat(image.astype(np.uint8, copy=False), self.config.planes // channels, axis=2)
        pixels = look(seen, *everywhere(height, width), bits).reshape(height, width, -1)
        code = self.config.encode(self._encoder, self.backend.tensor(pixels))
        numbers = self.backend.array(code).ravel().astype(np.uint8) >> _REST
        return bytes(numbers[0::2] << CODE_BITS | numbers[1::2])


class PixelCnnPredictor:
    """Predicts one image.

    Args:
        coder: the network.
        bits: of a sample.
        given: what the image is given with, (D,), None for nothing.
    """

    def __init__(self, coder: PixelCnnCoder, bits: int, given: ByteArray | None) -> None:
        self._coder, self._bits, self._given = coder, bits, given

    def coarsest(self, image: ByteArray, known: bool) -> Iterator[Front]:
        """All pixels of the image but the first; see `PixelCnnCoder.fronts`."""
        return self._coder.fronts(image, self._bits, self._given, known=known)

    def level(self, axis: int, coarse: Samples, fine: Samples) -> Iterator[Step]:  # noqa: ARG002
        """There are none.

        Raises:
            ModelError: always.
        """
        raise ModelError(
            "the model codes whole images and no levels: give it smaller tiles", found=(axis, fine.shape)
        )
