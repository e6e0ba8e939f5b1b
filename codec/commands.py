"""What each command of the command line does; every one takes the parsed arguments and gives the exit code.

Heavy modules are imported by the command that needs them: `ppyr info` loads neither torch nor numba.
"""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from ppyr.plan import PIPE, Job, UsageError, expand, plan, png_name, ppyr_name
from ppyr.report import FAILURES, Reporter
from ppyr.threads import thread_count, use_threads
from ppyr.workers import outcomes

if TYPE_CHECKING:
    from ppyr.files import Converted

Item = TypeVar("Item")
Result = TypeVar("Result")

CHANNELS = {1: "gray", 2: "gray and alpha", 3: "RGB", 4: "RGBA"}


def compress(args: argparse.Namespace) -> int:
    """Make .ppyr files of image files."""
    from ppyr.imagefile import READABLE

    jobs = plan(args.files, ppyr_name, suffixes=READABLE, **_places(args))
    return _convert(jobs, _compress, args)


def _compress(args: argparse.Namespace, source: str | BinaryIO, target: str | BinaryIO) -> Converted:
    from ppyr.files import compress_file

    return compress_file(
        source,
        target,
        **density(args),
        label=args.label,
        progress=not args.quiet and args.jobs == 1 and sys.stderr.isatty(),
        backend=args.backend,
        force=args.force,
        verify=args.verify,
        strip=args.strip,
        remove=args.rm,
        max_pixels=limit_of(args),
    )


def decompress(args: argparse.Namespace) -> int:
    """Make image files of .ppyr files."""
    jobs = plan(args.files, png_name, suffixes={".ppyr"}, **_places(args))
    return _convert(jobs, _decompress, args)


def _decompress(args: argparse.Namespace, source: str | BinaryIO, target: str | BinaryIO) -> Converted:
    from ppyr.files import decompress_file

    return decompress_file(
        source,
        target,
        backend=args.backend,
        force=args.force,
        strip=args.strip,
        level=args.level,
        region=args.region,
        allow_truncated=args.allow_truncated,
        max_pixels=limit_of(args),
    )


def info(args: argparse.Namespace) -> int:
    """Print what .ppyr files say about themselves."""
    from ppyr.about import info
    from ppyr.tables import text_table

    def work(file: str) -> None:
        about = info(file if Path(file).is_file() else _content(file))
        if args.json:
            print(json.dumps({"file": file, **about.as_dict()}))
            return
        print(
            f"{file}: {about.width} x {about.height}, {CHANNELS[about.channels]}, "
            f"{about.bit_depth} bits a sample\n"
            f"  format version {about.version}, model {about.model}\n"
            f"  {about.bytes:,} bytes, {about.bits_per_dim:.4f} bits/dim "
            f"(theoretical {about.theoretical_bits_per_dim:.4f})\n"
            f"  {about.model_evaluations} model evaluations in {len(about.levels)} levels"
            + (
                f"\n  {about.mapping:,} bytes map coded samples to those of the image"
                if about.mapping
                else ""
            )
            + ("" if set(about.units) == {"MODEL"} else f"\n  tiles: {_counted(about.units)}")
            + (f"\n  {about.embedded:,} bytes are the model" if about.embedded else "")
            + (f"\n  {about.changes:,} bytes change the model for this image" if about.changes else "")
            + (f"\n  {about.condition:,} bytes are given to the model" if about.condition else "")
            + (f"\n  metadata: {_listed(about.metadata)}" if about.metadata else "")
        )
        if args.verbose:
            rows = [
                (f"{level.width} x {level.height}", level.bytes, level.evaluations) for level in about.levels
            ]
            print(text_table(("level", "bytes", "evaluations"), rows))

    return _each(args.files, work, Reporter(quiet=args.quiet))


def verify(args: argparse.Namespace) -> int:
    """Check .ppyr files by decoding them."""
    if args.report is not None:
        from ppyr.archive.audit import audit

        return audit(args)
    if not args.files:
        raise UsageError("there is nothing to verify: give files, or a --report of an archive")
    reporter = Reporter(quiet=args.quiet)

    def done(file: str, _: None) -> None:
        if args.json:
            print(json.dumps({"file": file, "ok": True}))
        reporter.note(f"{file}: ok")

    return _each(args.files, partial(_verify, args), reporter, done=done, args=args)


def _verify(args: argparse.Namespace, file: str) -> None:
    from ppyr.about import verify

    verify(_content(file), backend=args.backend, max_pixels=limit_of(args))


def bench(args: argparse.Namespace) -> int:
    """Measure ppyr and its peers on images."""
    from ppyr.atomic import refuse_existing, write_file
    from ppyr.bench import EFFORTS, PEERS, ImageResult, measure, report, warm_up
    from ppyr.benchtable import bench_table
    from ppyr.imagefile import READABLE

    peers = [] if args.peers == "none" else args.peers.split(",")
    if unknown := [name for name in peers if name not in (*PEERS, *EFFORTS)]:
        known = f"{', '.join(PEERS)}, ppyr at another effort as {EFFORTS[0]} to {EFFORTS[-1]}"
        raise UsageError(f"unknown peers {', '.join(unknown)}: give some of {known}, or none")
    if args.html is not None:
        refuse_existing(Path(args.html), force=args.force)
    files = [file for name in args.files for file, _ in expand(name, READABLE, recursive=True)]
    model_id = warm_up(peers, **density(args), backend=args.backend)
    results: list[ImageResult] = []

    def work(file: str) -> None:
        results.append(measure(file, peers, **density(args), backend=args.backend))

    code = _each(files, work, Reporter(quiet=args.quiet))
    if not results:
        return code
    command = shlex.join(["ppyr", *args.arguments])
    found = report(results, command=command, threads=args.threads, model_id=model_id)
    if args.json is not None:
        write_file(args.json, (json.dumps(found, indent=1) + "\n").encode(), force=True)
    if args.html is not None:
        from ppyr.pages.comparison import comparison

        write_file(args.html, comparison(found), force=args.force)
    print(bench_table(results))
    return code or int(not all(result.overhead_ok for result in results))


def demo(args: argparse.Namespace) -> int:
    """Send a bundled photograph through a .ppyr file and back."""
    from ppyr.demo import demonstrate
    from ppyr.tables import text_table

    found = demonstrate(**density(args), backend=args.backend)
    about = found.info
    rows = [
        ("PNG", f"{found.png_bytes:,} bytes"),
        (".ppyr", f"{about.bytes:,} bytes"),
        ("real", f"{about.bits_per_dim:.4f} bits/dim"),
        ("theoretical", f"{about.theoretical_bits_per_dim:.4f} bits/dim"),
        ("to decode", f"{about.model_evaluations} model evaluations"),
        ("compress", f"{found.compress_seconds:.2f} s"),
        ("decompress", f"{found.decompress_seconds:.2f} s"),
    ]
    print(text_table((found.photograph, f"{about.width} x {about.height}"), rows))
    print("The decompressed photograph is the same, bit for bit.")
    return 0


def _counted(units: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in units.items())


def _listed(sizes: dict[str, int]) -> str:
    return ", ".join(f"{kind} ({size:,} bytes)" for kind, size in sizes.items())


def _places(args: argparse.Namespace) -> dict[str, Any]:
    return {"output": args.output, "output_dir": args.output_dir, "recursive": args.recursive}


def density(args: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of model and effort, as arguments of `ppyr.encode`."""
    names = ("effort", "model", "embed_model", "time_budget")
    return {name: getattr(args, name) for name in names}


def limit_of(args: argparse.Namespace) -> int | None:
    """The largest image to take, in pixels; None for no limit."""
    from ppyr.decoding import DEFAULT_MAX_PIXELS

    if args.max_pixels is None:
        return DEFAULT_MAX_PIXELS
    limit: int = args.max_pixels
    return limit or None


def _convert(
    jobs: Sequence[Job],
    convert: Callable[[argparse.Namespace, str | BinaryIO, str | BinaryIO], Converted],
    args: argparse.Namespace,
) -> int:
    if any(job.target == PIPE for job in jobs):
        if args.json:
            raise UsageError("standard output can not take both the file and --json: leave one out")
        if sys.stdout.isatty():
            raise UsageError("standard output is a terminal: send it to a file or a pipe, or give -o")
    if args.dry_run:
        for job in jobs:
            print(f"{job.source} -> {job.target}")
        return 0
    reporter = Reporter(quiet=args.quiet)
    # The bytes of a whole file say nothing about the samples of a part.
    whole = not any(vars(args).get(name) for name in ("level", "region", "allow_truncated"))

    def done(job: Job, found: Converted) -> None:
        if args.json:
            print(json.dumps(found.as_dict()))
        reporter.note(
            f"{job.source} -> {job.target}: {found.width} x {found.height}, "
            f"image file {found.image_bytes:,} bytes, .ppyr file {found.ppyr_bytes:,} bytes"
            + (f", {found.bits_per_dim:.3f} bits/dim" if whole else "")
        )

    work = partial(_convert_one, convert, args)
    return _each(jobs, work, reporter, done=done, label=lambda job: job.source, args=args)


def _convert_one(
    convert: Callable[[argparse.Namespace, str | BinaryIO, str | BinaryIO], Converted],
    args: argparse.Namespace,
    job: Job,
) -> Converted:
    if args.output_dir is not None and job.target != PIPE:
        Path(job.target).parent.mkdir(parents=True, exist_ok=True)
    return convert(
        args,
        sys.stdin.buffer if job.source == PIPE else job.source,
        sys.stdout.buffer if job.target == PIPE else job.target,
    )


def _each(
    items: Sequence[Item],
    work: Callable[[Item], Result],
    reporter: Reporter,
    *,
    done: Callable[[Item, Result], None] = lambda _item, _result: None,
    label: Callable[[Item], str] = str,
    args: argparse.Namespace | None = None,
) -> int:
    """Do `work` on every item, and then `done`; one that fails does not keep the others from being done.

    With `args`, in as many processes as these say.
    """
    processes = 1
    prepare: Callable[[], None] = _nothing
    if args is not None and args.jobs > 1:
        if PIPE in args.files:
            raise UsageError("standard input is read by one process: leave out --jobs")
        processes = args.jobs
        prepare = partial(prepare_process, args, threads=args.threads or max(1, thread_count() // processes))
    found = outcomes(work, items, processes, prepare)
    for item, outcome in zip(reporter.progress(items), found, strict=True):
        if isinstance(outcome, FAILURES):
            reporter.error(label(item), outcome)
        else:
            done(item, outcome)
    return reporter.finish(len(items))


def _nothing() -> None:
    pass


def prepare_process(args: argparse.Namespace, *, threads: int | None) -> None:
    """Set up what is global to a process: the log, threads, models, Pillow's own limit."""
    if getattr(args, "verbose", False):
        logging.basicConfig(level=logging.INFO, format="ppyr: %(message)s", stream=sys.stderr)
    if threads is not None:
        use_threads(threads)
    if paths := getattr(args, "models", []):
        from ppyr.models import registry

        for path in paths:
            registry.add(Path(path))
    if args.command in ("compress", "batch"):
        from PIL import Image

        Image.MAX_IMAGE_PIXELS = limit_of(args)


def _content(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == PIPE else Path(file).read_bytes()
