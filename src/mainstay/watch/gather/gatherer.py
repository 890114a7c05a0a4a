"""Takes sealed pieces in, one after the other, oldest first."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from mainstay.base.errors import StorageFailed
from mainstay.journal.arrow import pa, pq
from mainstay.journal.lake import FileMark, Lake, Marker
from mainstay.summaries.reference import Known, Reference, reference_of
from mainstay.watch.gather.model import (
    DAY_MS,
    DECIDED,
    HOUR_MS,
    NOBODY,
    STRETCH_MS,
    Key,
    Part,
    merge_parts,
)
from mainstay.watch.gather.port import SummaryStore
from mainstay.watch.gather.read import PREFIXES, parts_of

STRETCHES_KEPT_MS: Final = DAY_MS
"""How long stretches stay apart before they become hours."""
HOURS_KEPT_MS: Final = 8 * DAY_MS
"""How long hours stay apart before they become days."""
REFERENCE_ROWS: Final = 10_000
"""How many of its first decisions stand in for the reference of a version that brought none."""


class Versions(Protocol):
    """What is to be known of the versions whose decisions are taken in."""

    def reference(self, fingerprint: str) -> Reference | None:
        """The reference in the version's bundle."""
        ...

    def slices(self, fingerprint: str) -> Sequence[str]:
        """The inputs by which its contract parts the data."""
        ...


class Beside(Protocol):
    """Something else that is kept of the same decisions."""

    def parts(self, table: Any, reference: Reference) -> Iterator[Part]:
        """What a table of decisions of one version becomes; of 0 rows, since they are counted."""
        ...

    def known(self, rows: Any, known: Mapping[str, Known]) -> Mapping[str, Known]:
        """What its first decisions say of a version that brought no reference, beside what is
        known of their columns."""
        ...


class Gatherer:
    """One lake, one store. Lives in the keeper that holds the lease."""

    def __init__(
        self, lake: Path, store: SummaryStore, versions: Versions, besides: Sequence[Beside] = ()
    ) -> None:
        self._lake = Lake(lake)
        self._store = store
        self._versions = versions
        self._besides = besides
        self._taken = set(store.taken())
        self._references: dict[str, Reference] = {}

    def take_in(self, at_most: int, step: Callable[[str], None] = lambda _piece: None) -> int:
        """Take in pieces that were sealed since; how many. The rest comes with the next look."""
        new = [marker for marker in self._lake.markers() if marker.piece not in self._taken]
        new.sort(
            key=lambda marker: (min((f.first_ms for f in marker.files), default=0), marker.piece)
        )
        for marker in new[:at_most]:
            step(marker.piece)
            self._store.add(marker.piece, self._parts(marker))
            self._taken.add(marker.piece)
        return len(new[:at_most])

    def tidy(self, now_ms: int) -> None:
        """Merge what came from several pieces, and make hours and days of what is long over."""
        self._store.compact(now_ms - STRETCH_MS, STRETCH_MS)
        self._store.compact(now_ms - STRETCHES_KEPT_MS, HOUR_MS)
        self._store.compact(now_ms - HOURS_KEPT_MS, DAY_MS)

    def _parts(self, marker: Marker) -> list[Part]:
        merged: dict[Any, Part] = {}
        for file in marker.files:
            if file.kind != "decision":
                continue
            for part in self._parts_of_file(file):
                before = merged.get(part.key)
                merged[part.key] = part if before is None else merge_parts(before, part, part.key)
        return list(merged.values())

    def _parts_of_file(self, file: FileMark) -> Iterator[Part]:
        try:
            table = pq.read_table(self._lake.folder / file.path, partitioning=None)
        except (OSError, pa.ArrowException) as error:
            raise StorageFailed(f"{file.path} of the lake cannot be read: {error}") from error
        if table.num_rows and "record" not in table.column_names:
            fingerprint = table.column("fingerprint")[0].as_py()
            reference = self._reference(fingerprint, table)
            for part in parts_of(table, reference, self._versions.slices(fingerprint)):
                yield part
                if not part.key.slice and part.key.arm != "shadow":
                    yield _decided(part)
            for beside in self._besides:
                yield from beside.parts(table, reference)

    def _reference(self, fingerprint: str, table: Any) -> Reference:
        known = self._references.get(fingerprint)
        if known is None:
            known = self._versions.reference(fingerprint) or self._store.reference(fingerprint)
            if known is None:
                self._store.keep_reference(fingerprint, self._first_decisions(table))
                known = self._store.reference(fingerprint)
                assert known is not None
            self._references[fingerprint] = known
        return known

    def _first_decisions(self, table: Any) -> Reference:
        rows = table.slice(0, REFERENCE_ROWS)
        own = {name: rows.column(name) for name in rows.column_names if name.startswith(PREFIXES)}
        found = reference_of(own, f"its first {rows.num_rows:,} decisions")
        columns = dict(found.columns)
        for beside in self._besides:
            columns |= beside.known(rows, found.columns)
        return msgspec.structs.replace(found, columns=columns)


def _decided(part: Part) -> Part:
    """The number of its decisions alone."""
    key = Key(part.key.model, NOBODY, 0, "", DECIDED, part.key.begin_ms)
    return Part(key, part.rows, {})
