"""Small models of every family, with random weights, installed in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ppyr.models import modelfile, pixelcnn, pixelpyramids, predictor, registry
from ppyr.models.pixelcnn.learning import PixelCnnNet
from ppyr.models.pixelcnn.learning import model_tensors as pixelcnn_tensors
from ppyr.models.pixelcnn.network import PixelCnnConfig
from ppyr.models.pixelpyramids.learning import LevelNet
from ppyr.models.pixelpyramids.learning import model_tensors as pyramid_tensors
from ppyr.models.pixelpyramids.network import PyramidConfig
from ppyr.models.weights import Weights

from .random_model import random_weights

#: A gray PixelCNN with classes, one of colours, an auto-encoder for images of 8 x 8; PixelPyramids; stages.
NAMES = ("classes", "colours", "autoencoder", "pyramids", "stages")
CLASSES = 3
_CONFIGS = {
    "classes": PixelCnnConfig(4, 1, 6, 3, 2, 3, 1, classes=CLASSES),
    "colours": PixelCnnConfig(4, 3, 6, 2, 1, 3, 3),
    "autoencoder": PixelCnnConfig(4, 1, 6, 2, 1, 3, 1, classes=CLASSES, code=4, code_side=8),
}
_PYRAMID = PyramidConfig(6, 8, 3, 2, (1, 1, 1, 1), (4, 2, 2, 2), PixelCnnConfig(2, 3, 6, 2, 1, 3, 3))


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the models into a folder, in which models are looked for from now on."""
    monkeypatch.setenv(registry.VARIABLE, str(folder))
    registry.installed.cache_clear()
    predictor.load.cache_clear()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        first = np.array([30, 60, 90], np.uint8)
        for name, config in _CONFIGS.items():
            tensors = pixelcnn_tensors(PixelCnnNet(config, 8), first[: config.planes])
            modelfile.write(Weights(tensors, {}, pixelcnn.ARCHITECTURE), folder, name)
        levels = [LevelNet(config, 8) for config in _PYRAMID.networks]
        tensors = pyramid_tensors(_PYRAMID, levels, PixelCnnNet(_PYRAMID.coarsest, 8), first)
        modelfile.write(Weights(tensors, {}, pixelpyramids.ARCHITECTURE), folder, "pyramids")
    modelfile.write(random_weights(), folder, "stages")


def uninstall() -> None:
    """Forget what was read of the folder."""
    registry.installed.cache_clear()
    predictor.load.cache_clear()
