"""Pages of files and of comparisons: whole, closed in themselves, safe, and with the right numbers."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ppyr import costs as costs_module
from ppyr.about import info
from ppyr.bench import ImageResult, Measured, report
from ppyr.bitstream.container import HEADER_SIZE, Kind, pack, read_index, unpack
from ppyr.cli import main
from ppyr.coding import encode_changed
from ppyr.effort import encode
from ppyr.errors import TruncatedError
from ppyr.imagefile import write_image
from ppyr.metadata import Metadata, Palette, Text, with_metadata
from ppyr.models import predictor, registry
from ppyr.opened import open as open_parts
from ppyr.pages.colours import palette
from ppyr.pages.comparison import comparison
from ppyr.pages.html import element, page, visible
from ppyr.pages.inspection import inspection
from ppyr.pages.pictures import means, shown
from ppyr.picture import Picture

from . import some_families
from .photograph import PATH, crop
from .sections import split
from .some_files import SomeFile, some_files
from .some_metadata import FULL, INDEXED
from .test_documents import blocks

FAST = predictor.load(registry.by_name("fast"))
FILES = some_files(FAST)
VOID = {"meta", "img", "input", "br", "hr", "link"}
HOSTILE = '</td><script>alert(1)</script> "onload="x\u202e\x00&amp;'


class Page(HTMLParser):
    """What a browser finds in a page: tags that are closed in order, nothing from elsewhere."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.images: list[Image.Image] = []
        self.alts: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._open: list[str] = []
        self._rows: list[list[str]] = []
        assert data.startswith(b"<!doctype html>\n<html lang=")
        self.feed(data.decode("utf-8"))
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form", "a", "use")
        found = dict(attributes)
        assert len(found) == len(attributes)
        for name, value in found.items():
            assert not name.startswith("on")
            assert name not in ("href", "xlink:href", "srcset", "action", "data", "poster")
            assert name != "style" or not re.search(r"url|import|;.*;", value or "")
        if tag == "img":
            self.images.append(self._image(found["src"] or ""))
            assert self.images[-1].size == (int(found["width"] or 0), int(found["height"] or 0))
            self.alts.append(found["alt"] or "")
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self._rows = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self.text += "\n"

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["style"]:
            assert not re.search(r"url\(|@import|expression|<", data)
            return
        self.text += data
        if "caption" in self._open:
            self.tables[data] = self._rows
        elif {"td", "th"} & set(self._open) and "svg" not in self._open:
            self._rows[-1][-1] += data

    def table(self, caption: str) -> list[dict[str, str]]:
        """Lines of the table whose caption ends so, by names of columns."""
        (rows,) = [rows for name, rows in self.tables.items() if name.endswith(caption)]
        header, *lines = rows
        return [dict(zip(header, line, strict=True)) for line in lines]

    @staticmethod
    def _image(source: str) -> Image.Image:
        start, _, data = source.partition(",")
        assert start == "data:image/png;base64"
        return Image.open(io.BytesIO(base64.b64decode(data, validate=True)), formats=["PNG"]).copy()


def whole(text: str) -> int:
    return int(text.replace(",", ""))


def check(data: bytes) -> Page:
    """The page of a file, whose tables are held against the file."""
    found, about = Page(inspection(data, "a.ppyr")), info(data)
    header, index = read_index(data)
    parts = split(data)
    rows = found.table("every checksum right")
    assert [row["section"] for row in rows][:2] == ["header", "INDEX"]
    ends = [whole(row["offset"]) + whole(row["bytes"]) for row in rows]
    assert [whole(row["offset"]) for row in rows] == [0, *ends[:-1]]
    assert (ends[0], ends[-1]) == (HEADER_SIZE, len(data))
    assert [bytes.fromhex(row["CRC32"])[::-1] for row in rows] == [data[end - 4 : end] for end in ends]
    assert [row["role"] == "ancillary" for row in rows[1:]] == [kind >= 0x80 for kind, _ in parts.sections]
    levels = found.table("coarse to fine")
    assert sum(whole(row["bytes"]) for row in levels[:-1]) == whole(levels[-1]["bytes"]) == len(data)
    samples = header.width * header.height * header.channels
    assert whole(levels[-1]["bytes in theory"]) == round(about.theoretical_bits_per_dim * samples / 8)
    if len(index.methods) > 1:
        tiles = found.table("by how they are coded")
        assert {row["method"]: whole(row["tiles"]) for row in tiles} == about.units
        assert sum(whole(row["bytes"]) for row in tiles) == sum(map(sum, index.streams))
    assert all(found.alts)
    return found


@pytest.mark.parametrize("file", FILES.values(), ids=list(FILES))
def test_every_kind_of_file_has_a_page(file: SomeFile) -> None:
    found = check(file.data)
    height, width = file.image.shape[:2]
    assert found.images[0].size == found.images[1].size == (width, height)
    if file.image.dtype == np.uint8 and info(file.data).bit_depth == 8 and not info(file.data).metadata:
        assert np.array_equal(np.asarray(found.images[0]), file.image)


def test_what_a_file_has_beside_its_levels_is_told() -> None:
    assert "bytes of changes" in check(FILES["changes"].data).text
    assert "numbers of" in check(FILES["colours"].data).text
    assert "blue as a copy, alpha as one value" in check(FILES["copies and constants"].data).text
    container = replace(unpack(FILES["rgb"].data), ancillary=((200, b"new"),))
    rows = check(pack(container)).table("every checksum right")
    assert [row["section"] for row in rows if row["role"] == "ancillary"] == ["ancillary 200"]


def test_every_family_has_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some_families.install(tmp_path, monkeypatch)
    for name in ("classes", "colours", "pyramids"):
        model = predictor.load(registry.by_name(name))
        picture = Picture.of(crop(21, 18, gray=name == "classes"), tile_bits=model.tile_bits)
        assert f"{name} (" in check(encode_changed(picture, model, [])).text
    some_families.uninstall()


def test_level_images_are_those_of_prefixes() -> None:
    image = crop(21, 35)
    data = encode(image, model="fast")
    found = check(data)
    first = [picture.size for picture in found.images].index((1, 1))
    levels, maps = found.images[first::2], found.images[first + 1 :: 2]
    cards = re.findall(r"\n(\d+) \S (\d+)\n([\d,]+) bytes\n", found.text)
    assert len(levels) == len(maps) == len(cards) == 7
    for level, (picture, cost, card) in enumerate(zip(levels[::-1], maps[::-1], cards[::-1], strict=True)):
        step = 1 << level
        assert np.array_equal(np.asarray(picture), image[::step, ::step])
        assert cost.size == picture.size == (int(card[0]), int(card[1]))
        with open_parts(data[: whole(card[2])]) as prefix:
            assert np.array_equal(prefix.read(level=level), image[::step, ::step])
        with pytest.raises(TruncatedError), open_parts(data[: whole(card[2]) - 1]) as prefix:
            prefix.read(level=level)


def test_colours_of_the_heat_map_grow_with_costs() -> None:
    lightness = palette() @ np.array([0.2126, 0.7152, 0.0722])
    assert np.all(np.diff(lightness) > 0)
    data = encode(crop(40, 50, gray=True), model="fast")
    found = check(data)
    steps = np.asarray(found.images[1])
    bits = costs_module.costs(data).bits[..., 0]
    assert found.images[1].mode == "P"
    order = np.argsort(bits, axis=None, kind="stable")
    assert np.all(np.diff(steps.ravel()[order].astype(int)) >= 0)
    assert steps.max() > 8 * max(1, steps.min())


def test_a_large_image_is_reduced_and_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode_changed(Picture.of(crop(40, 70), tile_bits=5), FAST, [])
    assert "too large" not in check(data).text
    monkeypatch.setattr(costs_module, "MOST_BLOCKS", 1000)
    found = check(data)
    assert "too large for a page: a pixel here is the mean of 2 \N{MULTIPLICATION SIGN} 2" in found.text
    assert found.images[0].size == found.images[1].size == (35, 20)


def test_hostile_text_stays_text() -> None:
    metadata = replace(FULL, text=(Text("Title</td>", HOSTILE, international=True), Text("<b>", "y" * 1000)))
    data = with_metadata(FILES["rgb"].data, metadata)
    found = Page(inspection(data, f"{HOSTILE}.ppyr"))
    (title, long) = found.table("Texts")
    assert title == {"keyword": "Title</td>", "text": visible(HOSTILE), "bytes": f"{len(HOSTILE.encode())}"}
    assert (long["keyword"], len(long["text"])) == ("<b>", 201)
    assert visible(f"{HOSTILE}.ppyr") in found.text
    assert visible(HOSTILE) == HOSTILE.replace("\u202e", "\ufffd").replace("\0", "\ufffd")
    kinds = found.table("Metadata by kind")
    assert [row["kind"] for row in kinds] == [
        "ICC",
        "COLOUR",
        "ORIENTATION",
        "EXIF",
        "XMP",
        "TEXT",
        "RESOLUTION",
        "TIME",
    ]
    assert {"2024-02-29 23:59:60 UTC", "a profile of 7 bytes"} <= {row["says"] for row in kinds}


def test_palettes_and_transparent_colours_are_shown() -> None:
    numbers = np.array([[0, 1], [2, 3]], np.uint8)
    colours = shown(numbers, 2, INDEXED)
    assert colours.tolist() == [[[0, 1, 2, 7], [3, 4, 5, 255]], [[6, 7, 8, 255], [0, 0, 0, 255]]]
    opaque = shown(numbers, 2, Metadata(palette=Palette(bytes(range(9)))))
    assert np.array_equal(opaque, colours[..., :3])
    keyed = shown(numbers, 2, Metadata(transparent=(1,)))
    assert keyed.tolist() == [[[0, 255], [85, 0]], [[170, 255], [255, 255]]]
    wide = np.array([[[0, 65535], [500, 0], [1000, 257]]], np.uint16)
    assert shown(wide, 16, Metadata()).tolist() == [[[0, 255], [127, 0], [255, 1]]]
    data = encode(np.tile(numbers, (8, 8)), bit_depth=2, metadata=INDEXED)
    assert "numbers in a palette, 2 bits a sample" in check(data).text


def test_means_of_blocks() -> None:
    values = np.arange(15.0).reshape(3, 5)
    assert means(values, 2).tolist() == [[3, 5, 6.5], [10.5, 12.5, 14]]


def test_elements_are_escaped() -> None:
    made = page("<&>", element("p", "a<b>&amp;", element("i", "c"), "d", title='"<&'))
    assert b"<title>&lt;&amp;&gt;</title>" in made
    assert b'<p title="&quot;<&amp;">a&lt;b&gt;&amp;amp;<i>c</i>d</p>' in made
    assert "a<b>&amp;c\nd\n" in Page(made).text


def test_the_command_writes_one_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "a.ppyr", tmp_path / "a.html"
    source.write_bytes(FILES["tiles"].data)
    words = ["inspect", str(source), "-o", str(target)]
    assert main(words) == 0
    assert "a.html" in capsys.readouterr().err
    Page(made := target.read_bytes())
    target.write_text("mine")
    assert main(words) == 1
    assert "is there already" in capsys.readouterr().err
    assert target.read_text() == "mine"
    assert main([*words, "--force", "--quiet"]) == 0
    assert target.read_bytes() == made
    assert capsys.readouterr().err == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.ppyr"]


@pytest.mark.parametrize("damage", ["cut", "changed", "large", "missing"])
def test_a_damaged_file_has_no_page(damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(FILES["tiles"].data)
    words = ["inspect", str(tmp_path / "a.ppyr"), "-o", str(tmp_path / "a.html")]
    if damage == "cut":
        del data[-3:]
    elif damage == "changed":
        data[-30] ^= 1
    elif damage == "large":
        words += ["--max-pixels", "5"]
    if damage != "missing":
        (tmp_path / "a.ppyr").write_bytes(data)
    assert main(words) == 1
    assert capsys.readouterr().err.startswith(f"ppyr: {tmp_path / 'a.ppyr'}: ")
    assert not (tmp_path / "a.html").exists()
    assert main(["inspect", "a.ppyr"]) == 2


def test_a_page_is_of_a_whole_file_only() -> None:
    data = FILES["rgb"].data
    start = next(n for n, (kind, _) in enumerate(split(data).sections) if kind == Kind.LEVEL)
    assert start
    for size in (HEADER_SIZE, len(data) - 1):
        with pytest.raises(TruncatedError):
            inspection(data[:size], "a.ppyr")


def result(name: str, size: int, peers: dict[str, Measured]) -> ImageResult:
    return ImageResult(
        name, 100, 50, 3, 8, 8 * size / 15000, 8 * size / 15100, True, 70, Measured(size, 1, 2), peers
    )


def test_a_comparison_has_a_page() -> None:
    peers = {
        "png": Measured(9000, 0.5, 0.01),
        "jpegxl-9": Measured(5000, 4, 1),
        "ppyr-1": Measured(5100, 0.1, 0.2),
    }
    results = [result("in/<b>.png", 4000, peers), result("in/c.png", 6000, peers)]
    model_id = registry.by_name("fast").hex()
    found = Page(comparison(report(results, command=f"ppyr bench {HOSTILE}", threads=1, model_id=model_id)))
    codecs = found.table("the smallest files first")
    assert [row["codec"] for row in codecs] == [
        "ppyr, model fast",
        "JPEG XL, effort 9",
        "ppyr, effort 1",
        "PNG",
    ]
    assert [whole(row["bytes"]) for row in codecs] == [10000, 10000, 10200, 18000]
    assert codecs[2]["encode, s/Mpixel"] == "20.000"
    assert codecs[0]["of raw"] == "33.3 %"
    images = found.table("bytes of each codec")
    assert [row["image"] for row in images] == ["<b>.png", "c.png"]
    assert [row["ppyr, effort 1"] for row in images] == ["5,100", "5,100"]
    assert "of JPEG XL, effort 9\n100.0 %\n" in found.text
    assert visible(HOSTILE) in found.text
    assert found.tags.count("circle") == 2 * len(codecs)
    assert "PNG 4.80 \N{UPWARDS ARROW}" in found.text
    assert (
        Page(comparison(report([result("a", 9, {})], command="", threads=1, model_id=model_id))).tags.count(
            "circle"
        )
        == 2
    )


def test_efforts_are_compared_and_a_page_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, target = tmp_path / "a.png", tmp_path / "a.html"
    write_image(crop(19, 24), image)
    words = ["bench", str(image), "--effort", "3", "--peers", "png,ppyr-1", "--html", str(target), "--quiet"]
    assert main(words) == 0
    codecs = {row["codec"]: row for row in Page(target.read_bytes()).table("the smallest files first")}
    assert codecs.keys() == {"PNG", "ppyr, effort 1", "ppyr, model fast3"}
    assert whole(codecs["ppyr, effort 1"]["bytes"]) == len(encode(crop(19, 24), effort=1))
    capsys.readouterr()
    assert main(words) == 1
    assert "is there already" in capsys.readouterr().err
    assert main(["bench", str(image), "--peers", "ppyr-10"]) == 2
    assert "ppyr-1 to ppyr-9" in capsys.readouterr().err


def test_the_guide_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    write_image(crop(30, 40), tmp_path / "images" / "a.png")
    shutil.copy(PATH, "photo.png")
    assert main(["compress", "photo.png", "--effort", "1", "--quiet", "--strip", "all"]) == 0
    lines = "".join(blocks("docs/reports.md", "sh")).splitlines()
    for line in lines:
        assert main([*line.split()[1:], "--quiet"]) == 0
    for name in ("photo.html", "bench.html"):
        Page(Path(name).read_bytes())
    (example,) = blocks("docs/reports.md", "python")
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, check=True, text=True)
    shape, rest = done.stdout.split(") ")
    spent, taken = (whole(part) for part in re.findall(r"[\d,]+", rest))
    assert shape == "(256, 384, 3"
    assert 0.99 * taken < spent < taken
