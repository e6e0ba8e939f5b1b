"""The gated PixelCNN: every pixel's mixture from the pixels before it, in rows from the top.

Source: Conditional Image Generation with PixelCNN Decoders, van den Oord et al. 2016, section 2. A vertical
stack sees the rows above, without a blind spot; a horizontal one the pixels to the left, and the vertical
stack, and is residual. Each layer ends in a gate, and sees what the image is given with: a vector, or a map::

    vertical    v --2x3--> (+ given) ---------------> gate --> v
                              | 1x1
    horizontal  h --1x2--> (+ given) --> gate --1x1--> + --> h      the last h --1x1--1x1--> mixtures

Masked convolutions are layers over the pixels that they see, `Arithmetic.taps`. R, G and B of a pixel share
one evaluation: `mixture` makes the later ones depend on those before.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np
import numpy.typing as npt

from ppyr.errors import ModelError
from ppyr.models.arithmetic import HERE, Arithmetic, Kind, LayerSpec, Map, Offsets
from ppyr.models.mixture import MixtureHead

#: What the first layer of the vertical stack and the others see, and the same of the horizontal stack.
FIRST_ABOVE: Offsets = tuple((row, column) for row in (-2, -1) for column in range(-2, 3))
ABOVE: Offsets = tuple((row, column) for row in (-1, 0) for column in range(-1, 2))
FIRST_LEFT: Offsets = ((0, -2), (0, -1))
LEFT: Offsets = ((0, -1), (0, 0))
#: How much smaller the encoder's last lattice is than its image.
_SHRINKING = 4


@dataclass(frozen=True)
class PixelCnnConfig:
    """Sizes of a gated PixelCNN.

    Attributes:
        side_bits: images of at most 2^side_bits pixels a side are coded, 1..10.
        planes: channels that it sees of a pixel, 1 or 3.
        width: channels of the stacks.
        layers: of the stacks.
        dilations: what layers after the first see lies 1, 2, 4, ... pixels apart, so many sizes in turn; 1 as
            in the paper, more to see farther (Yu & Koltun 2016).
        components: of a mixture.
        anchored: see `MixtureHead`.
        classes: labels that an image can be given with.
        code: numbers of a vector that an encoder gives an image with, and the image's file stores.
        code_side: rows and columns of the images that the encoder takes, 0 without one.
        map_channels: of a map that an image is given with.

    Raises:
        ModelError: a number is out of range.
    """

    side_bits: int = 5
    planes: int = 1
    width: int = 32
    layers: int = 6
    dilations: int = 1
    components: int = 10
    anchored: int = 5
    classes: int = 0
    code: int = 0
    code_side: int = 0
    map_channels: int = 0

    def __post_init__(self) -> None:
        limits = {
            "side_bits": (1, 10),
            "width": (1, 256),
            "layers": (1, 64),
            "dilations": (1, 5),
            "classes": (0, 255),
            "code": (0, 256),
            "code_side": (4 if self.code else 0, 64 if self.code else 0),
            "map_channels": (0, 256),
        }
        for name, (low, high) in limits.items():
            if not low <= (found := getattr(self, name)) <= high:
                raise ModelError(
                    f"a PixelCNN with {name} = {found}: {low} to {high} are possible",
                    expected=range(low, high + 1),
                    found=found,
                )
        if self.code % 2 or self.code_side % _SHRINKING:
            raise ModelError(
                f"an encoder of {self.code} numbers for images of {self.code_side} pixels a side: only even "
                f"numbers and sides that are multiples of {_SHRINKING} are possible",
                found=(self.code, self.code_side),
            )
        _ = self.head

    @property
    def head(self) -> MixtureHead:
        """How its head says mixtures."""
        return MixtureHead(self.components, self.planes, self.anchored)

    @property
    def features(self) -> int:
        """Channels of what it sees of a pixel."""
        return 3 * self.planes + 1

    @property
    def given(self) -> int:
        """Channels of what an image is given with."""
        return self.classes + self.code + self.map_channels

    @property
    def slope(self) -> int:
        """How many pixels ahead the row above has to be: further than a pixel's features reach."""
        return 1 + max(column for _, column in FIRST_ABOVE) + self.ahead[0]

    @property
    def ahead(self) -> tuple[int, ...]:
        """How many columns each layer of the vertical stack is ahead: what later ones see to the right."""
        reach = [max(column for _, column in self.above(number)) for number in range(self.layers)]
        return tuple(sum(reach[number + 1 :]) for number in range(self.layers))

    @property
    def edge(self) -> int:
        """How far a layer sees, in pixels."""
        seen = (place for number in range(self.layers) for place in (*self.above(number), *self.left(number)))
        return max(max(abs(row), abs(column)) for row, column in seen)

    def above(self, number: int) -> Offsets:
        """What a layer of the vertical stack sees."""
        return self._apart(ABOVE, number) if number else FIRST_ABOVE

    def left(self, number: int) -> Offsets:
        """What a layer of the horizontal stack sees."""
        return self._apart(LEFT, number) if number else FIRST_LEFT

    def dilation(self, number: int) -> int:
        """How many pixels lie apart of what a layer sees."""
        return 1 << (number - 1) % self.dilations if number else 1

    def _apart(self, offsets: Offsets, number: int) -> Offsets:
        step = self.dilation(number)
        return tuple((step * row, step * column) for row, column in offsets)

    @property
    def settings(self) -> npt.NDArray[np.int32]:
        """The numbers in their order, as a model's tensor."""
        return np.array(astuple(self), np.int32)

    @classmethod
    def of(cls, settings: npt.NDArray[np.int32]) -> PixelCnnConfig:
        """The sizes that a model's tensor tells.

        Raises:
            ModelError: they are none.
        """
        if settings.shape != (count := len(fields(cls)),):
            raise ModelError(
                f"the settings of the PixelCNN are of shape {settings.shape}: get or export the model again",
                expected=(count,),
                found=settings.shape,
            )
        return cls(*settings.tolist())

    def specs(self) -> dict[str, LayerSpec]:
        """The layers by name."""
        width, given = self.width, self.given
        found = {}
        for number in range(self.layers):
            above, left = len(self.above(number)), len(self.left(number))
            seen = width if number else self.features
            found[f"vertical_{number}"] = LayerSpec(above * seen + given, 2 * width)
            found[f"horizontal_{number}"] = LayerSpec(left * seen + 2 * width + given, 2 * width)
            found[f"residual_{number}"] = LayerSpec(width, width, skip=number > 0)
        if self.code:
            patch = len(self._patch) * width
            found["encoder_0"] = LayerSpec(self.features, width, 3, gives=Kind.RECTIFIED)
            found["encoder_1"] = LayerSpec(width, width, 3, takes=Kind.RECTIFIED, gives=Kind.RECTIFIED)
            found["encoder_2"] = LayerSpec(patch, 2 * width, takes=Kind.RECTIFIED, gives=Kind.RECTIFIED)
            found["encoder_3"] = LayerSpec(2 * width, self.code, takes=Kind.RECTIFIED)
        found["last"] = LayerSpec(width, 2 * width, gives=Kind.RECTIFIED)
        found["head"] = LayerSpec(2 * width, self.head.outputs, takes=Kind.RECTIFIED, gives=Kind.HEAD)
        return found

    @property
    def weights(self) -> int:
        """Weights that each pixel is multiplied with: all but the encoder's."""
        return sum(spec.weights for name, spec in self.specs().items() if not name.startswith("encoder"))

    def encode(self, arithmetic: Arithmetic[Map], pixels: Map) -> Map:
        """The code (1, 1, code) of an image from what is seen of its pixels.

        The encoder of the PixelCNN auto-encoder of section 2.4.
        """
        x = arithmetic.pool(arithmetic.layer("encoder_0", pixels))
        x = arithmetic.pool(arithmetic.layer("encoder_1", x))
        whole = arithmetic.sublattice(arithmetic.taps(x, self._patch), 0, 0, self.code_side)
        return arithmetic.layer("encoder_3", arithmetic.layer("encoder_2", whole))

    @property
    def _patch(self) -> Offsets:
        """All places of the encoder's last lattice."""
        side = range(self.code_side // _SHRINKING)
        return tuple((row, column) for row in side for column in side)

    def evaluate(self, arithmetic: Arithmetic[Map], pixels: Map, given: Map | None = None) -> Map:
        """What the head says of every pixel, from what is seen of the pixels before it.

        `pixels` has `features` channels, and `given`, as large, `given` channels.
        """
        ahead = self.ahead

        def layer(name: str, ahead: int, *inputs: Map) -> Map:
            with_given = () if given is None else (arithmetic.taps(given, HERE, ahead),)
            parts = (*inputs, *with_given)
            return arithmetic.layer(name, parts[0] if len(parts) == 1 else arithmetic.concatenate(*parts))

        v = layer("vertical_0", ahead[0], arithmetic.taps(pixels, FIRST_ABOVE, ahead[0]))
        h = layer("horizontal_0", 0, arithmetic.taps(pixels, FIRST_LEFT), arithmetic.taps(v, HERE))
        vertical, horizontal = arithmetic.gate(v), arithmetic.layer("residual_0", arithmetic.gate(h))
        for number in range(1, self.layers):
            above = arithmetic.taps(vertical, self.above(number), ahead[number])
            v = layer(f"vertical_{number}", ahead[number], above)
            left = arithmetic.taps(horizontal, self.left(number))
            h = layer(f"horizontal_{number}", 0, left, arithmetic.taps(v, HERE))
            vertical = arithmetic.gate(v)
            horizontal = arithmetic.layer(f"residual_{number}", arithmetic.gate(h), horizontal)
        return arithmetic.layer("head", arithmetic.layer("last", horizontal))
