"""Small files that claim much: refused without the memory that they claim."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import ppyr
from ppyr.bitstream.container import Kind, pack, unpack
from ppyr.bitstream.deflated import LARGEST
from ppyr.bitstream.lzma2 import FASTEST, compressed
from ppyr.bitstream.metasections import MetadataKind
from ppyr.bitstream.varint import write_varint
from ppyr.coding import encode_changed
from ppyr.errors import FormatError, ImageTooLargeError, PpyrError
from ppyr.models import predictor, registry
from ppyr.picture import Picture

from .photograph import crop
from .sections import joined, section, split

FAST = predictor.load(registry.by_name("fast"))
DATA = encode_changed(Picture.of(crop(5, 4)), FAST, [])

BEGINNING = joined(replace(split(DATA), sections=split(DATA).sections[:1]))

#: Reads a file with every reader in a fresh process and tells how, and by how much its memory grew.
READING = """
import json, resource, sys
import ppyr, ppyr.coding, ppyr.opened, ppyr.about
small, data = sys.stdin.buffer.read(int(sys.argv[1])), sys.stdin.buffer.read()

def opened(data):
    with ppyr.open(data) as file:
        return file.read()

ppyr.decode(small), opened(small)
found = {}
for read in (ppyr.info, ppyr.read_metadata, opened, ppyr.decode):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read(data)
        error = None
    except Exception as caught:
        error = [kind.__name__ for kind in type(caught).__mro__]
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    found[read.__name__] = error, grown
print(json.dumps(found))
"""


def huge(width: int, height: int, tile_bits: int, index: bytes) -> bytes:
    """The start of a file of so many pixels; `index` is what follows `mapping` in INDEX."""
    parts = split(DATA)
    for offset, size, value in ((12, 4, width), (16, 4, height), (52, 8, 2**63)):
        parts = parts.with_field(offset, value.to_bytes(size, "little"))
    return joined(replace(parts, sections=((int(Kind.INDEX), bytes([tile_bits, 0, 0, 0]) + index),)))


def with_kind(kind: MetadataKind, size: int, inflated: bytes) -> bytes:
    parts = split(DATA)
    payload = write_varint(size) + zlib.compress(inflated, 9)
    return joined(parts.with_section(0, parts.sections[0], (int(kind), payload)))


def with_model(base: bytes, content: bytes) -> bytes:
    return pack(replace(unpack(DATA), model=base + compressed(content, preset=FASTEST)))


BOMBS = {
    "one large tile": lambda: huge(1 << 14, 1 << 14, 14, bytes([28]) + bytes(28)),
    "many tiles": lambda: huge(1 << 18, 1 << 18, 4, bytes([8]) + bytes(1000)),
    "most pixels": lambda: huge(2**32 - 1, 2**32 - 1, 10, bytes([20]) + bytes(1000)),
    "large index": lambda: huge(16 << 8, 16 << 8, 4, bytes([8]) + bytes(8 << 16)),
    "texts": lambda: with_kind(MetadataKind.TEXT, LARGEST // 6 * 6, b"\0\1K\0\0\0" * (LARGEST // 6)),
    "profile": lambda: with_kind(MetadataKind.ICC, LARGEST + 1, bytes(LARGEST + 1)),
    "profile of another size": lambda: with_kind(MetadataKind.ICC, 1, bytes(1 << 28)),
    "model": lambda: with_model(bytes(16), bytes(1 << 28)),
    "differences of a model": lambda: with_model(FAST.id, bytes(1 << 28)),
    "long section": lambda: DATA[:-6] + b"\3" + write_varint(2**62) + DATA[-4:],
    "many sections": lambda: BEGINNING + section(200) * (1 << 16),
}


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted as Linux counts it")
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_what_claims_much_takes_little(bomb: Callable[[], bytes]) -> None:
    data = bomb()
    assert len(data) < 1 << 20
    done = subprocess.run(
        [sys.executable, "-c", READING, str(len(DATA))], input=DATA + data, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    assert found["decode"][0] is not None
    for error, grown in found.values():
        assert error is None or PpyrError.__name__ in error
        assert grown < 200


def test_a_correct_file_of_many_pixels_is_small_and_the_limit_of_pixels_refuses_it() -> None:
    black = encode_changed(Picture.of(np.zeros((200, 200), np.uint8)), FAST, [])
    assert len(black) < 200
    assert np.array_equal(ppyr.decode(black, max_pixels=40_000), np.zeros((200, 200), np.uint8))
    with pytest.raises(ImageTooLargeError):
        ppyr.decode(black, max_pixels=39_999)
    with pytest.raises(ImageTooLargeError), ppyr.open(black) as file:
        file.read(max_pixels=39_999)


def test_a_tile_has_at_most_a_million_pixels() -> None:
    with pytest.raises(FormatError, match=r"4\.\.10"):
        ppyr.info(huge(1 << 11, 1 << 11, 11, bytes([22]) + bytes(22)))
