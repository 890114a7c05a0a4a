"""Rollouts in the memory of one process: the twin of those in a database."""

import threading
from collections.abc import Sequence

from mainstay.base.clock import Clock
from mainstay.release.rollout.append import changed_meanwhile, goes_on
from mainstay.release.rollout.model import Record, Rollout


class MemoryRolloutStore:
    """Keeps rollouts and forgets them with the process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: dict[str, list[Record]] = {}
        self._lock = threading.Lock()
        self._holder = ""
        self._until_ns = 0

    def start(self, rollout: Rollout) -> Record:
        """Keep a new rollout; `Conflict` when one of its model goes on."""
        with self._lock:
            records = self._records.setdefault(rollout.plan.model, [])
            if records and records[-1].rollout.active:
                raise goes_on(records[-1])
            records.append(Record(number=len(records) + 1, revision=1, rollout=rollout))
            return records[-1]

    def save(self, record: Record, rollout: Rollout) -> Record:
        """Replace what a record holds; `Conflict` when somebody did before."""
        with self._lock:
            records = self._records.get(rollout.plan.model, [])
            place = record.number - 1
            if place >= len(records) or records[place].revision != record.revision:
                raise changed_meanwhile(record)
            records[place] = Record(
                number=record.number, revision=record.revision + 1, rollout=rollout
            )
            return records[place]

    def active(self, model: str) -> Record | None:
        """The rollout of a model that goes on."""
        newest = self.newest(model)
        return newest if newest is not None and newest.rollout.active else None

    def all_active(self) -> Sequence[Record]:
        """All rollouts that go on, by model."""
        found = [self.active(model) for model in sorted(self._records)]
        return [record for record in found if record is not None]

    def newest(self, model: str) -> Record | None:
        """The rollout of a model that began last."""
        records = self._records.get(model)
        return records[-1] if records else None

    def lease(self, holder: str, seconds: float) -> bool:
        """Take or keep the right to drive rollouts for some time; False while another has it."""
        with self._lock:
            now_ns = self._clock.now_ns()
            if self._holder not in {"", holder} and now_ns < self._until_ns:
                return False
            self._holder, self._until_ns = holder, now_ns + round(seconds * 1e9)
            return True
