"""What is known of a model's labelling: tasks, labelers, agreement, contradictions, the figure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final

import msgspec

from mainstay.contract.finding import Finding
from mainstay.renew.labelling.agreement import Agreement, Scale, agreement
from mainstay.renew.labelling.gold import Probed, excluded, probed, same
from mainstay.renew.labelling.model import Answer, Asked, Terms, Turn
from mainstay.renew.labelling.score import Score, scores
from mainstay.renew.labelling.settle import weighed_of

SOUND: Final = 0.667
"""Krippendorff: where agreement is lower, nothing should be concluded from the labels."""
_SHOWN_MAX: Final = 100


class Labeler(msgspec.Struct, frozen=True, kw_only=True):
    """One person who labels."""

    name: str
    answers: int
    skipped: int
    took_ms: int | None
    """The middle one of the times."""
    agreed: float | None
    """How often the label became what they said."""
    skill: float | None
    """How often they are right, by all that everybody said; nothing for numbers."""
    probes: int
    right: int
    interval: tuple[float, float]
    counts: bool
    """Whether their answers count."""


class Contradiction(msgspec.Struct, frozen=True, kw_only=True):
    """A task of which people said different things."""

    task: str
    decision: str
    said: dict[str, Answer]
    label: Answer | None
    """What it became all the same."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    model: str
    tasks: dict[str, int]
    probes: int
    labels: int
    labelers: list[Labeler]
    agreement: Agreement
    contradicted: int
    contradictions: list[Contradiction]
    """The newest of them."""
    scores: list[Score]
    findings: list[Finding]


def report(
    model: str, asked: Sequence[Asked], terms: Terms, classes: Sequence[str], *, whole: bool
) -> Report:
    """What all of it comes to; `whole` is whether the answers are classes, not items."""
    known = probed(asked, terms)
    out = excluded(known, terms)
    ordinary = [(task, turns) for task, turns in asked if task.gold is None]
    scale: Scale = "ordinal" if terms.ask.ordered and whole else "nominal"
    units = [_labels(turns, out) for _, turns in ordinary]
    agreed = agreement(units, scale if classes else "interval", classes)
    differing = [(t, turns) for t, turns in ordinary if _differ(turns)]
    skills = weighed_of(asked, classes, frozenset()).skills if classes else {}
    return Report(
        model=model,
        tasks=dict(Counter(task.state for task, _ in ordinary)),
        probes=len(asked) - len(ordinary),
        labels=sum(task.state == "settled" for task, _ in ordinary),
        labelers=[_labeler(each, asked, skills, out) for each in known],
        agreement=agreed,
        contradicted=len(differing),
        contradictions=[_contradiction(each) for each in differing[-_SHOWN_MAX:]],
        scores=scores(ordinary),
        findings=[*(each.finding for each in known if each.probes), *_sound(agreed)],
    )


def _labels(turns: Sequence[Turn], out: frozenset[str]) -> list[Answer]:
    return [t.label for t in turns if t.label is not None and t.labeler not in out]


def _differ(turns: Sequence[Turn]) -> bool:
    said = _labels(turns, frozenset())
    return any(not same(label, said[0]) for label in said)


def _contradiction(asked: Asked) -> Contradiction:
    task, turns = asked
    return Contradiction(
        task=task.id,
        decision=task.decision,
        said={turn.labeler: turn.label for turn in turns if turn.label is not None},
        label=task.settled.label if task.settled else None,
    )


def _labeler(
    known: Probed, asked: Sequence[Asked], skills: Mapping[str, float], out: frozenset[str]
) -> Labeler:
    name = known.labeler
    pairs = [(task, turn) for task, turns in asked for turn in turns if turn.labeler == name]
    answered = [(task, turn) for task, turn in pairs if turn.state == "answered"]
    settled: list[tuple[Any, Any]] = [
        (turn.label, task.settled.label)
        for task, turn in answered
        if task.settled is not None and task.settled.label is not None
    ]
    return Labeler(
        name=name,
        answers=len(answered),
        skipped=sum(turn.state == "skipped" for _, turn in pairs),
        took_ms=round(median(turn.took_ms for _, turn in answered)) if answered else None,
        agreed=sum(same(*pair) for pair in settled) / len(settled) if settled else None,
        skill=skills.get(name),
        probes=known.probes,
        right=known.right,
        interval=known.interval,
        counts=name not in out,
    )


def _sound(found: Agreement) -> list[Finding]:
    if found.alpha is None or found.interval is None:
        return []
    low, high = found.interval
    verdict = "fail" if high < SOUND else "pass" if low >= SOUND else "unsure"
    words = (
        f"labelers agree with alpha {found.alpha:.3f} ({low:.3f} to {high:.3f}) on {found.units:,}"
        f" tasks; below {SOUND} nothing should be concluded"
    )
    return [
        Finding(
            check="agreement of labelers", verdict=verdict, words=words, figure=found.alpha,
            limit=SOUND, interval=found.interval, samples=found.units,
        )
    ]  # fmt: skip
