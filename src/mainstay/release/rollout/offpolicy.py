"""What another policy would have earned, from decisions that this one made and recorded.

A policy is a way to choose among answers: a version, a share of units, a ranking. Each recorded
decision has a propensity, the probability with which what was done was chosen. Weighted by how
much more often the other policy would have done the same, the rewards tell what it had earned:

    ips             the mean of weight x reward
    snips           the same, divided by the mean weight: steadier, and never outside the rewards
    doubly_robust   what a model of the rewards predicts, corrected by the weighted errors it made

Promises that a value without a propensity is refused rather than guessed, that weights above
`clip` are cut and the share of weight that was cut is told, and that the interval holds at all
looks together, but for `alpha`: it is a pair of bets as in `statistics.py`. No bet may depend on
what it is made on, so `clip` is fixed beforehand, not taken from the weights.

Limits: rewards lie between 0 and 1. The interval is that of the clipped value; what was cut can
only add to `ips`. `snips` compares with the mean weight, so its interval holds for the value of
the other policy where the recorded one could have done all that the other would. The predictions
of `doubly_robust` must come from elsewhere or from before, not from the rewards they are held to.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.base.errors import InvalidUsage

_SAFE: Final = 0.95
"""How much of the capital one term may cost at most."""
_BETS: Final = 2.0 ** np.arange(-10.0, 7.0)
_PRECISION: Final = 2.0**-20
CLIP: Final = 20.0

Array = npt.NDArray[np.float64]


class Log(NamedTuple):
    """Recorded decisions, one place in each array for one of them (or for `often` equal ones)."""

    rewards: Array
    weights: Array
    """How much more often the other policy would have done what was done."""
    often: Array


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a policy."""

    value: float
    """NaN where nothing was recorded that the policy would have done."""
    low: float
    high: float
    clipped: float
    """The share of all weight that was cut away."""
    decisions: int
    effective: float
    """As many decisions of the policy itself would tell about as much."""


def log_of(
    rewards: Sequence[float] | Array,
    propensities: Sequence[float] | Array,
    wanted: Sequence[float] | Array,
    often: Sequence[float] | Array | None = None,
) -> Log:
    """Recorded decisions: what each earned, how probable it was, and how probable the other policy
    would have made it. A propensity that is missing (NaN), zero or above 1 is refused."""
    reward, chance, other = (
        np.asarray(each, dtype=np.float64) for each in (rewards, propensities, wanted)
    )
    counts = np.ones(len(reward)) if often is None else np.asarray(often, dtype=np.float64)
    if not len(reward) == len(chance) == len(other) == len(counts):
        raise InvalidUsage(
            "each decision needs a reward, a propensity and a wanted probability",
            field="propensities",
            got=f"{len(reward)} rewards, {len(chance)} propensities, {len(other)} wanted",
            expected="as many of each",
        )
    possible = (chance > 0) & (chance <= 1)
    checks = (
        (np.isnan(chance), chance, "propensities", "has no propensity", "the one recorded with it"),
        (~possible, chance, "propensities", "has an impossible propensity", "above 0, at most 1"),
        (~((other >= 0) & (other <= 1)), other, "wanted", "has no wanted probability", "0 to 1"),
        (~((reward >= 0) & (reward <= 1)), reward, "rewards", "has no such reward", "0 to 1"),
        (~((counts >= 0) & np.isfinite(counts)), counts, "often", "has no such count", "0 or more"),
    )
    for check in checks:
        _refuse(*check)
    return Log(reward, other / chance, counts)


def _refuse(wrong: npt.NDArray[np.bool_], values: Array, field: str, what: str, right: str) -> None:
    if wrong.any():
        first = int(np.argmax(wrong))
        raise InvalidUsage(
            f"decision {first + 1} of {len(values)} {what}"
            + (f" (and {int(wrong.sum()) - 1:,} more)" if wrong.sum() > 1 else ""),
            field=field,
            got=repr(float(values[first])),
            expected=right,
        )


def ips(log: Log, *, clip: float = CLIP, alpha: float = 0.05) -> Estimate:
    """Inverse propensity scores: right on average, however the rewards are made."""
    weights = np.minimum(log.weights, clip)
    terms = weights * log.rewards
    low = _last(lambda v: _refuted(terms - v, log.often, v, alpha), rising=True)
    high = _last(lambda v: _refuted(v - terms, log.often, clip - v, alpha), rising=False)
    return _estimate(log, weights, _mean(terms, log.often), (low, high))


def snips(log: Log, *, clip: float = CLIP, alpha: float = 0.05) -> Estimate:
    """Self-normalised: always a mean of rewards that were seen."""
    weights = np.minimum(log.weights, clip)
    total = float(weights @ log.often)
    value = float((weights * log.rewards) @ log.often) / total if total else math.nan

    def above(v: float) -> bool:
        return _refuted(weights * (log.rewards - v), log.often, clip * v, alpha)

    def below(v: float) -> bool:
        return _refuted(weights * (v - log.rewards), log.often, clip * (1 - v), alpha)

    bounds = _last(above, rising=True), _last(below, rising=False)
    return _estimate(log, weights, value, bounds)


def doubly_robust(
    log: Log,
    predicted: Sequence[float] | Array,
    expected: Sequence[float] | Array,
    *,
    clip: float = CLIP,
    alpha: float = 0.05,
) -> Estimate:
    """Right on average when the propensities are, and nearer the better the predictions are.

    `predicted` is the reward foreseen for what was done, `expected` the mean reward foreseen for
    what the other policy would have done instead; both between 0 and 1.
    """
    seen, meant = (np.asarray(each, dtype=np.float64) for each in (predicted, expected))
    for field, values in (("predicted", seen), ("expected", meant)):
        if len(values) != len(log.rewards):
            raise InvalidUsage(
                f"{field} has {len(values)} rewards for {len(log.rewards)} decisions",
                field=field, got=len(values), expected=str(len(log.rewards)),
            )  # fmt: skip
        _refuse(~((values >= 0) & (values <= 1)), values, field, "has a foreseen reward that is "
                "no share", "0 to 1")  # fmt: skip
    weights = np.minimum(log.weights, clip)
    terms = meant + weights * (log.rewards - seen)
    # A term lies between -clip and 1 + clip, whatever is predicted.
    low = _last(lambda v: _refuted(terms - v, log.often, clip + v, alpha), rising=True)
    high = _last(lambda v: _refuted(v - terms, log.often, 1 + clip - v, alpha), rising=False)
    return _estimate(log, weights, _mean(terms, log.often), (low, high))


def _estimate(log: Log, weights: Array, value: float, bounds: tuple[float, float]) -> Estimate:
    total, kept = float(log.weights @ log.often), float(weights @ log.often)
    squares = float(weights**2 @ log.often)
    return Estimate(
        value=value,
        low=bounds[0],
        high=bounds[1],
        clipped=1 - kept / total if total else 0.0,
        decisions=round(float(log.often.sum())),
        effective=kept**2 / squares if squares else 0.0,
    )


def _mean(terms: Array, often: Array) -> float:
    total = float(often.sum())
    return float(terms @ often) / total if total else math.nan


def _refuted(terms: Array, often: Array, lowest: float, alpha: float) -> bool:
    """Whether a bet against "the mean of these terms is at most 0" has won; no term is below
    `-lowest`, and half of the error belongs to each side of an interval."""
    bets = np.minimum(_BETS, _SAFE / max(lowest, _PRECISION))
    growth = np.log1p(bets[:, None] * terms[None, :]) @ often if len(terms) else np.zeros(len(bets))
    top = float(growth.max())
    return top + math.log(float(np.exp(growth - top).mean())) >= math.log(2 / alpha)


def _last(refuted: Callable[[float], bool], *, rising: bool) -> float:
    """How far from the end of 0 to 1 values are refuted; all further out than one are, too."""
    end, other = (0.0, 1.0) if rising else (1.0, 0.0)
    if not refuted(end):
        return end
    while abs(other - end) > _PRECISION:
        middle = (end + other) / 2
        if refuted(middle):
            end = middle
        else:
            other = middle
    return end
