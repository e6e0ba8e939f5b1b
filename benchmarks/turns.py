"""Times of works that are done in turn, so that what disturbs a machine disturbs all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter
from typing import TypeVar

Name = TypeVar("Name")
Work = Callable[[], object]

#: Rounds unless the command line says otherwise.
ROUNDS = 5


def in_turn(
    works: Mapping[Name, Work], rounds: Mapping[Name, int], done: Callable[[], object] = lambda: None
) -> dict[Name, float]:
    """Median seconds of each work, all of them done once a round, in an order that moves on by one a round.

    Args:
        works: by name; in the first round in this order.
        rounds: in how many of the first rounds each work is done.
        done: called after each work.
    """
    names = list(works)
    seconds: dict[Name, list[float]] = {name: [] for name in names}
    for number in range(max(rounds[name] for name in names)):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            if number < rounds[name]:
                began = perf_counter()
                works[name]()
                seconds[name].append(perf_counter() - began)
                done()
    return {name: median(found) for name, found in seconds.items()}
