"""Metadata in a .ppyr file: every way of breaking their sections, and what looks at them from outside."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import ppyr
from ppyr.bitstream.container import HEADER_SIZE, Container, Header, Scaling, pack, read_metadata, unpack
from ppyr.bitstream.deflated import LARGEST
from ppyr.bitstream.front import read_front
from ppyr.bitstream.metadata import MOST_TEXTS, Colour, Metadata, Palette, Resolution, Text, Unit
from ppyr.bitstream.metasections import MetadataKind, pack_metadata
from ppyr.bitstream.plain import Method
from ppyr.bitstream.varint import write_varint
from ppyr.errors import ChecksumError, FormatError, TruncatedError
from ppyr.metadata import NO_METADATA, check_kinds, stripped, with_metadata

from .photograph import crop
from .plain_decoder import sections, varint
from .plain_metadata import metadata as plain_metadata
from .some_metadata import FULL, INDEXED

HEADER = Header(2, 1, 1, 8, bytes(16), bytes(16), 0)
SMALL = Container(HEADER, 10, (Method.MODEL,), b"\x0a", ((b"",), (b"\x01\x02\x03\x04",)))
FILE = pack(SMALL)
WITH_ALL = pack(replace(SMALL, metadata=INDEXED))
INDEX_STOP = HEADER_SIZE + 14


def section(kind: int, payload: bytes) -> bytes:
    data = bytes([kind]) + write_varint(len(payload)) + payload
    return data + zlib.crc32(data).to_bytes(4, "little")


def file_of(*parts: bytes) -> bytes:
    """FILE with sections between INDEX and COARSEST."""
    return FILE[:INDEX_STOP] + b"".join(parts) + FILE[INDEX_STOP:]


def deflated(data: bytes, *, size: int | None = None) -> bytes:
    return write_varint(len(data) if size is None else size) + zlib.compress(data)


PARTS = {kind: section(kind, payload) for kind, payload in pack_metadata(INDEXED)}
CLEAR = Metadata(transparent=(7,))
PAYLOADS = dict((*pack_metadata(INDEXED), *pack_metadata(CLEAR)))
PLAIN = {
    MetadataKind.COLOUR: "01 8fb10000",
    MetadataKind.ORIENTATION: "06",
    MetadataKind.PALETTE: "01 010203 040506 80",
    MetadataKind.RESOLUTION: "02 2c010000 01000000 4b000000 02000000",
    MetadataKind.TIME: "e807 02 1d 17 3b 3c",
}
"""Payloads that no library of compression has a part in."""


def test_all_kinds_there_and_back() -> None:
    assert sorted(PAYLOADS) == list(MetadataKind)
    assert file_of(*PARTS.values()) == WITH_ALL
    assert unpack(WITH_ALL) == replace(SMALL, metadata=INDEXED)
    assert read_metadata(WITH_ALL[:-16]) == INDEXED
    assert unpack(pack(replace(SMALL, metadata=CLEAR))).metadata == CLEAR
    assert unpack(FILE).metadata == NO_METADATA


def test_frozen_payloads() -> None:
    metadata = Metadata(
        colour=Colour(gamma=45455),
        orientation=6,
        palette=Palette(bytes([1, 2, 3, 4, 5, 6]), b"\x80"),
        resolution=Resolution((300, 1), (75, 2), Unit.INCH),
        time=(2024, 2, 29, 23, 59, 60),
    )
    assert {kind: payload.hex() for kind, payload in pack_metadata(metadata)} == {
        kind: text.replace(" ", "") for kind, text in PLAIN.items()
    }
    ((_, payload),) = pack_metadata(Metadata(transparent=(1, 2, 258)))
    assert payload.hex() == "010002000201"
    text = Metadata(text=(Text("é", "words"), Text("B", "猫", True, "ja", "訳")))
    ((_, payload),) = pack_metadata(text)
    inflated = bytes.fromhex("00 02c3a9 00 00 05776f726473  01 0142 026a61 03e8a8b3 03e78cab")
    assert payload == deflated(inflated)[:1] + zlib.compress(inflated, 9)


def test_a_reader_of_the_document_finds_the_same() -> None:
    found = plain_metadata(sections(WITH_ALL)[1:-3], varint, 1, 8)
    assert FULL.colour is not None
    assert FULL.resolution is not None
    assert found == {
        "ICC": FULL.icc,
        "gamma": (45455,),
        "chromaticities": FULL.colour.chromaticities,
        "intent": (1,),
        "cicp": FULL.colour.cicp,
        "mastering": FULL.colour.mastering,
        "light": FULL.colour.light,
        "ORIENTATION": 6,
        "PALETTE": ((0, 1, 2, 7), (3, 4, 5, 255), (6, 7, 8, 255)),
        "EXIF": FULL.exif,
        "XMP": FULL.xmp,
        "TEXT": [("Title", "", "", "é", "simple"), ("Comment", "ja", "題名", "猫", "international")],
        "RESOLUTION": (3, *FULL.resolution.x, *FULL.resolution.y),
        "TIME": FULL.time,
    }


@pytest.mark.parametrize("kind", MetadataKind)
def test_every_flipped_bit_under_a_right_checksum_is_an_error_or_something_else(kind: MetadataKind) -> None:
    payload = PAYLOADS[kind]
    for position in range(8 * len(payload)):
        damaged = bytearray(payload)
        damaged[position // 8] ^= 1 << position % 8
        with suppress(FormatError):
            assert unpack(file_of(section(kind, bytes(damaged)))).metadata != NO_METADATA


@pytest.mark.parametrize("kind", MetadataKind)
def test_no_section_twice_or_out_of_order(kind: MetadataKind) -> None:
    part = section(kind, PAYLOADS[kind])
    last = PARTS[MetadataKind.TIME]
    orders = [[part, part], [last, part]]
    for parts in orders:
        with pytest.raises(FormatError, match=f"section {kind.name} stands after") as caught:
            unpack(file_of(*parts))
        assert caught.value.offset == INDEX_STOP + len(parts[0])
        assert caught.value.found == kind
    coarsest = len(FILE) - 6 - 10 - 7
    for place in (HEADER_SIZE, coarsest + 7, len(FILE) - 6):
        with pytest.raises(FormatError, match=f"section {kind.name} stands where"):
            unpack(FILE[:place] + part + FILE[place:])
    with pytest.raises(FormatError, match="follow the end section"):
        unpack(FILE + part)


def test_unknown_ancillary_sections_may_stand_between() -> None:
    note = section(200, b"note")
    parts = [note, *(data for part in PARTS.values() for data in (part, note))]
    found = unpack(file_of(*parts))
    assert found == replace(SMALL, metadata=INDEXED, ancillary=((200, b"note"),) * (1 + len(PARTS)))
    assert pack(found) == file_of(*PARTS.values(), *[note] * (1 + len(PARTS)))


ICC, EXIF, TEXT = MetadataKind.ICC, MetadataKind.EXIF, MetadataKind.TEXT
COLOUR, TIME, RESOLUTION = MetadataKind.COLOUR, MetadataKind.TIME, MetadataKind.RESOLUTION
SIMPLE = b"\0\1K\0\0\1t"


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (ICC, b""),
        (ICC, b"\x80"),
        (ICC, b"\x81\0" + zlib.compress(b"a")),
        (ICC, b"\1"),
        (ICC, deflated(b"")),
        (ICC, deflated(b"a", size=0)),
        (ICC, deflated(b"ab", size=1)),
        (ICC, deflated(b"ab", size=3)),
        (ICC, deflated(b"ab")[:-1]),
        (ICC, deflated(b"ab")[:-5]),
        (ICC, deflated(b"ab") + b"\0"),
        (ICC, write_varint(2) + b"ab"),
        (ICC, deflated(bytes(LARGEST + 1))),
        (ICC, deflated(bytes(LARGEST + 1), size=LARGEST)),
        (ICC, deflated(b"a", size=2**63 - 1)),
        (EXIF, deflated(b"Exif\0\0II*\0")),
        (COLOUR, b""),
        (COLOUR, b"\0"),
        (COLOUR, b"\x40"),
        (COLOUR, b"\x80" + bytes(4)),
        (COLOUR, b"\1" + bytes(3)),
        (COLOUR, b"\1" + bytes(5)),
        (COLOUR, b"\4\4"),
        (COLOUR, b"\x08\0\0\0\2"),
        (MetadataKind.ORIENTATION, b""),
        (MetadataKind.ORIENTATION, b"\1"),
        (MetadataKind.ORIENTATION, b"\x09"),
        (MetadataKind.ORIENTATION, b"\2\2"),
        (MetadataKind.PALETTE, b""),
        (MetadataKind.PALETTE, b"\0ab"),
        (MetadataKind.PALETTE, b"\0abcde"),
        (MetadataKind.PALETTE, b"\xff" + bytes(767)),
        (MetadataKind.TRANSPARENT, b""),
        (MetadataKind.TRANSPARENT, b"\0"),
        (MetadataKind.TRANSPARENT, b"\0\0\0"),
        (MetadataKind.TRANSPARENT, bytes(8)),
        (TEXT, deflated(b"\2\1K\0\0\1t")),
        (TEXT, deflated(b"\0\0\0\0\1t")),
        (TEXT, deflated(b"\0\x50" + b"k" * 80 + b"\0\0\1t")),
        (TEXT, deflated(b"\0\1\0\0\0\1t")),
        (TEXT, deflated("\0\3猫\0\0\1t".encode())),
        (TEXT, deflated(b"\0\1\xff\0\0\1t")),
        (TEXT, deflated(b"\0\1K\1a\0\1t")),
        (TEXT, deflated(b"\0\1K\0\1a\1t")),
        (TEXT, deflated("\0\1K\0\0\3猫".encode())),
        (TEXT, deflated("\1\1K\2é\0\1t".encode())),
        (TEXT, deflated(b"\1\1K\1\0\0\1t")),
        (TEXT, deflated(b"\1\1K\0\1\0\1t")),
        (TEXT, deflated(SIMPLE[:-1])),
        (TEXT, deflated(SIMPLE + b"\0")),
        (TEXT, deflated(SIMPLE + b"\0\1K\0\0\xff\xff\xff\xff\x07")),
        (TEXT, deflated(SIMPLE + b"\0\x81\0K\0\0\0")),
        (RESOLUTION, bytes(16)),
        (RESOLUTION, struct.pack("<B4I", 4, 1, 1, 1, 1)),
        (RESOLUTION, struct.pack("<B4I", 1, 1, 0, 1, 1)),
        (RESOLUTION, struct.pack("<B4I", 1, 1, 1, 1, 0)),
        (RESOLUTION, struct.pack("<B4IB", 1, 1, 1, 1, 1, 0)),
        (TIME, bytes(6)),
        *((TIME, struct.pack("<H5B", *time)) for time in [(1, 0, 1, 0, 0, 0), (1, 13, 1, 0, 0, 0)]),
        *((TIME, struct.pack("<H5B", *time)) for time in [(1, 1, 0, 0, 0, 0), (1, 1, 32, 0, 0, 0)]),
        *((TIME, struct.pack("<H5B", 1, 1, 1, *time)) for time in [(24, 0, 0), (0, 60, 0), (0, 0, 61)]),
    ],
)
def test_payloads_that_do_not_belong(kind: MetadataKind, payload: bytes) -> None:
    data = file_of(section(kind, payload))
    for look in (unpack, read_metadata, ppyr.read_metadata):
        with pytest.raises(FormatError, match=f"offset {INDEX_STOP}: section {kind.name} has ") as caught:
            look(data)
        assert type(caught.value) is FormatError
        assert caught.value.offset == INDEX_STOP
        assert caught.value.expected is not None
        assert caught.value.found is not None
    with pytest.raises((ValueError, zlib.error, IndexError)):
        plain_metadata(sections(data)[1:-3], varint, 1, 8)


PALETTE, TRANSPARENT = section(MetadataKind.PALETTE, b"\2" + bytes(9)), section(20, b"\3\0")


@pytest.mark.parametrize(
    ("part", "channels", "depth"),
    [
        (PALETTE, 2, 8),
        (PALETTE, 3, 8),
        (PALETTE, 1, 9),
        (PALETTE, 1, 1),
        (PALETTE + TRANSPARENT, 1, 8),
        (TRANSPARENT, 2, 8),
        (TRANSPARENT, 3, 8),
        (TRANSPARENT, 1, 1),
        (section(MetadataKind.TRANSPARENT, bytes(6)), 1, 8),
        (section(MetadataKind.TRANSPARENT, bytes(6)), 4, 8),
    ],
)
def test_what_the_samples_mean_goes_with_the_header(part: bytes, channels: int, depth: int) -> None:
    header = Header(1, 1, channels, depth, bytes(16), bytes(16), 0)
    scaling = None if depth <= 8 else Scaling(8, ())
    size = channels * header.raster.dtype.itemsize
    methods = (Method.CONSTANT,) * header.raster.components
    file = pack(Container(header, 10, methods, bytes(size), (), scaling=scaling))
    stop = len(file) - 6 - 6 - size
    data = file[:stop] + part + file[stop:]
    unpack(file)
    for look in (unpack, read_metadata):
        with pytest.raises(FormatError):
            look(data)
    with pytest.raises(ValueError, match=r"PALETTE|TRANSPARENT|number of entries|length of"):
        plain_metadata(sections(data)[1:-2], varint, channels, depth)


def test_the_largest_profile() -> None:
    metadata = Metadata(icc=bytes(LARGEST))
    assert unpack(pack(replace(SMALL, metadata=metadata))).metadata == metadata


WRONG: list[tuple[type, dict[str, Any]]] = [
    (Metadata, {"icc": bytes(LARGEST + 1)}),
    (Metadata, {"exif": b"Exif\0\0"}),
    (Metadata, {"orientation": 1}),
    (Metadata, {"time": (1, 1, 1, 1, 1)}),
    (Metadata, {"time": (2**16, 1, 1, 1, 1, 1)}),
    (Metadata, {"transparent": ()}),
    (Metadata, {"transparent": (1, 2)}),
    (Metadata, {"transparent": (2**16,)}),
    (Metadata, {"transparent": (1,), "palette": Palette(b"rgb")}),
    (Palette, {"colours": b""}),
    (Palette, {"colours": b"rgbr"}),
    (Palette, {"colours": bytes(771)}),
    (Palette, {"colours": b"rgb", "alpha": b"aa"}),
    (Resolution, {"x": (2**32, 1), "y": (1, 1), "unit": Unit.INCH}),
    (Resolution, {"x": (1, 1), "y": (-1, 1), "unit": Unit.INCH}),
    (Resolution, {"x": (1, 1), "y": (1, 1), "unit": 4}),
    (Colour, {}),
    (Colour, {"gamma": -1}),
    (Colour, {"intent": 4}),
    (Colour, {"chromaticities": (1, 2)}),
    (Colour, {"light": (1, 2**32)}),
    (Text, {"keyword": "", "text": ""}),
    (Text, {"keyword": "K", "text": "\ud800", "international": True}),
]


@pytest.mark.parametrize(("part", "values"), WRONG)
def test_values_that_can_not_be_written(part: type, values: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match="; pass "):
        part(**values)


def test_too_much_text_is_not_written() -> None:
    with pytest.raises(FormatError, match="; pass "):
        pack_metadata(Metadata(text=(Text("K", "x" * LARGEST),)))


def test_very_many_texts_are_refused_before_they_are_read() -> None:
    """Without a limit 24 kB of a file became 2.8 million texts, 265 MB of memory."""
    texts = b"\0\1K\0\0\0" * (LARGEST // 6)
    payload = write_varint(len(texts)) + zlib.compress(texts, 9)
    assert len(payload) < 1 << 15
    with pytest.raises(FormatError, match=f"4097, where 1..{MOST_TEXTS} belongs"):
        unpack(file_of(section(TEXT, payload)))
    with pytest.raises(FormatError, match="texts"):
        Metadata(text=(Text("K", ""),) * (MOST_TEXTS + 1))


def test_metadata_without_some_kinds() -> None:
    raw = Text("Raw profile type exif", "")
    metadata = replace(FULL, text=(*FULL.text, raw))
    assert stripped(metadata, []) == metadata
    assert stripped(metadata, ["all"]) == NO_METADATA
    assert stripped(metadata, ["icc", "dpi"]) == replace(metadata, icc=b"", colour=None, resolution=None)
    assert stripped(metadata, ["exif"]) == replace(FULL, exif=b"")
    assert stripped(metadata, ["text"]) == replace(FULL, text=(raw,), time=None)
    assert stripped(metadata, ["xmp", "orientation", "other"]) == replace(metadata, xmp=b"", orientation=None)
    assert stripped(INDEXED, ["all"]) == Metadata(palette=INDEXED.palette)
    assert stripped(replace(CLEAR, xmp=b"x"), ["all"]) == CLEAR
    with pytest.raises(ValueError, match="colour"):
        check_kinds(["colour"])


def test_the_library_carries_them(tmp_path: Path) -> None:
    image = crop(4, 5)
    plain = ppyr.encode(image, effort=1)
    data = ppyr.encode(image, effort=1, metadata=FULL)
    assert (ppyr.decode(data) == image).all()
    assert ppyr.read_metadata(data) == FULL
    assert isinstance(FULL, ppyr.Metadata)
    assert ppyr.encode(image, effort=1, metadata=NO_METADATA) == plain
    assert with_metadata(data, NO_METADATA) == plain
    path = tmp_path / "a.ppyr"
    path.write_bytes(data)
    assert ppyr.read_metadata(path) == FULL
    ppyr.verify(path)
    sizes = dict(pack_metadata(FULL))
    found = ppyr.info(path)
    assert found.metadata == {
        "icc": len(sizes[ICC]) + len(sizes[COLOUR]),
        "orientation": 1,
        "exif": len(sizes[EXIF]),
        "xmp": len(sizes[MetadataKind.XMP]),
        "text": len(sizes[TEXT]) + 7,
        "dpi": 17,
    }
    assert ppyr.info(data) == found
    assert ppyr.info(plain).metadata == {}


class Counting(io.FileIO):
    """A file that counts what is read."""

    total = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size)
        Counting.total += len(data)
        return data


def test_info_reads_only_the_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = zlib.compress(bytes(range(256)) * 20480, 0)
    assert len(profile) > 5 << 20
    metadata = replace(FULL, icc=profile)
    path = tmp_path / "a.ppyr"
    path.write_bytes(ppyr.encode(crop(4, 5), effort=1, metadata=metadata))
    monkeypatch.setattr(Path, "open", lambda file, *_, **__: Counting(file))
    found = ppyr.info(path)
    assert Counting.total < 2048
    assert found.metadata["icc"] > 5 << 10
    assert ppyr.read_metadata(path) == metadata


def test_info_of_a_file_that_ends_in_its_metadata() -> None:
    for length in range(INDEX_STOP, len(WITH_ALL) - 17):
        with pytest.raises(TruncatedError):
            read_front(io.BytesIO(WITH_ALL[:length]))
        with pytest.raises(FormatError):
            ppyr.info(WITH_ALL[:length])
        with pytest.raises(FormatError):
            ppyr.read_metadata(WITH_ALL[:length])
    with pytest.raises(FormatError, match="the length of a section"):
        read_front(io.BytesIO(file_of(b"\x10\x80\x00")))
    damaged = WITH_ALL[: INDEX_STOP + 3] + b"?" + WITH_ALL[INDEX_STOP + 4 :]
    with pytest.raises(ChecksumError):
        ppyr.read_metadata(damaged)


@pytest.mark.parametrize("statement", ["import ppyr", "import ppyr; ppyr.Metadata", "import ppyr.cli"])
def test_metadata_load_no_image_library(statement: str) -> None:
    code = f"{statement}; import sys; print({{'PIL', 'torch', 'numba', 'numpy'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "set()\n"
