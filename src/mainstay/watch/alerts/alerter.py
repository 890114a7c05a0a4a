"""One look: what was found is taken in, what is due is made, and every step is told to the journal.

Promises that every event is taken into account once, however often it is read and whoever reads it;
that steps are saved with what they did, and told at least once, with the same id; and that two who
change the book at once both have their way.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec

from mainstay.base.clock import Clock
from mainstay.base.errors import StorageFailed
from mainstay.base.ids import DecisionId
from mainstay.contract.alerting import Alerting
from mainstay.journal.model import Event
from mainstay.watch.alerts.group import settle, take
from mainstay.watch.alerts.model import DAY_NS, Book, Log
from mainstay.watch.alerts.notice import notice_of
from mainstay.watch.alerts.plan import plan
from mainstay.watch.alerts.port import AlertStore
from mainstay.watch.alerts.words import Names

LOOK_BACK_NS: Final = 7 * DAY_NS
"""A keeper that comes back finds what was found since then."""
_TRIES: Final = 20
_encode = msgspec.msgpack.Encoder().encode

T = TypeVar("T")


class Alerter:
    """The alerts of one workspace."""

    def __init__(
        self,
        store: AlertStore,
        record: Callable[[Sequence[Event]], None],
        names: Names,
        clock: Clock,
    ) -> None:
        """`record` keeps events in the journal, and is done when it returns."""
        self._store = store
        self._record = record
        self._names = names
        self._clock = clock
        self._waiting: dict[str, Event] = {}

    def look(self, policy: Alerting, events: Sequence[Event]) -> None:
        """Take events in, and make the messages that are due."""
        # Kept until they are saved: the journal hands each out once.
        self._waiting.update({event.id: event for event in events})
        for _ in range(_TRIES):
            known = self._store.known(self._waiting) if self._waiting else set[str]()
            new = {id_: event for id_, event in self._waiting.items() if id_ not in known}
            found = [(event, notice_of(event)) for event in new.values()]
            notices = [notice for _, notice in found if notice is not None]
            book, revision = self._store.load()
            before = _encode(book)
            now_ns = self._clock.now_ns()
            take(book, notices, policy, now_ns)
            settle(book, now_ns)
            plan(book, policy, self._names, now_ns)
            seen = {event.id: event.time_ns for event, notice in found if notice is not None}
            same = not seen and not book.unlogged and _encode(book) == before
            if same or self._save(book, revision, seen):
                self._waiting.clear()
                return
        raise StorageFailed("alerts were changed by somebody else again and again")

    def change(self, step: Callable[[Book], T | None]) -> T | None:
        """Change the newest book and save it; a step that returns nothing has changed nothing."""
        for _ in range(_TRIES):
            book, revision = self._store.load()
            done = step(book)
            if done is None or self._save(book, revision, {}):
                return done
        raise StorageFailed("alerts were changed by somebody else again and again")

    def book(self) -> Book:
        """How things stand."""
        return self._store.load()[0]

    def tidy(self) -> None:
        """Let go of the ids of events that nobody reads again."""
        self._store.forget(self._clock.now_ns() - LOOK_BACK_NS - DAY_NS)

    def _save(self, book: Book, revision: int, seen: dict[str, int]) -> bool:
        if not self._store.save(book, revision, seen):
            return False
        if book.unlogged:
            self._record([_event(log) for log in book.unlogged])
            book.unlogged = []
            # Where somebody came in between, they tell the same steps again, under the same ids.
            self._store.save(book, revision + 1, {})
        return True


def _event(log: Log) -> Event:
    mark = hashlib.sha256(f"alerts|{log.number}|{log.did}".encode()).digest()
    identity = DecisionId(log.at_ns // 1_000_000, int.from_bytes(mark[:4], "big"), log.number)
    return Event(
        id=str(identity),
        kind="action",
        time_ns=log.at_ns,
        known_ns=log.at_ns,
        model=log.model,
        actor=log.actor,
        subject=f"alert {log.alert}" if log.alert else "alerts",
        body={"alerts": log.did, **log.body},
    )
