"""What a search for changes to a model does, for `adaptation`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Search:
    """One search.

    Attributes:
        steps: for the finest stage; the others have fewer.
        all_layers: whether all layers change or only the heads.
        rate: factor of all learning rates.
    """

    steps: int
    all_layers: bool = False
    rate: float = 1.0
