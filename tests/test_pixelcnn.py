from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ppyr.bitstream.mixtures import Mixtures, frequencies
from ppyr.errors import ModelError, UnsupportedImageError
from ppyr.models.arithmetic import layers_of
from ppyr.models.backends import backend
from ppyr.models.differentiable import exported
from ppyr.models.pixelcnn.coding import Front, PixelCnnCoder
from ppyr.models.pixelcnn.learning import PixelCnnNet, pixel_batch
from ppyr.models.pixelcnn.network import PixelCnnConfig
from ppyr.models.weights import Weights

from .some_backends import ALL

Bytes = npt.NDArray[np.uint8]

GRAY = PixelCnnConfig(side_bits=4, planes=1, width=6, layers=3, components=3, anchored=1)
COLOUR = replace(GRAY, planes=3)
GIVEN = replace(GRAY, classes=3, code=2, code_side=4)
MAPPED = replace(COLOUR, map_channels=2)
DILATED = replace(GRAY, layers=4, dilations=2)


def net(config: PixelCnnConfig, bits: int = 8) -> PixelCnnNet:
    """Weights that are large enough for all of them to count."""
    torch.manual_seed(3)
    found = PixelCnnNet(config, bits)
    with torch.no_grad():
        for parameter in found.parameters():
            if parameter.ndim == 2:
                parameter.mul_(2)
    return found


def coder(config: PixelCnnConfig, name: str = "auto") -> PixelCnnCoder:
    weights = Weights(exported(net(config).layers, config.head.bits), {})
    runner = backend(name)
    return PixelCnnCoder(config, layers_of(weights, config.specs()), runner)


def image(*shape: int) -> Bytes:
    return np.random.default_rng(5).integers(0, 256, shape, np.uint8)


def distributions(fronts: Iterator[Front], known: Bytes, unknown: Bytes) -> list[Mixtures]:
    """Those of all samples, one front and channel after the other; `unknown` becomes `known`."""
    found = []
    for front in fronts:
        for channel in front.channels:
            found.append(front.distribution(channel))
            places = front.rows, front.columns, channel
            unknown[places] = known[places]
    return found


def arrays(mixtures: list[Mixtures]) -> dict[str, npt.NDArray[np.generic]]:
    joined = Mixtures.joined(mixtures)
    return {name: getattr(joined, name) for name in ("weights", "means", "scales")}


def first_only(picture: Bytes) -> Bytes:
    found = np.full_like(picture, 77)
    found[0, 0] = picture[0, 0]
    return found


@pytest.mark.parametrize("config", [replace(GRAY, layers=6), replace(GRAY, layers=5, dilations=2)])
@pytest.mark.parametrize("place", [(0, 0), (0, 3), (3, 0), (3, 3), (6, 2), (6, 6)])
def test_a_pixel_depends_on_all_pixels_before_it_and_on_no_other(
    place: tuple[int, int], config: PixelCnnConfig
) -> None:
    network = net(config)
    pixels = torch.randn(1, config.features, 7, 7, requires_grad=True)
    config.evaluate(network.layers, pixels)[0, :, place[0], place[1]].square().sum().backward()  # type: ignore[no-untyped-call]
    assert pixels.grad is not None
    depends = (pixels.grad[0].abs().sum(0) > 0).numpy().ravel()
    number = place[0] * 7 + place[1]
    assert depends[:number].all()
    assert not depends[number:].any()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("config", "shape", "given"),
    [
        (GRAY, (9, 11, 1), None),
        (GRAY, (1, 5, 1), None),
        (GRAY, (5, 1, 1), None),
        (GRAY, (16, 2, 1), None),
        (DILATED, (9, 11, 1), None),
        (DILATED, (16, 2, 1), None),
        (COLOUR, (6, 7, 3), None),
        (COLOUR, (6, 7, 1), None),
        (GIVEN, (6, 7, 1), image(5)),
        (MAPPED, (6, 7, 3), image(6, 7, 2)),
    ],
)
def test_front_by_front_is_the_same_as_at_once(
    config: PixelCnnConfig, shape: tuple[int, ...], given: Bytes | None, name: str
) -> None:
    known, runner = image(*shape), coder(config, name)
    unknown = first_only(known)
    in_turn = distributions(runner.fronts(unknown, 8, given, known=False), known, unknown)
    at_once = distributions(runner.fronts(known, 8, given, known=True), known, known)
    reference = coder(config, "reference").fronts(known, 8, given, known=True)
    expected = distributions(reference, known, known)
    assert np.array_equal(unknown, known)
    assert sum(len(found.weights) for found in in_turn) == known[..., 0].size * shape[2] - shape[2]
    for part, found in arrays(in_turn).items():
        assert np.array_equal(found, arrays(at_once)[part])
        assert np.array_equal(found, arrays(expected)[part])


def test_both_orders_are_the_same() -> None:
    known = image(6, 7, 1)
    unknown = first_only(known)
    places = []
    for front in coder(GRAY).fronts(unknown, 8, known=False):
        unknown[front.rows, front.columns] = known[front.rows, front.columns]
        places += list(zip(front.rows, front.columns, strict=True))
    (front,) = coder(GRAY).fronts(known, 8, known=True)
    assert places == list(zip(front.rows, front.columns, strict=True))


def test_the_front_of_a_row_is_as_far_ahead_as_layers_see() -> None:
    assert GRAY.slope == 1 + 2 + 1 + 1
    assert DILATED.slope == 1 + 2 + 1 + 2 + 1
    tall = image(16, 16, 1)
    assert len(list(coder(GRAY).fronts(tall, 8, known=False))) == 16 + 15 * GRAY.slope - 1


def test_what_an_image_is_given_with_changes_every_distribution() -> None:
    known, given = image(6, 7, 1), image(5)
    (front,) = coder(GIVEN).fronts(known, 8, given, known=True)
    (other,) = coder(GIVEN).fronts(known, 8, np.full(5, 128, np.uint8), known=True)
    assert (front.said != other.said).any(1).all()


@pytest.mark.parametrize("bits", [1, 5, 8])
def test_the_integers_cost_what_the_rounded_network_does(bits: int) -> None:
    known: Bytes = image(12, 12, 3) // np.uint8(1 << 8 - bits)
    network = net(COLOUR, bits)
    network.set_quantize(True)
    with torch.no_grad():
        expected = float(network(pixel_batch(known[np.newaxis], bits)).sum())
    weights = Weights(exported(network.layers, COLOUR.head.bits), {})
    runner = backend()
    cost = 0.0
    for front in PixelCnnCoder(COLOUR, layers_of(weights, COLOUR.specs()), runner).fronts(
        known, bits, known=True
    ):
        for channel in front.channels:
            samples = known[front.rows, front.columns, channel]
            own = frequencies(front.distribution(channel))[np.arange(len(samples)), samples]
            cost -= np.log2(own / 2**24).sum()
    assert abs(cost / expected - 1) < 0.01


def test_colours_need_a_network_that_sees_them() -> None:
    with pytest.raises(UnsupportedImageError, match="codes images of 1 channels, and this one has 3"):
        next(coder(GRAY).fronts(image(4, 4, 3), 8, known=True))


@pytest.mark.parametrize(
    "wrong",
    [
        {"side_bits": 0},
        {"planes": 2},
        {"width": 0},
        {"layers": 65},
        {"dilations": 0},
        {"components": 17},
        {"anchored": 4},
        {"classes": -1},
    ],
)
def test_sizes_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ModelError, match=r"are possible|is no mixture"):
        replace(GRAY, **wrong)


def test_the_settings_are_all_that_a_network_is_made_of() -> None:
    assert PixelCnnConfig.of(GIVEN.settings) == GIVEN
    with pytest.raises(ModelError, match="settings of the PixelCNN are of shape"):
        PixelCnnConfig.of(GIVEN.settings[:-1])


def test_a_code_is_of_the_whole_image() -> None:
    config = replace(GRAY, code=2, code_side=8)
    pixels = torch.randn(1, config.features, 8, 8, requires_grad=True)
    config.encode(net(config).layers, pixels).square().sum().backward()  # type: ignore[no-untyped-call]
    assert pixels.grad is not None
    touched = (pixels.grad[0].abs().sum(0) > 0).view(4, 2, 4, 2).any(3).any(1)
    assert touched.all()
