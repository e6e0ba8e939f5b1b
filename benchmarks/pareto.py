"""A plot of density against speed: bits/dim over MB/s to encode and to decode, on one thread.

    python -m benchmarks.pareto kodak --output docs/speed.png

It shows what `benchmarks.speed` stored under this name.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from .markdown import load
from .speed import RESULTS
from .speedtables import DIRECTIONS, SETS

#: Prefixes of codecs: label, colour, marker, and where from a point its effort is written.
FAMILIES = {
    "ppyr": ("ppyr, by effort", "tab:red", "o", (8, -13)),
    "jpegxl": ("JPEG XL, by effort", "tab:blue", "s", (0, -16)),
    "webp": ("WebP, method 6", "tab:green", "^", (0, -16)),
    "png": ("PNG, level 9", "tab:gray", "D", (0, -16)),
}
#: What has more than this times the bits of the densest codec is drawn at the upper edge.
FAR = 1.14


def draw(found: Mapping[str, Any], name: str, output: Path) -> None:
    """One panel to encode, one to decode."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), sharey=True)
    totals = found["totals"]["1"]
    edge = FAR * min(total["bits_per_dim"] for total in totals.values())
    for axis, kind in zip(axes, DIRECTIONS, strict=True):
        for family in FAMILIES:
            members = {codec: one for codec, one in totals.items() if codec.partition("-")[0] == family}
            if members:
                _family(axis, family, members, kind, edge)
        axis.set(xscale="log", xlabel=f"{kind}: MB of samples a second, log")
        axis.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axis.grid(which="both", alpha=0.25)
        axis.margins(x=0.12, y=0.12)
    low, _ = axes[0].get_ylim()
    axes[0].set(ylabel="bits/dim: less is denser", ylim=(low, edge))
    count = len(found["images"])
    images = f"{SETS.get(name, name)}, {count} image{'s' * (count > 1)}, one thread"
    figure.suptitle(f"{images}: fast and dense is at the lower right", fontsize=11)
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="lower center", ncols=len(FAMILIES), frameon=False
    )
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(output, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _family(axis: Axes, family: str, members: Mapping[str, Any], kind: str, edge: float) -> None:
    """The points of a codec, joined; those beyond the edge at it, with their bits/dim."""
    label, colour, marker, offset = FAMILIES[family]
    places = [(one["megabytes_per_second"][kind], one["bits_per_dim"]) for one in members.values()]
    speeds, bits = zip(*places, strict=True)
    shown = [min(one, edge) for one in bits]
    axis.plot(speeds, shown, color=colour, marker=marker, label=label, clip_on=False)
    for codec, speed, one in zip(members, speeds, bits, strict=True):
        effort = codec.partition("-")[2]
        text = f"{one:.2f} \N{UPWARDS ARROW}" if one > edge else effort
        place = (speed, min(one, edge))
        axis.annotate(text, place, offset, textcoords="offset points", ha="center", color=colour)


def main() -> None:
    """Draw what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name", nargs="?", default="kodak")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    found = load(RESULTS / f"{args.name}.json")
    if found is None:
        parser.error(f"there are no results of {args.name}: run python -m benchmarks.speed first")
    draw(found, args.name, args.output)


if __name__ == "__main__":
    main()
