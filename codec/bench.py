"""Measuring: sizes and times of ppyr and of other lossless codecs on the same images, in the same process.

`measure` takes one image, `totals` adds up, `environment` says under which versions. Nothing here prints.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ppyr.about import info
from ppyr.decoding import decode
from ppyr.effort import encode
from ppyr.errors import ModelError, PpyrError
from ppyr.imagefile import ImageFile, read_image_file
from ppyr.images import Pixels, coloured
from ppyr.models.registry import model_name

REFERENCE = "jpegxl-9"
"""The peer to compare with where it takes part."""

PEERS = ("png", "webp", "jpegxl-7", "jpegxl-9")
"""Names of the codecs to compare with, each on one thread; the number behind jpegxl is its effort."""

EFFORTS = tuple(f"ppyr-{effort}" for effort in range(1, 10))
"""Names of ppyr itself at its efforts, which can be compared with as well."""

_PACKAGES = (
    "ppyr",
    "torch",
    "constriction",
    "numpy",
    "numba",
    "pillow",
    "imagecodecs",
    "safetensors",
    "atheris",
)
_OVERHEAD_RATIO = 1.001
_OVERHEAD_BYTES = 300


@dataclass(frozen=True, slots=True)
class Measured:
    """One codec on one image: size of the file in bytes, and the time that each direction took."""

    bytes: int
    encode_seconds: float
    decode_seconds: float


@dataclass(frozen=True, slots=True)
class ImageResult:
    """One image, which ppyr and every peer gave back bit for bit.

    Attributes:
        file: path of the image.
        width, height, channels: its size.
        bit_depth: bits a sample.
        bits_per_dim: bits of the .ppyr file for each sample.
        theoretical_bits_per_dim: see `ppyr.about.Info`.
        overhead_ok: whether the file without its changes to the model and its mapping is at most 0.1 %, and
            300 bytes for each unit (the colours or the alpha of a tile), larger than that information.
        model_evaluations: to decode.
        ppyr: size and times.
        peers: the same for every peer, by name.
    """

    file: str
    width: int
    height: int
    channels: int
    bit_depth: int
    bits_per_dim: float
    theoretical_bits_per_dim: float
    overhead_ok: bool
    model_evaluations: int
    ppyr: Measured
    peers: dict[str, Measured]

    @property
    def folder(self) -> str:
        """Name of the folder that the image is in."""
        return Path(self.file).parent.name

    def ratio(self, peer: str) -> float:
        """Bytes of ppyr for each byte of `peer`."""
        return self.ppyr.bytes / self.peers[peer].bytes


def warm_up(peers: Sequence[str] = (), *, backend: str = "auto", **density: Any) -> str:
    """Load the models and compile what is compiled at first use, so that no image's time contains it.

    Args:
        peers: those of them that are `EFFORTS` are to be loaded too.
        backend: auto, int8, torch, cuda or reference.
        density: effort, model and time_budget, see `ppyr.encode`.

    Returns:
        the model's id in hexadecimal digits.
    """
    slope = np.add.outer(np.arange(64), np.arange(64))
    for image in (slope, slope[..., np.newaxis] + np.arange(3) * slope[::-1, :, np.newaxis] // 4):
        for name in set(peers) & set(EFFORTS):
            encoder, decoder = peer(name, backend=backend)
            decoder(encoder(image.astype(np.uint8)))
        data = encode(image.astype(np.uint8), backend=backend, **density)
        decode(data, backend=backend)
    return info(data).model_id


def measure(
    path: str | os.PathLike[str],
    peers: Sequence[str] = PEERS,
    *,
    backend: str = "auto",
    **density: Any,
) -> ImageResult:
    """Encode and decode one image by ppyr and by `peers`, and compare what comes back bit for bit.

    Only the pixels of the file are measured, see `shown`; its metadata are left out for every codec.
    `density` is effort, model and time_budget, see `ppyr.encode`.

    Raises:
        ModelError: ppyr did not give back the same pixels.
        PpyrError: a peer did not, or the image can not be read.
    """
    image, bit_depth = shown(read_image_file(path, strip=["all"]))
    if peers and bit_depth not in ((8,) if "webp" in peers else (8, 16)):
        raise PpyrError(f"{bit_depth} bits are not what every peer takes: give --peers jpegxl-7, or none")
    ppyr, data = _time(
        image,
        lambda pixels: encode(pixels, bit_depth=bit_depth, backend=backend, **density),
        lambda data: decode(data, backend=backend, max_pixels=None),
        ModelError(f"{os.fspath(path)} does not come back from ppyr: try --backend reference"),
    )
    about = info(data)
    return ImageResult(
        file=os.fspath(path),
        width=about.width,
        height=about.height,
        channels=about.channels,
        bit_depth=about.bit_depth,
        bits_per_dim=about.bits_per_dim,
        theoretical_bits_per_dim=about.theoretical_bits_per_dim,
        overhead_ok=about.bytes - about.changes - about.mapping
        <= about.theoretical_bits_per_dim * image.size / 8 * _OVERHEAD_RATIO
        + _OVERHEAD_BYTES * sum(about.units.values()),
        model_evaluations=about.model_evaluations,
        ppyr=ppyr,
        peers={name: _measure_peer(image, name, backend) for name in peers},
    )


def shown(file: ImageFile) -> tuple[np.ndarray, int]:
    """The pixels of an image file as they are shown, and their bit depth.

    Colours (H, W, C) in place of the indices of a palette, 0..255 in place of less than 8 bits.
    """
    palette, depth = file.metadata.palette, file.bit_depth
    if palette is not None:
        return coloured(file.samples, palette), 8
    if depth < 8:
        return (file.samples.astype(np.uint16) * 255 // (2**depth - 1)).astype(np.uint8), 8
    return file.samples, depth


def by_folder(results: Sequence[ImageResult]) -> dict[str, dict[str, Any]]:
    """The totals of each folder, in order."""
    names = sorted({result.folder for result in results})
    return {name: totals([result for result in results if result.folder == name]) for name in names}


def totals(results: Sequence[ImageResult]) -> dict[str, Any]:
    """Add up: bits/dim averaged over images; for each peer also the ratios of ppyr's total bytes and seconds.

    Args:
        results: at least one, all with the same peers.
    """
    ours = _total([result.ppyr for result in results])
    samples = [result.width * result.height * result.channels for result in results]
    peers = {}
    for name in results[0].peers:
        measured = [result.peers[name] for result in results]
        theirs = _total(measured)
        peers[name] = {
            **asdict(theirs),
            "bits_per_dim": float(
                np.mean([8 * one.bytes / size for one, size in zip(measured, samples, strict=True)])
            ),
            "bytes_ratio": ours.bytes / theirs.bytes,
            "encode_seconds_ratio": ours.encode_seconds / theirs.encode_seconds,
            "decode_seconds_ratio": ours.decode_seconds / theirs.decode_seconds,
        }
    return {
        "images": len(results),
        **asdict(ours),
        "bits_per_dim": float(np.mean([result.bits_per_dim for result in results])),
        "theoretical_bits_per_dim": float(np.mean([result.theoretical_bits_per_dim for result in results])),
        "overhead_ok": all(result.overhead_ok for result in results),
        "peers": peers,
    }


def report(results: Sequence[ImageResult], *, command: str, threads: int, model_id: str) -> dict[str, Any]:
    """Give everything as JSON can hold it: what ran, under which versions, each image, the totals.

    Args:
        results: at least one.
        command: the command line that led here.
        threads: that ppyr computed on.
        model_id: of the model, in hexadecimal digits.
    """
    return {
        "codec": "ppyr",
        "model": model_name(bytes.fromhex(model_id)),
        "model_id": model_id,
        "command": command,
        "threads": threads,
        **environment(),
        "totals": totals(results),
        "images": [asdict(result) for result in results],
    }


def environment() -> dict[str, Any]:
    """Name the versions of Python and of the packages that matter, and the CPU."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {"versions": versions, "cpu": _cpu(), "platform": platform.platform()}


def _measure_peer(image: np.ndarray, name: str, backend: str) -> Measured:
    encoder, decoder = peer(name, backend=backend)
    measured, _ = _time(
        _coloured(image) if name == "webp" else image,
        encoder,
        decoder,
        PpyrError(f"the image does not come back from {name}: leave it out of --peers"),
    )
    return measured


def peer(
    name: str, threads: int = 1, backend: str = "auto"
) -> tuple[Callable[[np.ndarray], bytes], Callable[[bytes], np.ndarray]]:
    """Encoder and decoder of a peer, at the settings that its name stands for: PNG level 9, WebP method 6.

    PNG and WebP have no use for more than one thread; ppyr has those of the process, and the backend.
    """
    import imagecodecs

    if name in EFFORTS:
        effort = int(name.removeprefix("ppyr-"))
        return (
            lambda image: encode(image, effort=effort, backend=backend),
            lambda data: decode(data, backend=backend, max_pixels=None),
        )

    if name == "png":
        return lambda image: bytes(imagecodecs.png_encode(image, level=9)), imagecodecs.png_decode
    if name == "webp":
        return _webp_encode, _webp_decode
    effort = int(name.removeprefix("jpegxl-"))
    options: dict[str, Any] = {"lossless": True, "effort": effort, "numthreads": threads}
    return (
        lambda image: bytes(imagecodecs.jpegxl_encode(image, **options)),
        lambda data: imagecodecs.jpegxl_decode(data, numthreads=threads),
    )


def _webp_encode(image: np.ndarray) -> bytes:
    """By Pillow, which can keep the colours of transparent pixels."""
    from ppyr.images.pillow import write_webp

    return write_webp(Pixels(image, 8), method=6, quality=100)


def _webp_decode(data: bytes) -> np.ndarray:
    from ppyr.images.pillow import loaded

    return loaded(data, "WEBP")


def _coloured(image: np.ndarray) -> np.ndarray:
    """What WebP takes: gray as RGB, and no alpha that is opaque everywhere."""
    if image.ndim == 2:
        return np.repeat(image[..., np.newaxis], 3, axis=2)
    coloured = image[..., [0, 0, 0, 1]] if image.shape[2] == 2 else image
    return np.ascontiguousarray(coloured[..., :3]) if coloured[..., 3:].min(initial=255) == 255 else coloured


def _time(
    image: np.ndarray,
    encoder: Callable[[np.ndarray], bytes],
    decoder: Callable[[bytes], np.ndarray],
    error: PpyrError,
) -> tuple[Measured, bytes]:
    start = perf_counter()
    data = encoder(image)
    middle = perf_counter()
    decoded = decoder(data)
    end = perf_counter()
    if not np.array_equal(decoded, image):
        raise error
    return Measured(len(data), middle - start, end - middle), data


def _total(measured: Sequence[Measured]) -> Measured:
    return Measured(
        sum(one.bytes for one in measured),
        sum(one.encode_seconds for one in measured),
        sum(one.decode_seconds for one in measured),
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
