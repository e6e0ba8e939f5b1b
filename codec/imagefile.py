"""Image files in and out, without a single sample or tag changed unseen.

`read_image_file` takes gray and RGB of 1 to 16 bits, with alpha or without, and indices of a palette. What
could not come back the same (CMYK, floating point, frames after the first) is refused by name, and so are
metadata that can not be kept, unless the caller agrees to lose them. Pixels come as they are stored, however
the file says that they are to be turned.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ppyr.atomic import write_file
from ppyr.errors import ImageTooLargeError, UnsupportedImageError
from ppyr.images import DAMAGED, Pixels
from ppyr.metadata import NO_METADATA, Metadata, check_kinds
from ppyr.metadata.directory import is_tiff
from ppyr.metadata.read import carried
from ppyr.metadata.walkers import PNG_SIGNATURE
from ppyr.metadata.write import attached, fitted, save_options

if TYPE_CHECKING:
    from collections.abc import Collection

Source = str | os.PathLike[str] | BinaryIO
"""A path, or a binary file that is open for reading."""

WRITABLE = {
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".pam": "PNM",
    ".ppm": "PNM",
    ".pgm": "PNM",
    ".pbm": "PNM",
    ".pnm": "PNM",
    ".bmp": "BMP",
}
"""Suffixes that `write_image` can write, and the format of each."""

READABLE = frozenset({*WRITABLE, ".jpg", ".jpeg"})
"""Suffixes of the files that `read_image` can read."""

_ANY = range(1, 17)
_BYTES = (8, 16)
#: Bit depths that each format holds as they are, by channels.
_HOLDS: dict[str, dict[int, Collection[int]]] = {
    ".png": {1: (1, 2, 4, *_BYTES), 2: _BYTES, 3: _BYTES, 4: _BYTES},
    ".tif": {1: _ANY, **dict.fromkeys((2, 3, 4), _ANY[1:])},
    ".webp": {3: (8,), 4: (8,)},
    ".pam": dict.fromkeys(range(1, 5), _ANY),
    ".ppm": {1: _ANY, 3: _ANY},
    ".pgm": {1: _ANY},
    ".pbm": {1: (1,)},
    ".bmp": {1: (1, 8), 3: (8,)},
}
_HOLDS |= {".tiff": _HOLDS[".tif"], ".pnm": _HOLDS[".ppm"]}
#: The same of indices of a palette.
_HOLDS_PALETTE: dict[str, dict[int, Collection[int]]] = {
    ".png": {1: (1, 2, 4, 8)},
    ".tif": {1: range(1, 9)},
    ".tiff": {1: range(1, 9)},
    ".bmp": {1: (8,)},
}
_CHANNELS = ("gray", "gray and alpha", "RGB", "RGBA")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ImageFile:
    """What an image file holds.

    Attributes:
        samples: (H, W) for gray or (H, W, C), C of 2 for gray and alpha, 3 for RGB, 4 for RGBA; uint8, or
            uint16 for more than 8 bits; as stored. Indices, where `metadata` has a palette.
        bit_depth: 1..16 bits a sample.
        metadata: what it says beside the samples.
        lossy: whether it holds something else than samples, such as JPEG, of which these were decoded.
    """

    samples: np.ndarray
    bit_depth: int
    metadata: Metadata
    lossy: bool = False

    def check_plain(self) -> None:
        """Check that the samples mean something without the palette.

        Raises:
            UnsupportedImageError: they are its indices.
        """
        if self.metadata.palette is not None:
            raise UnsupportedImageError(
                "the samples are indices of a palette, no colours: convert the image to RGB"
            )


def read_bytes(source: Source) -> bytes:
    """Read the whole of a path or of an open binary file."""
    if isinstance(source, str | os.PathLike):
        return Path(source).read_bytes()
    return source.read()


def read_image(source: Source, *, strip: Collection[str] = (), max_pixels: int | None = None) -> np.ndarray:
    """Read the samples of an image file, and nothing else; see `read_image_file`.

    Raises:
        UnsupportedImageError: as there, and where the samples are indices of a palette.
    """
    file = read_image_file(source, strip=strip, max_pixels=max_pixels)
    file.check_plain()
    return file.samples


def read_image_file(
    source: Source, *, strip: Collection[str] = (), max_pixels: int | None = None
) -> ImageFile:
    """Read an image file: PNG, TIFF, WebP, PBM, PGM, PPM, PAM, BMP or the decoded pixels of a JPEG.

    Args:
        source: a path or an open binary file.
        strip: kinds of metadata to leave out, of `ppyr.metadata.KINDS`, or all.
        max_pixels: the largest image to read; None for `PIL.Image.MAX_IMAGE_PIXELS`. More than twice that
            are refused with any limit.

    Raises:
        ValueError: `strip` names no kind.
        UnsupportedImageError: the file is no such image, is damaged, is of a kind that can not be kept sample
            for sample, or has metadata that can not be carried and that `strip` does not name.
        ImageTooLargeError: more than `max_pixels` pixels.
        OSError: the file can not be opened.
    """
    from PIL import Image, UnidentifiedImageError

    check_kinds(strip)
    data = read_bytes(source)
    try:
        form, pixels = _read(data, max_pixels)
        metadata = carried(data, form, strip)
        metadata.check_image(pixels.channels, pixels.bit_depth)
    except (ImageTooLargeError, UnsupportedImageError):
        raise
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(
            f"{str(error).rstrip('.')}: allow more with --max-pixels, in Python by PIL.Image.MAX_IMAGE_PIXELS"
        ) from error
    except UnidentifiedImageError as error:
        raise UnsupportedImageError(
            "this is no PNG, TIFF, WebP, PBM, PGM, PPM, PAM, BMP or JPEG image: convert it to PNG first"
        ) from error
    except DAMAGED as error:
        raise UnsupportedImageError(f"the image file is damaged ({error}): get an undamaged copy") from error
    if pixels.lossy:
        _log.info("lossy %s input: the decoded pixels are kept, not the file's own data", form)
    return ImageFile(pixels.samples, pixels.bit_depth, metadata, pixels.lossy)


def _read(data: bytes, max_pixels: int | None) -> tuple[str, Pixels]:
    """The format of a file, and its samples."""
    from ppyr.images.pillow import read_pillow
    from ppyr.images.png import read_png
    from ppyr.images.pnm import is_pnm, read_pnm
    from ppyr.images.tiff import read_tiff

    if data.startswith(PNG_SIGNATURE):
        return "PNG", read_png(data, max_pixels)
    if is_tiff(data):
        return "TIFF", read_tiff(data, max_pixels)
    if is_pnm(data):
        return "PNM", read_pnm(data, max_pixels)
    return read_pillow(data, max_pixels)


def image_bytes(
    image: np.ndarray, suffix: str, metadata: Metadata = NO_METADATA, bit_depth: int | None = None
) -> bytes:
    """Make an image file in memory.

    Args:
        image: samples as `ImageFile` has them.
        suffix: one of `WRITABLE`, such as ".png".
        metadata: to put into it.
        bit_depth: of the samples, by default all bits of their type.

    Raises:
        UnsupportedImageError: the format is unknown, is not lossless, or can not hold the image or its
            metadata.
    """
    from ppyr.picture import checked

    _, depth = checked(image, bit_depth)
    pixels = Pixels(image, depth)
    check_holds(suffix, metadata, channels=pixels.channels, bit_depth=pixels.bit_depth)
    form = WRITABLE[suffix.lower()]
    fitting = fitted(metadata, form)
    try:
        file = _written(pixels, suffix.lower(), fitting)
    except (OSError, ValueError) as error:
        raise UnsupportedImageError(
            f"a {suffix} file can not hold this image ({error}): write .png"
        ) from error
    data = attached(file, fitting, form)
    if metadata != NO_METADATA and carried(data, form) != fitting:
        raise UnsupportedImageError(
            f"some metadata get lost in a {suffix} file: drop them with --strip all, or write another format",
            expected=fitting,
        )
    return data


def _written(pixels: Pixels, suffix: str, metadata: Metadata) -> bytes:
    """A file with samples and palette, and what else of the fitted metadata its library writes."""
    from ppyr.images.pillow import write_bmp, write_webp
    from ppyr.images.png import write_png
    from ppyr.images.pnm import write_pnm
    from ppyr.images.tiff import write_tiff

    form = WRITABLE[suffix]
    options = {} if metadata == NO_METADATA else save_options(metadata, form)
    colours = metadata.palette.colours if metadata.palette else None
    if form == "PNG":
        return write_png(pixels, palette=colours is not None)
    if form == "TIFF":
        return write_tiff(pixels)
    if form == "PNM":
        return write_pnm(pixels, suffix)
    return write_bmp(pixels, colours, **options) if form == "BMP" else write_webp(pixels, **options)


def check_writable(suffix: str) -> None:
    """Check that `suffix` names a lossless format that can be written.

    Raises:
        UnsupportedImageError: it does not.
    """
    if suffix.lower() not in WRITABLE:
        raise UnsupportedImageError(
            f"{suffix or 'no suffix'} names no lossless image format: write one of {', '.join(WRITABLE)}",
            expected=tuple(WRITABLE),
            found=suffix,
        )


def check_holds(suffix: str, metadata: Metadata, *, channels: int, bit_depth: int) -> None:
    """Check that the format that `suffix` names holds such an image with its metadata.

    Raises:
        UnsupportedImageError: it does not, or there is no such format.
    """
    check_writable(suffix)
    form = WRITABLE[suffix.lower()]
    fitted(metadata, form)
    palette = metadata.palette
    holds = _HOLDS if palette is None else _HOLDS_PALETTE
    depths = holds.get(suffix.lower(), {}).get(channels, ())
    full = palette is None or len(palette) == 2**bit_depth
    if bit_depth not in depths or (form == "TIFF" and not full):
        kind = _CHANNELS[channels - 1] if palette is None else f"a palette of {len(palette)} colours"
        others = [other for other in (".png", ".pam") if bit_depth in holds.get(other, {}).get(channels, ())]
        advice = f"write {others[0]}" if others else "no image file can, call ppyr.decode"
        raise UnsupportedImageError(
            f"a {suffix} file can not hold {kind} of {bit_depth} bits as it is: {advice}",
            expected=depths,
            found=bit_depth,
        )


def write_image(image: np.ndarray, path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Write an image file in the lossless format that the suffix of `path` names, whole or not at all.

    Raises:
        UnsupportedImageError: as for `image_bytes`.
        OutputExistsError: `path` is there already and `force` is false.
    """
    write_file(path, image_bytes(image, Path(path).suffix), force=force)
