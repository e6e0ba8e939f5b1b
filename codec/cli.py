"""The command line: `ppyr compress`, `decompress` and the others that `ppyr --help` lists.

Exit codes: 0 all done; 1 at least one file failed, the others are done; 2 the command line makes no sense and
nothing was done; 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import ppyr
from ppyr import commands, manual
from ppyr.arguments import effort, not_negative, positive, region, seconds
from ppyr.metadata import KINDS
from ppyr.plan import PIPE, UsageError
from ppyr.report import FAILURES, describe


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code.

    Args:
        argv: the arguments; by default those of the process.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        args = parse(arguments)
        _prepare(args)
        code: int = args.run(args)
        _flush(failed=code != 0)
    except UsageError as error:
        print(f"ppyr: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ppyr: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _flush(failed=True)
        return 1
    except FAILURES as error:
        print(f"ppyr: {describe(error)}", file=sys.stderr)
        _flush(failed=True)
        return 1
    return code


def _flush(*, failed: bool) -> None:
    """Write what is buffered for standard output; where that has failed before, it was told."""
    try:
        sys.stdout.flush()
    except OSError:
        # What is still buffered must not fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not failed:
            raise


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments; `run` of the result is the command's function, `arguments` what was given.

    Raises:
        UsageError: they make no sense.
    """
    args = _parser(arguments).parse_args(arguments)
    args.arguments = arguments
    return args


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(prog="ppyr", description="Lossless image codec on learned likelihoods.")
    parser.add_argument("--version", action="version", version=f"ppyr {ppyr.__version__}")
    names = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    compress = names.add_parser("compress", help="image files into .ppyr files")
    _add_files(compress)
    _add_outputs(compress)
    compress.add_argument(
        "--no-verify", dest="verify", action="store_false", help="do not decode and compare first"
    )
    compress.add_argument(
        "--rm", action="store_true", help="remove each source once its verified .ppyr file is on the disk"
    )
    compress.add_argument(
        "--label",
        type=not_negative,
        metavar="N",
        help="number of the image's class, for models that were trained with classes",
    )
    _add_strip(compress)
    _add_computing(compress, model=True)
    _add_jobs(compress)
    compress.set_defaults(run=commands.compress)

    decompress = names.add_parser(
        "decompress", help=".ppyr files into image files, .png unless -o says otherwise"
    )
    _add_files(decompress)
    _add_outputs(decompress)
    _add_strip(decompress)
    decompress.add_argument(
        "--level",
        type=not_negative,
        default=0,
        metavar="K",
        help="every 2^K-th row and column only, from the bytes of their levels",
    )
    decompress.add_argument(
        "--region",
        type=region,
        metavar="X,Y,W,H",
        help="a part of the image, from the bytes of its tiles: left, top, width, height",
    )
    decompress.add_argument(
        "--allow-truncated",
        action="store_true",
        help="of a file that is cut off, give the largest image that is complete, at 1/2^k of the size",
    )
    _add_model_file(decompress)
    _add_computing(decompress)
    _add_jobs(decompress)
    decompress.set_defaults(run=commands.decompress)

    info = names.add_parser("info", help="what .ppyr files say about themselves, without decoding")
    _add_files(info)
    _add_models(info)
    info.set_defaults(run=commands.info)

    verify = names.add_parser("verify", help="check every byte of .ppyr files by decoding them")
    _add_files(verify, count="*")
    _add_model_file(verify)
    verify.add_argument(
        "--report",
        type=Path,
        metavar="REPORT",
        help="check an archive by its report; FILE is its folder (default: the report's)",
    )
    _add_computing(verify)
    _add_jobs(verify)
    verify.set_defaults(run=commands.verify)

    bench = names.add_parser("bench", help="sizes and times, beside those of other lossless codecs")
    bench.add_argument("files", nargs="+", metavar="FILE|DIR", help="images, or folders of them")
    bench.add_argument(
        "--peers",
        default="png,webp,jpegxl-7,jpegxl-9",
        metavar="NAMES",
        help="codecs to compare with, or none; ppyr-1 to ppyr-9 are other efforts (default: %(default)s)",
    )
    bench.add_argument("--json", metavar="OUT", help="write all results to this file")
    bench.add_argument("--html", metavar="OUT", help="write a page that shows them, with plots")
    bench.add_argument("-f", "--force", action="store_true", help="replace a page that is there already")
    _add_talk(bench)
    _add_computing(bench, model=True, limit=False, threads=1)
    bench.set_defaults(run=commands.bench)

    demo = names.add_parser("demo", help="compress and decompress a bundled photograph")
    _add_talk(demo)
    _add_computing(demo, model=True, limit=False)
    demo.set_defaults(run=commands.demo)

    named = next((word for word in arguments if not word.startswith("-")), None)
    batch = names.add_parser(
        "batch", help="folders and manifests of any length into an archive of .ppyr files"
    )
    if named == "batch":
        from ppyr.archive import batch as archives

        archives.add_arguments(batch)
        _add_strip(batch)
        _add_computing(batch, model=True)
        batch.set_defaults(run=archives.run)

    sample = names.add_parser("sample", help="images that a likelihood model draws")
    if named == "sample":
        from ppyr.drawing import add_arguments, run

        add_arguments(sample)
        _add_computing(sample, limit=False)
        sample.set_defaults(run=run)

    inspect = names.add_parser("inspect", help="a page that shows what a .ppyr file holds")
    if named == "inspect":
        from ppyr.pages.command import add_arguments, run

        add_arguments(inspect)
        _add_computing(inspect)
        inspect.set_defaults(run=run)

    train = names.add_parser("train", help="train a likelihood model")
    if named == "train":
        from ppyr.training import add_arguments, run

        add_arguments(train)
        train.set_defaults(run=run)
    manual.explain(names.choices)
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}: see {self.prog} --help")


def _add_files(parser: argparse.ArgumentParser, *, count: str = "+") -> None:
    parser.add_argument("files", nargs=count, metavar="FILE", help="input files; - is standard input")
    parser.add_argument("--json", action="store_true", help="print one JSON object a file, each on its line")
    _add_talk(parser)


def _add_talk(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    parser.add_argument("-v", "--verbose", action="store_true", help="print more")


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    output = parser.add_mutually_exclusive_group()
    output.add_argument("-o", "--output", metavar="OUT", help="output file; - is standard output")
    output.add_argument(
        "--output-dir", metavar="DIR", help="folder for the outputs; by default beside the inputs"
    )
    output.add_argument(
        "-c", "--stdout", dest="output", action="store_const", const=PIPE, help="write to standard output"
    )
    parser.add_argument("-r", "--recursive", action="store_true", help="take the files of folders")
    parser.add_argument("-f", "--force", action="store_true", help="replace outputs that are there already")
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="print what would be done, and do nothing"
    )


def _add_strip(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strip",
        type=_strip,
        default=[],
        metavar="KINDS",
        help=f"leave out metadata: {','.join(KINDS)} or all",
    )


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-j",
        "--jobs",
        type=positive,
        default=1,
        metavar="N",
        help="files at a time, each in a process of its own (default: 1)",
    )


def _add_model_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        dest="models",
        action="append",
        default=[],
        metavar="FILE",
        help="the model that the files need, where it is none of those installed",
    )


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models",
        action="append",
        default=[],
        metavar="PATH",
        help="use the models of this folder, or this model file, too, as those that PPYR_MODEL_PATH lists",
    )


def _add_computing(
    parser: argparse.ArgumentParser, *, model: bool = False, limit: bool = True, threads: int | None = None
) -> None:
    if model:
        choice = parser.add_mutually_exclusive_group()
        choice.add_argument(
            "--model",
            metavar="NAME|FILE",
            help="likelihood model by name or id, or the file of one, in place of an effort",
        )
        choice.add_argument(
            "-e",
            "--effort",
            type=effort,
            metavar="1..9",
            help="smaller files with more time; from 7 on the model is fitted to the image (default: 5)",
        )
        parser.add_argument(
            "--time-budget",
            type=seconds,
            metavar="SECONDS",
            help="stop fitting the model to an image after this time",
        )
        parser.add_argument(
            "--embed-model",
            action="store_true",
            help="store a model of your own in the file, which then decodes without the model's",
        )
    _add_models(parser)
    parser.add_argument(
        "--backend",
        default="auto",
        choices=["auto", "int8", "torch", "cuda", "reference"],
        help="what the networks are computed with; all give the same bytes and pixels",
    )
    parser.add_argument(
        "--device", default="auto", choices=["auto", "cpu", "cuda"], help="cuda computes on a GPU"
    )
    parser.add_argument(
        "-T",
        "--threads",
        type=positive,
        default=threads,
        metavar="N",
        help=f"threads to compute on (default: {threads or 'all'})",
    )
    if limit:
        parser.add_argument(
            "--max-pixels",
            type=not_negative,
            default=None,
            metavar="N",
            help="largest image to take (default: 268,435,456); 0 for no limit",
        )


def _strip(text: str) -> list[str]:
    kinds = text.split(",")
    if unknown := set(kinds) - {*KINDS, "all"}:
        raise argparse.ArgumentTypeError(
            f"unknown: {', '.join(sorted(unknown))}; give some of {','.join(KINDS)},all"
        )
    return kinds


def _prepare(args: argparse.Namespace) -> None:
    """Check standard input, and set up what is global to the process."""
    if PIPE in getattr(args, "files", []) and sys.stdin.isatty():
        raise UsageError("standard input is a terminal: give a file, or send one through a pipe")
    if getattr(args, "device", "auto") == "cuda":
        if args.backend not in ("auto", "cuda"):
            raise UsageError(f"the backend {args.backend} does not run on a GPU: leave one of both out")
        args.backend = "cuda"
    commands.prepare_process(args, threads=getattr(args, "threads", None))
