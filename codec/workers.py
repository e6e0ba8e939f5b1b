"""Many files at a time, in processes of their own."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from functools import partial
from multiprocessing import active_children, get_context
from typing import Any, TypeVar

from ppyr.report import FAILURES, Failure
from ppyr.threads import in_order

Item = TypeVar("Item")
Result = TypeVar("Result")


def outcomes(
    work: Callable[[Item], Result], items: Sequence[Item], processes: int, prepare: Callable[[], None]
) -> Iterator[Result | Failure]:
    """What `work` makes of the items, in their order, or what it fails of.

    Args:
        work: can be pickled, if there are several processes.
        items: of any kind that can be pickled.
        processes: 1 for this one.
        prepare: called first in every process but this one.
    """
    attempt: Callable[[Item], Result | Failure] = partial(_attempt, work)
    processes = min(processes, len(items))
    if processes <= 1:
        yield from map(attempt, items)
        return
    done = 0
    with ProcessPoolExecutor(processes, get_context("spawn"), _begin, (prepare,)) as pool:
        try:
            for outcome in in_order(pool, attempt, items, processes):
                yield outcome
                done += 1
        except BrokenExecutor:
            ended = OSError("a process ended while it worked on this file or another: give fewer --jobs")
            yield from [ended] * (len(items) - done)
        except BaseException:
            for process in active_children():
                process.terminate()
            raise


_leaving = False


def _attempt(work: Callable[[Item], Result], item: Item) -> Result | Failure:
    if _leaving:
        raise SystemExit
    try:
        return work(item)
    except BrokenPipeError:
        raise
    except FAILURES as error:
        return error


def _begin(prepare: Callable[[], None]) -> None:
    """In a new process: let go of work, and clean up, when the user interrupts or the first process says."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    prepare()


def _leave(*_: Any) -> None:
    global _leaving  # noqa: PLW0603
    _leaving = True
    raise SystemExit
