"""What is found of a source, in a sentence that says what, since when, and what follows from it."""

from datetime import UTC, datetime
from typing import Final

from mainstay.contract.finding import Finding
from mainstay.renew.health.model import ALL, FEWER, NEW, SILENT, Kind
from mainstay.summaries import labels
from mainstay.watch.monitors.detector import Evidence, Question
from mainstay.watch.monitors.words import since

ARROW: Final = labels.ARROW
AGREEMENT: Final = "agreement"
"""The question whether labels and answers are the same more often than by chance."""
_SAID_MAX: Final = 40


def named(name: str) -> str:
    """A source as people call it: `labels of shop`."""
    if name == ALL:
        return "labels"
    if name == NEW:
        return "labels of callers that told none before"
    who, _, kind = name.rpartition(" ")
    return f"{kind}s of {who}"


def finding(name: str, kind: Kind, said: str, pair: tuple[float, float]) -> Finding:
    """What was found; the pair is what is, and what should be."""
    figure, compared = pair
    return Finding(
        check=kind,
        verdict="unsure" if kind == FEWER else "fail",
        words=said,
        figure=figure,
        compared=compared,
        slice=f"source={name or 'all'}",
    )


def missing(name: str, kind: Kind, counts: tuple[float, float], since_ms: int, model: str) -> str:
    """Labels that do not come."""
    came, expected = counts
    told = f"{named(name)}: {_count(came)} since {since(since_ms)}, where about {expected:,.0f}"
    told += " were to come by what was decided"
    if kind == SILENT:
        begin = datetime.fromtimestamp(since_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M")
        return (
            f"{told}. Silence is no answer: what was decided since is in no snapshot. Where a"
            f" version learned from it: mainstay recall {model} --polluted {begin}..<until>."
        )
    return f"{told}: some are lost on the way, or there is less to tell."


def late(name: str, seen: Evidence, mean: float) -> str:
    """Labels that come later than they used to."""
    return (
        f"{named(name)} come later than they did, since {since(seen.since_ms)}: the average one"
        f" after {seen.mean:.0%} of all, where {mean:.0%} is to be expected."
    )


def unknown(name: str, seen: Evidence, usual: float) -> str:
    """Labels of decisions that nobody made."""
    return (
        f"{named(name)}: {seen.mean:.1%} are of decisions that nobody made, where {usual:.1%} is"
        f" usual, since {since(seen.since_ms)}."
    )


def meaning(name: str, what: str, seen: Evidence, question: Question) -> str:
    """Labels that say something else than they used to."""
    if what == AGREEMENT:
        said = (
            f"agree with the model in {seen.mean:.1%}, less than by chance, where"
            f" {question.mean:.1%} is usual: as if their meaning had been turned round"
        )
    else:
        label = what.partition(" ")[2][:_SAID_MAX]
        said = (
            f"say {label} in {seen.mean:.1%}, where {question.mean:.1%} is usual for what the"
            " model answered"
        )
    return f"{named(name)} {said}, since {since(seen.since_ms)}. Nothing learns from them."


def moved(name: str, way: str, seen: Evidence, times: float) -> str:
    """Numbers that say something else than they used to."""
    return (
        f"{named(name)} are {way}: {seen.mean:.1%} of them lie where a quarter at most did for what"
        f" the model answered, about {times:.3g} times what they were, as if their unit or meaning"
        f" had changed, since {since(seen.since_ms)}. Nothing learns from them."
    )


def _count(came: float) -> str:
    return "none" if came < 0.5 else f"{came:,.0f}"
