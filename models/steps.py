"""The steps of a level: which subsampled image of the fine image each model evaluation codes.

A level codes its fine image phase by phase (one phase on a row level, two on a column level), and a phase as
four subsampled images, diagonal first. Known from the shapes alone.
"""

from __future__ import annotations

from dataclasses import dataclass

Shape = tuple[int, int]

#: The phases that a row level (axis 0) and a column level (axis 1) code, in order, named as in `features`.
LEVEL_PHASES = (("10",), ("01", "11"))
#: Positions (row, column) of the four subsampled images of a phase, in coding order.
SUBLATTICE = ((0, 0), (1, 1), (0, 1), (1, 0))


@dataclass(frozen=True, slots=True)
class Step:
    """One model evaluation: its phase, its number in the phase, its pixels as slices of the fine image."""

    phase: str
    number: int
    rows: slice
    columns: slice


def steps(axis: int, fine: Shape) -> tuple[Step, ...]:
    """Give the steps of a level along `axis` whose fine image has shape `fine`, without empty ones."""
    phases = LEVEL_PHASES[axis]
    found = []
    for offset, phase in enumerate(phases):
        for number, (dy, dx) in enumerate(SUBLATTICE):
            rows = slice(offset + dy * len(phases), None, 2 * len(phases))
            if rows.start < fine[0] and dx < fine[1]:
                found.append(Step(phase, number, rows, slice(dx, None, 2)))
    return tuple(found)


def evaluations(axis: int, fine: Shape) -> int:
    """Give the number of model evaluations that decode a level."""
    return len(steps(axis, fine))
