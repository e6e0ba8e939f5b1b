"""Changes that a file makes to its model: there and back, what they do, each way of getting them wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ppyr
from ppyr.bitstream.container import Container, pack, unpack
from ppyr.bitstream.tables import TableSet
from ppyr.bitstream.varint import write_varint
from ppyr.coding import encode_changed
from ppyr.errors import FormatError, ModelError
from ppyr.models import predictor, registry
from ppyr.models.changes import Change, apply_changes, pack_changes, unpack_changes, with_tables
from ppyr.models.weights import part_order
from ppyr.picture import Picture
from tests import plain_decoder

from .photograph import crop
from .random_model import random_weights
from .some_changes import some_changes

SOURCE = random_weights()
TABLES = TableSet(SOURCE.tensor("tables", np.uint32))
FAST = predictor.load(registry.by_name("fast"))
IMAGE = crop(23, 18)


def change(part: str, seed: int = 1, table: int = 0, shift: int = 0) -> Change:
    shape = SOURCE.changeable[part]
    differences = np.random.default_rng(seed).integers(-128, 128, shape, dtype=np.int8)
    return Change(part, table, shift, differences)


def equal(one: Change, other: Change) -> bool:
    fields = one.part, one.table, one.shift
    same = np.array_equal(one.differences, other.differences)
    return fields == (other.part, other.table, other.shift) and same


@given(
    st.sets(st.sampled_from(list(SOURCE.changeable)), max_size=4),
    st.integers(0, len(TABLES) - 1),
    st.integers(0, 15),
)
def test_there_and_back(tensors: set[str], table: int, shift: int) -> None:
    changes = [
        change(tensor, seed, table, shift) for seed, tensor in enumerate(sorted(tensors, key=part_order))
    ]
    found = unpack_changes(pack_changes(changes, SOURCE, TABLES), SOURCE, TABLES)
    assert len(found) == len(changes)
    assert all(map(equal, found, changes))


def test_tables_are_the_best_and_nothing_changes_for_nothing() -> None:
    generator = np.random.default_rng(3)
    found = {
        name: (
            2,
            (generator.standard_normal(shape) * (5 if name.endswith(".inputs") else 0.3)).astype(np.int8),
        )
        for name, shape in SOURCE.changeable.items()
    }
    found["next.spread"] = (2, np.zeros((3, 25), np.int8))
    changes = with_tables(found, SOURCE, TABLES)
    payload = pack_changes(changes, SOURCE, TABLES)
    assert all(map(equal, unpack_changes(payload, SOURCE, TABLES), changes))
    left_out = set(found) - {change.part for change in changes}
    assert "next.spread" in left_out
    assert not any(found[name][1].any() for name in left_out)
    assert all(np.array_equal(change.differences, found[change.part][1]) for change in changes)
    one_table = [replace(change, table=changes[0].table) for change in changes]
    assert len(payload) < len(pack_changes(one_table, SOURCE, TABLES))
    assert with_tables({"next.spread": found["next.spread"]}, SOURCE, TABLES) == []


def test_differences_are_added_in_units_of_the_shift() -> None:
    one = change("finest.head.10_0.bias", shift=3)
    before = SOURCE.tensors[one.part].astype(np.int64)
    after = apply_changes(SOURCE, [one])
    assert np.array_equal(after.tensors[one.part], before + 8 * one.differences.astype(np.int64))
    assert after.tensors[one.part].dtype == SOURCE.tensors[one.part].dtype
    others = set(SOURCE.tensors) - {one.part}
    assert all(after.tensors[name] is SOURCE.tensors[name] for name in others)


def test_tables_do_not_change() -> None:
    assert not {"tables", "fraction_bits"} & set(SOURCE.changeable)
    assert not [name for name in SOURCE.changeable if name.endswith(".shift")]


@pytest.mark.parametrize("gray", [False, True])
def test_a_file_with_changes_comes_back_and_is_as_the_document_says(gray: bool) -> None:
    image = IMAGE[..., 1] if gray else IMAGE
    data = encode_changed(Picture.of(image), FAST, some_changes(FAST.source))
    assert np.array_equal(ppyr.decode(data), image)
    assert np.array_equal(ppyr.decode(data, backend="reference"), image)
    plain, _ = plain_decoder.decode(data, registry.by_id(FAST.id).read_bytes())
    assert np.array_equal(plain.reshape(image.shape), image)


def test_changes_are_what_the_file_says_of_them() -> None:
    unchanged, data = (
        ppyr.encode(IMAGE, model="fast"),
        encode_changed(Picture.of(IMAGE), FAST, some_changes(FAST.source)),
    )
    assert ppyr.info(unchanged).changes == 0
    assert ppyr.info(data).changes == len(unpack(data).changes) > 0
    assert ppyr.info(data).theoretical_bits_per_dim != ppyr.info(unchanged).theoretical_bits_per_dim
    assert encode_changed(Picture.of(IMAGE), FAST, []) == unchanged


def test_a_file_without_its_changes_is_an_error() -> None:
    container = unpack(encode_changed(Picture.of(IMAGE), FAST, some_changes(FAST.source)))
    with pytest.raises(FormatError):
        ppyr.decode(pack(replace(container, changes=b"")))


def with_changes(payload: bytes) -> bytes:
    container: Container = unpack(ppyr.encode(IMAGE, model="fast"))
    return pack(replace(container, changes=payload))


BIAS = write_varint(list(FAST.source.changeable).index("finest.head.10_0.bias"))
TOO_MANY = write_varint(len(FAST.source.changeable))


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"\x00", "0 runs of parts"),
        (write_varint(1 << 40), "runs of parts"),
        (b"\x01", "inside a number"),
        (b"\x01" + TOO_MANY + b"\x01\x00\x00", "part"),
        (b"\x01" + BIAS + b"\x00\x00\x00", "0 parts"),
        (b"\x01" + BIAS + TOO_MANY + b"\x00\x00", "parts"),
        (b"\x01" + BIAS + b"\x01" + write_varint(60000) + b"\x00", "table 60000"),
        (b"\x01" + BIAS + b"\x01\x00\x10", "shift 16"),
        (b"\x01" + BIAS + b"\x01\x00", "shift"),
        (b"\x02" + BIAS + b"\x01\x00\x00" + TOO_MANY + b"\x01\x00\x00", "part"),
        (b"\x01" + BIAS + b"\x01\x00\x00" + b"\x01\x02\x03", "words of 4 bytes"),
        (b"\x01" + BIAS + b"\x01\x00\x00" + bytes(4), "last word"),
        (b"\x01" + BIAS + b"\x01\x00\x00" + 40 * b"\x07\x01\x99\x55", "bits left"),
    ],
)
def test_changes_that_do_not_belong(payload: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        ppyr.decode(with_changes(payload))


def test_changes_that_break_the_bounds_are_refused() -> None:
    model = predictor.load(registry.by_name("default"))
    parts = {"finest.head.10_0.bias": -128, "finest.head.10_0.outputs": 127}
    up = [Change(p, 0, 15, np.full(model.source.changeable[p], d, np.int8)) for p, d in parts.items()]
    with pytest.raises(ModelError, match="can reach"):
        encode_changed(Picture.of(IMAGE), model, up)
    container = unpack(ppyr.encode(IMAGE, model="default"))
    payload = pack_changes(up, model.source, TableSet(model.frequencies))
    with pytest.raises(FormatError, match="does not compute exactly"):
        ppyr.decode(pack(replace(container, changes=payload)))


def test_a_value_beyond_its_type_is_refused() -> None:
    beyond = Change("finest.spread", 0, 0, np.full((3, 25), 127, np.int8))
    with pytest.raises(ModelError, match="would not fit int8"):
        encode_changed(Picture.of(IMAGE), FAST, [beyond])
