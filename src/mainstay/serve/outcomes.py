"""Outcomes: what the world said of a decision, kept as an event of its own by whoever heard it."""

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

    def record(self, model: str, caller: str, decision: str, label: str | float) -> str:
        """Hand an outcome to the operating system, from when on no crash of this process loses
        it; returns the id of its event."""
        time_ms, sequence = self._ids.take(1)
        now_ns = self._clock.now_ns()
        event = Event(
            id=str(DecisionId(time_ms, self._ids.incarnation, sequence)),
            kind="outcome",
            time_ns=now_ns,
            known_ns=now_ns,
            model=model,
            actor=caller,
            subject=decision,
            body={"label": label},
        )
        self._spool.append([event])
        return event.id
