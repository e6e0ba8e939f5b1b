"""The exact layer: backends equal to the definition, the definition to fractions, every refusal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ppyr.errors import ModelError
from ppyr.models import backends
from ppyr.models.backends import backend, int8, reference
from ppyr.models.backends.floating import Cuda, Torch
from ppyr.models.backends.reference import Reference
from ppyr.models.integer import Layer, round_half_even

from .some_backends import ALL, HERE, OTHER_PROCESSORS

Bytes = npt.NDArray[np.uint8]

EXACT = 1 << 24


def layer_of(
    weight: npt.ArrayLike,
    bias: npt.ArrayLike,
    shift: npt.ArrayLike,
    *,
    zero_point: int = 0,
    skip: bool = False,
    head: bool = False,
) -> Layer:
    return Layer(
        np.asarray(weight, np.int16) if np.shape(weight)[-1] == 1 else np.asarray(weight, np.int8),
        np.asarray(bias, np.int32),
        np.asarray(shift, np.int8),
        zero_point,
        skip,
        head,
    )


def run(name: str, layer: Layer, x: Bytes, skip: Bytes | None = None) -> npt.NDArray[np.int16]:
    layer.check("tested")
    runner = backend(name)
    given_skip = None if skip is None else runner.tensor(skip)
    return runner.array(runner.run(runner.prepare(layer), runner.tensor(x), given_skip))


def everywhere(layer: Layer, x: Bytes, skip: Bytes | None = None) -> npt.NDArray[np.int16]:
    """What the layer gives, on the definition and on all backends of this machine."""
    expected = run("reference", layer, x, skip)
    for name in HERE:
        np.testing.assert_array_equal(run(name, layer, x, skip), expected, strict=True)
    return expected


@st.composite
def layers(draw: st.DrawFn, longest: int = 9) -> tuple[Layer, Bytes, Bytes | None]:
    """A layer that may be as large as the bound allows, its input, its skip input."""
    size = draw(st.sampled_from((1, 3)))
    kind = draw(st.sampled_from(("hidden", "skip", "head")))
    c_in, c_out, height, width = draw(st.tuples(*[st.integers(1, longest)] * 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    most = 1024 if size == 1 else 64
    weight = rng.integers(-most, most + 1, (c_out, c_in, size, size))
    shift = rng.integers(*{"hidden": (0, 17), "skip": (0, 16), "head": (-16, 17)}[kind], c_out)
    room = EXACT - 1 - 255 * np.abs(weight).sum((1, 2, 3))
    if kind == "skip":
        room = room - (255 << shift)
    bias = rng.integers(-room, room + 1) // draw(st.sampled_from((1, 16, 1 << 12)))
    zero_point = draw(st.sampled_from((0, 128)))
    layer = layer_of(weight, bias, shift, zero_point=zero_point, skip=kind == "skip", head=kind == "head")
    x = rng.integers(0, 256, (height, width, c_in), np.uint8)
    skip = rng.integers(0, 256, (height, width, c_out), np.uint8) if layer.skip else None
    return layer, x, skip


@given(layers())
def test_every_backend_equals_the_reference(case: tuple[Layer, Bytes, Bytes | None]) -> None:
    everywhere(*case)


@given(layers(longest=3))
def test_the_reference_equals_a_plain_sum(case: tuple[Layer, Bytes, Bytes | None]) -> None:
    layer, x, skip = case
    found = run("reference", layer, x, skip)
    c_out, c_in, size, _ = layer.weight.shape
    low, high = (-(1 << 15), (1 << 15) - 1) if layer.head else (0, 255)
    for o, row, column in product(range(c_out), *map(range, x.shape[:2])):
        total = Fraction(int(layer.bias[o]))
        for c, i, j in product(range(c_in), range(size), range(size)):
            y, z = row + i - size // 2, column + j - size // 2
            if 0 <= y < x.shape[0] and 0 <= z < x.shape[1]:
                total += int(layer.weight[o, c, i, j]) * (int(x[y, z, c]) - layer.zero_point)
        total /= Fraction(2) ** int(layer.shift[o])
        if skip is not None:
            total += int(skip[row, column, o])
        assert found[row, column, o] == min(max(round(total), low), high)


@given(st.lists(st.tuples(st.integers(-EXACT, EXACT), st.integers(-16, 16)), min_size=1))
def test_round_half_even_equals_fractions(cases: list[tuple[int, int]]) -> None:
    values, shifts = (np.array(numbers, np.int64) for numbers in zip(*cases, strict=True))
    expected = [round(value / Fraction(2) ** shift) for value, shift in cases]
    assert round_half_even(values, shifts).tolist() == expected


@pytest.mark.parametrize("shift", range(1, 9))
@pytest.mark.parametrize(("head", "skip"), [(True, False), (False, True), (False, False)])
def test_ties_go_to_the_even_integer(shift: int, head: bool, skip: bool) -> None:
    x = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    added = x[:, ::-1].copy() if skip else None
    layer = layer_of([[[[1]]]], [-100], [shift], head=head, skip=skip)
    values = [Fraction(int(value) - 100, 2**shift) for value in x.flat]
    ties = sum(value.denominator == 2 for value in values)
    assert ties == 256 >> shift
    if added is not None:
        values = [value + int(more) for value, more in zip(values, added.flat, strict=True)]
    rounded = [round(value) for value in values]
    expected = rounded if head else [min(max(value, 0), 255) for value in rounded]
    assert everywhere(layer, x, added).ravel().tolist() == expected


EXTREMES = {
    "one": layer_of(np.full((1, 1028, 1, 1), 64), [255], [0]),
    "one-shifted": layer_of(np.full((1, 1028, 1, 1), 64), [255], [16]),
    "one-head": layer_of(np.full((1, 1028, 1, 1), 64), [255], [9], head=True),
    "one-left": layer_of(np.full((1, 1028, 1, 1), 64), [255], [-16], head=True),
    "one-of-large-weights": layer_of(
        np.array([1024] * 64 + [256]).reshape(1, 65, 1, 1), [255], [9], head=True
    ),
    "three": layer_of(np.full((1, 114, 3, 3), 64), [32895], [9], head=True),
    "three-zero-point": layer_of(np.full((1, 114, 3, 3), 64), [32895], [9], head=True, zero_point=128),
    "skip": layer_of(np.array([64, 64, 64, 64, 1]).reshape(1, 5, 1, 1), [0], [16], skip=True),
}


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", EXTREMES)
def test_the_largest_sums_are_exact(name: str, sign: int) -> None:
    largest = EXTREMES[name]
    layer = replace(
        largest, weight=largest.weight * largest.weight.dtype.type(sign), bias=largest.bias * sign
    )
    rng = np.random.default_rng(1)
    shape = (6, 5, layer.weight.shape[1])
    for least, most in ((255, 255), (0, 0), (250, 255)):
        x = rng.integers(least, most, shape, np.uint8, endpoint=True)
        everywhere(layer, x, np.full((6, 5, 1), 255, np.uint8) if layer.skip else None)


@pytest.mark.parametrize("name", EXTREMES)
def test_a_layer_that_reaches_2_to_the_24_is_refused(name: str) -> None:
    largest = EXTREMES[name]
    largest.check("largest")
    for sign in (1, -1):
        too_large = replace(largest, bias=(largest.bias + 1) * np.int32(sign))
        with pytest.raises(ModelError, match="layer first can reach 16777216") as caught:
            too_large.check("first")
        assert (caught.value.found, caught.value.expected) == (EXACT, EXACT - 1)


def ones(*shape: int) -> npt.NDArray[np.int64]:
    return np.ones(shape, np.int64)


REFUSED = {
    "weight-65": (layer_of(65 * ones(1, 1, 3, 3), [0], [0]), "magnitude 65; .* at most 64"),
    "weight-minus-65": (layer_of(-65 * ones(1, 1, 3, 3), [0], [0]), "magnitude 65"),
    "weight-minus-128": (layer_of(-128 * ones(1, 1, 3, 3), [0], [0]), "magnitude 128"),
    "weight-1025": (layer_of(1025 * ones(1, 1, 1, 1), [0], [0]), "magnitude 1025; .* at most 1024"),
    "weight-minus-2-to-the-15": (layer_of(-(2**15) * ones(1, 1, 1, 1), [0], [0]), "magnitude 32768"),
    "weight-without-kernel": (layer_of(ones(2, 3), [0, 0], [0, 0]), "weights"),
    "even-kernel": (layer_of(ones(1, 1, 2, 2), [0], [0]), "weights"),
    "oblong-kernel": (layer_of(ones(1, 1, 1, 3), [0], [0]), "weights"),
    "empty-kernel": (layer_of(ones(1, 1, 0, 0), [0], [0]), "weights"),
    "too-few-biases": (layer_of(ones(2, 1, 1, 1), [0], [0, 0]), "biases"),
    "biases-in-a-row": (layer_of(ones(2, 1, 1, 1), [[0, 0]], [0, 0]), "biases"),
    "too-many-shifts": (layer_of(ones(2, 1, 1, 1), [0, 0], [0, 0, 0]), "shifts"),
    "shift-17": (layer_of(ones(2, 1, 1, 1), [0, 0], [0, 17]), "shifts from 0 to 17"),
    "shift-left-of-a-hidden-layer": (layer_of(ones(1, 1, 1, 1), [0], [-1]), "shifts from -1"),
    "shift-17-left-of-a-head": (layer_of(ones(1, 1, 1, 1), [0], [-17], head=True), "shifts from -17"),
    "shift-left-of-a-skip": (layer_of(ones(1, 1, 1, 1), [0], [-1], skip=True), "shifts from -1"),
    "head-with-a-skip": (layer_of(ones(1, 1, 1, 1), [0], [0], head=True, skip=True), "head with a skip"),
    "five": (layer_of(ones(1, 1, 5, 5), [0], [0]), "weights"),
    "bias": (layer_of(ones(1, 1, 1, 1), [-(2**31)], [0]), "can reach 2147483903"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_layer_that_breaks_a_rule_is_refused(name: str) -> None:
    layer, message = REFUSED[name]
    with pytest.raises(ModelError, match=message) as caught:
        layer.check("first")
    assert "layer first" in str(caught.value)
    assert caught.value.found is not None


@pytest.mark.parametrize("name", ALL)
def test_a_backend_passes_its_self_test(name: str) -> None:
    assert backends.self_test(backends.BACKENDS[name]()) == backends.SELF_TEST


def test_the_reference_passes_the_self_test() -> None:
    assert backends.self_test(Reference()) == backends.SELF_TEST


def test_the_matrix_product_of_cuda_is_exact_on_the_processor_too() -> None:
    """The way that layers take on a GPU, where there is none."""
    on_processor = type("OnProcessor", (Cuda,), {"device": "cpu", "__init__": Torch.__init__})
    assert backends.self_test(on_processor()) == backends.SELF_TEST


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_is_refused_where_there_is_no_gpu() -> None:
    with pytest.raises(ModelError, match="no CUDA device"):
        backend("cuda")


@pytest.mark.parametrize("instructions", OTHER_PROCESSORS)
def test_every_set_of_instructions_passes_the_self_test(instructions: str) -> None:
    code = (
        "from ppyr.models import backends; from ppyr.models.backends import microkernel as m; "
        "print(m.INSTRUCTIONS[m.CHOSEN].name, backends.self_test(backends.backend('int8')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **OTHER_PROCESSORS[instructions]},
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout.split() == [instructions, backends.SELF_TEST]


def test_int8_is_refused_on_other_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "CHOSEN", None)
    with pytest.raises(ModelError, match="AVX2"):
        int8.Int8()


@pytest.mark.parametrize("channels", [64, 65, 120])
def test_heads_of_many_channels(channels: int) -> None:
    rng = np.random.default_rng(channels)
    weight = rng.integers(-64, 65, (channels, 9, 1, 1))
    head = layer_of(weight, rng.integers(-1000, 1000, channels), rng.integers(-2, 3, channels), head=True)
    everywhere(head, rng.integers(0, 256, (7, 11, 9), np.uint8))


def test_int8_refuses_a_convolution_of_a_subsampled_image() -> None:
    runner = int8.Int8()
    prepared = runner.prepare(layer_of(np.ones((1, 1, 3, 3)), [0], [0]))
    with pytest.raises(ValueError, match="border"):
        runner.run(prepared, runner.sublattice(runner.tensor(np.zeros((4, 4, 1), np.uint8)), 0, 1))


@pytest.mark.parametrize("shape", [(6, 5, 3), None, (7, 5, 4)])
def test_int8_refuses_a_skip_input_that_does_not_fit(shape: tuple[int, int, int] | None) -> None:
    runner = int8.Int8()
    prepared = runner.prepare(layer_of(np.ones((4, 2, 1, 1)), [0] * 4, [0] * 4, skip=True))
    skip = None if shape is None else runner.tensor(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="skip input"):
        runner.run(prepared, runner.tensor(np.zeros((6, 5, 2), np.uint8)), skip)


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(ModelError, match="int8, torch, cuda, reference") as caught:
        backend("abacus")
    assert caught.value.found == "abacus"


@pytest.mark.parametrize("extra", [0, 1], ids=["halves-up", "always-up"])
def test_a_backend_that_rounds_otherwise_is_refused(extra: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def upwards(value: npt.NDArray[np.int64], shift: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        half = (np.int64(1) << np.maximum(shift, 0)) >> 1
        up: npt.NDArray[np.int64] = (value + half + extra * (half - 1)) >> shift
        return up

    monkeypatch.setitem(backends.BACKENDS, "broken", backends.BACKENDS["reference"])
    monkeypatch.setattr(reference, "round_half_even", upwards)
    with pytest.raises(ModelError, match="backend broken does not compute exactly") as caught:
        backend("broken")
    assert caught.value.expected == backends.SELF_TEST != caught.value.found


@pytest.fixture
def low_precision() -> Iterator[None]:
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision("highest")


@pytest.mark.usefixtures("low_precision")
def test_torch_with_low_precision_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(backends.BACKENDS, "imprecise", backends.BACKENDS["torch"])
    with pytest.raises(ModelError, match="matmul precision is 'medium'") as caught:
        backend("imprecise")
    assert (caught.value.expected, caught.value.found) == ("highest", "medium")


def test_torch_is_exact_where_the_caller_computes_in_bfloat16() -> None:
    x = np.random.default_rng(0).integers(0, 256, (8, 7, 9), np.uint8)
    weight = np.random.default_rng(1).integers(-64, 65, (5, 9, 3, 3))
    with torch.autocast("cpu", torch.bfloat16):
        everywhere(layer_of(weight, [7] * 5, [3] * 5, head=True), x)
