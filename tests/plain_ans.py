"""The entropy coder of FORMAT.md once more, in plain integers, without constriction: what to compare with.

A row is a list of frequencies that sum to 2^24.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import exp

Row = Sequence[int]


def push(state: int, words: list[int], row: Row, symbol: int) -> int:
    """Pushes a symbol; returns the new state."""
    frequency = row[symbol]
    if state >> 40 >= frequency:
        words.append(state & 0xFFFFFFFF)
        state >>= 32
    return (state // frequency << 24) + sum(row[:symbol]) + state % frequency


def pop(state: int, words: list[int], row: Row) -> tuple[int, int]:
    """Pops a symbol; returns the new state and the symbol."""
    quantile = state & 0xFFFFFF
    symbol = bisect_right(list(accumulate(row)), quantile)
    state = (state >> 24) * row[symbol] + quantile - sum(row[:symbol])
    if state < 1 << 32 and words:
        state = state << 32 | words.pop()
    return state, symbol


def encode(symbols: Sequence[int], rows: Sequence[Row]) -> list[int]:
    """The words of a stream in which symbols[i], under rows[i], is the i-th to be decoded."""
    state, words = 0, list[int]()
    for symbol, row in zip(reversed(symbols), reversed(rows), strict=True):
        state = push(state, words, row, symbol)
    while state:
        words.append(state & 0xFFFFFFFF)
        state >>= 32
    return words


def decode(words: Sequence[int], rows: Sequence[Row]) -> list[int]:
    """The symbols of a stream, one under each of the rows; ValueError unless they use it up."""
    rest = list(words)
    state = rest.pop() if rest else 0
    if rest:
        state = state << 32 | rest.pop()
    symbols = []
    for row in rows:
        state, symbol = pop(state, rest, row)
        symbols.append(symbol)
    if state or rest:
        raise ValueError(f"state {state}, {len(rest)} words left")
    return symbols


def folded(row: Row, centre: int) -> Row:
    """The row for samples around `centre`."""
    beyond = [symbol for symbol in range(256) if not 0 <= centre + signed(symbol) <= 255]
    if sum(row[symbol] - 1 for symbol in beyond) < 1 << 12:
        return row
    far = 1 + (row[127 if centre < 128 else 128] - 1) // 8
    changed = list(row)
    for symbol in beyond:
        changed[symbol] = min(row[symbol], far)
        changed[(0 if centre < 128 else 255) - centre] += row[symbol] - changed[symbol]
    return changed


def signed(symbol: int) -> int:
    """The distance from the centre that a symbol stands for."""
    return symbol if symbol < 128 else symbol - 256


def information(frequency: int) -> int:
    """log2(2^24 / frequency) in units of 2^-16 bit, rounded as FORMAT.md says."""
    exponent = frequency.bit_length() - 1
    mantissa = frequency << 31 - exponent
    logarithm = exponent
    for _ in range(16):
        mantissa = mantissa * mantissa >> 31
        logarithm *= 2
        if mantissa >= 1 << 32:
            mantissa >>= 1
            logarithm += 1
    return 24 * 65536 - logarithm


def mixture(components: Sequence[tuple[int, int, int]], bits: int) -> Row:
    """The row of samples of so many bits under a mixture of components: weight, mean, scale number."""
    size, whole = 1 << bits, sum(weight for weight, _, _ in components)
    starts = [0]
    for x in range(1, size):
        total = 0
        for w, m, j in components:
            z = (64 * x - 32 - m) * SLOPE[j] // 256
            z = max(min(z, 2**21 - 1), -(2**21))
            i = (z + 2**21) // 4096
            total += w * (L[i] + (L[i + 1] - L[i]) * (z % 4096) // 4096)
        starts.append(x + (total // whole) * (2**24 - size) // 2**24)
    starts.append(2**24)
    return [stop - start for start, stop in pairwise(starts)]


L = [round(2**24 / (1 + exp((512 - i) / 32))) for i in range(1025)]
SLOPE = [round(2 ** (23 - j / 4)) for j in range(48)]
