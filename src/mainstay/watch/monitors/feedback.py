"""The monitor of natural feedback: do people do as much with the answers as they did?

Of every kind of reaction (clicked, bought, shared …) it watches to which share of the answers
people react so, of lists from how many something is taken, and of the time they look whether it has
become longer or shorter; as a whole and by each declared slice. A decision is looked at twelve
hours after it was made, once, with what was said of it until then. What is usual is what was so for
the first thousand answers of the version (or all of its last week, if those are more), so that
nothing has to be set. Promises the same as the monitor of columns; both drops and rises are told.

Limits: decisions count as independent of each other; what is said later than twelve hours after
counts for the metrics, and not here.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from mainstay.contract.finding import Finding
from mainstay.contract.reactions import CLICK_RATE, REACTIONS, rate_of
from mainstay.summaries.labels import in_slice
from mainstay.summaries.rankings import CLICK, CLICKED
from mainstay.summaries.reference import Known, Reference
from mainstay.summaries.ruler import Ruler
from mainstay.summaries.summary import Summary
from mainstay.watch.gather.model import RUNTIME_RULERS, STRETCH_MS, Key, Part, merge_parts
from mainstay.watch.labels.metrics import told_of
from mainstay.watch.labels.reactions import DWELL, KINDS, REACTED, TIMES
from mainstay.watch.monitors.detector import (
    Evidence,
    Floats,
    Question,
    State,
    advance,
    evidence,
)
from mainstay.watch.monitors.model import MARK_LENGTH, Change, Saved
from mainstay.watch.monitors.questions import questions_of
from mainstay.watch.monitors.tick import Tick
from mainstay.watch.monitors.words import since

KEY: Final = "||feedback|"
"""What the keys of these findings have after the version."""
MATURE_MS: Final = 12 * 3_600_000
"""How old a decision is when it is looked at."""
USUAL_ROWS: Final = 1_000
"""How many answers say what is usual."""
_LEAST_PART: Final = 0.1
"""Of a rate: by how much of itself it may move."""
_LEAST: Final = 0.002
_SURE: Final = 3.0
_NAME_LENGTH: Final = 55
"""What is left of the 64 characters of a name."""
_RULERS: Final[Mapping[str, Ruler]] = {
    "status": RUNTIME_RULERS["status"], REACTED: KINDS, DWELL: TIMES, CLICKED: CLICK,
}  # fmt: skip


def kept_under(fingerprint: str) -> str:
    """Where what is usual of a version is kept."""
    return f"feedback:{fingerprint[:_NAME_LENGTH]}"


def says_something(parts: Iterable[Part]) -> bool:
    """Whether anybody said what was done with these answers."""
    return any({REACTED, DWELL, CLICKED} & part.columns.keys() for part in parts)


def usual_feedback(parts: Iterable[Part]) -> Reference | None:
    """What is usual, once there are enough answers that are old enough; `parts` are of one
    version."""
    every = list(parts)
    by_slice = _slices(every)
    rows = told_of(by_slice.get("", {}).get("status"))
    if rows < USUAL_ROWS or not says_something(every):
        return None
    known = {
        in_slice(name, slice_): Known(_RULERS[name], summary)
        for slice_, columns in by_slice.items()
        for name, summary in columns.items()
        if told_of(columns.get("status")) >= USUAL_ROWS // 10
    }
    return Reference(f"its first {rows:,} answers", rows, known)


def look_at_feedback(
    saved: Saved,
    parts: Sequence[Part],
    told: tuple[str, Reference | None],
    per_alarm: float,
) -> tuple[Saved, list[Change]]:
    """Take decisions into account that have become old enough since the last look. `told` is the
    fingerprint of the version that answers now, and what is usual of it."""
    live, usual = told
    tick = Tick(dict(saved.states), dict(saved.open))
    own = live[:MARK_LENGTH] + KEY
    if usual is not None:
        slices = {name.partition("|")[2] for name in usual.columns}
        asked = {name: _questions(usual, name) for name in slices}
        many = sum(map(len, asked.values()))
        tick.limit = math.log(per_alarm * max(many, 1))
        for begin_ms, number, slice_, columns in _stretches(parts):
            for what, question in asked.get(slice_, {}).items():
                subject = own + in_slice(what, slice_).replace("|", "¦")
                counts = _counts(what, columns, len(question.values))
                _ask(tick, subject, (question, counts), (what, slice_, number), begin_ms)
    for key in [key for key in tick.open if KEY in key and not key.startswith(own)]:
        tick.over(key, saved.until_ms)
    return msgspec.structs.replace(saved, states=tick.states, open=tick.open), tick.changes


def _slices(parts: Iterable[Part]) -> dict[str, dict[str, Summary]]:
    found: dict[str, Part] = {}
    for part in parts:
        own = msgspec.structs.replace(part, columns=_own(part))
        before = found.get(part.key.slice)
        found[part.key.slice] = own if before is None else merge_parts(before, own, before.key)
    return {slice_: part.columns for slice_, part in found.items()}


def _own(part: Part) -> dict[str, Summary]:
    return {name: part.columns[name] for name in _RULERS if name in part.columns}


def _stretches(
    parts: Iterable[Part],
) -> list[tuple[int, int, str, Mapping[str, Summary]]]:
    """By slice, in order, whatever arms a version had in them."""
    found: dict[Key, Part] = {}
    for part in parts:
        if part.key.width_ms == STRETCH_MS:
            key = msgspec.structs.replace(part.key, arm="")
            own = Part(key, part.rows, _own(part))
            before = found.get(key)
            found[key] = own if before is None else merge_parts(before, own, key)
    ordered = sorted(found, key=lambda key: (key.begin_ms, key))
    return [(k.begin_ms, k.number, k.slice, found[k].columns) for k in ordered]


def _questions(usual: Reference, slice_: str) -> dict[str, Question]:
    columns = {name: usual.columns.get(in_slice(name, slice_)) for name in _RULERS}
    status, kinds, dwell, clicked = (columns[name] for name in _RULERS)
    rows = told_of(None if status is None else status.summary)
    found: dict[str, Question] = {}
    counted = None if kinds is None else kinds.summary.categories
    for place, name in enumerate(REACTIONS):
        count = counted.named[place] if counted is not None else 0
        if count:
            found[name] = _rate(min(count / rows, 1.0), rows)
    if clicked is not None and clicked.summary.rows:
        found[CLICKED] = _rate(min(clicked.summary.rows / rows, 1.0), rows)
    if dwell is not None:
        found[DWELL] = next(a.question for a in questions_of(dwell) if a.what == "place")
    return found


def _rate(share: float, rows: int) -> Question:
    error = math.sqrt(max(share * (1.0 - share), 1.0 / rows) / rows)
    return Question((1.0, 0.0), share, max(_LEAST_PART * share, _LEAST, _SURE * error))


def _counts(what: str, columns: Mapping[str, Summary], cells: int) -> Floats:
    if what == DWELL:
        dwell = columns.get(DWELL)
        numbers = None if dwell is None else dwell.numbers
        return np.zeros(cells) if numbers is None else np.array(numbers.cells, dtype=np.float64)
    rows = told_of(columns.get("status"))
    if what == CLICKED:
        clicked = columns.get(CLICKED)
        count = 0 if clicked is None else clicked.rows
    else:
        kinds = columns.get(REACTED)
        counted = None if kinds is None else kinds.categories
        count = counted.named[REACTIONS.index(what)] if counted is not None else 0
    # Of an answer that was withheld people may say something too.
    return np.array([min(count, rows), max(rows - count, 0)], dtype=np.float64)


def _ask(
    tick: Tick,
    key: str,
    asked: tuple[Question, Floats],
    named: tuple[str, str, int],
    begin_ms: int,
) -> None:
    question, counts = asked
    if not counts.sum():
        return
    end_ms = begin_ms + STRETCH_MS
    state = advance(tick.states.get(key, State()), question, counts, begin_ms)
    found = evidence(state, question)
    if found.wealth >= tick.limit:
        tick.found(key, _finding(named, question, found), found.since_ms, end_ms)
        state = State()
    elif key in tick.open and tick.is_as_it_was(key, question, counts):
        tick.over(key, end_ms)
    tick.states[key] = state


def _finding(named: tuple[str, str, int], question: Question, found: Evidence) -> Finding:
    what, slice_, number = named
    where = f" where {slice_}" if slice_ else ""
    if what == DWELL:
        way = "longer" if found.shift > 0 else "shorter"
        name = "time people look"
        said = (
            f"people look {way} than they did: the average time stands above {found.mean:.0%} of"
            f" those of its first answers, where {question.mean:.0%} is usual"
        )
    else:
        name = CLICK_RATE if what == CLICKED else rate_of(what)
        way = "risen suspiciously" if found.shift > 0 else "fallen"
        said = (
            f"the {name} has {way}: {found.mean:.2%} of the answers, where"
            f" {question.mean:.2%} was usual"
        )
    words = (
        f"v{number}{where}: {said}, within twelve hours of the decisions made since"
        f" {since(found.since_ms)}."
    )
    limit = question.mean + math.copysign(question.tolerance, found.shift)
    return Finding(
        check=f"feedback: {name}", verdict="fail", words=words, figure=found.mean, limit=limit,
        compared=question.mean, samples=found.rows, slice=slice_,
    )  # fmt: skip
