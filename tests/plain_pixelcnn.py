"""The gated PixelCNN of FORMAT.md, evaluated on the whole image for every front; nothing of ppyr.

A part of `plain_decoder`, with its names.
"""

from __future__ import annotations

import numpy as np

from tests.plain_layers import Array, Head, Read, Tensors, gate, join, layer, require, signed, taps

V0 = [(i, j) for i in (-2, -1) for j in (-2, -1, 0, 1, 2)]
V = [(i, j) for i in (-1, 0) for j in (-1, 0, 1)]
H0, H = [(0, -2), (0, -1)], [(0, -1), (0, 0)]


class PixelCnn:
    """A model; `side_bits` is what INDEX must say for tiles and coarsest images."""

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors
        settings: list[int] = tensors["settings"].tolist()
        self.side_bits, self.planes, _, self.layers, dilations, components, anchored = settings[:7]
        self.classes, self.code, _, zero = settings[7:]
        self.d = [0, *(2 ** ((n - 1) % dilations) for n in range(1, self.layers))]
        require(zero == 0, "settings")
        self.head = Head(self.planes, components, anchored)

    def given(self, condition: bytes) -> Array:
        """The channels (G,) of what an image is given with."""
        label, stored = 255, condition
        if self.classes and (self.code or condition):
            label, stored = int.from_bytes(condition[:1]), condition[1:]
            require(label < self.classes or (self.code > 0 and label == 255), "label")
        require(2 * len(stored) == self.code, "the length of CONDITION")
        code = [number for pair in stored for number in (pair >> 4, pair & 15)]
        labels = [255 if number == label else 128 for number in range(self.classes)]
        return np.array([*labels, *(16 * number + 8 for number in code)], np.int64)

    def decode(self, first: Array, h: int, w: int, bits: int, given: Array, read: Read) -> Array:
        """The image (c, h, w) whose first pixel is `first` (c,)."""
        image = np.zeros((len(first), h, w), np.int64)
        image[:, 0, 0] = first
        require(len(first) in (1, self.planes), "as many channels as the model sees")
        i, j = np.indices((h, w))
        number = j + (3 + sum(self.d)) * i
        for front in range(1, int(number.max()) + 1):
            rows, columns = np.nonzero(number == front)
            if len(rows) == 0:
                continue
            p = image if len(first) == self.planes else np.repeat(image, self.planes, 0)
            y = self.evaluate(features(p, bits), np.broadcast_to(given[:, None, None], (len(given), h, w)))
            image[:, rows, columns] = self.head.decode(
                y[:, rows, columns], anchors(p)[:, rows, columns], len(first), read
            )
        return image

    def evaluate(self, x: Array, given: Array) -> Array:
        def run(name: str, x: Array, skip: Array | None = None) -> Array:
            return layer(self.tensors, name, x, 0 if name == "head" else 128, skip)

        v = run("vertical_0", join(taps(x, V0), given))
        h = run("horizontal_0", join(taps(x, H0), v, given))
        a = gate(v)
        b = run("residual_0", gate(h))
        for n in range(1, self.layers):
            v = run(f"vertical_{n}", join(taps(a, times(self.d[n], V)), given))
            h = run(f"horizontal_{n}", join(taps(b, times(self.d[n], H)), v, given))
            a = gate(v)
            b = run(f"residual_{n}", gate(h), b)
        return run("head", run("last", b))


def times(d: int, offsets: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(d * i, d * j) for i, j in offsets]


def features(p: Array, bits: int) -> Array:
    s = 2 ** (8 - bits)
    x, y = np.diff(p, axis=2, prepend=p[:, :, :1]), np.diff(p, axis=1, prepend=p[:, :1])
    return join(s * p, signed(4 * s * x), signed(4 * s * y), np.full((1, *p.shape[1:]), 255))


def anchors(p: Array) -> Array:
    padded = np.pad(p, ((0, 0), (1, 0), (1, 0)))
    left, up, corner = padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, :-1, :-1]
    found: Array = np.maximum(np.minimum(left + up - corner, np.maximum(left, up)), np.minimum(left, up))
    found[:, 0], found[:, 1:, 0] = left[:, 0], up[:, 1:, 0]
    return found * 64
