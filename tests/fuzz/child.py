"""One target under atheris, in this process."""

from __future__ import annotations

import json
import random
import resource
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import atheris

# What Numba compiles can not be instrumented.
with atheris.instrument_imports(include=["ppyr"], exclude=["ppyr.pyramid", "ppyr.bitstream.neighbours"]):
    from .targets import TARGETS

from ppyr.errors import PpyrError

if TYPE_CHECKING:
    from .targets import Target

#: What an input may take, in seconds and in kB, before it counts as a finding.
SLOW, LARGE = 2.0, 200 << 10


class Watcher:
    """Runs inputs and counts how they end.

    Attributes:
        outcomes: how often each happened: an error's class, or "accepted".
        findings: by the place that raised.
    """

    def __init__(self, target: Target, folder: Path) -> None:
        self.outcomes: Counter[str] = Counter()
        self.findings: dict[str, dict[str, Any]] = {}
        self._target, self._folder = target, folder
        self._written = time.monotonic()
        self._slowest, self._peak = 0.0, 0

    def __call__(self, data: bytes) -> None:
        """Run one input; only what is no Exception gets out."""
        start, before = time.monotonic(), _peak()
        outcome = "accepted"
        try:
            self._target.run(data)
        except PpyrError as error:
            outcome = type(error).__name__
        except Exception as error:  # noqa: BLE001 - every other one is a finding
            outcome = "finding"
            last = traceback.extract_tb(error.__traceback__)[-1]
            self._found(f"{Path(last.filename).name}:{last.lineno}", f"{type(error).__name__}: {error}", data)
        self.outcomes[outcome] += 1
        seconds, grown = time.monotonic() - start, _peak() - before
        # The first ones load and compile.
        if sum(self.outcomes.values()) > 100:
            self._slowest, self._peak = max(self._slowest, seconds), max(self._peak, grown)
            if seconds > SLOW:
                self._found("time", f"{seconds:.1f} s", data)
            if grown > LARGE:
                self._found("memory", f"{grown >> 10} MB", data)
        if time.monotonic() - self._written > 1:
            self.write()

    def write(self) -> None:
        """Write the counts."""
        self._written = time.monotonic()
        counts = {
            "executions": sum(self.outcomes.values()),
            "outcomes": dict(self.outcomes.most_common()),
            "slowest_seconds": round(self._slowest, 3),
            "largest_growth_mb": self._peak >> 10,
            "findings": list(self.findings.values()),
        }
        (self._folder / "counts.json").write_text(json.dumps(counts), "utf-8")

    def _found(self, place: str, error: str, data: bytes) -> None:
        if place not in self.findings:
            name = place.replace(":", "-")
            (self._folder / name).write_bytes(data)
            self.findings[place] = {"place": place, "error": error[:200], "times": 0}
        self.findings[place]["times"] += 1


def fuzz(name: str, folder: Path, *, seconds: int, seed: int) -> None:
    """Fuzz a target; ends the process."""
    target = TARGETS[name]
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(target.seeds()):
        (corpus / str(number)).write_bytes(data)
    watcher = Watcher(target, folder)
    options = {
        "max_total_time": seconds,
        "seed": seed,
        "max_len": target.most,
        "timeout": 60,
        "rss_limit_mb": 4096,
        "print_final_stats": 1,
        "artifact_prefix": f"{folder}/",
    }
    words = [sys.argv[0], *(f"-{key}={value}" for key, value in options.items()), str(corpus)]
    if target.mutate is None:
        atheris.Setup(words, watcher)
    else:
        change = target.mutate

        def mutate(data: bytes, most: int, number: int) -> bytes:
            return change(data, most, random.Random(number), atheris.Mutate)[:most]

        atheris.Setup(words, watcher, custom_mutator=mutate)
    atheris.Fuzz()


def _peak() -> int:
    """Most memory that this process has had, in kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
