"""The monitor of refusals: are most requests of a caller refused all of a sudden?

That is a client that broke, or somebody who tries the door. Each caller is held against its own
usual share, which is that of its first 1 000 requests; until then, against every second one. Who
has no valid key is one caller. Promises the same as the monitor of columns: each closed stretch
counts once, and over all callers false alarms stay as rare as the contract says. Told is only a
share that is a fifth of all requests above what is usual, or more.

Limits: a caller's requests count as independent of each other; of whom four fifths are usually
refused nothing is asked; what a caller did before is forgotten once more than 500 are remembered.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from mainstay.contract.finding import Finding
from mainstay.summaries.summary import Summary
from mainstay.watch.gather.model import STRETCH_MS, Part
from mainstay.watch.gather.refused import ASKED, CALLERS_MAX, WHY
from mainstay.watch.monitors.detector import (
    Evidence,
    Question,
    State,
    advance,
    as_usual,
    evidence,
)
from mainstay.watch.monitors.model import Asking, Change, Saved
from mainstay.watch.monitors.tick import Tick
from mainstay.watch.monitors.words import named, since

KEY: Final = "||refusals|"
USUAL_ROWS: Final = 1_000
"""How many requests say what is usual of a caller."""
LEAST: Final = 0.2
"""How far above what is usual a share is told from: clients have bad days."""
ASKING_MAX: Final = 500
_UNKNOWN: Final = 0.5
_SURE: Final = 3.0
_OTHERS_NAMED: Final = 60


def look_at_refusals(
    saved: Saved, parts: Sequence[Part], since_ms: int, per_alarm: float
) -> tuple[Saved, list[Change]]:
    """Take into account what was refused in the stretches that closed from a moment on; `parts`
    are those in the place of the slice `REFUSED`."""
    asking = dict(saved.asking)
    tick = Tick({}, dict(saved.open))
    stretches = {part.key.begin_ms: part for part in parts if part.key.width_ms == STRETCH_MS}
    for begin_ms in range(since_ms, saved.until_ms, STRETCH_MS):
        part = stretches.get(begin_ms)
        columns: Mapping[str, Summary] = {} if part is None else part.columns
        callers = sorted(name.removeprefix(ASKED) for name in columns if name.startswith(ASKED))
        many = len(asking.keys() | set(callers))
        # The bound never falls, also while callers are forgotten and others come.
        many = many if many < ASKING_MAX else ASKING_MAX + CALLERS_MAX
        tick.limit = math.log(per_alarm * max(many, 1))
        for caller in callers:
            asking[caller] = _ask(tick, asking.get(caller, Asking()), columns, caller, begin_ms)
        heard = set(map(_key, callers))
        for key in [key for key in tick.open if key.startswith(KEY) and key not in heard]:
            tick.calm(key, begin_ms + STRETCH_MS)
    kept = sorted(asking, key=lambda caller: (asking[caller].seen_ms, caller))[-ASKING_MAX:]
    return msgspec.structs.replace(
        saved, open=tick.open, asking={caller: asking[caller] for caller in kept}
    ), tick.changes


def _key(caller: str) -> str:
    return KEY + caller.replace("|", "¦")


def _question(asking: Asking) -> Question | None:
    """What is asked of a caller; nothing where nearly all it asks is refused anyhow."""
    if asking.asked < USUAL_ROWS:
        return Question((1.0, 0.0), 0.0, _UNKNOWN)
    usual = asking.refused / asking.asked
    error = math.sqrt(max(usual * (1.0 - usual), 1.0 / asking.asked) / asking.asked)
    tolerance = max(LEAST, _SURE * error)
    return Question((1.0, 0.0), usual, tolerance) if usual + tolerance < 1.0 else None


def _ask(
    tick: Tick, asking: Asking, columns: Mapping[str, Summary], caller: str, begin_ms: int
) -> Asking:
    categories = columns[ASKED + caller].categories
    assert categories is not None, "it was counted so"
    counts, end_ms, key = (
        np.array(categories.named, dtype=float),
        begin_ms + STRETCH_MS,
        _key(caller),
    )
    question, state = _question(asking), asking.state
    if question is not None:
        state = advance(state, question, counts, begin_ms)
        found = evidence(state, question)
        if found.wealth >= tick.limit:
            if found.shift > 0:
                finding = _finding(caller, question, found, columns.get(WHY + caller))
                tick.found(key, finding, found.since_ms, end_ms)
            state = State()
        elif key in tick.open:
            below = counts[0] <= question.mean * counts.sum()
            tick.calm(key, end_ms, usual=below or as_usual(question, counts))
    refused, asked = int(counts[0]), int(counts.sum())
    learned = asking.asked < USUAL_ROWS and key not in tick.open
    return Asking(
        asking.refused + (refused if learned else 0),
        asking.asked + (asked if learned else 0),
        # What speaks against another question says nothing of this one.
        State() if learned and asking.asked + asked >= USUAL_ROWS else state,
        begin_ms,
    )


def _finding(caller: str, question: Question, found: Evidence, why: Summary | None) -> Finding:
    who = f"caller {caller[:_OTHERS_NAMED]}" if caller else "somebody without a valid key"
    usual = (
        f"where {question.mean:.0%} is usual"
        if question.tolerance < _UNKNOWN
        else "from the first on"
    )
    words = (
        f"{who}: {found.mean:.0%} of {found.rows:,} requests were refused, {usual}, since"
        f" {since(found.since_ms)}{_mostly(why)}. Is that a client that broke, or does somebody"
        " try the door?"
    )
    return Finding(
        check=f"{who}: refused requests", verdict="fail", words=words, figure=found.mean,
        limit=question.mean + question.tolerance, compared=question.mean, samples=found.rows,
    )  # fmt: skip


def _mostly(why: Summary | None) -> str:
    """For which reason, and because of which field."""
    if why is None or why.categories is None or not why.categories.others:
        return ""
    reasons = why.categories.others
    reason, count = max(reasons.items(), key=lambda pair: (pair[1], pair[0]))
    code, _, field = reason.partition(" ")
    of = f" of {named(field)}" if field else ""
    return f"; mostly {code}{of} ({count:,} of {why.rows:,} in the last ten minutes)"
