"""PixelPyramids of FORMAT.md; nothing of ppyr.

A part of `plain_decoder`, with its names.
"""

from __future__ import annotations

import numpy as np

from tests.plain_layers import (
    Array,
    Head,
    Read,
    Tensors,
    below,
    cell,
    enlarge,
    join,
    layer,
    pool,
    require,
    right,
    signed,
)
from tests.plain_pixelcnn import PixelCnn

TWO = [(0, 0), (1, 1), (0, 1), (1, 0)]
ORDER = {
    1: [(0, 0)],
    2: TWO,
    4: [(2 * i + y, 2 * j + x) for y, x in TWO for i, j in TWO],
}


class PixelPyramids:
    """A model."""

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors
        _, self.hidden, components, anchored, *levels = tensors["settings"].tolist()
        self.n = len(levels) // 2
        self.depth, self.stride = levels[: self.n], levels[self.n :]
        self.head = Head(3, components, anchored)
        own = {name.removeprefix("coarsest."): tensors[name] for name in tensors if name[:9] == "coarsest."}
        self.coarsest = PixelCnn(own)
        require(self.coarsest.planes == 3 and len(self.coarsest.given(b"")) == 0, "coarsest.settings")

    def level(self, d: int, coarse: Array, h: int, w: int, bits: int, read: Read) -> Array:
        """The pixels (c, h, w) of the fine image of a level, d from the finest one, of a coarse (c, H, W)."""
        channels = len(coarse)
        fine = np.zeros((channels, h, w), np.int64)
        if fine.size == 0:
            return fine
        number = d if d < self.n else self.n - 2 + (d - self.n) % 2
        depth, stride = self.depth[number], self.stride[number]

        def run(name: str, x: Array) -> Array:
            zero = 128 if name in ("down_0_0", "lstm_0", "lstm_1", "last") else 0
            return layer(self.tensors, f"level_{number}.{name}", x, zero)

        k = np.repeat(coarse, 3 // channels, 0)
        anchors = 32 * (k + (below(k) if d % 2 else right(k)))[:, :h, :w]
        x = coarse_features(k << (8 - bits), max(2**depth, stride))
        skips = []
        for s in range(depth + 1):
            x = run(f"down_{s}_1", run(f"down_{s}_0", pool(x) if s > 0 else x))
            skips.append(x)
        for s in reversed(range(depth)):
            x = run(f"up_{s}_1", run(f"up_{s}_0", join(enlarge(x), skips[s])))
        size = x.shape[1] // stride, x.shape[2] // stride
        a, t, b, u = (np.full((self.hidden, *size), 128) for _ in range(4))
        z = np.full((6, *size), 128)
        for i, j in ORDER[stride]:
            at = slice(None), slice(i, None, stride), slice(j, None, stride)
            _, n, m = fine[at].shape
            if n * m == 0:
                continue
            a, t = cell(run("lstm_0", join(x[at], z, a)), t)
            b, u = cell(run("lstm_1", join(a, b)), u)
            said = run("head", run("last", b))[:, :n, :m].reshape(-1, n * m)
            samples = self.head.decode(said, anchors[at].reshape(3, -1), channels, read)
            fine[at] = samples.reshape(channels, n, m)
            z = np.full_like(z, 128)
            z[:, :n, :m] = seen(np.repeat(fine[at], 3 // channels, 0), anchors[at], bits)
        return fine


def coarse_features(planes: Array, multiple: int) -> Array:
    padding = [(0, 0), *((0, -size % multiple) for size in planes.shape[1:])]
    p = np.pad(planes, padding, "edge")
    r, b = right(p) - p, below(p) - p
    return join(p, signed(r), signed(b), signed(4 * r), signed(4 * b))


def seen(samples: Array, anchors: Array, bits: int) -> Array:
    e = (64 * samples - anchors) << (8 - bits)
    return join(signed((e + 32) >> 6), signed((8 * e + 32) >> 6))
