"""Mean and standard deviation of numbers, as sums that can be added up in any order.

The sum of squares of numbers that are large beside what they differ by loses what it is about. So
each number is parted into its first 12 bits, whose sum and squares are exact up to half a billion
numbers, and a rest at least 8192 times smaller. Promises a variance that is good to a few digits
still where the mean is a million times the standard deviation, without any state that several
processes would have to agree on. Numbers beyond 1e140 are too large to be counted.
"""

import math
from fractions import Fraction
from typing import Final

import numpy as np

from mainstay.contract.columns import Column

WIDTH: Final = 6
_SPLITTER: Final = 2.0**41 + 1
_FEW: Final = 64
_PLAIN: Final = 1e-6
LARGEST: Final = 1e140

Sums = tuple[float, ...]
"""How many; heads; squares of heads; rests; heads times rests; squares of rests."""


def sums_of(values: Column) -> Sums:
    """What numbers add to the sums; those that are missing or too large add nothing."""
    if len(values) <= _FEW:
        return _one_by_one(values.tolist())
    with np.errstate(all="ignore"):
        found = _products(values)
        if not all(map(math.isfinite, found)):
            found = _products(values[np.abs(values) <= LARGEST])
    return found


def sums_of_one(value: float) -> Sums:
    """What one number adds."""
    return _one_by_one([value])


def _one_by_one(values: list[float]) -> Sums:
    count = heads = head_squares = rests = mixed = rest_squares = 0.0
    for value in values:
        if not -LARGEST <= value <= LARGEST:
            continue
        # Multiplied up and taken off again, a number keeps only its first bits.
        above = value * _SPLITTER
        head = above - (above - value)
        rest = value - head
        count += 1
        heads += head
        head_squares += head * head
        rests += rest
        mixed += head * rest
        rest_squares += rest * rest
    return count, heads, head_squares, rests, mixed, rest_squares


def _products(values: Column) -> Sums:
    three = np.empty((3, len(values)))
    three[0] = 1.0
    above = values * _SPLITTER
    three[1] = above - (above - values)
    three[2] = values - three[1]
    count, heads, rests, *others = (three @ three.T).ravel().tolist()
    return count, heads, others[1], rests, others[2], others[5]


def mean_and_sd(sums: Sums) -> tuple[float, float]:
    """Of the numbers that were summed up; NaN where there are too few."""
    count, heads, head_squares, rests, mixed, rest_squares = sums
    if count < 1:
        return math.nan, math.nan
    mean = (heads + rests) / count
    if count < 2:
        return mean, math.nan
    head, rest = heads / count, rests / count
    of_rests = rest_squares - rests * rest
    if head * heads == head_squares and head * count == heads:
        # All heads are the same, so only the rests differ.
        return mean, math.sqrt(max(of_rests, 0.0) / (count - 1))
    of_heads = head_squares - heads * head
    if of_heads > _PLAIN * head_squares:
        # So different that nothing of it is lost in plain arithmetic.
        total = of_heads + 2 * (mixed - heads * rest) + of_rests
        return mean, math.sqrt(max(total, 0.0) / (count - 1))
    exact = Fraction(head_squares) - Fraction(heads) ** 2 / Fraction(count)
    both = Fraction(mixed) - Fraction(heads) * Fraction(rests) / Fraction(count)
    total = float(exact + 2 * both) + of_rests
    return mean, math.sqrt(max(total, 0.0) / (count - 1))
