"""The changes that a file makes to its model: small integers, coded under the model's own tables.

The payload of the container's section CHANGES: which parts of the model change, then one ANS stream of the differences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.coder import StreamDecoder, StreamEncoder
from ppyr.bitstream.tables import TableSet
from ppyr.bitstream.varint import read_varint, write_varint
from ppyr.errors import FormatError
from ppyr.models.weights import Weights

#: A centre whose distances, -128..127, are all samples: no table is folded.
CENTRE = 128
SHIFT_MAX = 15


@dataclass(frozen=True)
class Change:
    """A change to one part of a model, difference * 2^shift for each of its values.

    Attributes:
        part: a name of `Weights.changeable`, which says what the change does.
        table: number of the table that says how likely the differences are.
        shift: 0..15.
        differences: int8, of the part's shape.
    """

    part: str
    table: int
    shift: int
    differences: npt.NDArray[np.int8]


def apply_changes(source: Weights, changes: list[Change]) -> Weights:
    """The model after the changes.

    Raises:
        ModelError: a value leaves the range of its tensor's type.
    """
    return source.changed(
        {change.part: change.differences.astype(np.int32) << change.shift for change in changes}
    )


def pack_changes(changes: list[Change], source: Weights, tables: TableSet) -> bytes:
    """The payload of CHANGES; b"" if there are none.

    Args:
        changes: to different parts of `source`, in ascending order of their names.
        source: the model that is changed.
        tables: its tables.
    """
    if not changes:
        return b""
    numbers = {name: number for number, name in enumerate(source.changeable)}
    head = [write_varint(len(changes))]
    stream = StreamEncoder(tables)
    for change in changes:
        head += [write_varint(numbers[change.part]), write_varint(change.table), bytes([change.shift])]
        symbols = change.differences.ravel().view(np.uint8)
        stream.put(symbols, *_batch(symbols.size, change.table))
    return b"".join([*head, stream.finish()])


def unpack_changes(payload: bytes, source: Weights, tables: TableSet) -> list[Change]:
    """The changes of a payload; offsets in errors count from its first byte.

    Raises:
        FormatError: the payload is not as FORMAT.md says.
    """
    if not payload:
        return []
    parts = source.changeable
    names = list(parts)
    end = len(payload)
    count, at = read_varint(payload, 0, end)
    _require(1 <= count <= len(names), 0, f"{count} changed parts", f"1..{len(names)}")
    heads: list[tuple[str, int, int]] = []
    least = 0
    for _ in range(count):
        start = at
        number, at = read_varint(payload, start, end)
        _require(least <= number < len(names), start, f"part {number}", f"{least}..{len(names) - 1}")
        table, after = read_varint(payload, at, end)
        _require(table < len(tables), at, f"table {table}", f"0..{len(tables) - 1}")
        shift = payload[after] if after < end else SHIFT_MAX + 1
        _require(shift <= SHIFT_MAX, after, f"shift {shift}", f"0..{SHIFT_MAX}")
        heads.append((names[number], table, shift))
        least, at = number + 1, after + 1
    stream = StreamDecoder(tables, payload[at:])
    changes = []
    for name, table, shift in heads:
        shape = parts[name]
        symbols = stream.get(*_batch(int(np.prod(shape)), table))
        changes.append(Change(name, table, shift, symbols.view(np.int8).reshape(shape)))
    stream.finish()
    return changes


def _batch(size: int, table: int) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
    """Table numbers and centres of the differences of one part."""
    return np.full(size, table, np.uint16), np.full(size, CENTRE, np.uint8)


def _require(condition: bool, offset: int, found: str, expected: str) -> None:
    if not condition:
        raise FormatError(
            f"the changes to the model say {found}, where {expected} belongs: get a fresh copy of the file",
            offset=offset,
            expected=expected,
            found=found,
        )
