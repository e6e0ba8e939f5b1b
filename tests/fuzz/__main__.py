"""Fuzz every target in turn: `python -m tests.fuzz --minutes 30 --seed 1`; needs the extra `fuzz`.

Each target runs in a process of its own, under atheris (libFuzzer with coverage of Python code) and with
Numba's checks of bounds. A finding is an exception outside ppyr's tree, a wrong result, an input that takes
more than 200 MB or two seconds, or the end of the process. All are listed in the report, by the place that
raised; the input of each lies beside it in a folder of the target's name. Targets that are not run keep what
the report says of them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NAMES = ("decode", "open", "info", "changes", "model", "recipe", "image")
REPORT = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "fuzzing.json"


def main() -> None:
    """Run the targets that the command line names, and write the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition(":")[0])
    parser.add_argument("--minutes", type=float, default=7, help="in all, the same for every target")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations, from 1 on")
    parser.add_argument("--targets", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--report", type=Path, default=REPORT)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        from .child import fuzz

        fuzz(args.targets[0], args.child, seconds=round(60 * args.minutes), seed=args.seed)
        return
    folder = Path(tempfile.mkdtemp(prefix="ppyr-findings-"))
    share = args.minutes / len(args.targets)
    command = shlex.join(["python", "-m", "tests.fuzz", *sys.argv[1:]])
    before = json.loads(args.report.read_text("utf-8"))["targets"] if args.report.exists() else {}
    ran = {name: {"command": command, **run(name, folder / name, share, args.seed)} for name in args.targets}
    targets = {name: (before | ran)[name] for name in NAMES if name in before | ran}
    from ppyr.bench import environment

    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "minutes": round(sum(found["seconds"] for found in targets.values()) / 60, 1),
        "executions": sum(found["executions"] for found in targets.values()),
        "findings": sum(len(found["findings"]) for found in targets.values()),
        "targets": targets,
        **environment(),
    }
    args.report.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(f"{report['executions']:,} executions, {report['findings']} findings, inputs in {folder}")


def run(name: str, folder: Path, minutes: float, seed: int) -> dict[str, Any]:
    """One target in a process of its own: what the report says of it."""
    folder.mkdir()
    words = ["--targets", name, "--minutes", str(minutes), "--seed", str(seed), "--child", str(folder)]
    cache = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(folder.parent / "numba")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *words],
        env=os.environ | cache,
        stderr=subprocess.PIPE,
        check=False,
    )
    log = done.stderr.decode(errors="replace")
    (folder / "log").write_text(log, "utf-8")
    counts = folder / "counts.json"
    found: dict[str, Any] = json.loads(counts.read_text()) if counts.exists() else {"findings": []}
    if done.returncode:
        found["findings"].append({"place": "process", "error": log[-2000:], "times": 1})
    executed = re.search(r"number_of_executed_units: (\d+)", log)
    found["executions"] = int(executed[1]) if executed else found.get("executions", 0)
    covered = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", log)
    if covered:
        found["edges"], found["features"], found["corpus"] = map(int, covered[-1])
    print(f"{name}: {found['executions']:,} executions, {len(found['findings'])} findings", flush=True)
    return {"seconds": round(60 * minutes), **found}


if __name__ == "__main__":
    main()
