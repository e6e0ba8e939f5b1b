"""What a search for changes to a model does, for `adaptation`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Search:
    """One search: its steps for the finest stage, and whether all layers change or only the heads."""

    steps: int
    all_layers: bool = False
