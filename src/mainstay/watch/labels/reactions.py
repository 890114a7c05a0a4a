"""What people did with answers, counted with the decision it was said of, as labels are.

Promises that each kind of reaction counts once for each decision, in its stretch and slices,
however often and late it is said; of several times that somebody looked the first counts. Must
never count what was said of a decision that nobody made. Pure.

label_reaction  what was done, by kind
label_dwell_s   for how long people looked, or watched
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from mainstay.contract.reactions import REACTIONS
from mainstay.summaries.ruler import Ruler
from mainstay.summaries.summary import Summary, summarise
from mainstay.summaries.values import values_of
from mainstay.watch.gather.model import Key, Part

REACTED: Final = "label_reaction"
DWELL: Final = "label_dwell_s"
KINDS: Final = Ruler("category", names=REACTIONS)
TIMES: Final = Ruler("number", tuple((10.0 ** (np.arange(-10, 51) / 10)).tolist()))
"""Seconds from a tenth to a day, in cells of a quarter more."""


class Reacted(NamedTuple):
    """One thing that was said of one decision."""

    event: str
    subject: str
    reaction: str | None
    dwell_ms: float | None


def reacted(event: str, subject: str, body: Mapping[str, Any]) -> Reacted | None:
    """What an outcome says of a reaction, if anything."""
    reaction, dwell = body.get("reaction"), body.get("dwell_ms")
    if reaction is None and dwell is None:
        return None
    return Reacted(event, subject, reaction, dwell)


def reaction_parts(
    said: Sequence[Reacted],
    every: Mapping[str, Iterable[Reacted]],
    keys: Callable[[str], Sequence[Key]],
) -> Iterator[Part]:
    """The parts of what was said; `every` is all that was ever said of these decisions, in the
    order it was heard, and `keys` tells where a decision is counted (nowhere if there is none)."""
    counted: dict[Key, tuple[list[str], list[float]]] = {}
    for each in said:
        before = list(every[each.subject])
        reaction = _first(before, each, lambda one: one.reaction)
        dwell = _first(before, each, lambda one: None if one.dwell_ms is None else "looked")
        for key in keys(each.subject) if reaction or dwell else ():
            kinds, times = counted.setdefault(key, ([], []))
            if reaction:
                kinds.append(str(each.reaction))
            if dwell:
                times.append(float(each.dwell_ms or 0.0) / 1000.0)
    for key, (kinds, times) in counted.items():
        yield Part(key, 0, _columns(kinds, times))


def _first(before: Iterable[Reacted], each: Reacted, kind: Callable[[Reacted], str | None]) -> bool:
    wanted = kind(each)
    if wanted is None:
        return False
    return next(one.event for one in before if kind(one) == wanted) == each.event


def _columns(kinds: Sequence[str], times: Sequence[float]) -> dict[str, Summary]:
    found: dict[str, Summary] = {}
    if kinds:
        found[REACTED] = summarise(values_of(np.array(kinds, dtype=object)), KINDS)
    if times:
        found[DWELL] = summarise(values_of(np.array(times)), TIMES)
    return found
