"""`ppyr inspect`: a page that shows what a .ppyr file holds."""

from __future__ import annotations

import argparse
from pathlib import Path

from ppyr.atomic import refuse_existing, write_file
from ppyr.commands import limit_of
from ppyr.report import FAILURES, Reporter


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `ppyr inspect`, but those of computing."""
    parser.add_argument("file", metavar="FILE", help=".ppyr file")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="page to write, .html")
    parser.add_argument("-f", "--force", action="store_true", help="replace a page that is there already")
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    from .inspection import inspection

    reporter = Reporter(quiet=args.quiet)
    refuse_existing(Path(args.output), force=args.force)
    source = Path(args.file)
    try:
        made = inspection(source.read_bytes(), source.name, backend=args.backend, max_pixels=limit_of(args))
        write_file(args.output, made, force=args.force)
    except FAILURES as error:
        reporter.error(args.file, error)
    else:
        reporter.note(f"{args.file} -> {args.output}: {len(made):,} bytes")
    return reporter.finish(1)
