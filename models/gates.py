"""The gate and the memory cell of gated networks, on bytes: look-up tables, and products that are shifted.

A byte of a stream stands for (byte - 128) / 16. A gate (van den Oord et al. 2016, equation 2) makes of two
of them::

    y = 8 tanh(a) sigmoid(b)                                      again in units of 1/16

and the cell of an LSTM (Hochreiter & Schmidhuber 1997, with a forget gate) of four, and of its state c in
units of 1/32::

    c' = sigmoid(f) c + sigmoid(i) tanh(g),    y = 8 sigmoid(o) tanh(c')

What leaves the range of a byte is clamped.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.exponential import sigmoids, tangents

Table = npt.NDArray[np.int16]

#: Binary digits after the point of what the tables hold, and of a stream and of a cell's state.
TANH_BITS, SIGMOID_BITS = 7, 8
STREAM_BITS, STATE_BITS = 4, 5
#: What a product of tanh and sigmoid is shifted by to be a byte of a stream, eight times as large.
GATE_SHIFT = SIGMOID_BITS
#: The same of the two terms of a cell's state, the first of which is shifted to the left before.
FORGET_SHIFT = TANH_BITS - STATE_BITS
STATE_SHIFT = SIGMOID_BITS + FORGET_SHIFT


def _table(values: list[int]) -> Table:
    """Of the bytes 0..255, without the value of 256."""
    return np.array(values[:-1], np.int16)


TANH = _table(tangents(128, 1 << STREAM_BITS, 1 << TANH_BITS))
SIGMOID = _table(sigmoids(128, 1 << STREAM_BITS, 1 << SIGMOID_BITS))
STATE_TANH = _table(tangents(128, 1 << STATE_BITS, 1 << TANH_BITS))
