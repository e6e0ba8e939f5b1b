"""Metadata: what a .ppyr file says of its image beside the pixels, by kinds that can be left out.

    metadata = ppyr.read_metadata("photo.ppyr")
    data = ppyr.encode(image, metadata=ppyr.Metadata(icc=profile))

`ppyr.metadata.read` finds them in image files, `ppyr.metadata.write` puts them into image files.
"""

from __future__ import annotations

import io
import os
from collections.abc import Collection
from dataclasses import fields, replace
from pathlib import Path
from typing import BinaryIO

from ppyr.bitstream.metadata import NO_METADATA, Colour, Metadata, Palette, Resolution, Text, Unit

__all__ = [
    "KINDS",
    "MEANING",
    "NO_METADATA",
    "Colour",
    "Metadata",
    "Palette",
    "Resolution",
    "Text",
    "Unit",
    "check_kinds",
    "kind_of",
    "kind_of_text",
    "metadata_of",
    "read_metadata",
    "stripped",
    "with_metadata",
]

KINDS = ("exif", "xmp", "icc", "text", "dpi", "orientation", "other")
"""Kinds with a name; `icc` is all that says how samples are meant as colours, `other` what is not carried."""

MEANING = ("palette", "transparent")
"""Fields that say what the samples are; they are of no kind, and nothing strips them."""

_KINDS_OF_FIELDS = {"colour": "icc", "resolution": "dpi", "time": "text"}
_KINDS_OF_TEXT = {
    "XML:com.adobe.xmp": "xmp",
    "Raw profile type xmp": "xmp",
    "Raw profile type exif": "exif",
    "Raw profile type APP1": "exif",
    "Raw profile type icc": "icc",
    "Raw profile type icm": "icc",
}


def read_metadata(source: bytes | str | os.PathLike[str]) -> Metadata:
    """Read the metadata of a .ppyr file, without decoding anything.

    Args:
        source: the data, or the path of a file, of which only the beginning is read.

    Raises:
        FormatError: the beginning of the file is not correct, or this is no .ppyr file.
        OSError: the file can not be read.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as file:
        return metadata_of(file)


def metadata_of(file: BinaryIO) -> Metadata:
    """What `read_metadata` gives, of an open file."""
    from ppyr.bitstream import container
    from ppyr.bitstream.front import read_front

    stop = read_front(file).stop
    file.seek(0)
    return container.read_metadata(file.read(stop))


def with_metadata(data: bytes, metadata: Metadata) -> bytes:
    """The same .ppyr file with these metadata in place of its own.

    Raises:
        FormatError: the data are no correct .ppyr file, or the metadata are too large.
    """
    from ppyr.bitstream import container

    return container.pack(replace(container.unpack(data), metadata=metadata))


def check_kinds(kinds: Collection[str]) -> None:
    """Check names of kinds of metadata.

    Raises:
        ValueError: one is neither in `KINDS` nor "all".
    """
    if unknown := set(kinds) - {*KINDS, "all"}:
        raise ValueError(f"unknown kinds of metadata: {', '.join(sorted(unknown))}")


def kind_of(field: str) -> str:
    """The kind that a field of `Metadata` belongs to; its own name if it is of none."""
    return _KINDS_OF_FIELDS.get(field, field)


def kind_of_text(keyword: str) -> str:
    """The kind of text under a keyword: not all is meant to be read."""
    return _KINDS_OF_TEXT.get(keyword, "text")


def stripped(metadata: Metadata, kinds: Collection[str]) -> Metadata:
    """The metadata without some kinds; "all" is every kind. What is `MEANING` stays.

    Raises:
        ValueError: as for `check_kinds`.
    """
    check_kinds(kinds)
    if "all" in kinds:
        return Metadata(**{name: getattr(metadata, name) for name in MEANING})
    text = tuple(text for text in metadata.text if kind_of_text(text.keyword) not in kinds)
    names = (field.name for field in fields(metadata) if field.name != "text")
    kept = {name: getattr(metadata, name) for name in names if kind_of(name) not in kinds}
    return Metadata(**kept, text=text)
