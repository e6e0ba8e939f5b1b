"""The tables of docs/families.md; see `benchmarks.tables`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ppyr.models.pixelcnn.network import PixelCnnConfig
from ppyr.models.pixelpyramids.sizes import PUBLISHED, macs_per_pixel, parameters, sequential_steps

from .family_models import RECIPES, Recipe
from .markdown import load, percent, table

#: Sides of images for which the sizes of the published configuration are told.
SIDES = (64, 128, 256, 512, 1024)


class Published(NamedTuple):
    """What a paper says of a model: its data, bits/dim, parameters and training, "" if it does not tell."""

    model: str
    images: str
    bits_per_dim: float
    parameters: str
    training: str
    source: str


_LARGE = "200,000 steps of 128 images on 32 GPUs"
#: Of van den Oord et al. 2016 and of the poster of Mahajan and Roth 2021.
PAPERS = (
    Published("Gated PixelCNN", "CIFAR-10, 32 x 32, 8 bits", 3.03, "", "", "table 1"),
    Published("Gated PixelCNN", "ImageNet, 32 x 32, 8 bits", 3.83, "", _LARGE, "table 2"),
    Published("Gated PixelCNN", "ImageNet, 64 x 64, 8 bits", 3.57, "", _LARGE, "table 2"),
    Published("PixelPyramids", "ImageNet, 128 x 128, 8 bits", 3.40, "", "", "poster"),
    Published("PixelPyramids", "CelebA-HQ, 256 x 256, 5 bits", 0.61, "166,000,000", "", "poster"),
    Published("PixelPyramids", "CelebA-HQ, 1024 x 1024, 8 bits", 0.58, "", "", "poster"),
    Published("PixelPyramids", "LSUN bedroom, 128 x 128, 5 bits", 0.88, "", "", "poster"),
    Published("PixelPyramids", "LSUN church, 128 x 128, 5 bits", 1.07, "", "", "poster"),
    Published("PixelPyramids", "LSUN tower, 128 x 128, 5 bits", 0.95, "", "", "poster"),
)


def models(results: Path) -> str:  # noqa: ARG001
    """The models, what they were made for, and their sizes."""
    rows = [(f"`{name}`", *_described(recipe)) for name, recipe in RECIPES.items()]
    head = ("model", "trained on", "bits", "given with", "network", "logistics", "most pixels a side")
    return table(head, rows)


def _described(recipe: Recipe) -> tuple[str, ...]:
    config, images = recipe.config, _images(recipe.images)
    if isinstance(config, PixelCnnConfig):
        given = f"{config.classes} classes" if config.classes else ""
        given = f"a code of {config.code} numbers" if config.code else given
        network, side = f"{config.layers} layers of {config.width} channels", str(1 << config.side_bits)
        if config.dilations > 1:
            network += f", dilated by {', '.join(str(1 << one) for one in range(config.dilations))} in turn"
    else:
        given, side = "", "any"
        counts = ", ".join(str(stride**2) for stride in config.strides)
        network = f"U-Nets from {config.width} channels, LSTMs of {config.hidden}, S = {counts}"
    return images, str(recipe.bits), given, network, str(config.components), side


def likelihood(results: Path) -> str:
    """Bits per sample from floating point to files."""
    rows = [
        (
            *_told(row),
            f"{row['images']:,}",
            *(f"{row[key]:.4f}" if key in row else "" for key in ("float", "integer", "real")),
            *(f"{row[key]:.4f}" for key in ("streams", "files")),
            percent(row["integer"] / row["float"]) if "float" in row else "",
            percent(row["real"] / row["integer"]),
        )
        for row in _rows(results)
    ]
    kinds = ("float", "integer", "real", "streams", "files")
    head = ("model", "set", "label", "images", *kinds, "float to integer", "integer to real")
    return table(head, rows) + _conditions(results, "likelihood.json")


def costs(results: Path) -> str:
    """Sizes, training and times, one row for each model and set."""
    every = {(row["model"], row["set"]): row for row in reversed(_rows(results))}
    rows = [
        (
            *_told(row)[:2],
            f"{row['parameters']:,}",
            f"{row['macs_per_pixel']:,.0f}",
            f"{row['training_steps']:,}",
            f"{row['training_seconds'] / 60:.0f}",
            *(_milliseconds(row, key) for key in ("encode_seconds", "decode_seconds", "sample_seconds")),
            f"{row['steps']:,}",
            percent(row["shared_tables"]) if "shared_tables" in row else "",
        )
        for row in reversed(every.values())
        if "parameters" in row
    ]
    sizes = ("parameters", "MAC a pixel", "training steps", "minutes")
    times = ("encode, ms", "decode, ms", "draw, ms", "steps", "shared tables")
    return table(("model", "set", *sizes, *times), rows)


def papers(results: Path) -> str:
    """The figures of the papers, and ours on crops of photographs."""
    ours = [
        (
            f"`{row['model']}`",
            f"{_images(row['set'])}, {row['bits']} bits",
            f"{row['float']:.2f}",
            f"{row['parameters']:,}",
            f"{row['training_steps']:,} steps, {row['training_seconds'] / 60:.0f} minutes on one core",
            "this project",
        )
        for row in _rows(results)
        if row["set"].isdigit()
    ]
    theirs = [(f"*{one.model}*", one.images, f"*{one.bits_per_dim:.2f}*", *one[3:]) for one in PAPERS]
    return table(("model", "images", "bits/dim", "parameters", "training", "from"), [*theirs, *ours])


def published(results: Path) -> str:  # noqa: ARG001
    """Multiplications and steps of the published configuration, computed from its sizes."""
    rows = [
        (
            f"{side} x {side}",
            f"{macs_per_pixel(PUBLISHED, side, side):,.0f}",
            str(sequential_steps(PUBLISHED, side, side)),
        )
        for side in SIDES
    ]
    head = (f"{parameters(PUBLISHED):,} parameters", "MAC a pixel", "steps")
    return table(head, rows)


def coarsest(results: Path) -> str:
    """What the coarsest images of files cost under two models."""
    found = load(results / "coarsest.json")
    if found is None:
        return table(("coarsest images",), [])
    rows = [
        (
            "the levels of `default`" if name == "default" else f"the PixelCNN of `{name}`",
            f"{one['bytes']:,.0f}",
            f"{one['bits_per_dim']:.3f}",
            f"{100 * one['bytes'] / found['bytes']:.4f} %",
            f"{1000 * one['decode_seconds']:.1f}",
        )
        for name, one in found["models"].items()
    ]
    head = (f"{found['images']} images of {found['set']}", "bytes", "bits/dim", "of the files", "decode, ms")
    return table(head, rows) + _conditions(results, "coarsest.json")


def sampling(results: Path) -> str:
    """Steps and seconds to draw images of growing sides."""
    found = load(results / "sampling.json")
    if found is None:
        return table(("model", "side", "steps", "seconds"), [])
    rows = [
        (f"`{name}`", str(one["side"]), f"{one['steps']:,}", f"{one['seconds']:.3f}")
        for name, model in found["models"].items()
        for one in model["sizes"]
    ]
    return (
        f"{table(('model', 'side', 'steps', 'seconds'), rows)}{_conditions(results, 'sampling.json')}\n"
        "![Seconds and steps to draw an image, over its side](sampling.svg)\n"
    )


def drawings(results: Path) -> str:
    """The pages of pictures that are there."""
    found = load(results / "drawings.json")
    if found is None:
        return "No pages are drawn.\n"
    parts = []
    for name, page in found["pages"].items():
        ids = ", ".join(f"`{model}` {model_id[:8]}" for model, model_id in page["models"].items())
        parts.append(f"![{page['caption']}]({name})\n\n{page['caption']} ({ids}).\n")
    return "\n".join(parts)


def _rows(results: Path) -> list[dict[str, Any]]:
    found = load(results / "likelihood.json") or {"rows": []}
    rows: list[dict[str, Any]] = found["rows"]
    return rows


def _told(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Model, set and label."""
    recipe = RECIPES.get(row["model"])
    classes = recipe is not None and isinstance(recipe.config, PixelCnnConfig) and recipe.config.classes
    label = ("given" if row["labelled"] else "left out") if classes else ""
    return f"`{row['model']}`", f"{_images(row['set'])}, {row['bits']} bits", label


def _images(name: str) -> str:
    """A set, see `family_models.load`."""
    return f"crops of {name}" if name.isdigit() else name


def _milliseconds(row: Mapping[str, Any], key: str) -> str:
    return f"{1000 * row[key]:,.0f}" if key in row else ""


def _conditions(results: Path, name: str) -> str:
    """Under which versions a file of results was measured; nothing if it is not there."""
    found = load(results / name)
    if found is None:
        return ""
    versions = ", ".join(f"{one} {found['versions'][one]}" for one in ("torch", "numpy", "numba"))
    return f"\nOn one thread of an {found['cpu']}; Python {found['versions']['python']}, {versions}.\n"
