"""What measurements of networks on photographs begin with: their command line, a model, the images."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import torch

from ppyr.models import modelfile, registry
from ppyr.models.train import VALIDATION_SIDE
from ppyr.models.weights import Weights
from ppyr.report import Reporter
from ppyr.training import load_images


@dataclass(frozen=True)
class Validation:
    """A model by name and its integers, and the images (H, W, 3), uint8, that its networks are shown."""

    name: str
    model: Weights
    images: list[np.ndarray]


def validation(description: str) -> Validation:
    """The model and the images that the command line names; computes on one thread from here on."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("validation")
    parser.add_argument("--model", default="default")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = modelfile.read(registry.by_id(registry.by_name(args.model)))
    return Validation(args.model, model, load_images(args.validation, VALIDATION_SIDE, Reporter(quiet=True)))
