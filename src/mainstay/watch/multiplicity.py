"""Many tests, one promise: how often a comparison may raise any alarm when nothing changed.

Promises that under any dependence between the tests the chance of one or more false alarms is at
most the rate (Holm's step-down, weighted so that the question people ask first gets most of it).
"""

from collections.abc import Sequence


def adjusted(p_values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The p-values to hold against the rate itself, in the order given."""
    assert len(p_values) == len(weights)
    assert all(weight > 0 for weight in weights)
    order = sorted(range(len(p_values)), key=lambda at: p_values[at] / weights[at])
    left = float(sum(weights))
    result = [1.0] * len(p_values)
    worst = 0.0
    for at in order:
        corrected = min(1.0, p_values[at] * max(left, weights[at]) / weights[at])
        # Of the smallest numbers a float can hold, a product may round to less than its factors.
        worst = max(worst, p_values[at], corrected)
        result[at] = worst
        left -= weights[at]
    return result
