"""Whether people use what a model tells them, and whether it is people who say so.

Promises three verdicts for every question: `pass` or `fail` only where the evidence leaves no
reasonable doubt (intervals of 99 %), and `unsure` otherwise, also where nobody said anything. Looks
at what was said, never at who said it more closely than the name of a caller. Limits: what people
did is known only as far as clients tell it.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec

from mainstay.contract.finding import Finding, Verdict

_Z: Final = 2.5758
"""The normal quantile for both tails of 99 %."""
LEFT_LIMIT: Final = 0.5
USE_LIMIT: Final = 0.7
FAST_MS: Final = 150.0
FAST_LIMIT: Final = 0.1
SAME_LIMIT: Final = 0.5
SAME_MIN: Final = 20
DWELL_MIN: Final = 30
REPEATED_LIMIT: Final = 0.2
_LEFT: Final = frozenset({"ignored", "abandoned"})
_READ: Final = frozenset({"accepted", "corrected"})


class Said(msgspec.Struct, frozen=True):
    """What was said of one decision at one time."""

    decision: str
    actor: str
    time_ns: int
    reaction: str | None
    dwell_ms: float | None


def engagement(said: Sequence[Said], earlier: int, later: int) -> list[Finding]:
    """All findings; `earlier` and `later` are how many decisions were made in the first and in the
    second half of the time."""
    ordered = sorted(said, key=lambda each: each.time_ns)
    newest = {each.decision: each for each in ordered if each.reaction is not None}
    return [
        _use(earlier, later),
        _left(list(newest.values())),
        _dwell(ordered),
        _fast(ordered),
        _constant(ordered),
        _repeated(ordered),
    ]


def share_interval(hits: int, of: int) -> tuple[float, float]:
    """Where a share truly lies (Wilson)."""
    if not of:
        return 0.0, 1.0
    share, square = hits / of, _Z * _Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = _Z / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def _at_most(interval: tuple[float, float], limit: float) -> Verdict:
    low, high = interval
    return "pass" if high <= limit else "fail" if low > limit else "unsure"


def _use(earlier: int, later: int) -> Finding:
    """Less use: how much of the earlier half's use is left."""
    low, high = share_interval(later, earlier + later)
    interval = (_odds(low), _odds(high))
    left = later / earlier if earlier else math.inf
    verdict: Verdict = (
        "pass" if interval[0] >= USE_LIMIT else "fail" if interval[1] < USE_LIMIT else "unsure"
    )
    words = f"{later:,} decisions in the later half of the time, {earlier:,} in the earlier one"
    if not earlier + later:
        words = "nobody asked this model anything in this time"
    return Finding(
        check="use",
        verdict=verdict,
        words=f"{words}; at least {USE_LIMIT:.0%} of it should be left",
        figure=left if math.isfinite(left) else None,
        limit=USE_LIMIT,
        interval=interval if math.isfinite(interval[1]) else None,
        samples=earlier + later,
    )


def _odds(share: float) -> float:
    return share / (1 - share) if share < 1 else math.inf


def _left(newest: Sequence[Said]) -> Finding:
    """Ignored or abandoned answers."""
    left = sum(each.reaction in _LEFT for each in newest)
    found = Counter(each.reaction for each in newest)
    parts = ", ".join(f"{count:,} {name}" for name, count in sorted(found.items(), key=str))
    return _share(
        "ignored",
        (left, len(newest)),
        LEFT_LIMIT,
        f"of {len(newest):,} answers that people reacted to, {parts}",
        "ignored or abandoned",
    )


def _share(check: str, counted: tuple[int, int], limit: float, words: str, what: str) -> Finding:
    hits, of = counted
    interval = share_interval(hits, of)
    if not of:
        words = "nobody said what was done with the answers; clients tell it with POST .../outcome"
    return Finding(
        check=check,
        verdict=_at_most(interval, limit) if of else "unsure",
        words=f"{words}; at most {limit:.0%} should be {what}",
        figure=hits / of if of else None,
        limit=limit,
        interval=interval,
        samples=of,
    )


def _dwell(said: Sequence[Said]) -> Finding:
    """Time spent: for how long answers are looked at. Described, since no time is right or wrong
    in itself."""
    times = sorted(each.dwell_ms for each in said if each.dwell_ms is not None)
    if not times:
        return Finding(check="dwell", verdict="unsure", words="nobody said how long they looked")
    low, middle, high = (_quantile(times, part) for part in (0.1, 0.5, 0.9))
    words = f"people look for {middle:,.0f} ms; one in ten less than {low:,.0f}, or more than"
    return Finding(
        check="dwell",
        verdict="pass" if len(times) >= DWELL_MIN else "unsure",
        words=f"{words} {high:,.0f} ms",
        figure=middle,
        interval=(low, high),
        samples=len(times),
    )


def _quantile(ordered: Sequence[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, math.floor(part * len(ordered)))]


def _fast(said: Sequence[Said]) -> Finding:
    """Suspicious: accepted or corrected faster than anybody can read."""
    times = [e.dwell_ms for e in said if e.dwell_ms is not None and e.reaction in _READ]
    fast = sum(time < FAST_MS for time in times)
    words = f"{fast:,} of {len(times):,} were accepted or corrected within {FAST_MS:.0f} ms"
    return _share("suspicious: fast", (fast, len(times)), FAST_LIMIT, words, "so fast")


def _constant(said: Sequence[Said]) -> Finding:
    """Suspicious: a caller whose people all look for exactly as long."""
    by_actor: dict[str, Counter[float]] = defaultdict(Counter)
    for each in said:
        if each.dwell_ms is not None:
            by_actor[each.actor][each.dwell_ms] += 1
    known = {actor: times for actor, times in by_actor.items() if times.total() >= SAME_MIN}
    if not known:
        words = f"no caller told {SAME_MIN} times for how long its people looked"
        return Finding(check="suspicious: constant", verdict="unsure", words=words)
    worst = max(known, key=lambda actor: known[actor].most_common(1)[0][1] / known[actor].total())
    time, hits = known[worst].most_common(1)[0]
    of = known[worst].total()
    words = f"of {of:,} times that {worst} told, {hits:,} are exactly {time:g} ms"
    return _share("suspicious: constant", (hits, of), SAME_LIMIT, words, "the same")


def _repeated(said: Sequence[Said]) -> Finding:
    """Suspicious: a caller that reacts to the same decisions again and again."""
    times: Counter[tuple[str, str]] = Counter(
        (each.actor, each.decision) for each in said if each.reaction is not None
    )
    again: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for (actor, _), count in times.items():
        total[actor] += count
        again[actor] += count - 1
    if not total:
        return _share("suspicious: repeated", (0, 0), REPEATED_LIMIT, "", "repeated")
    worst = max(total, key=lambda actor: share_interval(again[actor], total[actor])[0])
    words = f"of {total[worst]:,} reactions that {worst} told, {again[worst]:,} repeat another one"
    counted = again[worst], total[worst]
    return _share("suspicious: repeated", counted, REPEATED_LIMIT, words, "repeated")
