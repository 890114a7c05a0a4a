"""Requests that a version failed to answer, for the journal.

Who fails leaves no decision, so a version that fails could look better than one that answers.
Promises one record for a version and a beat of the worker, however much fails; must never keep a
worker from answering: what cannot be recorded is let go. Units are kept as the numbers they were
drawn with, which tell them apart and do not name them.
"""

from collections import Counter, defaultdict
from contextlib import suppress
from typing import Final

import msgspec

from mainstay.base.clock import Clock
from mainstay.base.errors import MainstayError
from mainstay.base.ids import DecisionId, DecisionIds
from mainstay.journal.model import Event
from mainstay.journal.port import Spool
from mainstay.serve.mixture import Missed

DRAWS_MAX: Final = 2_000
"""How many units are told apart in one record."""


_Of = tuple[str, str, int, str]
"""Model, fingerprint, epoch and arm."""


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """What failed in one beat, as the journal keeps it."""

    epoch: int
    arm: str
    rows: int
    draws: tuple[float, ...]


class Failures:
    """Gathers what failed since the last beat."""

    def __init__(self, spool: Spool, ids: DecisionIds, clock: Clock, slot: int) -> None:
        self._spool = spool
        self._ids = ids
        self._clock = clock
        self._slot = slot
        self._rows: Counter[_Of] = Counter()
        self._draws: defaultdict[_Of, set[float]] = defaultdict(set)

    def add(self, missed: Missed) -> None:
        """Some rows of a version in force."""
        route = missed.route
        of = (route.model, route.fingerprint, route.epoch, missed.arm)
        self._rows[of] += missed.rows
        if len(self._draws[of]) < DRAWS_MAX:
            self._draws[of].update(missed.draws)

    def record(self) -> None:
        """Tell the journal, and begin anew."""
        found, self._rows = self._rows, Counter()
        draws, self._draws = self._draws, defaultdict(set)
        for of, rows in found.items():
            model, fingerprint, epoch, arm = of
            failed = Failed(epoch=epoch, arm=arm, rows=rows, draws=tuple(sorted(draws[of])))
            time_ms, sequence = self._ids.take(1)
            now_ns = self._clock.now_ns()
            event = Event(
                id=str(DecisionId(time_ms, self._ids.incarnation, sequence)),
                kind="failure",
                time_ns=now_ns,
                known_ns=now_ns,
                model=model,
                actor=f"worker {self._slot}",
                subject=fingerprint,
                body=msgspec.to_builtins(failed),
            )
            with suppress(MainstayError):
                self._spool.append([event])
