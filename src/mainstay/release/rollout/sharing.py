"""How a bandit shares out units: more of them to what is probably better.

Thompson's rule gives each version the units that a draw from what is believed of it would win,
so its share is the probability that it is the best one. That probability is worked out here
instead of drawn, so the same counts give the same shares on every machine; what is drawn is the
unit, by `assign`. Beliefs are Beta distributions that begin even.

Promises that no share is below the floor: what is never tried again is never learned about, and
an off-policy estimate of it would rest on nothing.
"""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Rule = Literal["thompson", "epsilon"]
Array = npt.NDArray[np.float64]

_REACH: Final = np.linspace(-12.0, 12.0, 193)
"""Where a belief is looked at, in its standard deviations."""
_LEAST: Final = 1e-12


def best_probabilities(good: Sequence[int], total: Sequence[int]) -> Array:
    """How probable it is of each version that its share of good answers is the highest."""
    first = 1.0 + np.asarray(good, dtype=np.float64)
    second = 2.0 + np.asarray(total, dtype=np.float64) - first
    middle = first / (first + second)
    spread = np.sqrt(middle * (1 - middle) / (first + second + 1))
    edges = np.unique(np.clip((middle[:, None] + spread[:, None] * _REACH).ravel(), 0.0, 1.0))
    values, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    density = (first - 1)[:, None] * np.log(values) + (second - 1)[:, None] * np.log1p(-values)
    mass = np.exp(density - density.max(axis=1, keepdims=True)) * widths
    mass /= mass.sum(axis=1, keepdims=True)
    below = np.log(np.maximum(np.cumsum(mass, axis=1) - mass / 2, _LEAST))
    others = below.sum(axis=0, keepdims=True) - below
    won = (mass * np.exp(others)).sum(axis=1)
    return won / won.sum()


def shares(good: Sequence[int], total: Sequence[int], floor: float, rule: Rule) -> Array:
    """The part of the units for each version; each gets the floor at least.

    `thompson` shares the rest by the probability to be best; `epsilon` gives it to the version
    that is ahead, and evenly to those that are ahead together.
    """
    if rule == "thompson":
        wins = best_probabilities(good, total)
    else:
        means = (1.0 + np.asarray(good)) / (2.0 + np.asarray(total))
        ahead = means >= means.max() * (1 - 1e-9)
        wins = ahead / ahead.sum()
    return floor + (1 - floor * len(wins)) * wins
