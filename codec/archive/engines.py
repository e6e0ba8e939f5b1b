"""Engines: they send work to workers, and give what these make of it.

An engine keeps no more than a few items for each worker, and goes on when a worker is killed.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from itertools import islice
from multiprocessing import active_children, get_context, parent_process
from threading import Thread
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Taken_contra = TypeVar("Taken_contra", contravariant=True)
Given_co = TypeVar("Given_co", covariant=True)

Results: TypeAlias = Generator[Result, None, None]
#: Items that a worker has: one that it works on, and the next one.
AHEAD = 2


class Work(Protocol[Taken_contra, Given_co]):
    """What is to be done with every item; can be pickled."""

    @property
    def prepare(self) -> Callable[[], None]:
        """Function without arguments that every worker calls first."""

    def __call__(self, item: Taken_contra, /) -> Given_co:
        """Do it; raises nothing."""

    def lost(self, item: Taken_contra, /) -> Given_co:
        """What to give for an item whose worker was killed."""


class Engine(Protocol):
    """A way to work on many items at a time."""

    def run(self, work: Work[Item, Result], items: Iterable[Item], count: int) -> Results[Result]:
        """What `work` makes of the items, each as soon as it is there, in any order.

        Work that is going on ends when the generator is closed.

        Args:
            work: to do.
            items: as many as there are; they are taken as workers get free.
            count: how many there are.
        """


class Processes:
    """Processes of this machine.

    Args:
        jobs: how many.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs

    def run(self, work: Work[Item, Result], items: Iterable[Item], count: int) -> Results[Result]:
        """See `Engine`."""
        waiting = iter(items)
        workers = [Worker(work) for _ in range(min(self._jobs, count))]
        try:
            for _ in range(AHEAD):
                for worker, item in zip(workers, waiting, strict=False):
                    worker.send(item)
            while busy := {worker.first: worker for worker in workers if worker.is_busy}:
                done, _ = wait(busy, return_when=FIRST_COMPLETED)
                for future in done:
                    result = busy[future].receive()
                    for item in islice(waiting, 1):
                        busy[future].send(item)
                    yield result
        except BaseException:
            for child in active_children():
                child.terminate()
            raise
        finally:
            for worker in workers:
                worker.close()


class Worker(Generic[Item, Result]):
    """A process that does the work on one item after the other, and is replaced when it is killed."""

    def __init__(self, work: Work[Item, Result]) -> None:
        self._work = work
        self._sent: deque[tuple[Item, Future[Result]]] = deque()
        self._pool = self._new()

    @property
    def is_busy(self) -> bool:
        """Whether there are results to come."""
        return bool(self._sent)

    @property
    def first(self) -> Future[Result]:
        """The result that comes next."""
        return self._sent[0][1]

    def send(self, item: Item) -> None:
        """Let it work on an item, after those that it has."""
        try:
            future = self._pool.submit(_do, item)
        except BrokenExecutor as error:
            future = Future()
            future.set_exception(error)
        self._sent.append((item, future))

    def receive(self) -> Result:
        """The result of the first item; if the process was killed, it was working on that."""
        item, future = self._sent.popleft()
        try:
            return future.result()
        except BrokenExecutor:
            self.close()
            self._pool = self._new()
            left = [item for item, _ in self._sent]
            self._sent.clear()
            for other in left:
                self.send(other)
            return self._work.lost(item)

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown(cancel_futures=True)

    def _new(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, get_context("spawn"), _begin, (self._work,))


_work: Any = None
_leaving = False


def _begin(work: Work[Item, Result]) -> None:
    """In a new process: the first one alone hears the user's interrupt, and this one ends with it."""
    global _work  # noqa: PLW0603
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    Thread(target=_follow, daemon=True).start()
    work.prepare()
    _work = work


def _do(item: Item) -> Any:
    if _leaving:
        raise SystemExit
    return _work(item)


def _leave(*_: Any) -> None:
    global _leaving  # noqa: PLW0603
    _leaving = True
    raise SystemExit


def _follow() -> None:
    """End when the first process has been killed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
