"""Tests of means from moments: Welch's t for two samples, one-way analysis of variance for more.

They are in what `compare` shows, and not in what it decides by: on skewed columns their small
p-values are far too small, which the rank tests are not. The effect of Welch's test is the
difference in standard deviations (Cohen's d, may exceed 1), that of the analysis of variance the
share of the variance that lies between the groups (eta squared).
"""

import math
from collections.abc import Sequence

from mainstay.summaries.moments import Moments
from mainstay.watch.special import fisher_tail, student_both_tails
from mainstay.watch.statistics import NOTHING, Result


def welch(first: Moments, second: Moments) -> Result:
    """Are two means equal, without assuming equal variances?"""
    if first.count < 2 or second.count < 2:
        return NOTHING
    a, b = first.variance / first.count, second.variance / second.count
    apart = second.mean - first.mean
    if not math.isfinite(a + b + apart):
        return NOTHING
    if a + b == 0.0:
        return NOTHING if apart == 0.0 else Result(math.copysign(math.inf, apart), 0.0, math.inf)
    t = apart / math.sqrt(a + b)
    share = a / (a + b)
    freedom = 1.0 / (share**2 / (first.count - 1) + (1.0 - share) ** 2 / (second.count - 1))
    usual = math.sqrt((first.variance + second.variance) / 2.0)
    return Result(t, student_both_tails(t, freedom), abs(apart) / usual)


def anova(groups: Sequence[Moments]) -> Result:
    """Are the means of several groups equal, if their variances are?"""
    groups = [group for group in groups if group.count]
    total = sum(group.count for group in groups)
    between, within = len(groups) - 1, total - len(groups)
    if between < 1 or within < 1:
        return NOTHING
    mean = sum(group.mean * (group.count / total) for group in groups)
    # A product, because a power that leaves the range of a float raises.
    explained = sum(group.count * (group.mean - mean) * (group.mean - mean) for group in groups)
    left = sum(group.squares for group in groups)
    if not math.isfinite(explained + left) or explained + left == 0.0:
        return NOTHING
    f = math.inf if left == 0.0 else (explained / between) / (left / within)
    return Result(f, fisher_tail(f, between, within), explained / (explained + left))
