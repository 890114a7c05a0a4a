"""How rare a value is that lies beyond almost all there were: the generalised Pareto tail.

Promises a probability for values further out than any that was seen, from those beyond their 95th
percentile alone: whatever the values are distributed like, what lies far beyond a high bound is so
in the limit. Fitted by probability-weighted moments, which a few values do not upset.
"""

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BEYOND: Final = 0.05
"""The share of values that the tail is fitted to."""
_HEAVIEST: Final = 0.5
"""The variance is infinite there."""
_LIGHT: Final = 1e-6
"""A shape so close to 0 is an exponential tail."""


class Tail(msgspec.Struct, frozen=True):
    """What is known of the values beyond a bound."""

    bound: float
    """Nineteen of twenty values lie below."""
    heavy: float
    """The shape: 0 for an exponential tail."""
    scale: float

    def limit(self, risk: float) -> float:
        """What is passed with this probability."""
        part = risk / BEYOND
        if self.heavy < _LIGHT:
            return self.bound - self.scale * math.log(part)
        return self.bound + self.scale / self.heavy * (part**-self.heavy - 1.0)

    def rarity(self, value: float) -> float:
        """How improbable a value as far out is: the negative decimal logarithm of its probability,
        and 0 below the bound."""
        beyond = value - self.bound
        if not beyond > 0.0:
            return 0.0
        if self.heavy < _LIGHT:
            apart = beyond / self.scale
        else:
            apart = math.log1p(self.heavy * beyond / self.scale) / self.heavy
        return apart / math.log(10.0) - math.log10(BEYOND)


def tail_of(beyond: Floats, bound: float, least: float = 0.0) -> Tail:
    """The tail of what lies beyond a bound, by how far; `least` is the least scale that it may
    have. Fewer than two values say nothing of theirs."""
    count = len(beyond)
    if count < 2:
        return Tail(bound, 0.0, least or math.inf)
    ordered = np.sort(beyond)
    mean = float(ordered.mean())
    weights = (count - 1.0 - np.arange(count)) / (count - 1.0)
    weighted = float((ordered * weights).mean())
    heavy = min(max(2.0 - mean / max(mean - 2.0 * weighted, 1e-12), 0.0), _HEAVIEST)
    return Tail(bound, heavy, max(mean * (1.0 - heavy), least, 1e-300))
