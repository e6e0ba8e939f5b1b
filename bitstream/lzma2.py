"""Raw streams of LZMA2, which end with their own end marker, as FORMAT.md has them."""

from __future__ import annotations

import lzma

from ppyr.bitstream.checks import FRESH_COPY, check_range
from ppyr.errors import FormatError

#: Presets of the encoder.
FASTEST, BEST = 0, 9 | lzma.PRESET_EXTREME

_LEAST_DICTIONARY, _DICTIONARY = 1 << 12, 1 << 24


def compressed(data: bytes, item: int = 1, preset: int = BEST) -> bytes:
    """The stream of some data, which are numbers of `item` bytes, 1 or 2."""
    filters = _filters(item, min(max(len(data), _LEAST_DICTIONARY), _DICTIONARY), preset)
    return lzma.compress(data, lzma.FORMAT_RAW, filters=filters)


def decompressed(stream: bytes, most: int, item: int = 1) -> bytes:
    """The data of a whole stream, of which there are at most one byte more than `most`.

    Raises:
        FormatError: it is damaged, longer, or something follows it.
    """
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_filters(item, _DICTIONARY))
    try:
        data = decoder.decompress(stream, most + 1)
    except lzma.LZMAError as error:
        raise FormatError(f"a stream of LZMA2 can not be read ({error}); {FRESH_COPY}") from error
    check_range("bytes after a stream of LZMA2", len(decoder.unused_data), 0, 0)
    check_range("ends of a stream of LZMA2", int(decoder.eof), 1, 1)
    return data


def _filters(item: int, dictionary: int, preset: int = BEST) -> list[dict[str, int]]:
    """LZMA2 for numbers of so many bytes."""
    return [
        {
            "id": lzma.FILTER_LZMA2,
            "preset": preset,
            "dict_size": dictionary,
            "lc": 3,
            "lp": item - 1,
            "pb": item - 1,
        }
    ]
