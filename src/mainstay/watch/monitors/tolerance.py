"""Questions that are asked more tolerantly, since somebody called an alert false.

Promises that a tolerance is only ever raised, never beyond `TUNED_MAX`, and is as it was once that
is taken back. Pure.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from mainstay.watch.monitors.model import Saved
from mainstay.watch.monitors.questions import Asked

TUNED_MAX: Final = 0.2
"""A fifth of all places or rows: what moves further is told whatever anybody said."""


def tolerant(
    column: str, questions: Sequence[Asked], tuned: Mapping[str, Mapping[str, float]]
) -> Sequence[Asked]:
    """The questions of a column, as tolerant as was wanted."""
    return [_tolerant(asked, tuned.get(f"{column}|{asked.what}", {})) for asked in questions]


def _tolerant(asked: Asked, wanted: Mapping[str, float]) -> Asked:
    question = asked.question
    least = min(TUNED_MAX, max(wanted.values(), default=0.0))
    if least <= question.tolerance:
        return asked
    return msgspec.structs.replace(
        asked, question=msgspec.structs.replace(question, tolerance=least)
    )


def retuned(saved: Saved, alert: str, tolerances: Mapping[str, float]) -> Saved:
    """What is remembered once an alert wants these tolerances, by column and question, and no
    others. What speaks for a change so far was held against the old ones, and is let go."""
    tuned: dict[str, dict[str, float]] = {}
    changed: list[str] = []
    for name in saved.tuned.keys() | tolerances.keys():
        before = saved.tuned.get(name, {})
        after = {number: each for number, each in before.items() if number != alert}
        if name in tolerances:
            after[alert] = tolerances[name]
        if after:
            tuned[name] = after
        if after != before:
            changed.append(f"|{name}")
    ends = tuple(changed)
    states = {key: state for key, state in saved.states.items() if not key.endswith(ends)}
    return msgspec.structs.replace(saved, tuned=tuned, states=states)
