"""Comparing two arms while they run: figures that may be looked at whenever one likes.

An ordinary test is right once; looked at every second, it finds harm in a candidate that is as
good, sooner or later. Here everything is an e-process: a capital that stays below 1 / alpha for
ever, with a probability of at least 1 - alpha, as long as the claim it bets against is true. So
`alpha` is the error over all looks together, and over any rule for when to stop.

The bet (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting") is
made on inverse-propensity terms: a unit of the candidate's arm, which is drawn with probability
p, counts (y - b) / p, one of the current's arm -(y - b) / (1 - p). Its mean is the difference of
the arms whatever `b` is, whatever the share of bad answers does over the day, and however p
changes from step to step: nothing is assumed but that the draw of a unit is fair and fresh. So a
unit may be counted once only; whoever counts a unit twice gets intervals that are too narrow.
Capital is spread over several bets and several `b`, fixed beforehand, so the figures depend on
the counts alone and not on the order or the times in which they were looked at.

Limits: values lie between 0 and 1, where 1 is bad. Small shares see little: `labels_needed` says
beforehand how much has to be seen.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

_BETS: Final = np.array([0.15, 0.4, 1.0, 2.5, 6.0])
"""The effect to bet on, in units of (difference) / (variance)."""
_CENTRES: Final = np.array([0.05, 0.15, 0.4, 0.8])
_SAFE: Final = 0.95
"""How much of the capital a bet may lose at most, so that it never loses all."""
_LEARNING_NATS: Final = 2.0
"""About what spreading the capital costs; for planning only."""
_PRECISION: Final = 2e-4
_RATIO_WEIGHT: Final = 100.0
_SHARE_MIN: Final = 1e-6

Array = npt.NDArray[np.float64]


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Values of one arm, counted on an even grid from 0 (first) to 1 (last); with two places it
    counts the good and the bad."""

    counts: tuple[int, ...] = (0, 0)

    @property
    def total(self) -> int:
        """How many values."""
        return sum(self.counts)

    @property
    def mean(self) -> float:
        """Their mean: with two places, the share of the bad; NaN without any."""
        return (
            float(self._values() @ np.array(self.counts) / self.total) if self.total else math.nan
        )

    def _values(self) -> Array:
        return np.linspace(0.0, 1.0, len(self.counts))

    def values(self) -> tuple[Array, Array]:
        """The values that are there, and how often each is."""
        often = np.array(self.counts, dtype=np.float64)
        there = often > 0
        return self._values()[there], often[there]


def bad_of(bad: int, total: int) -> Tally:
    """The tally of so many bad ones among so many."""
    return Tally(counts=(total - bad, bad))


class Stratum(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen while the candidate had one share."""

    share: float
    """The probability with which a unit met the candidate, strictly between 0 and 1."""
    candidate: Tally = Tally()
    current: Tally = Tally()

    @property
    def total(self) -> int:
        """How many units were counted."""
        return self.candidate.total + self.current.total


def log_evidence(strata: Sequence[Stratum], difference: float, *, worse: bool = True) -> float:
    """The log of the capital that betting against a claim has made.

    With `worse`, the claim is "the candidate's mean is at most `difference` above the current's";
    without, "at least `difference` above it".
    """
    sign = 1.0 if worse else -1.0
    log_capital = np.zeros((len(_CENTRES), len(_BETS)))
    for stratum in strata:
        share = min(max(stratum.share, _SHARE_MIN), 1 - _SHARE_MIN)
        spread = share * (1 - share)
        furthest = np.maximum(
            np.maximum(_CENTRES, 1 - _CENTRES) / share,
            np.maximum(_CENTRES, 1 - _CENTRES) / (1 - share),
        )
        most = _SAFE / (furthest + 1)
        bets = np.minimum(_BETS[None, :] * spread, most[:, None])
        values, often, weights = _terms(stratum, share)
        terms = (values[None, :] - _CENTRES[:, None]) * weights
        growth = np.log1p(bets[:, :, None] * sign * (terms - difference)[:, None, :])
        log_capital += growth @ often
    top = float(log_capital.max())
    return top + math.log(float(np.exp(log_capital - top).mean()))


def _terms(stratum: Stratum, share: float) -> tuple[Array, Array, Array]:
    """The values of both arms, how often each was seen, and what each weighs."""
    arms = (stratum.candidate.values(), stratum.current.values())
    weights = [np.full(len(arms[0][0]), 1 / share), np.full(len(arms[1][0]), -1 / (1 - share))]
    values, often = (np.concatenate([arm[place] for arm in arms]) for place in (0, 1))
    return values, often, np.concatenate(weights)


def lower_bound(strata: Sequence[Stratum], alpha: float) -> float:
    """The difference (candidate minus current) is above this at all looks, but for `alpha`."""
    return _bound(strata, alpha, worse=True)


def upper_bound(strata: Sequence[Stratum], alpha: float) -> float:
    """The difference is below this at all looks, but for `alpha`."""
    return _bound(strata, alpha, worse=False)


def _bound(strata: Sequence[Stratum], alpha: float, *, worse: bool) -> float:
    against = math.log(1 / alpha)
    return _outermost(
        lambda difference: log_evidence(strata, difference, worse=worse) >= against, worse=worse
    )


def _outermost(refuted: Callable[[float], bool], *, worse: bool) -> float:
    """The outermost difference that is refuted; all further out than a refuted one are too."""
    found, open_ = (-1.0, 1.0) if worse else (1.0, -1.0)
    if not refuted(found):
        return found
    while abs(open_ - found) > _PRECISION:
        middle = (open_ + found) / 2
        if refuted(middle):
            found = middle
        else:
            open_ = middle
    return found


def estimate(strata: Sequence[Stratum]) -> float:
    """The difference of the means, step by step so that no step's share tilts it; NaN when no
    step has seen both arms."""
    pairs = [
        (s.candidate.mean - s.current.mean, s.total * s.share * (1 - s.share))
        for s in strata
        if s.candidate.total and s.current.total
    ]
    weight = sum(each for _, each in pairs)
    return sum(value * each for value, each in pairs) / weight if weight else math.nan


def labels_needed(share: float, variance: float, difference: float, alpha: float) -> int:
    """About how many labelled units, of both arms together, it takes to tell `difference`.

    `variance` is that of one value: r (1 - r) for a share r of bad ones.
    """
    information = 2 * variance * (math.log(1 / alpha) + _LEARNING_NATS) / difference**2
    return math.ceil(information / (share * (1 - share)))


def labels_missing(strata: Sequence[Stratum], share: float, difference: float, alpha: float) -> int:
    """About how many more it takes at this share, given what was seen already."""
    seen = [tally for s in strata for tally in (s.candidate, s.current) if tally.total]
    total = sum(tally.total for tally in seen)
    mean = (sum(t.mean * t.total for t in seen) + 1.0) / (total + 4.0)
    needed = labels_needed(share, mean * (1 - mean), difference, alpha)
    have = sum(s.total * s.share * (1 - s.share) for s in strata) / (share * (1 - share))
    return max(1, math.ceil(needed - have))


def log_split_evidence(strata: Sequence[tuple[float, int, int]]) -> float:
    """The log of the capital made by betting against "units were drawn with the shares named".

    Each stratum is a share, and how many units met the candidate and the current version. The bet
    is a mixture over other shares (Lindon and Malek, "Anytime-valid inference for multinomial
    count data"), so it too may be looked at any time.
    """
    capital = 0.0
    for share, candidate, current in strata:
        first, second = _RATIO_WEIGHT * share, _RATIO_WEIGHT * (1 - share)
        capital += _log_beta(first + candidate, second + current) - _log_beta(first, second)
        capital -= candidate * math.log(share) + current * math.log(1 - share)
    return capital


def _log_beta(first: float, second: float) -> float:
    return math.lgamma(first) + math.lgamma(second) - math.lgamma(first + second)


class Pairs(msgspec.Struct, frozen=True, kw_only=True):
    """Units that both versions answered: what one of them answered better, and which."""

    better: int = 0
    """The candidate was good, the current version bad."""
    same: int = 0
    worse: int = 0

    @property
    def total(self) -> int:
        """How many pairs."""
        return self.better + self.same + self.worse

    @property
    def difference(self) -> float:
        """The candidate's share of bad ones minus the current's; NaN without any pair."""
        return (self.worse - self.better) / self.total if self.total else math.nan


def paired_bound(pairs: Pairs, alpha: float, *, worse: bool) -> float:
    """As `lower_bound` (with `worse`) or `upper_bound`, where every unit met both versions."""
    against = math.log(1 / alpha)
    sign = 1.0 if worse else -1.0
    terms = np.array([-1.0, 0.0, 1.0])
    often = np.array([pairs.better, pairs.same, pairs.worse], dtype=np.float64)
    bets = _SAFE / 2 * 2.0 ** -np.arange(8)

    def refuted(difference: float) -> bool:
        growth = np.log1p(bets[:, None] * sign * (terms - difference)[None, :]) @ often
        top = float(growth.max())
        return top + math.log(float(np.exp(growth - top).mean())) >= against

    return _outermost(refuted, worse=worse)


def pairs_missing(pairs: Pairs, difference: float, alpha: float) -> int:
    """About how many more pairs it takes to tell `difference`, given what was seen already."""
    variance = (pairs.better + pairs.worse + 1.0) / (pairs.total + 4.0)
    needed = 2 * variance * (math.log(1 / alpha) + _LEARNING_NATS) / difference**2
    return max(1, math.ceil(needed - pairs.total))
