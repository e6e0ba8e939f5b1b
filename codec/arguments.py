"""Types of command line arguments that several commands have."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("give 1 or more")
    return number


def not_negative(text: str) -> int:
    """A whole number from 0 on."""
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError("give 0 or more")
    return number
