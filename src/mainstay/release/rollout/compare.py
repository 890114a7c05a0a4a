"""The checks of a rollout: evidence in, findings out, as everywhere.

Promises that a candidate that is as good as the current version is found worse with at most the
probability `false_alarms`, over the whole rollout and however often one looks. The three checks
that can be wrong by chance share that probability; the run time is held against a factor so large
that chance does not reach it.

Where the candidate of a canary also answers unseen what the current version answers, every label
judges both, whatever the candidate's share is. One such label tells at least as much as two where
half of the units meet the candidate, and as fifty where one in a hundred does. The units that were
drawn are looked at as well, because only they show harm that comes of being answered.

A step may follow when what it could cost is bounded: the candidate's possible loss times the share
it would get is below `worse_by`. So small steps need few labels, and the last one needs most.
"""

import math
from typing import Final, NamedTuple

from msgspec import structs

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
    pairs_missing,
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
    return (
        _right(plan, structs.replace(seen, outcomes=()), plan.worse_by),
        _withheld(plan, structs.replace(seen, withheld=()), plan.worse_by),
        _time(plan, seen),
    )


class _View(NamedTuple):
    """The difference between the two versions, as one kind of evidence shows it."""

    words: str
    found: float
    low: float
    high: float
    figure: float
    compared: float | None
    samples: int


def _right(plan: Plan, seen: Evidence, allowed: float) -> Finding:
    views: list[_View] = []
    if seen.comparable:
        views = _views(plan, "wrong", (seen.outcomes, seen.paired), OUTCOMES_PART)
    found = _concluded(plan, RIGHT, views, allowed)
    if found is not None and found.verdict != "unsure":
        return found
    same = _same(plan, seen, allowed)
    if same is not None and same.verdict == "pass":
        return same
    if found is not None:
        missing = _missing(plan, seen.outcomes, seen.paired, allowed)
        return structs.replace(found, words=f"{found.words}; {missing}")
    words = "no outcome has been heard yet; POST /decisions/<id>/outcome tells them"
    if not seen.comparable:
        words = "outcomes do not say of this model's answers that they are right or wrong"
    if same is not None:
        words = f"{same.words}; only outcomes can tell whether for better or for worse: {words}"
    return Finding(check=RIGHT, verdict="unsure", words=words)


def _withheld(plan: Plan, seen: Evidence, allowed: float) -> Finding:
    """Answers that failed or were withheld: a version that is silent is never wrong."""
    views = _views(plan, "unanswered", (seen.withheld, seen.unanswered), WITHHELD_PART)
    found = _concluded(plan, WITHHELD, views, allowed)
    if found is None:
        return Finding(check=WITHHELD, verdict="unsure", words="no unit has asked yet")
    if found.verdict != "unsure":
        return found
    missing = _missing(plan, seen.withheld, seen.unanswered, allowed)
    return structs.replace(found, words=f"{found.words}; {missing}")


def _views(
    plan: Plan, bad: str, evidence: tuple[tuple[Stratum, ...], Pairs], part: float
) -> list[_View]:
    """What the units show that were drawn to one of the versions, and what those show that both
    have answered. How the errors are shared out among the two depends on the plan alone."""
    strata, pairs = evidence
    both = 2 if plan.strategy == "canary" and plan.shadow else 1
    alpha, doubt = plan.false_alarms * part / both, DOUBT / both
    views: list[_View] = []
    if pairs.total:
        words = (
            f"of {pairs.total:,} that both answered, {plan.candidate} alone was {bad} in "
            f"{pairs.worse:,}, {plan.current} alone in {pairs.better:,}"
        )
        low = paired_bound(pairs, alpha, worse=True)
        high = paired_bound(pairs, doubt, worse=False)
        found = pairs.difference
        views.append(_View(words, found, low, high, found, None, pairs.total))
    total = sum(stratum.total for stratum in strata)
    if total:
        candidate, current = _means(strata)
        words = f"{candidate:.1%} of {plan.candidate} {bad}, {current:.1%} of {plan.current}"
        low, high = lower_bound(strata, alpha), upper_bound(strata, doubt)
        views.append(_View(words, estimate(strata), low, high, candidate, current, total))
    return views


def _concluded(plan: Plan, check: str, views: list[_View], allowed: float) -> Finding | None:
    """Proven worse by one of the views, proven good enough for the next step, or neither."""
    if not views:
        return None
    harm = [view for view in views if view.low > 0 and view.found > plan.worse_by]
    best = harm[0] if harm else min(views, key=lambda view: view.high)
    low, high = max(view.low for view in views), min(view.high for view in views)
    verdict, words = "unsure", best.words
    if harm:
        verdict, words = "fail", f"{words}: proven worse, by {best.low:.1%} at least"
    elif high <= allowed:
        verdict, words = "pass", f"{words}: at most {max(high, 0):.1%} worse"
    return Finding(
        check=check,
        verdict=verdict,
        words=words,
        figure=_plain(best.figure),
        compared=None if best.compared is None else _plain(best.compared),
        limit=allowed,
        interval=(min(low, high), high),
        samples=best.samples,
    )


def _same(plan: Plan, seen: Evidence, allowed: float) -> Finding | None:
    """Answers that are the same cannot be worse."""
    answers = seen.answers
    if not answers.total:
        return None
    low, high = (paired_bound(answers, DOUBT, worse=worse) for worse in (True, False))
    return Finding(
        check=SAME,
        verdict="pass" if high <= allowed else "unsure",
        words=f"{plan.candidate} answered {answers.worse:,} of {answers.total:,} otherwise",
        figure=_plain(answers.difference),
        limit=allowed,
        interval=(low, high),
        samples=answers.total,
    )


def _missing(plan: Plan, strata: tuple[Stratum, ...], pairs: Pairs, allowed: float) -> str:
    """What it takes to be sure, in words."""
    difference = pairs.difference if pairs.total else estimate(strata)
    room = allowed - (0.0 if math.isnan(difference) else max(difference, 0.0))
    words = ""
    if not plan.unit and not pairs.total:
        words = " (units are callers here; `release.unit` can name an input that tells users)"
    if room <= 0.1 * allowed:
        return f"by what is known it may well be more than {allowed:.1%} worse{words}"
    if pairs.total:
        more = pairs_missing(pairs, room, DOUBT)
    else:
        more = labels_missing(strata, strata[-1].share, room, DOUBT)
    digits = max(0, len(str(more)) - 2)
    return (
        f"about {round(more, -digits):,} more units at this share would tell whether it is "
        f"{allowed:.1%} worse{words}"
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
