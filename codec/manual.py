"""What `ppyr COMMAND --help` says beside the options: a description, examples, exit status, environment."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

WIDTH = 78


@dataclass(frozen=True)
class Page:
    """What there is to know of a command.

    Attributes:
        description: paragraphs, with an empty line between them.
        examples: what each of these command lines does.
        status: what exit code 1 means here.
        see: pages of the documentation.
    """

    description: str
    examples: Mapping[str, str]
    status: str = "at least one file failed, the others are done"
    see: tuple[str, ...] = ()


PAGES = {
    "compress": Page(
        """
        Make a .ppyr file of each image file, beside it or where -o, --output-dir or -c say. Pixels,
        depth, palette and metadata are kept; what can not be kept is refused by name.

        Each file is decoded again and compared before it is put in place, and appears whole or not
        at all. The source stays, unless --rm removes it once its verified file is on the disk.

        Efforts 1 to 6 are models from small to large. From 7 on the model is fitted to the image,
        which takes seconds to minutes; a decoder is as fast as without.
        """,
        {
            "ppyr compress photo.png": "photo.ppyr beside it",
            "ppyr compress -e 8 photo.png": "smaller, and slow",
            "ppyr compress -j 4 -r pictures --output-dir packed": "a folder, four files at a time",
            "ppyr compress --strip exif,dpi photo.png": "without these metadata",
            "ppyr compress --model own.safetensors --embed-model a.png": "by your own model, in the file",
            "ppyr compress -c - < photo.png > photo.ppyr": "through pipes",
        },
        see=(
            "docs/images.md",
            "docs/metadata.md",
            "docs/effort.md",
        ),
    ),
    "decompress": Page(
        """
        Make an image file of each .ppyr file: PNG, or by the name that -o gives TIFF, WebP, PPM,
        PAM or BMP. A format that can not hold the image, or its metadata, is refused.

        --level and --region decode a part, from the bytes that it needs. Of a file that is cut off,
        --allow-truncated gives the largest image that is complete.
        """,
        {
            "ppyr decompress photo.ppyr": "photo.png",
            "ppyr decompress photo.ppyr -o photo.tif": "a TIFF",
            "ppyr decompress --level 3 photo.ppyr -o small.png": "every 8th row and column",
            "ppyr decompress --region 10,20,300,200 photo.ppyr -o part.png": "300 x 200 pixels from (10, 20)",
            "ppyr decompress -c photo.ppyr > photo.png": "to a pipe",
        },
        see=(
            "docs/images.md",
            "docs/metadata.md",
        ),
    ),
    "info": Page(
        """
        Print what .ppyr files say about themselves: size, depth, model, bytes and bits/dim, real
        and theoretical, and which metadata they have. Nothing is decoded, and no more than the
        front is read. -v adds the levels.
        """,
        {
            "ppyr info photo.ppyr": "for people",
            "ppyr info --json photo.ppyr": "one JSON object a file, each on its line",
        },
    ),
    "verify": Page(
        """
        Decode .ppyr files, and compare every checksum and the digest of the pixels. Nothing is
        written.
        """,
        {
            "ppyr verify photo.ppyr": "one file",
            "ppyr verify -j 4 packed/*.ppyr": "many, four at a time",
            "ppyr verify --report archive/report.jsonl": "an archive that ppyr batch made",
        },
        status="at least one file is damaged or can not be read",
    ),
    "batch": Page(
        """
        Compress a folder, or the images that a manifest lists, any number of them, and keep a report with a
        row for each. A manifest is a text with a path on each line, or JSON objects with path and output.
        Places can be URLs that fsspec knows.

        An image that fails costs nothing but its own row. Stopped in any way, the same command goes on: what
        the report or the output itself shows to be done is not done again.
        """,
        {
            "ppyr batch scans archive": "archive/report.jsonl tells what became of each image",
            "ppyr batch --dry-run list.txt archive": "what would be done",
            "ppyr batch --engine ray -j 64 list.jsonl /shared/archive": "on a Ray cluster",
        },
        status="at least one image failed, the others are done",
        see=("docs/archives.md",),
    ),
    "bench": Page(
        """
        Measure whole files and times on your images, beside those of PNG, WebP and JPEG XL. All
        codecs run in one process on the same pixels, and what each gives back is compared.
        """,
        {
            "ppyr bench pictures": "a table",
            "ppyr bench --peers jpegxl-7,ppyr-1 pictures --html bench.html": "plots and tables for a browser",
            "ppyr bench -e 1 --peers jpegxl-7 pictures --json results.json": "one peer, and JSON",
        },
        see=(
            "docs/density.md",
            "docs/speed.md",
        ),
    ),
    "inspect": Page(
        """
        Write a page of HTML that shows what a .ppyr file holds: the picture, what each of its pixels costs,
        what prefixes of the file show, bits by level and channel, tiles, sections and metadata. It is one
        file, without scripts, and fetches nothing.
        """,
        {
            "ppyr inspect photo.ppyr -o photo.html": "a page to open in a browser",
        },
        status="the file is damaged, or the page is there already",
        see=("docs/reports.md",),
    ),
    "demo": Page(
        """
        Compress a bundled photograph, decompress it, and compare every pixel, in a folder that is
        removed.
        """,
        {
            "ppyr demo": "shows that the installation works",
        },
        status="the installation does not work here",
    ),
    "sample": Page(
        """
        Write images that a likelihood model draws, from nothing or from the coarse levels of a
        .ppyr file. All that is drawn is invented, and a PNG says so in its comment.
        """,
        {
            "ppyr sample --model pixelpyramids --size 256x256 -o drawn.png": "an image",
            "ppyr sample --model pixelcnn-mnist --gray --size 28x28 --label 3 -o three.png": "a digit",
            "ppyr sample photo.ppyr --level 2 -o completed.png": "every 4th pixel kept, the others drawn",
        },
        see=("docs/families.md",),
    ),
    "train": Page(
        """
        Train a model on folders of photographs, or tune one to a collection: --from trains the networks of a
        model on, and with --adapt finds changes to its integers that take a few kilobytes. A fifth of a
        collection is held out, and what a tuned model wins is counted in bytes of these files.

        An interrupted run goes on when the same command is given again.
        """,
        {
            "ppyr train scans --from default -o archive.safetensors": "a model of your own",
            "ppyr train scans --adapt --from max -o changes.json": "changes to one, a few kilobytes",
            "ppyr train photographs --output run --export mine": "a model from nothing, which takes long",
        },
        status="the images or the settings do not do, or the tuned model is no better",
        see=("docs/own-model.md", "docs/training.md"),
    ),
}
"""By command."""

_STATUS = {2: "the command line makes no sense, and nothing was done", 130: "interrupted"}
_ENVIRONMENT = {
    "PPYR_MODEL_PATH": "folders of models, beside those that are installed",
    "NUMBA_CACHE_DIR": "where compiled functions are kept, if not beside the package",
}


def explain(commands: Mapping[str, argparse.ArgumentParser]) -> None:
    """Put the pages into the help of the commands' parsers."""
    for name, parser in commands.items():
        page = PAGES[name]
        status = {0: "all is done", 1: page.status, **_STATUS}
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.description = "\n\n".join(map(_filled, page.description.split("\n\n")))
        parser.epilog = "\n\n".join(
            (
                "examples:\n" + "\n".join(f"  {line}\n      {told}" for line, told in page.examples.items()),
                "exit status:\n" + "\n".join(f"  {code:<5}{told}" for code, told in status.items()),
                "environment:\n" + "\n".join(f"  {key}\n      {told}" for key, told in _ENVIRONMENT.items()),
                *(["see also:\n  " + ", ".join(page.see)] if page.see else []),
            )
        )


def _filled(paragraph: str) -> str:
    return textwrap.fill(" ".join(paragraph.split()), WIDTH)
