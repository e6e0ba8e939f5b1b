from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppyr import bench, commands
from ppyr.about import info
from ppyr.bench import PEERS, ImageResult, Measured, measure, report, totals, warm_up
from ppyr.benchtable import bench_table
from ppyr.cli import main
from ppyr.demo import demonstrate
from ppyr.effort import encode
from ppyr.errors import ModelError, PpyrError
from ppyr.imagefile import write_image
from ppyr.tables import text_table

from .photograph import PATH, crop

RGB = ImageResult(
    file="in/rgb.png",
    width=10,
    height=4,
    channels=3,
    bit_depth=8,
    bits_per_dim=2.0,
    theoretical_bits_per_dim=1.5,
    overhead_ok=True,
    model_evaluations=70,
    ppyr=Measured(30, 1.0, 2.0),
    peers={"png": Measured(60, 0.5, 4.0), "jpegxl-9": Measured(40, 4.0, 1.0)},
)
GRAY = replace(
    RGB,
    file="in/gray.png",
    channels=1,
    bits_per_dim=4.0,
    theoretical_bits_per_dim=3.5,
    ppyr=Measured(20, 3.0, 2.0),
    peers={"png": Measured(40, 0.5, 4.0), "jpegxl-9": Measured(10, 4.0, 1.0)},
)


@pytest.fixture(autouse=True)
def used_threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of threads asked for, of which this process is spared."""
    counts: list[int] = []
    monkeypatch.setattr(commands, "use_threads", counts.append)
    return counts


@pytest.mark.parametrize("gray", [True, False], ids=["gray", "rgb"])
def test_every_codec_is_measured_on_the_same_pixels(tmp_path: Path, gray: bool) -> None:
    image = crop(19, 24, gray=gray)
    write_image(image, tmp_path / "a.png")
    found = measure(tmp_path / "a.png")
    data = encode(image)
    assert (found.file, found.width, found.height) == (str(tmp_path / "a.png"), 24, 19)
    assert found.ppyr.bytes == len(data)
    assert found.bits_per_dim == info(data).bits_per_dim
    assert found.theoretical_bits_per_dim == info(data).theoretical_bits_per_dim
    assert found.model_evaluations == info(data).model_evaluations
    assert found.overhead_ok
    assert tuple(found.peers) == PEERS
    assert all(one.bytes > 0 < one.encode_seconds for one in found.peers.values())
    assert found.peers["jpegxl-9"].bytes < found.peers["png"].bytes < 2 * image.size


def test_a_wrong_picture_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(crop(5, 4), tmp_path / "a.png")
    monkeypatch.setattr(bench, "decode", lambda *_, **__: np.zeros((5, 4, 3), np.uint8))
    with pytest.raises(ModelError, match="does not come back"):
        measure(tmp_path / "a.png", [])


def test_a_wrong_picture_of_a_peer_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(crop(5, 4), tmp_path / "a.png")
    monkeypatch.setattr(bench, "_webp_decode", lambda _: np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(PpyrError, match="does not come back from webp"):
        measure(tmp_path / "a.png", ["webp"])


@pytest.mark.parametrize(("excess", "ok"), [(300, True), (301, False)])
def test_the_overhead_claim_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, excess: int, ok: bool
) -> None:
    image = crop(16, 16)
    write_image(image, tmp_path / "a.png")
    about = info(encode(image))
    theoretical = 8 * 1000 / image.size
    monkeypatch.setattr(
        bench, "info", lambda _: replace(about, bytes=1001 + excess, theoretical_bits_per_dim=theoretical)
    )
    assert measure(tmp_path / "a.png", []).overhead_ok == ok


def test_totals() -> None:
    found = totals([RGB, GRAY])
    assert (found["images"], found["bytes"]) == (2, 50)
    assert (found["encode_seconds"], found["decode_seconds"]) == (4.0, 4.0)
    assert (found["bits_per_dim"], found["theoretical_bits_per_dim"]) == (3.0, 2.5)
    assert found["overhead_ok"] is True
    assert found["peers"]["png"] == {
        "bytes": 100,
        "encode_seconds": 1.0,
        "decode_seconds": 8.0,
        "bits_per_dim": 6.0,
        "bytes_ratio": 0.5,
        "encode_seconds_ratio": 4.0,
        "decode_seconds_ratio": 0.5,
    }
    assert found["peers"]["jpegxl-9"]["bytes_ratio"] == 1.0
    assert totals([RGB, replace(GRAY, overhead_ok=False)])["overhead_ok"] is False


def test_the_report_says_what_ran() -> None:
    found = report([RGB, GRAY], command="ppyr bench in", threads=1, model_id="00ff")
    assert json.loads(json.dumps(found)) == found
    assert (found["command"], found["threads"], found["model_id"]) == ("ppyr bench in", 1, "00ff")
    assert {"python", "torch", "constriction", "numpy", "imagecodecs"} <= set(found["versions"])
    assert [image["file"] for image in found["images"]] == ["in/rgb.png", "in/gray.png"]
    assert found["images"][1]["peers"]["png"]["bytes"] == 40


def test_the_table_has_a_line_an_image_and_one_a_codec() -> None:
    images, codecs = bench_table([RGB, replace(GRAY, overhead_ok=False)]).split("\n\n")
    assert images.splitlines()[0].split("  ")[0] == "image"
    assert " ".join(images.splitlines()[2].split()) == "rgb.png 30 2.000 1.500 yes 60 40 0.750 1.000 2.000"
    assert " ".join(images.splitlines()[3].split()) == "gray.png 20 4.000 3.500 NO 40 10 2.000 3.000 2.000"
    assert [line.split()[0] for line in codecs.splitlines()] == ["2", "--------", "ppyr", "png", "jpegxl-9"]
    assert " ".join(codecs.splitlines()[3].split()) == "png 100 6.000 1.000 8.000 0.500 4.000 0.500"


def test_the_table_needs_no_peers() -> None:
    images, codecs = bench_table([replace(RGB, peers={})]).split("\n\n")
    assert " ".join(images.splitlines()[2].split()) == "rgb.png 30 2.000 1.500 yes 1.000 2.000"
    assert len(codecs.splitlines()) == 3


def test_text_table() -> None:
    assert text_table(("a", "bb"), [("x", 1234), ("yy", None), ("z", 0.5)]).splitlines() == [
        "a      bb",
        "--  -----",
        "x   1,234",
        "yy      -",
        "z   0.500",
    ]


def test_the_command_measures_folders_and_writes_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], used_threads: list[int]
) -> None:
    (tmp_path / "in" / "inner").mkdir(parents=True)
    write_image(crop(19, 24), tmp_path / "in" / "rgb.png")
    write_image(crop(7, 5, gray=True), tmp_path / "in" / "inner" / "gray.png")
    out = tmp_path / "out.json"
    words = ["bench", str(tmp_path / "in"), "--peers", "png,jpegxl-9", "--json", str(out)]
    assert main(words) == 0
    found = json.loads(out.read_text(encoding="utf-8"))
    assert [Path(image["file"]).name for image in found["images"]] == ["rgb.png", "gray.png"]
    assert found["totals"]["bytes"] == sum(image["ppyr"]["bytes"] for image in found["images"])
    assert list(found["totals"]["peers"]) == ["png", "jpegxl-9"]
    assert found["command"].startswith("ppyr bench ")
    assert found["model_id"] == warm_up()
    assert used_threads == [found["threads"]] == [1]
    printed = capsys.readouterr().out
    assert "rgb.png" in printed
    assert "jpegxl-9" in printed


def test_a_broken_claim_or_a_bad_image_gives_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.png"
    write_image(crop(5, 4), path)
    (tmp_path / "b.png").write_text("no image")
    assert main(["bench", str(tmp_path), "--peers", "none"]) == 1
    out, err = capsys.readouterr()
    assert "a.png" in out
    assert f"ppyr: {tmp_path / 'b.png'}: " in err

    def broken(*arguments: Any, **options: Any) -> ImageResult:
        return replace(measure(*arguments, **options), overhead_ok=False)

    assert main(["bench", str(path), "--peers", "none"]) == 0
    monkeypatch.setattr(bench, "measure", broken)
    assert main(["bench", str(path), "--peers", "none"]) == 1


def test_peers_are_checked_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image(crop(5, 4), tmp_path / "a.png")
    assert main(["bench", str(tmp_path), "--peers", "png,gif"]) == 2
    assert "unknown peers gif" in capsys.readouterr().err


def test_demo(capsys: pytest.CaptureFixture[str]) -> None:
    found = demonstrate()
    assert found.png_bytes == PATH.stat().st_size
    assert (found.info.width, found.info.height, found.info.channels) == (384, 256, 3)
    assert main(["demo"]) == 0
    printed = capsys.readouterr().out
    for text in (
        f"{found.png_bytes:,} bytes",
        f"{found.info.bytes:,} bytes",
        f"{found.info.bits_per_dim:.4f} bits/dim",
        f"{found.info.theoretical_bits_per_dim:.4f} bits/dim",
        f"{found.info.model_evaluations} model evaluations",
        "bit for bit",
    ):
        assert text in printed
