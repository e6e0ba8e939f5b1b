"""`ppyr batch`: folders and manifests of any length into an archive of .ppyr files."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from hashlib import sha256
from pathlib import Path

from ppyr.archive.compressor import Compressor
from ppyr.archive.engines import Engine, Processes
from ppyr.archive.manifest import Plan, planned
from ppyr.archive.progress import Progress
from ppyr.archive.ray_engine import Ray
from ppyr.archive.report import Journal, Known, import_parquet, journal_of, write_parquet
from ppyr.archive.rows import Row, State, Task
from ppyr.archive.storage import is_url, join, storage_of
from ppyr.arguments import positive
from ppyr.commands import density, limit_of, prepare_process
from ppyr.plan import UsageError
from ppyr.report import FAILURES, Failure
from ppyr.threads import on_threads, thread_count

#: Name of the report in the archive, where none is given.
REPORT = "report.jsonl"
#: Sources that are removed together, and threads that do it, as URLs take their time.
REMOVED, REMOVERS = 64, 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command that no other one has."""
    parser.add_argument("source", metavar="SRC", help="folder of images, or manifest (.txt or .jsonl)")
    parser.add_argument("target", metavar="DST", help="folder of the archive")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help=f"a row for each image, .jsonl or .parquet (default: {REPORT} in DST)",
    )
    parser.add_argument(
        "--engine",
        default="processes",
        choices=["processes", "ray"],
        help="who does the work: processes of this machine (default), or Ray",
    )
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="cluster of Ray, in place of one of this machine"
    )
    parser.add_argument(
        "--gpus", type=_share, metavar="N", help="GPUs that each worker of Ray takes, as in 0.25 (default: 1)"
    )
    parser.add_argument(
        "-j",
        "--jobs",
        type=positive,
        metavar="N",
        help="images at a time, each on a worker of its own (default: as many as there are processors)",
    )
    parser.add_argument(
        "--rm", action="store_true", help="remove each source once its verified .ppyr file is on the disk"
    )
    parser.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="replace outputs that are there and are not those of their sources",
    )
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="print what would be done, and do nothing"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    parser.add_argument("-v", "--verbose", action="store_true", help="print more")


def run(args: argparse.Namespace) -> int:
    """Compress all images that are not in the archive yet, and give the exit code."""
    if args.rm and args.strip:
        raise UsageError("only what is kept whole is removed: leave out --rm or --strip")
    report = _report(args)
    engine, threads = _engine(args)
    with planned(args.source, args.target) as plan:
        if args.dry_run:
            return _dry_run(args, plan, journal_of(report))
        if report != journal_of(report):
            _check_names(plan)
        work = Compressor(
            root=plan.root,
            target=plan.target,
            options={**density(args), "backend": args.backend},
            prepare=partial(prepare_process, args, threads=threads),
            strip=args.strip,
            max_pixels=limit_of(args),
            force=args.force,
            remove=args.rm,
            mark=sha256(str(report.absolute()).encode("utf-8", "surrogateescape")).hexdigest()[:8],
        )
        with Journal(journal_of(report)) as journal:
            code = compress_archive(plan, journal, engine, work, quiet=args.quiet)
            if report != journal.path:
                write_parquet(journal.path, report)
    return code


def compress_archive(
    plan: Plan, journal: Journal, engine: Engine, work: Compressor, *, quiet: bool = False
) -> int:
    """Let an engine do the work of a plan, and write down in a journal what becomes of each image.

    Returns:
        The exit code: 0 if every image has its output, otherwise 1.
    """
    storage = storage_of(work.target)
    if journal.known.end:
        storage.sweep(work.target, work.mark)
    removable: list[Row] = []
    rows = engine.run(work, _tasks(plan, journal), plan.count)
    with Progress(plan.count, quiet=quiet) as progress, closing(rows):
        for row in rows:
            if row.state is not State.KEPT:
                journal.append(row)
            progress.add(row)
            if work.remove and row.whole:
                removable.append(row)
            if len(removable) == REMOVED:
                _remove(removable, journal, work, progress)
        _remove(removable, journal, work, progress)
    storage.sweep(work.target, work.mark)
    return progress.finish()


def _remove(rows: list[Row], journal: Journal, work: Compressor, progress: Progress) -> None:
    """Remove the sources of rows, if they are still the same, and forget the rows.

    Outputs are on the disk already; now the rows are too, before a source is gone that would be missed.
    """
    if rows:
        journal.sync()
    for row, error in zip(rows, on_threads(partial(_removed, work.root), rows, REMOVERS), strict=True):
        if error is not None:
            progress.stays(row, error)
    rows.clear()


def _removed(root: str, row: Row) -> Failure | None:
    source = join(root, row.path)
    storage = storage_of(source)
    try:
        found = storage.find(source)
        if found is not None and found.stamp == row.source_stamp:
            storage.remove(source)
    except FAILURES as error:
        return error
    return None


def _tasks(plan: Plan, journal: Journal) -> Iterator[Task]:
    for path, output in plan:
        yield Task(path, output, journal.known.finished(path, output))


def _dry_run(args: argparse.Namespace, plan: Plan, journal: Path) -> int:
    """Print the images of which the report does not say that they are finished."""
    known = Known(journal) if journal.exists() else None
    for path, output in plan:
        if known is None or known.finished(path, output) is None:
            print(f"{path} -> {join(args.target, output)}")
    return 0


def _check_names(plan: Plan) -> None:
    for path, output in plan:
        try:
            f"{path}{output}".encode()
        except UnicodeEncodeError:
            raise UsageError(
                f"{path!a} is not in UTF-8, which Parquet needs: give a --report that ends in .jsonl"
            ) from None


def _report(args: argparse.Namespace) -> Path:
    if args.report is None:
        if is_url(args.target):
            raise UsageError("the archive is behind a URL: say with --report where its report is to be here")
        return Path(join(args.target, REPORT).removeprefix("file://"))
    report: Path = args.report
    if report != journal_of(report):
        import_parquet()
    return report


def _engine(args: argparse.Namespace) -> tuple[Engine, int]:
    """The engine, and the threads of each of its workers."""
    if args.engine == "ray":
        gpus = (args.gpus or 1) if args.backend == "cuda" else 0
        threads: int = args.threads or 1
        return Ray(args.jobs, address=args.address, threads=threads, gpus=gpus), threads
    if args.address is not None or args.gpus is not None:
        raise UsageError("--address and --gpus are for Ray: give --engine ray")
    jobs = args.jobs or max(1, thread_count() // (args.threads or 1))
    return Processes(jobs), args.threads or max(1, thread_count() // jobs)


def _share(text: str) -> float:
    """A part of a GPU, or some."""
    if not 0 < (number := float(text)) < math.inf:
        raise argparse.ArgumentTypeError("give more than 0")
    return number
