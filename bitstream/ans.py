"""The ANS coder of FORMAT.md, compiled: a batch a call, without Python's global lock.

Its words are those of constriction's `AnsCoder`, which `ppyr.bitstream.reference` runs. All that is computed
here is uint64 or int64, by name: of the two together Numba makes a float64.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from .mixtures import BETWEEN, LOGISTIC, MEAN_DIGITS, REACH, SLOPE_DIGITS, SLOPES, Mixtures
from .tables import (
    ALPHABET,
    BUCKET_DIGITS,
    INFORMATION_DIGITS,
    PRECISION,
    Centres,
    Lookup,
    Symbols,
    TableNumbers,
    TableSet,
    information,
)

Words = npt.NDArray[np.uint32]
_State = npt.NDArray[np.uint64]
_MixtureArrays = tuple[npt.NDArray[np.uint16], npt.NDArray[np.int32], npt.NDArray[np.uint8], np.int64]

_ZERO, _ONE = np.uint64(0), np.uint64(1)
_HALF, _SYMBOLS = np.uint64(ALPHABET // 2), np.uint64(ALPHABET)
_PRECISION, _TOTAL, _BUCKET = np.uint64(PRECISION), np.uint64(1 << PRECISION), np.uint64(BUCKET_DIGITS)
_WORD, _LEAST = np.uint64(32), np.uint64(1 << 32)
#: A state x with x >> _FULL >= F has no room for a symbol of the frequency F.
_FULL = np.uint64(64 - PRECISION)
_HALF_SAMPLE, _FRACTION = np.int64(1 << MEAN_DIGITS - 1), np.int64((1 << BETWEEN) - 1)


class AnsStack:
    """A stack of symbols; see `ppyr.bitstream.coder.Stack`.

    Args:
        tables: of the symbols.
        words: what is on the stack, uint32 (n,), the last one not 0.
    """

    def __init__(self, tables: TableSet, words: Words) -> None:
        self._tables, self._words = tables, words
        top = words[-2:].tolist()
        x = sum(word << 32 * place for place, word in enumerate(top))
        # The state, FORMAT.md's x, and how many words are in the list.
        self._state = np.array([x, len(words) - len(top)], np.uint64)

    @property
    def left(self) -> int:
        """See `Stack`."""
        x, count = map(int, self._state)
        return 32 * count + x.bit_length()

    def words(self) -> Words:
        """See `Stack`."""
        x, count = map(int, self._state)
        top = [x % (1 << 32), x >> 32][: -(-x.bit_length() // 32)]
        return np.append(self._words[:count], np.array(top, np.uint32))

    def push(self, symbols: Symbols, table_numbers: TableNumbers, centres: Centres) -> int:
        """See `Stack`."""
        self._reserve(len(symbols))
        return self._known(
            _push(self._words, self._state, self._tables.lookup, symbols, table_numbers, centres)
        )

    def pop(self, table_numbers: TableNumbers, centres: Centres) -> tuple[Symbols, int]:
        """See `Stack`."""
        symbols = np.empty(len(table_numbers), np.uint8)
        return symbols, self._known(
            _pop(self._words, self._state, self._tables.lookup, symbols, table_numbers, centres)
        )

    def push_mixtures(self, samples: Symbols, mixtures: Mixtures) -> int:
        """See `Stack`."""
        self._reserve(len(samples))
        return int(_push_mixtures(self._words, self._state, samples, *_arrays(mixtures)))

    def pop_mixtures(self, mixtures: Mixtures) -> tuple[Symbols, int]:
        """See `Stack`."""
        samples = np.empty(len(mixtures.weights), np.uint8)
        return samples, int(_pop_mixtures(self._words, self._state, samples, *_arrays(mixtures)))

    def push_raw(self, values: npt.NDArray[np.uint16], bits: npt.NDArray[np.uint8]) -> int:
        """See `Stack`."""
        self._reserve(len(values))
        return int(_push_raw(self._words, self._state, values, bits))

    def pop_raw(self, bits: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint16], int]:
        """See `Stack`."""
        values = np.empty(len(bits), np.uint16)
        return values, int(_pop_raw(self._words, self._state, values, bits))

    def _reserve(self, symbols: int) -> None:
        """Make room for the words of so many symbols, one for each at most."""
        needed = int(self._state[1]) + symbols
        if needed > len(self._words):
            self._words = np.append(self._words, np.empty(needed, np.uint32))

    def _known(self, found: np.int64) -> int:
        """What a kernel gives, if that is an information content."""
        if found < 0:
            raise self._tables.unknown(int(~found))
        return int(found)


@njit(nogil=True, cache=True)
def _push(
    words: Words,
    state: _State,
    lookup: Lookup,
    symbols: Symbols,
    table_numbers: TableNumbers,
    centres: Centres,
) -> np.int64:
    """Push a batch; gives its information, or ~number for a table that does not exist.

    `words` has room for one more for each symbol.
    """
    starts, clipped, _, informations, reach = lookup
    x, count, total = state[0], state[1], np.int64(0)
    for position in range(len(symbols) - 1, -1, -1):
        symbol, number = np.uint64(symbols[position]), np.uint64(table_numbers[position])
        if number >= np.uint64(len(starts)):
            return ~np.int64(number)
        centre = np.uint64(centres[position])
        start = np.uint64(starts[number, symbol])
        frequency = np.uint64(starts[number, symbol + _ONE]) - start
        if _may_fold(reach, number, centre, symbol):
            start = _folded_start(starts, clipped, number, centre, symbol)
            frequency = _folded_start(starts, clipped, number, centre, symbol + _ONE) - start
            total += information(frequency)
        else:
            total += np.int64(informations[number, symbol])
        if x >> _FULL >= frequency:
            words[count] = np.uint32(x % _LEAST)
            count += _ONE
            x >>= _WORD
        x = (x // frequency << _PRECISION) + start + x % frequency
    state[0], state[1] = x, count
    return total


@njit(nogil=True, cache=True)
def _pop(
    words: Words,
    state: _State,
    lookup: Lookup,
    symbols: Symbols,
    table_numbers: TableNumbers,
    centres: Centres,
) -> np.int64:
    """Pop a batch into `symbols`; gives what `_push` gives."""
    starts, clipped, buckets, informations, reach = lookup
    x, count, total = state[0], state[1], np.int64(0)
    for position in range(len(symbols)):
        number, centre = np.uint64(table_numbers[position]), np.uint64(centres[position])
        if number >= np.uint64(len(starts)):
            return ~np.int64(number)
        quantile = x % _TOTAL
        symbol = _find(starts, buckets, number, quantile)
        start = np.uint64(starts[number, symbol])
        frequency = np.uint64(starts[number, symbol + _ONE]) - start
        if _may_fold(reach, number, centre, symbol):
            symbol, start, stop = _find_folded(starts, clipped, buckets, number, centre, quantile)
            frequency = stop - start
            total += information(frequency)
        else:
            total += np.int64(informations[number, symbol])
        x = frequency * (x >> _PRECISION) + quantile - start
        if x < _LEAST and count > _ZERO:
            count -= _ONE
            x = x << _WORD | np.uint64(words[count])
        symbols[position] = np.uint8(symbol)
    state[0], state[1] = x, count
    return total


@njit(forceinline=True)
def _may_fold(reach: npt.NDArray[np.uint8], number: np.uint64, centre: np.uint64, symbol: np.uint64) -> bool:
    """False for symbols whose quantiles are the same under the folded table, or if the table is not folded.

    Without branches, which would be taken at random.
    """
    edge = _SYMBOLS - centre
    near = (min(edge, _HALF) <= symbol + _ONE) & (symbol <= max(edge, _HALF)) | (centre == _ZERO)
    folded = (centre < reach[number, 0]) | (_SYMBOLS - _ONE - centre < reach[number, 1])
    return bool(near & folded)


@njit(forceinline=True)
def _find(starts: Words, buckets: Symbols, number: np.uint64, quantile: np.uint64) -> np.uint64:
    """The symbol of a quantile below 2^24."""
    symbol = np.uint64(buckets[number, quantile >> _BUCKET])
    while np.uint64(starts[number, symbol + _ONE]) <= quantile:
        symbol += _ONE
    return symbol


@njit(forceinline=True)
def _folded_start(
    starts: Words, clipped: Words, number: np.uint64, centre: np.uint64, symbol: np.uint64
) -> np.uint64:
    """The first quantile of a symbol, 0..256, under a folded table."""
    edge = _SYMBOLS - centre
    if min(edge, _HALF) <= symbol <= max(edge, _HALF):
        start = np.uint64(clipped[number, symbol])
    else:
        start = np.uint64(starts[number, symbol])
    # The end of the range is symbol 0 here, and behind it all others move up.
    if centre == _ZERO and symbol > _ZERO:
        start += _TOTAL - np.uint64(clipped[number, edge])
    return start


@njit(forceinline=True)
def _find_folded(
    starts: Words,
    clipped: Words,
    buckets: Symbols,
    number: np.uint64,
    centre: np.uint64,
    quantile: np.uint64,
) -> tuple[np.uint64, np.uint64, np.uint64]:
    """The symbol of a quantile under a folded table, where it starts and where it stops."""
    edge, moved = _SYMBOLS - centre, _ZERO
    limit = np.uint64(clipped[number, edge])
    # First the end of the range, which is the likeliest.
    if centre >= _HALF:
        symbol = edge - _ONE
        start, stop = np.uint64(starts[number, symbol]), limit
    elif centre > _ZERO:
        symbol = edge
        start, stop = limit, np.uint64(starts[number, symbol + _ONE])
    else:
        symbol, moved = _ZERO, _TOTAL - limit
        start, stop = _ZERO, np.uint64(starts[number, _ONE]) + moved
    if start <= quantile < stop:
        return symbol, start, stop
    quantile -= moved
    symbol = _find(starts, buckets, number, quantile)
    if min(edge, _HALF) <= symbol < max(edge, _HALF):
        symbol = min(edge, _HALF)
        while np.uint64(clipped[number, symbol + _ONE]) <= quantile:
            symbol += _ONE
        start, stop = np.uint64(clipped[number, symbol]), np.uint64(clipped[number, symbol + _ONE])
    else:
        start, stop = np.uint64(starts[number, symbol]), np.uint64(starts[number, symbol + _ONE])
    return symbol, start + moved, stop + moved


def _arrays(mixtures: Mixtures) -> _MixtureArrays:
    """What the compiled coder takes."""
    return mixtures.weights, mixtures.means, mixtures.scales, np.int64(mixtures.bits)


@njit(nogil=True, cache=True)
def _push_mixtures(
    words: Words,
    state: _State,
    samples: Symbols,
    weights: npt.NDArray[np.uint16],
    means: npt.NDArray[np.int32],
    scales: npt.NDArray[np.uint8],
    bits: np.int64,
) -> np.int64:
    """Push a batch under mixtures; gives its information. `words` has room for one more for each sample."""
    x, count, total = state[0], state[1], np.int64(0)
    for position in range(len(samples) - 1, -1, -1):
        mixture = weights[position], means[position], scales[position]
        sample = np.int64(samples[position])
        start = _mixture_start(*mixture, bits, sample)
        frequency = _mixture_start(*mixture, bits, sample + np.int64(1)) - start
        total += information(frequency)
        if x >> _FULL >= frequency:
            words[count] = np.uint32(x % _LEAST)
            count += _ONE
            x >>= _WORD
        x = (x // frequency << _PRECISION) + start + x % frequency
    state[0], state[1] = x, count
    return total


@njit(nogil=True, cache=True)
def _pop_mixtures(
    words: Words,
    state: _State,
    samples: Symbols,
    weights: npt.NDArray[np.uint16],
    means: npt.NDArray[np.int32],
    scales: npt.NDArray[np.uint8],
    bits: np.int64,
) -> np.int64:
    """Pop a batch under mixtures into `samples`; gives its information."""
    x, count, total = state[0], state[1], np.int64(0)
    for position in range(len(samples)):
        mixture = weights[position], means[position], scales[position]
        quantile = x % _TOTAL
        # The sample is one of low..high - 1, where start <= quantile < stop.
        low, high = np.int64(0), np.int64(1) << bits
        start, stop = _ZERO, _TOTAL
        while high - low > 1:
            middle = (low + high) >> 1
            found = _mixture_start(*mixture, bits, middle)
            if found <= quantile:
                low, start = middle, found
            else:
                high, stop = middle, found
        frequency = stop - start
        total += information(frequency)
        x = frequency * (x >> _PRECISION) + quantile - start
        if x < _LEAST and count > _ZERO:
            count -= _ONE
            x = x << _WORD | np.uint64(words[count])
        samples[position] = np.uint8(low)
    state[0], state[1] = x, count
    return total


@njit(forceinline=True)
def _mixture_start(
    weights: npt.NDArray[np.uint16],
    means: npt.NDArray[np.int32],
    scales: npt.NDArray[np.uint8],
    bits: np.int64,
    sample: np.int64,
) -> np.uint64:
    """The first quantile of a sample, 0..2^bits, under a mixture (K,); see `mixtures.frequencies`."""
    if sample == 0:
        return _ZERO
    if sample >> bits:
        return _TOTAL
    mass, whole = np.int64(0), np.int64(0)
    for component in range(len(weights)):
        weight = np.int64(weights[component])
        distance = (sample << MEAN_DIGITS) - _HALF_SAMPLE - np.int64(means[component])
        z = (distance * SLOPES[scales[component]]) >> SLOPE_DIGITS
        z = max(min(z, REACH - 1), -REACH)
        place = (z + REACH) >> BETWEEN
        line = ((LOGISTIC[place + 1] - LOGISTIC[place]) * (z & _FRACTION)) >> BETWEEN
        mass += weight * (LOGISTIC[place] + line)
        whole += weight
    shared = np.int64(1 << PRECISION) - (np.int64(1) << bits)
    return np.uint64(sample + ((mass // whole * shared) >> PRECISION))


@njit(nogil=True, cache=True)
def _push_raw(
    words: Words, state: _State, values: npt.NDArray[np.uint16], bits: npt.NDArray[np.uint8]
) -> np.int64:
    """Push a batch of raw bits; gives its information. `words` has room for one more for each number."""
    x, count, total = state[0], state[1], np.int64(0)
    for position in range(len(values) - 1, -1, -1):
        number = np.uint64(bits[position])
        if number > _ZERO:
            rest = _PRECISION - number
            if x >> _FULL + rest > _ZERO:
                words[count] = np.uint32(x % _LEAST)
                count += _ONE
                x >>= _WORD
            low = x & (_ONE << rest) - _ONE
            x = x >> rest << _PRECISION | np.uint64(values[position]) << rest | low
            total += np.int64(number)
    state[0], state[1] = x, count
    return total << INFORMATION_DIGITS


@njit(nogil=True, cache=True)
def _pop_raw(
    words: Words, state: _State, values: npt.NDArray[np.uint16], bits: npt.NDArray[np.uint8]
) -> np.int64:
    """Pop a batch of raw bits into `values`; gives its information."""
    x, count, total = state[0], state[1], np.int64(0)
    for position in range(len(values)):
        number = np.uint64(bits[position])
        value = _ZERO
        if number > _ZERO:
            rest = _PRECISION - number
            value = (x % _TOTAL) >> rest
            x = x >> _PRECISION << rest | x & (_ONE << rest) - _ONE
            if x < _LEAST and count > _ZERO:
                count -= _ONE
                x = x << _WORD | np.uint64(words[count])
            total += np.int64(number)
        values[position] = np.uint16(value)
    state[0], state[1] = x, count
    return total << INFORMATION_DIGITS
