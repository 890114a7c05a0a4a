"""The journal in memory: the twin that passes the same suites, for tests and simulated worlds.

Promises everything but to outlive its process.
"""

import threading
from collections.abc import Container, Iterator, Sequence
from itertools import islice

from mainstay.base.errors import InvalidUsage, MainstayError, StorageFailed
from mainstay.base.ids import parse_decision_id
from mainstay.journal.arrow import ArrowTable
from mainstay.journal.model import (
    Decision,
    DecisionBatch,
    Event,
    Fresh,
    Layout,
    Record,
    Wanted,
)
from mainstay.journal.news import rows_of
from mainstay.journal.piece import prepare
from mainstay.journal.port import Done, News
from mainstay.journal.reader import ask, not_found
from mainstay.journal.rows import decision_of, with_events
from mainstay.journal.tail import Run, holds


class MemoryLog:
    """What spools and journals of one simulated workspace share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.runs: dict[tuple[int, int, int], Run] = {}
        self.events: list[Event] = []
        self.unsealed: list[int] = []
        """How many records each spool has that is closed and not sealed yet."""


class MemorySpool:
    """A spool that keeps its records in a `MemoryLog`."""

    def __init__(self, log: MemoryLog, incarnation: int) -> None:
        self._log = log
        self._incarnation = incarnation
        self._layouts: dict[str, Layout] = {}
        self._count = 0
        self._closed = False

    def describe(self, layout: Layout) -> None:
        """Make a version's names known."""
        self._layouts[layout.fingerprint] = layout

    def append(self, records: Sequence[Record]) -> None:
        """Keep records, all or none."""
        if self._closed:
            raise StorageFailed("the spool is closed", expected="an open spool")
        prepare(records, self._incarnation, self._layouts)
        with self._log.lock:
            runs: dict[tuple[int, int, int], Run] = {}
            for record in records:
                if isinstance(record, DecisionBatch) and record.rows:
                    key = (record.incarnation, record.time_ms, record.first_sequence)
                    if key in runs or key in self._log.runs:
                        raise InvalidUsage(
                            "decisions with these ids were written already",
                            field="first_sequence",
                            expected="ids that were never used before",
                        )
                    runs[key] = (record, self._layouts[record.fingerprint])
            self._log.runs.update(runs)
            self._log.events += [record for record in records if isinstance(record, Event)]
            self._count += len(records)

    def append_durable(self, records: Sequence[Record], done: Done) -> None:
        """Keep records, then say so."""
        try:
            self.append(records)
        except MainstayError as error:
            done(error)
        else:
            done(None)

    def append_buffered(self, records: Sequence[Record]) -> None:
        """Keep records."""
        self.append(records)

    def close(self) -> None:
        """Let go; what was written may now be sealed."""
        if not self._closed and self._count:
            self._log.unsealed.append(self._count)
        self._closed = True


class MemoryJournal:
    """Reads a `MemoryLog`."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    def find(self, decision_id: str) -> Decision:
        """One decision; `NotFound`."""
        batch, layout = self.run_of(decision_id)
        row = parse_decision_id(decision_id).sequence - batch.first_sequence
        return decision_of(batch, layout, row)

    def run_of(self, decision_id: str) -> tuple[DecisionBatch, Layout]:
        """The whole model run a decision was made in; `NotFound`."""
        decision = parse_decision_id(decision_id)
        with self._log.lock:
            for run in self._log.runs.values():
                if holds(run[0], decision):
                    return run
        raise not_found(decision_id)

    def find_with_all(self, decision_id: str) -> Decision:
        """One decision with what was said and done about it since."""
        found = self.find(decision_id)
        return with_events(found, self.about(found.model, decision_id))

    def about(self, model: str, decision_id: str) -> Sequence[Event]:
        """What was said and done about a decision of a model, oldest first."""
        with self._log.lock:
            events = [e for e in self._log.events if e.model == model and e.subject == decision_id]
        return sorted(events, key=lambda event: (event.time_ns, event.id))

    def query(self, sql: str) -> ArrowTable:
        """An Arrow table, from one SELECT over the views `decisions` and `events`."""
        with self._log.lock:
            runs, events = list(self._log.runs.values()), list(self._log.events)
        return ask(sql, runs=runs, events=events)

    def runs(self, model: str, fingerprints: Container[str]) -> Iterator[Run]:
        """Every model run of some versions of a model, each once."""
        with self._log.lock:
            runs = list(self._log.runs.values())
        for run in runs:
            if run[1].model == model and run[1].fingerprint in fingerprints:
                yield run

    def news(self, wanted: Wanted) -> News:
        """Reads on from a moment: what was written of one model since the look before."""
        return MemoryNews(self._log, wanted)

    def seal(self) -> int:
        """Count the closed spools as sealed."""
        with self._log.lock:
            sealed = len(self._log.unsealed)
            self._log.unsealed.clear()
        return sealed


class MemoryNews:
    """Reads on in a `MemoryLog`."""

    def __init__(self, log: MemoryLog, wanted: Wanted) -> None:
        self._log = log
        self._wanted = wanted
        self._runs = 0
        self._events = 0

    def read(self) -> Fresh:
        """What is new since the last time."""
        wanted = self._wanted
        with self._log.lock:
            runs = list(islice(self._log.runs.values(), self._runs, None))
            events = self._log.events[self._events :]
        self._runs += len(runs)
        self._events += len(events)
        mine = [run for run in runs if run[1].model == wanted.model and wanted.decisions]
        rows = rows_of(mine, wanted)
        heard = [e for e in events if e.model == wanted.model and e.kind in wanted.kinds]
        return Fresh(sorted(rows, key=lambda row: row["id"]), heard)
