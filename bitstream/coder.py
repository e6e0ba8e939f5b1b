"""Entropy coding of symbols with shared integer tables: ANS streams, the stack of FORMAT.md.

A *symbol* is a uint8: a sample less its centre, modulo 256. A *table* gives it a probability: 256 integer
frequencies that sum to 2^24. A *batch* is what one model evaluation codes at once: n symbols, each with the
number of its table and its centre.

    encoder = StreamEncoder(tables)                     decoder = StreamDecoder(tables, data)
    encoder.put(symbols, table_numbers, centres)        symbols = decoder.get(table_numbers, centres)
    data = encoder.finish()                             decoder.finish()

Raw bits, all of whose values are equally likely, come in batches of their own: `put_raw` and `get_raw`. So do
samples under mixtures, distributions that the model computes for each of them: `put_mixtures` and
`get_mixtures`; a stream of nothing else needs no tables. Both
sides name their batches, and the symbols in them, in the same order, the decoder's. ANS is a *stack* of
*words*: the symbol that is pushed last is popped first. So the encoder keeps its batches, and when it
finishes it pushes them from the last symbol to the first.

Two stacks give the same words and symbols: `ppyr.bitstream.ans` is fast, `ppyr.bitstream.reference` is the
one that it is held against, which runs where the model does on its backend of that name.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ppyr.errors import FormatError

from .ans import AnsStack
from .mixtures import Mixtures
from .tables import Centres, Symbols, TableNumbers, TableSet

_WORD = np.dtype("<u4")
_DTYPES = {
    **dict.fromkeys(("symbols", "samples", "centres", "bits"), np.dtype(np.uint8)),
    **dict.fromkeys(("table_numbers", "values"), np.dtype(np.uint16)),
}


class Stack(Protocol):
    """Symbols in words of 32 bits, uint32 (n,); made with the tables of the symbols and the words.

    What codes symbols also gives their information content, in units of 2^-16 bit.
    """

    @property
    def left(self) -> int:
        """Bits that are on the stack, up to the highest that is not 0; 0 if it is empty."""

    def words(self) -> npt.NDArray[np.uint32]:
        """What is on the stack."""

    def push(self, symbols: Symbols, table_numbers: TableNumbers, centres: Centres) -> int:
        """Push a batch, its last symbol first; ModelError for a table that there is not."""

    def pop(self, table_numbers: TableNumbers, centres: Centres) -> tuple[Symbols, int]:
        """Pop a batch, its first symbol first; ModelError for a table that there is not.

        From an empty stack come the symbols for which a table begins.
        """

    def push_mixtures(self, samples: Symbols, mixtures: Mixtures) -> int:
        """Push a batch of samples, each below 2^bits, under mixtures that keep their rules."""

    def pop_mixtures(self, mixtures: Mixtures) -> tuple[Symbols, int]:
        """Pop a batch of samples."""

    def push_raw(self, values: npt.NDArray[np.uint16], bits: npt.NDArray[np.uint8]) -> int:
        """Push a batch of raw bits; no bits are no symbol."""

    def pop_raw(self, bits: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint16], int]:
        """Pop a batch of raw bits."""


class StreamEncoder:
    """Codes batches of symbols into one ANS stream.

    Args:
        tables: the tables of the symbols.
        reference: whether constriction is to code them.

    Attributes:
        information: information content of all symbols, in units of 2^-16 bit; known when it is finished.
    """

    def __init__(self, tables: TableSet, *, reference: bool = False) -> None:
        self.information = 0
        self._stack = _stack(tables, np.empty(0, np.uint32), reference)
        self._batches: list[tuple[Callable[..., int], tuple[npt.NDArray[Any] | Mixtures, ...]]] = []

    def put(self, symbols: Symbols, table_numbers: TableNumbers, centres: Centres) -> None:
        """Appends a batch, in decoding order; an empty one is allowed. Its arrays are kept, not copied.

        Args:
            symbols: uint8 (n,).
            table_numbers: uint16 (n,).
            centres: uint8 (n,).

        Raises:
            TypeError: a dtype is another one.
            ValueError: the shapes are not (n,) each.
        """
        _check(table_numbers=table_numbers, centres=centres, symbols=symbols)
        self._batches.append((self._stack.push, (symbols, table_numbers, centres)))

    def put_mixtures(self, samples: Symbols, mixtures: Mixtures) -> None:
        """Appends a batch of samples under mixtures. Its arrays are kept, not copied.

        Args:
            samples: uint8 (n,), each below 2^bits.
            mixtures: n of them; all in a stream have the same K and bits.

        Raises:
            TypeError: a dtype is another one.
            ValueError: a shape is another one, or a sample is not below 2^bits.
            ModelError: a mixture breaks its rules.
        """
        mixtures.check()
        _check(samples=samples)
        if len(samples) != len(mixtures.weights):
            raise ValueError(
                f"{len(samples)} samples and {len(mixtures.weights)} mixtures; pass one for each"
            )
        highest = int(samples.max(initial=0))
        if highest >> mixtures.bits:
            raise ValueError(f"a sample is {highest}; pass samples below 2^{mixtures.bits}")
        self._batches.append((self._stack.push_mixtures, (samples, mixtures)))

    def put_raw(self, values: npt.NDArray[np.uint16], bits: npt.NDArray[np.uint8]) -> None:
        """Appends a batch of raw bits. Its arrays are kept, not copied.

        Args:
            values: uint16 (n,), each below 2^bits.
            bits: uint8 (n,), 0..16.

        Raises:
            TypeError, ValueError: see `put`.
        """
        _check(values=values, bits=bits)
        self._batches.append((self._stack.push_raw, (values, bits)))

    def finish(self) -> bytes:
        """The stream: words of 32 bits, little-endian; b"" when there are no symbols. To be called once.

        Raises:
            ModelError: a table number is not in the table set.
        """
        # Batches of one kind are pushed as one: as many calls as a stream has batches would cost more than
        # the coding of small ones.
        runs = [
            (push, [_joined(parts) for parts in zip(*(batch for _, batch in run), strict=True)])
            for push, run in groupby(self._batches, itemgetter(0))
        ]
        self.information = sum(push(*batch) for push, batch in reversed(runs))
        return self._stack.words().astype(_WORD).tobytes()


class StreamDecoder:
    """Decodes the batches of one ANS stream.

    Args:
        tables: the tables that the stream was coded with.
        data: the stream.
        reference: whether constriction is to decode them.

    Attributes:
        information: information content of all symbols got so far, in units of 2^-16 bit.

    Raises:
        FormatError: `data` is no ANS stream; offsets count from its first byte.
    """

    def __init__(self, tables: TableSet, data: bytes, *, reference: bool = False) -> None:
        if len(data) % _WORD.itemsize:
            raise FormatError(
                f"an ANS stream of {len(data)} bytes is not made of words of 4 bytes; "
                "get a fresh copy of the file",
                offset=len(data) // _WORD.itemsize * _WORD.itemsize,
                found=len(data),
            )
        words = np.frombuffer(data, dtype=_WORD).astype(np.uint32)
        # No encoder writes a last word of zero, and constriction refuses it.
        if len(words) and words[-1] == 0:
            raise FormatError(
                "the last word of an ANS stream is zero; get a fresh copy of the file",
                offset=len(data) - _WORD.itemsize,
                found=0,
            )
        self.information = 0
        self._stack = _stack(tables, words, reference)

    def get(self, table_numbers: TableNumbers, centres: Centres) -> Symbols:
        """The next batch, uint8 (n,).

        A stream that holds other symbols than the encoder's gives wrong ones, without an error: at its end it
        goes on with the first symbols of the tables. `finish` tells.

        Args:
            table_numbers: uint16 (n,), the same as at the encoder.
            centres: uint8 (n,), the same as at the encoder.

        Raises:
            TypeError: a dtype is another one.
            ValueError: the shapes are not (n,) each.
            ModelError: a table number is not in the table set.
        """
        _check(table_numbers=table_numbers, centres=centres)
        symbols, information = self._stack.pop(table_numbers, centres)
        self.information += information
        return symbols

    def get_mixtures(self, mixtures: Mixtures) -> Symbols:
        """The next batch of samples, uint8 (n,); `mixtures` are the same as at the encoder.

        Raises:
            TypeError, ValueError, ModelError: see `StreamEncoder.put_mixtures`.
        """
        mixtures.check()
        samples, information = self._stack.pop_mixtures(mixtures)
        self.information += information
        return samples

    def get_raw(self, bits: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
        """The next batch of raw bits, uint16 (n,); `bits`, uint8 (n,), are the same as at the encoder.

        Raises:
            TypeError, ValueError: see `get`.
        """
        _check(bits=bits)
        values, information = self._stack.pop_raw(bits)
        self.information += information
        return values

    def finish(self) -> None:
        """Ends decoding.

        Raises:
            FormatError: the stream is not used up to its last bit, so it does not hold these symbols.
        """
        if left := self._stack.left:
            raise FormatError(
                f"an ANS stream has {left} bits left after its last symbol; get a fresh copy of the file",
                expected=0,
                found=left,
            )


def _stack(tables: TableSet, words: npt.NDArray[np.uint32], reference: bool) -> Stack:
    if reference:
        from .reference import ReferenceStack

        return ReferenceStack(tables, words)
    return AnsStack(tables, words)


def _joined(parts: tuple[Any, ...]) -> npt.NDArray[Any] | Mixtures:
    """What several batches have in one place, as that of one batch."""
    return Mixtures.joined(parts) if isinstance(parts[0], Mixtures) else np.concatenate(parts)


def _check(**arrays: npt.NDArray[np.generic]) -> None:
    """Check the arrays of a batch; the compiled coder does not."""
    size = len(next(iter(arrays.values())))
    for name, array in arrays.items():
        if array.dtype != _DTYPES[name]:
            raise TypeError(f"{name} are {array.dtype}; pass {_DTYPES[name]}")
        if array.shape != (size,):
            raise ValueError(f"{name} have shape {array.shape}; pass (n,), one of each for every symbol")
