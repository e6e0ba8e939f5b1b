"""The samples of TIFF files, by tifffile, and by Pillow where they are compressed as for a fax."""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ppyr.images import Pixels, check_size, plain, unsupported
from ppyr.images.pillow import loaded
from ppyr.metadata.tiff import layout_only

if TYPE_CHECKING:
    from tifffile import TiffPage

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE = range(4)
_CHANNELS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1}
_NAMES = {4: "a mask", 5: "CMYK", 6: "YCbCr", 8: "Lab", 9: "Lab", 10: "Lab"}
_UNASSOCIATED_ALPHA = 2
_FAX = (2, 3, 4)
_JPEG = 7
#: none, LZW, deflate, PackBits, LZMA, Zstandard
_COMPRESSIONS = (1, *_FAX, 5, _JPEG, 8, 32946, 32773, 34925, 50000)
_TILE_PIXELS = 1 << 24
logging.getLogger("tifffile").addHandler(
    logging.NullHandler()
)  # what it says of damaged files, errors say too


def read_tiff(data: bytes, max_pixels: int | None) -> Pixels:
    """Read the samples of a TIFF file; those of an image with a palette are its indices.

    Where 0 is white, the samples are counted from the other end, so that it is black.

    Raises:
        UnsupportedImageError: the samples can not be kept.
        ImageTooLargeError: see `check_size`.
        ValueError: the file is damaged.
    """
    from tifffile import TiffFile, TiffPage

    bare = layout_only(data)
    with TiffFile(io.BytesIO(bare)) as file:
        page = file.pages.first
        if not isinstance(page, TiffPage):
            raise ValueError("there is no page")
        if not isinstance(page.imagewidth, int) or not isinstance(page.imagelength, int):
            raise ValueError("width and height are no numbers")
        check_size(page.imagewidth, page.imagelength, max_pixels)
        if len(file.pages) > 1:
            raise unsupported(f"the file holds {len(file.pages)} frames")
        for problem in _problems(page):
            raise unsupported(problem)
        _check_segments(page, len(data))
        depth = page.bitspersample
        if page.compression in _FAX:
            return Pixels(loaded(bare, "TIFF"), depth)  # tifffile takes black for white here
        planes = page.asarray(squeeze=False, maxworkers=1)[:, 0]  # (P, H, W, C), one of P and C is 1
        samples = plain(planes.transpose(1, 2, 0, 3).reshape(*planes.shape[1:3], -1))
    if page.photometric == _WHITE_IS_ZERO:
        gray = samples if samples.ndim == 2 else samples[..., 0]
        np.subtract(2**depth - 1, gray, out=gray)
    return Pixels(samples, depth, page.compression == _JPEG)


def write_tiff(pixels: Pixels) -> bytes:
    """Make an uncompressed TIFF file of gray of 1 to 16 bits, or of any other image of 2 to 16."""
    from tifffile import imwrite

    samples, channels = pixels.samples, pixels.channels
    file = io.BytesIO()
    imwrite(
        file,
        samples.astype(bool) if pixels.bit_depth == 1 else samples,
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=("unassalpha",) if channels in (2, 4) else None,
        bitspersample=pixels.bit_depth,
        metadata=None,
        software=False,
    )
    return file.getvalue()


def _problems(page: TiffPage) -> Iterator[str]:
    depth, channels = page.bitspersample, _CHANNELS.get(page.photometric)
    if channels is None:
        name = _NAMES.get(page.photometric, f"the photometric interpretation {int(page.photometric)}")
        yield f"{name} can not be kept"
        return
    if page.compression not in _COMPRESSIONS:
        yield f"the compression {int(page.compression)} is not supported"
    if not isinstance(depth, int) or not 1 <= depth <= 16:
        yield f"the image has {depth} bits a sample"
    if page.sampleformat != 1:
        yield "the samples are not unsigned integers"
    extra = page.samplesperpixel - channels
    if extra not in (0, 1) or page.extrasamples != (_UNASSOCIATED_ALPHA,) * extra:
        yield "the image has extra samples a pixel, or its colours are multiplied by alpha"
    if page.photometric == _PALETTE and (extra or depth > 8):
        yield f"a palette of {depth} bits a sample, or with extra samples, can not be kept"
    if page.imagedepth != 1:
        yield "the image has more than one plane in depth"


def _check_segments(page: TiffPage, size: int) -> None:
    """Check that every strip or tile is there: tifffile takes a missing one for black."""
    if len(page.dataoffsets) != math.prod(page.chunked) or len(page.databytecounts) != len(page.dataoffsets):
        raise ValueError("the number of strips or tiles is another one than the size needs")
    if page.tilewidth * page.tilelength > max(_TILE_PIXELS, page.imagewidth * page.imagelength):
        raise ValueError("a tile is larger than the image")
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if offset <= 0 or count <= 0 or offset + count > size:
            raise ValueError("a strip or tile is missing")
