"""Archives: nothing lost, nothing done twice, whatever happens on the way."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from PIL import Image
from pyarrow.parquet import read_table
from tqdm import tqdm

import ppyr
import ppyr.files
from ppyr.archive import batch, storage
from ppyr.archive.compressor import LOST, Compressor
from ppyr.archive.engines import Item, Processes, Result, Results, Work
from ppyr.archive.manifest import planned
from ppyr.archive.report import Journal, rows_of
from ppyr.archive.rows import Row, State, Task
from ppyr.atomic import temporary_prefix
from ppyr.bitstream.container import pixel_digest
from ppyr.cli import main
from ppyr.files import encode_file
from ppyr.imagefile import ImageFile, image_bytes, read_image, write_image

from .photograph import crop

IMAGES = {"a.png": crop(9, 12), "b.tif": crop(8, 8, gray=True), "deep/c.png": crop(7, 9)}
OUTPUTS = ["a.ppyr", "b.ppyr", "deep/c.ppyr"]
REPORT = Path("out", "report.jsonl")


class Here:
    """The engine in this process."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def run(self, work: Work[Item, Result], items: Iterable[Item], count: int) -> Results[Result]:  # noqa: ARG002
        yield from map(work, items)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a folder of images."""
    monkeypatch.chdir(tmp_path)
    for name, image in IMAGES.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(image, path)
    return tmp_path


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, and no processes."""
    monkeypatch.setattr(batch, "Processes", Here)
    return folder


def archive(*words: str, source: str = "in", target: str = "out") -> int:
    return main(["batch", "-e", "1", source, target, *words])


def states(report: Path = REPORT) -> dict[str, str]:
    """How the work on each source ended, by the last row of its output."""
    return {row.path: str(row.state) for row in rows_of(report)}


def files(root: str = "out") -> dict[str, tuple[int, int]]:
    """Number and time of every file in a folder."""
    found = {
        path.relative_to(root).as_posix(): path.stat() for path in Path(root).rglob("*") if path.is_file()
    }
    return {name: (about.st_ino, about.st_mtime_ns) for name, about in sorted(found.items())}


def test_processes_make_an_archive_and_make_it_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert archive("-j", "2") == 0
    for path, output in zip(IMAGES, OUTPUTS, strict=True):
        assert np.array_equal(ppyr.decode(Path("out", output).read_bytes()), IMAGES[path])
    rows = {row.path: row for row in rows_of(REPORT)}
    data = Path("out/b.ppyr").read_bytes()
    about, row = ppyr.info(data), rows["b.tif"]
    assert row == Row(
        "b.tif", "b.ppyr", State.ENCODED, row.seconds, 8, 8, 1, 8,
        (folder / "in" / "b.tif").stat().st_size, len(data),
        pixel_digest(IMAGES["b.tif"]).hex(), sha256(data).hexdigest(), about.model, row.source_stamp, True,
    )  # fmt: skip
    before, report = files(), REPORT.read_bytes()
    assert archive("-j", "2") == 0
    assert {name: files()[name] for name in OUTPUTS} == {name: before[name] for name in OUTPUTS}
    assert REPORT.read_bytes() == report
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("3 encoded, 0 found, 0 kept, 0 failed; ")
    assert second.startswith("0 encoded, 0 found, 3 kept, 0 failed; ")


@pytest.mark.usefixtures("here")
def test_a_bad_image_fails_alone(capsys: pytest.CaptureFixture[str]) -> None:
    Path("in/bad.png").write_bytes(b"no image")
    Path("in/cut.png").write_bytes(Path("in/a.png").read_bytes()[:60])
    assert archive("-q") == 1
    bad, cut, summary = capsys.readouterr().err.splitlines()
    assert bad.startswith("ppyr: bad.png: this is no PNG")
    assert cut.startswith("ppyr: cut.png: the PNG file is damaged")
    assert summary == "ppyr: 2 of 5 images failed"
    assert states() == {**dict.fromkeys(IMAGES, "encoded"), "bad.png": "failed", "cut.png": "failed"}
    assert {row.error for row in rows_of(REPORT) if not row.is_finished} == {"UnsupportedImageError"}
    write_image(crop(5, 5), "in/bad.png", force=True)
    Path("in/cut.png").unlink()
    assert archive("-q") == 0
    assert states()["bad.png"] == "encoded"


@pytest.mark.usefixtures("here")
def test_many_failures_are_not_all_told(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(30):
        Path(f"in/{number}.png").write_bytes(b"")
    assert archive("-q") == 1
    told = capsys.readouterr().err.splitlines()
    assert told[-2:] == [
        "ppyr: more images failed: the report names them all",
        "ppyr: 30 of 33 images failed",
    ]
    assert len(told) == 22


def test_a_manifest_lists_files_and_where_they_go(here: Path) -> None:
    url = f"file://{here}/in/b.tif"
    Path("list.txt").write_text(f"in/a.png\n\n{url}\nmissing.png\n")
    assert archive(source="list.txt") == 1
    inside = str(here / "in" / "b.ppyr").lstrip("/")
    assert {row.path: row.output for row in rows_of(REPORT)} == {
        "in/a.png": "in/a.ppyr", url: inside, "missing.png": "missing.ppyr",
    }  # fmt: skip
    assert states()["missing.png"] == "failed"
    assert np.array_equal(ppyr.decode(Path("out", inside).read_bytes()), IMAGES["b.tif"])
    lines = [{"path": "in/a.png", "output": "x/1.ppyr"}, {"path": "in/b.tif"}]
    Path("list.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert archive(source="list.jsonl", target="other") == 0
    assert list(files("other")) == ["in/b.ppyr", "report.jsonl", "x/1.ppyr"]


def test_names_need_not_be_unicode(here: Path) -> None:
    name = os.fsdecode(b"\xff\xfe.png")
    (here / "in" / "a.png").rename(here / "in" / name)
    assert archive() == 0
    assert states()[name] == "encoded"
    assert archive("--report", "r.parquet") == 2


def test_urls_of_memory(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    memory = fsspec.filesystem("memory")
    for name, image in IMAGES.items():
        memory.pipe_file(f"/in/{name}", image_bytes(image, Path(name).suffix))
    places = {"source": "memory://in", "target": "memory://out"}
    try:
        assert archive(**places) == 2
        assert archive("--report", "r.jsonl", **places) == 0
        assert sorted(memory.find("/out")) == [f"/out/{name}" for name in OUTPUTS]
        assert np.array_equal(ppyr.decode(memory.cat_file("/out/deep/c.ppyr")), IMAGES["deep/c.png"])
        (here / "r.jsonl").unlink()
        assert archive("--report", "r.jsonl", **places) == 0
        assert set(states(Path("r.jsonl")).values()) == {"found"}
        size = Path("r.jsonl").stat().st_size
        assert archive("--report", "r.jsonl", "--rm", **places) == 0
        assert Path("r.jsonl").stat().st_size == size
        assert memory.find("/in") == []
        memory.pipe_file("/in/a.png", image_bytes(crop(3, 3), ".png"))
        assert archive("--report", "r.jsonl", **places) == 1
        assert archive("--report", "r.jsonl", "-f", **places) == 0
        memory.rm_file("/out/b.ppyr")
        with monkeypatch.context() as patch:
            patch.setattr("ppyr.archive.audit.Processes", Here)
            assert main(["verify", "--report", "r.jsonl", "memory://out"]) == 1
    finally:
        memory.rm("/", recursive=True)


@pytest.mark.usefixtures("here")
def test_collisions_are_found_before_any_work(capsys: pytest.CaptureFixture[str]) -> None:
    write_image(crop(4, 4), "in/a.bmp")
    assert archive() == 2
    assert "a.bmp and a.png would both be written to" in capsys.readouterr().err
    Path("in/a.bmp").unlink()
    Path("list.jsonl").write_text('{"path": "out/b.png", "output": "a.png"}\n{"path": "out/a.png"}\n')
    assert archive(source="list.jsonl") == 2
    assert "a.png is a source as well" in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("list.txt", "../a.png", "list.txt, line 1: ../a.ppyr is no path in the archive"),
        ("list.jsonl", '{"path": "a.png", "output": "/b.ppyr"}', "/b.ppyr is no path in the archive"),
        ("list.jsonl", '{"path": "a.png", "output": "b/../../c.ppyr"}', "no path in the archive"),
        ("list.jsonl", '{"file": "a.png"}', 'line 1: give {"path": ...}'),
        ("list.jsonl", '{"path": 1}', "line 1: give"),
        ("list.jsonl", "a.png", "line 1: "),
        ("list.txt", "", "list.txt has no images"),
        ("list.csv", "a.png", "neither a folder nor a manifest"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_manifest_that_makes_no_sense(
    name: str, line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_text(f"{line}\n")
    assert archive(source=name) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        "batch in out --rm --strip all",
        "batch in out --address host:1",
        "batch in out --gpus 0.5",
        "batch in out --report rows.txt",
        "batch in memory://out",
        "verify",
        "verify --report out/report.jsonl a b",
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_command_line_that_makes_no_sense(words: str) -> None:
    assert main(words.split()) == 2
    assert not Path("out").exists()


@pytest.mark.usefixtures("here")
def test_a_dry_run_prints_what_is_left_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    def printed() -> list[str]:
        assert archive("-n") == 0
        return capsys.readouterr().out.splitlines()

    assert printed() == [f"{path} -> out/{output}" for path, output in zip(IMAGES, OUTPUTS, strict=True)]
    assert not Path("out").exists()
    assert archive() == 0
    write_image(crop(5, 5), "in/new.png")
    assert printed() == ["new.png -> out/new.ppyr"]


@pytest.mark.usefixtures("here")
def test_a_line_that_was_cut_off_is_dropped() -> None:
    assert archive() == 0
    lines, before = REPORT.read_bytes(), files()
    REPORT.write_bytes(lines[:-20])
    assert archive() == 0
    *kept, last = REPORT.read_bytes().splitlines(keepends=True)
    assert b"".join(kept) == lines[: len(b"".join(kept))]
    assert json.loads(last)["state"] == "found"
    assert {**files(), "report.jsonl": (0, 0)} == {**before, "report.jsonl": (0, 0)}


@pytest.mark.skipif(os.name != "posix", reason="limits are those of POSIX")
@pytest.mark.usefixtures("folder")
def test_a_report_that_does_not_fit_can_be_gone_on_with() -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))

    command = [sys.executable, "-m", "ppyr", "batch", "-q", "-e", "1", "-j", "1", "in", "out"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, preexec_fn=limit)
    assert done.returncode == 1
    assert done.stderr.endswith("File too large\n")
    assert REPORT.stat().st_size == 700
    assert archive() == 0
    assert [json.loads(line)["path"] for line in REPORT.read_bytes().splitlines()] == list(IMAGES)


@pytest.mark.parametrize(
    "content", [b"mine", b'{"a": 1}\n', b"[]\n", b'{"path": "", "output": "", "state": ""}\n']
)
@pytest.mark.usefixtures("here")
def test_another_file_is_not_taken_for_a_report(content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    Path("r.jsonl").write_bytes(content)
    assert archive("--report", "r.jsonl") == 1
    assert "r.jsonl, line 1: " in capsys.readouterr().err
    assert Path("r.jsonl").read_bytes() == content


@pytest.mark.skipif(os.name != "posix", reason="locks are those of POSIX")
@pytest.mark.usefixtures("here")
def test_a_report_has_one_run_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    with Journal(REPORT):
        assert archive() == 2
    assert "is being written by another run" in capsys.readouterr().err
    assert archive() == 0


@pytest.mark.usefixtures("here")
def test_an_output_of_something_else_is_not_replaced_without_force(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("out").mkdir()
    Path("out/a.ppyr").write_bytes(b"mine")
    Path("out/b.ppyr").write_bytes(ppyr.encode(crop(8, 8), effort=1))
    assert archive() == 1
    assert "a.ppyr is there already, and is not this image's" in capsys.readouterr().err
    assert Path("out/a.ppyr").read_bytes() == b"mine"
    assert states() == {"a.png": "failed", "b.tif": "failed", "deep/c.png": "encoded"}
    assert archive("-f") == 0
    assert states() == dict.fromkeys(IMAGES, "encoded")


@pytest.mark.usefixtures("here")
def test_a_changed_source_is_not_taken_for_done() -> None:
    assert archive() == 0
    write_image(crop(6, 6), "in/a.png", force=True)
    os.utime("in/b.tif")
    assert archive() == 1
    assert states() == {"a.png": "failed", "b.tif": "found", "deep/c.png": "encoded"}
    assert archive("-f") == 0
    assert np.array_equal(ppyr.decode(Path("out/a.ppyr").read_bytes()), crop(6, 6))


@pytest.mark.usefixtures("here")
def test_what_was_stripped_is_missed_later() -> None:
    Image.fromarray(IMAGES["a.png"]).save("in/a.png", dpi=(300, 300))
    assert archive("--strip", "dpi") == 0
    Path("out/report.jsonl").unlink()
    assert archive() == 1
    assert states() == {"a.png": "failed", "b.tif": "found", "deep/c.png": "found"}


@pytest.mark.usefixtures("here")
def test_sources_are_removed_when_their_outputs_hold_all_of_them() -> None:
    Image.fromarray(IMAGES["a.png"]).save("in/lossy.jpg")
    assert archive("--strip", "dpi") == 0
    assert archive("--rm") == 0
    assert len(files("in")) == 4  # of the first run something may have been stripped
    Path("out/b.ppyr").unlink()
    REPORT.unlink()
    assert archive("--rm") == 0
    assert list(files("in")) == ["lossy.jpg"]
    assert states() == {"a.png": "found", "b.tif": "encoded", "deep/c.png": "found", "lossy.jpg": "found"}
    assert archive("--rm") == 0


@pytest.mark.usefixtures("here")
def test_a_source_stays_if_its_output_was_damaged() -> None:
    assert archive() == 0
    data = bytearray(Path("out/a.ppyr").read_bytes())
    data[-20] ^= 1
    Path("out/a.ppyr").write_bytes(data)
    assert archive("--rm") == 1
    assert list(files("in")) == ["a.png"]
    assert states()["a.png"] == "failed"


@pytest.mark.usefixtures("here")
def test_a_source_that_is_gone_is_done_if_its_output_decodes() -> None:
    Path("list.txt").write_text("in/a.png\nin/b.tif\n")
    assert archive("--rm", source="list.txt") == 0
    REPORT.unlink()
    Path("out/in/b.ppyr").unlink()
    assert archive("--rm", source="list.txt") == 1
    assert states() == {"in/a.png": "found", "in/b.tif": "failed"}


@pytest.mark.usefixtures("here")
def test_a_source_that_changes_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(file: ImageFile, **options: Any) -> bytes:
        write_image(crop(6, 6), "in/a.png", force=True)
        return encode_file(file, **options)

    monkeypatch.setattr(ppyr.files, "encode_file", encode)
    assert archive("--rm") == 0
    assert list(files("in")) == ["a.png"]


@pytest.mark.usefixtures("here")
def test_a_source_that_can_not_be_removed_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: object, location: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", location)

    monkeypatch.setattr(storage._Local, "remove", refuse)
    assert archive("-q", "--rm") == 1
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(": it can not be removed: ")[0] for line in told] == [f"ppyr: {p}" for p in IMAGES]
    assert states() == dict.fromkeys(IMAGES, "encoded")


@pytest.mark.usefixtures("here")
def test_a_source_goes_after_its_output_and_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    removed = []

    def remove(_: object, location: str) -> None:
        path = Path(location).relative_to(Path("in").absolute())
        assert states()[path.as_posix()] == "encoded"
        assert Path("out", path).with_suffix(".ppyr").exists()
        removed.append(path.as_posix())

    monkeypatch.setattr(storage._Local, "remove", remove)
    assert archive("--rm") == 0
    assert sorted(removed) == sorted(IMAGES)


@pytest.mark.usefixtures("here")
def test_leftovers_of_the_same_run_are_swept() -> None:
    assert archive() == 0
    mark = sha256(str(REPORT.absolute()).encode()).hexdigest()[:8]
    for name in (temporary_prefix(mark), temporary_prefix("0" * 8)):
        Path("out/deep", f"{name}1.tmp").write_bytes(b"part")
    assert archive() == 0
    assert list(files()) == [
        "a.ppyr", "b.ppyr", f"deep/{temporary_prefix('0' * 8)}1.tmp", "deep/c.ppyr", "report.jsonl",
    ]  # fmt: skip


@pytest.mark.usefixtures("here")
def test_temporary_files_have_the_mark_of_their_run(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = sha256(str(REPORT.absolute()).encode()).hexdigest()[:8]
    seen: list[Path] = []

    def sync(_: int) -> None:
        seen.extend(path for path in Path("out").rglob("*.tmp"))

    monkeypatch.setattr(os, "fsync", sync)
    assert archive() == 0
    assert len(seen) == len(IMAGES)
    assert all(path.name.startswith(temporary_prefix(mark)) for path in seen)


@pytest.mark.usefixtures("here")
def test_an_output_of_another_depth_is_another_image() -> None:
    image = (crop(8, 8, gray=True) >> 4).astype(np.uint8)
    Path("in/d.png").write_bytes(image_bytes(image, ".png", bit_depth=4))
    Path("out").mkdir()
    Path("out/d.ppyr").write_bytes(ppyr.encode(image))
    assert archive() == 1
    assert states()["d.png"] == "failed"
    Path("out/d.ppyr").write_bytes(ppyr.encode(image, bit_depth=4))
    assert archive() == 0
    assert states()["d.png"] == "found"


@pytest.mark.usefixtures("here")
def test_a_report_in_parquet_has_the_last_rows_of_its_journal() -> None:
    Path("in/bad.png").write_bytes(b"no image")
    assert archive("--report", "r.parquet") == 1
    write_image(crop(5, 5), "in/bad.png", force=True)
    assert archive("--report", "r.parquet") == 0
    rows = list(rows_of(Path("r.jsonl")))
    assert list(rows_of(Path("r.parquet"))) == rows
    assert len(rows) == 4 < len(Path("r.jsonl").read_bytes().splitlines())
    table = read_table("r.parquet")
    assert table["bytes_out"].to_pylist() == [Path("out", row.output).stat().st_size for row in rows]
    assert str(table.schema.field("width").type) == "int64"


@pytest.mark.parametrize("report", ["out/report.jsonl", "out/report.parquet"])
@pytest.mark.usefixtures("here")
def test_an_archive_is_verified_by_its_report(report: str, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        write_image(crop(5, 5 + number), f"in/{number}.png")
    Path("in/bad.png").write_bytes(b"no image")
    assert archive("--report", report) == 1
    write_image(crop(5, 5), "in/bad.png", force=True)
    assert archive("--report", report) == 0
    Path("out").rename("moved")
    report = report.replace("out", "moved")
    assert main(["verify", "-q", "--report", report]) == 0
    assert main(["verify", "-q", "--report", report, "moved"]) == 0
    Path("moved/a.ppyr").unlink()
    Path("moved/b.ppyr").write_bytes(Path("moved/0.ppyr").read_bytes())
    damaged = bytearray(Path("moved/0.ppyr").read_bytes())
    damaged[-30] ^= 1
    Path("moved/0.ppyr").write_bytes(damaged)
    Path("moved/1.ppyr").write_bytes(ppyr.encode(crop(5, 6), metadata=ppyr.Metadata(icc=b"colours")))
    Path("moved/notes.txt").write_text("mine")
    capsys.readouterr()
    assert main(["verify", "--json", "--report", report]) == 1
    out, err = capsys.readouterr()
    found = {row["file"]: row["verdict"] for row in map(json.loads, out.splitlines())}
    assert found == {
        "a.ppyr": "missing", "b.ppyr": "changed", "0.ppyr": "unreadable", "1.ppyr": "changed",
        "2.ppyr": "ok", "bad.ppyr": "ok", "deep/c.ppyr": "ok",
    }  # fmt: skip
    assert "ppyr: b.ppyr: changed: it has other pixels than the report says\n" in err
    assert "notes.txt: not in the report\n" in err
    assert err.splitlines()[-1] == (
        "7 images: 3 ok, 1 missing, 2 changed, 1 unreadable, 0 failed; 1 files are not in the report"
    )


@pytest.mark.usefixtures("here")
def test_images_that_failed_are_not_verified(capsys: pytest.CaptureFixture[str]) -> None:
    Path("in/bad.png").write_bytes(b"no image")
    assert archive("-q") == 1
    capsys.readouterr()
    assert main(["verify", "--report", str(REPORT)]) == 1
    assert capsys.readouterr().err.startswith("ppyr: bad.ppyr: failed: this is no PNG")


@pytest.mark.usefixtures("here")
def test_missing_extras_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(storage, "_remote", storage._Remote)
    for module in ("fsspec.core", "pyarrow.parquet", "ray.data"):
        monkeypatch.setitem(sys.modules, module, None)
    assert archive(source="memory://in") == 1
    assert archive("--report", "r.parquet") == 1
    assert archive("--engine", "ray") == 1
    fsspec_, pyarrow, ray = capsys.readouterr().err.splitlines()
    assert fsspec_.endswith("pip install 'ppyr[batch]'")
    assert pyarrow.endswith("pip install 'ppyr[batch]'")
    assert ray.endswith("pip install 'ppyr[ray]'")


@pytest.mark.usefixtures("here")
def test_a_terminal_shows_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("tqdm.tqdm", partial(tqdm, mininterval=0))
    assert archive() == 0
    err = capsys.readouterr().err
    assert "3/3" in err
    assert "MB/s" in err.split("3/3")[1]
    assert "bytes saved" in err


@dataclass(frozen=True)
class Deadly(Compressor):
    """Some images kill the process that opens them."""

    def __call__(self, task: Task) -> Row:
        if "deadly" in task.path:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(task)


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@pytest.mark.usefixtures("folder")
def test_a_killed_process_takes_one_image_with_it() -> None:
    for number in range(12):
        write_image(crop(5, 5 + number), f"in/{number:02}{'-deadly' * (number in (0, 5, 6))}.png")
    options = {"effort": 1, "backend": "auto"}
    with planned("in", "out") as plan, Journal(REPORT) as journal:
        work = Deadly(plan.root, plan.target, options, partial(ppyr.use_threads, 1))
        assert batch.compress_archive(plan, journal, Processes(2), work) == 1
    found = states()
    assert Counter(found.values()) == {"encoded": 12, "failed": 3}
    assert all((state == "failed") == ("deadly" in path) for path, state in found.items())
    assert {row.message for row in rows_of(REPORT) if not row.is_finished} == {LOST}


def many(count: int) -> None:
    for number in range(count):
        path = Path(f"in/{number // 40}/{number}.png")
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.roll(crop(24, 24), number, 0)).save(path)


def started(rows: int, *words: str) -> subprocess.Popen[bytes]:
    """The command in a process group of its own, when its report has so many rows."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ppyr", "batch", "-q", "-e", "1", "-j", "2", "in", "out", *words],
        start_new_session=True,
    )
    while not REPORT.exists() or REPORT.read_bytes().count(b"\n") < rows:
        assert process.poll() is None
        time.sleep(0.01)
    return process


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@pytest.mark.parametrize("remove", [False, True], ids=["keep", "rm"])
@pytest.mark.usefixtures("folder")
def test_a_run_that_is_killed_goes_on_where_it_was(remove: bool) -> None:
    many(160)
    images = {path.relative_to("in").as_posix(): read_image(path) for path in Path("in").rglob("*.*")}
    words = ["--rm"] if remove else []
    for rows in (30, 80):
        with started(rows, *words) as process:
            os.killpg(process.pid, signal.SIGKILL)
        placed = {name: about for name, about in files().items() if name.endswith(".ppyr")}
        assert rows <= len(placed) < len(images)
    assert archive("-q", "-j", "2", *words) == 0
    after = files()
    assert {name: after[name] for name in placed} == placed
    assert not [name for name in after if name.endswith(".tmp")]
    outputs = {Path(path).with_suffix(".ppyr").as_posix(): image for path, image in images.items()}
    assert after.keys() == {*outputs, "report.jsonl"}
    for name, image in outputs.items():
        assert np.array_equal(ppyr.decode(Path("out", name).read_bytes()), image)
    rows_written = [json.loads(line) for line in REPORT.read_bytes().splitlines()]
    assert Counter(row["output"] for row in rows_written) == dict.fromkeys(outputs, 1)
    assert bool(files("in")) != remove
    assert main(["verify", "-q", "--report", str(REPORT)]) == 0


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@pytest.mark.usefixtures("folder")
def test_an_interrupt_leaves_whole_files_only() -> None:
    many(80)
    with started(10) as process:
        os.killpg(process.pid, signal.SIGINT)
    assert process.returncode == 130
    assert not [name for name in files() if name.endswith(".tmp")]
    assert archive("-q", "-j", "2") == 0
    assert main(["verify", "-q", "--report", str(REPORT)]) == 0


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@pytest.mark.usefixtures("folder")
def test_processes_do_not_outlive_the_first_one() -> None:
    many(160)
    with started(10) as process:
        process.kill()
    while True:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.01)
    assert archive("-q", "-j", "2") == 0
