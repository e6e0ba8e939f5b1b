"""The engine on Ray: actors on one machine or on a cluster, each with the model loaded.

Items are cut into shards in Ray's object store, which the actors take one by one. An actor has a process of
its own for the work, so that an image that kills this costs neither actor nor shard. Where an actor or its
machine is lost, Ray gives the shard to another one, which finds the outputs that are there.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from ppyr.archive.engines import Item, Result, Results, Work, Worker
from ppyr.errors import PpyrError

#: Most items of a shard, and how many shards each actor gets at least.
LARGEST_SHARD, SHARDS = 256, 16
#: What Ray is told unless the environment does: it sends nothing home, and keeps its own log to itself.
ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}


class Ray:
    """Actors of Ray.

    Args:
        jobs: how many actors; by default as many as the cluster has processors for.
        address: of the cluster; by default one is started here, and ended after the work.
        threads: processors that each actor takes.
        gpus: GPUs that each actor takes, or the part of one.

    Raises:
        PpyrError: Ray is not installed.
    """

    def __init__(
        self, jobs: int | None = None, *, address: str | None = None, threads: int = 1, gpus: float = 0
    ) -> None:
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            import ray.data
        except ImportError as error:
            raise PpyrError("this engine needs Ray: pip install 'ppyr[ray]'") from error
        self._ray = ray
        self._jobs, self._address, self._threads, self._gpus = jobs, address, threads, gpus

    def run(self, work: Work[Item, Result], items: Iterable[Item], count: int) -> Results[Result]:
        """See `ppyr.archive.engines.Engine`.

        Raises:
            PpyrError: Ray itself failed.
        """
        data = self._ray.data
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        with self._cluster() as jobs:
            size = min(max(1, count // (jobs * SHARDS)), LARGEST_SHARD)
            shards = [self._ray.put(_table(part)) for part in _parts(iter(items), size)]
            made = data.from_arrow_refs(shards).map_batches(
                _Actor,
                fn_constructor_args=(work,),
                batch_size=None,
                batch_format="pyarrow",
                compute=data.ActorPoolStrategy(size=jobs),
                num_cpus=self._threads,
                num_gpus=self._gpus,
            )
            made.context.enable_progress_bars = False
            for table in made.iter_batches(batch_size=None, batch_format="pyarrow"):
                yield from _items(table)

    @contextmanager
    def _cluster(self) -> Iterator[int]:
        """A cluster; gives the number of actors."""
        ray, mine = self._ray, not self._ray.is_initialized()
        if mine:
            quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
            if self._address is None:
                processors = None if self._jobs is None else self._jobs * self._threads
                ray.init("local", num_cpus=processors, include_dashboard=False, **quiet)
            else:
                ray.init(self._address, **quiet)
        try:
            yield self._jobs or max(1, int(ray.cluster_resources().get("CPU", 1)) // self._threads)
        except ray.exceptions.RayError as error:
            raise PpyrError(f"Ray failed ({error}): run the same command again") from error
        finally:
            if mine:
                ray.shutdown()


class _Actor:
    """Does the work on the items of a shard."""

    def __init__(self, work: Work[Any, Any]) -> None:
        self._worker = Worker(work)

    def __call__(self, shard: Any) -> Any:
        items = list(_items(shard))
        for item in items:
            self._worker.send(item)
        return _table(self._worker.receive() for _ in items)


def _table(items: Iterable[object]) -> Any:
    """Items as a table of Arrow."""
    import pyarrow as pa

    return pa.table({"item": [pickle.dumps(item) for item in items]})


def _items(table: Any) -> Iterator[Any]:
    yield from map(pickle.loads, table["item"].to_pylist())


def _parts(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while part := list(islice(items, size)):
        yield part
