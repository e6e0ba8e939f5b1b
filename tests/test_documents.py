from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import ppyr
from benchmarks import density, effort
from benchmarks.tables import BLOCKS, CODECS, ROOT, fill, filled
from benchmarks.tables import density as density_tables
from benchmarks.tables import efforts as efforts_table
from ppyr import cli, mappings
from ppyr.bench import PEERS
from ppyr.effort import EFFORTS, Effort
from ppyr.imagefile import write_image
from ppyr.models import adaptation
from ppyr.models.search import Search

from .photograph import crop, squares

COMMANDS = (
    "README.md",
    "docs/archives.md",
    "docs/families.md",
    "docs/own-model.md",
    "docs/reports.md",
    "docs/training.md",
)
#: Their Python examples follow from each other, and from photo.png and photo.ppyr.
GUIDES = ("docs/decoder.md", "docs/research.md")
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix() for place in (ROOT, ROOT / "docs") for path in place.glob("*.md")
)


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands_of(text: str) -> list[list[str]]:
    """The words of each line that calls ppyr."""
    return [shlex.split(line, comments=True) for line in text.splitlines() if line.startswith("ppyr ")]


@pytest.mark.parametrize("document", COMMANDS)
def test_the_commands_are_understood(document: str) -> None:
    commands = commands_of("".join(blocks(document, "sh")))
    assert len(commands) >= 3
    for _, *words in commands:
        assert cli.parse([word for word in words if word != ">"]).command == words[0]


def test_the_commands_of_the_walk_are_understood() -> None:
    shown = "".join(blocks("docs/walkthrough.md", "console"))
    lines = [
        line.removeprefix("$ ").partition(" || ")[0] for line in shown.splitlines() if line.startswith("$ ")
    ]
    commands = commands_of("\n".join(lines))
    assert len(commands) >= 10
    for _, *words in commands:
        assert cli.parse(words).command == words[0]


def test_the_library_examples_run() -> None:
    begin = "import numpy as np\nimage = np.eye(9, dtype=np.uint8)\n"
    words = [sys.executable, "-c", "".join((begin, *blocks("README.md", "python")))]
    done = subprocess.run(words, capture_output=True, check=False, text=True)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize("document", GUIDES)
def test_the_examples_of_guides_run(document: str, tmp_path: Path) -> None:
    image = crop(48, 40)
    write_image(image, tmp_path / "photo.png")
    (tmp_path / "photo.ppyr").write_bytes(ppyr.encode(image, effort=1))
    words = [sys.executable, "-c", "".join(blocks(document, "python"))]
    done = subprocess.run(words, capture_output=True, check=False, text=True, cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout


@pytest.mark.skipif(os.name != "posix", reason="the commands are those of a POSIX shell")
def test_the_examples_of_archives_run(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    for name in "ab":
        write_image(crop(9, 12), tmp_path / "scans" / f"{name}.png")
    lines = "".join(blocks("docs/archives.md", "sh"))
    script = f'set -e; ppyr() {{ "{sys.executable}" -m ppyr "$@"; }}\n{lines}'
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True)
    (example,) = blocks("docs/archives.md", "python")
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, stdout=subprocess.PIPE, check=True, text=True
    )
    assert done.stdout.splitlines() == ["Counter({'encoded': 2})", "[]"]
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.p*")}
    assert made == {
        "archive/a.ppyr", "archive/b.ppyr", "chosen/first.ppyr", "chosen/scans/b.ppyr",
        "stripped/scans/a.ppyr", "stripped/scans/b.ppyr",
    }  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    links = re.findall(r"\]\((?!https:)([^)#]+)\)", path.read_text(encoding="utf-8"))
    assert all((path.parent / link).exists() for link in links), links


@pytest.mark.parametrize("document", BLOCKS)
def test_the_tables_are_those_of_the_stored_results(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    assert filled(document, text) == text


def test_the_tables_show_a_measured_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images, results = tmp_path / "images", tmp_path / "density"
    images.mkdir()
    write_image(crop(19, 24), images / "a.png")
    write_image(crop(16, 20, gray=True), images / "b.png")
    monkeypatch.setattr(density, "RESULTS", results)
    monkeypatch.setattr(sys, "argv", ["density", "cq100", str(images), "--efforts", "5"])
    density.main()
    capsys.readouterr()
    found = json.loads((results / "cq100.json").read_text("utf-8"))
    totals = found["efforts"]["5"]["totals"]
    text = density_tables(tmp_path)
    table, conditions = text.split("\n\n")
    header, rule, ours, *peers = table.splitlines()
    assert header.startswith("| CQ100, 2 images | bytes |")
    assert ours.startswith(
        f"| ppyr, effort 5, `default` | {totals['bytes']:,} | {totals['bits_per_dim']:.3f} |"
    )
    assert len(peers) == len(PEERS)
    jpegxl = totals["peers"]["jpegxl-9"]
    assert f"| JPEG XL, effort 9 | {jpegxl['bytes']:,} | {jpegxl['bits_per_dim']:.3f} | " in peers[-1]
    assert f" | {totals['bytes'] / jpegxl['bytes']:.3f} | " in ours
    assert {line.count("|") for line in (header, rule, ours, *peers)} == {8}
    assert found["versions"]["torch"] in conditions


def test_efforts_are_measured_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in "abc":
        write_image(squares(120, 116, ord(name)), images / f"{name}.png")
    monkeypatch.setattr(effort, "RESULTS", tmp_path / "effort")
    monkeypatch.setattr(adaptation, "LEAST_PIXELS", 1 << 10)
    monkeypatch.setattr(mappings, "REPETITION", 2)
    monkeypatch.setitem(EFFORTS, 9, Effort("fast", (Search(40),)))
    command = ["effort", "cq100", str(images), "--every", "2", "--efforts", "1", "9"]
    monkeypatch.setattr(sys, "argv", command)
    effort.main()
    capsys.readouterr()
    found = json.loads((tmp_path / "effort" / "cq100.json").read_text("utf-8"))["images"]
    assert list(found) == ["a.png", "c.png"]
    for image in found.values():
        assert image["efforts"]["1"]["changes"] == 0 < image["efforts"]["9"]["changes"]
        assert image["efforts"]["9"]["bytes"] < image["efforts"]["1"]["bytes"]
        assert image["efforts"]["1"]["decode_ratio"] == 1
    header, _, first, last, *peers = efforts_table(tmp_path).splitlines()
    assert header.startswith("| CQ100, 2 images | bytes | to the row above |")
    sizes = [sum(image["efforts"][number]["bytes"] for image in found.values()) for number in "19"]
    assert first.startswith(f"| 1 | {sizes[0]:,} |  |  | 0 |")
    assert last.startswith(f"| 9 | {sizes[1]:,} | {100 * (sizes[1] / sizes[0] - 1):+.2f} % |")
    assert len(peers) == 2
    plot = tmp_path / "plot.svg"
    monkeypatch.setattr(sys, "argv", ["effort", "--draw", str(plot)])
    effort.main()
    assert "CQ100, 2 images" in plot.read_text("utf-8")


def test_every_peer_has_a_title() -> None:
    assert tuple(CODECS) == PEERS


def test_only_what_is_between_the_markers_changes() -> None:
    begin, end = "<!-- begin a -->\n", "<!-- end a -->\n"
    assert fill(f"a\n{begin}old\n{end}b\n", "a", "new\n") == f"a\n{begin}new\n{end}b\n"
    for text in ("a\n", f"a\n{begin}", f"{end}{begin}", f"{begin}{end}{begin}{end}"):
        with pytest.raises(ValueError, match="once each"):
            fill(text, "a", "new\n")
