"""Sealed decisions, each looked at once, and those drawn made into tasks.

A decision belongs to the stretch of time in which its piece was taken in, so one that comes late is
drawn like any other. Shadows and what was held out are left alone: nobody was told them by the
model. Must never read a piece twice, nor hold more than one file's columns in memory.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from mainstay.base.errors import StorageFailed
from mainstay.journal.arrow import pa, pq
from mainstay.journal.lake import FileMark, Lake, Marker
from mainstay.renew.labelling.model import DAY_NS, Task, Terms, task_id
from mainstay.renew.labelling.port import ReservoirStore, Stretch, TaskQueue
from mainstay.renew.labelling.reservoir import Reservoir, chance, is_even, merge, offer
from mainstay.watch.watcher import UNASKED

LOOK_BACK_NS: Final = DAY_NS
"""Pieces that were sealed longer ago are not looked at any more."""

TermsOf = Callable[[str], Terms | None]
"""What the contract in force says of a model; nothing where nobody is asked."""


class SetAside:
    """One lake, one store, one queue. Lives in the keeper."""

    def __init__(
        self, lake: Path, store: ReservoirStore, queue: TaskQueue, terms_of: TermsOf
    ) -> None:
        self._lake = Lake(lake)
        self._store = store
        self._queue = queue
        self._terms_of = terms_of
        self._taken: frozenset[str] | None = None

    def look(self, now_ns: int, at_most: int = 50) -> int:
        """Take in pieces that were sealed since, and make tasks of what is drawn; how many
        pieces."""
        if self._taken is None:
            self._taken = self._store.taken()
        since_ns = now_ns - LOOK_BACK_NS
        markers = [m for m in self._lake.markers() if m.sealed_ns >= since_ns]
        new = [m for m in markers if m.piece not in self._taken]
        new.sort(key=lambda marker: (marker.sealed_ns, marker.piece))
        for marker in new[:at_most]:
            self._store.add(marker.piece, marker.sealed_ns, self._drawn(marker, now_ns))
            self._taken |= {marker.piece}
        self.close(now_ns)
        return len(new[:at_most])

    def close(self, now_ns: int) -> int:
        """Make tasks of what was drawn in stretches that are over; how many."""
        made = 0
        for stretch, drawn in self._store.due(now_ns).items():
            terms = self._terms_of(stretch.model)
            if terms is not None:
                made += self._queue.add(list(_tasks(stretch, drawn, terms.ask.overlap)))
            self._store.drop(stretch, drawn)
        return made

    def tidy(self, now_ns: int) -> None:
        """Forget which pieces were taken in that nobody looks at again."""
        self._store.forget(now_ns - 2 * LOOK_BACK_NS)
        self._taken = self._store.taken()

    def _drawn(self, marker: Marker, now_ns: int) -> dict[Stretch, Reservoir]:
        found: dict[Stretch, Reservoir] = {}
        for file in marker.files:
            terms = self._terms_of(file.model) if file.kind == "decision" else None
            if terms is None:
                continue
            begin_ns = now_ns - now_ns % terms.period_ns
            stretch = Stretch(file.model, begin_ns, begin_ns + terms.period_ns)
            drawn = offer(file.model, terms.most, terms.rates, self._rows(file, terms.ask.by))
            before = found.get(stretch)
            found[stretch] = drawn if before is None else merge(before, drawn)
        return found

    def _rows(self, file: FileMark, by: str) -> Iterator[tuple[str, str]]:
        try:
            schema = pq.read_schema(self._lake.folder / file.path)
            if "record" in schema.names:
                return  # runs that nobody can read
            wanted = [name for name in ("id", "arm", f"input_{by}") if name in schema.names]
            table = pq.read_table(self._lake.folder / file.path, columns=wanted, partitioning=None)
        except (OSError, pa.ArrowException) as error:
            raise StorageFailed(f"{file.path} of the lake cannot be read: {error}") from error
        columns = {name: table.column(name).to_pylist() for name in wanted}
        ids = columns["id"]
        arms = columns.get("arm", ["live"] * len(ids))
        strata = columns.get(f"input_{by}", [""] * len(ids))
        for id_, arm, stratum in zip(ids, arms, strata, strict=True):
            if arm not in UNASKED:
                yield id_, stratum_of(stratum)


def stratum_of(value: object) -> str:
    """A value as contracts write it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _tasks(stretch: Stretch, drawn: Reservoir, wanted: int) -> Iterator[Task]:
    for each in drawn.kept:
        yield Task(
            id=task_id(stretch.model, each.id),
            model=stretch.model,
            decision=each.id,
            place=each.place,
            chance=chance(drawn, each),
            even=is_even(drawn, each),
            stratum=each.stratum,
            made_ns=stretch.end_ns,
            wanted=wanted,
        )
