"""Archives of many small images, killed twice on the way and taken up again.

    python -m benchmarks.batch FOLDER --json benchmarks/results/batch.json

Squares of the photographs in FOLDER are written as PNG files. `ppyr batch` makes an archive of them with
processes, and of fewer of them with actors of Ray. When a third and two thirds of the rows are there, the
whole process group is killed by SIGKILL, and the same command goes on. At the end files and report tell what
was lost and what was done twice, and `ppyr verify --report` decodes the archive;
`python -m benchmarks.tables` renders the results into docs/archives.md.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from ppyr.bench import environment
from ppyr.imagefile import write_image

from .density import files
from .pictures import rgb_pixels
from .speed import command_line

#: Side of an image in pixels.
SIDE = 32
JOBS = 2
#: Fractions of the images whose rows are in the report when everything is killed.
KILLS = (1 / 3, 2 / 3)
#: Arguments of the engines.
ENGINES: dict[str, list[str]] = {"processes": [], "ray": ["--engine", "ray"]}


def write_images(photographs: Path, folder: Path, count: int) -> None:
    """Write so many squares as PNG files, about as many of each photograph, in a folder of its own.

    Raises:
        ValueError: the photographs are too few.
    """
    names = files(photographs)
    each = -(-count // len(names))
    for number, name in enumerate(names):
        image = rgb_pixels(Path(name))
        height, width = (size // SIDE for size in image.shape[:2])
        if each > height * width:
            raise ValueError(f"{name} has only {height * width} squares, and {each} are needed: give more")
        inner = folder / str(number)
        inner.mkdir(parents=True)
        for square in range(min(each, count - number * each)):
            row, column = divmod(square * height * width // each, width)
            part = image[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]
            write_image(part, inner / f"{square}.png")


def command(folder: Path, words: Sequence[str]) -> list[str]:
    """The command that makes the archive."""
    places = [str(folder / "in"), str(folder / "out")]
    return [sys.executable, "-m", "ppyr", "batch", "-q", "-e", "1", "-j", str(JOBS), *words, *places]


def outputs(folder: Path) -> dict[str, tuple[int, int]]:
    """Number and time of every output."""
    paths = sorted((folder / "out").rglob("*.ppyr"))
    return {
        str(path.relative_to(folder / "out")): (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths
    }


def rows(folder: Path) -> int:
    """How many whole rows the report has."""
    report = folder / "out" / "report.jsonl"
    return report.read_bytes().count(b"\n") if report.exists() else 0


def killed(folder: Path, words: Sequence[str], count: int) -> dict[str, Any]:
    """Run the command until the report has so many rows, and kill all of its processes."""
    began = perf_counter()
    with subprocess.Popen(command(folder, words), start_new_session=True) as process:
        while rows(folder) < count and process.poll() is None:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    if process.returncode != -signal.SIGKILL:
        raise RuntimeError("the archive was there before the command could be killed: take more images")
    seconds = perf_counter() - began
    temporary = len(list((folder / "out").rglob("*.tmp")))
    return {"seconds": seconds, "rows": rows(folder), "outputs": len(outputs(folder)), "temporary": temporary}


def timed(words: Sequence[str]) -> float:
    """Seconds that a command takes, which has to succeed."""
    began = perf_counter()
    subprocess.run(words, check=True)
    return perf_counter() - began


def measure(folder: Path, engine: str) -> dict[str, Any]:
    """Make an archive of the images in a folder, and look what became of every single one."""
    words = ENGINES[engine]
    images = len(list((folder / "in").rglob("*.png")))
    placed: dict[str, tuple[int, int]] = {}
    kills, replaced = [], 0
    for fraction in KILLS:
        kills.append(killed(folder, words, int(images * fraction)))
        now = outputs(folder)
        replaced += sum(now.get(name) != about for name, about in placed.items())
        placed = now
    before = rows(folder)
    last = timed(command(folder, words))
    written = rows(folder) - before
    now = outputs(folder)
    replaced += sum(now.get(name) != about for name, about in placed.items())
    resumed = timed(command(folder, words))
    report = folder / "out" / "report.jsonl"
    verified = timed([sys.executable, "-m", "ppyr", "verify", "-q", "-j", str(JOBS), "--report", str(report)])
    found = [json.loads(line) for line in report.read_text("ascii").splitlines()]
    states = Counter(row["state"] for row in found)
    return {
        "images": images,
        "kills": kills,
        "outputs": len(now),
        "rows": len(found),
        "distinct_rows": len({row["output"] for row in found}),
        "states": dict(states),
        "replaced": replaced,
        "temporary": len(list((folder / "out").rglob("*.tmp"))),
        "last_seconds": last,
        "images_per_second": written / last,
        "encode_seconds": sum(row["seconds"] for row in found if row["state"] == "encoded")
        / states["encoded"],
        "resume_seconds": resumed,
        "verify_seconds": verified,
        "bytes_in": sum(row["bytes_in"] for row in found),
        "bytes_out": sum(row["bytes_out"] for row in found),
    }


def main() -> None:
    """Measure both engines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path, required=True, metavar="OUT")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--ray-images", type=int, default=2_000)
    args = parser.parse_args()
    engines = {}
    for engine, count in zip(ENGINES, (args.images, args.ray_images), strict=True):
        with TemporaryDirectory() as name:
            write_images(args.folder, Path(name, "in"), count)
            engines[engine] = measure(Path(name), engine)
            print(engine, json.dumps(engines[engine]))
    about = {"command": command_line("benchmarks.batch"), "side": SIDE, "jobs": JOBS, "model": "fast"}
    args.json.write_text(json.dumps({**about, **environment(), "engines": engines}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
