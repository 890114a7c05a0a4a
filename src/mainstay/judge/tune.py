"""Which bars history recommends: the share of answers told against the errors among them.

Made of decisions whose outcome became known. Promises that a recommended bar comes with what it
would have led to and with how far chance can be off, and that too few outcomes are called unsure
instead of being turned into a number. Pure functions of columns.
"""

from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.bundle.judgement import ThresholdChoice
from mainstay.bundle.metrics import wilson

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Interval = tuple[float, float]

LABELS_MIN: Final = 200
WRONG_MIN: Final = 20
"""With fewer outcomes, or fewer wrong answers among them, nothing is recommended."""
POINTS_MAX: Final = 100
_Z: Final = 1.959963984540054


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions whose outcome is known, a value for each."""

    sure: Floats
    """The confidence in the answer."""
    right: Flags
    amounts: Floats | None = None
    """What a mistake costs there; nothing where no cost is known."""
    statuses: tuple[str, ...] = ()
    """What became of each answer."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """What a bar would have led to."""

    bar: float
    told: float
    """The share of answers at or above it."""
    wrong: float
    """The share of wrong ones among them."""
    interval: Interval
    cost: float | None = None
    """What the mistakes among them cost, spread over all decisions."""


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """One recommended bar."""

    setting: str
    value: float
    words: str
    point: Point | None = None


class Tuned(msgspec.Struct, frozen=True, kw_only=True):
    """What history says."""

    verdict: Literal["found", "unsure"]
    words: str
    labels: int
    wrong: float | None = None
    """The share of wrong answers if all were told."""
    interval: Interval | None = None
    curve: tuple[Point, ...] = ()
    advice: tuple[Advice, ...] = ()
    threshold: ThresholdChoice | None = None


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """What the bars are to reach."""

    withhold_at_most: float = 0.15
    error_at_most: float | None = None
    """Instead: the highest share of wrong answers among those told."""


def tune(history: History, goal: Goal) -> Tuned:
    """The curve, and the bars that reach the goal."""
    labels, wrong = len(history.right), int((~history.right).sum())
    if labels < LABELS_MIN or wrong < WRONG_MIN:
        words = (
            f"{labels} decisions with a known outcome, {wrong} of them wrong, are too few to "
            f"recommend anything; {LABELS_MIN} with {WRONG_MIN} wrong ones would do"
        )
        return Tuned(verdict="unsure", words=words, labels=labels)
    curve = curve_of(history)
    advice = _confidence_advice(curve, labels, goal)
    if advice is None:
        words = (
            f"no bar keeps the share of wrong answers at or below {goal.error_at_most:.3g} for "
            "sure; the best is " + _words(min(curve, key=lambda point: point.interval[1]))
        )
        return Tuned(verdict="unsure", words=words, labels=labels, curve=tuple(_thinned(curve)))
    found = [advice]
    if history.amounts is not None:
        found += _cost_advice(history, goal)
    share = wrong / labels
    return Tuned(
        verdict="found",
        words=f"{labels} decisions with a known outcome, {wrong} of them wrong",
        labels=labels,
        wrong=round(share, 6),
        interval=_rounded(wilson(share, labels, _Z)),
        curve=tuple(_thinned(curve)),
        advice=tuple(found),
    )


def curve_of(history: History) -> list[Point]:
    """Every bar that makes a difference, the highest first."""
    order = np.argsort(-history.sure, kind="stable")
    sure, wrong = history.sure[order], (~history.right)[order].astype(np.float64)
    last = np.flatnonzero(np.append(sure[1:] != sure[:-1], [True]))
    errors = np.cumsum(wrong)[last]
    costs: Floats | None = None
    if history.amounts is not None:
        costs = np.cumsum(wrong * history.amounts[order])[last] / len(sure)
    told = last + 1
    return [
        Point(
            bar=round(float(sure[place]), 6),
            told=round(float(n / len(sure)), 6),
            wrong=round(float(k / n), 6),
            interval=_rounded(wilson(float(k / n), float(n), _Z)),
            cost=None if costs is None else round(float(costs[at]), 6),
        )
        for at, (place, n, k) in enumerate(zip(last, told, errors, strict=True))
    ]


def _confidence_advice(curve: list[Point], rows: int, goal: Goal) -> Advice | None:
    if goal.error_at_most is not None:
        fitting = [point for point in curve if point.interval[1] <= goal.error_at_most]
    else:
        # The highest bar that withholds no more than that, also of decisions to come.
        most = goal.withhold_at_most
        fitting = [p for p in curve if wilson(1 - p.told, rows, _Z)[1] <= most]
        fitting = [min(fitting or curve[-1:], key=lambda point: point.told)]
    if not fitting:
        return None
    best = max(fitting, key=lambda point: point.told)
    return Advice(
        setting="judge.confidence.at_least",
        value=down(best.bar),
        words=_words(best),
        point=best,
    )


def down(bar: float) -> float:
    """A bar with few digits that keeps what reaches it."""
    return float(np.floor(bar * 1e4) / 1e4)


def _words(point: Point) -> str:
    low, high = point.interval
    return (
        f"{100 * point.told:.1f} % of the answers told, {100 * point.wrong:.2f} % of them wrong "
        f"({100 * low:.2f} to {100 * high:.2f} %)"
    )


def _cost_advice(history: History, goal: Goal) -> list[Advice]:
    assert history.amounts is not None
    expected = (1 - history.sure) * history.amounts
    known = ~np.isnan(expected)
    total = float((~history.right * np.where(known, history.amounts, 0)).sum())
    if not known.any() or total <= 0:
        return []
    bar = float(np.quantile(expected[known], 1 - goal.withhold_at_most, method="higher"))
    asked = known & (expected > bar)
    caught = asked & ~history.right
    wrong = int((known & ~history.right).sum())
    saved = float(history.amounts[caught].sum()) / total
    low, high = wilson(int(caught.sum()) / wrong, wrong, _Z)
    words = (
        f"{100 * asked.mean():.1f} % of the answers asked about first, and with them "
        f"{100 * saved:.0f} % of what mistakes cost and {100 * low:.0f} to {100 * high:.0f} % of "
        "the mistakes"
    )
    return [Advice(setting="judge.cost.ask_above", value=float(f"{bar:.4g}"), words=words)]


def _thinned(curve: list[Point]) -> list[Point]:
    if len(curve) <= POINTS_MAX:
        return curve
    places = np.linspace(0, len(curve) - 1, POINTS_MAX).round().astype(int)
    return [curve[place] for place in sorted(set(places.tolist()))]


def _rounded(interval: Interval) -> Interval:
    return round(interval[0], 6), round(interval[1], 6)


# ---------------------------------------------------------------------------------- other bars


class Bars(msgspec.Struct, frozen=True, kw_only=True):
    """Bars to replay history under; what is left out is no bar."""

    confidence: float = 0.0
    ask_above: float = float("inf")
    decline_above: float = float("inf")


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What would have become of the decisions under other bars."""

    labels: int
    told: int
    asked: int
    withheld: int
    wrong_told: int
    wrong_asked: int
    wrong_withheld: int
    wrong: float | None
    """The share of wrong ones among those told without a question."""
    interval: Interval | None
    cost: float | None
    """What the mistakes among those told cost, spread over all decisions."""
    was_told: int
    was_wrong: int
    """What was told without a question then, and how much of it was wrong."""


def under(history: History, bars: Bars) -> Replayed:
    """History under other bars. Answers below the bar of confidence are withheld, whatever the
    contract would do instead of telling them."""
    told, asked = _apart(history, bars)
    withheld = ~told & ~asked
    wrong = ~history.right
    count, bad = int(told.sum()), int((told & wrong).sum())
    cost = None
    if history.amounts is not None:
        amounts = np.where(np.isnan(history.amounts), 0.0, history.amounts)
        cost = round(float(amounts[told & wrong].sum()) / max(1, len(wrong)), 6)
    then = np.array([status == "answered" for status in history.statuses], dtype=np.bool_)
    if not len(then):
        then = np.zeros(len(wrong), dtype=np.bool_)
    return Replayed(
        labels=len(wrong),
        told=count,
        asked=int(asked.sum()),
        withheld=int(withheld.sum()),
        wrong_told=bad,
        wrong_asked=int((asked & wrong).sum()),
        wrong_withheld=int((withheld & wrong).sum()),
        wrong=round(bad / count, 6) if count else None,
        interval=_rounded(wilson(bad / count, count, _Z)) if count else None,
        cost=cost,
        was_told=int(then.sum()),
        was_wrong=int((then & wrong).sum()),
    )


def _apart(history: History, bars: Bars) -> tuple[Flags, Flags]:
    """Which would have been told, and which asked about."""
    sure_enough: Flags = history.sure >= bars.confidence
    if history.amounts is None:
        return sure_enough, np.zeros(len(history.right), dtype=np.bool_)
    expected = (1 - history.sure) * history.amounts
    # As in judgement: a cost that is not known is above every bar there is.
    fine: Flags = (expected <= bars.ask_above) | (bars.ask_above == np.inf)
    bearable: Flags = (expected <= bars.decline_above) | (bars.decline_above == np.inf)
    return sure_enough & fine & bearable, sure_enough & ~fine & bearable


def plot(curve: tuple[Point, ...], width: int = 60, height: int = 12) -> list[str]:
    """The curve in characters: across the share told, up the share of wrong ones among them."""
    if not curve:
        return []
    top = max(point.wrong for point in curve[len(curve) // 10 :]) or 1.0
    grid = [[" "] * width for _ in range(height)]
    for point in curve:
        across = min(width - 1, int(point.told * (width - 1) + 0.5))
        up = min(height - 1, int(point.wrong / top * (height - 1) + 0.5))
        grid[height - 1 - up][across] = "•"
    lines: list[str] = []
    for place, row in enumerate(grid):
        share = top * (height - 1 - place) / (height - 1)
        mark = f"{100 * share:6.2f} %" if place % 3 == 0 or place == height - 1 else " " * 8
        lines.append(f"{mark} │{''.join(row)}")
    lines.append(" " * 8 + " └" + "─" * width)
    lines.append(" " * 10 + "0 %" + "told".center(width - 8) + "100 %")
    return lines
