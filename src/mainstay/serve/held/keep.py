"""Letting the answers of a run wait: on the desk, and as findings that the journal keeps.

Promises that an answer whose decision is recorded as held waits on the desk; one that the desk
cannot take is declined instead, with the reason.
"""

from typing import Any

from msgspec import structs, to_builtins

from mainstay.base.clock import Clock
from mainstay.base.errors import MainstayError
from mainstay.base.ids import DecisionId, DecisionIds
from mainstay.contract.times import duration_ns
from mainstay.journal.model import DecisionBatch, Event
from mainstay.judge.holding import Holding
from mainstay.judge.model import DECLINED, HELD
from mainstay.judge.present import Shown
from mainstay.serve.held.model import Told, Waiting
from mainstay.serve.held.port import Desk
from mainstay.serve.model import Run
from mainstay.serve.routes.model import Route

Kept = tuple[DecisionBatch, list[Event]]
JUDGE = "judge"
"""Who holds."""


class Keeping:
    """What a worker does with a run in which something is held."""

    def __init__(self, desk: Desk, route: Route, ids: DecisionIds, clock: Clock) -> None:
        self._desk = desk
        self._route = route
        self._ids = ids
        self._clock = clock

    def __call__(self, run: Run, batch: DecisionBatch) -> Kept:
        """The record of the run, and the findings about it."""
        events: list[Event] = []
        callers = [call.caller.name for call in run.calls for _ in range(call.rows)]
        for row, holding in run.held.items():
            if run.statuses[row] != HELD:
                continue  # taken back further since
            decision = decision_of(batch, row)
            time_ns = batch.time_ms * 1_000_000
            waiting = Waiting(
                id=decision,
                model=self._route.model,
                version=self._route.number,
                caller=callers[row],
                time_ns=time_ns,
                until_ns=time_ns + duration_ns(holding.wait),
                holding=holding,
                shown=_told(run.shown[row]),
            )
            try:
                self._desk.put(waiting)
            except MainstayError as error:
                run.statuses[row] = DECLINED
                run.words.pop(row, None)
                run.reasons[row] = f"{error.message}; {run.reasons[row]}"
                continue
            events.append(self._finding(waiting))
        batch = structs.replace(batch, statuses=bytes(run.statuses), reasons=run.reasons)
        return batch, events

    def undo(self, batch: DecisionBatch, held: dict[int, Holding]) -> None:
        """The run could not be recorded, so none of its decisions was made."""
        for row in held:
            self._desk.take_back(decision_of(batch, row))

    def _finding(self, waiting: Waiting) -> Event:
        holding = waiting.holding
        body: dict[str, Any] = {
            "check": "hold",
            "verdict": "unsure" if holding.side == "unsure" else "fail",
            "words": holding.words,
            "figure": holding.value,
            "limit": holding.limit,
            "samples": holding.count,
            "slice": holding.group,
            "until_ns": waiting.until_ns,
        }
        return new_event(self._ids, self._clock, "finding", waiting, JUDGE, body)


def _told(shown: Shown) -> Told:
    return Told(shown.answer, shown.confidence, to_builtins(shown.options))


def decision_of(batch: DecisionBatch, row: int) -> str:
    """The id of one decision of a run."""
    return str(DecisionId(batch.time_ms, batch.incarnation, batch.first_sequence + row))


def new_event(
    ids: DecisionIds,
    clock: Clock,
    kind: Any,
    about: Waiting,
    actor: str,
    body: dict[str, Any],
) -> Event:
    """An event about something that waits."""
    time_ms, sequence = ids.take(1)
    now_ns = clock.now_ns()
    return Event(
        id=str(DecisionId(time_ms, ids.incarnation, sequence)),
        kind=kind,
        time_ns=now_ns,
        known_ns=now_ns,
        model=about.model,
        actor=actor,
        subject=about.id,
        body=body,
    )
