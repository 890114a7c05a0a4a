"""Outcomes: what the world said of a decision, kept as an event of its own by whoever heard it.

A label says what was right; a reaction, what a person did with the answer; a report, that a person
noticed an error; undoing, that what followed from it is to be taken back. The body of the event has
one entry for each of them that was said.

What is told of a key instead (an order number) is kept just so, as an event of kind `keyed`; the
keeper finds its decision, and makes the outcome.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from mainstay.base.clock import Clock
from mainstay.base.ids import DecisionId, DecisionIds
from mainstay.contract.keyed import By
from mainstay.journal.model import Event
from mainstay.journal.port import Spool


class KeyedOutcome(NamedTuple):
    """What the world said of whatever decision a key stands for."""

    key: str
    """As it is kept."""
    by: By
    said: Mapping[str, Any]


class Outcomes:
    """Writes outcomes to the spool of this process."""

    def __init__(self, spool: Spool, ids: DecisionIds, clock: Clock) -> None:
        self._spool = spool
        self._ids = ids
        self._clock = clock

    def record(self, model: str, caller: str, decision: str, said: Mapping[str, Any]) -> Event:
        """Hand an outcome to the operating system, from when on no crash of this process loses
        it; returns its event."""
        event = event_about(self._ids, self._clock, (model, caller, decision), said)
        self._spool.append([event])
        return event

    def record_keyed(self, model: str, caller: str, told: Sequence[KeyedOutcome]) -> list[Event]:
        """Hand what was told of keys to the operating system, all of it or nothing."""
        events = keyed_events(self._ids, self._clock, (model, caller), told)
        self._spool.append(events)
        return events


def keyed_events(
    ids: DecisionIds, clock: Clock, about: tuple[str, str], told: Sequence[KeyedOutcome]
) -> list[Event]:
    """What is told of keys, as events; `about` is the model and who tells it. They stand in the
    journal at the time when they were told: when it happened is in their body."""
    time_ms, first = ids.take(len(told))
    now_ns = clock.now_ns()
    return [
        keyed_event(str(DecisionId(time_ms, ids.incarnation, first + place)), now_ns, about, each)
        for place, each in enumerate(told)
    ]


def keyed_event(id_: str, now_ns: int, about: tuple[str, str], told: KeyedOutcome) -> Event:
    """What is told of one key."""
    return Event(
        id=id_,
        kind="keyed",
        time_ns=now_ns,
        known_ns=now_ns,
        model=about[0],
        actor=about[1],
        subject=told.key,
        body={**told.said, "by": msgspec.to_builtins(told.by)},
    )


def event_about(
    ids: DecisionIds,
    clock: Clock,
    about: tuple[str, str, str],
    said: Mapping[str, Any],
    kind: Literal["outcome", "action", "finding"] = "outcome",
) -> Event:
    """What is said or done about a decision, as an event; `about` is model, who says it, and the
    decision."""
    time_ms, sequence = ids.take(1)
    now_ns = clock.now_ns()
    model, caller, decision = about
    return Event(
        id=str(DecisionId(time_ms, ids.incarnation, sequence)),
        kind=kind,
        time_ns=now_ns,
        known_ns=now_ns,
        model=model,
        actor=caller,
        subject=decision,
        body=dict(said),
    )
