"""`ppyr verify --report`: an archive as it is, beside what its report says."""

from __future__ import annotations

import argparse
import json
import sys
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np

from ppyr.archive.checker import Checker, Finding, Verdict
from ppyr.archive.engines import Processes
from ppyr.archive.manifest import name_hash
from ppyr.archive.report import journal_of, rows_of
from ppyr.archive.storage import absolute, join, storage_of
from ppyr.commands import limit_of, prepare_process
from ppyr.plan import UsageError
from ppyr.threads import thread_count


def audit(args: argparse.Namespace) -> int:
    """Decode all outputs of a report, name those that are not as it says, and give the exit code.

    Files of the archive that the report does not know are named too, and are no failure.
    """
    if len(args.files) > 1:
        raise UsageError("a report is of one archive: give one folder")
    target = args.files[0] if args.files else str(args.report.parent)
    count = sum(1 for _ in rows_of(args.report))
    threads = args.threads or max(1, thread_count() // args.jobs)
    work = Checker(target, args.backend, partial(prepare_process, args, threads=threads), limit_of(args))
    verdicts: Counter[Verdict] = Counter()
    with closing(Processes(args.jobs).run(work, rows_of(args.report), count)) as findings:
        for finding in findings:
            verdicts[finding.verdict] += 1
            _tell(finding, args)
    others = 0
    for name in _unlisted(args.report, target):
        others += 1
        if not args.quiet:
            print(f"{name}: not in the report", file=sys.stderr)
    if not args.quiet:
        states = ", ".join(f"{verdicts[verdict]:,} {verdict}" for verdict in Verdict)
        print(f"{count:,} images: {states}; {others:,} files are not in the report", file=sys.stderr)
    return 0 if verdicts[Verdict.OK] == count else 1


def _tell(finding: Finding, args: argparse.Namespace) -> None:
    ok = finding.verdict is Verdict.OK
    if args.json:
        print(json.dumps({"file": finding.output, "ok": ok, "verdict": finding.verdict}))
    if not ok:
        print(f"ppyr: {finding.output}: {finding.verdict}: {finding.message}", file=sys.stderr)
    elif args.verbose:
        print(f"{finding.output}: ok", file=sys.stderr)


def _unlisted(report: Path, target: str) -> Iterator[str]:
    """Files of an archive that are neither outputs of its report nor this."""
    hashes = array("Q", (name_hash(row.output) for row in rows_of(report)))
    known = np.sort(np.frombuffer(hashes, np.uint64)) if hashes else np.empty(0, np.uint64)
    reports = {absolute(str(path)) for path in (report, journal_of(report))}
    for name in storage_of(target).names(target):
        if absolute(join(target, name)) in reports:
            continue
        place = int(np.searchsorted(known, np.uint64(name_hash(name))))
        if place == known.size or known[place] != name_hash(name):
            yield name
