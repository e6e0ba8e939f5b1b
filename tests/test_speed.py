"""The benchmarks of speed on tiny images, and what is made of their results."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest

from benchmarks import breakdown, growth, pareto, pictures, speed, speedtables, startup
from benchmarks.turns import in_turn
from ppyr import coding, threads
from ppyr.errors import PpyrError, UnsupportedImageError
from ppyr.imagefile import write_image
from ppyr.models.backends import backend

from .photograph import crop

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs a benchmark by its words and gives what it stored; two images are in `images`."""
    (tmp_path / "images").mkdir()
    write_image(crop(33, 40), tmp_path / "images" / "a.png")
    write_image(crop(24, 32), tmp_path / "images" / "b.png")
    monkeypatch.setattr(speed, "RESULTS", tmp_path / "speed")
    monkeypatch.setattr(threads, "_chosen", 1)

    def found(module: Any, name: str, *words: str) -> Any:
        monkeypatch.setattr(sys, "argv", [module.__name__, *words])
        module.main()
        capsys.readouterr()
        return json.loads((tmp_path / "speed" / f"{name}.json").read_text("utf-8"))

    yield found
    threads.use_threads(1)


def test_works_take_turns() -> None:
    done: list[str] = []
    seconds = in_turn(
        {"a": lambda: done.append("a"), "b": lambda: done.append("b"), "c": lambda: sleep(0.01)},
        {"a": 3, "b": 1, "c": 2},
    )
    assert "".join(done) == "abaa"
    assert seconds["c"] >= 0.01
    assert list(seconds) == ["a", "b", "c"]


def test_codecs_are_measured_and_drawn(run: Run, tmp_path: Path) -> None:
    peers = ["--peers", "png", "jpegxl-7", "jpegxl-9"]
    options = ["--efforts", "1", "--rounds", "2", "--threads", "1", "2", *peers]
    found = run(speed, "kodak", str(tmp_path / "images"), *options)
    assert list(found["images"]) == ["a.png", "b.png"]
    assert found["rounds"]["jpegxl-9"] == {"encode": 1, "decode": 2}
    assert found["rounds"]["ppyr-1"] == {"encode": 2, "decode": 2, "verify": 2}
    assert [list(total) for total in found["totals"].values()] == [
        ["ppyr-1", "png", "jpegxl-7", "jpegxl-9"],
        ["ppyr-1", "jpegxl-7", "jpegxl-9"],
    ]
    total, samples = found["totals"]["1"]["ppyr-1"], 3 * (33 * 40 + 24 * 32)
    rows = found["images"].values()
    assert total["bytes"] == sum(row["bytes"]["ppyr-1"] for row in rows)
    spent = [row["seconds"]["1"]["ppyr-1"] for row in rows]
    verified = sum(one["encode"] + one["verify"] for one in spent)
    assert total["megabytes_per_second"]["verified"] == pytest.approx(samples / 1e6 / verified)
    reference = found["totals"]["1"]["jpegxl-7"]
    assert reference["ratio"] == {"encode": 1, "decode": 1}
    assert total["ratio"]["decode"] == pytest.approx(
        total["megabytes_per_second"]["decode"] / reference["megabytes_per_second"]["decode"]
    )
    whole = speedtables.speeds(tmp_path)
    assert whole.startswith("| Kodak, 2 images, one thread | bytes | bits/dim |")
    assert f"| ppyr, effort 1, `fast` | {total['bytes']:,} | {total['bits_per_dim']:.3f} |" in whole
    assert "1 to encode by JPEG XL, effort 9; " in whole
    assert speedtables.threads(tmp_path).count("Kodak, 2 threads, ") == 3
    plot = tmp_path / "plot.png"
    pareto.draw(found, "kodak", plot)
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_wrong_picture_is_an_error() -> None:
    image = crop(8, 8)
    codec = speed.Codec("png", 1, lambda _: b"", lambda _: np.zeros_like(image))
    with pytest.raises(PpyrError, match="does not come back from png"):
        speed.measure(image, [codec], 1, 1, lambda: None)


def test_a_mosaic_has_pieces_of_all_images(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "PIECE", (20, 30))
    monkeypatch.setattr(pictures, "SIDE", 50)
    found = run(
        speed, "mosaic", str(tmp_path / "images"), "--name=mosaic", "--mosaic=2", "--rounds=1", "--peers=png"
    )
    assert [row["shape"] for row in found["images"].values()] == [[50, 50, 3]] * 2
    image = pictures.mosaic([tmp_path / "images" / name for name in ("a.png", "b.png")], 50)
    assert np.array_equal(image[:20, 30:], crop(20, 20))
    assert np.array_equal(image[40:, :30], crop(10, 30))
    monkeypatch.setattr(pictures, "PIECE", (20, 41))
    with pytest.raises(UnsupportedImageError, match="no image is as large"):
        run(speed, "mosaic", str(tmp_path / "images"), "--mosaic", "1")


def test_only_colours_of_8_bits_are_measured(run: Run, tmp_path: Path) -> None:
    write_image(crop(8, 8, gray=True), tmp_path / "images" / "gray.png")
    with pytest.raises(UnsupportedImageError, match=r"gray\.png is no RGB image of 8 bits"):
        run(speed, "kodak", str(tmp_path / "images"), "--efforts", "1", "--peers", "png", "--rounds", "1")


def test_the_parts_are_all_the_time(run: Run, tmp_path: Path) -> None:
    found = run(breakdown, "breakdown-kodak", str(tmp_path / "images"), "--rounds", "1", "--every", "2")
    assert list(found["images"]) == ["a.png"]
    for number in "15":
        for kind, spent in found["totals"]["efforts"][number].items():
            assert sum(spent["shares"].values()) == pytest.approx(1)
            spends = {part for part, share in spent["shares"].items() if share > 0}
            assert spends == {breakdown.NETWORK, *breakdown.PARTS, breakdown.REST} - (
                {"without a model"} if kind == "decode" else set()
            )
        macs = found["models"][f"ppyr-{number}"]["macs_per_pixel"]
        operations = found["images"]["a.png"]["efforts"][number]["decode"]["operations"]
        assert operations == pytest.approx(2 * macs * 33 * 40)
    table = speedtables.breakdown(tmp_path)
    assert table.startswith("| Kodak, 1 image | network | features | prediction | entropy coding |")
    assert "share of entropy coding, decode" in speedtables.goals(tmp_path)


def test_what_is_inside_a_part_is_not_counted_twice() -> None:
    clock = breakdown.Clock()
    inner = clock.timed("inner", lambda: sleep(0.02))
    clock.timed("outer", inner)()
    steps = clock.timed_steps("steps", lambda: iter([inner(), None]))
    assert list(steps()) == [None, None]
    assert clock.seconds["inner"] >= 0.04
    assert 0 < clock.seconds["outer"] < clock.seconds["inner"]


def test_the_clock_is_gone_afterwards() -> None:
    before = coding.walk, type(backend()).run
    with breakdown.clocked(breakdown.Clock(), backend()):
        assert coding.walk is not before[0]
    assert (coding.walk, type(backend()).run) == before


def test_growth(run: Run, tmp_path: Path) -> None:
    found = run(growth, "growth", "--megapixels", "0.001", "0.004", "--efforts", "1", "--rounds", "1")
    sizes = found["efforts"]["1"]
    assert [one["side"] for one in sizes.values()] == [32, 65]
    small, large = sizes.values()
    assert 0 < small["model_evaluations"] < large["model_evaluations"] <= small["model_evaluations"] + 24
    header, _, encode, decode, evaluations, *_ = speedtables.growth(tmp_path).splitlines()
    assert header.startswith("| a pixel | 0.000976562 Mpixel |")
    assert encode.startswith("| ppyr, effort 1, `fast`, encode | ")
    assert decode.startswith("| ppyr, effort 1, `fast`, decode | ")
    assert str(large["model_evaluations"]) in evaluations


def test_starting_up(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = startup.PROCESSES["compress"]
    monkeypatch.setattr(startup, "PROCESSES", dict.fromkeys(startup.PROCESSES, ("-c", "pass")))
    found = run(startup, "startup", "--rounds", "1")
    assert list(found["seconds"]) == list(startup.PROCESSES)
    assert "| `ppyr compress` | " in speedtables.startup(tmp_path)
    write_image(crop(8, 8), tmp_path / "a.png")
    startup.run(words, tmp_path)
    assert (tmp_path / "a.ppyr").exists()
