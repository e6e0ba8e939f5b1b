"""`ppyr sample`: image files that a model draws, from nothing or from coarse levels of a .ppyr file."""

from __future__ import annotations

import argparse
from pathlib import Path

from ppyr.about import info
from ppyr.arguments import not_negative, positive, size, temperature
from ppyr.atomic import refuse_existing, write_file
from ppyr.imagefile import check_writable, image_bytes
from ppyr.metadata import Metadata, Text
from ppyr.plan import UsageError
from ppyr.report import FAILURES, Reporter
from ppyr.sampling import complete, sample


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `ppyr sample`, but those of computing."""
    parser.description = (
        "Draw images from a likelihood model. With a .ppyr file and --level, keep every 2^K-th row and "
        "column of its image and let its model draw the others: detail is invented, and the comment of a PNG "
        "says so."
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help=".ppyr file to complete, with --level")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="output file")
    parser.add_argument("-f", "--force", action="store_true", help="replace outputs that are there already")
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    parser.add_argument("--model", metavar="NAME", help="model to draw from, by name, id or file")
    parser.add_argument("--size", type=size, metavar="WxH", help="width and height (default: 64x64)")
    parser.add_argument("--gray", action="store_true", help="one channel in place of R, G and B")
    parser.add_argument("--bits", type=positive, metavar="N", help="of a sample (default: 8)")
    parser.add_argument(
        "--label", type=not_negative, metavar="N", help="class, for models that were trained with classes"
    )
    parser.add_argument("--level", type=positive, metavar="K", help="what to keep of FILE")
    parser.add_argument(
        "--temperature",
        type=temperature,
        default=1.0,
        metavar="T",
        help="below 1 likelier images, above 1 stranger ones; 0 always takes the likeliest (default: 1)",
    )
    parser.add_argument(
        "--seed", type=not_negative, default=0, metavar="N", help="of all choices (default: 0)"
    )
    parser.add_argument(
        "-n",
        "--count",
        type=positive,
        default=1,
        metavar="N",
        help="images, of one seed after the other, numbered in their files' names",
    )


def run(args: argparse.Namespace) -> int:
    """Draw images and write them."""
    only = {"--size": args.size, "--gray": args.gray, "--bits": args.bits, "--label": args.label}
    if args.file is None and (args.model is None or args.level is not None):
        raise UsageError("nothing to draw from: give --model, or a .ppyr file and --level")
    if args.file is not None and (args.level is None or args.model is not None or any(only.values())):
        raise UsageError(f"a file is completed from a --level, and takes none of --model, {', '.join(only)}")
    check_writable(Path(args.output).suffix)
    reporter = Reporter(quiet=args.quiet)
    for number in reporter.progress(range(args.count)):
        target = Path(args.output)
        if args.count > 1:
            target = target.with_stem(f"{target.stem}-{number + 1:0{len(str(args.count))}d}")
        try:
            refuse_existing(target, force=args.force)
            _draw(args, target, args.seed + number)
        except FAILURES as error:
            reporter.error(str(target), error)
        else:
            reporter.note(f"{target}")
    return reporter.finish(args.count)


def _draw(args: argparse.Namespace, target: Path, seed: int) -> None:
    how = {"temperature": args.temperature, "seed": seed, "backend": args.backend}
    told = f"seed {seed}, temperature {args.temperature:g}"
    if args.file is not None:
        image, bits = complete(args.file, args.level, **how), info(args.file).bit_depth
        told = f"ppyr kept every {1 << args.level}th row and column and invented all other pixels: {told}"
    else:
        width, height = args.size or (64, 64)
        bits = args.bits or 8
        channels = 1 if args.gray else 3
        image = sample(args.model, height, width, channels, bits=bits, label=args.label, **how)
        told = f"ppyr drew this image from the model {args.model}: {told}"
    holds_text = target.suffix.lower() == ".png"
    metadata = Metadata(text=(Text("Comment", told),)) if holds_text else Metadata()
    write_file(target, image_bytes(image, target.suffix, metadata, bits), force=args.force)
