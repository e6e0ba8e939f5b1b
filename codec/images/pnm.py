"""The samples of PBM, PGM, PPM and PAM files, by netpbmfile."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

from ppyr.images import Pixels, check_size, plain, unsupported

if TYPE_CHECKING:
    from netpbmfile import NetpbmFile

_KINDS = {"GRAYSCALE": 1, "GRAYSCALE_ALPHA": 2, "RGB": 3, "RGB_ALPHA": 4}
_BILEVEL = {"BLACKANDWHITE": 1, "BLACKANDWHITE_ALPHA": 2}
_THUMBNAIL = "P7 332"  # of XV, whose colours have 8 bits in all
_BITMAPS = ("P1", "P4")
_FORMS: dict[str, Literal["P4", "P7"]] = {".pbm": "P4", ".pam": "P7"}


def is_pnm(data: bytes) -> bool:
    """Whether this is a file of the Netpbm family, by its first bytes."""
    return data[:1] == b"P" and data[1:2] in b"1234567" and data[2:3] in b" \t\r\n"


def is_plain(data: bytes) -> bool:
    """Whether the samples of such a file are plain text."""
    return data[1:2] in b"123"


def opened(data: bytes) -> NetpbmFile:
    """A file, of which only the header is read."""
    from netpbmfile import NetpbmFile

    return NetpbmFile(io.BytesIO(data))


def end_of_samples(file: NetpbmFile, data: bytes) -> int:
    """Where the samples of the first image end; of one in plain text, where the file does."""
    if is_plain(data):
        return len(data)
    row = -(-file.width // 8) if file.magicnumber == "P4" else file.width * file.depth * file.dtype.itemsize
    return int(file.dataoffset + row * file.height)


def read_pnm(data: bytes, max_pixels: int | None) -> Pixels:
    """Read the samples of a PBM, PGM, PPM or PAM file; of a bitmap, 1 is white, as everywhere else.

    Raises:
        UnsupportedImageError: the samples do not fill whole bits, or the file is of another kind.
        ImageTooLargeError: see `check_size`.
        ValueError: the file is damaged.
    """
    file = opened(data)
    check_size(file.width, file.height, max_pixels)
    depth = file.maxval.bit_length()
    if depth > 16 or file.maxval != 2**depth - 1:
        raise unsupported(f"the largest sample value is {file.maxval}, not 1, 3, 7 ... 65535")
    kinds = _KINDS | _BILEVEL if depth == 1 else _KINDS
    if kinds.get(file.tupltype) != file.depth or file.magicnumber == _THUMBNAIL:
        raise unsupported(f"the tuple type {file.tupltype or '(none)'} of depth {file.depth} can not be kept")
    if 0 in file.shape:
        raise ValueError("there are no pixels")
    if file.magicnumber == "P1":
        from ppyr.images.pillow import loaded

        return Pixels(loaded(data, "PPM"), depth)  # digits may stand together, or not
    shape = (file.height, file.width, *([file.depth] if file.depth > 1 else []))
    samples = plain(opened(data[: end_of_samples(file, data)]).asarray().reshape(shape))
    if samples.max() > file.maxval:
        raise ValueError(f"a sample is more than {file.maxval}")
    return Pixels(1 - samples if file.magicnumber in _BITMAPS else samples, depth)


def write_pnm(pixels: Pixels, suffix: str) -> bytes:
    """Make a file in the form that its suffix, lower case, names."""
    from netpbmfile import imwrite

    file = io.BytesIO()
    form = _FORMS.get(suffix) or ("P6" if pixels.channels == 3 else "P5")
    samples = pixels.samples == 0 if form in _BITMAPS else pixels.samples
    imwrite(file, samples, maxval=2**pixels.bit_depth - 1, magicnumber=form)
    return file.getvalue()
