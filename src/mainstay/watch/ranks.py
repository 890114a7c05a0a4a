"""Two linear rank tests on counts over shared, ordered cells: has the place moved, the spread?

Promises valid p-values whatever the distribution and with any number of ties (the variance is
that of the permutation of what was seen), so that a column that is zero nearly everywhere does
not cry wolf as a t-test does. The p-value is that of the gamma distribution with the mean, variance
and skewness of the permutation: the normal one is many times too small in the tails where a small
sample is held against a large one that is nearly all ties. The effect of `rank_place`
is |2 A - 1| where A is the chance that a value of the second sample is the larger one; that of
`rank_spread` is likewise between 0 and 1.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from mainstay.watch.special import gamma_tail, normal_tail
from mainstay.watch.statistics import NOTHING, Result

Counts = npt.NDArray[np.int64]

_SKEWED_FROM: Final = 0.01
"""Below this skewness the normal distribution is right to a fifth, five deviations out."""


def rank_place(first: Counts, second: Counts) -> Result:
    """Wilcoxon's, Mann's and Whitney's test, with mid-ranks."""
    return _linear(_middle_ranks(first + second), first, second, 2.0)


def rank_spread(first: Counts, second: Counts) -> Result:
    """Mood's test in the form of Ansari and Bradley: how far are the ranks from the middle?"""
    away = np.abs(_middle_ranks(first + second) - 0.5)
    return _linear(away, first, second, 4.0)


def _middle_ranks(both: Counts) -> npt.NDArray[np.float64]:
    """The mid-rank of each cell as a share of all values."""
    total = max(1, int(both.sum()))
    return (np.cumsum(both) - both / 2.0) / total


def _linear(scores: npt.NDArray[np.float64], first: Counts, second: Counts, scale: float) -> Result:
    n, m = int(first.sum()), int(second.sum())
    if n == 0 or m == 0:
        return NOTHING
    both = first + second
    center = float(scores @ both) / (n + m)
    gap = float((scores - center) @ second) / m
    spread = float((scores - center) ** 2 @ both)
    # The variance of the mean of m draws without replacement from n + m.
    variance = spread * n / (m * (n + m) * (n + m - 1.0))
    if variance <= 1e-30:
        return NOTHING
    z = gap / math.sqrt(variance)
    cubes = float((scores - center) ** 3 @ both)
    total = n + m
    # The third moment of that mean, likewise; none where both samples are equally large.
    third = cubes * n * (n - m) / (total * (total - 1.0) * max(1, total - 2) * m * m)
    p = _both_tails(abs(z), third / variance**1.5)
    # The gap is measured from the mean of both; from the first sample it is (n + m) / n as large.
    effect = min(1.0, scale * abs(gap) * (n + m) / n)
    return Result(z, min(1.0, p), effect)


def _both_tails(z: float, skewness: float) -> float:
    """P(Z >= z) + P(Z <= -z) of Pearson's third distribution."""
    if abs(skewness) < _SKEWED_FROM:
        return 2.0 * normal_tail(z)
    shape, step = 4.0 / skewness**2, 2.0 * z / abs(skewness)
    return gamma_tail(shape, shape + step) + max(0.0, 1.0 - gamma_tail(shape, shape - step))
