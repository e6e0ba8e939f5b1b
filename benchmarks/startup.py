"""Starting up: whole processes on a small image, beside one that only imports torch, on one thread.

    python -m benchmarks.startup

Processes take turns, once before they are timed, so that files are in memory. The very first one is timed
too, when nothing is compiled yet: the results go to benchmarks/results/speed/startup.json, and
`python -m benchmarks.tables` renders them into docs/speed.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from tqdm import tqdm

from ppyr.bench import environment
from ppyr.imagefile import read_image, write_image
from ppyr.threads import use_threads

from .speed import command_line, save
from .turns import ROUNDS, in_turn

PHOTOGRAPH = Path(__file__).resolve().parent.parent / "codec" / "data" / "chelsea.png"
#: Side of the image.
SIDE = 64
FIRST = "compress"
#: Arguments of Python by name; files are in the current folder.
PROCESSES: dict[str, Sequence[str]] = {
    "python": ("-c", "pass"),
    "import torch": ("-c", "import torch"),
    FIRST: ("-m", "ppyr", "compress", "-qfT1", "a.png", "-o", "a.ppyr"),
    "decompress": ("-m", "ppyr", "decompress", "-qfT1", "a.ppyr", "-o", "b.png"),
}


def run(arguments: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None) -> None:
    """A process of Python in a folder, to its end."""
    subprocess.run(
        [sys.executable, *arguments], cwd=folder, env={**os.environ, **(environ or {})}, check=True
    )


def measure(rounds: int, bar: Any) -> dict[str, Any]:
    """Median seconds of each process, and of the first one that ever compresses."""
    with TemporaryDirectory() as name, TemporaryDirectory() as empty:
        folder = Path(name)
        write_image(read_image(PHOTOGRAPH)[80 : 80 + SIDE, 130 : 130 + SIDE], folder / "a.png")
        works = {title: partial(run, arguments, folder) for title, arguments in PROCESSES.items()}
        for work in works.values():
            work()
        began = perf_counter()
        run(PROCESSES[FIRST], folder, {"NUMBA_CACHE_DIR": empty})
        first = perf_counter() - began
        return {"first": first, "seconds": in_turn(works, dict.fromkeys(works, rounds), bar.update)}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2 * ROUNDS)
    args = parser.parse_args()
    use_threads(1)
    with tqdm(total=len(PROCESSES) * args.rounds, desc="startup") as bar:
        found = measure(args.rounds, bar)
    about = {"command": command_line("benchmarks.startup"), "threads": 1, "rounds": args.rounds, "side": SIDE}
    save("startup", {**about, **environment(), **found})


if __name__ == "__main__":
    main()
