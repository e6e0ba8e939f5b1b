"""`ppyr train`: from folders of images to a model file, by training networks, tuning or adapting a model."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ppyr.arguments import not_negative, positive
from ppyr.atomic import refuse_existing, write_file
from ppyr.calibration import calibrate
from ppyr.collection import adapt
from ppyr.errors import ModelError, PpyrError, UnsupportedImageError
from ppyr.imagefile import READABLE, ImageFile, read_image_file
from ppyr.models import configuration, modelfile, registry
from ppyr.models.configuration import TrainingConfig
from ppyr.models.export import export, sizes
from ppyr.models.registry import SUFFIXES
from ppyr.models.search import Search
from ppyr.models.train import GRAPHICS_SIDE, TRAINING_SIDE, VALIDATION_SIDE, train
from ppyr.models.weights import STAGES, Weights
from ppyr.plan import UsageError, expand
from ppyr.report import Reporter, describe
from ppyr.tuning import HELD_OUT, Image, split, tune

#: Coarse to fine: a network can begin with the one before it.
TRAINING_ORDER = STAGES[::-1]
ADAPTING_STEPS = 300
#: The model that is tuned or adapted where none is named.
DEFAULT_START = "default"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `ppyr train`."""
    parser.description = (
        "Make a likelihood model of your own. If OUT is a model file, .safetensors, tune the model --from to "
        "the images of FOLDER, of any size and kind; with --adapt and a .json file, find a few changes to it "
        "instead. If OUT is a folder, train networks on photographs, from nothing or from that model. A run "
        "that was interrupted goes on where it was when the same command is given again."
    )
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help=f"images; to train networks photographs, {TRAINING_SIDE} pixels a side or larger",
    )
    parser.add_argument(
        "--from",
        dest="start",
        metavar="NAME|FILE",
        help="the model to begin with, by name, id or file (default: default for a file OUT, nothing for a "
        "folder)",
    )
    parser.add_argument(
        "--adapt",
        action="store_true",
        help="write changes of some kilobytes to the model --from, in place of networks",
    )
    parser.add_argument(
        "--validation",
        metavar="FOLDER",
        help=f"others for the log, {VALIDATION_SIDE} pixels a side or larger",
    )
    parser.add_argument(
        "--graphics", metavar="FOLDER", help="screenshots, charts and drawings, for a few of the crops"
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="the model file to write, or the folder of checkpoints, logs and the model",
    )
    parser.add_argument("-f", "--force", action="store_true", help="replace a model file that is there")
    parser.add_argument(
        "--network", default="all", choices=[*STAGES, "all"], help="what to train (default: %(default)s)"
    )
    parser.add_argument(
        "--config",
        metavar="CONFIG",
        help=f"a TOML file with the settings, or one of {', '.join(configuration.shipped())} "
        "(default: tune for a file OUT, default for a folder)",
    )
    parser.add_argument(
        "--steps",
        type=positive,
        metavar="N",
        help=f"steps for each network (default: the CONFIG's), or of --adapt (default: {ADAPTING_STEPS})",
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
        "--export",
        type=_model_name,
        metavar="NAME",
        help="write the model NAME of all three networks into the folder OUT",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")


def run(args: argparse.Namespace) -> int:
    """Train, tune or adapt; gives the exit code.

    Raises:
        UsageError: a folder has no image files, the networks to export would not all be there, or an option
            does not go with what is to be made.
        UnsupportedImageError: no photograph is large enough, or the collection has nothing to learn from.
        ConfigurationError: the configuration has a setting that is not known or out of range.
        OutputExistsError: the model file is there already.
        ModelError: a checkpoint is damaged, or was made with other settings or images; or the model to start
            from is damaged, has networks of other sizes or was adapted already; or the tuned model is no
            better.
        UnknownModelError: there is no such model.
    """
    output = Path(args.output)
    wanted = ".json" if args.adapt else ".safetensors"
    if args.adapt or output.suffix in SUFFIXES:
        if output.suffix != wanted:
            raise UsageError(
                f"{'--adapt writes' if args.adapt else 'tuning writes'} a {wanted} file: name one"
            )
        if extra := [name for name in ("validation", "graphics", "export") if getattr(args, name)]:
            raise UsageError(
                f"--{extra[0]} is for training in a folder: leave it out, or give one to --output"
            )
        refuse_existing(output, force=args.force)
        return _adapt(args, output) if args.adapt else _tune(args, output)
    return _train(args, output)


def _train(args: argparse.Namespace, output: Path) -> int:
    """Train networks, and export if asked."""
    stages = TRAINING_ORDER if args.network == "all" else (args.network,)
    checkpoints = {stage: output / f"{stage}.pt" for stage in STAGES}
    if args.export and (
        missing := [stage for stage in STAGES if stage not in stages and not checkpoints[stage].exists()]
    ):
        raise UsageError(f"{output} has no checkpoint of {', '.join(missing)}: train all before --export")
    reporter = Reporter(quiet=args.quiet)
    start = _model(args.start) if args.start else None
    configs = _configs(args, args.config or "default", start)
    images = load_images(args.folder, TRAINING_SIDE, reporter)
    validation = load_images(args.validation, VALIDATION_SIDE, reporter) if args.validation else []
    graphics = load_images(args.graphics, GRAPHICS_SIDE, reporter) if args.graphics else []
    progress = _has_progress(args)
    for stage in stages:
        done = train(
            stage,
            images,
            validation,
            configs[stage],
            output,
            graphics=graphics,
            start=start,
            device=_device(args),
            workers=args.workers,
            progress=progress,
        )
        reporter.note(f"{stage} is trained: {done}")
    if args.export:
        model = calibrate(export(checkpoints), images, progress=progress)
        reporter.note(f"the model is {modelfile.write(model, output, args.export)}")
    return 0


def _tune(args: argparse.Namespace, output: Path) -> int:
    """Tune a model to a folder of images, and write it if it is better."""
    if args.network != "all":
        raise UsageError("tuning trains all networks: leave --network out")
    reporter = Reporter(quiet=args.quiet)
    start = args.start or DEFAULT_START
    configs = _configs(args, args.config or "tune", _model(start))
    images = split(
        [Image(found.samples, found.bit_depth) for _, found in _image_files(args.folder, reporter)]
    )
    reporter.note(
        f"{len(images.training)} images to train on, and {len(images.held_out)} are held out: every "
        f"{HELD_OUT}th in the order of the digests of their pixels"
    )
    found = tune(
        images,
        start,
        configs,
        output.with_suffix(".run"),
        output.stem,
        device=_device(args),
        workers=args.workers,
        progress=_has_progress(args),
    )
    before, after = (
        f"{found.bits_per_dim(size):.4f} bits/dim, {size:,} bytes" for size in (found.before, found.after)
    )
    reporter.note(f"files of the held-out images under {start}: {before}")
    reporter.note(f"and under the tuned model: {after}, {100 * (found.after / found.before - 1):+.2f} %")
    if found.after >= found.before:
        raise ModelError(
            f"the tuned model is no better than {start}, and was not written: add images of the kind, or go "
            "on with that model",
            expected=found.before,
            found=found.after,
        )
    write_file(output, found.path.read_bytes(), force=args.force)
    reporter.note(f"the model is {output}")
    return 0


def _adapt(args: argparse.Namespace, output: Path) -> int:
    """Adapt a model to a folder of images and write it."""
    reporter = Reporter(quiet=args.quiet)
    images = read_images(args.folder, 1, reporter)
    search = Search(args.steps or ADAPTING_STEPS, all_layers=True)
    found = adapt(images, args.start or DEFAULT_START, search, progress=_has_progress(args))
    write_file(output, found.recipe.packed(output.parent), force=args.force)
    reporter.note(
        f"the model is {output}: {found.images} images lose {found.before - found.after:,} of "
        f"{found.before:,} bytes, and gain {len(found.recipe.changes):,} bytes each where it is embedded"
    )
    return 0


def _model(name: str) -> Weights:
    """The model of a name, an id or a file."""
    return modelfile.read(registry.by_id(registry.by_name(name)))


def _configs(args: argparse.Namespace, config: str, start: Weights | None) -> dict[str, TrainingConfig]:
    """The settings of all networks; their sizes are those of `start` where nothing else is said."""
    known = {stage: sizes(start, stage) for stage in STAGES} if start else None
    configs = configuration.read(_config_file(config), known)
    if args.steps:
        return {stage: replace(config, steps=args.steps) for stage, config in configs.items()}
    return configs


def _device(args: argparse.Namespace) -> str:
    found: str = args.device
    return ("cuda" if torch.cuda.is_available() else "cpu") if found == "auto" else found


def _has_progress(args: argparse.Namespace) -> bool:
    return not args.quiet and sys.stderr.isatty()


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
    for file, found in _image_files(folder, reporter, plain=True):
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


def _image_files(folder: str, reporter: Reporter, *, plain: bool = False) -> Iterator[tuple[str, ImageFile]]:
    """The image files of a folder that can be read, and have no palette if they are to be `plain`."""
    for file, _ in expand(folder, READABLE, recursive=True):
        try:
            found = read_image_file(file, strip=["all"])
            if plain:
                found.check_plain()
        except (PpyrError, OSError) as error:
            reporter.note(f"{file} is left out: {describe(error, file)}")
            continue
        yield file, found


def _config_file(text: str) -> Path:
    """The file of a shipped configuration, or the file of this path."""
    return configuration.FOLDER / f"{text}.toml" if text in configuration.shipped() else Path(text)


def _model_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", text):
        raise argparse.ArgumentTypeError("give letters, digits and -_. only")
    return text
