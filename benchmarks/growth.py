"""Growth: time for each pixel and evaluations of the model, from small images to large ones, on one thread.

    python -m benchmarks.growth
    python -m benchmarks.growth --megapixels 0.25 1 4 16 64 --efforts 1 5

The images are squares of the bundled photograph again and again, with noise, so that nothing but the size
changes. A megapixel is 2^20 pixels. The results go to benchmarks/results/speed/growth.json;
`python -m benchmarks.tables` renders them into docs/speed.md.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from ppyr.about import info
from ppyr.bench import environment, warm_up
from ppyr.decoding import decode
from ppyr.effort import encode
from ppyr.errors import PpyrError
from ppyr.threads import use_threads

from .memory import ASPECT, photograph
from .pictures import Image
from .speed import OURS, command_line, model_of, save
from .turns import ROUNDS, Work, in_turn


def square(side: int) -> Image:
    """A square (side, side, 3) of `memory.photograph`."""
    megapixels = (side + 1) ** 2 * ASPECT / 1e6
    return np.ascontiguousarray(photograph(megapixels)[:side, :side])


class Growing:
    """The works on squares of several sizes, and what came of them.

    Args:
        sides: of the squares.
        efforts: at which each is coded.
    """

    def __init__(self, sides: Sequence[int], efforts: Sequence[int]) -> None:
        self._cases = [(effort, side) for side in sides for effort in efforts]
        self._images = {side: square(side) for side in sides}
        self._files: dict[tuple[int, int], bytes] = {}

    def works(self) -> dict[tuple[int, int, str], Work]:
        """What is timed, by effort, side and kind."""
        found: dict[tuple[int, int, str], Work] = {}
        for case in self._cases:
            found[*case, "encode"] = partial(self._encode, *case)
            found[*case, "decode"] = partial(self._decode, *case)
        return found

    def measure(self, rounds: int, done: Callable[[], object]) -> dict[str, dict[str, Any]]:
        """Sizes, evaluations and median seconds by effort and megapixels."""
        works = self.works()
        seconds = in_turn(works, dict.fromkeys(works, rounds), done)
        found: dict[str, dict[str, Any]] = {}
        for effort, side in self._cases:
            about = info(self._files[effort, side])
            found.setdefault(str(effort), {})[f"{side**2 / 2**20:g}"] = {
                "side": side,
                "bytes": about.bytes,
                "model_evaluations": about.model_evaluations,
                "encode_seconds": seconds[effort, side, "encode"],
                "decode_seconds": seconds[effort, side, "decode"],
            }
        return found

    def _encode(self, effort: int, side: int) -> None:
        self._files[effort, side] = encode(self._images[side], effort=effort)

    def _decode(self, effort: int, side: int) -> None:
        if not np.array_equal(decode(self._files[effort, side], max_pixels=None), self._images[side]):
            raise PpyrError(f"an image does not come back at effort {effort}: report this")


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[0.25, 1, 4, 16, 64])
    parser.add_argument("--efforts", nargs="+", type=int, default=[1, 5])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    use_threads(1)
    for effort in args.efforts:
        warm_up(effort=effort)
    sides = [round(1024 * math.sqrt(size)) for size in args.megapixels]
    growing = Growing(sides, args.efforts)
    with tqdm(total=len(growing.works()) * args.rounds, desc="growth") as bar:
        found = growing.measure(args.rounds, bar.update)
    save(
        "growth",
        {
            "command": command_line("benchmarks.growth"),
            "threads": 1,
            "rounds": args.rounds,
            **environment(),
            "models": {f"{OURS}{effort}": model_of(effort) for effort in args.efforts},
            "efforts": found,
        },
    )


if __name__ == "__main__":
    main()
