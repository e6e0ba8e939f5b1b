"""Training crops: photographs, made to look like more photographs than there are.

Augmentation widens what the network sees: flips and transposes, extra downscaling, sharpening, stronger and
other colours, gain and gamma, noise like that of sensors, chroma that was subsampled and interpolated again,
scans of film, gray, mild JPEG, and a few windows of graphics. Everything follows from one seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from .features import PHASES, ByteArray, Integers, anchor, coarse_features, sharp_residuals
from .prediction import CODING_ORDER

PhaseTensors = tuple[Tensor, Tensor, Tensor]

#: Shares of the channels, in coding order, in the luma of ITU-R BT.601.
LUMA = (0.587, 0.299, 0.114)


@dataclass(frozen=True)
class Augmentation:
    """Chance of each change of a crop, and that its window is of graphics if there are any."""

    downscale: float = 0.2
    sharpen: float = 0.2
    colour: float = 0.3
    gain: float = 0.3
    noise: float = 0.3
    chroma: float = 0.3
    scan: float = 0.05
    gray: float = 0.03
    jpeg: float = 0.05
    graphics: float = 0.06


@dataclass(frozen=True)
class CropSize:
    """One size of training crop: `side` pixels after keeping every `decimation`-th row and column.

    A window of a photograph gives decimation / 2 different crops to a batch of `batch`; `share` is the part
    of the batches that are of this size.
    """

    decimation: int
    side: int
    batch: int
    share: float = 1.0

    @property
    def window(self) -> int:
        """Pixels a side that a photograph must have."""
        return self.side * self.decimation


def stage_batch(images: npt.NDArray[np.int32]) -> tuple[Tensor, dict[str, PhaseTensors]]:
    """Integer features of a batch (B, 3, 2 h, 2 w) in coding order, as the float32 tensors of `StageNet`."""
    coarse: list[ByteArray] = []
    phases: dict[str, list[tuple[ByteArray, Integers, Integers]]] = {phase: [] for phase in PHASES}
    for image in images.transpose(0, 2, 3, 1):
        starts = {"00": (0, 0), "10": (1, 0), "01": (0, 1), "11": (1, 1)}
        known = {phase: np.ascontiguousarray(image[y::2, x::2]) for phase, (y, x) in starts.items()}
        for phase in PHASES:
            quarters, pixels = anchor(phase, known), known[phase]
            phases[phase].append((sharp_residuals(pixels, quarters), quarters, pixels))
        coarse.append(coarse_features(known["00"], 0, 0))
    return _tensor(coarse), {
        phase: (_tensor(residuals), _tensor(quarters), _tensor(pixels))
        for phase, found in phases.items()
        for residuals, quarters, pixels in [zip(*found, strict=True)]
    }


def _tensor(images: Iterable[npt.NDArray[np.integer[Any]]]) -> Tensor:
    """Images (h, w, C) as a float32 batch (B, C, h, w), channels last."""
    return torch.from_numpy(np.stack([*images]).astype(np.float32)).permute(0, 3, 1, 2)


def _sharpened(x: Tensor, rng: np.random.Generator) -> Tensor:
    """An unsharp mask of radius one."""
    return x + rng.uniform(0.3, 1.5) * (x - _smoothed(x))


def _smoothed(x: Tensor) -> Tensor:
    """The mean of every 3 x 3 pixels."""
    return functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)


def _recoloured(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Other saturation, contrast and balance, half of the time with the channels exchanged."""
    luma = x.mean(1, keepdim=True)
    x = luma + rng.uniform(0.4, 2.5) * (x - luma)
    if rng.random() < 0.5:
        x = x[:, rng.permutation(3)]
    balance = torch.from_numpy(rng.uniform(0.8, 1.25, (1, 3, 1, 1)).astype(np.float32))
    x = 128 + rng.uniform(0.8, 1.6) * (x * balance - 128)
    return x + _dither(x.shape, rng)


def _brightened(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Other gamma, gain and offset."""
    x = 255 * (x / 255).clamp(0, 1) ** rng.uniform(0.7, 1.4)
    x = x * rng.uniform(0.6, 1.2) + rng.uniform(-15, 15)
    return x + _dither(x.shape, rng)


def _dither(shape: Sequence[int], rng: np.random.Generator) -> Tensor:
    """Uniform noise of one grey level, which fills the gaps that a stretched histogram has."""
    return torch.from_numpy(rng.uniform(-0.5, 0.5, shape).astype(np.float32))


def _noisy(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Normal noise, partly common to the channels, sometimes blurred as by film grain and demosaicing."""
    return _grainy(x, rng, common=rng.uniform(0, 1), blurred=0.4)


def _grainy(x: Tensor, rng: np.random.Generator, common: float, blurred: float) -> Tensor:
    """Normal noise, of whose variance the channels have the part `common` in common.

    It is blurred with a chance of `blurred`.
    """
    each, all_alike = rng.standard_normal(x.shape), rng.standard_normal((1, 1, *x.shape[2:]))
    normal = np.sqrt(1 - common) * each + np.sqrt(common) * all_alike
    noise = torch.from_numpy((rng.uniform(0.3, 1.8) ** 2 * normal).astype(np.float32))
    if rng.random() < blurred:
        noise = 1.6 * functional.avg_pool2d(functional.pad(noise, (0, 1, 0, 1), mode="replicate"), 2, 1)
    return x + noise


def _subsampled_chroma(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Colour differences at half resolution, along one axis or both, and interpolated back."""
    luma = _luma(x, ((0.5, 0.25, 0.25), LUMA)[rng.integers(2)])
    chroma = x - luma
    rows, columns = ((True, True), (True, False), (False, True))[rng.choice(3, p=(0.7, 0.15, 0.15))]
    linear = rng.random() < 0.8
    if rows:
        down, up = _half_resolution(chroma.shape[2], rng.choice((0.0, 0.5, 0.5, 1.0)), linear)
        chroma = up @ down @ chroma
    if columns:
        down, up = _half_resolution(chroma.shape[3], rng.choice((0.0, 0.5, 0.5, 1.0)), linear)
        chroma = chroma @ (up @ down).T
    return luma + chroma


def _scanned(x: Tensor, rng: np.random.Generator) -> Tensor:
    """A scan of film: soft and grainy, stored as rounded luma and rounded chroma of half resolution.

    Luma and chroma have coarser steps than the pixels, as on Photo CD.
    """
    x = x + rng.uniform(0, 0.8) * (_smoothed(x) - x)
    x = _grainy(x, rng, common=rng.uniform(0.5, 1), blurred=0.7)
    luma = _luma(x, LUMA)
    red_blue = x[:, 1:] - luma
    luma_step, chroma_step = rng.uniform(0.5, 1.5), rng.uniform(0.5, 2.5)
    luma = (luma / luma_step).round() * luma_step
    (down, up), (across, back) = (
        _half_resolution(size, rng.choice((0.0, 0.5)), True) for size in x.shape[2:]
    )
    red_blue = (down @ red_blue @ across.T / chroma_step).round() * chroma_step
    red_blue = luma + up @ red_blue @ back.T
    green = (luma - LUMA[1] * red_blue[:, :1] - LUMA[2] * red_blue[:, 1:]) / LUMA[0]
    return torch.cat((green, red_blue), 1)


def _luma(x: Tensor, shares: tuple[float, float, float]) -> Tensor:
    return (torch.tensor(shares).view(3, 1, 1) * x).sum(1, keepdim=True)


def _half_resolution(size: int, siting: float, linear: bool) -> tuple[Tensor, Tensor]:
    """To keep every other sample, smoothed, (size / 2, size), and to interpolate them, (size, size / 2).

    The first one lies at pixel `siting`: 0 or 1, or 0.5 for samples between the pixels; interpolation is
    linear or repeats the samples.
    """
    samples = np.arange(siting, size, 2)
    distance = np.abs(np.arange(size)[:, None] - samples)
    down = np.clip(1.5 - distance, 0, 1).T
    nearest = np.clip((np.arange(size) - int(siting)) // 2, 0, len(samples) - 1)
    up = np.clip(2 - distance, 0, None) if linear else np.eye(len(samples))[nearest]
    down, up = (kernel / kernel.sum(1, keepdims=True) for kernel in (down, up))
    return torch.from_numpy(down.astype(np.float32)), torch.from_numpy(up.astype(np.float32))


def _gray(x: Tensor, _: np.random.Generator) -> Tensor:
    return x.mean(1, keepdim=True).expand(-1, 3, -1, -1)


def _jpeg(x: Tensor, rng: np.random.Generator) -> Tensor:
    """The traces of JPEG of high quality, its blocks anywhere on the crop."""
    top, left = (int(offset) for offset in rng.integers(8, size=2))
    padded = functional.pad(x, (left, 0, top, 0), mode="replicate")
    pixels = padded[0, CODING_ORDER[3]].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()
    file = BytesIO()
    quality, subsampling = int(rng.integers(85, 99)), int(rng.integers(3))
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
    decoded = np.asarray(Image.open(file))[top:, left:, CODING_ORDER[3]]
    return torch.from_numpy(decoded.transpose(2, 0, 1).astype(np.float32))[None]


#: The changes of a crop (1, 3, h, w), float32 in grey levels, in the order in which they happen.
_CHANGES: dict[str, Callable[[Tensor, np.random.Generator], Tensor]] = {
    "sharpen": _sharpened,
    "colour": _recoloured,
    "gain": _brightened,
    "noise": _noisy,
    "chroma": _subsampled_chroma,
    "scan": _scanned,
    "gray": _gray,
    "jpeg": _jpeg,
}


def augmented_crop(
    image: ByteArray, rng: np.random.Generator, size: int, augmentation: Augmentation
) -> npt.NDArray[np.int32]:
    """A random crop (3, size, size) of `image` (H, W, 3), in coding order, augmented."""
    height, width = image.shape[:2]
    window = size
    if rng.random() < augmentation.downscale:
        window = min(int(size * rng.uniform(1.05, 2.0)), height, width)
    top, left = rng.integers(height - window + 1), rng.integers(width - window + 1)
    crop = image[top : top + window, left : left + window, CODING_ORDER[3]]
    if rng.random() < 0.5:
        crop = crop.transpose(1, 0, 2)
    crop = crop[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))]
    x = torch.from_numpy(crop.transpose(2, 0, 1).astype(np.float32))[None]
    if window != size:
        x = functional.interpolate(x, (size, size), mode="bilinear", antialias=True)
    for name, change in _CHANGES.items():
        if rng.random() < getattr(augmentation, name):
            x = change(x, rng)
    return x[0].round().clamp(0, 255).numpy().astype(np.int32)


class CropBatches(Dataset[tuple[Tensor, dict[str, PhaseTensors]]]):
    """Batches for one stage, numbered from 0: the same number gives the same batch, whatever came before.

    Args:
        images: photographs (H, W, 3), uint8, no smaller than the windows of `sizes`.
        sizes: of the crops, drawn by their shares.
        augmentation: chances of each change.
        seed: of everything random.
        graphics: further images (H, W, 3), uint8; those smaller than a window are left out of it.
    """

    def __init__(
        self,
        images: Sequence[ByteArray],
        sizes: Sequence[CropSize],
        augmentation: Augmentation,
        seed: int,
        graphics: Sequence[ByteArray] = (),
    ) -> None:
        self.images, self.sizes, self.augmentation, self.seed = images, sizes, augmentation, seed
        self.graphics = {
            size.window: [image for image in graphics if min(image.shape[:2]) >= size.window]
            for size in sizes
        }

    def pixels(self, number: int) -> npt.NDArray[np.int32]:
        """Crops (B, 3, side, side) in coding order, int32."""
        rng = np.random.default_rng((self.seed, number))
        shares = np.array([size.share for size in self.sizes])
        size = self.sizes[rng.choice(len(self.sizes), p=shares / shares.sum())]
        step, crops = size.decimation, []
        subsamples = max(1, step // 2)
        for _ in range(size.batch // subsamples):
            graphics = self.graphics[size.window]
            source = graphics if graphics and rng.random() < self.augmentation.graphics else self.images
            image = source[int(rng.integers(len(source)))]
            crop = augmented_crop(image, rng, size.window, self.augmentation)
            positions = rng.choice(step * step, subsamples, replace=False)
            crops += [crop[:, place // step :: step, place % step :: step] for place in positions]
        return np.stack(crops)

    def __getitem__(self, number: int) -> tuple[Tensor, dict[str, PhaseTensors]]:
        return stage_batch(self.pixels(number))

    def loader(self, start: int, workers: int) -> DataLoader[tuple[Tensor, dict[str, PhaseTensors]]]:
        """Batches from `start` on, without end; worker processes, if any, make them ahead."""
        return DataLoader(
            self,
            batch_size=None,
            sampler=range(start, 2**62),
            num_workers=workers,
            prefetch_factor=4 if workers else None,
        )
