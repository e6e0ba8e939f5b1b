"""Interrupts, kills and full disks: the source stays, and no part of an output gets its name."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import ppyr
from ppyr.cli import main
from ppyr.imagefile import read_image, write_image

from .photograph import crop

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and limits are those of POSIX")

IMAGE = crop(19, 24)
#: The command line in a process that says so and waits where it is to be hit.
WAITING = """
import os, signal, sys, time
from pathlib import Path
from ppyr import cli

def wait(*_, **__):
    print("here", flush=True)
    time.sleep(600)

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a background job is born without
place, *words = sys.argv[1:]
if place == "written":
    os.fsync = wait
elif place == "computing":
    from ppyr import files
    files.encode = files.decode = wait
elif place == "placing":
    Path.hardlink_to = Path.replace = wait
sys.exit(cli.main(words))
"""
COMMANDS = {
    "compress": ["compress", "-q", "-e", "1", "photo.png", "-o", "out.ppyr"],
    "remove": ["compress", "-q", "-e", "1", "--rm", "photo.png", "-o", "out.ppyr"],
    "decompress": ["decompress", "-q", "photo.ppyr", "-o", "out.png"],
}


@pytest.fixture(params=COMMANDS)
def command(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name of a command, in a folder with its source."""
    monkeypatch.chdir(tmp_path)
    write_image(IMAGE, "photo.png")
    assert main(["compress", "-q", "-e", "1", "photo.png"]) == 0
    before = contents()
    yield request.param
    left = {name: data for name, data in contents().items() if name.startswith("photo")}
    if "photo.png" not in left:  # removed, but only when another file has all of it
        assert request.param == "remove"
        assert np.array_equal(ppyr.decode(Path("out.ppyr").read_bytes()), IMAGE)
        del before["photo.png"]
    assert left == before


def contents() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path().iterdir()}


def prepared(command: str, *, force: bool) -> list[str]:
    """The words of a command; with `force` its output is there already, and is to be replaced."""
    words = COMMANDS[command]
    if not force:
        return words
    Path(words[-1]).write_bytes(b"mine")
    return [*words, "-f"]


def hit(words: list[str], place: str, number: signal.Signals) -> tuple[int, str]:
    """Run a command up to a place, send it a signal there; exit code and what it says."""
    with subprocess.Popen(
        [sys.executable, "-c", WAITING, place, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        assert any(name.endswith(".tmp") for name in contents()) == (place != "computing")
        process.send_signal(number)
        _, err = process.communicate()
    return process.returncode, err


@pytest.mark.parametrize(("place", "force"), [("computing", False), ("written", False), ("placing", True)])
def test_an_interrupt_leaves_no_trace(command: str, place: str, force: bool) -> None:
    words = prepared(command, force=force)
    before = contents()
    assert hit(words, place, signal.SIGINT) == (130, "ppyr: interrupted\n")
    assert contents() == before


@pytest.mark.parametrize(("place", "force"), [("written", True), ("placing", False), ("placing", True)])
def test_a_killed_process_leaves_a_temporary_file_only(command: str, place: str, force: bool) -> None:
    words = prepared(command, force=force)
    before = contents()
    code, _ = hit(words, place, signal.SIGKILL)
    assert code == -signal.SIGKILL
    left = contents()
    (temporary,) = left.keys() - before.keys()
    assert temporary.startswith(".ppyr-")
    assert {name: left[name] for name in before} == before
    assert main(words) == 0
    if command == "decompress":
        assert np.array_equal(read_image("out.png"), IMAGE)
    else:
        assert np.array_equal(ppyr.decode(Path("out.ppyr").read_bytes()), IMAGE)
    assert Path("photo.png").exists() == (command != "remove")


def run(words: list[str], stdout: Path | None = None, largest_file: int | None = None) -> tuple[int, str]:
    """Run a command with its output and its files limited."""

    def limit() -> None:
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    with (stdout or Path(os.devnull)).open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-m", "ppyr", *words],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            preexec_fn=limit,
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )
    return done.returncode, done.stderr


@pytest.mark.parametrize("force", [False, True], ids=["new", "force"])
def test_an_output_that_does_not_fit_is_not_left_behind(command: str, force: bool) -> None:
    words = prepared(command, force=force)
    before = contents()
    code, err = run(words, largest_file=100)
    assert code == 1
    assert err == f"ppyr: {words[words.index('-o') - 1]}: File too large\n"
    assert contents() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", ["compress"], indirect=True)
@pytest.mark.parametrize("words", ["compress -ce 1 photo.png", "decompress -c photo.ppyr", "info photo.ppyr"])
@pytest.mark.usefixtures("command")
def test_a_full_pipe_is_an_error(words: str) -> None:
    code, err = run(words.split(), stdout=Path("/dev/full"))
    assert code == 1
    assert "No space left on device" in err
    assert len(err.splitlines()) == 1
