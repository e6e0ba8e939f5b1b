"""Tables of functions of e^x, rounded alike on every machine: in whole numbers of any size."""

from __future__ import annotations

from decimal import Context, Decimal

#: Binary digits of the fractions that are computed with, many more than are kept.
_DIGITS = 160
_ONE = 1 << _DIGITS
_PRECISE = Context(prec=80)


def exponentials(count: int, parts: int) -> list[int]:
    """e^(k / parts) for k = 0..count - 1, in 2^-160."""
    ratio = int(_PRECISE.multiply(_PRECISE.exp(_PRECISE.divide(1, parts)), Decimal(_ONE)))
    found = [_ONE]
    for _ in range(count - 1):
        found.append(found[-1] * ratio >> _DIGITS)
    return found


def sigmoids(count: int, parts: int, scale: int) -> list[int]:
    """Scale / (1 + e^(-k / parts)) for k = -count..count, rounded."""
    upper = [_rounded(scale * power, power + _ONE) for power in exponentials(count + 1, parts)]
    return [*(scale - value for value in upper[:0:-1]), *upper]


def tangents(count: int, parts: int, scale: int) -> list[int]:
    """Scale * tanh(k / parts) for k = -count..count, rounded."""
    powers = exponentials(2 * count + 1, parts)[::2]
    upper = [_rounded(scale * (power - _ONE), power + _ONE) for power in powers]
    return [*(-value for value in upper[:0:-1]), *upper]


def decays(count: int, parts: int, scale: int) -> list[int]:
    """Scale * e^(-k / parts) for k = 0..count - 1, rounded."""
    return [_rounded(scale * _ONE, power) for power in exponentials(count, parts)]


def _rounded(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
