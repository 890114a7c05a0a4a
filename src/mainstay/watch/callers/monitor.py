"""The monitor of callers: does one of them try the model out, rather than use it?

Each of its rows is held against what is usual in the reference: how many of its inputs are unusual,
whether the model was nearly undecided, whether it is one of a sweep. Promises the same as the
monitor of columns: each closed stretch counts once, and over all callers and questions false alarms
stay as rare as the contract says. What all callers do is a change of the data, and is left to the
monitor of columns; so is a caller that is the only one, but for sweeps.

Limits: a caller's rows count as independent of each other, given how it asks; what a caller did
before is forgotten once more than 500 are remembered.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from mainstay.contract.finding import Finding
from mainstay.summaries.probes import FAR, NEAR, PROBE, SWEPT
from mainstay.summaries.reference import Known
from mainstay.summaries.summary import Summary, merge
from mainstay.watch.callers.gather import BAR, FIELD
from mainstay.watch.gather.model import CALLERS, STRETCH_MS, Part, merge_parts
from mainstay.watch.monitors.columns import Versions
from mainstay.watch.monitors.detector import (
    Evidence,
    Question,
    State,
    advance,
    as_usual,
    evidence,
)
from mainstay.watch.monitors.model import MARK_LENGTH, Change, Saved
from mainstay.watch.monitors.questions import of_share
from mainstay.watch.monitors.tick import Tick
from mainstay.watch.monitors.words import named, since

KEY: Final = "||callers|"
"""What the keys of these findings have after the version."""
LEAST: Final = 0.15
"""How far a caller may be from what is usual: callers differ."""
SWEEPS_USUAL_MAX: Final = 0.5
"""Where inputs are so few that half of all rows are part of a sweep, nobody can be told apart."""
STATES_MAX: Final = 500
_ROWS_LEAST: Final = 20
_FIELD_SHARE: Final = 0.5
_WORDS: Final = {
    FAR: "unusual inputs",
    NEAR: "questions at the boundary",
    SWEPT: "sweeps",
}


class _Heard(NamedTuple):
    """One caller in one stretch."""

    caller: str
    summary: Summary
    others: Summary | None
    field: Summary | None


def usual_of(known: Mapping[str, Known]) -> dict[str, Question]:
    """What is asked of every caller."""
    found: dict[str, Question] = {}
    for name in (FAR, NEAR, SWEPT):
        numbers = known[name].summary.numbers if name in known else None
        if numbers is None or numbers.moments.count < _ROWS_LEAST:
            continue
        mean, rows = numbers.moments.mean, numbers.moments.count
        if name == SWEPT and mean > SWEEPS_USUAL_MAX:
            continue
        question = of_share(name, mean * rows, rows).question
        tolerance = max(LEAST, question.tolerance)
        if mean + tolerance < 1.0:
            found[name] = msgspec.structs.replace(question, tolerance=tolerance)
    return found


def look_at_callers(
    saved: Saved, parts: Sequence[Part], told: tuple[str, Versions], per_alarm: float
) -> tuple[Saved, list[Change]]:
    """Take into account how callers asked in the stretches that closed; `parts` are those in the
    place of the slice `CALLERS`. `told` is the fingerprint of the version that answers now, the
    only one that is asked about."""
    live, versions = told
    reference = versions.reference(live)
    usual = {} if reference is None else usual_of(reference.columns)
    stretches = _together([part for part in parts if part.key.fingerprint == live])
    asked = {name for part in stretches for name in part.columns if _question(name) in usual}
    tick = Tick(dict(saved.states), dict(saved.open), math.log(per_alarm * max(len(asked), 1)))
    for part in stretches:
        for what, question in usual.items():
            for heard in _heard(part, what):
                _ask(tick, part, (what, question), heard)
    own = live[:MARK_LENGTH] + KEY
    for key in [key for key in tick.open if KEY in key and not key.startswith(own)]:
        tick.over(key, saved.until_ms)
    states = _bounded(tick.states)
    return msgspec.structs.replace(saved, states=states, open=tick.open), tick.changes


def _question(column: str) -> str:
    return column.partition(BAR)[0]


def _together(parts: Sequence[Part]) -> list[Part]:
    found: dict[int, Part] = {}
    for part in parts:
        if part.key.slice == CALLERS and part.key.width_ms == STRETCH_MS:
            before = found.get(part.key.begin_ms)
            whole = part if before is None else merge_parts(before, part, part.key)
            found[part.key.begin_ms] = whole
    return [found[begin] for begin in sorted(found)]


def _heard(part: Part, what: str) -> list[_Heard]:
    own = {
        name.partition(BAR)[2]: summary
        for name, summary in part.columns.items()
        if _question(name) == what and summary.numbers is not None
    }
    found: list[_Heard] = []
    for caller, summary in sorted(own.items()):
        others: Summary | None = None
        for name, other in own.items():
            if name != caller:
                others = other if others is None else merge(others, other)
        found.append(_Heard(caller, summary, others, part.columns.get(FIELD + BAR + caller)))
    return found


def _ask(tick: Tick, part: Part, asked: tuple[str, Question], heard: _Heard) -> None:
    what, question = asked
    begin_ms, end_ms = part.key.begin_ms, part.key.begin_ms + STRETCH_MS
    numbers = heard.summary.numbers
    assert numbers is not None, "others were left out"
    rows, mean = numbers.moments.count, numbers.moments.mean
    counts = np.array([mean * rows, (1.0 - mean) * rows])
    key = part.key.fingerprint[:MARK_LENGTH] + KEY + what.removeprefix(PROBE) + BAR
    key += heard.caller.replace(BAR, "¦")
    state = advance(tick.states.get(key, State()), question, counts, begin_ms)
    found = evidence(state, question)
    if found.wealth >= tick.limit:
        if found.shift > 0 and _alone(what, question, heard):
            finding = _finding(what, question, found, heard)
            tick.found(key, finding, found.since_ms, end_ms)
        state = State()
    elif key in tick.open:
        tick.calm(key, end_ms, usual=as_usual(question, counts) or mean < question.mean)
    tick.states[key] = state


def _alone(what: str, question: Question, heard: _Heard) -> bool:
    """Whether it is this caller, and not the data of all of them."""
    others = None if heard.others is None else heard.others.numbers
    if others is None or others.moments.count < _ROWS_LEAST:
        return what == SWEPT
    return others.moments.mean <= question.mean + question.tolerance


def _finding(what: str, question: Question, found: Evidence, heard: _Heard) -> Finding:
    who = f"caller {heard.caller[:60]}"
    if what == FAR:
        said = (
            f"{found.mean:.0%} of the values it sends are at the ends of what the reference has,"
            f" or beyond, where {question.mean:.0%} is usual"
        )
    elif what == NEAR:
        said = (
            f"to {found.mean:.0%} of its requests the model was nearly undecided, where"
            f" {question.mean:.0%} is usual"
        )
    else:
        said = (
            f"{found.mean:.0%} of its requests differ from others of its own in one input alone"
            f"{_field(heard.field)}, where {question.mean:.0%} is usual"
        )
    return Finding(
        check=f"{who}: {_WORDS[what]}", verdict="fail",
        words=f"{who}: {said}, since {since(found.since_ms)}: does it try the model out?",
        figure=found.mean, limit=question.mean + question.tolerance, compared=question.mean,
        samples=found.rows,
    )  # fmt: skip


def _field(field: Summary | None) -> str:
    """Which input is swept, where it is mostly one."""
    if field is None or field.categories is None or not field.categories.others:
        return ""
    name, count = max(field.categories.others.items(), key=lambda pair: (pair[1], pair[0]))
    return f", mostly {named(name)}" if count >= _FIELD_SHARE * field.rows else ""


def _bounded(states: dict[str, State]) -> dict[str, State]:
    """Of callers only those that speak loudest, where there are too many."""
    own = [key for key in states if KEY in key]
    if len(own) <= STATES_MAX:
        return states
    loudest = sorted(own, key=lambda key: max(run[0] for run in states[key].runs), reverse=True)
    gone = set(loudest[STATES_MAX:])
    return {key: state for key, state in states.items() if key not in gone}
