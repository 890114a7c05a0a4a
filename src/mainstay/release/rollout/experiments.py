"""What an A/B test and a bandit conclude from what was seen: pure, as the checks of `compare.py`.

    ab        two equal arms until a difference is proven, or the planned size is reached
    bandit    arms whose shares follow what was learned, until one of them is proven the best

Promises that a difference that is not there is shown with at most the probability `false_alarms`,
however often one looks. In an A/B test half of it is for ending early, by bounds that hold at any
time, and half for the one ordinary test at the planned size; the size depends on the share of bad
answers of both arms together and never on their difference. A bandit stops by the bounds that hold
at any time alone, made from the share that each unit was drawn with, so the changing shares do not
tilt them. A broken draw voids the test: no figure of it is used.
"""

import math
from collections.abc import Iterable
from statistics import NormalDist
from typing import Final, Literal

import msgspec
from msgspec import structs

from mainstay.contract.finding import Finding
from mainstay.release.rollout.compare import RIGHT, SPLIT, compare
from mainstay.release.rollout.model import Evidence, Plan, Rollout
from mainstay.release.rollout.offpolicy import Estimate, log_of, snips
from mainstay.release.rollout.sharing import best_probabilities, shares
from mainstay.release.rollout.statistics import (
    Stratum,
    Tally,
    estimate,
    log_split_evidence,
    lower_bound,
    upper_bound,
)

POWER: Final = 0.8
"""The probability with which an A/B test of the planned size shows a difference of `worse_by`."""
HALF: Final = 0.5
BROKEN_DRAW: Final = 0.001
"""How often the draw of units is called broken though it is fair."""
PLACES: Final = 10
"""A bandit's shares are rounded to so many parts, so that its chain of routes stays short."""
LOOK_NS: Final = 60_000_000_000
"""How often a bandit looks for harm and for its end, where its shares change more seldom."""
_DOUBT: Final = 0.05
_PRIOR: Final = 10.0

Interval = tuple[float, float]
Kind = Literal["wait", "promote", "keep", "back", "share"]


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done, and why."""

    kind: Kind
    """`keep`: the current version stays, as the test ended. `back`: it stays, because the
    candidate does harm or the test is void. `share`: the candidate gets another share."""
    words: str
    findings: tuple[Finding, ...] = ()
    share: float = 0.0


def is_experiment(plan: Plan) -> bool:
    """Whether a plan is one of these."""
    return plan.strategy in {"ab", "bandit"}


def is_due(rollout: Rollout, now_ns: int) -> bool:
    """Whether it is time for a look: an A/B test always looks, a bandit when its time is up."""
    plan = rollout.plan
    every_ns = min(plan.bake_ns, LOOK_NS) if plan.strategy == "bandit" else 0
    return now_ns >= max(rollout.looked_ns, rollout.since_ns) + every_ns


def planned_size(plan: Plan, strata: Iterable[Stratum] = ()) -> int:
    """How many units with an outcome, of both arms together, an A/B test needs."""
    tallies = [tally for s in strata for tally in (s.candidate, s.current) if tally.total]
    bad = sum(tally.mean * tally.total for tally in tallies)
    share = (bad + _PRIOR / 2) / (sum(tally.total for tally in tallies) + _PRIOR)
    normal = NormalDist()
    reach = normal.inv_cdf(1 - plan.false_alarms / 4) + normal.inv_cdf(POWER)
    return math.ceil(share * (1 - share) * reach**2 / (plan.worse_by**2 * HALF * (1 - HALF)))


def outline(plan: Plan) -> str:
    """What is going to happen, for people, before anything was seen."""
    wrong = f"in at most {plan.false_alarms * 100:.2g} % of tests one is shown that is not there"
    if plan.strategy == "ab":
        return (
            f"half of the units each; {planned_size(plan):,} units with an outcome, or fewer, show "
            f"a difference of {plan.worse_by * 100:.3g} % with probability {POWER:g}; {wrong}"
        )
    return (
        f"shares by {plan.share_by}, at least {plan.floor * 100:.3g} % each, until a difference is "
        f"proven; {wrong}"
    )


def decide(rollout: Rollout, seen: Evidence, now_ns: int) -> Choice:
    """What follows from a look."""
    plan = rollout.plan
    asked, heard = _merged(seen.withheld), _merged(seen.outcomes)
    _, withheld, times, _ = compare(plan, structs.replace(seen, withheld=asked, outcomes=()), 1.0)
    draw = _draw(plan, asked, heard)
    if draw.verdict == "fail":
        words = f"the test is void: {draw.words}"
        return Choice(kind="back", words=words, findings=(draw, withheld, times))
    # Early ends have half of an A/B test's error, and all of a bandit's; each side half of that.
    alpha = plan.false_alarms / (4 if plan.strategy == "ab" else 2)
    low, high = lower_bound(heard, alpha), upper_bound(heard, alpha)
    total = sum(stratum.total for stratum in heard)
    size = planned_size(plan, heard)
    planned = plan.strategy == "ab" and total >= size
    proven = low > 0 or high < 0
    if planned and not proven:
        low, high = _ordinary(heard, plan.false_alarms / 4)
    result = _result(plan, heard, (low, high))
    findings = (result, withheld, times, draw)
    if plan.strategy == "bandit":
        findings = (*findings, _worth(plan, heard))
    harm = [each for each in (withheld, times) if each.verdict == "fail"]
    if harm:
        words = "; ".join(f"{each.check}: {each.words}" for each in harm)
        return Choice(kind="back", words=words, findings=findings)
    late = now_ns >= rollout.started_ns + plan.decide_ns
    if total and (late or plan.strategy == "bandit" or now_ns >= rollout.since_ns + plan.bake_ns):
        if high < 0:
            return Choice(kind="promote", words=result.words, findings=findings)
        if low > 0:
            return Choice(kind="keep", words=result.words, findings=findings)
    if planned or late:
        end = "the planned size is reached" if planned else "its time is over"
        words = f"no difference shown, and {end}: {result.words}"
        return Choice(kind="keep", words=words, findings=findings)
    if plan.strategy == "bandit":
        return _share(rollout, heard, findings, now_ns)
    words = f"{total:,} of about {size:,} units with an outcome so far"
    return Choice(kind="wait", words=words, findings=findings)


def _share(
    rollout: Rollout, heard: tuple[Stratum, ...], findings: tuple[Finding, ...], now_ns: int
) -> Choice:
    """The candidate's share by what was learned; it changes after the bake time only."""
    plan = rollout.plan
    good, total = _good(heard)
    better = float(best_probabilities(good, total)[0])
    wanted = float(shares(good, total, plan.floor, plan.share_by)[0])
    share = min(max(round(wanted * PLACES) / PLACES, plan.floor), 1 - plan.floor)
    said = f"{plan.candidate} is better with probability {better:.2f}"
    if share == rollout.share or now_ns < rollout.since_ns + plan.bake_ns:
        words = f"{said}; {sum(total):,} units with an outcome so far"
        return Choice(kind="wait", words=words, findings=findings)
    words = f"{said}: it gets {share * 100:.4g} %"
    return Choice(kind="share", words=words, findings=findings, share=share)


def _merged(strata: Iterable[Stratum]) -> tuple[Stratum, ...]:
    """One stratum for each share; bets depend on the counts at a share alone."""
    found: dict[float, Stratum] = {}
    for each in strata:
        there = found.get(each.share, Stratum(share=each.share))
        found[each.share] = Stratum(
            share=each.share,
            candidate=_sum(there.candidate, each.candidate),
            current=_sum(there.current, each.current),
        )
    return tuple(found[share] for share in sorted(found))


def _sum(one: Tally, other: Tally) -> Tally:
    return Tally(counts=tuple(map(sum, zip(one.counts, other.counts, strict=True))))


def _good(heard: tuple[Stratum, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Good ones of the candidate and of the current version, and how many there are of each."""
    candidate, current = [s.candidate.counts for s in heard], [s.current.counts for s in heard]
    good = (sum(each[0] for each in candidate), sum(each[0] for each in current))
    return good, (sum(map(sum, candidate)), sum(map(sum, current)))


def _ordinary(heard: tuple[Stratum, ...], alpha: float) -> Interval:
    """The interval of one look at the planned size."""
    (stratum,) = heard
    spread = math.sqrt(
        sum(
            # As if one more of each were seen, so that no arm is certain.
            (tally.mean * tally.total + 1) * (tally.total * (1 - tally.mean) + 1)
            / (tally.total + 2) ** 2 / tally.total
            for tally in (stratum.candidate, stratum.current)
        )
    )  # fmt: skip
    found = estimate(heard)
    reach = NormalDist().inv_cdf(1 - alpha) * spread
    return found - reach, found + reach


def _result(plan: Plan, heard: tuple[Stratum, ...], interval: Interval) -> Finding:
    good, total = _good(heard)
    if not min(total):
        words = "outcomes of both versions are needed; POST /decisions/<id>/outcome tells them"
        return Finding(check=RIGHT, verdict="unsure", words=words, samples=sum(total))
    low, high = interval
    wrong = [1 - right / count for right, count in zip(good, total, strict=True)]
    said = f"{wrong[0]:.2%} of {plan.candidate} wrong, {wrong[1]:.2%} of {plan.current}"
    words = f"{said}; the difference is {estimate(heard):+.2%}, in [{low:+.2%}, {high:+.2%}]"
    return Finding(
        check=RIGHT,
        verdict="pass" if high < 0 else "fail" if low > 0 else "unsure",
        words=words,
        figure=wrong[0],
        compared=wrong[1],
        interval=interval,
        samples=sum(total),
    )


def _draw(plan: Plan, asked: tuple[Stratum, ...], heard: tuple[Stratum, ...]) -> Finding:
    """Whether units met the versions as often as they were drawn for them, and so for those of
    which an outcome was heard: a version whose failures tell nobody must not win by it."""
    met, expected, total = 0, 0.0, 0
    for strata, what in ((heard, "units with an outcome"), (asked, "units")):
        drawn = [(s.share, s.candidate.total, s.current.total) for s in strata if s.total]
        met = sum(first for _, first, _ in drawn)
        total = sum(first + second for _, first, second in drawn)
        expected = sum(share * (first + second) for share, first, second in drawn)
        if log_split_evidence(drawn) >= math.log(2 / BROKEN_DRAW):
            words = (
                f"{met:,} of {total:,} {what} met {plan.candidate} where {expected:,.0f} were "
                "expected, so the arms are not alike and no comparison holds"
            )
            break
    else:
        words = f"{met:,} of {total:,} units met {plan.candidate}"
        return Finding(check=SPLIT, verdict="pass", words=words, figure=met, limit=expected,
                       samples=total)  # fmt: skip
    return Finding(check=SPLIT, verdict="fail", words=words, figure=met, limit=expected,
                   samples=total)  # fmt: skip


def _worth(plan: Plan, heard: tuple[Stratum, ...]) -> Finding:
    """What each version would have earned alone, by the propensities of the units it met."""
    check = "off-policy"
    if not heard:
        return Finding(check=check, verdict="unsure", words="no outcome has been heard yet")
    alone = [_alone(plan, heard, candidate=each) for each in (True, False)]
    words = "; ".join(
        f"{side} alone: {found.value:.2%} right, in [{found.low:.2%}, {found.high:.2%}]"
        for side, found in zip((plan.candidate, plan.current), alone, strict=True)
    )
    known = not any(math.isnan(found.value) for found in alone)
    return Finding(
        check=check,
        verdict="pass" if known else "unsure",
        words=words if known else "one of the versions has no outcome yet",
        figure=alone[0].value if known else None,
        compared=alone[1].value if known else None,
        interval=(alone[0].low, alone[0].high),
        samples=alone[0].decisions,
    )


def _alone(plan: Plan, heard: tuple[Stratum, ...], *, candidate: bool) -> Estimate:
    rows = [
        (reward, chance, float(of_candidate == candidate), often)
        for s in heard
        for of_candidate, chance, tally in (
            (True, s.share, s.candidate), (False, 1 - s.share, s.current)
        )
        for reward, often in ((1.0, tally.counts[0]), (0.0, tally.counts[1]))
    ]  # fmt: skip
    rewards, chances, wanted, often = (list(column) for column in zip(*rows, strict=True))
    # No share is below the floor, so no weight is cut.
    return snips(log_of(rewards, chances, wanted, often), clip=1 / plan.floor, alpha=_DOUBT)
