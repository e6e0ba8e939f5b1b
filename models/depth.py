"""How large samples are, for the networks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Depth:
    """How large the samples of an image are.

    Attributes:
        bits: 8..16, the samples are below 2^bits.
        units: for every factor of two, coarse to fine: a grey level of the networks is 2^unit in sample
            values. () of samples of 8 bits, for which it is 1.
    """

    bits: int = 8
    units: tuple[int, ...] = ()

    @property
    def wide(self) -> bool:
        """Whether samples do not fit a byte."""
        return bool(self.units)


BYTES = Depth()
