"""What ppyr and other libraries can do: each feature is tried with the libraries, on one processor.

    python -m benchmarks.features

Results go to benchmarks/results/features.json, and `python -m benchmarks.tables` renders them into
docs/comparison.md. A value is whether something works, a number, or null where a library has no such
interface.
"""

from __future__ import annotations

import argparse
import io
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import imagecodecs
import numpy as np
from packaging.requirements import Requirement
from PIL import Image, ImageCms, ImageFile

import ppyr
import ppyr.bitstream
import ppyr.models
from ppyr.bench import environment
from ppyr.threads import use_threads

from .contenders import CODECS, MODES, SIDE, Codec, enlarged, file_of, image_of, opened, photograph
from .speed import command_line
from .turns import ROUNDS, in_turn

RESULTS = Path(__file__).resolve().parent / "results" / "features.json"
FLIPS = 100
THUMBNAIL, REGION = (128, 128), (700, 600, 64, 64)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>'
EXIF = Image.Exif()
EXIF[270] = "words"

Value = bool | float | None


class Counting(io.BytesIO):
    """A file that counts the bytes that are read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """As of a file."""
        data = super().read(size)
        self.count += len(data)
        return data


def attempted(work: Callable[[], Value]) -> Value:
    """What the work gives; None if it raises something, a panic of Rust included, which is no `Exception`."""
    try:
        return work()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001
        return None


def seconds(work: Callable[[], object]) -> float:
    """Median time, after the first."""
    work()
    return in_turn({"": work}, {"": ROUNDS})[""]


def share(part: Callable[[], object], whole: Callable[[], object]) -> float:
    """Time of a part of some work as a share of the whole, likewise."""
    for work in (part, whole):
        work()
    times = in_turn({"part": part, "whole": whole}, {"part": ROUNDS, "whole": ROUNDS})
    return times["part"] / times["whole"]


def comes_back(codec: Codec, mode: str) -> bool:
    """Whether an image of a mode comes back in this mode, the same; raises what the library does."""
    image = image_of(mode)
    if codec.form is None:
        if mode == "P":
            raise TypeError("arrays have no palette")
        return np.array_equal(codec.pixels(codec.file(image)), np.asarray(image))
    back = opened(codec.file(image))
    same = (back.mode, back.tobytes()) == (mode, image.tobytes())
    return same and back.getpalette() == image.getpalette()


def keeps(mode: str, codec: Codec) -> bool:
    """The same, and no where it is refused."""
    return attempted(lambda: comes_back(codec, mode)) is True


def refuses(codec: Codec) -> bool:
    """Whether no mode is changed unasked."""
    return all(attempted(partial(comes_back, codec, mode)) is not False for mode in MODES)


def keeps_array(shape: tuple[int, ...], codec: Codec) -> bool:
    """Whether samples of 16 bits come back; Pillow has a mode for gray only."""
    samples = np.random.default_rng(0).integers(0, 1 << 16, shape, np.uint16)
    return bool(
        codec.encode
        and codec.decode
        and attempted(lambda: np.array_equal(codec.decode(codec.encode(samples)), samples))  # type: ignore[misc]
    )


def keeps_depth(codec: Codec) -> bool:
    """Whether a file says that gray has 12 bits."""
    samples = np.asarray(image_of("L")).astype(np.uint16) * 16
    return codec.package == "ppyr" and ppyr.info(ppyr.encode(samples, bit_depth=12)).bit_depth == 12


def lossless_unasked(codec: Codec) -> bool:
    """Whether a file that is written without options has the pixels."""
    image = image_of("RGB")
    if codec.form is None:
        data = imagecodecs.jpegxl_encode(np.asarray(image))
        return np.array_equal(imagecodecs.jpegxl_decode(data), np.asarray(image))
    file = io.BytesIO()
    image.save(file, codec.form)
    return opened(file.getvalue()).tobytes() == image.tobytes()


def keeps_frames(codec: Codec) -> bool:
    """Whether a file can have two."""
    first, second = image_of("RGB"), image_of("RGB").rotate(180)

    def two() -> bool:
        if codec.form is None:
            return keeps_array((2, SIDE, SIDE, 3), codec)
        return getattr(opened(codec.file(first, save_all=True, append_images=[second])), "n_frames", 1) == 2

    return attempted(two) is True


def carries_profile(codec: Codec) -> Value:
    """Whether the profile of an image comes back unasked."""
    if codec.form is None:
        return None
    image = image_of("RGB").copy()
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return bool(opened(codec.file(image)).info.get("icc_profile") == image.info["icc_profile"])


def takes(given: dict[str, Any], found: Callable[[Image.Image], Any], wanted: object, codec: Codec) -> Value:
    """Whether what is given to `Image.save` is found in the file."""
    return None if codec.form is None else bool(found(opened(codec.file(image_of("RGB"), **given))) == wanted)


def reads(work: Callable[[Image.Image], object], codec: Codec) -> Value:
    """Share of the bytes of a large image that is read until the work with it is done."""
    if codec.form is None:
        return None
    file = Counting(file_of(codec, enlarged))
    work(Image.open(file))
    return min(1, file.count / len(file.getvalue()))


def takes_time(work: Callable[[Image.Image], object], codec: Codec) -> Value:
    """Time of opening a large image and of the work with it, as a share of that of all its pixels."""
    if codec.form is None:
        return None
    data = file_of(codec, enlarged)
    return share(lambda: work(opened(data)), lambda: opened(data).load())


def bomb(codec: Codec) -> Value:
    """Time until Pillow's limit refuses a large image, as a share of that of all its pixels."""
    if codec.form is None:
        return None
    data = file_of(codec, enlarged)

    def refused() -> None:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, 1
        try:
            attempted(lambda: bool(opened(data)))
        finally:
            Image.MAX_IMAGE_PIXELS = limit

    return share(refused, lambda: opened(data).load())


def region(codec: Codec) -> Value:
    """Share of the bytes of a large image that a small part of it takes; the others have no call for that."""
    if codec.package != "ppyr":
        return 1
    file = Counting(file_of(codec, enlarged))
    with ppyr.open(file) as parts:
        parts.read(region=REGION)
    return file.count / len(file.getvalue())


def flipped(codec: Codec) -> Iterator[bytes]:
    """Files with one wrong bit, behind the first quarter."""
    data, random = codec.file(image_of("RGB")), np.random.default_rng(0)
    places, bits = random.integers(len(data) // 4, len(data), FLIPS), random.integers(0, 8, FLIPS)
    for at, bit in zip(places, bits, strict=True):
        yield data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def decoded(outcome: bool | None, codec: Codec) -> float:
    """Share of the wrong bits with which pixels are right (True), wrong (False), or an error (None)."""
    right = codec.pixels(codec.file(image_of("RGB")))

    def is_right(data: bytes) -> bool:
        return np.array_equal(codec.pixels(data), right)

    return [attempted(partial(is_right, data)) for data in flipped(codec)].count(outcome) / FLIPS


def verified(codec: Codec) -> Value:
    """Share of the wrong bits that `Image.verify` finds."""
    if codec.form is None:
        return None

    def passes(data: bytes) -> bool:
        opened(data).verify()
        return True

    return [attempted(partial(passes, data)) for data in flipped(codec)].count(None) / FLIPS


def half(codec: Codec) -> Value:
    """Share of the pixels that half a file gives rightly, where truncated images are allowed."""
    data = file_of(codec, photograph)
    right = codec.pixels(data)
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        cut = data[: len(data) // 2]
        return attempted(lambda: float((codec.pixels(cut) == right).all(-1).mean())) or 0.0
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def size(codec: Codec) -> float:
    """Kilobytes of the photograph."""
    return len(file_of(codec, photograph)) / 1000


def rate(work: Callable[[Codec], object], codec: Codec) -> float:
    """Megabytes of samples a second."""
    return len(photograph().tobytes()) / 1e6 / seconds(lambda: work(codec))


def jpeg(codec: Codec) -> float:
    """Bytes of the file of a JPEG as a share of its own."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.jpg"
        photograph().save(path, quality=90)
        data = path.read_bytes()
        if codec.form is None:
            return len(imagecodecs.jpegxl_encode_jpeg(data)) / len(data)
        return len(codec.file(Image.open(path), lossless_jpeg=True)) / len(data)


def installed(codec: Codec) -> float:
    """Megabytes of the package and of what it needs beside NumPy and Pillow."""
    found, todo = {"numpy", "pillow"}, [codec.package]
    files: set[Path] = set()
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        package = metadata.distribution(name)
        files |= {Path(str(file.locate())) for file in package.files or ()}
        needed = map(Requirement, package.requires or ())
        todo += [one.name.lower() for one in needed if not one.marker or one.marker.evaluate({"extra": ""})]
    if codec.package == "ppyr":  # an editable install has none of its files
        folders = [Path(path) for one in (ppyr, ppyr.bitstream, ppyr.models) for path in one.__path__]
        files |= {file.resolve() for folder in folders for file in folder.rglob("*")}
    return sum(file.stat().st_size for file in files if file.is_file() and file.suffix != ".pyc") / 1e6


SECTIONS: dict[str, list[tuple[str, str, Callable[[Codec], Value]]]] = {
    "Pixels": [
        ("lossless without an option", "", lossless_unasked),
        ("refuses what it can not keep", "", refuses),
        ("1 bit, mode `1`", "", partial(keeps, "1")),
        ("gray, `L`", "", partial(keeps, "L")),
        ("gray and alpha, `LA`", "", partial(keeps, "LA")),
        ("`RGB`", "", partial(keeps, "RGB")),
        ("`RGBA`, with the colours of transparent pixels", "", partial(keeps, "RGBA")),
        ("palette and indices as they are, `P`", "", partial(keeps, "P")),
        ("gray of 16 bits, `I;16`", "", partial(keeps, "I;16")),
        ("RGB of 16 bits", "", partial(keeps_array, (SIDE, SIDE, 3))),
        ("RGBA of 16 bits", "", partial(keeps_array, (SIDE, SIDE, 4))),
        ("gray of 12 bits, known to be 12", "", keeps_depth),
        ("floating point, `F`", "", partial(keeps, "F")),
        ("several frames", "", keeps_frames),
    ],
    "Metadata by Pillow": [
        ("ICC profile of the image", "", carries_profile),
        (
            "EXIF, if given",
            "",
            partial(takes, {"exif": EXIF.tobytes()}, lambda image: image.getexif()[270], "words"),
        ),
        ("XMP, if given", "", partial(takes, {"xmp": XMP}, lambda image: image.info.get("xmp"), XMP)),
        (
            "dpi, if given",
            "",
            partial(takes, {"dpi": (300, 300)}, lambda image: image.info.get("dpi"), (300, 300)),
        ),
    ],
    "1804 x 1200 pixels by Pillow": [
        ("bytes that `Image.open` reads", "%", partial(reads, lambda image: image.size)),
        ("time of `Image.open`", "%", partial(takes_time, lambda image: image.size)),
        ("time until `MAX_IMAGE_PIXELS` refuses them", "%", bomb),
        (
            "bytes for `thumbnail` of 128 pixels",
            "%",
            partial(reads, lambda image: image.thumbnail(THUMBNAIL)),
        ),
        ("time of it", "%", partial(takes_time, lambda image: image.thumbnail(THUMBNAIL))),
        ("bytes for a region of 64 x 64", "%", region),
    ],
    "Damage": [
        ("wrong bits that end in an error", "%", partial(decoded, None)),
        ("wrong bits that give wrong pixels", "%", partial(decoded, False)),
        ("wrong bits that `verify` finds", "%", verified),
        ("right pixels from half a file", "%", half),
    ],
    "Size and speed": [
        ("a photograph of 451 x 300", "kB", size),
        ("to encode", "MB/s", partial(rate, lambda codec: codec.file(photograph()))),
        ("to decode", "MB/s", partial(rate, lambda codec: codec.pixels(file_of(codec, photograph)))),
        ("the file of a JPEG, to the JPEG", "%", jpeg),
        ("installed, beside NumPy and Pillow", "MB", installed),
    ],
}
"""What is tried, the unit of numbers, and how; % is of the file, or of the time that all its pixels take."""


def main() -> None:
    """Try everything."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    use_threads(1)
    sections = {
        title: [
            {"feature": name, "unit": unit, "values": {title: work(codec) for title, codec in CODECS.items()}}
            for name, unit, work in rows
        ]
        for title, rows in SECTIONS.items()
    }
    found = {"command": command_line("benchmarks.features"), **environment(), "sections": sections}
    found["versions"] |= {codec.package: metadata.version(codec.package) for codec in CODECS.values()}
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
