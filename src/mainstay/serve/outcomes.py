"""Outcomes: what the world said of a decision, kept as an event of its own by whoever heard it.

A label says what was right; a reaction, what a person did with the answer; a report, that a person
noticed an error; undoing, that what followed from it is to be taken back. The body of the event has
one entry for each of them that was said.
"""

from collections.abc import Mapping
from typing import Any, Literal

from mainstay.base.clock import Clock
from mainstay.base.ids import DecisionId, DecisionIds
from mainstay.journal.model import Event
from mainstay.journal.port import Spool


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
