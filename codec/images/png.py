"""The samples of PNG files: by Pillow up to 8 bits, by libpng for 16, of which Pillow drops the half."""

from __future__ import annotations

import zlib

import numpy as np
from PIL import Image

from ppyr.images import Pixels, check_size, plain, unsupported
from ppyr.images.pillow import indexed, loaded, saved
from ppyr.metadata.walkers import PNG_SIGNATURE, png_chunk, png_chunks

_SAMPLES = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_PALETTE = 3
#: Samples a pixel by colour type, first column and row and steps of the passes of interlacing.
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
#: Bytes that are inflated at once.
_PART = 1 << 20


def read_png(data: bytes, max_pixels: int | None) -> Pixels:
    """Read the samples of a PNG file; those of an image with a palette are its indices.

    Raises:
        UnsupportedImageError: the file is damaged, or an animation.
        ImageTooLargeError: see `check_size`.
    """
    if data[12:16] != b"IHDR":
        raise ValueError("there is no header")
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    check_size(width, height, max_pixels)
    chunks = list(png_chunks(data))
    _check_complete(data, width, height, [body or b"" for kind, body in chunks if kind == b"IDAT"])
    if [kind for kind, _ in chunks].count(b"IHDR") > 1:
        raise ValueError("there are two headers")
    for kind, body in chunks:
        if kind == b"acTL" and (frames := int.from_bytes(body[:4], "big")) > 1:
            raise unsupported(f"the file holds {frames} frames")
    # libpng and Pillow see nothing that they would act on, such as a transparent colour.
    bare = PNG_SIGNATURE + b"".join(png_chunk(kind, body) for kind, body in chunks if kind in _SAMPLES)
    depth, colour_type = data[24], data[25]
    if depth == 16:
        from imagecodecs import png_decode

        return Pixels(plain(png_decode(bare)), depth)
    samples = loaded(bare, "PNG")
    if colour_type != _PALETTE and depth in (2, 4):
        samples //= 255 // (2**depth - 1)  # Pillow spreads them over 0..255
    return Pixels(samples, depth)


def _check_complete(data: bytes, width: int, height: int, parts: list[bytes]) -> None:
    """Check that there are as many bytes as the pixels need: Pillow takes missing rows for black.

    Raises:
        ValueError: there are less.
        zlib.error: they can not be inflated.
    """
    bits, interlaced = _CHANNELS.get(data[25], 1) * data[24], data[28]
    missing = 0
    for left, top, across, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            missing += rows * (1 + -(-columns * bits // 8))
    inflater = zlib.decompressobj()
    for part in parts:
        rest = part
        while rest and not inflater.eof:
            missing -= len(inflater.decompress(rest, _PART))
            rest = inflater.unconsumed_tail
    missing -= len(inflater.flush())
    if missing > 0:
        raise ValueError("pixels are missing")


def write_png(pixels: Pixels, *, palette: bool) -> bytes:
    """Make a PNG file of gray, of 1, 2, 4, 8 or 16 bits, or of any other image of 8 or 16.

    Args:
        pixels: what to write.
        palette: whether they are indices; their palette has all entries, and all are black.
    """
    depth = pixels.bit_depth
    if depth == 16:
        from imagecodecs import png_encode

        return bytes(png_encode(pixels.samples))
    if palette:
        return saved(indexed(pixels.samples, bytes(3 << depth)), "PNG", bits=depth)
    if depth == 1:
        return saved(Image.fromarray(pixels.samples.astype(bool)), "PNG")
    return saved(Image.fromarray(np.ascontiguousarray(pixels.samples)), "PNG", bits=depth)
