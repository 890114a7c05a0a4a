"""Releasing and rejecting what waits, and what follows from it.

Promises that a decision is released or rejected once: saying the same again changes nothing, and
saying the opposite is refused with who decided before. What was decided is on the desk before
anybody is told, and what follows (its event, and a released number that counts from now on) is
made up for when a process died in between.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from mainstay.base.clock import Clock
from mainstay.base.errors import Conflict, InvalidRequest, NotAllowed, NotFound
from mainstay.base.ids import DecisionIds
from mainstay.base.limits import WORDS_MAX_CHARACTERS
from mainstay.journal.model import Event
from mainstay.judge.moments import WIDTH, sums_of_one
from mainstay.serve.held.keep import new_event
from mainstay.serve.held.model import TIME, Settled, Standing, Verdict, Waiting
from mainstay.serve.held.port import Desk
from mainstay.tally.port import Tally

Record = Callable[[Event], object]
_FOLLOWS_WITHIN_NS = 60_000_000_000
"""Whoever decided may take so long for what follows; then it is made up for."""
_KEPT_NS = 90 * 86_400 * 1_000_000_000
"""How long the desk knows what was decided; the journal always does."""


class Settler:
    """Decides about what waits, for people and for time."""

    def __init__(
        self, desk: Desk, record: Record, tally: Tally, ids: DecisionIds, clock: Clock
    ) -> None:
        """`record` hands an event to the operating system before it returns."""
        self._desk = desk
        self._record = record
        self._tally = tally
        self._ids = ids
        self._clock = clock

    def standing(self, decision: str) -> Standing:
        """How a decision that was held stands; `NotFound` where it never was."""
        waiting, settled = self._look(decision)
        return standing_of(waiting, settled)

    def asked_by(self, decision: str) -> str:
        """Who asked for it."""
        about = next(each for each in self._look(decision) if each is not None)
        return about.caller

    def decide(
        self, decision: str, verdict: Verdict, actor: str, reason: str, *, by_another: bool = False
    ) -> Standing:
        """Release or reject; `Conflict` where the opposite was decided before, `NotAllowed` where
        it must be `by_another` than who asked for the answer."""
        reason = check_reason(reason)
        waiting, earlier = self._look(decision)
        if by_another and actor == self.asked_by(decision):
            raise NotAllowed(
                f"{actor} asked for this answer, so somebody else must release or reject it",
                field="caller",
                got=actor,
                expected="another caller's key, or `mainstay held` at the machine",
            )
        if earlier is None:
            assert waiting is not None
            earlier = self._settle(waiting, verdict, actor, reason)
        if earlier.verdict != verdict:
            raise Conflict(
                f"this decision was {earlier.verdict} already, by {earlier.actor} at "
                f"{_moment(earlier.time_ns)}: {earlier.reason or 'no reason given'}",
                field="id",
                got=decision,
                expected=f"that it stays {earlier.verdict}",
            )
        return standing_of(waiting, earlier)

    def tick(self) -> int:
        """Reject what waited for too long, and make up for what was left undone; how many."""
        now_ns = self._clock.now_ns()
        done = 0
        for waiting in self._desk.waiting():
            if waiting.until_ns <= now_ns:
                self._time_out(waiting)
                done += 1
        for waiting, settled in _left_undone(self._desk, now_ns):
            self._follow(waiting, settled)
            done += 1
        return done

    def _look(self, decision: str) -> tuple[Waiting | None, Settled | None]:
        """What is known of a decision, with time's word where it has the last one."""
        waiting, settled = self._desk.find(decision)
        if settled is None and waiting is not None and waiting.until_ns <= self._clock.now_ns():
            settled = self._time_out(waiting)
        if waiting is None and settled is None:
            raise NotFound(
                "no decision with this id waits for a person, or ever did",
                field="id",
                got=decision,
                expected="the id of a decision whose status is held; `mainstay held list` shows "
                "those that wait",
            )
        return waiting, settled

    def _time_out(self, waiting: Waiting) -> Settled:
        reason = f"nobody released or rejected it within {waiting.holding.wait}"
        return self._settle(waiting, "rejected", TIME, reason)

    def _settle(self, waiting: Waiting, verdict: Verdict, actor: str, reason: str) -> Settled:
        """Decide, unless somebody was first; what holds."""
        event = self._event(waiting, verdict, actor, reason)
        mine = Settled(
            id=waiting.id,
            model=waiting.model,
            caller=waiting.caller,
            verdict=verdict,
            actor=actor,
            reason=reason,
            time_ns=event.time_ns,
            event=event.id,
            shown=waiting.shown if verdict == "released" else None,
        )
        holds = self._desk.settle(mine)
        if holds == mine:
            self._follow(waiting, mine)
        return holds

    def _event(self, waiting: Waiting, verdict: Verdict, actor: str, reason: str) -> Event:
        body: dict[str, Any] = {"check": "hold", "did": verdict, "reason": reason}
        kind = "action"
        if actor == TIME:
            kind = "finding"
            body |= {"verdict": "fail", "words": f"rejected: {reason}"}
        return new_event(self._ids, self._clock, kind, waiting, actor, body)

    def _follow(self, waiting: Waiting, settled: Settled) -> None:
        """Tell the journal, and let a released number count."""
        event = self._event(waiting, settled.verdict, settled.actor, settled.reason)
        self._record(structs.replace(event, id=settled.event, time_ns=settled.time_ns))
        counted, value = waiting.holding.counted, waiting.holding.value
        if settled.verdict == "released" and counted is not None and value is not None:
            sums = sums_of_one(value)
            if sums[0]:
                self._tally.declare(counted.name, counted.bucket_ns, counted.buckets, WIDTH)
                self._tally.add(counted.name, counted.key, sums, waiting.time_ns)
        self._desk.close(waiting.id)


def still_waiting(desk: Desk, now_ns: int) -> list[Waiting]:
    """Everything that a person can still decide about, oldest first."""
    return [each for each in desk.waiting() if each.until_ns > now_ns]


def due(desk: Desk, now_ns: int) -> bool:
    """Whether there is something for `tick` to do."""
    late = any(each.until_ns <= now_ns for each in desk.waiting())
    return late or bool(_left_undone(desk, now_ns))


def forget(desk: Desk, now_ns: int) -> int:
    """Let go of what was decided long ago; how many."""
    return desk.forget(now_ns - _KEPT_NS)


def _left_undone(desk: Desk, now_ns: int) -> list[tuple[Waiting, Settled]]:
    return [
        (waiting, settled)
        for waiting, settled in desk.unfinished()
        if settled.time_ns + _FOLLOWS_WITHIN_NS <= now_ns
    ]


def standing_of(waiting: Waiting | None, settled: Settled | None) -> Standing:
    """How it stands, as doors show it."""
    if settled is not None:
        return Standing(
            id=settled.id,
            model=settled.model,
            state=settled.verdict,
            actor=settled.actor,
            reason=settled.reason,
            time=_moment(settled.time_ns),
            answer=settled.shown,
        )
    assert waiting is not None
    return Standing(
        id=waiting.id,
        model=waiting.model,
        state="held",
        words=waiting.holding.words,
        until=_moment(waiting.until_ns),
    )


def check_reason(reason: str) -> str:
    """A reason as it is kept."""
    reason = reason.strip()
    if not 1 <= len(reason) <= WORDS_MAX_CHARACTERS:
        raise InvalidRequest(
            "a reason is missing" if not reason else "the reason is too long",
            field="reason",
            rule="missing" if not reason else "max_length",
            expected=f"why, in 1 to {WORDS_MAX_CHARACTERS} characters",
        )
    return reason


def _moment(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
