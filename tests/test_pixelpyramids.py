"""PixelPyramids: decoding computes what training computed, from nothing that is not yet decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from ppyr.bitstream.coder import StreamDecoder, StreamEncoder
from ppyr.bitstream.mixtures import Mixtures
from ppyr.bitstream.tables import TableSet
from ppyr.errors import ConfigurationError, FormatError, ModelError
from ppyr.geometry import coarsest_shape, shapes
from ppyr.models.backends import Tensor as Map
from ppyr.models.backends import backend
from ppyr.models.backends.reference import Reference
from ppyr.models.depth import BYTES
from ppyr.models.differentiable import Differentiable
from ppyr.models.gates import STATE_BITS, STREAM_BITS
from ppyr.models.integer import Layer
from ppyr.models.pixelcnn.learning import PixelCnnNet
from ppyr.models.pixelcnn.network import PixelCnnConfig
from ppyr.models.pixelpyramids.coding import PixelPyramids, StepPrediction, check
from ppyr.models.pixelpyramids.learning import LevelNet, level_batch, model_tensors
from ppyr.models.pixelpyramids.network import PyramidConfig
from ppyr.models.pixelpyramids.sizes import PUBLISHED, macs_per_pixel, parameters, sequential_steps
from ppyr.models.weights import Weights
from ppyr.pyramid import build, merge, split

from .photograph import crop
from .some_backends import HERE

Pixels = npt.NDArray[np.uint8]

FIRST = np.full(3, 128, np.uint8)
TINY = PyramidConfig(
    width=4,
    hidden=6,
    components=3,
    anchored=2,
    depths=(2, 1, 1, 1),
    strides=(4, 2, 2, 1),
    coarsest=PixelCnnConfig(2, 3, width=6, layers=2, components=3, anchored=3),
)
NO_TABLES = TableSet(np.empty((0, 256), np.uint32))
IMAGES = [(8, (16, 24, 3)), (5, (16, 24, 1)), (8, (9, 7, 3)), (8, (1, 1, 3)), (8, (1, 6, 1)), (5, (5, 1, 3))]


class Tabled(Differentiable):
    """The arithmetic of training, but for the memory cell, whose tables are those of coding."""

    def cell(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        def integers(values: Tensor, bits: int) -> npt.NDArray[np.int64]:
            return np.asarray(values * 2**bits + 128, np.int64).transpose(0, 2, 3, 1)

        def reals(values: npt.NDArray[np.int64], bits: int) -> Tensor:
            return torch.from_numpy(values.transpose(0, 3, 1, 2)).sub(128).float().div(2**bits)

        pairs = zip(integers(x, STREAM_BITS), integers(state, STATE_BITS), strict=True)
        outputs, states = zip(*(Reference().cell(*pair) for pair in pairs), strict=True)
        return reals(np.stack(outputs), STREAM_BITS), reals(np.stack(states), STATE_BITS)


@cache
def nets(bits: int) -> list[LevelNet]:
    """Rounded networks that say something else of every pixel, and remember long."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(bits)
        found = [LevelNet(network, bits) for network in TINY.networks]
        for net in found:
            net.layers.conv("head").weight.mul_(4)
            for name in net.layers.specs:
                bias = net.layers.conv(name).bias
                bias.add_(0.1 * torch.randn_like(bias))
            net.set_quantize(True)
    return found


@cache
def weights(bits: int) -> Weights:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(bits)
        coarsest = PixelCnnNet(TINY.coarsest, bits)
    return Weights(model_tensors(TINY, nets(bits), coarsest, FIRST), {})


def model(bits: int, name: str = "torch") -> PixelPyramids:
    return PixelPyramids(weights(bits), backend(name))


def picture(bits: int, shape: tuple[int, int, int]) -> Pixels:
    found: Pixels = crop(*shape[:2])[..., : shape[2]]
    return np.right_shift(found, 8 - bits, dtype=np.uint8)


def encoded(coder: PixelPyramids, image: Pixels, bits: int) -> bytes:
    coarse, fines = build(image, 8, coder.coarsest_bits)
    levels = shapes(image.shape[0], image.shape[1], coder.coarsest_bits)
    stream, predictor = StreamEncoder(NO_TABLES), coder.predictor(len(levels), bits, BYTES, b"")
    for front in predictor.coarsest(coarse, known=True):
        for channel in front.channels:
            stream.put_mixtures(coarse[front.rows, front.columns, channel], front.distribution(channel))
    for level, fine in zip(levels, fines, strict=True):
        for step in predictor.level(level.axis, coarse, fine):
            for channel in step.channels:
                pixels = step.coarse[..., channel] + step.fine[..., channel]
                stream.put_mixtures(pixels.ravel(), step.distribution(channel))
        coarse = merge(coarse, fine, level.axis, 8)
    return stream.finish()


def decoded(
    coder: PixelPyramids, data: bytes, first: Pixels, shape: tuple[int, int, int], bits: int
) -> Pixels:
    levels = shapes(*shape[:2], coder.coarsest_bits)
    stream, predictor = StreamDecoder(NO_TABLES, data), coder.predictor(len(levels), bits, BYTES, b"")
    coarse = np.zeros((*coarsest_shape(*shape[:2], coder.coarsest_bits), shape[2]), np.uint8)
    coarse[:1, :1] = first
    for front in predictor.coarsest(coarse, known=False):
        for channel in front.channels:
            coarse[front.rows, front.columns, channel] = stream.get_mixtures(front.distribution(channel))
    for level in levels:
        fine = np.zeros((*level.fine, shape[2]), np.uint8)
        for step in predictor.level(level.axis, coarse, fine):
            for channel in step.channels:
                pixels = stream.get_mixtures(step.distribution(channel)).reshape(step.fine.shape[:2])
                step.fine[..., channel] = pixels - step.coarse[..., channel]
        coarse = merge(coarse, fine, level.axis, 8)
    stream.finish()
    return coarse


@pytest.mark.parametrize(("bits", "shape"), IMAGES)
def test_what_one_backend_writes_all_others_write_and_read(bits: int, shape: tuple[int, int, int]) -> None:
    image = picture(bits, shape)
    data = encoded(model(bits, "reference"), image, bits)
    for name in HERE:
        assert encoded(model(bits, name), image, bits) == data
        assert np.array_equal(decoded(model(bits, name), data, image[:1, :1], shape, bits), image)


def level_of(image: Pixels, distance: int) -> tuple[Pixels, Pixels]:
    """Coarse and fine image of a level of an image."""
    for finer in range(distance + 1):
        image, fine = split(image, 1 - finer % 2, 8)
    return image, fine


def predicted(
    coder: PixelPyramids, coarse: Pixels, fine: Pixels, distance: int, bits: int
) -> Iterator[StepPrediction]:
    """The steps of a level."""
    return coder.predictor(distance + 1, bits, BYTES, b"").level(1 - distance % 2, coarse, fine)


@pytest.mark.parametrize(("bits", "shape"), IMAGES[:3])
@pytest.mark.parametrize("distance", range(4))
def test_coding_computes_what_training_computes(
    bits: int, shape: tuple[int, int, int], distance: int
) -> None:
    """All but the memory cell, where training does not round tanh and sigmoid to tables."""
    image, trained = picture(bits, shape), nets(bits)[distance]
    tabled = LevelNet(trained.config, bits)
    tabled.layers = Tabled(trained.config.specs())
    tabled.load_state_dict(trained.state_dict())
    tabled.set_quantize(True)
    batch = level_batch(image[np.newaxis], distance, trained.config, bits)
    with torch.no_grad():
        said, guesses, samples = (
            values[0].permute(1, 2, 0).numpy()
            for values in (tabled.steps(batch), batch.anchors, batch.samples)
        )
    stride, head = trained.config.stride, trained.config.head
    places = trained.config.steps(*samples.shape[:2])
    steps = predicted(model(bits), *level_of(image, distance), distance, bits)
    for (row, column), step in zip(places, steps, strict=True):
        at = slice(row, None, stride), slice(column, None, stride)
        assert np.array_equal(step.coarse + step.fine, samples[at])
        anchors = (64 * guesses[at]).astype(np.int32).reshape(-1, 3)
        residuals = (
            64 * np.broadcast_to(samples[at], guesses[at].shape).reshape(-1, 3).astype(np.int32) - anchors
        )
        for channel in step.channels:
            integers = said[at].astype(np.int16).reshape(len(anchors), -1)
            expected = head.mixtures(channel, integers, anchors, residuals, bits)
            assert same(step.distribution(channel), expected)


def same(one: Mixtures, other: Mixtures) -> bool:
    parts = ("weights", "means", "scales")
    return all(np.array_equal(getattr(one, part), getattr(other, part)) for part in parts)


def distributions(coarse: Pixels, pixels: Pixels, distance: int) -> list[list[Mixtures]]:
    """Of every step of a level every channel's."""
    fine = pixels - coarse[: pixels.shape[0], : pixels.shape[1]]
    steps = predicted(model(8), coarse, fine, distance, 8)
    return [[step.distribution(channel) for channel in step.channels] for step in steps]


def unchanged(before: list[list[Mixtures]], after: list[list[Mixtures]]) -> list[list[bool]]:
    """Of every step, whether the distribution of each channel is the same."""
    return [[same(*pair) for pair in zip(*steps, strict=True)] for steps in zip(before, after, strict=True)]


@pytest.mark.parametrize("distance", range(3))
def test_a_step_depends_on_all_earlier_subsampled_images_and_on_nothing_later(distance: int) -> None:
    coarse, fine = level_of(crop(48, 48), distance)
    pixels, stride = coarse + fine, TINY.networks[distance].stride
    before = distributions(coarse, pixels, distance)
    for number, (row, column) in enumerate(TINY.networks[distance].order):
        for channel in range(3):
            other = pixels.copy()
            other[row::stride, column::stride, channel] ^= 0x55
            told = unchanged(before, distributions(coarse, other, distance))
            assert all(all(step) for step in told[:number])
            assert told[number] == [later <= channel for later in range(3)]
            assert not any(any(step) for step in told[number + 1 :])
    told = unchanged(before, distributions(coarse ^ np.uint8(0x55), pixels, distance))
    assert not any(any(step) for step in told)


def test_subsampled_images_are_a_partition_and_far_apart_first() -> None:
    order = PUBLISHED.networks[0].order
    assert sorted(order) == list(np.ndindex(4, 4))
    assert sorted(order[:4]) == [(0, 0), (0, 2), (2, 0), (2, 2)]
    assert sorted(row % 2 + column % 2 for row, column in order[4:8]) == [2, 2, 2, 2]
    assert PUBLISHED.networks[0].steps(3, 1) == ((0, 0), (2, 0), (1, 0))


def test_the_number_of_steps_is_logarithmic() -> None:
    steps = [sequential_steps(PUBLISHED, side, side) for side in (256, 512, 1024, 2048)]
    assert set(np.diff(steps)) == {8}
    assert sequential_steps(PUBLISHED, 1, 1) == 0


def test_published_sizes() -> None:
    assert parameters(PUBLISHED) == 165_494_552
    assert macs_per_pixel(PUBLISHED, 256, 256) * 256 * 256 == 195_935_085_568
    specs = PUBLISHED.networks[0].specs()
    assert (specs["down_4_1"].outputs, specs["up_0_1"].outputs) == (1024, 64)
    assert (specs["lstm_0"].inputs, specs["lstm_0"].outputs) == (64 + 6 + 128, 512)
    assert specs["head"].outputs == 10 * (3 + 3 + 3 + 3)


class Meter(Reference):
    """A backend that counts."""

    macs = 0

    def run(self, prepared: Layer, x: Map, skip: Map | None = None) -> Map:
        self.macs += prepared.weight.size * x.shape[0] * x.shape[1]
        return super().run(prepared, x, skip)


@pytest.mark.parametrize("shape", [(16, 16, 3), (9, 7, 3)])
def test_what_is_counted_is_what_is_computed(shape: tuple[int, int, int]) -> None:
    meter = Meter()
    encoded(PixelPyramids(weights(8), meter), picture(8, shape), 8)
    assert macs_per_pixel(TINY, *shape[:2]) * (shape[0] * shape[1]) == meter.macs


def test_networks_learn() -> None:
    image = crop(32, 32)[np.newaxis]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = LevelNet(TINY.networks[0], 8)
    batch = level_batch(image, 0, net.config, 8)
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = net(batch).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in net.parameters())


def test_settings_tell_the_sizes() -> None:
    coarsest = PUBLISHED.coarsest.settings
    assert PyramidConfig.of(PUBLISHED.settings, coarsest) == PUBLISHED
    for settings in (TINY.settings[:-1], TINY.settings[:6], TINY.settings[np.newaxis]):
        with pytest.raises(ModelError, match=r"export the model again|networks"):
            PyramidConfig.of(settings, coarsest)


@pytest.mark.parametrize(
    "sizes",
    [
        {"width": 0},
        {"hidden": 257},
        {"components": 17},
        {"anchored": 4},
        {"depths": (1, 1, 5, 1)},
        {"strides": (3, 2, 2, 2)},
        {"depths": (1, 1, 1)},
        {"coarsest": replace(TINY.coarsest, planes=1)},
        {"coarsest": replace(TINY.coarsest, classes=2)},
    ],
)
def test_sizes_out_of_range_are_refused(sizes: dict[str, object]) -> None:
    with pytest.raises(ModelError, match=r"possible|components"):
        replace(TINY, **sizes)  # type: ignore[arg-type]


def changed_tensors(**others: npt.NDArray[np.generic] | None) -> dict[str, npt.NDArray[np.generic]]:
    """Those of a model with some in place of others, or without them."""
    found = weights(8).tensors | others
    return {name: tensor for name, tensor in found.items() if tensor is not None}


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"level_2.lstm_1.bias": None}, r"level_2\.lstm_1\.bias of the model is missing"),
        (
            {"level_3.head.weight": np.zeros((36, 11, 1, 1), np.int16)},
            r"level_3\.head\.weight of the model is int16 \(36, 11, 1, 1\), where int16",
        ),
        (
            {"level_0.last.weight": np.zeros((12, 6, 1, 1), np.int8)},
            r"level_0\.last\.weight of the model is int8",
        ),
        (
            {"level_4.last.bias": np.zeros(12, np.int32)},
            r"level_4\.last\.bias of the model is int32 \(12,\), where nothing belongs",
        ),
        (
            {"settings": PUBLISHED.settings},
            r"level_0\.down_0_0\.bias of the model is int32 .*, where int32 \(64,\) belongs",
        ),
        ({"settings": None}, "settings are float64"),
        ({"coarsest.settings": None}, "settings are float64"),
        ({"coarsest.head.shift": None}, r"coarsest\.head\.shift of the model is missing"),
        ({"level_0.settings": np.zeros(3, np.int32)}, "where nothing belongs"),
    ],
)
def test_other_tensors_are_refused(others: dict[str, npt.NDArray[np.generic] | None], message: str) -> None:
    check(changed_tensors())
    with pytest.raises(ModelError, match=message):
        check(changed_tensors(**others))


def test_an_image_is_given_with_nothing() -> None:
    coder, image = model(8), picture(8, (4, 4, 3))
    assert coder.condition(image, 8, None) == b""
    with pytest.raises(ConfigurationError, match="takes no label"):
        coder.condition(image, 8, 3)
    with pytest.raises(FormatError, match="has a condition"):
        coder.predictor(4, 8, BYTES, b"\x07")
