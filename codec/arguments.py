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


def region(text: str) -> tuple[int, int, int, int]:
    """A part of an image: left, top, width, height."""
    parts = text.split(",")
    if len(parts) != 4 or not all(part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError("give four whole numbers: left,top,width,height")
    left, top, width, height = map(int, parts)
    return left, top, width, height


def size(text: str) -> tuple[int, int]:
    """Width and height in pixels."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) for part in parts):
        raise argparse.ArgumentTypeError("give width and height, as in 64x48")
    width, height = map(int, parts)
    return width, height


def temperature(text: str) -> float:
    """A finite number from 0 on."""
    if not 0 <= (number := float(text)) < math.inf:
        raise argparse.ArgumentTypeError("give 0 or more")
    return number
