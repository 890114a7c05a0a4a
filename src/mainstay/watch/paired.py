"""How sure a difference is: intervals of paired differences, and many of them at once.

A difference passes when even the bad end of its interval is within the tolerance (95 in 100), and
fails when even the good end is beyond it; anything else is unsure. Failing needs more certainty
than passing: of a hundred candidates that are as good, at most one may fail for bad luck, even
where no tolerance is given. The gate asks four questions of chance (the metric as a whole, its
parts, the cost, the evenness of errors), so each of them gets a quarter of that.

Of many parts looked at together, only the failures are corrected (Holm): a candidate passes when
every part passes, and a claim that needs every part to be true is not made likelier by their
number. Pure; the second oracle of each figure is in the tests.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.contract.finding import Verdict

FAIL_CHANCE: Final = 0.01 / 4
"""The largest chance with which one question may call a difference within the tolerance a
failure."""
PASS_CHANCE: Final = 0.05
"""The largest chance with which a difference beyond the tolerance may pass."""
SAMPLES_MIN: Final = 20
"""With fewer rows nothing is said."""

_NORMAL: Final = NormalDist()
_MANY: Final = 1_000_000_000
_ROUNDING: Final = 1e-12


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """By how much the candidate is worse: an estimate (negative is better), and its error."""

    worse_by: float
    error: float
    """The standard error; 0 where the difference is known exactly."""
    samples: int
    freedom: int = _MANY
    """Degrees of freedom of the error."""

    def interval(self, fail_chance: float = FAIL_CHANCE) -> tuple[float, float]:
        """The good end and the bad end."""
        low = quantile(1 - fail_chance, self.freedom) * self.error
        high = quantile(1 - PASS_CHANCE, self.freedom) * self.error
        return self.worse_by - low, self.worse_by + high

    def chance(self, tolerance: float) -> float:
        """How likely so large a difference is when the true one is just within the tolerance."""
        beyond = self.worse_by - tolerance
        if self.error == 0:
            return 0.0 if beyond > _ROUNDING * max(1.0, abs(tolerance)) else 1.0
        return upper_tail(beyond / self.error, self.freedom)

    def passes(self, tolerance: float) -> bool:
        """Whether even the bad end is within the tolerance."""
        return self.interval()[1] <= tolerance + _ROUNDING * max(1.0, abs(tolerance))


def judged(differences: Sequence[Difference], tolerance: float) -> list[Verdict]:
    """The verdict of each of several differences that are looked at together."""
    failing = holm([each.chance(tolerance) for each in differences], FAIL_CHANCE)
    return [
        "fail" if fails else "pass" if each.passes(tolerance) else "unsure"
        for each, fails in zip(differences, failing, strict=True)
    ]


def holm(chances: Sequence[float], level: float) -> list[bool]:
    """Which of several claims hold such that the chance of even one false one is the level."""
    holds = [False] * len(chances)
    order = sorted(range(len(chances)), key=chances.__getitem__)
    for rank, place in enumerate(order):
        if chances[place] > level / (len(chances) - rank):
            break
        holds[place] = True
    return holds


def quantile(probability: float, freedom: int) -> float:
    """Student's t by Wallace's transformation of the normal distribution."""
    z = _NORMAL.inv_cdf(probability) * (8 * freedom + 3) / (8 * freedom + 1)
    return math.copysign(math.sqrt(freedom * math.expm1(z * z / freedom)), z)


def upper_tail(t: float, freedom: int) -> float:
    """The chance of a t as large as this or larger."""
    size = math.sqrt(freedom * math.log1p(t * t / freedom))
    return _NORMAL.cdf(-math.copysign(size, t) * (8 * freedom + 1) / (8 * freedom + 3))


def of_pairs(apart: npt.NDArray[np.float64], worse_by: float | None = None) -> Difference:
    """The difference of two means over the same rows, from what each row adds to it; where the
    figure is not a mean, `worse_by` is the difference and the rows only tell its error."""
    rows = int(apart.size)
    error = float(np.std(apart, ddof=1)) / math.sqrt(rows) if rows > 1 else math.inf
    mean = float(np.mean(apart)) if worse_by is None else worse_by
    return Difference(worse_by=mean, error=error, samples=rows, freedom=max(rows - 1, 1))


def of_mistakes(candidate: npt.NDArray[np.bool_], baseline: npt.NDArray[np.bool_]) -> Difference:
    """The difference of two shares of wrong answers to the same rows, from the rows in which the
    two differ (McNemar), each kind counted half a row more than there are (Agresti and Min): no
    difference in a few rows is no proof that there is none."""
    rows = int(candidate.size) + 2
    worse = float(np.count_nonzero(candidate & ~baseline)) + 0.5
    better = float(np.count_nonzero(baseline & ~candidate)) + 0.5
    error = math.sqrt(worse + better - (worse - better) ** 2 / rows) / rows
    return Difference(worse_by=(worse - better) / rows, error=error, samples=rows - 2)


def exact(worse_by: float, samples: int) -> Difference:
    """A difference without doubt."""
    return Difference(worse_by=worse_by, error=0.0, samples=samples)
