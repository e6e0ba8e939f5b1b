"""`ppyr train`: from folders of photographs to the networks of a likelihood model, and to a model file."""

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
from ppyr.errors import PpyrError, UnsupportedImageError
from ppyr.imagefile import READABLE, read_image
from ppyr.models import configuration, modelfile
from ppyr.models.export import export
from ppyr.models.train import GRAPHICS_SIDE, TRAINING_SIDE, VALIDATION_SIDE, train
from ppyr.models.weights import STAGES
from ppyr.plan import UsageError, expand
from ppyr.report import Reporter, describe

#: Coarse to fine: a network can begin with the one before it.
TRAINING_ORDER = STAGES[::-1]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `ppyr train`."""
    parser.description = (
        "Train the networks of a likelihood model. A run that was interrupted goes on where it was when the "
        "same command is given again."
    )
    parser.add_argument(
        "folder", metavar="FOLDER", help=f"photographs, {TRAINING_SIDE} pixels a side or larger"
    )
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
        "--steps", type=positive, metavar="N", help="training steps of each network (default: the CONFIG's)"
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
        UsageError: a folder has no image files, or the networks to export would not all be there.
        UnsupportedImageError: no photograph is large enough.
        ConfigurationError: the configuration has a setting that is not known or out of range.
        ModelError: a checkpoint is damaged, or was made with other settings or images; or the model to start
            from is damaged or has networks of other sizes.
    """
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


def load_images(folder: str, side: int, reporter: Reporter) -> list[np.ndarray]:
    """Every image of a folder as (H, W, 3) uint8; a line is printed for each that is left out.

    Raises:
        UsageError: the folder has no image files.
        UnsupportedImageError: none has `side` pixels a side.
    """
    images = []
    for file, _ in expand(folder, READABLE, recursive=True):
        try:
            image = read_image(file, strip=["all"])
        except (PpyrError, OSError) as error:
            reporter.note(f"{file} is left out: {describe(error, file)}")
            continue
        if min(image.shape[:2]) < side:
            height, width = image.shape[:2]
            reporter.note(f"{file} is left out: {width} x {height} is less than {side} pixels a side")
            continue
        images.append(np.dstack([image] * 3) if image.ndim == 2 else image)
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
