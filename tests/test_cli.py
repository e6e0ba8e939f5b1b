from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from ppyr import cli, commands, files
from ppyr.about import info
from ppyr.cli import main
from ppyr.decoding import DEFAULT_MAX_PIXELS
from ppyr.imagefile import image_bytes, read_image, write_image
from ppyr.metadata import KINDS

from .photograph import crop

IMAGE = crop(19, 24)
HEAVY = ("torch", "numba", "constriction", "safetensors", "imagecodecs")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with photo.png in it."""
    monkeypatch.chdir(tmp_path)
    write_image(IMAGE, tmp_path / "photo.png")
    return tmp_path


@pytest.fixture
def packed(folder: Path) -> Path:
    """photo.ppyr, alone in the working directory."""
    assert main(["compress", "-q", "photo.png"]) == 0
    (folder / "photo.png").unlink()
    return folder / "photo.ppyr"


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def feed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def terminal(monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    monkeypatch.setattr(getattr(sys, stream), "isatty", lambda: True)


def run(*words: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "ppyr", *words], input=data, capture_output=True, check=False
    )


def test_there_and_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress", "photo.png"]) == 0
    assert names(folder) == ["photo.png", "photo.ppyr"]
    (folder / "photo.png").unlink()
    assert main(["decompress", "photo.ppyr"]) == 0
    assert np.array_equal(read_image("photo.png"), IMAGE)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0].startswith("photo.png -> photo.ppyr: 24 x 19, image file ")
    assert err.splitlines()[1].startswith("photo.ppyr -> photo.png: 24 x 19, image file ")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".ppm", ".webp"])
@pytest.mark.usefixtures("packed")
def test_the_suffix_of_the_output_names_its_format(suffix: str) -> None:
    assert main(["decompress", "-q", "photo.ppyr", "-o", f"out{suffix}"]) == 0
    assert Path(f"out{suffix}").read_bytes() == image_bytes(IMAGE, suffix)


def test_a_lossy_output_is_refused(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decompress", "photo.ppyr", "-o", "out.jpg"]) == 1
    assert "ppyr: photo.ppyr: .jpg names no lossless image format" in capsys.readouterr().err
    assert names(packed.parent) == ["photo.ppyr"]


@pytest.mark.usefixtures("folder")
def test_an_output_is_not_replaced_without_force(capsys: pytest.CaptureFixture[str]) -> None:
    Path("photo.ppyr").write_bytes(b"mine")
    assert main(["compress", "photo.png"]) == 1
    assert capsys.readouterr().err == (
        "ppyr: photo.png: photo.ppyr is there already: give another name or --force\n"
    )
    assert Path("photo.ppyr").read_bytes() == b"mine"
    assert main(["compress", "-qf", "photo.png"]) == 0
    assert main(["verify", "-q", "photo.ppyr"]) == 0
    Path("photo.png").write_bytes(b"mine")
    assert main(["decompress", "-q", "photo.ppyr"]) == 1
    assert Path("photo.png").read_bytes() == b"mine"
    assert main(["decompress", "-q", "--force", "photo.ppyr"]) == 0
    assert np.array_equal(read_image("photo.png"), IMAGE)


def test_a_dry_run_does_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress", "-n", "photo.png", "--output-dir", "out"]) == 0
    assert capsys.readouterr().out == f"photo.png -> {Path('out', 'photo.ppyr')}\n"
    assert list(folder.iterdir()) == [folder / "photo.png"]


def test_one_failure_does_not_stop_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("text.png").write_text("no image")
    assert main(["compress", "-q", "missing.png", "text.png", "photo.png"]) == 1
    first, second, summary = capsys.readouterr().err.splitlines()
    assert first == "ppyr: missing.png: No such file or directory"
    assert second.startswith("ppyr: text.png: this is no PNG")
    assert summary == "ppyr: 2 of 3 files failed"
    assert names(folder) == ["photo.png", "photo.ppyr", "text.png"]


@pytest.mark.usefixtures("folder")
def test_a_missing_output_folder_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress", "photo.png", "-o", "no/photo.ppyr"]) == 1
    assert capsys.readouterr().err == "ppyr: photo.png: no: there is no such folder to write to\n"


def test_folders_are_mirrored(folder: Path) -> None:
    inner = folder / "in" / "a" / "b"
    inner.mkdir(parents=True)
    for name in ("in/one.png", "in/a/one.PNG", "in/a/b/two.tif"):
        write_image(IMAGE, name)
    (inner / "notes.txt").write_text("no image")
    assert main(["compress", "-qr", "in", "--output-dir", "packed"]) == 0
    assert names(folder / "packed") == ["a/b/two.ppyr", "a/one.ppyr", "one.ppyr"]
    assert main(["decompress", "-qr", "packed", "--output-dir", "restored"]) == 0
    assert names(folder / "restored") == ["a/b/two.png", "a/one.png", "one.png"]
    assert all(np.array_equal(read_image(path), IMAGE) for path in (folder / "restored").rglob("*.png"))
    assert main(["compress", "-qr", "in"]) == 0
    assert "in/a/b/two.ppyr" in names(folder)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compress", "photo.png", "photo.tif"], "would both be written to photo.ppyr"),
        (["compress", "photo.png", "./photo.png"], "would both be written to"),
        (["compress", "photo.png", "in/photo.png", "--output-dir", "out"], "would both be written to"),
        (["compress", "-f", "photo.png", "-o", "photo.png"], "is an input as well"),
        (["compress", "-f", "-r", "in", "in/photo.ppyr"], "is an input as well"),
        (["compress", "photo.png", "in/photo.png", "-o", "out.ppyr"], "one output takes one input"),
        (["compress", "photo.png", "in/photo.png", "-c"], "one output takes one input"),
        (["compress", "-", "-"], "give - once"),
        (["compress", "in"], "give -r"),
        (["compress", "-r", "empty"], "has no files to take"),
        (["compress", "--json", "-c", "photo.png"], "leave one out"),
        (["compress", "-c", "-o", "out.ppyr", "photo.png"], "not allowed with"),
        (["compress", "--strip", "colour", "photo.png"], "unknown: colour"),
        (["compress", "-T", "0", "photo.png"], "give 1 or more"),
        (["compress", "--max-pixels", "-1", "photo.png"], "give 0 or more"),
        (["compress", "--backend", "abacus", "photo.png"], "invalid choice"),
        (["compress"], "required"),
        (["expand", "photo.png"], "invalid choice"),
        ([], "required"),
    ],
)
def test_usage_errors_come_before_any_work(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    Path("in").mkdir()
    Path("empty").mkdir()
    write_image(IMAGE, "in/photo.png")
    before = names(folder)
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ppyr: ")
    assert message in err
    assert len(err.splitlines()) == 1
    assert names(folder) == before


def test_pipes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    original = Path("photo.png").read_bytes()
    assert main(["compress", "-q", "-c", "photo.png"]) == 0
    data = capfdbinary.readouterr().out
    feed(monkeypatch, original)
    assert main(["compress", "-q", "-"]) == 0
    assert capfdbinary.readouterr().out == data
    feed(monkeypatch, data)
    assert main(["decompress", "-q", "-"]) == 0
    assert capfdbinary.readouterr().out == image_bytes(IMAGE, ".png")
    feed(monkeypatch, data)
    assert main(["decompress", "-q", "-", "-o", "out.tif"]) == 0
    assert capfdbinary.readouterr().out == b""
    feed(monkeypatch, data)
    assert main(["info", "--json", "-"]) == 0
    assert json.loads(capfdbinary.readouterr().out)["bytes"] == len(data)
    feed(monkeypatch, data)
    assert main(["verify", "-"]) == 0
    assert names(folder) == ["out.tif", "photo.png"]


def test_terminals_get_no_data_and_give_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    feed(monkeypatch, b"")
    terminal(monkeypatch, "stdin")
    assert main(["compress", "-", "-o", "out.ppyr"]) == 2
    assert "standard input is a terminal" in capsys.readouterr().err
    terminal(monkeypatch, "stdout")
    assert main(["compress", "-c", "photo.png"]) == 2
    assert "standard output is a terminal" in capsys.readouterr().err
    assert names(folder) == ["photo.png"]


@pytest.mark.usefixtures("folder")
def test_a_progress_bar_is_for_terminals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(IMAGE, "other.png")
    assert main(["compress", "-f", "photo.png", "other.png"]) == 0
    assert "file/s" not in capsys.readouterr().err
    terminal(monkeypatch, "stderr")
    assert main(["compress", "-f", "photo.png", "other.png"]) == 0
    err = capsys.readouterr().err
    assert "/2 [" in err
    assert "photo.png -> photo.ppyr" in err
    assert main(["compress", "-qf", "photo.png", "other.png"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("strip", [*KINDS, "all"])
@pytest.mark.usefixtures("folder")
def test_strip_reaches_reader_and_writer(capsys: pytest.CaptureFixture[str], strip: str) -> None:
    Image.fromarray(IMAGE).save("photo.png", dpi=(300, 300))
    dropped = strip in ("dpi", "all")
    assert main(["compress", "--strip", strip, "photo.png"]) == 0
    assert bool(info("photo.ppyr").metadata) == (not dropped)
    assert main(["compress", "-f", "photo.png"]) == 0
    assert info("photo.ppyr").metadata == {"dpi": 17}
    assert main(["decompress", "--strip", strip, "photo.ppyr", "-o", "photo.ppm"]) == int(not dropped)
    assert ("--strip dpi" in capsys.readouterr().err) == (not dropped)
    assert Path("photo.ppm").exists() == dropped


@pytest.mark.usefixtures("folder")
def test_metadata_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(IMAGE).save("photo.png", dpi=(300, 300), exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0")
    assert main(["compress", "-q", "photo.png"]) == 0
    size = info("photo.ppyr").metadata["exif"]
    assert main(["info", "photo.ppyr"]) == 0
    assert f"\n  metadata: exif ({size} bytes), dpi (17 bytes)\n" in capsys.readouterr().out
    assert main(["info", "--json", "photo.ppyr"]) == 0
    assert json.loads(capsys.readouterr().out)["metadata"] == {"exif": size, "dpi": 17}


@pytest.mark.usefixtures("folder")
def test_what_can_not_be_carried_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    photo = Path("photo.png")
    photo.write_bytes(photo.read_bytes() + b"more")
    assert main(["compress", "photo.png"]) == 1
    assert capsys.readouterr().err == (
        "ppyr: photo.png: the file has metadata that can not be carried (other: data after the end): "
        "drop it with --strip other\n"
    )
    assert main(["compress", "-q", "--strip", "other", "photo.png"]) == 0


@pytest.mark.usefixtures("folder")
def test_options_reach_the_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, object]] = []
    compress_file = files.compress_file

    def look(*paths: str, **options: object) -> files.Converted:
        seen.append(options)
        return compress_file(*paths, force=True)

    monkeypatch.setattr(files, "compress_file", look)
    words = (
        "--model other --embed-model --time-budget 2.5 --label 4 --backend reference --no-verify "
        "--strip exif,dpi"
    )
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)  # the command line has a limit of its own
    assert main(["compress", "-q", *words.split(), "photo.png"]) == 0
    limits = [Image.MAX_IMAGE_PIXELS]
    assert main(["compress", "-qf", "--max-pixels", "0", "photo.png"]) == 0
    assert [*limits, Image.MAX_IMAGE_PIXELS] == [DEFAULT_MAX_PIXELS, None]
    assert seen[0] == {
        "effort": None,
        "model": "other",
        "embed_model": True,
        "time_budget": 2.5,
        "label": 4,
        "progress": False,
        "backend": "reference",
        "force": False,
        "verify": False,
        "strip": ["exif", "dpi"],
        "remove": False,
        "max_pixels": DEFAULT_MAX_PIXELS,
    }
    assert (seen[1]["force"], seen[1]["verify"], seen[1]["max_pixels"]) == (True, True, None)
    assert main(["compress", "-qf", "--rm", "-e", "3", "photo.png"]) == 0
    assert seen[-1]["remove"]
    assert (seen[2]["effort"], seen[2]["model"]) == (3, None)


def test_an_unknown_model_is_a_failure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress", "--model", "no-such-model", "photo.png"]) == 1
    assert "ppyr: photo.png: " in capsys.readouterr().err
    assert names(folder) == ["photo.png"]


@pytest.mark.parametrize(("effort", "model"), [(1, "fast"), (3, "fast3"), (5, "default"), (9, "max")])
def test_an_effort_chooses_a_model(folder: Path, effort: int, model: str) -> None:
    assert main(["compress", "-q", "-e", str(effort), "--time-budget", "1", "photo.png"]) == 0
    assert info((folder / "photo.ppyr").read_bytes()).model == model


@pytest.mark.parametrize("budget", ["0", "-1", "inf", "nan", "long"])
def test_no_other_time_budgets(folder: Path, budget: str) -> None:
    assert main(["compress", f"--time-budget={budget}", "photo.png"]) == 2
    assert names(folder) == ["photo.png"]


@pytest.mark.parametrize("effort", ["0", "10", "-1", "five", "1.5"])
def test_no_other_efforts(folder: Path, effort: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress", f"--effort={effort}", "photo.png"]) == 2
    assert "give a whole number, 1 to 9" in capsys.readouterr().err
    assert names(folder) == ["photo.png"]


@pytest.mark.usefixtures("folder")
def test_an_effort_and_a_model_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress", "-e", "5", "--model", "fast", "photo.png"]) == 2
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_json_has_one_object_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    write_image(IMAGE[..., 0].copy(), "gray.png")
    assert main(["compress", "--json", "photo.png", "gray.png"]) == 0
    photo, gray = map(json.loads, capsys.readouterr().out.splitlines())
    assert (photo["source"], photo["target"], photo["channels"]) == ("photo.png", "photo.ppyr", 3)
    assert (gray["source"], gray["target"], gray["channels"]) == ("gray.png", "gray.ppyr", 1)
    assert main(["verify", "--json", "photo.ppyr", "gray.ppyr"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"file": "photo.ppyr", "ok": True},
        {"file": "gray.ppyr", "ok": True},
    ]


def test_info_as_json(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json", "photo.ppyr"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["file"], found["width"], found["height"]) == ("photo.ppyr", 24, 19)
    assert (found["channels"], found["bit_depth"], found["version"]) == (3, 8, 0)
    assert found["bytes"] == packed.stat().st_size
    assert found["bits_per_dim"] == 8 * found["bytes"] / IMAGE.size
    assert 0 < found["theoretical_bits_per_dim"] < found["bits_per_dim"]
    assert len(found["levels"]) == 10
    assert (found["levels"][-1]["width"], found["levels"][-1]["height"]) == (24, 19)
    assert (found["levels"][-2]["width"], found["levels"][-2]["height"]) == (12, 19)
    assert sum(level["bytes"] for level in found["levels"]) < found["bytes"]
    assert sum(level["evaluations"] for level in found["levels"]) == found["model_evaluations"] > 0
    assert isinstance(found["model"], str)


@pytest.mark.usefixtures("packed")
def test_info_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "photo.ppyr"]) == 0
    short = capsys.readouterr().out
    assert short.startswith("photo.ppyr: 24 x 19, RGB, 8 bits a sample\n")
    assert "model evaluations in 10 levels" in short
    assert main(["info", "-v", "photo.ppyr"]) == 0
    long = capsys.readouterr().out
    assert long.startswith(short)
    assert len(long.splitlines()) == len(short.splitlines()) + 12


@pytest.mark.usefixtures("folder")
def test_verbose_says_what_a_lossy_input_means() -> None:
    Image.fromarray(IMAGE).save("lossy.jpg")
    done = run("compress", "-v", "lossy.jpg")
    assert done.returncode == 0
    assert b"the decoded pixels are kept" in done.stderr


def test_interrupted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "encode", interrupt)
    assert main(["compress", "photo.png"]) == 130
    assert capsys.readouterr().err == "ppyr: interrupted\n"
    assert names(folder) == ["photo.png"]


def test_a_reader_that_goes_away_is_no_traceback(packed: Path) -> None:
    source, target = os.pipe()
    os.close(source)
    with os.fdopen(target, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "ppyr", "decompress", "-c", str(packed)],
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_fresh_process_decodes_through_pipes(packed: Path) -> None:
    done = run("decompress", "-q", "-", data=packed.read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == image_bytes(IMAGE, ".png")


def flips(data: bytes) -> Iterator[bytes]:
    """One bit of every byte flipped, another one from byte to byte."""
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        yield bytes(changed)


def cuts(data: bytes) -> Iterator[bytes]:
    """Every beginning of the data; and, too long by a byte, the data."""
    yield from (data[:length] for length in range(len(data)))
    yield data + b"\0"


@pytest.mark.parametrize("damage", [flips, cuts])
def test_damage_gives_an_error_and_no_picture(
    packed: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[bytes], Iterator[bytes]]
) -> None:
    damaged = list(damage(packed.read_bytes()))
    assert len(damaged) >= packed.stat().st_size
    for data in damaged:
        Path("damaged.ppyr").write_bytes(data)
        assert main(["decompress", "damaged.ppyr"]) == 1
        assert main(["verify", "damaged.ppyr"]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert all(line.startswith("ppyr: damaged.ppyr: ") for line in err.splitlines())
        assert len(err.splitlines()) == 2
        assert names(packed.parent) == ["damaged.ppyr", "photo.ppyr"]


def test_info_of_a_damaged_index_is_an_error(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = packed.read_bytes()
    for length in (0, 5, 40, 70):
        Path("damaged.ppyr").write_bytes(data[:length])
        assert main(["info", "--json", "damaged.ppyr"]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("ppyr: damaged.ppyr: ")


@pytest.mark.parametrize(
    "statement",
    ["import ppyr", "import ppyr.cli", "from ppyr.cli import main; main(['info', 'photo.ppyr'])"],
)
@pytest.mark.usefixtures("packed")
def test_light_work_loads_nothing_heavy(statement: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", statement], capture_output=True, check=True, text=True
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "ppyr" in loaded
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["compress", "--help"], ["bench", "--help"]])
def test_help_needs_nothing(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 0
    assert "ppyr" in capsys.readouterr().out


def test_the_help_names_the_limit_of_pixels(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["compress", "--help"])
    assert f"{DEFAULT_MAX_PIXELS:,}" in capsys.readouterr().out


def test_train_brings_its_own_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    train = ModuleType("ppyr.training")
    seen: list[str] = []

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--images")

    def run_training(args: argparse.Namespace) -> int:
        seen.append(args.images)
        return 1

    monkeypatch.setitem(vars(train), "add_arguments", add_arguments)
    monkeypatch.setitem(vars(train), "run", run_training)
    monkeypatch.setitem(sys.modules, "ppyr.training", train)
    assert main(["train", "--images", "in"]) == 1
    assert seen == ["in"]


@pytest.mark.parametrize("words", ["compress a", "decompress a", "info a", "verify a", "bench a", "demo"])
def test_every_command_has_its_function(words: str) -> None:
    assert cli.parse(words.split()).run is getattr(commands, words.split(maxsplit=1)[0])
