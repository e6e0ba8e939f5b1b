"""Samples coded without a model: as they are, or through LZMA where they repeat what was there before.

FORMAT.md is the specification.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from ppyr.bitstream.checks import check_range
from ppyr.bitstream.lzma2 import BEST, FASTEST, compressed, decompressed
from ppyr.bitstream.raster import Samples


class Method(IntEnum):
    """How a unit is coded.

    MODEL has a stream for each level; CONSTANT none, as all pixels are that of the coarsest image; the others
    have one for all levels. STORED has the bits of the samples; LZMA the samples, LZMA_UP their differences
    from the samples above, LZMA_NEIGHBOURS which neighbour a pixel repeats, and the pixels that repeat none.
    """

    MODEL = 0
    CONSTANT = 1
    STORED = 2
    LZMA = 3
    LZMA_UP = 4
    LZMA_NEIGHBOURS = 5


#: Of at least so many rows, `quick_size` looks at one band of so many in so many bands.
_MANY, _BAND, _BANDS = 256, 16, 4


def pack_plain(samples: Samples, method: Method, bit_depth: int) -> bytes:
    """The stream of a unit.

    Args:
        samples: (h, w, c).
        method: STORED or one after it.
        bit_depth: of the samples.
    """
    match method:
        case Method.STORED:
            if bit_depth % 8 == 0:
                return samples.astype(samples.dtype.newbyteorder(">")).tobytes()
            return np.packbits(np.right_shift(samples[..., None], _places(bit_depth)) & 1).tobytes()
        case Method.LZMA_UP:
            return _lzma(BEST, np.diff(samples, axis=0, prepend=samples.dtype.type(0)))
        case Method.LZMA_NEIGHBOURS:
            return _neighbours(samples, BEST)
        case _:
            return _lzma(BEST, samples)


def quick_size(samples: Samples) -> float:
    """About how many bytes, and rather more, LZMA takes for a unit (h, w, c), in a small part of the time.

    Of many rows it looks at some only.
    """
    rows = np.arange(len(samples))
    if len(rows) >= _MANY:
        rows = rows[rows // _BAND % _BANDS == 1]
    return len(_neighbours(samples[rows], FASTEST)) * len(samples) / len(rows)


def stored_size(samples: Samples, bit_depth: int) -> int:
    """Bytes of the stream of a unit (h, w, c) that is STORED."""
    return -(-samples.size * bit_depth // 8)


def unpack_plain(
    stream: bytes, method: Method, shape: tuple[int, int, int], bit_depth: int, dtype: npt.DTypeLike
) -> Samples:
    """The samples (h, w, c) of a stream; the reverse of `pack_plain`.

    Raises:
        FormatError: it is not as FORMAT.md says.
    """
    height, width, channels = shape
    pixels, stored = height * width, np.dtype(dtype).newbyteorder("<")
    samples: Samples
    if method is Method.STORED:
        size = -(-pixels * channels * bit_depth // 8)
        check_range("bytes of a stored unit", len(stream), size, size)
        bits = np.unpackbits(np.frombuffer(stream, np.uint8), count=pixels * channels * bit_depth)
        samples = np.left_shift(bits.reshape(*shape, bit_depth), _places(bit_depth)).sum(-1, dtype=dtype)
    elif method is Method.LZMA_NEIGHBOURS:
        from ppyr.bitstream.neighbours import NONE, filled

        data = decompressed(stream, pixels + pixels * channels * stored.itemsize, stored.itemsize)
        which = np.frombuffer(data[:pixels], np.uint8)
        size = pixels + int(np.count_nonzero(which >= NONE)) * channels * stored.itemsize
        check_range("bytes of pixels and neighbours", len(data), size, size)
        others = np.frombuffer(data, stored, offset=pixels).astype(dtype).reshape(-1, channels)
        samples = filled(which.reshape(height, width), others)
    else:
        size = pixels * channels * stored.itemsize
        data = decompressed(stream, size, stored.itemsize)
        check_range("bytes of samples", len(data), size, size)
        samples = np.frombuffer(data, stored).astype(dtype).reshape(shape)
        if method is Method.LZMA_UP:
            samples = np.add.accumulate(samples, 0, dtype)
    check_range("sample", int(samples.max()), 0, 2**bit_depth - 1)
    return samples


def _places(bit_depth: int) -> npt.NDArray[np.uint16]:
    """Of the bits of a sample, the highest first."""
    return np.arange(bit_depth - 1, -1, -1, dtype=np.uint16)


def _neighbours(samples: Samples, preset: int) -> bytes:
    from ppyr.bitstream.neighbours import repeated

    return _lzma(preset, *repeated(samples))


def _lzma(preset: int, *parts: Samples) -> bytes:
    """The parts, one after the other, as a stream."""
    data = b"".join(part.astype(part.dtype.newbyteorder("<")).tobytes() for part in parts)
    return compressed(data, parts[-1].itemsize, preset)
