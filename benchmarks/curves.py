"""A plot of training: loss and validation over the steps, from the logs that `ppyr train` wrote.

    python benchmarks/curves.py run --output docs/training.svg

`run` is the folder with finest.jsonl, next.jsonl and rest.jsonl; logs that are not there are left out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
mpl.rcParams["svg.hashsalt"] = "ppyr"

from matplotlib import pyplot as plt  # noqa: E402

STAGES = ("finest", "next", "rest")


def read(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The lines of every log, by stage."""
    logs = {}
    for stage in STAGES:
        path = folder / f"{stage}.jsonl"
        if path.exists():
            logs[stage] = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return logs


def draw(logs: dict[str, list[dict[str, Any]]], output: Path) -> None:
    """One panel for each stage: the loss on training crops, and bits/dim of the validation images."""
    figure, axes = plt.subplots(1, len(logs), figsize=(4 * len(logs), 3.2), squeeze=False)
    for axis, (stage, rows) in zip(axes[0], logs.items(), strict=True):
        steps = [row["step"] for row in rows]
        axis.plot(steps[1:], [row["loss"] for row in rows][1:], label="training crops")
        if all("validation" in row for row in rows):
            axis.plot(steps[1:], [row["validation"][-1] for row in rows][1:], label="validation")
        axis.set(title=stage, xlabel="step", ylabel="bits/dim")
        axis.grid(alpha=0.3)
        axis.legend()
    figure.tight_layout()
    figure.savefig(output, metadata={"Date": None} if output.suffix == ".svg" else None)


def main() -> None:
    """Read the folder of a run and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    logs = read(args.folder)
    if not logs:
        parser.error(f"{args.folder} has no log of {', '.join(STAGES)}")
    draw(logs, args.output)


if __name__ == "__main__":
    main()
