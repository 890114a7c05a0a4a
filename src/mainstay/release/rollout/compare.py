"""The checks of a rollout: evidence in, findings out, as everywhere.

Promises that a candidate that is as good as the current version is found worse with at most the
probability `false_alarms`, over the whole rollout and however often one looks. The three checks
that can be wrong by chance share that probability; the run time is held against a factor so large
that chance does not reach it.

A step may follow when what it could cost is bounded: the candidate's possible loss times the share
it would get is below `worse_by`. So small steps need few labels, and the last one needs most.
"""

import math
from typing import Final

from mainstay.contract.finding import Finding
from mainstay.release.rollout.model import Evidence, Plan
from mainstay.release.rollout.statistics import (
    Pairs,
    Stratum,
    estimate,
    labels_missing,
    log_split_evidence,
    lower_bound,
    paired_bound,
    upper_bound,
)

OUTCOMES_PART: Final = 0.8
WITHHELD_PART: Final = 0.1
SPLIT_PART: Final = 0.1
DOUBT: Final = 0.05
"""The probability with which a worse candidate may be let into the next step."""
ROWS_MIN: Final = 100
"""How many rows of each version it takes to compare run times."""

RIGHT: Final = "right answers"
WITHHELD: Final = "withheld answers"
SPLIT: Final = "split of the units"
TIME: Final = "run time"
SAME: Final = "same answers"


def compare(plan: Plan, seen: Evidence, next_share: float) -> tuple[Finding, ...]:
    """All checks of a canary or a gradual rollout."""
    allowed = min(1.0, plan.worse_by / next_share)
    return (
        _right(plan, seen, allowed),
        _withheld(plan, seen, allowed),
        _time(plan, seen),
        _split(plan, seen),
    )


def compare_shadow(plan: Plan, seen: Evidence) -> tuple[Finding, ...]:
    """All checks of a shadow: nobody saw its answers, and both versions met every unit."""
    return (_answers(plan, seen), _withheld_pairs(plan, seen), _time(plan, seen))


def _right(plan: Plan, seen: Evidence, allowed: float) -> Finding:
    strata = seen.outcomes
    total = sum(stratum.total for stratum in strata)
    if not seen.comparable:
        return Finding(
            check=RIGHT,
            verdict="unsure",
            words="outcomes do not say of this model's answers that they are right or wrong",
        )
    if not total:
        return Finding(
            check=RIGHT,
            verdict="unsure",
            words="no outcome has been heard yet; POST /decisions/<id>/outcome tells them",
        )
    found = estimate(strata)
    return _bounded(plan, RIGHT, "wrong", strata, (found, plan.worse_by, allowed, OUTCOMES_PART))


def _withheld(plan: Plan, seen: Evidence, allowed: float) -> Finding:
    strata = seen.withheld
    if not any(stratum.total for stratum in strata):
        return Finding(check=WITHHELD, verdict="unsure", words="no unit has asked yet")
    found = estimate(strata)
    held = (found, plan.worse_by, allowed, WITHHELD_PART)
    return _bounded(plan, WITHHELD, "withheld", strata, held)


def _bounded(
    plan: Plan,
    check: str,
    bad: str,
    strata: tuple[Stratum, ...],
    held: tuple[float, float, float, float],
) -> Finding:
    """A share of bad ones: proven worse, proven to be good enough for the next step, or neither."""
    found, worse_by, allowed, part = held
    low = lower_bound(strata, plan.false_alarms * part)
    high = upper_bound(strata, DOUBT)
    candidate, current = _means(strata)
    total = sum(stratum.total for stratum in strata)
    said = f"{candidate:.1%} of {plan.candidate} {bad}, {current:.1%} of {plan.current}"
    if low > 0 and found > worse_by:
        verdict, words = "fail", f"{said}: proven worse, by {max(low, 0):.1%} at least"
    elif high <= allowed:
        verdict, words = "pass", f"{said}: at most {max(high, 0):.1%} worse"
    else:
        verdict, words = "unsure", f"{said}; {_missing(strata, found, allowed)}"
        if not plan.unit:
            words += " (units are callers here; `release.unit` can name an input that tells users)"
    return Finding(
        check=check,
        verdict=verdict,
        words=words,
        figure=_plain(candidate),
        compared=_plain(current),
        limit=allowed,
        interval=(low, high),
        samples=total,
    )


def _missing(strata: tuple[Stratum, ...], found: float, allowed: float) -> str:
    """What it takes to be sure, in words."""
    room = allowed - (0.0 if math.isnan(found) else max(found, 0.0))
    if room <= 0.1 * allowed:
        return f"by what is known it may well be more than {allowed:.1%} worse"
    more = labels_missing(strata, strata[-1].share, room, DOUBT)
    digits = max(0, len(str(more)) - 2)
    return (
        f"about {round(more, -digits):,} more units at this share would tell whether it is "
        f"{allowed:.1%} worse"
    )


def _means(strata: tuple[Stratum, ...]) -> tuple[float, float]:
    def mean(tallies: list[tuple[int, float]]) -> float:
        total = sum(count for count, _ in tallies)
        return sum(count * each for count, each in tallies) / total if total else math.nan

    sides = [(s.candidate, s.current) for s in strata]
    return (
        mean([(c.total, c.mean) for c, _ in sides if c.total]),
        mean([(o.total, o.mean) for _, o in sides if o.total]),
    )


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value


def _time(plan: Plan, seen: Evidence) -> Finding:
    rows = min(seen.candidate_rows, seen.current_rows)
    if rows < ROWS_MIN:
        return Finding(
            check=TIME,
            verdict="unsure",
            words=f"{seen.candidate_rows} rows of {plan.candidate} and {seen.current_rows} of "
            f"{plan.current} were run; times are compared from {ROWS_MIN} of each on",
            samples=rows,
        )
    times = seen.candidate_ns / max(seen.current_ns, 1.0)
    slow = times > plan.slower_by
    return Finding(
        check=TIME,
        verdict="fail" if slow else "pass",
        words=f"a row takes {times:.1f} times as long as before"
        + (f"; {plan.slower_by:g} times is the most" if slow else ""),
        figure=seen.candidate_ns / 1e6,
        compared=seen.current_ns / 1e6,
        limit=plan.slower_by,
        samples=rows,
    )


def _split(plan: Plan, seen: Evidence) -> Finding:
    drawn = [(s.share, s.candidate.total, s.current.total) for s in seen.withheld if s.total]
    total = sum(first + second for _, first, second in drawn)
    met = sum(first for _, first, _ in drawn)
    expected = sum(share * (first + second) for share, first, second in drawn)
    broken = log_split_evidence(drawn) >= math.log(1 / (plan.false_alarms * SPLIT_PART))
    words = f"{met:,} of {total:,} units met {plan.candidate}"
    if broken:
        few = "it fails to answer, or " if met < expected else ""
        words += (
            f" where {expected:,.0f} were drawn for it: {few}the draw is not fair, and no "
            "comparison holds"
        )
    return Finding(
        check=SPLIT,
        verdict="fail" if broken else "pass",
        words=words,
        figure=float(met),
        limit=expected,
        samples=total,
    )


def _answers(plan: Plan, seen: Evidence) -> Finding:
    """Right or wrong where outcomes say so; else, answers that are the same cannot be worse."""
    pairs, answers = seen.paired, seen.answers
    if pairs.total:
        low = paired_bound(pairs, plan.false_alarms * OUTCOMES_PART, worse=True)
        high = paired_bound(pairs, DOUBT, worse=False)
        said = (
            f"of {pairs.total:,} outcomes, {plan.candidate} alone was right in {pairs.better:,} "
            f"and {plan.current} alone in {pairs.worse:,}"
        )
        if low > 0 and pairs.difference > plan.worse_by:
            return _pair_finding(RIGHT, "fail", f"{said}: proven worse", pairs, (low, high))
        if high <= plan.worse_by:
            return _pair_finding(RIGHT, "pass", said, pairs, (low, high))
    if not answers.total:
        return Finding(check=SAME, verdict="unsure", words="no unit has asked yet")
    high = paired_bound(answers, DOUBT, worse=False)
    low = paired_bound(answers, DOUBT, worse=True)
    said = f"{plan.candidate} answered {answers.worse:,} of {answers.total:,} units otherwise"
    if high <= plan.worse_by:
        return _pair_finding(SAME, "pass", said, answers, (low, high))
    words = f"{said}; only outcomes can tell whether for better or for worse"
    return _pair_finding(RIGHT, "unsure", words, pairs, (low, high))


def _withheld_pairs(plan: Plan, seen: Evidence) -> Finding:
    met = [s for s in seen.withheld if s.total]
    both = sum(s.candidate.total for s in met), sum(s.current.total for s in met)
    if min(both) < ROWS_MIN:
        words = f"{min(both)} units were answered by both; {ROWS_MIN} are compared at the least"
        return Finding(check=WITHHELD, verdict="unsure", words=words, samples=min(both))
    candidate, current = _means(tuple(met))
    more = candidate - current > plan.worse_by
    return Finding(
        check=WITHHELD,
        verdict="fail" if more else "pass",
        words=f"{candidate:.1%} of {plan.candidate} withheld, {current:.1%} of {plan.current}",
        figure=candidate,
        compared=current,
        limit=plan.worse_by,
        samples=min(both),
    )


def _pair_finding(
    check: str, verdict: str, words: str, pairs: Pairs, interval: tuple[float, float]
) -> Finding:
    assert verdict in {"pass", "fail", "unsure"}
    return Finding(
        check=check,
        verdict=verdict,  # pyright: ignore[reportArgumentType]  # because the line above says so
        words=words,
        figure=_plain(pairs.difference),
        interval=interval,
        samples=pairs.total,
    )
