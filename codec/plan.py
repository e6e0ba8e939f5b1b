"""Which file is made from which: decided, and checked, before any work."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

PIPE = "-"
"""Standard input or standard output, in place of a path."""


class UsageError(Exception):
    """What the command line asks for can not be meant so."""


@dataclass(frozen=True, slots=True)
class Job:
    """One file to make: the paths of source and target, or `PIPE`."""

    source: str
    target: str


def ppyr_name(path: Path) -> Path:
    """Name the .ppyr file for an image file: photo.png gives photo.ppyr."""
    return path.with_suffix(".ppyr")


def png_name(path: Path) -> Path:
    """Name the image file for a .ppyr file: photo.ppyr gives photo.png, photo gives photo.png too."""
    return path.with_suffix(".png") if path.suffix.lower() == ".ppyr" else path.with_name(path.name + ".png")


def plan(
    inputs: Sequence[str],
    rename: Callable[[Path], Path],
    *,
    suffixes: Collection[str],
    output: str | None = None,
    output_dir: str | None = None,
    recursive: bool = False,
) -> list[Job]:
    """Pair every input with its output.

    Args:
        inputs: files, `PIPE`, and with `recursive` folders, whose inner structure the outputs repeat.
        rename: gives the name of the output for that of an input.
        suffixes: of the files to take from folders, in lower case.
        output: path of the one output, or `PIPE`.
        output_dir: folder of all outputs; by default each lies beside its input.
        recursive: take the files of folders, at any depth.

    Raises:
        UsageError: two outputs, or an output and an input, are the same file; a folder is given without
            `recursive`; or the options contradict each other.
    """
    sources = [pair for name in inputs for pair in expand(name, suffixes, recursive=recursive)]
    if output is not None and (len(sources) != 1 or output_dir is not None):
        raise UsageError("one output takes one input and no --output-dir: give --output-dir alone")
    jobs = []
    for source, inner in sources:
        if output is not None:
            target = output
        elif source == PIPE:
            target = PIPE
        elif output_dir is not None:
            target = str(rename(Path(output_dir) / inner))
        else:
            target = str(rename(Path(source)))
        jobs.append(Job(source, target))
    _refuse_collisions(jobs)
    return jobs


def expand(name: str, suffixes: Collection[str], *, recursive: bool) -> list[tuple[str, Path]]:
    """Give the files that `name` stands for, each with the path that an output folder repeats."""
    root = Path(name)
    if name == PIPE or not root.is_dir():
        return [(name, Path(root.name))]
    if not recursive:
        raise UsageError(f"{name} is a folder: give -r to take the files in it")
    found = []
    for folder, folders, files in os.walk(root):
        folders.sort()
        paths = [Path(folder, file) for file in sorted(files)]
        found += [(str(path), path.relative_to(root)) for path in paths if path.suffix.lower() in suffixes]
    if not found:
        raise UsageError(
            f"{name} has no files to take: their names must end in {', '.join(sorted(suffixes))}"
        )
    return found


def _refuse_collisions(jobs: Sequence[Job]) -> None:
    if sum(job.source == PIPE for job in jobs) > 1:
        raise UsageError("standard input can be read once only: give - once")
    sources = {os.path.realpath(job.source): job.source for job in jobs if job.source != PIPE}
    targets: dict[str, str] = {}
    for job in jobs:
        key = PIPE if job.target == PIPE else os.path.realpath(job.target)
        if key in targets:
            raise UsageError(
                f"{targets[key]} and {job.source} would both be written to {job.target}: "
                "name the outputs apart with -o or --output-dir"
            )
        if key in sources:
            raise UsageError(f"{job.target} is an input as well: name another output")
        targets[key] = job.source
