"""The sequential test under every monitor: bets that gain when a mean has left its place.

A question gives every cell of a column a value between 0 and 1 and says where the mean of these
values lies as long as nothing has changed. For each of a few stakes, a bet multiplies its wealth by
1 + stake × (value − bound) for every row; while the mean is within the bound it cannot be expected
to gain. Starting such a bet anew at every stretch and adding up all their wealths gives a
Shiryaev–Roberts e-detector: until something changes, the mean number of stretches before the sum
first reaches A is at least A, whenever and however often somebody looks.

Exact from counts: the value of a row is its cell's. Pure; the state is a few numbers.
"""

import math
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_STAKES: Final = (0.02, 0.05, 0.12, 0.3, 0.7)
"""As shares of the largest stake that can never lose everything."""


_NOISE: Final = 2.0
"""Standard errors by which a stretch may look worse than it is."""


class Question(msgspec.Struct, frozen=True):
    """What is asked of a column's counts."""

    values: tuple[float, ...]
    """Of each cell, 0 to 1."""
    mean: float
    """Where the mean of the values lies when nothing has changed."""
    tolerance: float
    """How far it may lie from there before that counts as a change."""


class State(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of the stretches so far."""

    wealth: tuple[float, ...] = ()
    """Logarithms, one for each bet: first those that the mean has risen, then that it has
    fallen."""
    runs: tuple[tuple[float, int, float, float], ...] = ((0.0, 0, 0.0, 0.0), (0.0, 0, 0.0, 0.0))
    """For each direction, of the run of stretches that speaks for a change: how loudly, since
    when (ms), rows, and the sum of their values."""


class Evidence(msgspec.Struct, frozen=True):
    """What the stretches so far say."""

    wealth: float
    """The logarithm of the e-detector."""
    since_ms: int
    """Where the change is thought to have begun; 0 while nothing speaks for one."""
    rows: int
    mean: float
    """Of the values since then."""
    shift: float
    """How far that lies from where it should."""


def advance(state: State, question: Question, counts: npt.ArrayLike, begin_ms: int) -> State:
    """Take one more stretch into account."""
    rows = np.asarray(counts, dtype=np.float64)
    total = float(rows.sum())
    if total == 0.0:
        return state
    values = np.asarray(question.values)
    gains = np.array(
        [
            float((rows * np.log1p(stake * (values - bound))).sum())
            for stake, bound in _bets(question)
        ]
    )
    return bet(state, gains, (begin_ms, total, float((rows * values).sum())))


def bet(
    state: State, gains: Floats, stretch: tuple[int, float, float], ways: Literal[1, 2] = 2
) -> State:
    """What bets gained in one more stretch (its begin, rows, and the sum of their values), those of
    each way of changing together; the logarithm of what is expected of each is at most 0."""
    before = np.array(state.wealth or (-math.inf,) * len(gains))
    wealth = np.logaddexp(0.0, before) + gains
    runs = list(state.runs)
    for way, own in enumerate(np.split(gains, ways)):
        runs[way] = _run(runs[way], float(own.max()), *stretch)
    return State(tuple(wealth.tolist()), tuple(runs))


def loudness(state: State) -> float:
    """The logarithm of the e-detector."""
    if not state.wealth:
        return -math.inf
    return float(np.logaddexp.reduce(np.array(state.wealth))) - math.log(len(state.wealth))


def as_usual(question: Question, counts: npt.ArrayLike) -> bool:
    """Whether one stretch by itself lies within the tolerance, give or take its own noise."""
    rows = np.asarray(counts, dtype=np.float64)
    total = float(rows.sum())
    values = np.array(question.values)
    mean = float((rows * values).sum() / total)
    variance = float((rows * (values - mean) ** 2).sum() / total)
    noise = _NOISE * math.sqrt(variance / total)
    return abs(mean - question.mean) <= question.tolerance + noise


def _run(
    run: tuple[float, int, float, float], gain: float, begin_ms: int, rows: float, total: float
) -> tuple[float, int, float, float]:
    loud, since_ms, before, sum_ = run
    if loud + gain <= 0.0:
        return (0.0, 0, 0.0, 0.0)
    return (loud + gain, since_ms if before else begin_ms, before + rows, sum_ + total)


def _bets(question: Question) -> list[tuple[float, float]]:
    """Stakes and bounds; none can lose everything on a single row."""
    high = min(1.0, question.mean + question.tolerance)
    low = max(0.0, question.mean - question.tolerance)
    # A bound at the end of the range cannot be passed, and a stake there would be without limit.
    up = [(share / max(high, 0.01), high) for share in _STAKES]
    down = [(-share / max(1.0 - low, 0.01), low) for share in _STAKES]
    return [*up, *down]


def evidence(state: State, question: Question) -> Evidence:
    """What the stretches so far say, both directions together."""
    if not state.wealth:
        return Evidence(-math.inf, 0, 0, question.mean, 0.0)
    wealth = loudness(state)
    loud, since_ms, rows, total = max(state.runs)
    if loud == 0.0:
        return Evidence(wealth, 0, 0, question.mean, 0.0)
    mean = total / rows
    return Evidence(wealth, since_ms, round(rows), mean, mean - question.mean)
