"""Libraries that are compared with ppyr feature by feature, and the images that they are tried on."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pillow_avif  # noqa: F401
import pillow_jxl  # noqa: F401
from PIL import Image

import ppyr
import ppyr.pillow

PHOTOGRAPH = Path(__file__).resolve().parent.parent / "codec" / "data" / "chelsea.png"
#: Side of the images of each mode, and the size of the large one.
SIDE, LARGE = 96, (1804, 1200)
_GRAY = ("1", "L", "I;16", "F")


def opened(data: bytes) -> Image.Image:
    """A file as Pillow opens it."""
    return Image.open(io.BytesIO(data))


@dataclass(frozen=True)
class Codec:
    """A library: as a plugin of Pillow, as functions of arrays, or as both.

    Attributes:
        package: that is installed.
        form: what Pillow calls the format; None where there is no plugin.
        options: of `Image.save` for the most lossless file of an image.
        encode, decode: an array to its most lossless file and back.
    """

    package: str
    form: str | None = None
    options: Callable[[Image.Image], dict[str, Any]] = field(default=lambda _: {})
    encode: Callable[..., bytes | bytearray] | None = None
    decode: Callable[..., np.ndarray] | None = None

    def file(self, image: Image.Image, **options: Any) -> bytes:
        """The file of an image, by Pillow where that is possible."""
        if self.form is None and self.encode:
            return bytes(self.encode(np.asarray(image)))
        file = io.BytesIO()
        image.save(file, self.form, **{**self.options(image), **options})
        return file.getvalue()

    def pixels(self, data: bytes) -> np.ndarray:
        """The pixels of a file, likewise."""
        return self.decode(data) if self.form is None and self.decode else np.asarray(opened(data))


def _avif(image: Image.Image) -> dict[str, Any]:
    return {"quality": 100} | ({} if image.mode in _GRAY else {"subsampling": "4:4:4"})


CODECS = {
    "ppyr": Codec("ppyr", "PPYR", encode=ppyr.encode, decode=ppyr.decode),
    "pillow-jxl-plugin": Codec("pillow-jxl-plugin", "JXL", lambda _: {"lossless": True}),
    "imagecodecs, JPEG XL": Codec(
        "imagecodecs",
        encode=partial(imagecodecs.jpegxl_encode, lossless=True, numthreads=1),
        decode=partial(imagecodecs.jpegxl_decode, numthreads=1),
    ),
    "pillow-avif-plugin": Codec("pillow-avif-plugin", "AVIF", _avif),
}


@cache
def photograph() -> Image.Image:
    """The bundled one."""
    with Image.open(PHOTOGRAPH) as image:
        return image.convert("RGB")


@cache
def enlarged() -> Image.Image:
    """The same, four times as large, with a little noise in place of detail."""
    samples = np.asarray(photograph().resize(LARGE), np.int16)
    noise = np.random.default_rng(0).integers(-2, 3, samples.shape)
    return Image.fromarray((samples + noise).clip(0, 255).astype(np.uint8))


@cache
def file_of(codec: Codec, image: Callable[[], Image.Image]) -> bytes:
    """The file of one of these."""
    return codec.file(image())


@cache
def image_of(mode: str) -> Image.Image:
    """A small image; there are colours where alpha is 0."""
    colours = photograph().crop((130, 80, 130 + SIDE, 80 + SIDE))
    samples = np.asarray(colours.convert("L"))
    alpha = (samples > 90).astype(np.uint8) * 255
    arrays = {
        "LA": np.dstack([samples, alpha]),
        "RGBA": np.dstack([np.asarray(colours), alpha]),
        "I;16": samples * np.uint16(257) + np.arange(SIDE, dtype=np.uint16),
        "F": samples / np.float32(255),
    }
    if mode in arrays:
        return Image.fromarray(arrays[mode])
    return colours.quantize(20) if mode == "P" else colours.convert(mode)


MODES = ("1", "L", "LA", "RGB", "RGBA", "P", "I;16", "F")
