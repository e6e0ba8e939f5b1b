from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.tables import BEGIN, CODECS, END, README, RESULTS, ROOT, fill, load, render
from ppyr import cli
from ppyr.bench import PEERS
from ppyr.cli import main
from ppyr.imagefile import write_image

from .photograph import crop

DOCUMENTS = ("README.md", "docs/training.md")


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_commands_are_understood(document: str) -> None:
    lines = "".join(blocks(document, "sh")).splitlines()
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith("ppyr ")]
    assert len(commands) >= 3
    for _, *words in commands:
        assert cli.parse([word for word in words if word != ">"]).command == words[0]


def test_the_library_example_runs() -> None:
    (example,) = blocks("README.md", "python")
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, check=False, text=True)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    links = re.findall(r"\]\((?!https:)([^)#]+)\)", path.read_text(encoding="utf-8"))
    assert all((path.parent / link).exists() for link in links), links


def test_the_tables_are_those_of_the_stored_results() -> None:
    text = README.read_text(encoding="utf-8")
    assert fill(text, render(load(RESULTS))) == text


def test_the_tables_show_a_bench_run(tmp_path: Path) -> None:
    write_image(crop(19, 24), tmp_path / "a.png")
    write_image(crop(16, 20, gray=True), tmp_path / "b.png")
    assert main(["bench", "-q", str(tmp_path), "--json", str(tmp_path / "cq100.json")]) == 0
    results = load(tmp_path)
    totals = results["cq100"]["totals"]
    header, rule, ours, *peers = render(results).split("\n\n")[0].splitlines()
    assert header.startswith("| CQ100, 2 images | bytes |")
    assert ours.startswith(f"| ppyr | {totals['bytes']:,} | {totals['bits_per_dim']:.3f} |")
    assert len(peers) == len(PEERS)
    jpegxl = totals["peers"]["jpegxl-9"]
    assert f"| JPEG XL, effort 9 | {jpegxl['bytes']:,} | {jpegxl['bits_per_dim']:.3f} | " in peers[-1]
    assert f" | {totals['bytes'] / jpegxl['bytes']:.3f} | " in peers[-1]
    assert {line.count("|") for line in (header, rule, ours, *peers)} == {7}
    assert results["cq100"]["versions"]["torch"] in render(results)


def test_every_peer_has_a_title() -> None:
    assert tuple(CODECS) == PEERS


def test_only_what_is_between_the_markers_changes() -> None:
    assert fill(f"a\n{BEGIN}old\n{END}b\n", "new\n") == f"a\n{BEGIN}new\n{END}b\n"
    assert fill(f"{BEGIN}{END}", render({})) == f"{BEGIN}{render({})}{END}"
    for text in ("a\n", f"a\n{BEGIN}", f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"):
        with pytest.raises(ValueError, match="once each"):
            fill(text, "new\n")
