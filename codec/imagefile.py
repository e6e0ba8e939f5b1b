"""Image files in and out, by Pillow, without a single sample or tag changed unseen.

`read_image` takes gray and RGB of 8 bits, with alpha or without, and gray of 16 bits. Everything that Pillow
would convert on the way (palettes, 16-bit RGB cut to 8, 4-bit samples spread to 8, frames after the first) is
refused, and so are metadata that can not be kept, unless the caller agrees to lose them. Pixels come as they
are stored, however the file says that they are to be turned.
"""

from __future__ import annotations

import io
import logging
import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from ppyr.atomic import write_file
from ppyr.errors import ImageTooLargeError, UnsupportedImageError
from ppyr.metadata import NO_METADATA, Metadata, check_kinds
from ppyr.metadata.read import carried, pixels_only, stated
from ppyr.metadata.walkers import png_chunks, pnm_header, webp_chunks
from ppyr.metadata.write import attached, fitted, save_options

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

Source = str | os.PathLike[str] | BinaryIO
"""A path, or a binary file that is open for reading."""

READABLE = frozenset({".png", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pnm", ".bmp", ".jpg", ".jpeg"})
"""Suffixes of the files that `read_image` can read."""

WRITABLE = {
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".ppm": "PPM",
    ".pgm": "PPM",
    ".pnm": "PPM",
    ".bmp": "BMP",
}
"""Suffixes that `write_image` can write, and the Pillow format of each."""

_READ_FORMATS = ("PNG", "TIFF", "WEBP", "PPM", "BMP", "JPEG")
_MODES = ("L", "LA", "RGB", "RGBA", "I;16")
_WIDE_MODES = ("I;16", "I;16B", "I")
#: Modes that each format of `WRITABLE` holds as they are.
_HOLDS = {
    ".png": _MODES,
    ".tif": _MODES,
    ".tiff": _MODES,
    ".webp": ("RGB", "RGBA"),
    ".ppm": ("L", "RGB", "I;16"),
    ".pgm": ("L", "I;16"),
    ".pnm": ("L", "RGB", "I;16"),
    ".bmp": ("L", "RGB"),
}
# What Pillow's readers let through on damaged files.
_PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    struct.error,
    zlib.error,
)
#: Rows of an image that are copied at once.
_BAND = 64
_log = logging.getLogger(__name__)


def read_bytes(source: Source) -> bytes:
    """Read the whole of a path or of an open binary file."""
    if isinstance(source, str | os.PathLike):
        return Path(source).read_bytes()
    return source.read()


def read_image(source: Source, *, strip: Collection[str] = (), max_pixels: int | None = None) -> np.ndarray:
    """Read the pixels of an image file, and nothing else; see `read_image_file`."""
    return read_image_file(source, strip=strip, max_pixels=max_pixels)[0]


def read_image_file(
    source: Source, *, strip: Collection[str] = (), max_pixels: int | None = None
) -> tuple[np.ndarray, Metadata]:
    """Read an image file: PNG, TIFF, WebP, PPM, PGM, BMP or the decoded pixels of a JPEG.

    Args:
        source: a path or an open binary file.
        strip: kinds of metadata to leave out, of `ppyr.metadata.KINDS`, or all.
        max_pixels: the largest image to read; None for `PIL.Image.MAX_IMAGE_PIXELS`. More than twice that
            are refused with any limit.

    Returns:
        (H, W) for gray or (H, W, C), C of 2 for gray and alpha, 3 for RGB, 4 for RGBA; uint8, or uint16 for
        gray of 16 bits; as stored. And the metadata.

    Raises:
        ValueError: `strip` names no kind.
        UnsupportedImageError: the file is no such image, is damaged, is of a kind that can not be kept sample
            for sample, or has metadata that can not be carried and that `strip` does not name.
        ImageTooLargeError: more than `max_pixels` pixels.
        OSError: the file can not be opened.
    """
    check_kinds(strip)
    data = read_bytes(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if max_pixels is None:
                warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(pixels_only(data)), formats=_READ_FORMATS) as image:
                _check_size(image, max_pixels)
                _check_kind(image, data)
                image.load()
                return _samples(image), carried(image, data, strip)
    except (ImageTooLargeError, UnsupportedImageError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLargeError(
            f"{str(error).rstrip('.')}: allow more with --max-pixels, in Python by PIL.Image.MAX_IMAGE_PIXELS"
        ) from error
    except UnidentifiedImageError as error:
        raise UnsupportedImageError(
            "this is no PNG, TIFF, WebP, PPM, PGM, BMP or JPEG image: convert it to PNG first"
        ) from error
    except _PILLOW_ERRORS as error:
        raise UnsupportedImageError(f"the image file is damaged ({error}): get an undamaged copy") from error


def image_bytes(image: np.ndarray, suffix: str, metadata: Metadata = NO_METADATA) -> bytes:
    """Make an image file in memory.

    Args:
        image: as `read_image_file` gives it.
        suffix: one of `WRITABLE`, such as ".png".
        metadata: to put into it.

    Raises:
        UnsupportedImageError: the format is unknown, is not lossless, or can not hold the image or its
            metadata.
    """
    check_writable(suffix, metadata)
    form = WRITABLE[suffix.lower()]
    fitting = fitted(metadata, form)
    file = io.BytesIO()
    options: dict[str, Any] = {"lossless": True, "exact": True} if suffix.lower() == ".webp" else {}
    if metadata != NO_METADATA:
        options |= save_options(fitting, form)
    try:
        picture = Image.fromarray(image)
        if picture.mode not in _HOLDS[suffix.lower()]:
            raise UnsupportedImageError(
                f"a {suffix} file can not hold an image of mode {picture.mode} as it is: write .png",
                expected=_HOLDS[suffix.lower()],
                found=picture.mode,
            )
        picture.save(file, form, **options)
    except UnsupportedImageError:
        raise
    except (OSError, ValueError) as error:
        raise UnsupportedImageError(
            f"a {suffix} file can not hold this image ({error}): write .png"
        ) from error
    if metadata == NO_METADATA:
        return file.getvalue()
    data = attached(file.getvalue(), fitting, form)
    if stated(data, form) != fitting:
        raise UnsupportedImageError(
            f"some metadata get lost in a {suffix} file: drop them with --strip all, or write another format",
            expected=fitting,
        )
    return data


def check_writable(suffix: str, metadata: Metadata = NO_METADATA) -> None:
    """Check that `suffix` names a lossless format that can be written, and can hold metadata.

    Raises:
        UnsupportedImageError: it does not.
    """
    if suffix.lower() not in WRITABLE:
        raise UnsupportedImageError(
            f"{suffix or 'no suffix'} names no lossless image format: write one of {', '.join(WRITABLE)}",
            expected=tuple(WRITABLE),
            found=suffix,
        )
    fitted(metadata, WRITABLE[suffix.lower()])


def write_image(image: np.ndarray, path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Write an image file in the lossless format that the suffix of `path` names, whole or not at all.

    Raises:
        UnsupportedImageError: as for `image_bytes`.
        OutputExistsError: `path` is there already and `force` is false.
    """
    write_file(path, image_bytes(image, Path(path).suffix), force=force)


def _samples(image: Image.Image) -> np.ndarray:
    """The pixels, (H, W) or (H, W, C), copied in bands: Pillow makes two copies of what it hands over."""
    dtype = np.uint16 if image.mode in _WIDE_MODES else np.uint8
    bands = len(image.getbands())
    samples = np.empty((image.height, image.width, bands)[: 2 + (bands > 1)], dtype)
    for top in range(0, image.height, _BAND):
        bottom = min(top + _BAND, image.height)
        samples[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return samples


def _check_size(image: Image.Image, max_pixels: int | None) -> None:
    pixels = image.width * image.height
    if max_pixels is not None and pixels > max_pixels:
        raise ImageTooLargeError(
            f"{image.width} x {image.height} pixels are more than {max_pixels}: allow more with --max-pixels",
            expected=max_pixels,
            found=pixels,
        )


def _check_kind(image: Image.Image, data: bytes) -> None:
    """Refuse what Pillow would convert."""
    for problem in _problems(image, data):
        raise UnsupportedImageError(
            f"{problem}: convert it to 8-bit RGB or gray first, with alpha or without, if that is what you "
            "want to keep",
            expected=_MODES,
            found=image.mode,
        )
    if image.format == "JPEG" or (
        image.format == "WEBP" and any(kind == b"VP8 " for kind, _ in webp_chunks(data))
    ):
        _log.info("lossy %s input: the decoded pixels are kept, not the file's own data", image.format)


def _problems(image: Image.Image, data: bytes) -> Iterator[str]:
    if getattr(image, "n_frames", 1) > 1:
        yield f"the file holds {getattr(image, 'n_frames', 1)} frames"
    if "transparency" in image.info:
        yield f"the image has a transparent colour (mode {image.mode})"
    if image.mode not in (*_MODES, *_WIDE_MODES) or (image.mode == "I" and image.format != "PPM"):
        yield f"mode {image.mode} is not supported yet"
    yield from _sample_problems(image, data)


def _sample_problems(image: Image.Image, data: bytes) -> Iterator[str]:
    """Tell what the file's own header says of its samples, where Pillow's mode does not."""
    match image.format:
        case "PNG":
            depth = data[24]
            if depth != (16 if image.mode in _WIDE_MODES else 8):
                yield f"the image has {depth} bits a sample"
            if any(kind == b"tRNS" for kind, _ in png_chunks(data)):
                yield "the image has transparency (tRNS)"
        case "PPM":
            largest, _ = pnm_header(data)
            if largest != (65535 if image.mode in _WIDE_MODES else 255):
                yield f"the largest sample value is {largest}, not 255 or, of gray, 65535"
        case "BMP":
            bits = int.from_bytes(data[24:26] if data[14] == 12 else data[28:30], "little")
            if bits not in (8, 24):
                yield f"the image has {bits} bits a pixel"
        case "TIFF":
            yield from _tiff_problems(image)


def _tiff_problems(image: Image.Image) -> Iterator[str]:
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    depths = tags.get(258, (1,))
    if set(depths) != {16 if image.mode in _WIDE_MODES else 8}:
        yield f"the image has {'/'.join(map(str, depths))} bits a sample"
    if len(depths) != len(image.getbands()) or tags.get(338, ()) != (2,) * ("A" in image.getbands()):
        yield "the image has extra samples a pixel, or its colours are multiplied by alpha"
    if set(tags.get(339, (1,))) != {1}:
        yield "the samples are not unsigned integers"
    if tags.get(262) not in (1, 2):
        yield f"TIFF photometric interpretation {tags.get(262)} is not supported yet"
