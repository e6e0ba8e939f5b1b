"""What a head says of mixtures of logistics, and the integers that the entropy coder makes tables of.

Each channel of a pixel has a mixture of K discretised logistics, and the means of a channel are linear in the
channels before it, R, then G, then B (PixelCNN++, Salimans et al. 2017, section 2.2; its shared mixture
indicator is left out: every channel has weights of its own). The means of the first components are offsets
from an anchor, a guess from known neighbours; those of the others are sample values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from ppyr.bitstream.exponential import decays
from ppyr.bitstream.mixtures import LARGEST_MEAN, MOST_WEIGHT, SCALES, Mixtures
from ppyr.errors import ModelError

from .features import Integers, clamped

#: Steps of a logit for a factor of e in the weight, as a binary logarithm.
LOGIT_BITS = 5
#: The same of a head's real outputs: logits, means (1/64 sample value), scales (quarter octaves), couplings.
OUTPUT_BITS = (LOGIT_BITS, 9, 3, 6)
#: Share of an earlier channel's residual, in 1/64.
COUPLING_BITS = 6
SMALLEST_SCALE = 2.0**-4
_FARTHEST = 512
#: Weight of a component whose logit is so many steps below the largest one.
_WEIGHTS = np.array(decays(_FARTHEST, 1 << LOGIT_BITS, MOST_WEIGHT), np.uint16)


@dataclass(frozen=True)
class MixtureHead:
    """How a head says mixtures.

    Attributes:
        components: K, 1..16.
        planes: channels of a pixel, 1 or 3.
        anchored: how many of the components have a mean that counts from the anchor.

    Raises:
        ModelError: a number is out of range.
    """

    components: int
    planes: int
    anchored: int

    def __post_init__(self) -> None:
        known = 1 <= self.components <= 16 and self.planes in (1, 3)
        if not known or not 0 <= self.anchored <= self.components:
            raise ModelError(f"{self} is no mixture: 1 to 16 components, 1 or 3 planes", found=self)

    @property
    def parts(self) -> tuple[int, ...]:
        """Outputs for logits, means and scales of all planes, and couplings of all pairs of planes."""
        pairs = self.planes * (self.planes - 1) // 2
        return tuple(self.components * count for count in (self.planes,) * 3 + (pairs,))

    @property
    def outputs(self) -> int:
        """Channels of the head."""
        return sum(self.parts)

    @property
    def bits(self) -> tuple[int, ...]:
        """Binary digits after the point of each output."""
        return tuple(bits for bits, count in zip(OUTPUT_BITS, self.parts, strict=True) for _ in range(count))

    def mixtures(
        self,
        plane: int,
        said: npt.NDArray[np.int16],
        anchors: Integers,
        residuals: Integers,
        bits: int,
    ) -> Mixtures:
        """The mixtures of a plane of n pixels.

        Args:
            plane: 0..planes - 1.
            said: by the head, (n, outputs).
            anchors: (n, planes), in 1/64 sample value.
            residuals: what the earlier planes are more than their anchors, (n, planes), in 1/64.
            bits: of a sample.
        """
        shape = len(said), self.components
        weights, means = np.empty(shape, np.uint16), np.empty(shape, np.int32)
        scales = np.empty(shape, np.uint8)
        found = weights, means, scales
        _components(plane, self.planes, self.anchored, said, anchors, residuals, _WEIGHTS, *found)
        return Mixtures(*found, bits)


@njit(nogil=True, cache=True)
def _components(
    plane: int,
    planes: int,
    anchored: int,
    said: npt.NDArray[np.int16],
    anchors: Integers,
    residuals: Integers,
    table: npt.NDArray[np.uint16],
    weights: npt.NDArray[np.uint16],
    means: npt.NDArray[np.int32],
    scales: npt.NDArray[np.uint8],
) -> None:
    count, components = weights.shape
    logit = plane * components
    mean, scale = logit + planes * components, logit + 2 * planes * components
    for n in range(count):
        largest = np.int64(said[n, logit : logit + components].max())
        for k in range(components):
            weights[n, k] = table[min(largest - said[n, logit + k], len(table) - 1)]
            value = np.int64(said[n, mean + k])
            if k < anchored:
                value += anchors[n, plane]
            for earlier in range(plane):
                pair = 3 * planes + plane - 1 + earlier
                share = np.int64(said[n, pair * components + k]) * residuals[n, earlier]
                value += (share + (1 << (COUPLING_BITS - 1))) >> COUPLING_BITS
            means[n, k] = clamped(value, -LARGEST_MEAN, LARGEST_MEAN)
            scales[n, k] = clamped(said[n, scale + k], 0, SCALES - 1)
