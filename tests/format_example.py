"""The example in FORMAT.md: a 2x2 image coded with the default model, and how to write it anew.

    python -m tests.format_example

does so after the default model or the format has changed. The image is the one that the document shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ppyr.coding import encode_changed
from ppyr.effort import DEFAULT_EFFORT, EFFORTS
from ppyr.models import predictor, registry
from ppyr.picture import Picture
from tests import plain_decoder

DOCUMENT = Path(__file__).parents[1] / "bitstream" / "FORMAT.md"
BLOCK = re.compile(r"(?<=python -m tests\.format_example -->\n).*(?=<!-- end of)", re.DOTALL)
IMAGE = re.compile(r"\nThe gray\s+image\n\n((?: +\d+ +\d+\n)+)\n")
DUMPED = re.compile(r"^ {4}([ \d]{4})  ([0-9A-F]{2}(?: [0-9A-F]{2})*)", re.MULTILINE)
BYTES_A_LINE = 12

HEADER = (
    (9, "signature"),
    (1, "version"),
    (1, "channels"),
    (1, "bit_depth"),
    (4, "width"),
    (4, "height"),
    (16, "model_id"),
    (16, "pixel_digest"),
    (8, "information"),
    (4, "crc32"),
)
NAMES = {1: "INDEX", 2: "LEVEL", 3: "END", 4: "COARSEST"}


def image(text: str) -> npt.NDArray[np.uint8]:
    """The image (2, 2) that the document shows."""
    (rows,) = IMAGE.findall(text)
    return np.array([line.split() for line in rows.splitlines()], np.uint8)


def dump(text: str) -> bytes:
    """The file that the document shows; ValueError if the offsets beside the bytes are wrong."""
    (block,) = BLOCK.findall(text)
    data = b""
    for offset, digits in DUMPED.findall(block):
        if int(offset) != len(data):
            raise ValueError(f"the line of byte {len(data)} says {offset}")
        data += bytes.fromhex(digits)
    return data


def rewritten(text: str) -> str:
    """The document, its example coded with the default model."""
    chosen = predictor.load(registry.by_name(EFFORTS[DEFAULT_EFFORT].model))
    data = encode_changed(Picture.of(image(text)), chosen, [])
    samples = plain_decoder.decode(data, registry.by_id(data[20:36]).read_bytes())[1]
    lines = [
        "",
        *hexadecimal(data),
        "",
        "Its samples, in the order of the file, with A and y at their positions:",
        "",
        *table(samples),
        "",
    ]
    return BLOCK.sub(lambda _: "\n".join(lines) + "\n", text)


def fields(data: bytes) -> Iterator[tuple[int, str]]:
    """Length and meaning of every piece of a file."""
    yield from HEADER
    at, level = 64, 0
    while at < len(data):
        name = NAMES[data[at]]
        length = data[at + 1]  # a varint of one byte
        if name == "LEVEL":
            name, level = f"LEVEL {level}", level + 1
        yield 2, f"{name}: kind, length"
        if name == "INDEX":
            yield 6, "tile, coarsest, condition, mapping, levels, method"
            yield length - 6, "sizes of the streams"
        elif length:
            yield length, "the sample" if name == "COARSEST" else "the stream"
        yield 4, "CRC32"
        at += 2 + length + 4


def hexadecimal(data: bytes) -> Iterator[str]:
    """Lines of offset, bytes and meaning."""
    at = 0
    for length, meaning in fields(data):
        for start in range(at, at + length, BYTES_A_LINE):
            digits = data[start : min(start + BYTES_A_LINE, at + length)].hex(" ").upper()
            yield f"    {start:4}  {digits:{3 * BYTES_A_LINE}}  {meaning if start == at else ''}".rstrip()
        at += length


def table(samples: list[plain_decoder.Traced]) -> Iterator[str]:
    """Lines with one sample each."""
    names = ("level", "step", "A", "y[0]", "y[3]", "y[6]", "mean", "centre", "table", "symbol", "sample")
    yield "    " + "".join(f"{name:>8}" for name in names)
    for s in samples:
        values = (s.level, s.step, s.anchor, s.said[0], s.said[3], s.said[6], *s[4:])
        yield "    " + "".join(f"{value:>8}" for value in values)


if __name__ == "__main__":
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
