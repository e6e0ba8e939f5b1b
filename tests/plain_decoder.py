"""A decoder written from FORMAT.md alone, in plain integers: what the document promises to a stranger.

It imports nothing of ppyr, and its names are the document's.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tests import plain_ans, plain_metadata, plain_units
from tests.plain_layers import (
    Array,
    Mixture,
    ModelFile,
    Tensors,
    below,
    clamp,
    held_model,
    layer,
    read_model,
    require,
    right,
    signed,
)
from tests.plain_pixelcnn import PixelCnn
from tests.plain_pixelpyramids import PixelPyramids

INDEX, LEVEL, END, COARSEST, CHANGES, MAPPING, CONDITION, MODEL = 1, 2, 3, 4, 5, 6, 7, 8
NETWORKS = ("finest", "next", "rest")
PHASES = {"10": (1, 0), "01": (0, 1), "11": (1, 1)}
STEPS = ((0, 0), (1, 1), (0, 1), (1, 0))
CODING_ORDER = {1: (0,), 3: (1, 0, 2)}


class Traced(NamedTuple):
    """A decoded sample and what led to it; `said` has the twelve outputs of the head."""

    level: int
    step: str
    anchor: int
    said: list[int]
    mean: int
    centre: int
    table: int
    symbol: int
    sample: int


# The container


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at an offset, and the offset after it."""
    value = 0
    for digit in range(9):
        byte = data[at + digit]
        value |= (byte & 127) << 7 * digit
        if byte < 128:
            require(byte > 0 or digit == 0, "a varint is as short as possible")
            return value, at + digit + 1
    raise ValueError("a varint has at most nine bytes")


def sections(data: bytes) -> list[tuple[int, bytes]]:
    """Kind and payload of every section but those that a reader of version 0 skips."""
    found = []
    at = 64
    while at < len(data):
        kind = data[at]
        length, start = varint(data, at + 1)
        stop = start + length
        require(stop + 4 <= len(data), "a section is complete")
        require(zlib.crc32(data[at:stop]) == int.from_bytes(data[stop : stop + 4], "little"), "CRC32")
        if kind < 128 or kind in plain_metadata.KINDS:
            found.append((kind, data[start:stop]))
        at = stop + 4
    return found


# The model


class Model:
    """The tensors of a model of `ppyr-stages-3`."""

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors
        self.fraction_bits = self.tensors["fraction_bits"].astype(np.int64)
        sizes = 4 << self.fraction_bits
        self.first = np.cumsum(sizes) - sizes
        self.rows: list[list[int]] = self.tensors["tables"].tolist()
        require(len(self.rows) == sizes.sum(), "T")

    def change(self, payload: bytes) -> None:
        """Make the changes that CHANGES tells."""
        shapes = {
            name: t.shape
            for name, t in self.tensors.items()
            if name.endswith((".weight", ".bias", ".spread"))
        }
        for name in [name for name in shapes if name.endswith(".weight")]:
            layer = name.removesuffix(".weight")
            shapes[layer + ".outputs"], shapes[layer + ".inputs"] = shapes[name][:1], shapes[name][1:]
        split = [(*name.split(".", 1)[:1], *name.split(".", 1)[1].rpartition(".")[::2]) for name in shapes]
        names = [
            ".".join(word for word in (n, layer, part) if word)
            for n, part, layer in sorted((n, p, layer) for n, layer, p in split)
        ]
        runs, at = varint(payload, 0)
        require(runs > 0, "at least one changed part")
        found: list[tuple[str, int, int]] = []
        place = 0
        for _ in range(runs):
            skip, at = varint(payload, at)
            parts, at = varint(payload, at)
            table, at = varint(payload, at)
            place += skip + parts
            require(parts > 0 and place <= len(names) and payload[at] <= 15, "a run of parts")
            found += [(name, table, payload[at]) for name in names[place - parts : place]]
            at += 1
        stream = Stream.begin(payload[at:])
        changes: dict[str, Array] = {}
        for name, table, shift in found:
            size = math.prod(shapes[name])
            symbols = np.array(stream.batch(self.rows, [table] * size, [128] * size)).reshape(shapes[name])
            changes[name] = (symbols - 256 * (symbols >= 128)) << shift
        stream.end()
        values = {name: self.tensors[name].astype(np.int64) for name in shapes if name in self.tensors}
        for name in [name for name in values if name.endswith(".weight")]:
            layer, limit = name.removesuffix(".weight"), 1024 if shapes[name][-1] == 1 else 64
            outputs = 1024 + changes.pop(layer + ".outputs", np.zeros(shapes[name][:1], np.int64))
            inputs = 1024 + changes.pop(layer + ".inputs", np.zeros(shapes[name][1:], np.int64))
            scaled = values[name] * outputs[:, None, None, None] * inputs
            added = changes.pop(name, np.zeros(shapes[name], np.int64))
            values[name] = clamp(((scaled + 2**19) >> 20) + added, -limit, limit)
        for name, change in changes.items():
            values[name] += change
        for name, value in values.items():
            kind = self.tensors[name].dtype
            self.tensors[name] = value.astype(kind)
            require(bool((self.tensors[name] == value).all()), "the range of the tensor's type")

    def layer(self, name: str, x: Array, skip: Array | None = None) -> Array:
        """Layer `<N>.<L>`: x (C_in, h, w), skip (C_out, h, w) -> (C_out, h, w)."""
        kind = name.split(".")[1]
        second = kind in ("trunk", "phase") and int(name.rpartition(".")[2]) % 2 == 1
        return layer(self.tensors, name, x, 0 if kind == "head" or second else 128, skip)

    def blocks(self, x: Array, name: str) -> Array:
        for n in count(0, 2):
            if f"{name}.{n}.weight" not in self.tensors:
                break
            x = self.layer(f"{name}.{n + 1}", self.layer(f"{name}.{n}", x), x)
        return x


# The features


def anchor(phase: str, known: dict[str, Array]) -> Array:
    if phase == "10":
        return 2 * (known["00"] + below(known["00"]))
    if phase == "01":
        return 2 * (known["00"] + right(known["00"]))
    return known["10"] + right(known["10"]) + known["01"] + below(known["01"])


def in_units(a: Array, unit: int) -> Array:
    """a / 2^unit, rounded, halves upwards."""
    scaled: Array = (a + 2**unit // 2) // 2**unit
    return scaled


def residual_features(d: Array, e: Array, unit: int) -> Array:
    return np.concatenate((signed(in_units(2 * d, unit)), signed(8 * e)))


def excess(residual: Array, scale: Array) -> Array:
    smaller = np.minimum(abs(residual), 2**14 - 1)
    quarters = np.array([(a**8).bit_length() // 2 for a in smaller.ravel().tolist()]).reshape(scale.shape)
    return clamp(quarters - 8 - scale, -8, 16)


# The image


@dataclass
class Stream:
    """The ANS stream of one level."""

    words: list[int]
    state: int = 0
    information: int = 0

    @classmethod
    def begin(cls, data: bytes) -> Stream:
        require(len(data) % 4 == 0, "whole words")
        words = [int(word) for word in np.frombuffer(data, "<u4")]
        require(not words or words[-1] > 0, "the last word is not 0")
        stream = cls(words)
        stream.state = words.pop() if words else 0
        if words:
            stream.state = stream.state << 32 | words.pop()
        return stream

    def batch(self, rows: Sequence[plain_ans.Row], tables: list[int], centres: list[int]) -> list[int]:
        symbols = []
        for table, centre in zip(tables, centres, strict=True):
            row = plain_ans.folded(rows[table], centre)
            self.state, symbol = plain_ans.pop(self.state, self.words, row)
            self.information += plain_ans.information(row[symbol])
            symbols.append(symbol)
        return symbols

    def mixtures(self, bits: int, mixtures: list[Mixture]) -> list[int]:
        samples = []
        for mixture in mixtures:
            row = plain_ans.mixture(mixture, bits)
            self.state, sample = plain_ans.pop(self.state, self.words, row)
            self.information += plain_ans.information(row[sample])
            samples.append(sample)
        return samples

    def raw(self, bits: list[int]) -> list[int]:
        values = [0] * len(bits)
        for position, number in enumerate(bits):
            if number:
                row = [2 ** (24 - number)] * 2**number
                self.state, values[position] = plain_ans.pop(self.state, self.words, row)
                self.information += number << 16
        return values

    def end(self) -> None:
        require(self.state == 0 and not self.words, "the stream is used up")


@dataclass
class Decoder:
    """Puts an image together, factor of two by factor of two.

    `image` (rows, columns, channels) is what is decoded so far; `trace` has every sample in order.
    """

    model: Model
    image: Array
    used: int
    units: list[int]  # of each factor of two, the finest first; none of samples of 8 bits
    unit: int = 0
    level: int = 0
    information: int = 0
    trace: list[Traced] = field(default_factory=list)

    def factor_of_two(self, f: int, height: int, width: int, streams: list[bytes]) -> None:
        """Undo a row level and a column level; the image becomes `height` x `width`."""
        network = NETWORKS[min(f, 2)]
        self.unit = self.units[f] if self.units else 0
        coarse = self.image
        self.image = np.full((height, width, coarse.shape[2]), -1)  # -1: not decoded yet
        self.image[::2, ::2] = coarse
        order = (1, 0, 2) if coarse.shape[2] == 3 else (0, 0, 0)
        planes = coarse.transpose(2, 0, 1)[order, :, :]
        h, w = coarse.shape[:2]
        known = {"00": np.pad(planes, ((0, 0), (0, h % 2), (0, w % 2)), "edge")}
        p00 = known["00"]
        differences = (right(p00) - p00, below(p00) - p00)
        plain, sharp = ([signed(in_units(k * d, self.unit)) for d in differences] for k in (1, 4))
        features = np.concatenate((p00 >> (self.used - 8), *plain, *sharp))
        u = self.model.blocks(self.model.layer(f"{network}.trunk_in", features), f"{network}.trunk")
        for level, phases in enumerate((("10",), ("01", "11"))):
            stream = Stream.begin(streams[level])
            for phase in phases:
                a = anchor(phase, known)
                guess = (a + 2) >> 2
                known[phase], e = self._phase(network, phase, u, a, guess, stream)
                if phase != "11":
                    x = residual_features(known[phase] - guess, e, self.unit)
                    u = self.model.layer(f"{network}.phase_in.{phase}", x, u)
                    u = self.model.blocks(u, f"{network}.phase.{phase}")
            stream.end()
            self.information += stream.information
            self.level += 1

    def _phase(
        self, network: str, phase: str, u: Array, a: Array, guess: Array, stream: Stream
    ) -> tuple[Array, Array]:
        """The four steps of a phase; returns its planes and their excess."""
        down, across = PHASES[phase]
        pixels = self.image[down::2, across::2]  # a view: the phase's part of the image
        planes, e = guess.copy(), np.zeros_like(guess)
        for s, (dy, dx) in enumerate(STEPS):
            target = pixels[dy::2, dx::2]
            if target.size == 0:
                continue
            name = f"{phase}_{s}"
            x = u[:, dy::2, dx::2]
            if s > 0:
                d = planes - guess
                earlier = (
                    (slice(None), slice(down, None, 2), slice(right, None, 2)) for down, right in STEPS[:s]
                )
                step_features = [residual_features(d[part], e[part], self.unit) for part in earlier]
                x = self.model.layer(f"{network}.step_in.{name}", np.concatenate(step_features), x)
            y = self.model.layer(f"{network}.step_mid.{name}", x)
            y = self.model.layer(f"{network}.head.{name}", y)
            inside = (slice(None), slice(target.shape[0]), slice(target.shape[1]))
            spread = self.model.tensors[f"{network}.spread"].astype(np.int64)
            samples, excesses = self._step(
                name, y[inside], a[:, dy::2, dx::2][inside], target, stream, spread
            )
            planes[:, dy::2, dx::2][inside] = samples
            e[:, dy::2, dx::2][inside] = excesses
        return planes, e

    def _step(
        self, name: str, y: Array, a: Array, target: Array, stream: Stream, spread: Array
    ) -> tuple[Array, Array]:
        """The batches of a step, written to `target` (n, m, channels); returns planes and excess."""
        samples, mean, scale = np.zeros_like(a), 16 * a + (y[:3] << self.unit), y[3:6].copy()
        excesses = np.zeros_like(a)
        order = CODING_ORDER[target.shape[2]]
        for q in range(3):
            for earlier in range(q):
                share = clamp(y[9 + earlier + (q == 2)], -128, 127)
                mean[q] += (share * (64 * samples[earlier] - mean[earlier]) + 32) >> 6
                scale[q] += spread[earlier + q - 1][excesses[earlier] + 8]
            scale[q] = clamp(scale[q], 0, len(self.model.fraction_bits) - 1)
            if q < len(order):
                if self.units:
                    found = self._wide(mean[q], scale[q], y[6 + q], stream)
                else:
                    found = self._narrow(mean[q], scale[q], y[6 + q], stream)
                samples[q], centre, table, symbols = found
                target[..., order[q]] = samples[q]
                for at in np.ndindex(centre.shape):
                    numbers = (mean[q][at], centre[at], table[at], symbols[at], samples[q][at])
                    said = y[(slice(None), *at)].tolist()
                    self.trace.append(Traced(self.level, name, int(a[q][at]), said, *map(int, numbers)))
            else:
                samples[q] = samples[0]
            excesses[q] = excess(in_units(64 * samples[q] - mean[q], self.unit), scale[q])
        return samples, excesses

    def _narrow(self, mean: Array, scale: Array, shape: Array, stream: Stream) -> tuple[Array, ...]:
        """Samples of 8 bits, their centres, table numbers and symbols."""
        centre, table = self._locate(clamp(mean, 0, 255 * 64), scale, shape)
        popped = stream.batch(self.model.rows, table.ravel().tolist(), centre.ravel().tolist())
        symbols = np.array(popped).reshape(centre.shape)
        return (centre + symbols) % 256, centre, table, symbols

    def _wide(self, mean: Array, scale: Array, shape: Array, stream: Stream) -> tuple[Array, ...]:
        """The same of samples of more than 8 bits."""
        mean = clamp(mean, 0, (2**self.used - 1) * 64)
        r = np.maximum(0, -((28 - scale - 4 * self.unit) // 4))
        centre, table = self._locate((mean - 32 * (2**r - 1)) >> r, scale + 4 * self.unit - 4 * r, shape)
        middle, size = [128] * centre.size, centre.shape
        symbols = np.array(stream.batch(self.model.rows, table.ravel().tolist(), middle)).reshape(size)
        narrowest = (1 << int(self.model.fraction_bits[0])) // 2
        wraps = np.array(stream.batch(self.model.rows, [narrowest] * centre.size, middle)).reshape(size)
        low = np.array(stream.raw(r.ravel().tolist()), np.int64).reshape(size)
        near, far = ((number + 128) % 256 - 128 for number in (symbols, wraps))
        samples = (((centre + 256 * far + near) << r) + low) % 65536
        return samples, centre, table, symbols

    def _locate(self, mean: Array, scale: Array, shape: Array) -> tuple[Array, Array]:
        """Centres and table numbers."""
        e = self.model.fraction_bits[scale]
        t = (mean + (1 << (5 - e))) >> (6 - e)
        half = (1 << e) // 2
        centre = (t + half) >> e
        fraction = t + half - (centre << e)
        return centre, self.model.first[scale] + (clamp(shape, 0, 3) << e) + fraction


class Coded(NamedTuple):
    """What a file tells of the coded image and of its model."""

    tile: int
    coarsest: int
    bits: int
    used: int
    units: list[int]
    condition: bytes
    changes: bytes


class Unit(NamedTuple):
    """A unit, its samples (h, w, c)."""

    samples: Array
    information: int
    trace: list[Traced]


DecodeUnit = Callable[[Array, int, int, list[bytes]], Unit]
"""Decodes a unit from its first pixel (c,), h, w and the streams of the levels that it has."""


def unit_decoder(model: ModelFile, coded: Coded) -> DecodeUnit:
    if model.architecture == "ppyr-pixelcnn-1":
        pixelcnn = PixelCnn(model.tensors)
        require(coded.tile == coded.coarsest == pixelcnn.side_bits, "tiles and coarsest images")
        require(coded.bits <= 8 and not coded.changes, "narrow samples, no changes")
        return partial(pixelcnn_unit, pixelcnn, pixelcnn.given(coded.condition), coded.bits)
    require(not coded.condition, "no condition")
    if model.architecture == "ppyr-pixelpyramids-1":
        pyramids = PixelPyramids(model.tensors)
        require(coded.coarsest == pyramids.coarsest.side_bits, "coarsest images")
        require(coded.bits <= 8 and not coded.changes, "narrow samples, no changes")
        return partial(pixelpyramids_unit, pyramids, coded.bits)
    require(model.architecture == "ppyr-stages-3" and coded.coarsest == 0, "architecture, coarsest images")
    stages = Model(model.tensors)
    if coded.changes:
        stages.change(coded.changes)
    return partial(stages_unit, stages, coded)


def stages_unit(model: Model, coded: Coded, pixel: Array, h: int, w: int, streams: list[bytes]) -> Unit:
    decoder = Decoder(model, pixel.reshape(1, 1, -1), coded.used, coded.units)
    for n in range(0, len(streams), 2):
        f = len(streams) // 2 - 1 - n // 2
        decoder.factor_of_two(f, -(-h >> f), -(-w >> f), streams[n : n + 2])
    return Unit(decoder.image, decoder.information, decoder.trace)


def pixelcnn_unit(
    model: PixelCnn, given: Array, bits: int, pixel: Array, h: int, w: int, streams: list[bytes]
) -> Unit:
    stream = Stream.begin(b"".join(streams))
    image = model.decode(pixel, h, w, bits, given, partial(stream.mixtures, bits))
    stream.end()
    return Unit(image.transpose(1, 2, 0), stream.information, [])


def pixelpyramids_unit(
    model: PixelPyramids, bits: int, pixel: Array, h: int, w: int, streams: list[bytes]
) -> Unit:
    if len(streams) == 0:
        return Unit(pixel.reshape(1, 1, -1), 0, [])
    first, *streams = streams
    halved, stream = len(streams) // 2, Stream.begin(first)
    image = model.coarsest.decode(
        pixel, -(-h >> halved), -(-w >> halved), bits, np.zeros(0, np.int64), partial(stream.mixtures, bits)
    )
    stream.end()
    information = stream.information
    for d, data in zip(reversed(range(len(streams))), streams, strict=True):
        whole = np.zeros((len(pixel), -(-h >> d // 2), -(-w >> (d + 1) // 2)), np.int64)
        coarse, fine = (whole[:, n::2] if d % 2 else whole[:, :, n::2] for n in (0, 1))
        stream = Stream.begin(data)
        _, rows, columns = fine.shape
        coarse[...] = image
        fine[...] = model.level(d, image, rows, columns, bits, partial(stream.mixtures, bits))
        stream.end()
        information += stream.information
        image = whole
    return Unit(image.transpose(1, 2, 0), information, [])


def decode(data: bytes, model_file: bytes) -> tuple[npt.NDArray[np.unsignedinteger], list[Traced]]:
    """The image (height, width, channels) in a file, and how each sample was decoded.

    `model_file` is of the model that the file names; of its base if the file holds a model that has one.
    ValueError where the file or the model breaks a rule of the document.
    """
    require(data[:10] == b"\x8bPPYR\r\n\x1a\n\0", "signature and version")
    require(zlib.crc32(data[:60]) == int.from_bytes(data[60:64], "little"), "the header's CRC32")
    channels, bit_depth = data[10], data[11]
    require(1 <= channels <= 4 and 1 <= bit_depth <= 16, "channels and bit_depth")
    width, height = (int.from_bytes(data[at : at + 4], "little") for at in (12, 16))

    found = sections(data)
    last = next(n for n, (kind, _) in enumerate(found[1:], 1) if kind not in plain_metadata.KINDS)
    plain_metadata.metadata(found[1:last], varint, channels, bit_depth)
    kinds, payloads = zip(found[0], *found[last:], strict=True)
    index = payloads[0]
    listed: list[int] = []
    at = 0
    while at < len(index):
        number, at = varint(index, at)
        listed.append(number)
    numbers = iter(listed)
    tile, coarsest_bits, condition, mapping = (next(numbers) for _ in range(4))
    coded_channels, bits = (next(numbers), next(numbers)) if mapping else (channels, bit_depth)
    side = 1 << tile
    m = (max(min(width, side), min(height, side)) - 1).bit_length()
    level_count = 2 * max(0, m - coarsest_bits) + (coarsest_bits > 0 and m > 0)
    require(4 <= tile <= 10 and next(numbers) == level_count, "INDEX")
    require(0 <= coarsest_bits <= (tile if bits <= 8 else 0) and condition <= 4096, "coarsest and condition")
    used, scales = 8, []
    if bits > 8:
        used, scales = next(numbers), [next(numbers) for _ in range(m)][::-1]
        require(8 <= used <= bits and max(scales, default=0) <= used - 8, "used and unit")
    alpha = coded_channels % 2 == 0
    parts = [slice(0, coded_channels - alpha)]
    parts += [slice(coded_channels - 1, coded_channels)] if alpha else []
    cells = [(y, x, part) for y in range(0, height, side) for x in range(0, width, side) for part in parts]
    methods = [next(numbers) for _ in cells]
    listed = [next(numbers) for _ in range(level_count * len(cells))]
    sizes = np.array(listed, np.int64).reshape(level_count, len(cells))
    for n, method in enumerate(methods):
        first = {plain_units.MODEL: level_count, plain_units.CONSTANT: 0}.get(method, 1)
        require(method <= plain_units.LZMA_NEIGHBOURS and not sizes[first:, n].any(), "method and sizes")
    left = list(numbers)
    require(len(left) < 3 and (not left or left[-1] > 0), "INDEX")
    changes, embedded = (*left, 0, 0)[:2]
    sizes_told = {MAPPING: mapping, MODEL: embedded, CHANGES: changes, CONDITION: condition}
    optional = [kind for kind, size in sizes_told.items() if size]
    order = (INDEX, *optional, COARSEST, *(LEVEL for row in sizes if row.any()), END)
    require(kinds == order, "the order of the sections")
    require(
        all(len(p) == sizes_told.get(kind, len(p)) for kind, p in zip(kinds, payloads, strict=True)),
        "sizes told",
    )
    coarsest, *stored, end = payloads[1 + len(optional) :]
    decode_unit = None
    if plain_units.MODEL in methods:
        told = dict(zip(kinds, payloads, strict=True))
        model = held_model(told[MODEL], model_file) if embedded else read_model(model_file)
        require(model.id == data[20:36], "model id")
        decode_unit = unit_decoder(
            model,
            Coded(tile, coarsest_bits, bits, used, scales, told.get(CONDITION, b""), told.get(CHANGES, b"")),
        )
    else:
        require(data[20:36] == bytes(16) and not condition and not any(left), "what only a model has")
    stored_type = "<u1" if bits <= 8 else "<u2"
    pixels = np.frombuffer(coarsest, stored_type).astype(np.int64)
    require(len(pixels) * len(parts) == len(cells) * coded_channels and end == b"", "COARSEST and END")
    rest = iter(stored)
    levels = [pieces(next(rest), row.tolist()) if row.any() else [b""] * len(cells) for row in sizes]

    image = np.zeros((height, width, coded_channels), np.int64)
    information, trace = 0, []
    for number, (y, x, part) in enumerate(cells):
        target = image[y : y + side, x : x + side, part]
        h, w, depth = target.shape
        pixel, pixels = pixels[:depth], pixels[depth:]
        streams = [level[number] for level in levels]
        if decode_unit is None or methods[number] != plain_units.MODEL:
            target[...] = plain_units.unit(methods[number], b"".join(streams), pixel, (h, w, depth), bits)
            continue
        own = (max(h, w) - 1).bit_length()
        pyramid = 2 * max(0, own - coarsest_bits)
        levels_of_unit = [*range(coarsest_bits > 0 and own > 0), *range(level_count - pyramid, level_count)]
        lacking = set(range(level_count)) - set(levels_of_unit)
        require(not any(streams[level] for level in lacking), "levels that a small tile has not")
        unit = decode_unit(pixel, h, w, [streams[level] for level in levels_of_unit])
        target[...] = unit.samples
        information += unit.information
        trace += unit.trace
    require(information == int.from_bytes(data[52:60], "little"), "information")
    if mapping:
        content = plain_metadata.inflated(payloads[1], varint)
        image = plain_units.mapped(content, image, channels, bit_depth, varint)
    samples = image.astype("<u1" if bit_depth <= 8 else "<u2")
    require(hashlib.sha256(samples.tobytes()).digest()[:16] == data[36:52], "pixel digest")
    return samples, trace


def pieces(payload: bytes, sizes: list[int]) -> list[bytes]:
    """The streams of a level."""
    if len(sizes) == 1:
        require(len(payload) == sizes[0], "the size of the stream")
        return [payload]
    found, at = [], 0
    for size in sizes:
        stream, at = payload[at : at + size], at + size
        if size:
            require(zlib.crc32(stream) == int.from_bytes(payload[at : at + 4], "little"), "a stream's CRC32")
            at += 4
        found.append(stream)
    require(at == len(payload), "the sizes of the streams")
    return found
