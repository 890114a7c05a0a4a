"""The monitor of lists: do they grow alike, do they leave out what few take, are there new people?

Promises the same as the monitor of columns: each closed stretch is taken into account once, and
false alarms stay as rare as the contract says, however often somebody looks. Each list counts as
one, however many items it has: a mean over lists, or over all pairs of them, gains a bet no more
than as many independent yeses and noes with that mean would (Hoeffding); of pairs there are half as
many as lists. For units the number is Kish's, and that bound holds to the second order.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.contract.finding import Finding
from mainstay.contract.model import Contract, Ranking
from mainstay.summaries.rankings import ITEM, UNIT, shown_length
from mainstay.summaries.reference import Known
from mainstay.summaries.summary import Summary
from mainstay.watch.gather.model import STRETCH_MS, Part
from mainstay.watch.monitors.columns import Versions, together
from mainstay.watch.monitors.detector import Evidence, State, advance, as_usual, evidence
from mainstay.watch.monitors.model import MARK_LENGTH, Change, Saved
from mainstay.watch.monitors.questions import Asked, of_share
from mainstay.watch.monitors.tick import Tick
from mainstay.watch.monitors.words import since
from mainstay.watch.recommend.measures import (
    Popularity,
    counts_of,
    new_units,
    overlap_of,
    popularity,
    usually_new,
)

KEY: Final = "||lists|"
"""What the keys of these findings have after the version."""
_LISTS_LEAST: Final = 20
_UNITS_LEAST: Final = 100

Floats = npt.NDArray[np.float64]


class Usual(msgspec.Struct, frozen=True):
    """What is asked of the lists of one version."""

    output: Ranking
    known: Mapping[str, Known]
    popular: Popularity | None
    asked: tuple[Asked, ...]


def usual_of(output: Ranking, known: Mapping[str, Known]) -> Usual:
    """From its reference: what two lists had in common, what they had of the tail, and how many
    people it did not know."""
    popular = popularity(output, known)
    asked: list[Asked] = []
    for what in ("overlap", "long tail"):
        found = _yeses(what, output, {name: each.summary for name, each in known.items()}, popular)
        if found is not None and found.sum() >= _LISTS_LEAST:
            asked.append(of_share(what, float(found[0]), float(found.sum())))
    units = known[UNIT].summary.categories if UNIT in known else None
    if units is not None and len(units.others) >= _UNITS_LEAST:
        asked.append(of_share("new units", usually_new(units.others) * len(units.others),
                              len(units.others)))  # fmt: skip
    return Usual(output, known, popular, tuple(asked))


def look_at_lists(
    saved: Saved, parts: Sequence[Part], told: tuple[Contract, str, Versions], per_alarm: float
) -> tuple[Saved, list[Change]]:
    """Take the lists of the stretches into account that have closed; `parts` are those, without
    shadows. `told` is the contract and the fingerprint of the version that answers now, the only
    one that is asked about."""
    contract, live, versions = told
    reference = versions.reference(live) if isinstance(contract.output, Ranking) else None
    tick = Tick(dict(saved.states), dict(saved.open))
    if reference is not None and isinstance(contract.output, Ranking):
        usual = usual_of(contract.output, reference.columns)
        tick.limit = math.log(per_alarm * max(len(usual.asked), 1))
        for part in together(part for part in parts if part.key.fingerprint == live):
            for asked in usual.asked:
                _ask(tick, part, usual, asked)
    own = live[:MARK_LENGTH] + KEY
    for key in [key for key in tick.open if KEY in key and not key.startswith(own)]:
        tick.over(key, saved.until_ms)
    return msgspec.structs.replace(saved, states=tick.states, open=tick.open), tick.changes


def _ask(tick: Tick, part: Part, usual: Usual, asked: Asked) -> None:
    begin_ms, end_ms = part.key.begin_ms, part.key.begin_ms + STRETCH_MS
    if asked.what == "new units":
        new = new_units(usual.known, part.columns)
        counts = None if new is None else _split(new.share, new.units)
    else:
        counts = _yeses(asked.what, usual.output, part.columns, usual.popular)
    if counts is None:
        return
    key = part.key.fingerprint[:MARK_LENGTH] + KEY + asked.what
    state = advance(tick.states.get(key, State()), asked.question, counts, begin_ms)
    found = evidence(state, asked.question)
    if found.wealth >= tick.limit:
        finding = _finding(asked, found, part.key.number)
        tick.found(key, finding, found.since_ms, end_ms)
        state = State()
    elif key in tick.open:
        tick.calm(key, end_ms, usual=as_usual(asked.question, counts))
    tick.states[key] = state


def _yeses(
    what: str, output: Ranking, columns: Mapping[str, Summary], popular: Popularity | None
) -> Floats | None:
    """As many yeses and noes as a mean over lists, or over pairs of them, stands for."""
    counts = counts_of(columns.get(ITEM), len(output.items))
    length = shown_length(output)
    if what == "overlap":
        pairs = overlap_of(counts, length)
        return None if pairs is None else _split(*pairs)
    total = float(counts.sum())
    if popular is None or not total:
        return None
    return _split(float(counts[popular.buckets >= 2].sum()) / total, total / length)


def _split(share: float, rows: float) -> Floats:
    return np.array([share * rows, (1.0 - share) * rows])


def _finding(asked: Asked, found: Evidence, number: int) -> Finding:
    question = asked.question
    more = found.shift > 0
    if asked.what == "overlap":
        way = "more alike" if more else "less alike"
        said = (
            f"lists are {way} than they were: two of them have {found.mean:.1%} of their items in"
            f" common, where {question.mean:.1%} is usual"
        )
        said += "; does the model learn from what it showed itself?" if more else ""
    elif asked.what == "long tail":
        way = "more" if more else "less"
        said = (
            f"lists have {way} of what few people take: {found.mean:.1%}, where"
            f" {question.mean:.1%} is usual"
        )
    else:
        way = "more" if more else "fewer"
        said = (
            f"{way} decisions are for units that were not there when it was packed:"
            f" {found.mean:.1%}, where {question.mean:.1%} is usual"
        )
    return Finding(
        check=f"lists: {asked.what}", verdict="fail",
        words=f"v{number}: {said}, since {since(found.since_ms)}.", figure=found.mean,
        limit=question.mean + math.copysign(question.tolerance, found.shift),
        compared=question.mean, samples=found.rows,
    )  # fmt: skip
