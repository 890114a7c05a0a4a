"""The monitor of how right answers are: each label counts when it comes, however late that is.

Held against what was measured when the version was packed, as a whole and by each slice that the
contract declares: see `label_questions.py` for what is asked. Metrics that jump up and down more
than chance explains are told too (`steady.py`), of the whole. Promises the same as the monitor of
columns: each label is taken into account once, and false alarms stay as rare as the contract says,
over all slices and questions, however often somebody looks. A version or slice without labels when
it was packed is asked about its calibration alone.

Limits: labels count as independent of each other.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from mainstay.contract.finding import Finding
from mainstay.contract.model import Contract
from mainstay.summaries.labels import in_slice
from mainstay.summaries.reference import Known
from mainstay.watch.gather.model import ARRIVED, LABEL, STRETCH_MS, Key, Part, merge_parts
from mainstay.watch.monitors.columns import Versions
from mainstay.watch.monitors.detector import Evidence, Question, State, advance, evidence
from mainstay.watch.monitors.label_questions import LabelQuestion, questions_about
from mainstay.watch.monitors.model import MARK_LENGTH, Change, Saved
from mainstay.watch.monitors.steady import STEADY, VARIANCE, grouped
from mainstay.watch.monitors.tick import Tick
from mainstay.watch.monitors.words import since

KEY: Final = "||labels|"
"""What the keys of these findings have after the version."""
_GROUPS: Final = "|groups"
"""Where it is remembered which labels wait for a group to be held against."""
_JUMPS: Final = "jumps of "
_HIGH: Final = 0.5
_PAIRS_CALM: Final = 12
"""After how many pairs of groups it is asked whether a metric still jumps."""


def look_at_labels(
    saved: Saved, parts: Sequence[Part], told: tuple[Contract, str, Versions], per_alarm: float
) -> tuple[Saved, list[Change]]:
    """Take labels into account by when they came; `parts` are those of the stretches that closed
    since the last look. `told` is the contract and the fingerprint of the version that answers
    now, the only one that is asked about."""
    contract, live, versions = told
    known = _known(versions, live)
    chosen = _together(part for part in parts if part.key.fingerprint == live)
    slices = sorted(_slices(known) | {_slice(part) for part in chosen} | {""})
    asked = {name: questions_about(contract, _of_slice(known, name)) for name in slices}
    many = sum(map(len, asked.values())) + sum(each.steady for each in asked[""])
    tick = Tick(dict(saved.states), dict(saved.open), math.log(per_alarm * max(many, 1)))
    for part in chosen:
        slice_ = _slice(part)
        for each in asked[slice_]:
            _ask(tick, part, each, slice_)
            if each.steady and not slice_:
                _ask_steady(tick, part, each)
    own = live[:MARK_LENGTH] + KEY
    for key in [key for key in tick.open if KEY in key and not key.startswith(own)]:
        tick.over(key, saved.until_ms)
    return msgspec.structs.replace(saved, states=tick.states, open=tick.open), tick.changes


def _known(versions: Versions, mark: str) -> Mapping[str, Known]:
    reference = versions.reference(mark)
    columns = {} if reference is None else reference.columns
    return {name: known for name, known in columns.items() if name.startswith(LABEL)}


def _slices(known: Mapping[str, Known]) -> set[str]:
    return {name.partition("|")[2] for name in known}


def _of_slice(known: Mapping[str, Known], slice_: str) -> Mapping[str, Known]:
    """What is known of one slice, by the names of columns."""
    names = {name: name.partition("|")[0] for name in known}
    return {short: known[name] for name, short in names.items() if name == in_slice(short, slice_)}


def _slice(part: Part) -> str:
    """Labels by when they came have their slice in the place of an arm."""
    return json.loads(part.key.arm) if part.key.arm else ""


def _together(parts: Iterable[Part]) -> list[Part]:
    found: dict[Key, Part] = {}
    for part in parts:
        if part.key.slice == ARRIVED and part.key.width_ms == STRETCH_MS:
            before = found.get(part.key)
            found[part.key] = part if before is None else merge_parts(before, part, part.key)
    return [found[key] for key in sorted(found, key=lambda key: (key.begin_ms, key))]


def _key(part: Part, what: str, slice_: str) -> str:
    within = f"{slice_}|" if slice_ else ""
    return part.key.fingerprint[:MARK_LENGTH] + KEY + (within + what).replace("|", "¦")


def _ask(tick: Tick, part: Part, asked: LabelQuestion, slice_: str) -> None:
    begin_ms, end_ms = part.key.begin_ms, part.key.begin_ms + STRETCH_MS
    counts = asked.counts(part.columns, begin_ms // STRETCH_MS)
    if not counts.sum():
        return
    key = _key(part, asked.what, slice_)
    state = advance(tick.states.get(key, State()), asked.question, counts, begin_ms)
    found = evidence(state, asked.question)
    if found.wealth >= tick.limit:
        words = asked.words(found)
        finding = _finding(asked.what, (asked.question, found), words, part.key.number, slice_)
        tick.found(key, finding, found.since_ms, end_ms)
        state = State()
    elif key in tick.open and tick.is_as_it_was(key, asked.question, counts):
        tick.over(key, end_ms)
    tick.states[key] = state


def _ask_steady(tick: Tick, part: Part, asked: LabelQuestion) -> None:
    """Whether the same metric jumps up and down."""
    begin_ms, end_ms = part.key.begin_ms, part.key.begin_ms + STRETCH_MS
    counts = asked.counts(part.columns, begin_ms // STRETCH_MS)
    high = float(counts[np.array(asked.question.values) > _HIGH].sum())
    key = _key(part, _JUMPS + asked.what, "")
    pending = tick.states.get(key + _GROUPS, State())
    pending, pairs = grouped(pending, float(counts.sum()), high)
    tick.states[key + _GROUPS] = pending
    for pair in pairs:
        state = advance(tick.states.get(key, State()), STEADY, pair, begin_ms)
        found = evidence(state, STEADY)
        if found.wealth >= tick.limit:
            times = found.mean / STEADY.mean * VARIANCE / 2.0
            words = (
                f"{asked.what} jumps up and down: groups of labels that follow each other differ"
                f" at least {times:.1f} times as much as by chance"
            )
            told = _finding(_JUMPS + asked.what, (STEADY, found), words, part.key.number, "")
            tick.found(key, told, found.since_ms, end_ms)
            state = State()
        elif key in tick.open and tick.is_as_it_was(key, STEADY, pair, _PAIRS_CALM):
            tick.over(key, end_ms)
        tick.states[key] = state


def _finding(
    what: str, told: tuple[Question, Evidence], said: str, number: int, slice_: str
) -> Finding:
    question, found = told
    limit = question.mean + math.copysign(question.tolerance, found.shift)
    where = f" where {slice_}" if slice_ else ""
    words = f"v{number}{where}: {said}, by the labels that came since {since(found.since_ms)}."
    return Finding(
        check=f"labels: {what}", verdict="fail", words=words, figure=found.mean,
        limit=limit, compared=question.mean, samples=found.rows, slice=slice_,
    )  # fmt: skip
