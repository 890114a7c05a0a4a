"""The monitor of usage: are there as many requests as there usually are at this hour of the week?

An hour is held against the median of the same hour of the last weeks, on the scale of how far such
hours lie apart (at least what chance alone does to a count), and that distance against all
distances of the last weeks: their tail, fitted to those beyond their 95th percentile, says how far
an hour strays in as many hours as the contract allows one alarm in. What is expected of the number
of hours beyond it does not depend on how hours follow each other, so that neither days nor weeks
that are alike break the promise. Hours of a finding that goes on are left out of the tail.

Says nothing before there are seven weeks of hours. A contract that declares rules of its own has
those in its place: a rule is a rule, and no promise about false alarms holds for it.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.contract.finding import Finding
from mainstay.contract.shares import share
from mainstay.contract.watching import UsageRules
from mainstay.watch.gather.model import DAY_MS, FAILED, HOUR_MS, STRETCH_MS, Part
from mainstay.watch.monitors.model import Change, Saved, Usage
from mainstay.watch.monitors.tick import Tick
from mainstay.watch.monitors.words import since
from mainstay.watch.series.tail import BEYOND, Tail, tail_of

KEY: Final = "||usage|"
"""How the keys of these findings begin."""
_DAY: Final = 24
_WEEK: Final = 7 * _DAY
_WEEKS_COMPARED: Final = 6
_WEEKS_LEAST: Final = 3
_DAYS_LEAST: Final = 14
_KEPT: Final = 8 * _WEEK
_PLACES_LEAST: Final = 2 * _WEEK
_FITTED: Final = 1.5
"""How often a limit is passed that was fitted to some weeks, for once that it should be; as it was
measured on series of many kinds."""
_NORMAL_MAD: Final = 1.4826

Floats = npt.NDArray[np.float64]


class Hour(NamedTuple):
    """What an hour says."""

    requests: int
    usual: float
    """How many requests there usually are."""
    ratio: float
    """The logarithm of one to the other."""
    place: float
    """How far it strays."""
    limit: float
    """How far it may."""
    bound: float
    """Nineteen of twenty hours stray less."""


def look_at_usage(
    saved: Saved,
    parts: Sequence[Part],
    rules: UsageRules | None,
    looks_per_alarm: float,
) -> tuple[Saved, list[Change]]:
    """Take the hours into account that have closed; `parts` are those of the stretches that
    closed since the last look, without shadows."""
    tick = Tick(saved.states, dict(saved.open))
    usage, hours = _hours(saved, parts)
    risk = HOUR_MS / STRETCH_MS / looks_per_alarm / _FITTED
    for begin_ms, count in hours:
        hour = judged(usage, count, risk)
        if rules is None:
            _seasonal(tick, hour, begin_ms)
        else:
            _ruled(tick, rules, (*usage.counts, count), begin_ms)
        usage = remembered(usage, count, hour, left_out=_SEASONAL in tick.open)
    for key in [key for key in tick.open if key.startswith(KEY) and key not in _keys(rules)]:
        tick.over(key, saved.until_ms)
    return msgspec.structs.replace(saved, open=tick.open, usage=usage), tick.changes


def _hours(saved: Saved, parts: Iterable[Part]) -> tuple[Usage, list[tuple[int, int]]]:
    """The hours that closed, with their counts; and what is known of the one that has not. An hour
    that was not watched from its beginning is none."""
    usage, until_ms = saved.usage, saved.until_ms
    counts: dict[int, int] = {}
    for part in parts:
        begin_ms = part.key.begin_ms - part.key.begin_ms % HOUR_MS
        failed = part.columns.get(FAILED)
        rows = part.rows + (0 if failed is None else failed.rows)
        counts[begin_ms] = counts.get(begin_ms, 0) + rows
    begin_ms = usage.hour_ms or (saved.first_ms and -(-saved.first_ms // HOUR_MS) * HOUR_MS)
    if not begin_ms:
        return usage, []
    counts[begin_ms] = counts.get(begin_ms, 0) + usage.count
    last_ms = max(begin_ms, until_ms - until_ms % HOUR_MS)
    hours = [(at, counts.get(at, 0)) for at in range(begin_ms, last_ms, HOUR_MS)]
    return msgspec.structs.replace(usage, hour_ms=last_ms, count=counts.get(last_ms, 0)), hours


# By what is usual ---------------------------------------------------------------------------------


def judged(usage: Usage, count: int, risk: float) -> Hour | None:
    """What an hour says after those that are remembered, when it may be told wrongly with so small
    a probability; nothing while too few are remembered."""
    same = usage.counts[::-1][_WEEK - 1 :: _WEEK][:_WEEKS_COMPARED]
    if len(same) < _WEEKS_LEAST:
        return None
    usual = float(np.median(same))
    ratio = _ratio(count, usual)
    days = [each for each in usage.ratios[::-1][_DAY - 1 :: _DAY] if each is not None]
    if len(days) < _DAYS_LEAST:
        return Hour(count, usual, ratio, math.nan, math.inf, math.inf)
    apart = _NORMAL_MAD * float(np.median(np.abs(np.array(days) - np.median(days))))
    place = ratio / math.sqrt(apart**2 + 1.0 / (usual + 1.0))
    places = np.array([abs(each) for each in usage.places if each is not None])
    if len(places) < _PLACES_LEAST:
        return Hour(count, usual, ratio, place, math.inf, math.inf)
    tail = _tail(places)
    return Hour(count, usual, ratio, place, tail.limit(risk), tail.bound)


def _ratio(count: float, usual: float) -> float:
    return math.log((count + 1.0) / (usual + 1.0))


def remembered(usage: Usage, count: int, hour: Hour | None, *, left_out: bool) -> Usage:
    """With one hour more; of one that is `left_out` nobody learns how far hours usually stray."""
    place = None if hour is None or left_out or math.isnan(hour.place) else hour.place
    ratio = None if hour is None else hour.ratio
    return msgspec.structs.replace(
        usage,
        counts=(*usage.counts, count)[-_WEEKS_COMPARED * _WEEK :],
        ratios=(*usage.ratios, ratio)[-_KEPT:],
        places=(*usage.places, place)[-_KEPT:],
    )


def _tail(places: Floats) -> Tail:
    bound = float(np.quantile(places, 1.0 - BEYOND))
    return tail_of(places[places > bound] - bound, bound)


_SEASONAL: Final = KEY + "usual"
_RULES: Final = ("hour_vs_yesterday", "day_vs_last_week")


def _keys(rules: UsageRules | None) -> set[str]:
    if rules is None:
        return {_SEASONAL}
    return {KEY + name for name in _RULES if getattr(rules, name)}


def _seasonal(tick: Tick, hour: Hour | None, begin_ms: int) -> None:
    if hour is None or math.isnan(hour.place):
        return
    end_ms = begin_ms + HOUR_MS
    if abs(hour.place) > hour.limit:
        way = "fewer" if hour.place < 0 else "more"
        words = (
            f"usage: {hour.requests:,} requests in the hour from {since(begin_ms)}, {way} than the"
            f" {hour.usual:,.0f} that are usual at this hour of the week."
        )
        tick.found(_SEASONAL, _finding(words, hour.requests, hour.usual), begin_ms, end_ms)
    elif _SEASONAL in tick.open:
        tick.calm(_SEASONAL, end_ms, usual=abs(hour.place) <= hour.bound)


def _finding(words: str, count: float, compared: float, limit: float | None = None) -> Finding:
    return Finding(
        check="usage", verdict="fail", words=words, figure=float(count), limit=limit,
        compared=float(compared), samples=int(count),
    )  # fmt: skip


# By rules -----------------------------------------------------------------------------------------


def _ruled(tick: Tick, rules: UsageRules, counts: Sequence[int], begin_ms: int) -> None:
    end_ms = begin_ms + HOUR_MS
    if rules.hour_vs_yesterday and len(counts) > _DAY:
        pair = counts[-1], counts[-1 - _DAY]
        told = f"in the hour from {since(begin_ms)}", "a day before"
        _rule(tick, "hour_vs_yesterday", rules.hour_vs_yesterday, pair, told, end_ms)
    if rules.day_vs_last_week and end_ms % DAY_MS == 0 and len(counts) >= _DAY + _WEEK:
        pair = sum(counts[-_DAY:]), sum(counts[-_DAY - _WEEK : -_WEEK])
        told = f"in the day until {since(end_ms)}", "a week before"
        _rule(tick, "day_vs_last_week", rules.day_vs_last_week, pair, told, end_ms)


def _rule(
    tick: Tick, name: str, limit: str, pair: tuple[int, int], told: tuple[str, str], end_ms: int
) -> None:
    now, before = pair
    key, allowed = KEY + name, share(limit)
    if abs(now - before) > allowed * before:
        words = (
            f"usage: {now:,} requests {told[0]}, where there were {before:,} {told[1]}: more than"
            f" {limit} apart."
        )
        way = 1.0 if now > before else -1.0
        finding = _finding(words, now, before, before * (1.0 + way * allowed))
        tick.found(key, finding, end_ms - HOUR_MS, end_ms)
    elif key in tick.open:
        tick.over(key, end_ms)
