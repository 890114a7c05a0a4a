"""How fast a series goes up, whatever its wildest values: the slope of Theil and Sen.

The median of the slopes between all pairs of points; up to 29 % of the points may be anything.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Line(NamedTuple):
    """A line through points."""

    slope: float
    """By which one point lies above the one before."""
    start: float
    """Where it stands at the first point."""
    end: float
    """Where it stands at the last."""


def line_through(values: Sequence[float]) -> Line:
    """The line through points at equal distances."""
    array = np.asarray(values, dtype=np.float64)
    count = len(array)
    if count < 2:
        level = float(array[0]) if count else 0.0
        return Line(0.0, level, level)
    low, high = np.triu_indices(count, 1)
    slope = float(np.median((array[high] - array[low]) / (high - low)))
    middle = float(np.median(array)) - slope * (count - 1) / 2.0
    return Line(slope, middle, middle + slope * (count - 1))


def rank_among(value: float, others: Sequence[float]) -> float:
    """Which share of the others lie below a value; one that is equal counts half."""
    array = np.asarray(others, dtype=np.float64)
    below = float((array < value).sum()) + float((array == value).sum()) / 2.0
    return below / len(array) if len(array) else 0.5
