"""The two-sample Kolmogorov–Smirnov test, from sorted values or from counts on shared cells.

Promises the exact p-value where both samples are small (no cancellation: small p-values keep
their digits) and Stephens' approximation beyond. With ties the p-value is an upper bound. From
counts the statistic can only be too small, and `error` says by how much at most. The effect is
the statistic itself: the largest difference between the shares below any value.
"""

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mainstay.watch.special import kolmogorov_tail
from mainstay.watch.statistics import NOTHING, Result

_EXACT_MAX: Final = 40_000
"""The product of the sample sizes up to which the p-value is exact: about 2 ms."""


def ks_values(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> Result:
    """The test on two sorted arrays without NaN."""
    n, m = len(first), len(second)
    if n == 0 or m == 0:
        return NOTHING
    every = np.concatenate([first, second])
    below_first = np.searchsorted(first, every, side="right")
    below_second = np.searchsorted(second, every, side="right")
    gap = int(np.abs(below_first * m - below_second * n).max())
    return Result(gap / (n * m), ks_p_value(gap, n, m), gap / (n * m))


def ks_counts(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> Result:
    """The test on two histograms with the same cells, in order."""
    n, m = int(first.sum()), int(second.sum())
    if n == 0 or m == 0:
        return NOTHING
    apart = np.cumsum(first) * m - np.cumsum(second) * n
    gap = int(np.abs(apart).max())
    # Within a cell the gap can at most grow by all that one of the samples has in that cell.
    before = np.concatenate([[0], apart[:-1]])
    most = int(max((before + first * m).max(), (second * n - before).max()))
    statistic = gap / (n * m)
    return Result(statistic, ks_p_value(gap, n, m), statistic, max(0, most - gap) / (n * m))


def ks_p_value(gap: int, n: int, m: int) -> float:
    """The chance of a gap at least so large; `gap` is the statistic times n times m."""
    if gap <= 0:
        return 1.0
    if n * m <= _EXACT_MAX:
        return _exact(gap, min(n, m), max(n, m))
    size = math.sqrt(n / (n + m) * m)
    return min(1.0, kolmogorov_tail((size + 0.12 + 0.11 / size) * gap / (n * m)))


def _exact(gap: int, n: int, m: int) -> float:
    """The share of all orders of n + m values that reach the gap: walked along the diagonals of
    the n x m grid, each cell holding the share of paths to it that have been outside."""
    i = np.arange(n + 1)
    outside = np.zeros(n + 1)
    shifted = np.zeros(n + 1)
    for k in range(1, n + m + 1):
        shifted[1:] = outside[:-1]
        outside = (i * shifted + (k - i) * outside) / k
        outside[np.abs(i * m - (k - i) * n) >= gap] = 1.0
    return float(min(1.0, outside[n]))
