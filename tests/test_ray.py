"""The engine on a real cluster of Ray with two workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import ray

import ppyr
from ppyr.archive.batch import compress_archive
from ppyr.archive.compressor import LOST, Compressor
from ppyr.archive.manifest import planned
from ppyr.archive.ray_engine import ENVIRONMENT, Ray
from ppyr.archive.report import Journal, rows_of
from ppyr.archive.rows import Row, Task
from ppyr.cli import main
from ppyr.imagefile import read_image, write_image

from .photograph import crop

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
]

REPORT = Path("out", "report.jsonl")


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Address of a cluster of this machine."""
    os.environ.update(ENVIRONMENT)
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: str) -> str:
    """The working directory, with a folder of images, some of which are none."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for number in range(40):
        write_image(crop(5, 5 + number), f"in/{number:02}.png")
    Path("in/bad.png").write_bytes(b"no image")
    return cluster


@dataclass(frozen=True)
class Deadly(Compressor):
    """An image kills the process that opens it, and another one once the actor of that process."""

    def __call__(self, task: Task) -> Row:
        if task.path == "07.png":
            os.kill(os.getpid(), signal.SIGKILL)
        once = Path(self.target, "killed")
        if task.path == "23.png" and not once.exists():
            once.touch()
            os.kill(os.getppid(), signal.SIGKILL)
        return super().__call__(task)


def test_two_actors_make_the_same_archive(folder: str) -> None:
    words = ["batch", "-q", "-e", "1", "in"]
    command = [sys.executable, "-m", "ppyr", *words, "out", "--engine", "ray", "--address", folder, "-j", "2"]
    assert subprocess.run(command, check=False).returncode == 1
    assert main([*words, "here"]) == 1
    rows, others = (
        {row.path: replace(row, seconds=0) for row in rows_of(Path(name, "report.jsonl"))}
        for name in ("out", "here")
    )
    assert rows == others
    assert Counter(row.state for row in rows.values()) == {"encoded": 40, "failed": 1}
    for row in rows.values():
        if row.is_finished:
            image = ppyr.decode(Path("out", row.output).read_bytes())
            assert np.array_equal(image, read_image(Path("in", row.path)))


@pytest.mark.usefixtures("folder")
def test_what_is_killed_costs_one_image_and_is_taken_up_again() -> None:
    options = {"effort": 1, "backend": "auto"}
    with planned("in", "out") as plan, Journal(REPORT) as journal:
        work = Deadly(plan.root, plan.target, options, partial(ppyr.use_threads, 1))
        assert compress_archive(plan, journal, Ray(2), work) == 1
    assert Path("out/killed").exists()
    rows = list(rows_of(REPORT))
    assert len(rows) == 41
    assert {row.path: row.message for row in rows if row.error == "BrokenExecutor"} == {"07.png": LOST}
    assert {row.path for row in rows if not row.is_finished} == {"07.png", "bad.png"}
    before = REPORT.read_bytes()
    assert main(["batch", "-q", "-e", "1", "in", "out", "--rm"]) == 1
    assert {path.name for path in Path("in").iterdir()} == {"bad.png"}
    assert REPORT.read_bytes().startswith(before)
    assert {row.path for row in rows_of(REPORT) if not row.is_finished} == {"bad.png"}
    assert REPORT.read_bytes().count(b"\n") == 43
