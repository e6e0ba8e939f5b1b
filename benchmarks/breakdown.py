"""Where the time goes: the parts of encoding and decoding, clocked on real images, on one thread.

    python -m benchmarks.breakdown KODAK_FOLDER --name kodak --every 4
    python -m benchmarks.breakdown FOLDER --name mosaic --mosaic 1

A part's time is without that of the parts inside it. In every round a 64 -> 64 layer of 3x3 is run alone on
the same backend, which tells how fast a network could be. The results go to
benchmarks/results/speed/breakdown-kodak.json; `python -m benchmarks.tables` renders them into docs/speed.md.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any
from unittest.mock import patch

import numpy as np
from tqdm import tqdm

from ppyr import coding, decoding, effort, picture
from ppyr.bench import environment, warm_up
from ppyr.bitstream.coder import StreamDecoder, StreamEncoder
from ppyr.errors import PpyrError
from ppyr.models.backends import Backend, backend
from ppyr.models.integer import Layer
from ppyr.models.prediction import StepPrediction
from ppyr.models.predictor import Predictor
from ppyr.threads import use_threads

from .pictures import Image, add_arguments, pictures
from .speed import OURS, command_line, model_of, save
from .turns import ROUNDS

NETWORK, CODING, REST = "network", "entropy coding", "the rest"
OPERATIONS = "operations"
#: What is clocked, by part; the classes of backends come to it.
PARTS: dict[str, tuple[tuple[Any, tuple[str, ...]], ...]] = {
    "features": ((Predictor, ("level",)),),
    "prediction": ((StepPrediction, ("distribution", "end")),),
    CODING: (
        (StreamEncoder, ("put", "put_raw", "finish")),
        (StreamDecoder, ("get", "get_raw", "finish")),
    ),
    "pyramid": ((coding, ("build", "merge")),),
    "without a model": ((picture.Picture, ("plain",)), (picture, ("mappings",))),
}
GENERATORS = {"level", "mappings"}
#: Of the layer that is run alone: channels, and sides of its input, those of the finest lattice of a tile.
CHANNELS, LATTICE = 64, 256
#: Runs of it in a row.
RUNS = 5


class Clock:
    """What is clocked.

    Attributes:
        seconds: by part, each without those of the parts inside it.
        operations: of networks, two for each of their MACs.
    """

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.operations = 0.0
        self._inside: list[float] = []

    def timed(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """A function as it was, clocked."""

        def clocked(*args: Any, **options: Any) -> Any:
            self._inside.append(0.0)
            began = perf_counter()
            try:
                return work(*args, **options)
            finally:
                whole = perf_counter() - began
                self.seconds[part] += whole - self._inside.pop()
                if self._inside:
                    self._inside[-1] += whole

        return clocked

    def counted(self, walk: Callable[..., Image]) -> Callable[..., Image]:
        """`coding.walk` as it was, its operations counted."""

        def counted(prediction: Predictor, *args: Any, **options: Any) -> Image:
            found = walk(prediction, *args, **options)
            self.operations += 2 * prediction.model.source.macs_per_pixel * found.shape[0] * found.shape[1]
            return found

        return counted

    def timed_steps(self, part: str, work: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """A generator as it was, every step of it clocked."""

        def clocked(*args: Any, **options: Any) -> Iterator[Any]:
            end = object()
            step = self.timed(part, partial(next, iter(work(*args, **options)), end))
            while (found := step()) is not end:
                yield found

        return clocked


@contextmanager
def clocked(clock: Clock, runner: Backend) -> Iterator[None]:
    """While this lasts, the parts and the layers of a backend are clocked."""
    places = [(part, *place) for part, found in PARTS.items() for place in found]
    with ExitStack() as stack:
        for part, owner, names in [*places, (NETWORK, type(runner), ("run",))]:
            for name in names:
                timed = clock.timed_steps if name in GENERATORS else clock.timed
                stack.enter_context(patch.object(owner, name, timed(part, getattr(owner, name))))
        for module in (coding, decoding):
            stack.enter_context(patch.object(module, "walk", clock.counted(module.walk)))
        yield


def parts(work: Callable[[], Any], runner: Backend) -> tuple[Any, dict[str, float]]:
    """What work gives, and its seconds by part and `OPERATIONS`."""
    clock = Clock()
    with clocked(clock, runner):
        found = clock.timed(REST, work)()
    seconds = {part: clock.seconds[part] for part in (NETWORK, *PARTS, REST)}
    return found, {**seconds, OPERATIONS: clock.operations}


def alone(runner: Backend) -> Callable[[], float]:
    """A function that runs a layer of 3x3 for some times and gives its operations a second."""
    random = np.random.default_rng(0)
    layer = Layer(
        random.integers(-16, 17, (CHANNELS, CHANNELS, 3, 3), np.int8),
        np.zeros(CHANNELS, np.int32),
        np.full(CHANNELS, 8, np.int8),
    )
    layer.check("alone")
    prepared = runner.prepare(layer)
    x = runner.tensor(random.integers(0, 256, (LATTICE, LATTICE, CHANNELS), np.uint8))
    operations = 2 * layer.weight.size * LATTICE**2 * RUNS

    def run() -> float:
        began = perf_counter()
        for _ in range(RUNS):
            runner.run(prepared, x)
        return operations / (perf_counter() - began)

    return run


def measure(
    image: Image, efforts: Sequence[int], rounds: int, runner: Backend, done: Callable[[], object]
) -> dict[str, Any]:
    """Medians by effort, direction and part, and operations a second of the layer alone."""
    layer = alone(runner)
    rates: list[float] = []
    found: dict[str, dict[str, list[dict[str, float]]]] = {
        str(number): {"encode": [], "decode": []} for number in efforts
    }
    for _ in range(rounds):
        for number in efforts:
            rates.append(layer())
            data, encoded_in = parts(partial(effort.encode, image, effort=number), runner)
            decoded, decoded_in = parts(partial(decoding.decode, data), runner)
            if not np.array_equal(decoded, image):
                raise PpyrError(f"an image does not come back at effort {number}: report this")
            found[str(number)]["encode"].append(encoded_in)
            found[str(number)]["decode"].append(decoded_in)
            done()
    return {
        "shape": image.shape,
        "alone": median(rates),
        "efforts": {
            number: {
                kind: {part: median(one[part] for one in rows) for part in rows[0]}
                for kind, rows in kinds.items()
            }
            for number, kinds in found.items()
        },
    }


def totals(images: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Over all images: seconds by part, their shares, and the network's operations a second.

    These also in units of those of the layer alone.
    """
    rate = median(row["alone"] for row in images)
    found: dict[str, Any] = {"alone": rate, "efforts": {}}
    for number, kinds in images[0]["efforts"].items():
        found["efforts"][number] = {}
        for kind, parts in kinds.items():
            seconds = {part: sum(row["efforts"][number][kind][part] for row in images) for part in parts}
            achieved = seconds.pop(OPERATIONS) / seconds[NETWORK]
            whole = sum(seconds.values())
            found["efforts"][number][kind] = {
                "seconds": seconds,
                "shares": {part: spent / whole for part, spent in seconds.items()},
                "network": achieved,
                "network_to_alone": achieved / rate,
            }
    return found


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--efforts", nargs="+", type=int, default=[1, 5])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    use_threads(1)
    for number in args.efforts:
        warm_up(effort=number)
    runner = backend()
    sources = pictures(args)
    images = {}
    with tqdm(total=len(sources) * len(args.efforts) * args.rounds, desc=args.name) as bar:
        for name, read in sources.items():
            images[name] = measure(read(), args.efforts, args.rounds, runner, bar.update)
    save(
        f"breakdown-{args.name}",
        {
            "command": command_line("benchmarks.breakdown"),
            "every": args.every,
            "threads": 1,
            "rounds": args.rounds,
            "backend": runner.name,
            **environment(),
            "models": {f"{OURS}{number}": model_of(number) for number in args.efforts},
            "totals": totals(list(images.values())),
            "images": images,
        },
    )


if __name__ == "__main__":
    main()
