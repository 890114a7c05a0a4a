"""Driving rollouts: look, decide, keep what was decided, do it, keep that it is done.

Promises that a keeper that dies between any two of these leaves what the next one needs to come to
the same end, and that one rollout that cannot be driven does not stop the others. One keeper at a
time holds the lease; the compare-and-swap of routes and rollouts holds even if two should drive.
"""

from collections.abc import Callable
from typing import Final

from mainstay.base.clock import Clock
from mainstay.base.errors import Conflict, MainstayError, StorageFailed
from mainstay.contract.finding import Finding
from mainstay.release.rollout.controllers import arrived, is_of, overtaken, step
from mainstay.release.rollout.model import Evidence, Record, Rollout
from mainstay.release.rollout.opt_back import reminder
from mainstay.release.rollout.port import RolloutStore
from mainstay.serve.routes.model import Route
from mainstay.serve.routes.port import RouteChain

LEASE_SECONDS: Final = 10.0

Look = Callable[[Rollout, Route | None], Evidence]
Say = Callable[[str], None]
Remind = Callable[[Rollout, Finding], None]


def _nobody(rollout: Rollout, finding: Finding) -> None:
    """For drivers that nobody listens to."""
    del rollout, finding


class Driver:
    """What one keeper does for all rollouts that go on."""

    def __init__(
        self, store: RolloutStore, chain: RouteChain, look: Look, clock: Clock, holder: str,
        say: Say, remind: Remind = _nobody,
    ) -> None:  # fmt: skip
        """`remind` is told of a finding that somebody should act on before a day that is fixed."""
        self._store = store
        self._chain = chain
        self._look = look
        self._clock = clock
        self._holder = holder
        self._say = say
        self._remind = remind

    def tick(self) -> None:
        """One look at every rollout; what cannot be driven now is named in one error."""
        records = self._store.all_active()
        if not records or not self._store.lease(self._holder, LEASE_SECONDS):
            return
        failed: list[str] = []
        for record in records:
            try:
                self._drive(record)
            except MainstayError as error:
                failed.append(f"{record.rollout.plan.model}: {error.message}")
        if failed:
            raise StorageFailed("cannot go on with the rollout of " + "; ".join(failed))

    def _drive(self, record: Record) -> None:
        before = record.rollout
        if before.pending is None:
            newest = self._chain.current(before.plan.model)
            after = step(before, self._look(before, newest), self._clock.now_ns())
            if after == before:
                return
            due = reminder(before, after) or _taken_back(after)
            if due is not None:
                self._remind(after, due)  # first, so that a keeper's death may repeat it at most
            record = self._store.save(record, after)
        if record.rollout.pending is not None:
            record = self._store.save(record, self._carried_out(record.rollout))
        if record.rollout.status != before.status or record.rollout.step != before.step:
            plan = before.plan
            self._say(f"{plan.model} {plan.candidate}: {record.rollout.words}")

    def _carried_out(self, rollout: Rollout) -> Rollout:
        """The rollout once its pending route is in the chain, or somebody else's is."""
        pending = rollout.pending
        assert pending is not None
        newest = self._chain.current(rollout.plan.model)
        if newest is not None and newest.epoch == pending.replaces:
            try:
                return arrived(rollout, self._chain.append(pending.draft, pending.replaces))
            except Conflict:
                newest = self._chain.current(rollout.plan.model)
        if newest is not None and is_of(pending, newest):
            return arrived(rollout, newest)
        return overtaken(rollout, newest, self._clock.now_ns())


def _taken_back(rollout: Rollout) -> Finding | None:
    """What is found where the old version is about to answer alone again."""
    pending = rollout.pending
    if pending is None or pending.status != "rolled back":
        return None
    return Finding(check="rollout", verdict="fail", words=pending.draft.reason)


def going_on(store: RolloutStore, chain: RouteChain, model: str, now_ns: int) -> Record | None:
    """The rollout of a model that goes on; one that somebody's route ended is kept as ended."""
    record = store.active(model)
    if record is None:
        return None
    rollout, newest = record.rollout, chain.current(model)
    if newest is None or newest.epoch == rollout.epoch:
        return record
    if rollout.pending is not None and is_of(rollout.pending, newest):
        return record
    try:
        store.save(record, overtaken(rollout, newest, now_ns))
    except Conflict:
        # The keeper saw it first, and says the same.
        return store.active(model)
    return None
