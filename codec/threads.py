"""Threads: how many there are to compute on, and work that is shared among them.

The tiles of an image are coded on threads of their own, because what takes time in them releases Python's
global lock. Neither bytes nor pixels depend on the number.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")

Item = TypeVar("Item")
Result = TypeVar("Result")

_chosen: int | None = None


def use_threads(count: int) -> None:
    """Compute on `count` threads from now on, in libraries loaded already and in those still to come."""
    global _chosen  # noqa: PLW0603
    _chosen = count
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
    if "numba" in sys.modules:
        numba = sys.modules["numba"]
        numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
    else:
        os.environ["NUMBA_NUM_THREADS"] = str(count)
    for variable in _VARIABLES[:3]:
        os.environ[variable] = str(count)


def thread_count() -> int:
    """Threads to compute on: what `use_threads` said, else as many as this process has processors."""
    if _chosen is not None:
        return _chosen
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_threads(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """What `work` makes of the items, in their order, on so many threads; see `in_order`."""
    if threads == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from in_order(pool, work, items, threads)


def in_order(
    pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """What `work` makes of the items in a pool, in their order.

    Items are taken on the caller's thread, and no more than `ahead` of them are ahead of the results.
    """
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
