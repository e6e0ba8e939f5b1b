"""Pillow opens and saves .ppyr files once this module is imported.

    import ppyr.pillow
    from PIL import Image

    with Image.open("photo.ppyr") as image:  # reads the front of the file
        image.thumbnail((320, 320))          # decodes the levels that it needs
    Image.open("scan.png").save("scan.ppyr", effort=6)

A format of Pillow is a class with `_open` and a function `_save`, as its handbook says under "Writing your
own image plugin". Neither importing this module nor opening a file loads torch or numba. What Pillow has no
mode for is refused, never converted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import IO, Any, BinaryIO, cast

import numpy as np
from PIL import Image, ImageFile, ImagePalette

from ppyr.bitstream.container import HEADER_SIZE, SIGNATURE, Header, read_header, unpack
from ppyr.errors import ConfigurationError, NotPpyrError, PpyrError, UnsupportedImageError
from ppyr.images.pillow import samples_of
from ppyr.metadata import NO_METADATA, Metadata, Palette, Resolution, Unit, metadata_of
from ppyr.metadata.directory import ORIENTATION, SHORT, Entry, exif_block, rewritten

_FORMAT = "PPYR"
_DECODER = "ppyr"
_MODES = {(1, 1): "1", (1, 8): "L", (2, 8): "LA", (3, 8): "RGB", (4, 8): "RGBA", (1, 16): "I;16"}
"""Modes by channels and bit depth of images without a palette; those with one are P."""
_DEPTHS = {mode: depth for (_, depth), mode in _MODES.items()} | {"I;16B": 16, "I;16L": 16, "I;16N": 16}
_RAW = {"1": "1;8"}
_PALETTE_DEPTHS = (1, 2, 4, 8)
_EXIF_PREFIX = b"Exif\0\0"
_PER_INCH = {Unit.METRE: 0.0254, Unit.INCH: 1.0, Unit.CENTIMETRE: 2.54}
_FINEST_DPI = 10**6


class PpyrImageFile(ImageFile.ImageFile):
    """A .ppyr file as Pillow opens it.

    Opening reads the front of the file: header, index and metadata. Pixels are decoded when they are first
    asked for, those of the level that `draft` chose, or of the whole image.

    Raises:
        SyntaxError: this is no .ppyr file; `Image.open` goes on to other formats.
        OSError: it is damaged or cut off, needs another version of ppyr or a model that is not installed, or
            has samples that Pillow has no mode for. The ppyr error is the cause.
    """

    format = _FORMAT
    format_description = "PPYR lossless image"

    def _open(self) -> None:
        file = cast(BinaryIO, self.fp)
        with _as_oserror():
            try:
                header = read_header(file.read(HEADER_SIZE))
            except NotPpyrError as error:
                raise SyntaxError(str(error)) from error
            metadata = metadata_of(file)
            self._mode = _mode(header, metadata)
            self.info = _info(metadata, self._mode)
        if metadata.palette:
            self.palette = ImagePalette.raw("RGB", metadata.palette.colours)
        self._choose(0, (header.width, header.height))

    def draft(
        self,
        mode: str | None,  # noqa: ARG002
        size: tuple[int, int] | None,
    ) -> tuple[str, tuple[int, int, float, float]] | None:
        """Decode a smaller image: every 2^k-th row and column, from the bytes that these take.

        Args:
            mode: not used, the mode stays.
            size: (width, height) in pixels; the smallest level is chosen that has as many and more.

        Returns:
            The mode, and the box (left, top, right, bottom) of the level that the image fills, in pixels;
            None where pixels are decoded already, or no size is given.
        """
        if not self.tile or size is None:
            return None
        width, height = self.size
        scale = min(wide // max(1, least) for wide, least in zip(self.size, size, strict=True))
        halvings = max(0, scale.bit_length() - 1)
        level = cast("tuple[int]", self.tile[0].args)[0] + halvings
        self._choose(level, (-(-width >> halvings), -(-height >> halvings)))
        return self.mode, (0, 0, width / 2**halvings, height / 2**halvings)

    def verify(self) -> None:
        """Check the file up to its last byte without decoding pixels: every checksum, length and order.

        That finds damage, and takes no model. That the symbols decode to pixels with the right digest only
        `ppyr.verify` finds out.

        Raises:
            OSError: the file is damaged or cut off, or goes on after its end.
        """
        if self.fp is None:
            raise RuntimeError("verify must be called directly after open")
        try:
            self.fp.seek(0)
            with _as_oserror():
                unpack(self.fp.read())
        finally:
            super().verify()

    def load_seek(self, pos: int) -> None:
        """Nothing: the decoder finds its places in the file, and `ImageFile.Parser` waits for all of it."""

    def _choose(self, level: int, size: tuple[int, int]) -> None:
        """Decode this level, when pixels are asked for."""
        self._size = size
        self.tile = [ImageFile._Tile(_DECODER, (0, 0, *size), 0, (level,))]


class _Decoder(ImageFile.PyDecoder):
    """The pixels of a level, of the open file.

    Of a file that is cut off, `LOAD_TRUNCATED_IMAGES` gives the image in its size from the finest level that
    is there, each pixel in place of its neighbours that are not.
    """

    _pulls_fd = True

    def decode(self, buffer: object) -> tuple[int, int]:  # noqa: ARG002
        """See `ImageFile.PyDecoder.decode`; an error of the file is an OSError."""
        from ppyr.opened import open as open_parts

        (level,) = self.args
        left, top, right, bottom = self.state.extents()
        with _as_oserror(), open_parts(cast(BinaryIO, self.fd)) as file:
            there = max(level, file.complete_level) if ImageFile.LOAD_TRUNCATED_IMAGES else level
            samples = file.read(level=there, max_pixels=None)  # Pillow has compared the size with its limit
        if there > level:
            times = 1 << (there - level)
            samples = samples.repeat(times, 0)[: bottom - top].repeat(times, 1)[:, : right - left]
        stored = np.ascontiguousarray(samples, samples.dtype.newbyteorder("<"))
        self.set_as_raw(cast(bytes, stored.data), _RAW.get(self.mode))
        return -1, 0


def register_pillow() -> None:
    """Tell Pillow of .ppyr files; importing `ppyr.pillow` does it."""
    Image.register_open(_FORMAT, PpyrImageFile, _accept)
    Image.register_decoder(_DECODER, _Decoder)
    Image.register_save(_FORMAT, _save)
    Image.register_save_all(_FORMAT, _save_all)
    Image.register_extension(_FORMAT, ".ppyr")
    Image.register_mime(_FORMAT, "image/x-ppyr")


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(SIGNATURE)


def _mode(header: Header, metadata: Metadata) -> str:
    """The mode that holds the samples as they are."""
    if metadata.palette:
        return "P"
    kind = header.channels, header.bit_depth
    if kind not in _MODES:
        raise UnsupportedImageError(
            f"Pillow has no mode for {header.channels} channels of {header.bit_depth} bits: call ppyr.decode "
            "or ppyr.open, which give an array",
            expected=tuple(_MODES),
            found=kind,
        )
    return _MODES[kind]


def _info(metadata: Metadata, mode: str) -> dict[str | tuple[int, int], Any]:
    """What `Image.info` has of metadata, as Pillow's PNG reader names it; no text takes such a name."""
    density = metadata.resolution
    pixels = tuple(top / bottom for top, bottom in (density.x, density.y)) if density else None
    per_inch = _PER_INCH.get(density.unit) if density else None
    gamma, points, intent = (
        getattr(metadata.colour, name, None) for name in ("gamma", "chromaticities", "intent")
    )
    exif = _oriented(metadata)
    found = {
        "icc_profile": metadata.icc or None,
        "exif": _EXIF_PREFIX + exif if exif else None,
        "xmp": metadata.xmp or None,
        "dpi": tuple(one * per_inch for one in pixels) if pixels and per_inch else None,
        "aspect": None if per_inch else pixels,
        "transparency": _transparency(metadata, mode),
        "gamma": None if gamma is None else gamma / 100000,
        "chromaticity": points and tuple(one / 100000 for one in points),
        "srgb": intent,
    }
    info: dict[str | tuple[int, int], Any] = {
        text.keyword: text.text for text in metadata.text if text.keyword not in found
    }
    return info | {name: value for name, value in found.items() if value is not None}


def _transparency(metadata: Metadata, mode: str) -> bytes | int | tuple[int, ...] | None:
    """Alpha of the palette, or the transparent colour in the values of the mode."""
    if metadata.palette:
        return metadata.palette.alpha or None
    if metadata.transparent is None or mode == "RGB":
        return metadata.transparent
    return metadata.transparent[0] * (255 if mode == "1" else 1)


def _oriented(metadata: Metadata) -> bytes:
    """The Exif block, with the orientation of the image in it, which Pillow looks for nowhere else."""
    if metadata.orientation is None:
        return metadata.exif
    orientation = Entry(SHORT, metadata.orientation.to_bytes(2, "little"))
    return rewritten(metadata.exif or exif_block({}), add={ORIENTATION: orientation})


def _save(im: Image.Image, fp: IO[bytes], filename: str | bytes) -> None:  # noqa: ARG001
    """Write an image; see docs/pillow.md for the options."""
    from ppyr.effort import encode

    if im.mode not in {*_DEPTHS, "P"}:
        raise OSError(f"cannot write mode {im.mode} as {_FORMAT}")
    given = im.encoderinfo
    with _as_oserror():
        samples = samples_of(im)
        metadata = _metadata(im)
        depth = _DEPTHS.get(im.mode)
        if metadata.palette:
            most = max(len(metadata.palette) - 1, int(samples.max()))
            depth = next(bits for bits in _PALETTE_DEPTHS if not most >> bits)
        options = {name: given[name] for name in ("effort", "model") if name in given}
        fp.write(encode(samples, bit_depth=depth, metadata=metadata, **options))


def _save_all(im: Image.Image, fp: IO[bytes], filename: str | bytes) -> None:
    if im.encoderinfo.get("append_images") or getattr(im, "n_frames", 1) > 1:
        raise OSError(f"cannot write several frames as {_FORMAT}")
    _save(im, fp, filename)


def _metadata(im: Image.Image) -> Metadata:
    """What is written beside pixels: their profile and meaning in any case, the rest where it is given."""
    given = im.encoderinfo
    metadata: Metadata = given.get("metadata") or NO_METADATA
    transparency = given.get("transparency", im.info.get("transparency"))
    changes: dict[str, Any] = {
        "palette": _palette(im, transparency) if im.mode == "P" else None,
        "transparent": _transparent(im, transparency),
        "icc": given.get("icc_profile", metadata.icc or im.info.get("icc_profile")) or b"",
    }
    if (exif := given.get("exif")) is not None:
        block: bytes = exif.tobytes() if isinstance(exif, Image.Exif) else exif
        changes["exif"] = block.removeprefix(_EXIF_PREFIX)
    if (xmp := given.get("xmp")) is not None:
        changes["xmp"] = xmp
    if dpi := given.get("dpi"):
        x, y = (Fraction(one).limit_denominator(_FINEST_DPI).as_integer_ratio() for one in dpi)
        changes["resolution"] = Resolution(x, y, Unit.INCH)
    return replace(metadata, **changes)


def _palette(im: Image.Image, transparency: bytes | int | None) -> Palette:
    """All colours, and their alpha as `info` or the palette itself has it."""
    colours = bytes(im.getpalette() or ())
    if isinstance(transparency, int):
        alpha = b"\xff" * transparency + b"\0"
    elif transparency is None and im.im.getpalettemode() == "RGBA":
        alpha = im.im.getpalette("RGBA", "A")
    else:
        alpha = transparency or b""
    return Palette(colours, alpha[: len(colours) // 3])


def _transparent(im: Image.Image, transparency: Any) -> tuple[int, ...] | None:
    """The transparent colour; where there is alpha, what `info` says is stale."""
    if transparency is None or im.mode in ("P", "LA", "RGBA"):
        return None
    if im.mode == "RGB":
        return tuple(transparency)
    return (int(transparency > 0) if im.mode == "1" else transparency,)


@contextmanager
def _as_oserror() -> Iterator[None]:
    """An error of ppyr as the one that Pillow's callers expect; a wrong option stays a ValueError."""
    try:
        yield
    except ConfigurationError:
        raise
    except PpyrError as error:
        raise OSError(str(error)) from error


register_pillow()
