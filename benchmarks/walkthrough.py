"""Try ppyr as a newcomer does: from its wheel, in an environment of its own, far from the checkout.

    python -m benchmarks.walkthrough

Builds the wheel, installs it with its extras into a fresh environment, and runs all that docs/walkthrough.md
shows, in a new folder, from top to bottom: lines that begin with `$ ` in its console blocks, and those with
`> ` that go on with them. What they print replaces what the document has below them. A command that fails
ends it all.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "walkthrough.md"
EXTRAS = "batch,ray,zarr"
#: Beside ppyr: what the walk shows it with.
FRIENDS = ("imageio", "matplotlib")
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def walked(text: str, folder: Path, environment: Mapping[str, str]) -> str:
    """The document with what its commands print in `folder`.

    Raises:
        SystemExit: one of them fails.
    """
    bar = tqdm(total=len(commands(text)), unit="command", disable=not sys.stderr.isatty())

    def block(found: re.Match[str]) -> str:
        lines = []
        for shown in commands(found[0]):
            lines += [shown, printed(command_of(shown), folder, environment)]
            bar.update()
        return "```console\n" + "".join(lines) + "```"

    return _BLOCK.sub(block, text)


def commands(text: str) -> list[str]:
    """The commands of a text's console blocks, as they are shown, each with the lines that go on with it."""
    blocks = _BLOCK.findall(text)
    return [found for one in blocks for found in re.findall(r"^\$ .*\n(?:^> .*\n|^>\n)*", one, re.MULTILINE)]


def command_of(shown: str) -> str:
    """A command as the shell takes it."""
    return "".join(line[2:] or "\n" for line in shown.splitlines(keepends=True))


def printed(command: str, folder: Path, environment: Mapping[str, str]) -> str:
    """What a command prints, both its outputs in one.

    Raises:
        SystemExit: it fails.
    """
    words = ["/bin/bash", "-e", "-c", command]
    done = subprocess.run(
        words,
        cwd=folder,
        env=dict(environment),
        text=True,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        raise SystemExit(f"{command.strip()} gives the exit code {done.returncode}:\n{done.stdout}")
    return done.stdout if done.stdout.endswith("\n") or not done.stdout else done.stdout + "\n"


def install(folder: Path) -> dict[str, str]:
    """Build the wheel, install it into a fresh environment, and give the variables of a shell there."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(ROOT)],
        check=True,
    )
    (wheel,) = folder.glob("ppyr-*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    binaries = folder / "venv" / "bin"
    words = [str(binaries / "pip"), "install", "--quiet", "-c", str(ROOT / "constraints.txt")]
    subprocess.run([*words, f"{wheel}[{EXTRAS}]", *FRIENDS], check=True)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "VIRTUAL", "PPYR"))
    }
    return {**kept, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}


def main() -> None:
    """Walk, and write down what is seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.parse_args()
    text = DOCUMENT.read_text("utf-8")
    with tempfile.TemporaryDirectory() as name:
        environment = install(Path(name))
        place = Path(name) / "walk"
        place.mkdir()
        DOCUMENT.write_text(walked(text, place, environment), "utf-8")


if __name__ == "__main__":
    main()
