"""Types of command line arguments that several commands have."""

from __future__ import annotations

import argparse
import math


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("give 1 or more")
    return number


def effort(text: str) -> int:
    """The number of an effort."""
    from ppyr.effort import EFFORTS

    if not text.isdecimal() or (number := int(text)) not in EFFORTS:
        raise argparse.ArgumentTypeError(f"give a whole number, 1 to {max(EFFORTS)}")
    return number


def seconds(text: str) -> float:
    """A time above 0."""
    if not 0 < (number := float(text)) < math.inf:
        raise argparse.ArgumentTypeError("give more than 0")
    return number


def not_negative(text: str) -> int:
    """A whole number from 0 on."""
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError("give 0 or more")
    return number
