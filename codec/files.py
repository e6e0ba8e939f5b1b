"""Compressing and decompressing files: what is written is verified, whole, and replaces nothing unasked."""

from __future__ import annotations

import io
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ppyr.about import info
from ppyr.atomic import refuse_existing, sync_folder, write_file
from ppyr.decoding import DEFAULT_MAX_PIXELS, decode, decodes_to
from ppyr.effort import encode
from ppyr.errors import ConfigurationError, ModelError
from ppyr.imagefile import (
    ImageFile,
    Source,
    check_holds,
    check_writable,
    image_bytes,
    read_bytes,
    read_image_file,
)
from ppyr.metadata import read_metadata, stripped
from ppyr.opened import Region
from ppyr.opened import open as open_parts

if TYPE_CHECKING:
    from collections.abc import Collection

Target = str | os.PathLike[str] | BinaryIO
"""A path, or a binary file that is open for writing."""


@dataclass(frozen=True, slots=True)
class Converted:
    """An image file and the .ppyr file with the same pixels, one made from the other.

    Attributes:
        source: the file read, "-" if it was given open.
        target: the file written, likewise.
        width, height: in pixels.
        channels: 1 to 4.
        image_bytes: size of the image file.
        ppyr_bytes: size of the .ppyr file.
    """

    source: str
    target: str
    width: int
    height: int
    channels: int
    image_bytes: int
    ppyr_bytes: int

    @property
    def bits_per_dim(self) -> float:
        """Bits of the .ppyr file for each sample of the image."""
        return 8 * self.ppyr_bytes / (self.width * self.height * self.channels)

    def as_dict(self) -> dict[str, object]:
        """Give every field, and bits_per_dim, for JSON."""
        return {**asdict(self), "bits_per_dim": self.bits_per_dim}


def compress_file(
    source: Source,
    target: Target,
    *,
    effort: int | None = None,
    model: str | None = None,
    embed_model: bool = False,
    backend: str = "auto",
    time_budget: float | None = None,
    label: int | None = None,
    progress: bool = False,
    force: bool = False,
    verify: bool = True,
    strip: Collection[str] = (),
    remove: bool = False,
    max_pixels: int | None = DEFAULT_MAX_PIXELS,
) -> Converted:
    """Compress an image file, its pixels and its metadata, into a .ppyr file.

    Args:
        source: path or open binary file of an image, see `ppyr.imagefile.read_image_file`.
        target: path or open binary file to write; a path appears whole or not at all.
        effort: see `ppyr.encode`.
        model: likewise.
        embed_model: likewise.
        backend: likewise.
        time_budget: likewise.
        label: likewise.
        progress: likewise.
        force: replace a regular file that is there already.
        verify: decode and compare before anything is written.
        strip: kinds of metadata to leave out: exif, xmp, icc, text, dpi, orientation, other, or all.
        remove: remove the source, once the verified target is on the disk; both have to be paths.
        max_pixels: the largest image to read, see `ppyr.imagefile.read_image_file`; None for Pillow's limit.

    Raises:
        OutputExistsError: `target` is there already.
        UnsupportedImageError, ImageTooLargeError: see `ppyr.imagefile.read_image_file`.
        UnknownModelError: there is no such model.
        ConfigurationError: the effort is out of range, or a model is given too; the model has no such label;
            or `remove` without verification, of what is stripped, or of a lossy file, whose own data would be
            lost.
        ModelError: the file would not decode to the same image and metadata; nothing is written.
        OSError: a file can not be read or written.
    """
    _refuse_existing(target, force=force)
    if remove and (strip or not verify or not _are_paths(source, target)):
        raise ConfigurationError("only what is kept whole and verified is removed: leave out --rm")
    read, size = _read_image(source, strip, max_pixels)
    if remove and read.lossy:
        raise ConfigurationError("the pixels are kept, not the lossy file's own data: leave out --rm")
    data = encode_file(
        read,
        effort=effort,
        model=model,
        embed_model=embed_model,
        backend=backend,
        time_budget=time_budget,
        label=label,
        progress=progress,
        verify=verify,
    )
    _write(target, data, force=force)
    if remove and isinstance(source, str | os.PathLike) and isinstance(target, str | os.PathLike):
        sync_folder(Path(target).parent)
        Path(source).unlink()
    return _converted(source, target, read.samples, image_bytes=size, ppyr_bytes=len(data))


def encode_file(
    file: ImageFile,
    *,
    effort: int | None = None,
    model: str | None = None,
    embed_model: bool = False,
    backend: str = "auto",
    time_budget: float | None = None,
    label: int | None = None,
    progress: bool = False,
    verify: bool = True,
) -> bytes:
    """Compress what an image file holds, its pixels and its metadata.

    Args and errors are those of `compress_file`.
    """
    data = encode(
        file.samples,
        bit_depth=file.bit_depth,
        effort=effort,
        model=model,
        embed_model=embed_model,
        backend=backend,
        time_budget=time_budget,
        label=label,
        progress=progress,
        metadata=file.metadata,
    )
    if verify and read_metadata(data) != file.metadata:
        raise ModelError("the metadata do not come back, nothing was written: report this")
    if verify and not decodes_to(data, file.samples, backend=backend):
        raise ModelError("the image does not decode to itself, nothing was written: try --backend reference")
    return data


def holds(data: bytes, file: ImageFile, *, backend: str = "auto") -> bool:
    """Whether a .ppyr file has the samples and the metadata of an image file, found by decoding it.

    Raises:
        PpyrError: it can not be decoded.
    """
    return (
        info(data).bit_depth == file.bit_depth
        and read_metadata(data) == file.metadata
        and decodes_to(data, file.samples, backend=backend)
    )


def decompress_file(
    source: Source,
    target: Target,
    *,
    backend: str = "auto",
    force: bool = False,
    strip: Collection[str] = (),
    level: int = 0,
    region: Region | None = None,
    allow_truncated: bool = False,
    max_pixels: int | None = DEFAULT_MAX_PIXELS,
) -> Converted:
    """Decompress a .ppyr file into an image file, with all its metadata.

    Args:
        source: path or open binary file of a .ppyr file.
        target: path to write, in the lossless format that its suffix names; or an open binary file, for PNG.
        backend: auto, int8, torch, cuda or reference.
        force: replace a regular file that is there already.
        strip: kinds of metadata to leave out: exif, xmp, icc, text, dpi, orientation, or all.
        level: of the image, see `ppyr.open`.
        region: likewise.
        allow_truncated: take a higher level where the file is cut off and has not all bytes of this one.
        max_pixels: the largest image to decode; None for no limit.

    Raises:
        OutputExistsError: `target` is there already.
        ConfigurationError: there is no such level or region.
        UnsupportedImageError: the suffix of `target` names no lossless format that can hold the image and
            its metadata.
        PpyrError: the data can not be decoded, see `ppyr.decode`.
        OSError: a file can not be read or written.
    """
    suffix = Path(target).suffix if isinstance(target, str | os.PathLike) else ".png"
    check_writable(suffix)
    _refuse_existing(target, force=force)
    file = source if isinstance(source, str | os.PathLike) else read_bytes(source)
    metadata = stripped(read_metadata(file), strip)
    about = info(file)
    check_holds(suffix, metadata, channels=about.channels, bit_depth=about.bit_depth)
    if level or region or allow_truncated:
        with open_parts(file) as parts:
            if allow_truncated:
                level = max(level, parts.complete_level)
            image = parts.read(level=level, region=region, backend=backend, max_pixels=max_pixels)
    else:
        image = _decoded(file, backend, max_pixels)
    packed = image_bytes(image, suffix, metadata, about.bit_depth)
    _write(target, packed, force=force)
    return _converted(source, target, image, image_bytes=len(packed), ppyr_bytes=about.bytes)


# These two let go of a file's bytes when its pixels are there: large images need the memory.
def _read_image(source: Source, strip: Collection[str], max_pixels: int | None) -> tuple[ImageFile, int]:
    data = read_bytes(source)
    return read_image_file(io.BytesIO(data), strip=strip, max_pixels=max_pixels), len(data)


def _decoded(file: str | os.PathLike[str] | bytes, backend: str, max_pixels: int | None) -> np.ndarray:
    data = file if isinstance(file, bytes) else read_bytes(file)
    return decode(data, backend=backend, max_pixels=max_pixels)


def _are_paths(*files: Target | Source) -> bool:
    return all(isinstance(file, str | os.PathLike) for file in files)


def _refuse_existing(target: Target, *, force: bool) -> None:
    if isinstance(target, str | os.PathLike):
        refuse_existing(Path(target), force=force)


def _write(target: Target, data: bytes, *, force: bool) -> None:
    if isinstance(target, str | os.PathLike):
        write_file(target, data, force=force)
    else:
        target.write(data)
        target.flush()


def _converted(
    source: Source, target: Target, image: np.ndarray, *, image_bytes: int, ppyr_bytes: int
) -> Converted:
    height, width, *channels = image.shape
    return Converted(
        source=_name(source),
        target=_name(target),
        width=width,
        height=height,
        channels=channels[0] if channels else 1,
        image_bytes=image_bytes,
        ppyr_bytes=ppyr_bytes,
    )


def _name(file: Source | Target) -> str:
    return os.fspath(file) if isinstance(file, str | os.PathLike) else "-"
