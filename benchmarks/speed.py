"""Speed: efforts on images beside PNG, WebP and JPEG XL, in turn in one process, on one thread and on all.

    python -m benchmarks.speed KODAK_FOLDER --name kodak
    python -m benchmarks.speed FOLDER --name mosaic --mosaic 2 --threads 1 all

Each codec takes its turn in every round, and an image's time is the median of the rounds; slow codecs encode
in some of the rounds only. Sizes are those of whole files, and each file is decoded and compared. The results
go to benchmarks/results/speed/kodak.json; `python -m benchmarks.tables` renders them into the documents, and
`python -m benchmarks.pareto` plots them.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ppyr.bench import environment, peer, warm_up
from ppyr.decoding import decode, decodes_to
from ppyr.effort import EFFORTS, encode
from ppyr.errors import PpyrError
from ppyr.models import modelfile, registry
from ppyr.threads import thread_count, use_threads

from .pictures import Image, add_arguments, pictures
from .turns import ROUNDS, Work, in_turn

RESULTS = Path(__file__).resolve().parent / "results" / "speed"
PEERS = ("png", "webp", "jpegxl-3", "jpegxl-7", "jpegxl-9")
#: What speeds are compared with, on as many threads.
REFERENCE = "jpegxl-7"
#: Codecs that encode in few rounds.
SLOW = ("webp", "jpegxl-9", "ppyr-6")
OURS = "ppyr-"


@dataclass(frozen=True)
class Codec:
    """A codec on a number of threads.

    Attributes:
        name: `OURS` and an effort, or that of a peer.
        threads: that it may use.
        encode, decode: pixels to the bytes of a whole file, and back.
        verify: whether bytes decode to pixels; None of peers.
    """

    name: str
    threads: int
    encode: Callable[[Image], Any]
    decode: Callable[[bytes], Any]
    verify: Callable[[bytes, Image], bool] | None = None


def codecs(efforts: Sequence[int], peers: Sequence[str], threads: Sequence[int]) -> list[Codec]:
    """All codecs on all numbers of threads; PNG and WebP, which have no use for more, on one."""
    ours = [_our(effort, count) for count in threads for effort in efforts]
    theirs = [
        Codec(name, count, *peer(name, count))
        for count in threads
        for name in peers
        if count == 1 or name.startswith("jpegxl-")
    ]
    return ours + theirs


def _our(effort: int, threads: int) -> Codec:
    def on_threads(work: Callable[..., Any], *data: Any, **options: Any) -> Any:
        use_threads(threads)
        return work(*data, **options)

    return Codec(
        f"{OURS}{effort}",
        threads,
        partial(on_threads, encode, effort=effort),
        partial(on_threads, decode),
        partial(on_threads, decodes_to),
    )


class Turns:
    """The works of codecs on one image, and what came of them."""

    def __init__(self, image: Image, chosen: Sequence[Codec]) -> None:
        self._image = image
        self.chosen = chosen
        self._files: dict[Codec, bytes] = {}
        self._decoded: dict[Codec, Image] = {}
        self._verified: dict[Codec, bool] = {}

    def works(self) -> dict[tuple[Codec, str], Work]:
        """What is timed, by codec and kind."""
        found: dict[tuple[Codec, str], Work] = {}
        for codec in self.chosen:
            found[codec, "encode"] = partial(self._encode, codec)
            found[codec, "decode"] = partial(self._decode, codec)
            if codec.verify:
                found[codec, "verify"] = partial(self._verify, codec)
        return found

    def sizes(self) -> dict[str, int]:
        """Bytes of the files, each of which was decoded to the image, by names of codecs.

        Raises:
            PpyrError: one was not, or the number of threads changed the bytes of ours.
        """
        sizes: dict[str, int] = {}
        for codec in self.chosen:
            exact = np.array_equal(self._decoded[codec], self._image) and self._verified.get(codec, True)
            if not exact or sizes.setdefault(codec.name, len(self._files[codec])) != len(self._files[codec]):
                raise PpyrError(f"an image does not come back from {codec.name}: leave it out")
        return sizes

    def _encode(self, codec: Codec) -> None:
        self._files[codec] = codec.encode(self._image)

    def _decode(self, codec: Codec) -> None:
        self._decoded[codec] = codec.decode(self._files[codec])

    def _verify(self, codec: Codec) -> None:
        if codec.verify:
            self._verified[codec] = codec.verify(self._files[codec], self._image)


def rounds_of(works: Iterable[tuple[Codec, str]], rounds: int, slow: int) -> dict[tuple[Codec, str], int]:
    """In how many rounds each work is done."""
    return {
        (codec, kind): slow if codec.name in SLOW and kind == "encode" else rounds for codec, kind in works
    }


def measure(image: Image, chosen: Sequence[Codec], rounds: int, slow: int, done: Work) -> dict[str, Any]:
    """Sizes by codec, and seconds by number of threads, codec and kind."""
    turns = Turns(image, chosen)
    works = turns.works()
    seconds: dict[str, dict[str, dict[str, float]]] = {}
    for (codec, kind), found in in_turn(works, rounds_of(works, rounds, slow), done).items():
        seconds.setdefault(str(codec.threads), {}).setdefault(codec.name, {})[kind] = found
    return {"shape": image.shape, "bytes": turns.sizes(), "seconds": seconds}


def totals(images: Mapping[str, Any], models: Mapping[str, Any]) -> dict[str, Any]:
    """Speeds over all images by number of threads and codec, and their ratios to the reference's.

    "verified" is encoding and verifying, one after the other; a speed is in 10^6 bytes of samples a second.
    """
    rows = list(images.values())
    samples = [int(np.prod(row["shape"])) for row in rows]
    found: dict[str, Any] = {}
    for threads, names in rows[0]["seconds"].items():
        found[threads] = {}
        for name, kinds in names.items():
            seconds = {kind: sum(row["seconds"][threads][name][kind] for row in rows) for kind in kinds}
            if "verify" in seconds:
                seconds["verified"] = seconds["encode"] + seconds.pop("verify")
            sizes = [row["bytes"][name] for row in rows]
            found[threads][name] = {
                "bytes": sum(sizes),
                "bits_per_dim": float(
                    np.mean([8 * size / count for size, count in zip(sizes, samples, strict=True)])
                ),
                "megabytes_per_second": {
                    kind: sum(samples) / 1e6 / duration for kind, duration in seconds.items()
                },
            }
            if name in models:
                macs = models[name]["macs_per_pixel"] * sum(samples) / 3
                found[threads][name]["macs_per_second"] = {
                    kind: macs / duration for kind, duration in seconds.items()
                }
        _compare(found[threads])
    return found


def _compare(speeds: dict[str, Any]) -> None:
    """Add the ratios of speeds to those of the reference, if it took part."""
    if REFERENCE not in speeds:
        return
    reference = speeds[REFERENCE]["megabytes_per_second"]
    for row in speeds.values():
        row["ratio"] = {
            kind: speed / reference["encode" if kind == "verified" else kind]
            for kind, speed in row["megabytes_per_second"].items()
        }


def model_of(effort: int) -> dict[str, Any]:
    """Name, id and MACs a pixel of the model of an effort."""
    model_id = registry.by_name(EFFORTS[effort].model)
    source = modelfile.read(registry.by_id(model_id))
    return {
        "model": registry.model_name(model_id),
        "id": model_id.hex(),
        "macs_per_pixel": source.macs_per_pixel,
    }


def command_line(module: str) -> str:
    """How this process was started."""
    return shlex.join(["python", "-m", module, *sys.argv[1:]])


def save(name: str, result: Mapping[str, Any]) -> None:
    """Store a result among those of speed."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")


def _threads(word: str) -> int:
    return thread_count() if word == "all" else int(word)


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--efforts", nargs="+", type=int, default=[1, 5])
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS)
    parser.add_argument("--threads", nargs="+", type=_threads, default=[1], help="numbers, or all")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--slow-rounds", type=int, default=1, help=f"in which {', '.join(SLOW)} encode")
    args = parser.parse_args()
    use_threads(max(args.threads))
    for effort in args.efforts:
        warm_up(effort=effort)
    chosen = codecs(args.efforts, args.peers, args.threads)
    works = Turns(np.empty((0, 0, 3), np.uint8), chosen).works()
    rounds = rounds_of(works, args.rounds, args.slow_rounds)
    sources = pictures(args)
    images = {}
    with tqdm(total=len(sources) * sum(rounds.values()), desc=args.name) as bar:
        for name, read in sources.items():
            images[name] = measure(read(), chosen, args.rounds, args.slow_rounds, bar.update)
    models = {f"{OURS}{effort}": model_of(effort) for effort in args.efforts}
    save(
        args.name,
        {
            "command": command_line("benchmarks.speed"),
            "every": args.every,
            "threads": args.threads,
            "rounds": {
                codec.name: {kind: count for (one, kind), count in rounds.items() if one is codec}
                for codec in chosen
            },
            **environment(),
            "models": models,
            "totals": totals(images, models),
            "images": images,
        },
    )


if __name__ == "__main__":
    main()
