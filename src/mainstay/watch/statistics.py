"""What every test answers with, and how several tests of one question become one answer.

A p-value alone cries wolf on large data and says nothing about how much changed; so each result
carries an effect size beside it, on a scale of its own that is named in the docstring of the test.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

_CERTAIN: Final = 0.9
"""Where a p-value is cut off at the top: one test that sees nothing at all (p = 1) must not be
able to silence the others."""


class Result(NamedTuple):
    """What one test found."""

    statistic: float
    p: float
    """The chance of a statistic at least so large if nothing had changed."""
    effect: float
    """How much changed, between 0 (nothing) and 1 (all) unless the test says otherwise."""
    error: float = 0.0
    """By how much the statistic of the unbinned values may be larger than this one."""


NOTHING: Final = Result(math.nan, 1.0, 0.0)
"""The result of a test that had nothing to look at."""


def joined(p_values: Sequence[float]) -> float:
    """One p-value for several tests of the same question, whatever their dependence (the Cauchy
    combination): close to the smallest, without paying the full price of having looked often."""
    assert p_values
    if min(p_values) < 1e-15:
        # Where the tangent runs out of digits, the combination is the harmonic mean.
        return len(p_values) / sum(1.0 / max(p, 1e-300) for p in p_values)
    total = sum(math.tan((0.5 - min(p, _CERTAIN)) * math.pi) for p in p_values)
    return min(1.0, max(0.0, math.atan2(1.0, total / len(p_values)) / math.pi))
