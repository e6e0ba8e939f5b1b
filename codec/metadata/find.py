"""How the readers of image files tell what they find beside the pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Find:
    """Something beside the pixels.

    Attributes:
        kind: one of `ppyr.metadata.KINDS`, or "" for what says what the samples are.
        name: what the file calls it.
        field: of `ppyr.Metadata`, or "" if it can not be carried.
        make: gives the value of the field, one item for `text`, attributes and their values for `colour`;
            raises ValueError, LookupError, struct.error or zlib.error where the file holds something wrong.
    """

    kind: str
    name: str
    field: str = ""
    make: Callable[[], Any] = bytes
