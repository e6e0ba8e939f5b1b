"""What a file says of its image beside the pixels, as `Container` holds it.

Every number is the one of the image file, without rounding: a resolution is a pair of fractions, a gamma
counts hundred-thousandths. FORMAT.md gives the ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ppyr.bitstream.checks import check_range
from ppyr.bitstream.deflated import LARGEST
from ppyr.errors import FormatError

MOST_TEXTS = 1 << 12
"""How many texts an image may have."""


class Unit(IntEnum):
    """The length that a resolution counts pixels for; NONE gives only the shape of a pixel."""

    NONE = 0
    METRE = 1
    INCH = 2
    CENTIMETRE = 3


@dataclass(frozen=True, slots=True)
class Resolution:
    """Pixels for a unit of length.

    Attributes:
        x, y: numerator (0..2^32 - 1) and denominator (1..2^32 - 1), not reduced.
        unit: of length.

    Raises:
        FormatError: a number is outside its range.
    """

    x: tuple[int, int]
    y: tuple[int, int]
    unit: Unit

    def __post_init__(self) -> None:
        for numerator, denominator in (self.x, self.y):
            check_range("numerator of the resolution", numerator, 0, 2**32 - 1)
            check_range("denominator of the resolution", denominator, 1, 2**32 - 1)
        check_range("unit of the resolution", self.unit, min(Unit), max(Unit))


@dataclass(frozen=True, slots=True)
class Colour:
    """How samples are meant as colours, in the numbers of PNG; None is what nobody said.

    Attributes:
        gamma: of gAMA, in 1/100000.
        chromaticities: of cHRM, in 1/100000: x and y of white, red, green and blue.
        intent: rendering intent of sRGB, 0..3.
        cicp: primaries, transfer function, matrix and whether the range is full, 0 or 1.
        mastering: of mDCV: x and y of red, green, blue and white in 1/50000, then the most and the least
            luminance in 1/10000.
        light: of cLLI: most light of a pixel and of a frame on average, in 1/10000.

    Raises:
        FormatError: a number is outside its range, or there is none at all.
    """

    gamma: int | None = None
    chromaticities: tuple[int, ...] | None = None
    intent: int | None = None
    cicp: tuple[int, ...] | None = None
    mastering: tuple[int, ...] | None = None
    light: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.gamma is not None:
            check_range("gamma", self.gamma, 0, 2**32 - 1)
        if self.intent is not None:
            check_range("rendering intent", self.intent, 0, 3)
        _check_numbers("chromaticities", self.chromaticities, (2**32 - 1,) * 8)
        _check_numbers("cicp", self.cicp, (255, 255, 255, 1))
        _check_numbers("mastering", self.mastering, (2**16 - 1,) * 8 + (2**32 - 1,) * 2)
        _check_numbers("light", self.light, (2**32 - 1,) * 2)
        if all(value is None for value in self.stated):
            raise FormatError("colour says nothing; pass None in its place", expected="a number", found=None)

    @property
    def stated(self) -> tuple[int | tuple[int, ...] | None, ...]:
        """Every attribute, in order."""
        return self.gamma, self.chromaticities, self.intent, self.cicp, self.mastering, self.light


@dataclass(frozen=True, slots=True)
class Text:
    """Words and what they are about.

    Attributes:
        keyword: such as Title or Comment, 1..79 characters of Latin-1.
        text: any length.
        international: whether there may be a language and a translation, and any characters in `text`, which
            is Latin-1 else.
        language: a tag such as pt-br, ASCII.
        translated: the keyword in that language.

    Raises:
        FormatError: a part is too long, or has characters that it may not have.
    """

    keyword: str
    text: str
    international: bool = False
    language: str = ""
    translated: str = ""

    def __post_init__(self) -> None:
        check_range("characters of a keyword", len(self.keyword), 1, 79)
        _check_characters("keyword", self.keyword, "latin-1")
        _check_characters("language", self.language, "ascii")
        _check_characters("translated keyword", self.translated, "utf-8")
        if not self.international:
            length = len(self.language) + len(self.translated)
            check_range("language and translation of text that is not international", length, 0, 0)
        _check_encoding("text", self.text, "utf-8" if self.international else "latin-1")


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours that samples are numbers of, as PNG has them in PLTE and tRNS.

    Attributes:
        colours: red, green and blue of each entry, one byte each, 1..256 entries.
        alpha: of the first entries, one byte each; the others are opaque.

    Raises:
        FormatError: there are too few or too many bytes.
    """

    colours: bytes
    alpha: bytes = b""

    def __post_init__(self) -> None:
        check_range("colours of the palette", len(self), 1, 256)
        check_range("bytes of colours", len(self.colours), 3 * len(self), 3 * len(self))
        check_range("alphas of the palette", len(self.alpha), 0, len(self))

    def __len__(self) -> int:
        """How many entries there are."""
        return len(self.colours) // 3


@dataclass(frozen=True)
class Metadata:
    """What a file says of its image beside the pixels; what is empty or None is not there.

    Attributes:
        icc: an ICC profile.
        colour: what PNG says of colours without a profile.
        orientation: how the stored pixels are to be turned for showing, 2..8 as the TIFF tag 274 counts; None
            is not at all.
        palette: the colours that the samples of a gray image are numbers of; None where they are gray.
        transparent: the sample values of a pixel, one for each channel, that is fully transparent; the others
            are opaque.
        exif: an Exif block, without the prefix that JPEG has.
        xmp: an XMP packet.
        text: in the order of the image file.
        resolution: pixels for a unit of length.
        time: of the last modification, in UTC: year, month, day, hour, minute, second.

    Raises:
        FormatError: a part is too large, or a number is outside its range.
    """

    icc: bytes = b""
    colour: Colour | None = None
    orientation: int | None = None
    palette: Palette | None = None
    transparent: tuple[int, ...] | None = None
    exif: bytes = b""
    xmp: bytes = b""
    text: tuple[Text, ...] = ()
    resolution: Resolution | None = None
    time: tuple[int, int, int, int, int, int] | None = None

    def __post_init__(self) -> None:
        for name, value in (("profile", self.icc), ("EXIF", self.exif), ("XMP", self.xmp)):
            check_range(f"bytes of {name}", len(value), 0, LARGEST)
        check_range("texts", len(self.text), 0, MOST_TEXTS)
        check_range("Exif prefixes", int(self.exif.startswith(b"Exif\0\0")), 0, 0)
        if self.orientation is not None:
            check_range("orientation", self.orientation, 2, 8)
        if self.transparent is not None:
            least = 3 if len(self.transparent) > 1 else 1
            check_range("samples of the transparent colour", len(self.transparent), least, least)
            for sample in self.transparent:
                check_range("sample of the transparent colour", sample, 0, 2**16 - 1)
            check_range("transparent colours beside a palette", int(self.palette is not None), 0, 0)
        if self.time is not None:
            check_range("numbers of the time", len(self.time), 6, 6)
            limits = ((0, 2**16 - 1), (1, 12), (1, 31), (0, 23), (0, 59), (0, 60))
            for number, (least, most) in zip(self.time, limits, strict=True):
                check_range("part of the time", number, least, most)

    def check_image(self, channels: int, bit_depth: int) -> None:
        """Check that palette and transparent colour go with an image.

        Raises:
            FormatError: they do not.
        """
        if self.palette is not None:
            check_range("channels of an image with a palette", channels, 1, 1)
            check_range("bit depth of an image with a palette", bit_depth, 1, 8)
            check_range("colours of the palette", len(self.palette), 1, 2**bit_depth)
        if self.transparent is not None:
            count = len(self.transparent)
            check_range("channels of an image with a transparent colour", channels, count, count)
            check_range("sample of the transparent colour", max(self.transparent), 0, 2**bit_depth - 1)


NO_METADATA = Metadata()


def _check_numbers(name: str, numbers: tuple[int, ...] | None, most: tuple[int, ...]) -> None:
    if numbers is None:
        return
    check_range(f"numbers of {name}", len(numbers), len(most), len(most))
    for number, limit in zip(numbers, most, strict=True):
        check_range(name, number, 0, limit)


def _check_characters(name: str, text: str, encoding: str) -> None:
    _check_encoding(name, text, encoding)
    check_range(f"NUL characters of the {name}", text.count("\0"), 0, 0)


def _check_encoding(name: str, text: str, encoding: str) -> None:
    try:
        text.encode(encoding)
    except UnicodeEncodeError as error:
        found = text[error.start]
        raise FormatError(
            f"{name}: {found!r}, where {encoding} belongs; pass what fits", expected=encoding, found=found
        ) from error
