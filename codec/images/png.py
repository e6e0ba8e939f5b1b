"""The samples of PNG files: by Pillow up to 8 bits, by libpng for 16, of which Pillow drops the half."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ppyr.images import Pixels, check_size, plain, unsupported
from ppyr.images.pillow import indexed, loaded, saved
from ppyr.metadata.walkers import PNG_SIGNATURE, png_chunk, png_chunks

_SAMPLES = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_PALETTE = 3


def read_png(data: bytes, max_pixels: int | None) -> Pixels:
    """Read the samples of a PNG file; those of an image with a palette are its indices.

    Raises:
        UnsupportedImageError: the file is damaged, or an animation.
        ImageTooLargeError: see `check_size`.
    """
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    check_size(width, height, max_pixels)
    chunks = list(png_chunks(data))
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
