"""The two sides of the journal: one spool for each writing process, one reader for everybody."""

from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any, Protocol

from mainstay.journal.model import (
    Decision,
    DecisionBatch,
    Event,
    Fresh,
    Layout,
    Record,
    Wanted,
)

Done = Callable[[BaseException | None], None]


class Spool(Protocol):
    """Where one process writes. All methods are called from one thread; `done` may be called
    from another."""

    def describe(self, layout: Layout) -> None:
        """Make a version's names known; every piece that needs them gets them."""
        ...

    def append(self, records: Sequence[Record]) -> None:
        """Hand records to the operating system: when this returns, no crash of the process loses
        them, and within 50 ms they are on disk. `StorageFailed` keeps none of them."""
        ...

    def append_durable(self, records: Sequence[Record], done: Done) -> None:
        """Write records with the next group commit; `done(None)` once they are on disk,
        `done(error)` when they could not be kept."""
        ...

    def append_buffered(self, records: Sequence[Record]) -> None:
        """Take records to be written soon, without waiting."""
        ...

    def close(self) -> None:
        """Write what is buffered, seal the open piece and let go of it."""
        ...


class News(Protocol):
    """Somebody's place in the journal."""

    def read(self) -> Fresh:
        """What is new since the last time, each record once; a long past comes in parts."""
        ...


class Journal(Protocol):
    """What has been written, by every process, sealed or not."""

    def find(self, decision_id: str) -> Decision:
        """One decision; `NotFound`."""
        ...

    def run_of(self, decision_id: str) -> tuple[DecisionBatch, Layout]:
        """The whole model run a decision was made in, for replay; `NotFound`."""
        ...

    def find_with_all(self, decision_id: str) -> Decision:
        """The same with what was said and done about it since, which costs a look at events."""
        ...

    def about(self, model: str, decision_id: str) -> Sequence[Event]:
        """What was said and done about a decision of a model since it was made, oldest first."""
        ...

    def query(self, sql: str) -> Any:
        """An Arrow table, from SQL over the views `decisions` and `events`."""
        ...

    def runs(
        self, model: str, fingerprints: Container[str]
    ) -> Iterator[tuple[DecisionBatch, Layout]]:
        """Every model run of some versions of a model, each once, a file's worth in memory at a
        time; what is written meanwhile may be left out."""
        ...

    def news(self, wanted: Wanted) -> News:
        """Reads on from a moment: what was written of one model since the look before."""
        ...

    def seal(self) -> int:
        """Turn every piece that no process writes any more into Parquet, exactly once; returns
        how many."""
        ...
