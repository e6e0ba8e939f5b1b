"""Work on threads and in processes: results in order, errors where they belong, nothing too far ahead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ppyr.cli import main
from ppyr.decoding import decode
from ppyr.errors import FormatError
from ppyr.threads import on_threads, thread_count, use_threads
from ppyr.workers import outcomes

from .photograph import crop


@pytest.fixture
def one_thread_afterwards() -> Iterator[None]:
    before = thread_count()
    yield
    use_threads(before)


@pytest.mark.usefixtures("one_thread_afterwards")
def test_the_number_of_threads_is_what_was_said() -> None:
    use_threads(3)
    assert thread_count() == 3


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_are_in_order_and_no_item_is_taken_too_early(threads: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(12):
            taken.append(item)
            yield item

    def work(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item * item

    found = []
    for result in on_threads(work, items(), threads):
        found.append(result)
        assert len(taken) <= len(found) + threads
    assert found == [item * item for item in range(12)]


def test_work_is_shared_among_threads() -> None:
    both = threading.Barrier(2, timeout=30)
    assert list(on_threads(lambda _: both.wait() >= 0, range(4), 2)) == [True] * 4


def test_an_error_on_a_thread_is_the_callers() -> None:
    def work(item: int) -> int:
        if item == 2:
            raise FormatError("two")
        return item

    found = on_threads(work, range(100), 2)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(FormatError, match="two"):
        next(found)


def odd_fails(item: int) -> int:
    if item % 2:
        raise FormatError(f"{item} is odd", offset=item)
    return os.getpid()


def nothing() -> None:
    pass


def ended(item: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return item


@pytest.mark.parametrize("processes", [1, 2])
def test_an_item_that_fails_leaves_the_others_alone(processes: int) -> None:
    found = list(outcomes(odd_fails, range(5), processes, nothing))
    errors = [outcome for outcome in found if isinstance(outcome, FormatError)]
    assert [(str(error), error.offset) for error in errors] == [("1 is odd", 1), ("3 is odd", 3)]
    pids = {outcome for outcome in found if isinstance(outcome, int)}
    assert len(pids) <= processes
    assert (os.getpid() in pids) == (processes == 1)


def test_a_process_that_is_killed_is_an_error_for_its_items() -> None:
    found = list(outcomes(ended, range(3), 2, nothing))
    assert all(isinstance(outcome, OSError) for outcome in found)
    assert len(found) == 3


def test_every_process_is_prepared(tmp_path: Path) -> None:
    list(outcomes(odd_fails, range(2), 2, partial(Path.touch, tmp_path / "here")))
    assert (tmp_path / "here").exists()


def images(folder: Path) -> dict[str, np.ndarray]:
    found = {f"{number}.png": crop(20 + number, 30) for number in range(3)}
    folder.mkdir()
    for name, image in found.items():
        Image.fromarray(image).save(folder / name)
    return found


def test_files_go_through_several_processes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    originals = images(tmp_path / "in")
    (tmp_path / "in" / "bad.png").write_bytes(b"bad")
    folder, packed = str(tmp_path / "in"), tmp_path / "packed"
    assert main(["compress", "-e", "1", "-j", "2", "-r", folder, "--output-dir", str(packed)]) == 1
    said = capsys.readouterr().err
    assert said.index("0.png ->") < said.index("1.png ->") < said.index("2.png ->")
    assert "bad.png: this is no PNG" in said
    for name, image in originals.items():
        assert np.array_equal(decode((packed / name).with_suffix(".ppyr").read_bytes()), image)
    files = sorted(map(str, packed.iterdir()))
    assert main(["verify", "-j", "2", *files]) == 0
    assert main(["decompress", "-j", "2", *files]) == 0
    for name, image in originals.items():
        assert np.array_equal(np.asarray(Image.open(packed / name)), image)


def test_a_pipe_takes_one_process(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert main(["verify", "-j", "2", "-"]) == 2
    assert "leave out --jobs" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="the children of a process are looked up in /proc")
def test_an_interrupt_ends_all_processes(tmp_path: Path) -> None:
    """The signal goes to the first process alone, as it does from a service manager."""
    images(tmp_path / "in")
    command = [sys.executable, "-m", "ppyr", "compress", "-e", "9", "-j", "2", "-r", str(tmp_path / "in")]
    process = subprocess.Popen(
        [*command, "--output-dir", str(tmp_path / "out")],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while len(children.read_text().split()) < 3:  # two, and one that looks after what they share
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert said.endswith("ppyr: interrupted\n")
    assert not [path for path in tmp_path.rglob("*") if path.suffix not in ("", ".png")]
