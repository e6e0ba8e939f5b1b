"""Pages of pictures that the families' models draw, for docs/families.md.

    python -m benchmarks.drawings FOLDER
    python -m benchmarks.drawings FOLDER --pages digits.png

FOLDER has the photographs of CQ100 in `cq100/`. The pages go to docs/, and what is on them to
benchmarks/results/drawings.json; `python -m benchmarks.tables` puts them into the document.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from ppyr.bench import environment
from ppyr.bitstream.raster import Samples
from ppyr.coding import encode_changed
from ppyr.models import predictor, registry
from ppyr.picture import Picture
from ppyr.sampling import complete, sample

from .markdown import load
from .pictures import rgb_pixels
from .speed import command_line

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
RESULT = ROOT / "benchmarks" / "results" / "drawings.json"

PHOTOGRAPHS = ("kingfisher.png", "red_eyed_tree_frog.png")
#: What photographs are scaled down by, so that a page has room for whole ones.
REDUCED = 7
LEVELS = (4, 3, 2, 1)
#: Samples between pictures, those that a line of text takes, and the size of its letters.
_GAP, _LINE, _LETTERS = 4, 18, 12
_PAPER, _INK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True)
class Row:
    """A row of a page: pictures (H, W) or (H, W, 3), all those of a page of one size, and a title."""

    title: str
    pictures: Sequence[Samples]


def page(rows: Sequence[Row], heads: Sequence[str] = ()) -> Samples:
    """Rows of pictures, (H, W, 3), with the titles of rows to the left and heads above the columns."""
    height, width = rows[0].pictures[0].shape[:2]
    font = ImageFont.load_default(_LETTERS)
    left = 2 * _GAP + ceil(max(font.getlength(row.title) for row in rows))
    top = _LINE if heads else _GAP
    across = [left + number * (width + _GAP) for number in range(max(len(row.pictures) for row in rows))]
    down = [top + number * (height + _GAP) for number in range(len(rows))]
    canvas = Image.new("RGB", (across[-1] + width + _GAP, down[-1] + height + _GAP), _PAPER)
    pen = ImageDraw.Draw(canvas)
    for x, head in zip(across, heads, strict=False):
        pen.text((x, 0), head, _INK, font)
    for y, row in zip(down, rows, strict=True):
        pen.text((_GAP, y), row.title, _INK, font)
        for x, picture in zip(across, row.pictures, strict=False):
            canvas.paste(Image.fromarray(picture), (x, y))
    return np.asarray(canvas)


def enlarged(picture: Samples, scale: int) -> Samples:
    """Every pixel as a square of scale x scale pixels."""
    return picture.repeat(scale, 0).repeat(scale, 1)


def digits(model: str, labels: Sequence[int], side: int, count: int) -> Samples:
    """Gray squares that a model draws, a row for each label, shown twice as large."""
    return page(
        [
            Row(
                str(label),
                [
                    enlarged(sample(model, side, side, 1, label=label, seed=count * label + number), 2)
                    for number in tqdm(range(count), desc=f"digit {label}", leave=False)
                ],
            )
            for label in labels
        ]
    )


def completion(photographs: Sequence[Samples], models: Sequence[str], levels: Sequence[int]) -> Samples:
    """What is kept of photographs (H, W, 3), of one size, from level to level, and how models complete it."""
    rows = []
    for photograph in photographs:
        height, width, _ = photograph.shape
        kept = [enlarged(photograph[:: 1 << level, :: 1 << level], 1 << level) for level in levels]
        rows.append(Row("kept", [*(one[:height, :width] for one in kept), photograph]))
        for name in models:
            model = predictor.load(registry.by_name(name))
            data = encode_changed(Picture.of(photograph, tile_bits=model.tile_bits), model, [])
            rows.append(Row(name, [complete(data, level) for level in tqdm(levels, desc=name, leave=False)]))
    heads = ["every 2nd" if level == 1 else f"every {1 << level}th" for level in levels]
    return page(rows, [*heads, "original"])


def crops(sides: Mapping[str, int], rows: int, count: int) -> Samples:
    """RGB draws of models, of the sides that are given, all shown as large as the largest."""
    largest = max(sides.values())
    return page(
        [
            Row(
                "" if row else f"{model}, {side} x {side}",
                [
                    enlarged(sample(model, side, side, seed=count * row + number), largest // side)
                    for number in tqdm(range(count), desc=model, leave=False)
                ],
            )
            for model, side in sides.items()
            for row in range(rows)
        ]
    )


def reduced(path: Path) -> Samples:
    """A photograph (h, w, 3), scaled down by REDUCED."""
    return np.asarray(Image.fromarray(rgb_pixels(path)).reduce(REDUCED))


@dataclass(frozen=True)
class Page:
    """A page of the document.

    Attributes:
        caption: what is to be seen.
        models: by name, that drew it.
        draw: makes it, of the folder of photographs.
    """

    caption: str
    models: tuple[str, ...]
    draw: Callable[[Path], Samples]


PAGES = {
    "digits.png": Page(
        "Digits that pixelcnn-mnist drew, a row for each label",
        ("pixelcnn-mnist",),
        lambda _: digits("pixelcnn-mnist", range(10), 28, 14),
    ),
    "crops.png": Page(
        "32 x 32 pixels that pixelcnn-32 drew, shown twice as large, and 64 x 64 that pixelpyramids drew",
        ("pixelcnn-32", "pixelpyramids"),
        lambda _: crops({"pixelcnn-32": 32, "pixelpyramids": 64}, 3, 8),
    ),
    "completion.png": Page(
        f"Photographs of CQ100, scaled down by {REDUCED}: the pixels that are kept, and the others as "
        "pixelpyramids and default drew them",
        ("pixelpyramids", "default"),
        lambda folder: completion(
            [reduced(folder / "cq100" / name) for name in PHOTOGRAPHS], ("pixelpyramids", "default"), LEVELS
        ),
    ),
}


def main() -> None:
    """Draw the pages that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pages", nargs="+", choices=PAGES, default=list(PAGES))
    args = parser.parse_args()
    pages = (load(RESULT) or {"pages": {}})["pages"]
    for name in args.pages:
        chosen = PAGES[name]
        Image.fromarray(chosen.draw(args.folder)).save(DOCS / name, optimize=True)
        ids = {model: registry.by_name(model).hex() for model in chosen.models}
        pages[name] = {"caption": chosen.caption, "models": ids}
    ordered = {name: pages[name] for name in PAGES if name in pages}
    result = {"command": command_line("benchmarks.drawings"), **environment(), "pages": ordered}
    RESULT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
