"""The monitor of columns: inputs, features, outputs and what judgement measured, of every version.

Promises that over all its questions together a model that is as it was raises at most the alarms
that its contract allows, in the long run and however often somebody looks; that each closed stretch
is taken into account once; and that a finding begins once and ends once. Pure: what it remembers
goes in and comes out.

With q questions in all, each alarms at an evidence of q times as many stretches as there are to one
alarm. When a slice or a version comes later, q grows, and the bound of all others with it. That
keeps the promise: of evidence over its bound no more is expected in each stretch than one over that
bound, as long as bounds never fall; so they never do while a version is remembered, also when a
slice has no rows for a time. Shares in order of appearance, never divided again, would give
the first ones a little (a bound four times as high costs 1.4 of the 15 or so that the logarithm of
the evidence has to reach anyway), and take more from what comes last: the newest version, which is
the one to be watched.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Protocol

import msgspec

from mainstay.summaries.probes import PROBE
from mainstay.summaries.rankings import SHOWN
from mainstay.summaries.reference import Known, Reference
from mainstay.summaries.summary import Summary
from mainstay.watch.gather.model import LABEL, STRETCH_MS, Key, Part, merge_parts
from mainstay.watch.monitors.detector import State, advance, as_usual, evidence
from mainstay.watch.monitors.facts import facts_of
from mainstay.watch.monitors.model import MARK_LENGTH, Change, Saved, Subject
from mainstay.watch.monitors.questions import Asked, counts_for, questions_of
from mainstay.watch.monitors.tick import Tick
from mainstay.watch.monitors.tolerance import tolerant
from mainstay.watch.monitors.words import moved, plain_fact

GRACE_MS = 120_000
"""How long after its end a stretch may still be filled by pieces that are sealed late."""


class Versions(Protocol):
    """What is to be known of the versions that are watched."""

    def reference(self, fingerprint: str) -> Reference | None:
        """What its columns looked like when it was made."""
        ...

    def source(self, fingerprint: str, column: str) -> str:
        """Where a column comes from, in words; empty when that is nothing to tell."""
        ...


def stretches_per_alarm(false_alarms_ns: int, most: int) -> float:
    """How many stretches there are to one allowed alarm."""
    return max(1.0, false_alarms_ns / 1e6 / STRETCH_MS / max(most, 1))


def look(
    saved: Saved, parts: Sequence[Part], versions: Versions, per_alarm: float, now_ms: int
) -> tuple[Saved, list[Change]]:
    """Take the stretches into account that have closed since; what began and what ended. `parts`
    may hold others too; a version is watched in all its arms, as a shadow too."""
    until_ms = (now_ms - GRACE_MS) // STRETCH_MS * STRETCH_MS
    if until_ms <= saved.until_ms:
        return saved, []
    chosen = together(p for p in parts if saved.until_ms <= p.key.begin_ms < until_ms)
    asked = {
        mark: _questions(versions.reference(mark), saved)
        for mark in {p.key.fingerprint for p in chosen}
    }
    shares = _shares(saved)
    tick = Tick(dict(saved.states), dict(saved.open))
    for _, stretch in groupby(chosen, key=lambda part: part.key.begin_ms):
        here = list(stretch)
        for part in here:
            many = sum(len(questions) for _, questions in asked[part.key.fingerprint].values())
            shares[f"{part.key.fingerprint[:MARK_LENGTH]}|{part.key.slice}"] = many
        tick.limit = math.log(per_alarm * max(sum(shares.values()), 1))
        for part in here:
            _look_at(tick, part, asked[part.key.fingerprint], versions)
    first_ms = saved.first_ms or min((part.key.begin_ms for part in chosen), default=0)
    after = msgspec.structs.replace(
        saved, until_ms=until_ms, states=tick.states, open=tick.open, first_ms=first_ms,
        asked=shares,
    )  # fmt: skip
    return after, tick.changes


def _shares(saved: Saved) -> dict[str, int]:
    """How many questions share the false alarms, by version and slice: all that were ever asked of
    a version that is remembered, also where a slice has no rows at the moment."""
    known = {key[:MARK_LENGTH] for key in saved.states}
    return {key: many for key, many in saved.asked.items() if key[:MARK_LENGTH] in known}


def _look_at(
    tick: Tick,
    part: Part,
    asked: Mapping[str, tuple[Known, Sequence[Asked]]],
    versions: Versions,
) -> None:
    """One stretch of a version and slice."""
    mark, begin_ms = part.key.fingerprint, part.key.begin_ms
    for name, (known, questions) in asked.items():
        current = part.columns.get(name)
        if current is not None and current.rows:
            subject = Subject(mark, part.key.number, part.key.slice, name)
            source = versions.source(mark, name)
            _facts(tick, subject, (known, current), source, begin_ms)
            _ask(tick, subject, (known, current), questions, (source, begin_ms))


def together(parts: Iterable[Part]) -> list[Part]:
    """The stretches in order, whatever arms a version had in them: it is the same version."""
    found: dict[Key, Part] = {}
    for part in parts:
        if part.rows and part.key.width_ms == STRETCH_MS:
            key = msgspec.structs.replace(part.key, arm="")
            before = found.get(key)
            found[key] = part if before is None else merge_parts(before, part, key)
    return [found[key] for key in sorted(found, key=lambda key: (key.begin_ms, key))]


def _questions(
    reference: Reference | None, saved: Saved
) -> Mapping[str, tuple[Known, Sequence[Asked]]]:
    if reference is None:
        return {}
    # Labels come late, and are asked about when they come; lists and callers by their own monitors.
    return {
        name: (known, tolerant(name, questions_of(known), saved.tuned))
        for name, known in reference.columns.items()
        if not name.startswith((LABEL, SHOWN, PROBE))
    }


def _facts(
    tick: Tick, subject: Subject, pair: tuple[Known, Summary], source: str, begin_ms: int
) -> None:
    end_ms = begin_ms + STRETCH_MS
    told: set[str] = set()
    for fact in facts_of(*pair):
        key = subject.key(fact.name)
        told.add(key)
        finding = plain_fact(subject, fact.name, fact.words, fact.rows, pair[1].rows, source)
        tick.found(key, finding, begin_ms, end_ms)
    for name in ("type", "not a number", "infinite", "dead", "constant"):
        key = subject.key(name)
        if key in tick.open and key not in told:
            tick.calm(key, end_ms)


def _ask(
    tick: Tick,
    subject: Subject,
    pair: tuple[Known, Summary],
    questions: Sequence[Asked],
    told: tuple[str, int],
) -> None:
    known, current = pair
    source, begin_ms = told
    end_ms = begin_ms + STRETCH_MS
    for asked in questions:
        counts = counts_for(asked, current, known.ruler.names)
        if not len(counts) or not counts.sum():
            continue
        key = subject.key(asked.what)
        state = advance(tick.states.get(key, State()), asked.question, counts, begin_ms)
        found = evidence(state, asked.question)
        if found.wealth >= tick.limit:
            finding = moved(subject, asked, found, current, known, source)
            tick.found(key, finding, found.since_ms, end_ms)
            state = State()
        elif key in tick.open:
            tick.calm(key, end_ms, usual=as_usual(asked.question, counts))
        tick.states[key] = state
