"""The changes that a file makes to its model: small integers, coded under the model's own tables.

The payload of the container's section CHANGES: which parts of the model change, then an ANS stream of the
differences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.coder import StreamDecoder, StreamEncoder
from ppyr.bitstream.tables import PRECISION, TableSet
from ppyr.bitstream.varint import read_varint, write_varint
from ppyr.errors import FormatError
from ppyr.models.weights import Weights

#: A centre whose distances, -128..127, are all samples: no table is folded.
CENTRE = 128
SHIFT_MAX = 15
#: About how many bits the head of a run of parts takes.
RUN_BITS = 40


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
        changes: to different parts of `source`, in the order of `Weights.changeable`.
        source: the model that is changed.
        tables: its tables.
    """
    if not changes:
        return b""
    runs: list[list[Change]] = []
    places = {name: place for place, name in enumerate(source.changeable)}
    stream = StreamEncoder(tables)
    for change in changes:
        last = runs[-1][-1] if runs else None
        if last is None or (places[last.part] + 1, last.table, last.shift) != (
            places[change.part],
            change.table,
            change.shift,
        ):
            runs.append([])
        runs[-1].append(change)
        symbols = change.differences.ravel().view(np.uint8)
        stream.put(symbols, *_batch(symbols.size, change.table))
    head, place = [write_varint(len(runs))], 0
    for run in runs:
        first = places[run[0].part]
        numbers = first - place, len(run), run[0].table
        head += [*map(write_varint, numbers), bytes([run[0].shift])]
        place = first + len(run)
    return b"".join([*head, stream.finish()])


def with_tables(
    found: Mapping[str, tuple[int, npt.NDArray[np.int8]]], source: Weights, tables: TableSet
) -> list[Change]:
    """Changes under the tables that make their payload smallest, as `pack_changes` takes them.

    Args:
        found: shift and differences of parts by their names; parts that do not change may be among them.
        source: the model that is changed.
        tables: its tables.
    """
    places = {name: place for place, name in enumerate(source.changeable)}
    names = [name for name in places if name in found]
    histograms = np.stack([np.bincount(found[n][1].ravel().view(np.uint8), minlength=256) for n in names])
    bits_of = PRECISION - np.log2(tables.frequencies.T)
    likely = np.unique((histograms @ bits_of).argmin(1))
    bits_of = bits_of[:, likely]
    # least[i]: bits of the parts before i; behind it the first part of the run that ends there, and its table
    least, choice = np.full(len(names) + 1, np.inf), [(0, -1)] * (len(names) + 1)
    least[0] = 0
    for start in range(len(names)):
        if not found[names[start]][1].any() and least[start] < least[start + 1]:
            least[start + 1], choice[start + 1] = least[start], (start, -1)
        end = start + 1
        while (
            end < len(names)
            and places[names[end]] == places[names[end - 1]] + 1
            and found[names[end]][0] == found[names[start]][0]
        ):
            end += 1
        costs = np.cumsum(histograms[start:end], 0) @ bits_of
        best = costs.argmin(1)
        for stop, table in enumerate(best, start + 1):
            bits = least[start] + costs[stop - start - 1, table] + RUN_BITS
            if bits < least[stop]:
                least[stop], choice[stop] = bits, (start, int(likely[table]))
    changes: list[Change] = []
    stop = len(names)
    while stop:
        start, table = choice[stop]
        if table >= 0:
            changes += [Change(name, table, *found[name]) for name in reversed(names[start:stop])]
        stop = start
    return changes[::-1]


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
    runs, at = read_varint(payload, 0, end)
    _require(1 <= runs <= len(names), 0, f"{runs} runs of parts", f"1..{len(names)}")
    heads: list[tuple[str, int, int]] = []
    place = 0
    for _ in range(runs):
        start = at
        skip, at = read_varint(payload, start, end)
        _require(skip < len(names) - place, start, f"part {place + skip}", f"{place}..{len(names) - 1}")
        place += skip
        start = at
        count, at = read_varint(payload, start, end)
        _require(1 <= count <= len(names) - place, start, f"{count} parts", f"1..{len(names) - place}")
        table, after = read_varint(payload, at, end)
        _require(table < len(tables), at, f"table {table}", f"0..{len(tables) - 1}")
        shift = payload[after] if after < end else SHIFT_MAX + 1
        _require(shift <= SHIFT_MAX, after, f"shift {shift}", f"0..{SHIFT_MAX}")
        heads += [(name, table, shift) for name in names[place : place + count]]
        place, at = place + count, after + 1
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
