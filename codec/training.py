"""`ppyr train`: from folders of photographs to a model file, by training networks or adapting a model."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ppyr.arguments import not_negative, positive
from ppyr.calibration import calibrate
from ppyr.collection import adapt
from ppyr.errors import PpyrError, UnsupportedImageError
from ppyr.imagefile import READABLE, read_image_file
from ppyr.models import configuration, modelfile
from ppyr.models.export import export
from ppyr.models.search import Search
from ppyr.models.train import GRAPHICS_SIDE, TRAINING_SIDE, VALIDATION_SIDE, train
from ppyr.models.weights import STAGES
from ppyr.plan import UsageError, expand
from ppyr.report import Reporter, describe

#: Coarse to fine: a network can begin with the one before it.
TRAINING_ORDER = STAGES[::-1]
ADAPTING_STEPS = 300


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `ppyr train`."""
    parser.description = (
        "Train the networks of a likelihood model. A run that was interrupted goes on where it was when the "
        "same command is given again. With --adapt, change a model that is there to suit a collection of "
        "images of any size."
    )
    parser.add_argument(
        "folder", metavar="FOLDER", help=f"photographs, {TRAINING_SIDE} pixels a side or larger"
    )
    parser.add_argument(
        "--adapt",
        action="store_true",
        help="change the model --model to suit the images of FOLDER, and write it as --export",
    )
    parser.add_argument("--model", metavar="NAME", help="the model that --adapt changes (default: default)")
    parser.add_argument(
        "--validation",
        metavar="FOLDER",
        help=f"others for the log, {VALIDATION_SIDE} pixels a side or larger",
    )
    parser.add_argument(
        "--graphics", metavar="FOLDER", help="screenshots, charts and drawings, for a few of the crops"
    )
    parser.add_argument("--output", required=True, metavar="FOLDER", help="checkpoints, logs and the model")
    parser.add_argument(
        "--network", default="all", choices=[*STAGES, "all"], help="what to train (default: %(default)s)"
    )
    parser.add_argument(
        "--config",
        default="default",
        metavar="CONFIG",
        help=f"a TOML file with the settings, or one of {', '.join(configuration.shipped())} "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--steps",
        type=positive,
        metavar="N",
        help=f"steps for each network (default: the CONFIG's), or of --adapt (default: {ADAPTING_STEPS})",
    )
    parser.add_argument(
        "--start",
        metavar="FILE",
        help="a model file to go on from, of the same sizes (default: from nothing)",
    )
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument(
        "--workers",
        type=not_negative,
        default=1,
        metavar="N",
        help="processes that cut and change the photographs (default: %(default)s)",
    )
    parser.add_argument(
        "--export", type=_model_name, metavar="NAME", help="write the model NAME of all three networks"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")


def run(args: argparse.Namespace) -> int:
    """Train, and export if asked; gives the exit code.

    Raises:
        UsageError: a folder has no image files, the networks to export would not all be there, or an option
            does not go with --adapt or without it.
        UnsupportedImageError: no photograph is large enough.
        ConfigurationError: the configuration has a setting that is not known or out of range.
        ModelError: a checkpoint is damaged, or was made with other settings or images; or the model to start
            from is damaged or has networks of other sizes; or the one to adapt was adapted already.
        UnknownModelError: there is no such model to adapt.
    """
    if args.adapt:
        return _adapt(args)
    if args.model:
        raise UsageError("--model goes with --adapt: to train networks further, give --start")
    stages = TRAINING_ORDER if args.network == "all" else (args.network,)
    output = Path(args.output)
    checkpoints = {stage: output / f"{stage}.pt" for stage in STAGES}
    if args.export and (
        missing := [stage for stage in STAGES if stage not in stages and not checkpoints[stage].exists()]
    ):
        raise UsageError(f"{output} has no checkpoint of {', '.join(missing)}: train all before --export")
    reporter = Reporter(quiet=args.quiet)
    device = ("cuda" if torch.cuda.is_available() else "cpu") if args.device == "auto" else args.device
    configs = configuration.read(_config_file(args.config))
    if args.steps:
        configs = {stage: replace(config, steps=args.steps) for stage, config in configs.items()}
    images = load_images(args.folder, TRAINING_SIDE, reporter)
    validation = load_images(args.validation, VALIDATION_SIDE, reporter) if args.validation else []
    graphics = load_images(args.graphics, GRAPHICS_SIDE, reporter) if args.graphics else []
    start = modelfile.read(Path(args.start)) if args.start else None
    progress = not args.quiet and sys.stderr.isatty()
    for stage in stages:
        done = train(
            stage,
            images,
            validation,
            configs[stage],
            output,
            graphics=graphics,
            start=start,
            device=device,
            workers=args.workers,
            progress=progress,
        )
        reporter.note(f"{stage} is trained: {done}")
    if args.export:
        model = calibrate(export(checkpoints), images, progress=progress)
        reporter.note(f"the model is {modelfile.write(model, output, args.export)}")
    return 0


def _adapt(args: argparse.Namespace) -> int:
    """Adapt a model to a folder of images and write it."""
    if not args.export:
        raise UsageError("--adapt needs a name for the model that it writes: give --export")
    if extra := [name for name in ("validation", "graphics", "start") if getattr(args, name)]:
        raise UsageError(f"--{extra[0]} does not go with --adapt: leave it out")
    reporter = Reporter(quiet=args.quiet)
    images = read_images(args.folder, 1, reporter)
    search = Search(args.steps or ADAPTING_STEPS, all_layers=True)
    found = adapt(images, args.model or "default", search, progress=not args.quiet and sys.stderr.isatty())
    output = Path(args.output)
    output.mkdir(parents=True, exist_ok=True)
    path = found.recipe.write(output, args.export)
    reporter.note(
        f"the model is {path}: {found.images} images lose {found.before - found.after:,} of {found.before:,} "
        f"bytes, and gain {len(found.recipe.changes):,} bytes each where it is embedded"
    )
    return 0


def load_images(folder: str, side: int, reporter: Reporter) -> list[np.ndarray]:
    """What `read_images` gives, gray images too as (H, W, 3)."""
    images = read_images(folder, side, reporter)
    return [np.dstack([image] * 3) if image.ndim == 2 else image for image in images]


def read_images(folder: str, side: int, reporter: Reporter) -> list[np.ndarray]:
    """Every image of a folder, (H, W) or (H, W, 3) uint8; a line is printed for each that is left out.

    Raises:
        UsageError: the folder has no image files.
        UnsupportedImageError: none has `side` pixels a side.
    """
    images = []
    for file, _ in expand(folder, READABLE, recursive=True):
        try:
            found = read_image_file(file, strip=["all"])
            found.check_plain()
        except (PpyrError, OSError) as error:
            reporter.note(f"{file} is left out: {describe(error, file)}")
            continue
        image = found.samples
        if found.bit_depth != 8 or image.shape[2:] not in ((), (3,)):
            reporter.note(f"{file} is left out: it has alpha or other than 8 bits a sample")
            continue
        if min(image.shape[:2]) < side:
            height, width = image.shape[:2]
            reporter.note(f"{file} is left out: {width} x {height} is less than {side} pixels a side")
            continue
        images.append(image)
    if not images:
        raise UnsupportedImageError(
            f"{folder} has no image of {side} pixels a side: add larger ones", expected=side
        )
    return images


def _config_file(text: str) -> Path:
    """The file of a shipped configuration, or the file of this path."""
    return configuration.FOLDER / f"{text}.toml" if text in configuration.shipped() else Path(text)


def _model_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", text):
        raise argparse.ArgumentTypeError("give letters, digits and -_. only")
    return text
