"""Tests of counts in cells without an order: chi-square for many, Fisher's exact test for two.

Promises that rare cells are pooled until the chi-square approximation is fair, and that two
shares are compared exactly where counts are small. The effect of both is between 0 and 1: the
share of rows that would have to move (total variation) beyond what chance alone moves, and the
difference of the two shares.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from mainstay.watch.special import chi_square_tail
from mainstay.watch.statistics import NOTHING, Result

Counts = npt.NDArray[np.int64]

EXPECTED_MIN: Final = 10.0
"""How many rows of the smaller sample a cell must be expected to have. The usual 5 is fair at one
in twenty; at one in ten thousand, where many tests share one promise, it alarms three times too
often."""
_EXACT_MAX: Final = 100_000
"""Up to how many possible outcomes two shares are compared exactly: about 2 ms."""


def chi_square(first: Counts, second: Counts, expected_min: float = EXPECTED_MIN) -> Result:
    """Do two samples have the same shares in all cells? Rare cells are looked at as one, and two
    cells are compared exactly."""
    n, m = int(first.sum()), int(second.sum())
    if n == 0 or m == 0:
        return NOTHING
    all_first, all_second = first, second
    first, second = _pooled(first, second, expected_min)
    if len(first) < 2:
        # Nothing is left but one cell: then the commonest against all others, exactly.
        top = int(np.argmax(all_first + all_second))
        found = two_shares(int(all_first[top]), n, int(all_second[top]), m)
        return found._replace(effect=beyond_chance(all_first, all_second))
    if len(first) == 2:
        exact = two_shares(int(first[0]), n, int(second[0]), m)
        return exact._replace(effect=beyond_chance(first, second))
    both = (first + second).astype(np.float64)
    total = n + m
    expected = both * (m / total)
    # The two rows of the table have the same residuals up to their sizes.
    statistic = float((((second - expected) ** 2) / expected).sum()) * total / n
    return Result(
        statistic, chi_square_tail(statistic, len(first) - 1), beyond_chance(first, second)
    )


def _pooled(first: Counts, second: Counts, expected_min: float) -> tuple[Counts, Counts]:
    both = first + second
    total = int(both.sum())
    expected = both * (min(int(first.sum()), int(second.sum())) / total)
    rare = expected < expected_min
    if not rare.any():
        return first, second
    common_first, common_second = first[~rare], second[~rare]
    rest = int(first[rare].sum()), int(second[rare].sum())
    if rest == (0, 0):
        return common_first, common_second
    if float(expected[rare].sum()) < expected_min and len(common_first):
        at = int(np.argmin(common_first + common_second))
        common_first[at] += rest[0]
        common_second[at] += rest[1]
        return common_first, common_second
    return np.append(common_first, rest[0]), np.append(common_second, rest[1])


def beyond_chance(first: Counts, second: Counts) -> float:
    """The total variation between two samples, less what it is expected to be by chance."""
    n, m = int(first.sum()), int(second.sum())
    if n == 0 or m == 0:
        return 0.0
    apart = float(np.abs(first / n - second / m).sum()) / 2.0
    share = (first + second) / (n + m)
    chance = float(np.sqrt(2.0 / math.pi * share * (1.0 - share) * (1.0 / n + 1.0 / m)).sum()) / 2.0
    return max(0.0, apart - chance)


def two_shares(hits: int, of: int, second_hits: int, second_of: int) -> Result:
    """Is the share of hits the same in two samples?"""
    if of == 0 or second_of == 0:
        return NOTHING
    together = hits + second_hits
    effect = abs(second_hits / second_of - hits / of)
    if together in (0, of + second_of):
        return NOTHING
    if min(together, of, second_of) <= _EXACT_MAX:
        return Result(effect, _hypergeometric_both_tails(hits, of, second_hits, second_of), effect)
    share = together / (of + second_of)
    variance = share * (1.0 - share) * (1.0 / of + 1.0 / second_of)
    return Result(effect, chi_square_tail(effect**2 / variance, 1), effect)


def _hypergeometric_both_tails(hits: int, of: int, second_hits: int, second_of: int) -> float:
    """The share of all draws that are at most as likely as the one that was seen."""
    drawn = hits + second_hits
    low, high = max(0, drawn - of), min(drawn, second_of)
    k = np.arange(low, high, dtype=np.float64)
    # From each outcome to the next, the chance changes by this factor.
    steps = np.log(drawn - k) + np.log(second_of - k) - np.log(k + 1) - np.log(of - drawn + k + 1)
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    likely = np.exp(logs - logs.max())
    seen = likely[second_hits - low]
    return float(min(1.0, likely[likely <= seen * (1.0 + 1e-7)].sum() / likely.sum()))
